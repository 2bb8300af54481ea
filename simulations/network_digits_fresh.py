"""Fresh real digits in every generation, with a diffusion: MAD (arXiv 2307.01850), Fig. 10 right.

The effective sample size of such loops is the number of real digits alone that would give an equally good
model (Eq. 4 of MAD, which has it for Gaussians only, Figs. 11 and 12). Fresh digits are drawn without
replacement in each generation, but from the same 897: over the generations they repeat. Models are measured
without bias, as the paper's Gaussians are; the bias is that of what they are trained on. Samples are not
rounded to grey levels here: fresh digits hold the loops in place, and without rounding a model's distance
falls with the number of its digits, which the effective size needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from madtheory.sweeps import run_cells
from simulations._digit_loops import VARIABLES, describe_run, one_loop
from simulations.network_digits import real_halves

N_REAL = 100  # fresh real digits of a generation
BIASES = (1.0, 0.8)
INITIAL = (100, 800)
DISTANCES = ("pixel_frechet", "fid")


@dataclass(frozen=True)
class _Sizes:
    seeds: int
    images: int
    limits: int  # generations of the loops with two initial sizes
    synthetic: dict[int, tuple[int, int]]  # generations of loops by n_synthetic, and how many are averaged
    alone: tuple[int, ...]  # numbers of real digits alone,
    alone_seeds: int  # and how many models of each


QUICK = _Sizes(2, 36_000, 4, {100: (2, 1), 500: (3, 1)}, (25, 100, 400), 2)
FULL = _Sizes(
    5,
    96_000,
    8,
    {30: (4, 2), 100: (6, 3), 300: (8, 4), 1000: (12, 4)},
    (25, 50, 100, 200, 400, 800),
    8,
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
    done = run_cells(one_loop, cells, store=folder, n_jobs=n_jobs, desc="digits")
    shape = (len(INITIAL), sizes.seeds, sizes.limits)
    dims = ("n_initial", "seed", "generation")
    data = xr.Dataset(
        {name: (dims, np.reshape([one[name].values for one in done], shape)) for name in VARIABLES},
        {"n_initial": list(INITIAL), "generation": np.arange(1, sizes.limits + 1)},
    )
    return data.assign(real_halves()).assign_attrs(
        describe_run(n_real=N_REAL, images=sizes.images, rng=rng, quick=quick)
    )


def run_admissible(
    *, quick: bool = False, rng: int = 0, n_jobs: int = -1, folder: Path | None = None
) -> xr.Dataset:
    """Simulate loops with fresh digits for several n_synthetic, and models of real digits alone.

    Returns
    -------
    Dataset
        ``value`` by distance, bias, n_synthetic and seed, averaged over the last generations, and
        ``alone`` by distance, n_alone and model; the distances are `DISTANCES`. ``effective_size``, and its
        standard error ``effective_size_error``.
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
    done = run_cells(one_loop, loops + alone, store=folder, n_jobs=n_jobs, desc="digits")
    last = [sizes.synthetic[cell["sizes"]["n_synthetic"]][1] for cell in loops]
    value, fitted = (
        np.array([[one[name].values[-many:].mean() for one, many in part] for name in DISTANCES])
        for part in (list(zip(done, last, strict=False)), [(one, 1) for one in done[len(loops) :]])
    )
    value = value.reshape(len(DISTANCES), len(BIASES), len(sizes.synthetic), sizes.seeds)
    fitted = fitted.reshape(len(DISTANCES), len(sizes.alone), sizes.alone_seeds)
    solved = [effective_size(v, f, sizes.alone, rng) for v, f in zip(value, fitted, strict=True)]
    dims = ("distance", "bias", "n_synthetic")
    data = xr.Dataset(
        {
            "value": ((*dims, "seed"), value),
            "alone": (("distance", "n_alone", "model"), fitted),
            "effective_size": (dims, np.array([estimate for estimate, _ in solved])),
            "effective_size_error": (dims, np.array([error for _, error in solved])),
        },
        {
            "distance": list(DISTANCES),
            "bias": list(BIASES),
            "n_synthetic": list(sizes.synthetic),
            "n_alone": list(sizes.alone),
        },
    )
    return data.assign(real_halves()).assign_attrs(
        describe_run(n_real=N_REAL, images=sizes.images, rng=rng, quick=quick)
    )


def effective_size(
    value: np.ndarray, alone: np.ndarray, n_alone: tuple[int, ...], rng: int, draws: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Solve E distance of n_e real digits alone = distance of the loop, linearly in the logarithms.

    Parameters
    ----------
    value : array, shape (..., seed)
    alone : array, shape (len(n_alone), model)

    Returns
    -------
    pair of arrays, shape (...)
        The number n_e, at the ends of `n_alone` where it lies beyond, and its standard error, from seeds and
        models drawn again with replacement.
    """

    def solve(value: np.ndarray, alone: np.ndarray) -> np.ndarray:
        # It falls with n; where it does not, the fewest digits that are as good count.
        levels, first = np.unique(np.maximum.accumulate(-np.log(alone.mean(-1))), return_index=True)
        return np.exp(np.interp(-np.log(value.mean(-1)), levels, np.log(n_alone)[first]))

    generator = np.random.default_rng(rng)
    again = [
        solve(
            value[..., generator.integers(value.shape[-1], size=value.shape[-1])],
            np.take_along_axis(alone, generator.integers(alone.shape[1], size=alone.shape), 1),
        )
        for _ in range(draws)
    ]
    return solve(value, alone), np.std(again, axis=0)


def _cell(
    sizes: _Sizes, n_synthetic: int, n_initial: int, bias: float, generations: int, seed: int, rng: int
) -> dict[str, Any]:
    return {
        "regime": "fresh",
        "sizes": {"n_real": N_REAL, "n_synthetic": n_synthetic, "n_initial": n_initial},
        "bias": bias,
        "measured_bias": 1.0,
        "grey": False,
        "generations": generations,
        "images": sizes.images,
        "seed": seed,
        "rng": rng,
    }
