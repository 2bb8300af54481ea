"""Loops of a diffusion of images: digits, and patches of photographs.

The three loops of Alemohammad et al. 2024 (MAD, arXiv 2307.01850), and the fully synthetic one with SIMS
(arXiv 2408.16333), with the package's image backend: a U-Net, trained from scratch in every generation, and
the noise levels of Karras et al. 2022 (arXiv 2206.00364), sampled by DPM-Solver++, whose error of a variance
is below 1 % (`madtheory.networks.variance_factor`). In the augmentation loop the real images are fixed; in
the fresh data loop every generation has new ones, a quarter of its training set. Loops of one seed share
their first model, but for SIMS' guidance, and every generation is judged and shown by the same noise.

Sizes are small, for a CPU; where there is an accelerator the full version is larger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import regimes
from madtheory.sweeps import run_cells

LOOPS = ("fully synthetic", "synthetic augmentation", "fresh data", "fully synthetic, SIMS")


@dataclass(frozen=True)
class Sizes:
    """`n` images in each training set of generation 1, `seen` in training; `judged` by the metrics."""

    seeds: int
    generations: int
    channels: tuple[int, ...]
    n: int
    seen: int
    judged: int
    steps: int
    auxiliary: int
    pixels: int = 8
    layers: int = 1
    guidance: float = 1.0
    batch: int = 32
    learning_rate: float = 2e-3
    shown: int = 10


SIZES = {
    ("digits", "quick"): Sizes(1, 2, (16, 32), 100, 1536, 100, 8, 128),
    ("digits", "cpu"): Sizes(1, 5, (24, 48), 448, 20_000, 600, 24, 4096, guidance=0.5),
    ("digits", "accelerator"): Sizes(5, 5, (64, 128), 448, 100_000, 900, 32, 16_384, layers=2, guidance=0.5),
    ("photographs", "quick"): Sizes(1, 2, (8, 16), 100, 512, 100, 8, 64, pixels=16, learning_rate=6e-3),
    ("photographs", "cpu"): Sizes(1, 4, (16, 32), 448, 64_000, 300, 24, 2048, pixels=16, learning_rate=6e-3),
    ("photographs", "accelerator"): Sizes(
        3, 5, (64, 128, 128), 2000, 1_000_000, 2000, 32, 50_000, pixels=32, layers=2, batch=128
    ),
}


def digits(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate loops of scikit-learn's digits, 8 x 8 grey pixels, with their classes.

    Returns
    -------
    Dataset
        By seed, loop and generation: ``distance``, the Frechet distance of a small classifier's features to
        the images that are held out, ``precision``, ``recall``; ``images`` of the first seed, one of each
        class; ``real``, real ones; ``floor``, the distance of the real training half.
    """
    return _run("digits", quick=quick, rng=rng, n_jobs=n_jobs, folder=folder)


