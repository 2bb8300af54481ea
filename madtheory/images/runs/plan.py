"""The cost of a run before it starts: its work is counted, and the speed measured on the present device."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from madtheory.images.data import Images, datasets
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.runs.settings import Settings
from madtheory.networks import Heun, Sampler, choose_device

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
    """Return the work of a generation: synthetic data, training, and measured images."""
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
    """Return the work of all generations."""
    return sum((work_of(settings, t) for t in range(1, settings.generations + 1)), Work())


def estimated_hours(settings: Settings) -> float:
    """Return the hours at `GPU_RATE`, where an image seen in training costs three forward passes."""
    work = total_work(settings)
    return (3 * work.seen + work.evaluations) * operations(settings) / GPU_RATE / 3600


def evaluations(settings: Settings) -> int:
    """Return the forward passes for an image: twice as many with guidance by classes, or with SIMS."""
    guided = settings.bias is not None and settings.bias < 1
    improved = settings.improvement
    both = improved is not None and improved.method == "SIMS" and improved.weight not in (0, -1)
    return plain_evaluations(settings.model.sampler) * (1 + guided) * (1 + both)


def plain_evaluations(sampler: Sampler) -> int:
    """Return the forward passes for an image of the network alone."""
    return 2 * sampler.steps - 1 if isinstance(sampler, Heun) else sampler.steps


@cache
def parameters(settings: Settings) -> int:
    """Return the number of weights of the network."""
    return sum(p.numel() for p in _network(settings).parameters())


@cache
def operations(settings: Settings) -> int:
    """Count the floating-point operations of a forward pass for one image, without running it."""
    from torch.utils.flop_counter import FlopCounterMode

    height, width, channels = settings.data.shape
    labelled = settings.model.classes is not None
    marks = torch.zeros(1, dtype=torch.long, device="meta") if labelled else None
    patch = getattr(settings.model.unet, "patch", 1)
    shape = channels * patch**2, height // patch, width // patch
    image, time = torch.empty(1, *shape, device="meta"), torch.empty(1, device="meta")
    counter = FlopCounterMode(display=False)
    module = _network(settings)
    with counter, torch.no_grad():
        module(image, time, class_labels=marks)
    return int(counter.get_total_flops())


def _network(settings: Settings) -> nn.Module:
    with torch.device("meta"):
        return settings.model.unet.module(settings.data.shape, settings.model.classes)


def _whole_batches(images: int, batch: int) -> int:
    return math.ceil(images / batch) * batch


_LONGEST = 5.0  # seconds that one step, or one chunk, may take in the measurement
_FEW = 2  # steps of the sampler that is measured
_MOST = 1 << 16


@dataclass(frozen=True)
class Speed:
    """What a device does in a second with the network of a run.

    Attributes
    ----------
    training : float
        Images seen.
    sampling : float
        Evaluations of the network, one image each.
    device : str
        Name of the device.
    batches : (int, int)
        Images at once, in training and in sampling, as measured.
    """

    training: float
    sampling: float
    device: str
    batches: tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """The cost of a run.

    Attributes
    ----------
    settings : Settings
        The run.
    works : tuple of Work
        The work of each generation.
    speed : Speed
        Speed of the device.
    checkpoint : int
        Bytes of the checkpoints of the network that is being trained, which are removed in the end.
    reading : (int, float), optional
        Number of image files, and files decoded in a second.
    """

    settings: Settings
    works: tuple[Work, ...]
    speed: Speed
    checkpoint: int
    reading: tuple[int, float] | None = None

    @property
    def total(self) -> Work:
        """The work of all generations."""
        return sum(self.works, Work())

    def hours(self, work: Work) -> float:
        """Return the hours on the device that was measured."""
        return (work.seen / self.speed.training + work.evaluations / self.speed.sampling) / 3600


def plan(settings: Settings, *, device: str | None = None, seconds: float = 1.0) -> Plan:
    """Count the work of a run and measure the speed of its network.

    Parameters
    ----------
    settings : Settings
        The run; no data set is opened.
    device : str, optional
        Default: the accelerator, if there is one.
    seconds : float
        Time that each of the two measurements takes at least.
    """
    return plan_at_speed(settings, measure_speed(settings, device=device, seconds=seconds))


def plan_at_speed(settings: Settings, speed: Speed) -> Plan:
    """Return the plan for a speed that is known."""
    works = tuple(work_of(settings, t) for t in range(1, settings.generations + 1))
    # Two checkpoints, of weights, their average and the two moments of Adam.
    kept = 3 + bool(settings.model.training.ema_images)
    return Plan(settings, works, speed, 2 * 4 * kept * parameters(settings))


def measure_speed(settings: Settings, *, device: str | None = None, seconds: float = 1.0) -> Speed:
    """Measure training and sampling with the network of a run, on noise, by the code that the run takes.

    The batch is that of the run, unless a step with it would take longer than 5 seconds. On a CPU the
    network is not compiled.
    """
    place = choose_device(device)
    compiled = settings.model.training.compile and place.type != "cpu"
    given = replace(settings.model, device=device, store=None)
    rng, shape = np.random.default_rng(0), settings.data.shape
    pixels = rng.integers(0, 256, (64, *shape), dtype=np.uint8)
    images = Images.of(pixels, labels=None if given.classes is None else np.arange(64) % given.classes)
    fitted: list[ImageDiffusion] = []
    sampler: Any = given.sampler
    short = replace(sampler, steps=_FEW)

    def train(batch: int, compiled: bool, count: int) -> None:
        parts = min(given.training.accumulate, batch)
        training = replace(
            given.training, batch=batch, images=count * batch, accumulate=parts, compile=compiled
        )
        fitted[:] = [replace(given, training=training).fit(images, rng=np.random.default_rng(1))]

    def sample(batch: int, compiled: bool, count: int) -> None:
        (model,) = fitted
        model = replace(model, training=replace(model.training, compile=compiled), batch=batch)
        replace(model, sampler=short).sample(count * batch, rng=np.random.default_rng(2))

    batch = _affordable(train, given.training.batch)
    step = _each(partial(train, batch, compiled), seconds)
    chunk = _affordable(sample, given.batch)
    piece = _each(partial(sample, chunk, compiled), seconds)
    return Speed(
        training=batch / step,
        sampling=chunk * plain_evaluations(short) / piece,
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else f"this {place.type.upper()}",
        batches=(batch, chunk),
    )


def measure_reading(path: str | Path, size: int) -> tuple[int, float]:
    """Return the number of image files in a folder or an archive, and how many are decoded in a second."""
    opened = datasets.folder if os.path.isdir(path) else datasets.archive
    images = opened(path, size, mode="skip").images
    chosen = np.random.default_rng(0).permutation(len(images))[:256]
    start = time.perf_counter()
    images.batch(chosen)
    return len(images), len(chosen) / max(time.perf_counter() - start, 1e-9)


def _affordable(work: Callable[[int, bool, int], None], full: int) -> int:
    """Return the largest batch of 1, 16 and `full` that does not take too long."""
    batch = 1
    for larger in (min(16, full), full):
        if _each(partial(work, batch, False), 0.0) * larger / batch > _LONGEST:
            break
        batch = larger
    return batch


def _each(work: Callable[[int], None], seconds: float) -> float:
    """Measure the seconds for one more unit of work, without compilation and other start-up work."""

    def time_work(count: int) -> float:
        start = time.perf_counter()
        work(count)
        return time.perf_counter() - start

    time_work(1)  # the very first is slow
    one, count = time_work(1), 2
    while (more := time_work(count) - one) < max(seconds, 1e-6) and count < _MOST:
        count *= 2
    return max(more, 1e-9) / (count - 1)
