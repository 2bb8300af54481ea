"""Loops of MAD (arXiv 2307.01850) on digits, with a class-conditional diffusion: Figs. 4-7, 9, 16, 26, 27.

An analogue: where the paper trains a DDPM on 60,000 images of MNIST, here a small network is trained on 897
of scikit-learn's digits; see `_digit_loops`. Samples are measured with the bias of their loop, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from madtheory.sweeps import run_cells
from madtheory.types import Array
from simulations._digit_loops import VARIABLES, describe_run, halves, measure, one_loop

BIASES = (1.0, 0.8, 0.66, 0.5)
N = 897  # the training half
PICTURED = (1.0, 0.8)  # biases with pictures,
PICTURES = 20  # so many a generation, two of each class,
EMBEDDED, REAL_EMBEDDED = 200, 300  # and so many points, and real ones, for the embedding


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    images: int
    generations: int  # of the fully synthetic loop,
    augmented: int  # of the augmentation loop,
    pictured: int  # of the loop whose samples are shown,
    raw: int  # and of the one without grey levels
    raw_seeds: int


QUICK = _Sizes(2, 32_000, 3, 3, 3, 2, 1)
FULL = _Sizes(5, 224_000, 10, 6, 20, 4, 3)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None) -> xr.Dataset:
    """Simulate the fully synthetic loop.

    Returns
    -------
    Dataset
        `VARIABLES` by bias, seed and generation; ``real_...`` is the training half in place of samples, and
        ``raw_...`` are loops whose samples are not stored in grey levels, by ``raw_bias``. ``image`` and
        ``label``: samples of the first seed at the biases `PICTURED`, two of each class, the same noise in
        all generations.
    """
    sizes = QUICK if quick else FULL
    cells = _replace_cells(sizes, rng)
    raw = [
        {**_cell("replace", sizes, b, s, sizes.raw, rng), "grey": False}
        for b in (1.0, 0.5)
        for s in range(sizes.raw_seeds)
    ]
    done = run_cells(one_loop, cells + raw, store=folder, n_jobs=n_jobs, desc="digits")
    data = _gather(cells, done, sizes.generations)
    shown = [one for cell, one in zip(cells, done, strict=False) if cell["kept"]]
    pictures = xr.concat([one[["image", "label"]].isel(point=slice(PICTURES)) for one in shown], "shown_bias")
    data["image"] = pictures["image"].rename(generation="shown_generation")
    data["label"] = pictures["label"].isel(shown_bias=0)
    data = data.assign_coords(shown_bias=list(PICTURED))
    bare = _gather(raw, done[len(cells) :], sizes.raw)[list(VARIABLES)]
    bare = bare.rename({"bias": "raw_bias", "seed": "raw_seed", "generation": "raw_generation"})
    return data.merge(bare.rename({name: f"raw_{name}" for name in VARIABLES})).assign_attrs(
        describe_run(n=N, images=sizes.images, rng=rng, quick=quick)
    )


def run_augment(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate the augmentation loop and the fully synthetic one, by `loop`, bias, seed and generation."""
    sizes = QUICK if quick else FULL
    replaced = _replace_cells(sizes, rng)
    fixed = [
        _cell("augment", sizes, bias, seed, sizes.augmented, rng)
        for bias in BIASES
        for seed in range(sizes.seeds)
    ]
    done = run_cells(one_loop, replaced + fixed, store=folder, n_jobs=n_jobs, desc="digits")
    both = [
        _gather(replaced, done[: len(replaced)], sizes.augmented),
        _gather(fixed, done[len(replaced) :], sizes.augmented),
    ]
    data = xr.concat(both, "loop", data_vars=list(VARIABLES)).assign_coords(loop=["replace", "augment"])
    return data.assign_attrs(describe_run(n=N, images=sizes.images, rng=rng, quick=quick))


def run_embedding(
    *, bias: float, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate the fully synthetic loop at one bias, and embed real digits and samples in the plane.

    One t-SNE of pixels for each generation that is shown, of real digits and samples of the first seed
    together: ``embedding`` and ``real_embedding``, with the classes ``label`` and ``real_label``. All start
    from the same two principal components of the real digits.
    """
    sizes = QUICK if quick else FULL
    cells = [cell for cell in _replace_cells(sizes, rng) if cell["bias"] == bias]
    done = run_cells(one_loop, cells, store=folder, n_jobs=n_jobs, desc="digits")
    data = _gather(cells, done, sizes.generations)
    shown = [t for t in (2, 5, 10, 20) if t < sizes.pictured] + [sizes.pictured]
    _, test, _ = halves()
    real = test[np.linspace(0, len(test) - 1, REAL_EMBEDDED).astype(int)]
    planes = [_plane(real[:, :-1], done[0]["image"].sel(generation=t).values / 16, rng) for t in shown]
    data["real_embedding"] = (("shown", "real_point", "axis"), np.array([p[:REAL_EMBEDDED] for p in planes]))
    data["embedding"] = (("shown", "point", "axis"), np.array([p[REAL_EMBEDDED:] for p in planes]))
    data["label"], data["real_label"] = done[0]["label"], ("real_point", real[:, -1].astype(int))
    return data.assign_coords(shown=shown).assign_attrs(
        describe_run(n=N, images=sizes.images, rng=rng, quick=quick)
    )


def _plane(real: Array, fake: Array, rng: int) -> Array:
    """Return the t-SNE of real points and others, in this order."""
    from sklearn.manifold import TSNE

    points = np.concatenate([real, fake]) - real.mean(0)
    _, _, axes = np.linalg.svd(points[: len(real)], full_matrices=False)
    begin = points @ axes[:2].T
    begin *= 1e-4 / begin[:, 0].std()
    return TSNE(init=begin, random_state=rng % 2**31, n_jobs=1).fit_transform(points)


def _replace_cells(sizes: _Sizes, rng: int) -> list[dict[str, Any]]:
    """Return cells of fully synthetic loops; the first seed at the biases `PICTURED` keeps samples."""
    cells = []
    for bias in BIASES:
        for seed in range(sizes.seeds):
            shown = seed == 0 and bias in PICTURED
            generations = sizes.pictured if shown else sizes.generations
            cell = _cell("replace", sizes, bias, seed, generations, rng)
            cells.append({**cell, "kept": EMBEDDED if shown else 0})
    return cells


def _cell(regime: str, sizes: _Sizes, bias: float, seed: int, generations: int, rng: int) -> dict[str, Any]:
    many = {"n": N} if regime == "replace" else {"n_real": N, "n_synthetic": N}
    return {
        "regime": regime,
        "sizes": many,
        "bias": bias,
        "generations": generations,
        "images": sizes.images,
        "seed": seed,
        "rng": rng,
    }


def _gather(cells: list[dict[str, Any]], done: list[xr.Dataset], generations: int) -> xr.Dataset:
    """Return `VARIABLES` by bias, seed and generation, and those of the real halves."""
    biases = list(dict.fromkeys(cell["bias"] for cell in cells))
    rows = [
        xr.concat([d[list(VARIABLES)].isel(generation=slice(generations)) for d in one], "seed")
        for one in ([d for c, d in zip(cells, done, strict=False) if c["bias"] == b] for b in biases)
    ]
    data = xr.concat(rows, "bias").assign_coords(bias=biases, seed=np.arange(rows[0].sizes["seed"]))
    return data.assign(real_halves())


def real_halves() -> dict[str, float]:
    """Return `VARIABLES` of the training half in place of samples: what a perfect generator would give."""
    return {f"real_{name}": value for name, value in measure(halves()[0]).items()}