def photographs(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate loops of patches of scikit-learn's two photographs, in colour.

    Returns
    -------
    Dataset
        As `digits`; the features are those of random convolutions, and the distance is to other patches of
        the same photographs.
    """
    return _run("photographs", quick=quick, rng=rng, n_jobs=n_jobs, folder=folder)


def _run(name: str, *, quick: bool, rng: int, n_jobs: int, folder: Path | None) -> xr.Dataset:
    scale = scale_of(quick)
    sizes = SIZES[name, scale]
    cells = [
        {"name": name, "scale": scale, "seed": 1000 * rng + i, "loop": loop}
        for i in range(sizes.seeds)
        for loop in LOOPS
    ]
    parts = iter(run_cells(_cell, cells, store=folder, n_jobs=n_jobs, desc=f"loops of {name}"))
    nested = [[next(parts) for _ in LOOPS] for _ in range(sizes.seeds)]
    data = xr.combine_nested(nested, ["seed", "loop"], join="exact").transpose("seed", "loop", ...)
    data = data.assign_coords(seed=list(range(sizes.seeds)), loop=list(LOOPS))
    data["images"] = data["images"].isel(seed=0)
    for shared in ("real", "floor"):
        data[shared] = data[shared].isel(seed=0, loop=0)
    return data.assign_attrs(
        n_real=sizes.n, fresh=_share(sizes.n), images_seen=sizes.seen, judged=sizes.judged,
        pixels=sizes.pixels, guidance=sizes.guidance, auxiliary=sizes.auxiliary, seeds=sizes.seeds,
        scale=scale, rng=rng, quick=int(quick),
    )  # fmt: skip


def scale_of(quick: bool) -> str:
    """Return the name of the sizes: quick ones, or those for the device that is there."""
    import torch

    return "quick" if quick else "accelerator" if torch.cuda.is_available() else "cpu"


def _cell(*, name: str, scale: str, seed: int, loop: str) -> xr.Dataset:
    sizes = SIZES[name, scale]
    real, judge = {"digits": _digits, "photographs": _photographs}[name](sizes)
    made = mad.Loop(real=real, model=_model(loop, sizes, name == "digits"), regime=_regime(loop, sizes))
    rows, pictures = [], []
    for snapshot in islice(mad.iterate(made, rng=seed), sizes.generations):
        # The same noise in every loop and generation: what differs is the model.
        images = snapshot.model.sample(sizes.judged, rng=np.random.default_rng([seed, 9]))
        rows.append(judge(images))
        pictures.append(_pick(images, sizes.shown))
    data = xr.Dataset(
        {key.replace("frechet_", ""): ("generation", [row[key] for row in rows]) for key in rows[0]},
        {"generation": np.arange(1, sizes.generations + 1)},
    )
    pixel = ("shown", "y", "x", "channel")
    data["images"] = (("generation", *pixel), np.stack(pictures))
    data["real"] = (pixel, _pick(real.images, sizes.shown))
    data["floor"] = judge(real.images.first(min(1.0, sizes.judged / len(real.images))))["frechet_distance"]
    return data


def _pick(images: Any, number: int) -> np.ndarray:
    """Return some images: one of each class, where there are classes."""
    if images.labels is None:
        return images.batch(np.arange(number))
    return images.batch([np.flatnonzero(images.labels == k % 10)[k // 10] for k in range(number)])


def _model(loop: str, sizes: Sizes, labelled: bool) -> Any:
    from madtheory.models import SIMS

    base = image_model(sizes, labelled=labelled)
    if "SIMS" not in loop:
        return base
    return SIMS(base, sizes.guidance, n_auxiliary=sizes.n, budget=sizes.auxiliary)


def image_model(sizes: Sizes, *, labelled: bool) -> Any:
    """Return the diffusion of images of all loops of these sizes."""
    from madtheory.images import ImageDiffusion, ImageTraining, UNet
    from madtheory.networks import DPMSolver

    training = ImageTraining(
        images=sizes.seen, batch=sizes.batch, learning_rate=sizes.learning_rate, decay="cosine",
        ema_images=sizes.seen // 5, warm_learning_rate=sizes.learning_rate / 10,
    )  # fmt: skip
    return ImageDiffusion(
        unet=UNet(block_out_channels=sizes.channels, layers_per_block=sizes.layers, attention=()),
        classes=10 if labelled else None, training=training, sampler=DPMSolver(sizes.steps), batch=200,
    )  # fmt: skip


def _regime(loop: str, sizes: Sizes) -> Any:
    n, new = sizes.n, _share(sizes.n)
    if loop == "synthetic augmentation":
        return regimes.augment(n_real=n, n_synthetic=n)
    if loop == "fresh data":
        return regimes.fresh(n_initial=n, n_real=new, n_synthetic=n - new)
    return regimes.replace(n=n)


def _share(n: int) -> int:
    """Return new real images of a generation of the fresh data loop."""
    return n // 4


def _digits(sizes: Sizes) -> tuple[Any, Callable[[Any], dict[str, float]]]:
    from madtheory.images.data import datasets
    from madtheory.images.evaluation import features, metrics
    from madtheory.networks import digits_classifier

    lenet = features.lenet(digits_classifier(device="cpu"))
    reference = metrics.feature_summary(datasets.digits("test").images, lenet)
    judge = partial(metrics.measured, reference=reference, features=lenet)
    return datasets.digits(labels=True), judge


def _photographs(sizes: Sizes) -> tuple[Any, Callable[[Any], dict[str, float]]]:
    from madtheory.images import RealImages
    from madtheory.images.data import datasets
    from madtheory.images.evaluation import features, metrics

    patches = datasets.photographs(sizes.pixels).images
    # Neighbours overlap: what is judged against is drawn first, from the same photographs.
    order = np.random.default_rng(0).permutation(len(patches))
    convolutions = features.random_convolutions(device="cpu")
    reference = metrics.feature_summary(patches.select(order[:2000]), convolutions)
    judge = partial(metrics.measured, reference=reference, features=convolutions)
    return RealImages(patches.select(order[2000:]), "patches of photographs"), judge
