"""Self-correction of a Gaussian loop (Gillman et al. 2024, arXiv 2402.07087, Fig. 2).

A Gaussian in two dimensions, fitted with divisor n to 50 fixed real points and to corrected synthetic ones:
25 new ones a generation, of which the first share i/t of the i-th of t batches is kept (so that after 500
generations more than 6,000 stand against the 50). Eight strengths, 500 generations on synthetic data.

The paper's curves are one run each, with another real set for every strength. Its sampler replaces the model
by a histogram of the batch, and samples the mixture of that and the truth by rejection with an invalid
envelope. Here are that sampler, one that draws the same mixture correctly, and the formula itself; and with
them the loop that the theorems are about, which keeps the last batch only.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, treatments
from madtheory.theory import correction
from simulations._grid import simulate_grid
from simulations._parallel import run_parallel

N_REAL, N_SYNTHETIC = 50, 25
STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0)
SAMPLERS = ("published", "histogram", "exact")
PAPER = (0.57, 0.55, 0.48, 0.385, 0.265, 0.13, 0.08, 0.05)  # read off Fig. 2 at generation 500
QUICK, FULL = (101, 8, 200), (501, 24, 400)  # generations, seeds; seeds of the loop without accrual


def wasserstein2(snapshot: mad.Snapshot) -> np.ndarray:
    """Return the Wasserstein-2 distance, not squared, of the model to the truth."""
    return np.sqrt(metrics.wasserstein2_squared(snapshot))


METRICS = (wasserstein2, metrics.total_variance, metrics.mean_error)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict.

    Returns
    -------
    Dataset
        ``wasserstein2``, ``total_variance`` and ``mean_error`` by sampler, strength and generation: averages
        over the seeds, each with ``_error`` and ``_spread`` (standard deviation of one run). ``last_...``:
        the same where only the last batch is kept, with the exact sampler. ``predicted_...``: exact means
        for the exact sampler. ``paper`` (strength): the figure at its last generation.
    """
    generations, seeds, more = QUICK if quick else FULL
    kept = sorted({1, *range(2, 11), *range(11, generations + 1, 5), generations})
    accrual = regimes.Regime(
        n_initial=N_REAL, n_synthetic=N_SYNTHETIC, n_real=N_REAL, real_data="fixed", retain="logarithmic"
    )
    grid = [(sampler, strength) for sampler in SAMPLERS for strength in STRENGTHS]
    loops = [_loop(accrual, strength, sampler) for sampler, strength in grid]
    runs = simulate_grid(
        loops, generations, rng=rng, n_jobs=n_jobs, records=[kept] * len(loops),
        progress="logarithmic accrual", replicates=seeds, metrics=METRICS,
    )  # fmt: skip
    augment = regimes.augment(n_real=N_REAL, n_synthetic=N_SYNTHETIC)
    last = simulate_grid(
        [_loop(augment, strength, "exact") for strength in STRENGTHS], generations, rng=rng + 1,
        n_jobs=n_jobs, records=[kept] * len(STRENGTHS), progress="last batch only",
        replicates=more, metrics=METRICS, method="statistics",
    )  # fmt: skip
    coordinates = {"sampler": list(SAMPLERS), "strength": list(STRENGTHS), "generation": kept}
    data = xr.Dataset(coords=coordinates)
    shape = (len(SAMPLERS), len(STRENGTHS))
    for prefix, dims, measured in (
        ("", ("sampler", "strength", "generation"), runs),
        ("last_", ("strength", "generation"), last),
    ):
        for metric in METRICS:
            values = np.stack([one[metric.__name__].values for one in measured])
            values = values.reshape(*shape, *values.shape[1:]) if not prefix else values
            spread = values.std(-2, ddof=1)
            name = prefix + metric.__name__
            data[name] = (dims, values.mean(-2))
            data[f"{name}_spread"] = (dims, spread)
            data[f"{name}_error"] = (dims, spread / np.sqrt(values.shape[-2]))
    _predict(data, generations, n_jobs)
    if not quick:
        data["paper"] = ("strength", list(PAPER))
    return data.assign_attrs(
        n_real=N_REAL, n_synthetic=N_SYNTHETIC, seeds=seeds, seeds_last=more, rng=rng, quick=int(quick)
    )


def _loop(regime: regimes.Regime, strength: float, sampler: str) -> mad.Loop:
    treatment = treatments.correct(strength, envelope=sampler)
    model = mad.Gaussian(ddof=0)
    return mad.Loop(real=mad.Gaussian.standard(2), model=model, regime=regime, treatments=(treatment,))


def _predict(data: xr.Dataset, generations: int, n_jobs: int) -> None:
    """Add the exact first moments of both loops with the exact sampler."""
    common = {"n_synthetic": N_SYNTHETIC, "ddof": 0, "dim": 2, "generations": generations}
    calls = [partial(correction.accrual, n_initial=N_REAL, correction=s, **common) for s in STRENGTHS]
    accrued = run_parallel(calls, n_jobs=n_jobs)
    last = [correction.augment(n_real=N_REAL, correction=s, **common) for s in STRENGTHS]
    at = data["generation"].values - 1
    for prefix, predicted in (("", accrued), ("last_", last)):
        for name in ("total_variance", "mean_error"):
            values = np.stack([np.asarray(one[name])[at] for one in predicted])
            data[f"predicted_{prefix}{name}"] = (("strength", "generation"), values, predicted[0][name].attrs)
