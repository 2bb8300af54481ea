"""What a run costs, counted beforehand: images seen, evaluations of the network, operations, bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from madtheory.images.runs._settings import Settings
from madtheory.images.unet import UNet
from madtheory.networks import Heun
from madtheory.networks._samplers import Sampler

__all__ = [
    "GPU_RATE",
    "Work",
    "evaluations",
    "operations",
    "parameters",
    "plain_evaluations",
    "reckoned_hours",
    "total_work",
    "work_of",
]

GPU_RATE = 1e14
"""Floating-point operations in a second that the presets' GPU-hours suppose, for training and sampling: a
tenth of what an H100 can do at most in bf16 (989e12). Not measured; `plan` measures."""

_ROW = 48  # label, seed and sha256 of a stored image


@dataclass(frozen=True)
class Work:
    """The work of one generation, or of several.

    Attributes
    ----------
    seen : int
        Images seen in training, with repetition, by all networks.
    made : int
        Images sampled: synthetic ones, those for the auxiliary, and those that are measured.
    evaluations : int
        Forward passes of the network for one image, in sampling.
    stored : int
        Bytes of weights and images that stay in the store.
    """

    seen: int = 0
    made: int = 0
    evaluations: int = 0
    stored: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.seen + other.seen,
            self.made + other.made,
            self.evaluations + other.evaluations,
            self.stored + other.stored,
        )


def work_of(settings: Settings, generation: int) -> Work:
    """The work of a generation: its synthetic data, its training, and the images that are measured."""
    training, regime, first = settings.model.training, settings.regime, generation == 1
    warm = settings.warm_start and not first
    budget = (training.warm_images or training.images) if warm else training.images
    seen = _whole_batches(budget, training.batch)
    plain, each = plain_evaluations(settings.model.sampler), evaluations(settings)
    chosen_from = 1 if settings.treatment is None else settings.treatment.choices
    synthetic = 0 if first else regime.n_synthetic_at(generation) * chosen_from
    networks, auxiliary, improved = 1, 0, settings.improvement
    if improved is not None:
        auxiliary = improved.n_auxiliary
        seen += _whole_batches(improved.budget, training.batch)
        # Neon stores a third network, which is made of the two.
        networks = 3 if improved.method == "Neon" else 2
    made = synthetic + settings.n_evaluation
    height, width, channels = settings.data.shape
    return Work(
        seen=seen,
        made=made + auxiliary,
        evaluations=made * each + auxiliary * plain,
        stored=4 * parameters(settings) * networks + (made + auxiliary) * (height * width * channels + _ROW),
    )


def total_work(settings: Settings) -> Work:
    """The work of all generations."""
    return sum((work_of(settings, t) for t in range(1, settings.generations + 1)), Work())


def reckoned_hours(settings: Settings) -> float:
    """Hours at `GPU_RATE`, where an image seen in training costs three forward passes."""
    work = total_work(settings)
    return (3 * work.seen + work.evaluations) * operations(settings) / GPU_RATE / 3600


def evaluations(settings: Settings) -> int:
    """Forward passes for an image of the loop: twice as many with guidance by classes, or with SIMS."""
    guided = settings.bias is not None and settings.bias < 1
    improved = settings.improvement
    both = improved is not None and improved.method == "SIMS" and improved.weight not in (0, -1)
    return plain_evaluations(settings.model.sampler) * (1 + guided) * (1 + both)


def plain_evaluations(sampler: Sampler) -> int:
    """Forward passes for an image of the network alone."""
    return 2 * sampler.steps - 1 if isinstance(sampler, Heun) else sampler.steps


def parameters(settings: Settings) -> int:
    """Number of weights of the network."""
    return _weights(settings.model.unet, settings.data.shape, settings.model.classes)


def operations(settings: Settings) -> int:
    """Floating-point operations of a forward pass of the network for one image; nothing is computed."""
    return _operations(settings.model.unet, settings.data.shape, settings.model.classes)


@cache
def _operations(unet: UNet, shape: tuple[int, int, int], classes: int | None) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    height, width, channels = shape
    marks = None if classes is None else torch.zeros(1, dtype=torch.long, device="meta")
    image, time = torch.empty(1, channels, height, width, device="meta"), torch.empty(1, device="meta")
    counter = FlopCounterMode(display=False)
    module = _network(unet, shape, classes)
    with counter, torch.no_grad():
        module(image, time, class_labels=marks)
    return int(counter.get_total_flops())


@cache
def _weights(unet: UNet, shape: tuple[int, int, int], classes: int | None) -> int:
    return sum(p.numel() for p in _network(unet, shape, classes).parameters())


def _network(unet: UNet, shape: tuple[int, int, int], classes: int | None) -> nn.Module:
    with torch.device("meta"):
        return unet.module(shape, classes)


def _whole_batches(images: int, batch: int) -> int:
    return math.ceil(images / batch) * batch
