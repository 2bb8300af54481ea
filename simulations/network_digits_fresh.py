"""Fresh real digits in every generation, with a diffusion: MAD (arXiv 2307.01850), Fig. 10 right.

And the effective sample size of such loops on digits: how many real digits alone would give a model as good
(their Eq. 4, which the paper has for Gaussians only, Figs. 11 and 12). Fresh digits are drawn without
replacement in each generation, but from the same 897: over the generations they repeat. Models are measured
without bias, as the paper's Gaussians are; the bias is that of what they are trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from simulations._cells import run_cells
from simulations._digit_loops import NEIGHBOURS, VARIABLES, one_loop
from simulations.network_digits import real_halves

__all__ = ["N_REAL", "effective_size", "run_admissible", "run_limits"]

N_REAL = 200  # fresh real digits of a generation
BIASES = (1.0, 0.8)
INITIAL = (200, 800)


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    images: int
    limits: int  # generations of the loops with two initial sizes
    synthetic: dict[int, tuple[int, int]]  # generations of loops by n_synthetic, and how many are averaged
    alone: tuple[int, ...]  # numbers of real digits alone,
    alone_seeds: int  # and how many models of each


QUICK = _Sizes(2, 24_000, 4, {100: (3, 1), 800: (4, 2)}, (100, 400, 800), 2)
FULL = _Sizes(
    5,
    96_000,
    10,
    {50: (6, 3), 200: (10, 5), 600: (10, 5), 2000: (16, 6)},
    (25, 50, 100, 200, 400, 800),
    10,
)


def run_limits(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate loops with as many fresh as synthetic digits, from two numbers of initial ones.

    Returns
    -------
    Dataset
        `VARIABLES` by n_initial, seed and generation.
    """
    sizes = QUICK if quick else FULL
    cells = [_cell(sizes, N_REAL, n, 1.0, sizes.limits, s, rng) for n in INITIAL for s in range(sizes.seeds)]
    done = run_cells(one_loop, cells, folder=folder, n_jobs=n_jobs, progress="digits")
    shape = (len(INITIAL), sizes.seeds, sizes.limits)
    dims = ("n_initial", "seed", "generation")
    data = xr.Dataset(
        {name: (dims, np.reshape([one[name].values for one in done], shape)) for name in VARIABLES},
        {"n_initial": list(INITIAL), "generation": np.arange(1, sizes.limits + 1)},
    )
    return data.assign(real_halves()).assign_attrs(_attributes(sizes, rng, quick))


def run_admissible(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate loops with fresh digits for several n_synthetic, and models of real digits alone.

    Returns
    -------
    Dataset
        ``fid`` by bias, n_synthetic and seed, averaged over the last generations, and ``fid_alone`` by
        n_alone and model. ``effective_size`` and ``effective_size_spread``: its standard deviation, with
        that of the curve of real digits alone in it, from resampled seeds.
    """
    sizes = QUICK if quick else FULL
    loops = [
        _cell(sizes, n, N_REAL, bias, generations, seed, rng)
        for bias in BIASES
        for n, (generations, _) in sizes.synthetic.items()
        for seed in range(sizes.seeds)
    ]
    alone = [
        {**_cell(sizes, 1, n, 1.0, 1, seed, rng), "regime": "replace", "sizes": {"n": n}}
        for n in sizes.alone
        for seed in range(sizes.alone_seeds)
    ]
    done = run_cells(one_loop, loops + alone, folder=folder, n_jobs=n_jobs, progress="digits")
    averaged = {n: last for n, (_, last) in sizes.synthetic.items()}
    fid = [
        one["fid"].values[-averaged[cell["sizes"]["n_synthetic"]] :].mean()
        for cell, one in zip(loops, done, strict=False)
    ]
    data = xr.Dataset(
        {
            "fid": (
                ("bias", "n_synthetic", "seed"),
                np.reshape(fid, (len(BIASES), len(sizes.synthetic), sizes.seeds)),
            ),
            "fid_alone": (
                ("n_alone", "model"),
                np.reshape([one["fid"].values[0] for one in done[len(loops) :]], (len(sizes.alone), -1)),
            ),
        },
        {"bias": list(BIASES), "n_synthetic": list(sizes.synthetic), "n_alone": list(sizes.alone)},
    )
    estimate, spread = effective_size(data["fid"].values, data["fid_alone"].values, sizes.alone, rng)
    data["effective_size"] = (("bias", "n_synthetic"), estimate)
    data["effective_size_spread"] = (("bias", "n_synthetic"), spread)
    return data.assign(real_halves()).assign_attrs(_attributes(sizes, rng, quick))


def effective_size(
    fid: np.ndarray, alone: np.ndarray, n_alone: tuple[int, ...], rng: int, draws: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Solve E FID of n_e real digits alone = FID, on the logarithmic scale of both.

    Parameters
    ----------
    fid : array, shape (..., seed)
    alone : array, shape (len(n_alone), model)

    Returns
    -------
    pair of arrays, shape (...)
        The number n_e, at the ends of `n_alone` where it lies beyond, and its standard deviation when seeds
        and models are drawn again with replacement.
    """

    def solved(fid: np.ndarray, alone: np.ndarray) -> np.ndarray:
        # FID falls with n; where the noise of a mean says otherwise, the larger of the neighbours counts.
        curve = np.minimum.accumulate(np.log(alone.mean(-1)))
        return np.exp(np.interp(-np.log(fid.mean(-1)), -curve, np.log(n_alone)))

    generator = np.random.default_rng(rng)
    again = [
        solved(
            fid[..., generator.integers(fid.shape[-1], size=fid.shape[-1])],
            np.take_along_axis(alone, generator.integers(alone.shape[1], size=alone.shape), 1),
        )
        for _ in range(draws)
    ]
    return solved(fid, alone), np.std(again, axis=0)


def _cell(
    sizes: _Sizes, n_synthetic: int, n_initial: int, bias: float, generations: int, seed: int, rng: int
) -> dict[str, Any]:
    return {
        "regime": "fresh",
        "sizes": {"n_real": N_REAL, "n_synthetic": n_synthetic, "n_initial": n_initial},
        "bias": bias,
        "measured_bias": 1.0,
        "generations": generations,
        "images": sizes.images,
        "seed": seed,
        "rng": rng,
    }


def _attributes(sizes: _Sizes, rng: int, quick: bool) -> dict[str, Any]:
    return {
        "real": "scikit-learn load_digits: 897 images to train on, 900 held out",
        "n_real": N_REAL,
        "images": sizes.images,
        "k": NEIGHBOURS,
        "seed": rng,
        "quick": int(quick),
    }
