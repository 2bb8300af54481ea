"""How fast models die out: Suresh, Thangaraj and Khandavally 2025, their three families.

Their settings: Bernoulli points, (p, n) = (0.001, 10,000) and (0.01, 100), and Poisson points of rates 1 and
10, n = 10, over 50 generations; a Gaussian, n = 10, P(sd > 0.1) over 200 generations; `regimes.replace`. Here
200,000 loops of each by their sufficient statistics, and the exact probabilities. The unbiased divisor n - 1
of the Gaussian, for which the exponent of the theorem is sharp, is simulated; that of maximum likelihood, n,
has its exact probabilities alongside. The paper's model k is fitted to points of model k - 1, and model 0 to
real ones: it is generation k + 1 here.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.theory import categorical, families, gaussian

COUNTS = {
    "Bernoulli, p = 0.001, n = 10,000": ("bernoulli", 0.001, 10_000),
    "Bernoulli, p = 0.01, n = 100": ("bernoulli", 0.01, 100),
    "Poisson, rate 1, n = 10": ("poisson", 1.0, 10),
    "Poisson, rate 10, n = 10": ("poisson", 10.0, 10),
}
THRESHOLD, POINTS = 0.1, 10


def survives(snapshot: mad.Snapshot) -> np.ndarray:
    """Return whether a count can still occur."""
    return np.asarray(snapshot.model.mean_parameter > 0, dtype=float)


def is_wide(snapshot: mad.Snapshot) -> np.ndarray:
    """Return whether the standard deviation is above the threshold."""
    return np.asarray(metrics.log_total_variance(snapshot) > 2 * np.log(THRESHOLD), dtype=float)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used.

    Returns
    -------
    Dataset
        By (case, k): ``survival``, the share of loops in which model k has a rate above 0, with its standard
        error, the exact ``predicted_survival``, and the paper's ``lower`` and ``upper`` bounds (NaN for the
        upper one of Poisson, where the lower is exact). By j: ``wide``, the share of Gaussian loops whose
        standard deviation of model j is above 0.1, with the same, ``wide_by_likelihood`` (exact, divisor n)
        and ``wide_bound``.
    """
    loops = 5_000 if quick else 200_000
    late, very_late = (20, 60) if quick else (50, 200)
    k, j = np.arange(1, late + 1), np.arange(1, very_late + 1)
    seeds = np.random.SeedSequence(rng).spawn(len(COUNTS) + 1)
    rates = -np.log(families.poisson_extinction(n=1, rate=1.0, generations=late + 1))[1:]  # their g_k
    shares, exact, lower, upper = [], [], [], []
    for (family, mean, n), seed in zip(COUNTS.values(), seeds[1:], strict=True):
        real, model = mad.ExponentialFamily(family, mean), mad.ExponentialFamily(family)
        loop = mad.Loop(real=real, model=model, regime=regimes.replace(n=n))
        drawn = mad.simulate(loop, late + 1, replicates=loops, metrics=survives, rng=seed)["survives"]
        shares.append(drawn.mean("replicate").values[1:])
        lower.append(1 - np.exp(-n * mean * rates))
        if family == "poisson":
            gone = families.poisson_extinction(n=n, rate=mean, generations=late + 1)
            upper.append(np.full(late, np.nan))
        else:
            gone = categorical.extinction(n=n, probabilities=[mean, 1 - mean], generations=late + 1)[:, 0]
            upper.append(1 - np.maximum(1 - 3 * n * mean**2 - 3 * k * mean, 0) * np.exp(-n * mean * rates))
        exact.append(1 - np.asarray(gone)[1:])
    loop = mad.Loop(real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=POINTS))
    drawn = mad.simulate(loop, very_late, replicates=loops, metrics=is_wide, rng=seeds[0])["is_wide"]
    wide = drawn.mean("replicate").values
    above, likely = (
        np.array(
            [float(gaussian.variance_law(generation=int(t), n=POINTS, ddof=d).sf(THRESHOLD**2)) for t in j]
        )
        for d in (1, 0)
    )
    variables = {
        "survival": (("case", "k"), shares),
        "survival_error": (("case", "k"), _error(np.array(exact), loops)),
        "predicted_survival": (("case", "k"), exact),
        "lower": (("case", "k"), lower),
        "upper": (("case", "k"), upper),
        "wide": ("j", wide),
        "wide_error": ("j", _error(above, loops)),
        "predicted_wide": ("j", above),
        "wide_by_likelihood": ("j", likely),
        "wide_bound": ("j", np.exp(-j / (4 * POINTS)) / THRESHOLD),
        "rate": ("k", rates),
    }
    coords = {"case": list(COUNTS), "k": k, "j": j}
    return xr.Dataset(variables, coords, attrs={"loops": loops, "seed": rng, "quick": int(quick)})


def _error(p: np.ndarray, loops: int) -> np.ndarray:
    """Return the standard error of a share of exact probability p; at least that of one loop."""
    return np.maximum(np.sqrt(p * (1 - p) / loops), 1 / loops)
