"""How images are made: chunk by chunk, each image from its own seed, by all processes together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from madtheory.images.data import (
    Images,
    ImageStoreError,
    finish_shards,
    missing_shards,
    open_shards,
    write_shard,
)
from madtheory.images.device import algorithms, send
from madtheory.images.unet import ImageDenoiser
from madtheory.networks import Process, Sampler, levels_of, noise

Pixels = NDArray[np.uint8]
Make = Callable[[int, int], Pixels]

_SHARD, _BYTES = 4096, 2**28
"""The most images and bytes of a shard."""
_FILES, _LEAST = 16, 8
"""Shards of a set, or a multiple; fewer if they would have less images than the second number."""


class Term(NamedTuple):
    """A denoiser in a sum, with its coefficient; it gets the classes, or that there are none."""

    coefficient: float
    module: ImageDenoiser
    classes: int | None
    labelled: bool


class Deal(NamedTuple):
    """How a set is cut: into shards, which are files, and units of whole shards, which a process makes."""

    shard: int
    unit: int


def even_piece(n: int, most: int, workers: int = 1) -> int:
    """Return the size of pieces of at most `most` of n images, of which all workers get equally many."""
    rounds = math.ceil(n / (most * workers))
    return max(1, math.ceil(n / max(1, rounds * workers)))


def deal_shards(n: int, shape: Sequence[int], batch: int, workers: int) -> Deal:
    """Cut a set of n images for workers who make at least `batch` images at once, if there are enough.

    The shards are the same whoever makes them, so that another number of processes may continue: a multiple
    of 16, which as a rule divides evenly, of at most 4096 images and a quarter of a gigabyte; for less than
    128 images a smaller power of two.
    """
    largest = max(1, min(_SHARD, _BYTES // math.prod(shape)))
    files = _FILES * math.ceil(n / (_FILES * largest))
    if files * _LEAST > n:
        files = 2 ** ((max(1, n // _LEAST)).bit_length() - 1)
    shard = max(1, math.ceil(n / files))
    together = max(1, min(batch // shard, math.ceil(n / shard) // workers))
    return Deal(shard, shard * together)


def make_in_memory(make: Make, shape: Sequence[int], seeds: Any, labels: Any, accelerator: Any) -> Images:
    """Make a set that is held in memory: each process makes every so-many-th chunk, and gets all."""
    n = len(seeds)
    pixels = make(0, n) if n else np.empty((0, *shape), dtype=np.uint8)
    if accelerator.num_processes > 1 and n:
        shared = torch.from_numpy(pixels).to(accelerator.device)
        torch.distributed.all_reduce(shared)  # the sum: where others made images, this process has zeros
        pixels = shared.cpu().numpy()
    pixels.flags.writeable = False  # so that it is not copied
    return Images.of(pixels, labels=labels, seeds=seeds)


def make_in_shards(folder: Path, make: Make, deal: Deal, seeds: Any, labels: Any, accelerator: Any) -> Images:
    """Make a set in shards; every process makes its units of them, if one of their shards is missing."""
    from tqdm import tqdm

    n = len(seeds)
    missing = frozenset(missing_shards(folder, n, shard=deal.shard))
    complete = not missing and (folder / "manifest.json").is_file()
    # A process writes only after all processes have looked.
    accelerator.wait_for_everyone()
    if complete:
        return open_shards(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageStoreError(
            f"folder={str(folder)!r} cannot be made ({error}); choose another store."
        ) from error
    dealt = range(0, n, deal.unit)[accelerator.process_index :: accelerator.num_processes]
    mine = [first for first in dealt if missing.intersection(_shards_of(first, n, deal))]
    quiet = None if accelerator.is_main_process else True
    for first in tqdm(mine, desc="shards", delay=5.0, leave=False, disable=quiet):
        # Also what is there already, so that after an interruption the same images are computed together.
        pixels = make(first, min(first + deal.unit, n))
        for k in _shards_of(first, n, deal):
            if k in missing:
                piece = slice(k * deal.shard, min((k + 1) * deal.shard, n))
                own = None if labels is None else labels[piece]
                held = pixels[piece.start - first : piece.stop - first]
                write_shard(folder, k, held, labels=own, seeds=seeds[piece])
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        finish_shards(folder, n, shard=deal.shard)
    accelerator.wait_for_everyone()
    return open_shards(folder)


def _shards_of(first: int, n: int, deal: Deal) -> range:
    """Return the numbers of the shards in the unit that begins with image `first`."""
    return range(first // deal.shard, math.ceil(min(first + deal.unit, n) / deal.shard))


def sample_pixels(
    terms: Sequence[Term],
    process: Process,
    sampler: Sampler,
    shape: Sequence[int],
    seeds: NDArray[np.uint64],
    labels: NDArray[np.int64] | None,
    chunk: int,
    accelerator: Any,
    *,
    shared: bool,
    exact: bool,
) -> Pixels:
    """Sample pixels (n, height, width, channels), chunk by chunk; those of other processes stay zero.

    `shared`: processes take chunks in turn; otherwise this one makes all. `exact`: by the same algorithms
    in every run.
    """
    pixels = np.zeros((len(seeds), *shape), dtype=np.uint8)
    firsts = range(0, len(seeds), chunk)
    if shared:
        firsts = firsts[accelerator.process_index :: accelerator.num_processes]
    made = []
    with torch.inference_mode(), accelerator.autocast(), algorithms(accelerator.device, exact=exact):
        for first in firsts:
            chosen = slice(first, first + chunk)
            marks = None if labels is None else labels[chosen]
            # An accelerator is not waited for: the noise of the next chunk is drawn while it works.
            made.append(
                _chunk(terms, process, sampler, shape, seeds[chosen], marks, chunk, accelerator.device)
            )
        for first, images in zip(firsts, made, strict=True):
            pixels[first : first + chunk] = images.cpu().numpy()
    return pixels


class _DrawAhead:
    """The noise of each step of a sampler; after the first that needs it, the next is drawn meanwhile."""

    def __init__(
        self, seeds: Any, shape: tuple[int, ...], device: torch.device, steps: int, reader: ThreadPoolExecutor
    ) -> None:
        self.seeds, self.shape, self.device, self.steps, self.reader = seeds, shape, device, steps, reader
        self.coming: dict[int, Future[Tensor]] = {}

    def __call__(self, step: int) -> Tensor:
        found = self.coming.pop(step, None)
        # The last step ends without noise.
        if 0 <= step < self.steps - 2:
            self.coming[step + 1] = self.reader.submit(noise, self.seeds, self.shape, step + 2)
        return send(noise(self.seeds, self.shape, step + 1) if found is None else found.result(), self.device)


def _chunk(
    terms: Sequence[Term],
    process: Process,
    sampler: Sampler,
    shape: Sequence[int],
    seeds: NDArray[np.uint64],
    labels: NDArray[np.int64] | None,
    batch: int,
    device: torch.device,
) -> Tensor:
    n, (height, width, channels) = len(seeds), shape
    if any(term.module.compiled for term in terms):
        # A network is compiled for one size: the last chunk is filled up.
        seeds = np.resize(seeds, batch)
        labels = None if labels is None else np.resize(labels, batch)
    sigmas = levels_of(sampler, process)
    marks = None if labels is None else send(labels, device)

    def denoiser(x: Tensor, sigma: float) -> Tensor:
        level = torch.full((1, 1, 1, 1), sigma, device=device)
        total: Tensor | None = None
        for coefficient, module, classes, labelled in terms:
            passed = marks if labelled or marks is None else torch.full_like(marks, classes or 0)
            output = module(x, level, passed)
            output = output if coefficient == 1 else coefficient * output
            total = output if total is None else total + output
        assert total is not None
        return total

    # The first noise has the variance of noisy data, whose own is sigma_data^2.
    spread = math.sqrt(terms[0].module.sigma_data ** 2 + sigmas[0] ** 2)
    with ThreadPoolExecutor(1) as reader:
        draw = _DrawAhead(seeds, (channels, height, width), device, len(sigmas) - 1, reader)
        x: Tensor = sampler.integrate(denoiser, spread * draw(-1), sigmas, draw)
    levels = (x[:n].float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1)
