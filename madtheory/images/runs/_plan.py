"""The cost of a run before it starts: its work is counted, and the speed measured on the present device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from madtheory.images._images import Images
from madtheory.images.diffusion import ImageDiffusion
from madtheory.images.runs._settings import Settings
from madtheory.images.runs._work import Work, parameters, plain_evaluations, work_of

__all__ = ["Plan", "Speed", "measured_speed", "plan", "planned"]

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
        Which device.
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
        Of the device.
    checkpoint : int
        Bytes of the checkpoints of the network that is being trained, which are removed in the end.
    """

    settings: Settings
    works: tuple[Work, ...]
    speed: Speed
    checkpoint: int

    @property
    def total(self) -> Work:
        """The work of all generations."""
        return sum(self.works, Work())

    def hours(self, work: Work) -> float:
        """Hours on the device that was measured."""
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
    return planned(settings, measured_speed(settings, device=device, seconds=seconds))


def planned(settings: Settings, speed: Speed) -> Plan:
    """The plan for a speed that is known."""
    works = tuple(work_of(settings, t) for t in range(1, settings.generations + 1))
    # Two checkpoints, of weights, their average and the two moments of Adam.
    kept = 3 + bool(settings.model.training.ema_images)
    return Plan(settings, works, speed, 2 * 4 * kept * parameters(settings))


def measured_speed(settings: Settings, *, device: str | None = None, seconds: float = 1.0) -> Speed:
    """Measure training and sampling with the network of a run, on noise, by the code that the run takes.

    The batch is that of the run, unless a step with it would take longer than 5 seconds. On a CPU the
    network is not compiled.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
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


def _affordable(work: Callable[[int, bool, int], None], full: int) -> int:
    """The largest batch of 1, 16 and `full` that does not take too long."""
    batch = 1
    for larger in (min(16, full), full):
        if _each(partial(work, batch, False), 0.0) * larger / batch > _LONGEST:
            break
        batch = larger
    return batch


def _each(work: Callable[[int], None], seconds: float) -> float:
    """Seconds for one more unit of work; what is done once, such as compilation, does not count."""

    def timed(count: int) -> float:
        start = time.perf_counter()
        work(count)
        return time.perf_counter() - start

    timed(1)  # the very first is slow
    one, count = timed(1), 2
    while (more := timed(count) - one) < max(seconds, 1e-6) and count < _MOST:
        count *= 2
    return max(more, 1e-9) / (count - 1)
