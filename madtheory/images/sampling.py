"""How images are made: chunk by chunk, each image from its own seed, by all processes together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from madtheory.images.device import deterministic, send
from madtheory.images.unet import ImageDenoiser
from madtheory.networks import Process, Sampler, levels_of, noise

Pixels = NDArray[np.uint8]
Make = Callable[[int, int], Pixels]

_SHARD = 4096


class Term(NamedTuple):
    """A denoiser in a sum, with its coefficient; it gets the classes, or that there are none."""

    coefficient: float
    module: ImageDenoiser
    classes: int | None
    labelled: bool


def make_in_memory(make: Make, shape: Sequence[int], seeds: Any, labels: Any) -> Images:
    """Make a set that is held in memory."""
    pixels = make(0, len(seeds)) if len(seeds) else np.empty((0, *shape), dtype=np.uint8)
    pixels.flags.writeable = False  # so that it is not copied
    return Images.of(pixels, labels=labels, seeds=seeds)


def make_in_shards(folder: Path, make: Make, seeds: Any, labels: Any, batch: int, accelerator: Any) -> Images:
    """Make a set in shards, of which only missing ones are made; a shard holds whole chunks."""
    from tqdm import tqdm

    n, shard = len(seeds), batch * max(1, _SHARD // batch)
    missing = missing_shards(folder, n, shard=shard)
    complete = not missing and (folder / "manifest.json").is_file()
    # A process writes only after all processes have looked.
    accelerator.wait_for_everyone()
    if complete:
        return open_shards(folder)
    if accelerator.is_main_process:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageStoreError(
                f"folder={str(folder)!r} cannot be made ({error}); choose another store."
            ) from error
    quiet = None if accelerator.is_main_process else True
    for k in tqdm(missing, desc="shards", delay=5.0, leave=False, disable=quiet):
        piece = slice(k * shard, min((k + 1) * shard, n))
        pixels = make(piece.start, piece.stop)
        if accelerator.is_main_process:
            own = None if labels is None else labels[piece]
            write_shard(folder, k, pixels, labels=own, seeds=seeds[piece])
    if accelerator.is_main_process:
        finish_shards(folder, n, shard=shard)
    accelerator.wait_for_everyone()
    return open_shards(folder)


def sample_pixels(
    terms: Sequence[Term],
    process: Process,
    sampler: Sampler,
    shape: Sequence[int],
    seeds: NDArray[np.uint64],
    labels: NDArray[np.int64] | None,
    batch: int,
    accelerator: Any,
) -> Pixels:
    """Sample pixels (n, height, width, channels); processes take chunks in turn, and get all pixels."""
    pixels = np.zeros((len(seeds), *shape), dtype=np.uint8)
    firsts = range(0, len(seeds), batch)[accelerator.process_index :: accelerator.num_processes]
    made = []
    with torch.inference_mode(), accelerator.autocast(), deterministic(accelerator.device):
        for first in firsts:
            chosen = slice(first, first + batch)
            marks = None if labels is None else labels[chosen]
            # An accelerator is not waited for: the noise of the next chunk is drawn while it works.
            made.append(
                _chunk(terms, process, sampler, shape, seeds[chosen], marks, batch, accelerator.device)
            )
        for first, chunk in zip(firsts, made, strict=True):
            pixels[first : first + batch] = chunk.cpu().numpy()
    if accelerator.num_processes > 1:
        shared = torch.from_numpy(pixels).to(accelerator.device)
        torch.distributed.all_reduce(shared)  # the sum: where others made images, this process has zeros
        pixels = shared.cpu().numpy()
    return pixels


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

    def draw(step: int) -> Tensor:
        return send(noise(seeds, (channels, height, width), step + 1), device)

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
    x: Tensor = sampler.integrate(denoiser, spread * draw(-1), sigmas, draw)
    levels = (x[:n].float() * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1)
