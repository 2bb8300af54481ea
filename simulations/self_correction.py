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

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes, treatments

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
    how = {"generations": generations, "metrics": METRICS, "record": kept, "theory": True, "n_jobs": n_jobs}
    accrued = mad.sweep(
        _accrual, over={"sampler": SAMPLERS, "strength": STRENGTHS}, replicates=seeds, rng=rng, **how
    )
    last = mad.sweep(
        _last_batch, over={"strength": STRENGTHS}, replicates=more, rng=rng + 1, method="statistics", **how
    )
    data = xr.Dataset(coords={"sampler": list(SAMPLERS), "strength": list(STRENGTHS), "generation": kept})
    for prefix, measured, count in (("", accrued, seeds), ("last_", last, more)):
        for metric in METRICS:
            name = metric.__name__
            error = measured[f"{name}_standard_error"].drop_attrs()
            data[prefix + name] = measured[name].drop_attrs()
            data[f"{prefix}{name}_spread"] = error * np.sqrt(count)
            data[f"{prefix}{name}_error"] = error
        for name in ("total_variance", "mean_error"):
            exact = measured[f"predicted_{name}"]
            exact = exact.sel(sampler="exact", drop=True) if not prefix else exact
            data[f"predicted_{prefix}{name}"] = exact
    if not quick:
        data["paper"] = ("strength", list(PAPER))
    return data.assign_attrs(
        n_real=N_REAL, n_synthetic=N_SYNTHETIC, seeds=seeds, seeds_last=more, rng=rng, quick=int(quick)
    )


def _accrual(sampler: str, strength: float) -> mad.Loop:
    return _loop(
        regimes.Regime(
            n_initial=N_REAL, n_synthetic=N_SYNTHETIC, n_real=N_REAL, real_data="fixed", retain="logarithmic"
        ),
        strength,
        sampler,
    )


def _last_batch(strength: float) -> mad.Loop:
    return _loop(regimes.augment(n_real=N_REAL, n_synthetic=N_SYNTHETIC), strength, "exact")


def _loop(regime: regimes.Regime, strength: float, sampler: str) -> mad.Loop:
    treatment = treatments.correct(strength, envelope=sampler)
    model = mad.Gaussian(ddof=0)
    return mad.Loop(real=mad.Gaussian.standard(2), model=model, regime=regime, treatments=(treatment,))
