"""Synthetic points drawn from several previous models (MAD, arXiv 2307.01850, Fig. 30).

Fresh data loop of Gaussians in 100 dimensions, 1,000 new real and 10,000 synthetic points per generation, no
bias; each synthetic point comes from one of the last K models, chosen uniformly at random.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from simulations._stationary import controlled_mean, effective_ratio

DIM, N_REAL, N_SYNTHETIC = 100, 1000, 10_000
MEMORIES = (100, 75, 50, 35, 20, 10, 5, 3, 2, 1)  # the slow ones first: workers end together
MEMORIES_QUICK = (30, 10, 3, 1)
REPLICATES = (3, 6)  # quick, and full size
_COPY = 10**9  # so many points that a fit repeats what was sampled
METRICS = (metrics.wasserstein2_squared, metrics.mean_error, metrics.total_variance)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate the effective sample ratio ``n_e / n_real`` over the number K of remembered models.

    The loop forgets in (K + 1) / 2 * n / n_real generations, 550 for K = 100. It need not run that long: the
    first K models are copies of generation 1, whose size is chosen such that the exact mean error, averaged
    over the generations that are measured, is that of the limit.

    Returns
    -------
    Dataset (memory)
        ``wasserstein2_squared``, ``effective_ratio``, standard errors; ``predicted_effective_ratio``, to
        leading order in 1/n the same for means and covariances: ``dim / (n_real * mean_error)``.
    """
    memories = MEMORIES_QUICK if quick else MEMORIES
    replicates, kept = (REPLICATES[0], 20) if quick else (REPLICATES[1], 60)
    measured = mad.sweep(
        partial(_limit, replicates=replicates, kept=kept), over={"memory": memories}, rng=rng, n_jobs=n_jobs
    )
    about = {"n_real": N_REAL, "n_synthetic": N_SYNTHETIC, "bias": 1.0, "dim": DIM}
    return measured.sortby("memory").assign_attrs(about, rng=rng, replicates=replicates, kept=kept)


def _limit(memory: int, *, replicates: int, kept: int, rng: Any) -> xr.Dataset:
    """Return the limit of one loop, measured and predicted."""
    loop, record, exact, limit = _plan(memory, kept)
    measured = mad.simulate(
        loop, record[-1], replicates=replicates, metrics=METRICS, method="statistics", record=record, rng=rng,
        progress=False,
    )  # fmt: skip
    mean, error = controlled_mean(measured, exact)
    ratio, ratio_error = effective_ratio(mean, error, N_REAL, DIM)
    source = "derived here: exact stationary mean error, and n_e = dim / mean_error"
    return xr.Dataset(
        {
            "wasserstein2_squared": mean,
            "wasserstein2_squared_standard_error": error,
            "effective_ratio": float(ratio),
            "effective_ratio_standard_error": float(ratio_error),
            "predicted_mean_error": ((), limit, {"kind": "exact mean", "source": source}),
            "predicted_effective_ratio": (
                (), DIM / (N_REAL * limit), {"kind": "leading order in 1/n", "source": source}
            ),
            "n_initial": loop.regime.n_initial,
            "generations": record[-1],
        },
        attrs={"versions": measured.attrs["versions"]},
    )  # fmt: skip


def _plan(memory: int, kept: int) -> tuple[mad.Loop, range, dict[str, float], float]:
    """Loop, generations to measure, exact means over these, and the exact limit of the mean error."""
    # A lineage goes back by (memory + 1) / 2 generations on average, and ends at a real point each time
    # with chance N_REAL / (N_REAL + N_SYNTHETIC).
    relaxation = (memory + 1) / 2 * (1 + N_SYNTHETIC / N_REAL)
    forever = regimes.fresh(n_real=N_REAL, n_synthetic=N_SYNTHETIC, memory=memory)
    limit = float(mad.predict(_loop(forever), math.ceil(6 * relaxation)).mean_error[-1])
    first, apart = memory + memory // 2 + 30, 1 + memory // 50
    record = range(first, first + kept * apart, apart)

    def settle(n_initial: int) -> tuple[mad.Loop, dict[str, float]]:
        # The first models copy generation 1; what they would otherwise add takes a relaxation time to fade.
        sizes = (0, *[_COPY] * (memory - 1), *[N_SYNTHETIC] * (record[-1] - memory))
        loop = _loop(regimes.fresh(n_real=N_REAL, n_synthetic=sizes, n_initial=n_initial, memory=memory))
        predicted = mad.predict(loop, record[-1]).sel(generation=list(record))
        return loop, {name: float(predicted[name].mean()) for name in ("mean_error", "total_variance")}

    # The mean error is linear in 1 / n_initial.
    low, high = settle(_COPY)[1]["mean_error"], settle(N_REAL)[1]["mean_error"]
    n_initial = round(N_REAL * (high - low) / (limit - low))
    loop, exact = settle(n_initial)
    return loop, record, exact, limit


def _loop(regime: regimes.Regime) -> mad.Loop:
    return mad.Loop(real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regime)
