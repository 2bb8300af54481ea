"""The scales of a preset: the paper's run, and smaller ones of the same loop that need no data set."""

from __future__ import annotations

from dataclasses import replace as replaced
from typing import Any

from madtheory.images._training import ImageTraining
from madtheory.images.runs._settings import Settings
from madtheory.images.runs._treated import Chosen
from madtheory.images.runs._truth import RealData
from madtheory.images.unet import UNet

__all__ = ["small", "smoke"]

_GENERATIONS = 5


def smoke(full: Settings) -> Settings:
    """Two generations of seconds on a CPU: 8 x 8 digits and a tiny network, otherwise the same run."""
    tiny = UNet(block_out_channels=(8, 16), layers_per_block=1, attention=(), dropout=full.model.unet.dropout)
    budget = {"images": 96, "batch": 16, "warm_up_images": 32, "ema_images": 32, "learning_rate": 2e-3}
    made = _reduced(full, _digits(full), 80, tiny, budget)
    # Storing images by pixel is faster on accelerators alone.
    training = replaced(made.model.training, channels_last=False)
    if training.warm_images is not None:
        training = replaced(training, warm_images=min(training.warm_images, 64))
    sampler: Any = made.model.sampler
    model = replaced(made.model, sampler=replaced(sampler, steps=4), training=training, batch=128)
    return replaced(made, model=model, generations=2, n_evaluation=48)


def small(full: Settings) -> Settings:
    """About an hour or less on one GPU: digits, or photograph patches for the runs in colour."""
    generations = min(full.generations, _GENERATIONS)
    if full.data.name == "MNIST" or isinstance(full.treatment, Chosen):
        data, n, unet = _digits(full), 890, UNet(block_out_channels=(64, 128), attention=())
        images = 1_000_000
    else:
        size = min(full.data.size, 64)
        # As many patches as there are, in round numbers.
        data, n, images = RealData(name="photographs", size=size), 6000 if size == 32 else 1300, 2_000_000
        unet = UNet(block_out_channels=(64, 128, 128), attention=(16,))
    budget = {"images": images, "batch": 128, "warm_up_images": 50_000, "ema_images": 50_000}
    unet = replaced(unet, dropout=full.model.unet.dropout)
    if full.regime.real_data == "fresh":
        n = n // generations // 10 * 10
    made = _reduced(full, data, n, unet, budget | {"learning_rate": 5e-4})
    return replaced(made, generations=generations, n_evaluation=1000)


def _digits(full: Settings) -> RealData:
    return RealData(name="digits", size=8, labels=full.model.classes is not None)


def _reduced(full: Settings, data: RealData, n: int, unet: UNet, budget: dict[str, Any]) -> Settings:
    """The same loop from `n` real images on; sizes, epochs and shares of the training are kept."""
    share = n / full.regime.n_initial
    regime, training = full.regime, full.model.training
    sizes: dict[str, Any] = {
        name: _part(getattr(regime, name), share) for name in ("n_initial", "n_real", "n_synthetic")
    }
    trained = budget["images"] / training.images
    rate = budget["learning_rate"] / training.learning_rate
    smaller = ImageTraining(
        **budget,
        decay=training.decay,
        betas=training.betas,
        clip_norm=training.clip_norm,
        augment="none" if data.name == "digits" else training.augment,
        precision=training.precision,
        channels_last=training.channels_last,
        checkpoint_every_images=max(budget["images"] // 4, 1),
        warm_images=None if training.warm_images is None else _part(training.warm_images, share),
        warm_learning_rate=None
        if training.warm_learning_rate is None
        else training.warm_learning_rate * rate,
    )
    improvement = full.improvement
    if improvement is not None:
        improvement = replaced(
            improvement,
            n_auxiliary=_part(improvement.n_auxiliary, share),
            # A few steps at least: in the first one the learning rate is 0, if it rises at all.
            budget=max(_part(improvement.budget, trained), 4 * smaller.batch),
            learning_rate=improvement.learning_rate * rate,
        )
    return replaced(
        full,
        data=data,
        model=replaced(full.model, unet=unet, training=smaller),
        regime=replaced(regime, **sizes),
        improvement=improvement,
        features="lenet" if data.name == "digits" else "convolutions",
        reference="test",
    )


def _part(number: Any, share: float) -> int:
    """A smaller number of images; none stay none."""
    return max(round(number * share), 1) if number else 0
