"""The fresh data loop forgets where it started (MAD, arXiv 2307.01850, Fig. 10 left).

Gaussians in 100 dimensions, 100 new real and 900 synthetic points per generation, bias 1 and 0.8,
generation 1 fitted to 100 or 1000 real points. MAD gives neither the number of runs nor the values of
the limits.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from simulations._stationary import Setting, stationary_limits

DIM, N_REAL, N_SYNTHETIC = 100, 100, 900
BIASES = (1.0, 0.8)
N_INITIAL = (100, 1000)
REPLICATES = (12, 48)  # quick, and full size
VARIABLE = "wasserstein2_squared"


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate mean trajectories, and the limits of longer runs.

    Returns
    -------
    Dataset
        ``wasserstein2_squared`` (bias, n_initial, generation), and ``limit_...`` (bias) with the
        effective sample ratio; each with its standard error and its prediction.
    """
    generations, replicates = (40, REPLICATES[0]) if quick else (60, REPLICATES[1])
    measured = mad.sweep(
        _loop, over={"bias": BIASES, "n_initial": N_INITIAL}, generations=generations, replicates=replicates,
        metrics=(metrics.wasserstein2_squared,), method="statistics", rng=rng, n_jobs=n_jobs,
        keep_replicates=True, theory=True,
    )  # fmt: skip
    # Late generations of one chain agree with each other: one number per replicate.
    late = (
        measured[f"{VARIABLE}_replicates"].isel(generation=slice(generations // 2, None)).mean("generation")
    )
    trajectories = measured[[VARIABLE, f"{VARIABLE}_standard_error", f"predicted_{VARIABLE}"]].assign(
        late=late.mean("replicate"), late_standard_error=late.std("replicate", ddof=1) / np.sqrt(replicates)
    )
    limits = stationary_limits(
        [Setting(N_REAL, N_SYNTHETIC, bias) for bias in BIASES],
        dim=DIM, replicates=12 if quick else 36, kept=12 if quick else 40, rng=rng + 1, n_jobs=n_jobs,
    )  # fmt: skip
    limits = limits.rename({name: f"limit_{name}" for name in limits.data_vars}).rename(setting="bias")
    attrs = limits.attrs | {
        "n_real": N_REAL,
        "n_synthetic": N_SYNTHETIC,
        "replicates": replicates,
        "rng": rng,
    }
    return xr.merge([trajectories, limits], combine_attrs="drop").assign_attrs(attrs)


def _loop(bias: float, n_initial: int) -> mad.Loop:
    regime = regimes.fresh(n_real=N_REAL, n_synthetic=N_SYNTHETIC, n_initial=n_initial)
    return mad.Loop(real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regime, bias=bias)
