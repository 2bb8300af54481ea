"""Weights of new real and of synthetic data in fresh data loops: the golden ratio, and a filter's gains.

Scenarios 2 and 3 of He, Xu and Cheng 2026 (arXiv 2502.18049): 100 new real points in two dimensions and 100
synthetic ones in every generation, share w of the real ones from 0.20 to 0.78, 200 generations, errors
averaged over generations 150 to 199, 2,000 loops; and k = 0.01 to 0.19 real points for each synthetic one,
pooled or with the best share. Gaussians (mean), linear regression on new inputs (coefficients 1 and 1, noise
1), and by points logistic and Poisson regression at two shares, in fewer and shorter loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

__all__ = ["FAMILIES", "RATIOS", "SHARES", "TWO", "run"]

N = 100
SHARES = np.round(np.arange(0.20, 0.79, 0.02), 2)
RATIOS = np.round(np.arange(0.01, 0.20, 0.02), 2)
TWO = (0.2, 0.62)
FAMILIES = ("mean", "linear regression")
POINTS = ("logistic regression", "Poisson regression")
WEIGHTS = ("pooled", "golden ratio", "best of each generation")
LAW = mad.Gaussian.standard(2)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        Squared errors with standard errors: ``error`` (family, share), ``error_of_points`` (points,
        two_shares), ``error_by_ratio`` (ratio, weighting), ``error_by_generation`` (weights,
        generation), and predictions.
    """
    replicates, last = (100, 40) if quick else (2_000, 199)
    seeds = iter(np.random.SeedSequence(rng).spawn(500))
    first = last - last // 4

    def stationary(loop: mad.Loop) -> tuple[float, float, float]:
        return _mean_of(loop, range(first, last + 1), replicates, next(seeds))

    error = [[stationary(_loop(family, _fresh(share))) for share in SHARES] for family in FAMILIES]
    by_ratio = [
        [stationary(_loop("mean", _fresh(share, made))) for share in (N / (N + made), _best(made))]
        for made in (round(N / k) for k in RATIOS)
    ]
    few, end = (4, 4) if quick else (100, 30)
    of_points = [
        [_mean_of(_loop(name, _fresh(share)), range(end // 2, end + 1), few, next(seeds)) for share in TWO]
        for name in POINTS
    ]
    gains = np.asarray(mad.theory.gaussian.optimal_weights(N, N, generations=10))
    shares = {"pooled": np.full(10, 0.5), "golden ratio": np.full(10, _best(N)), WEIGHTS[2]: gains}
    by_generation = [
        [_mean_of(loop, [t], replicates, next(seeds)) for t in range(1, 11)]
        for loop in (_loop("mean", _fresh(share)) for share in shares.values())
    ]
    variables: dict[str, Any] = {}
    for name, dims, values in (
        ("error", ("family", "share"), error),
        ("error_of_points", ("points", "two_shares"), of_points),
        ("error_by_ratio", ("ratio", "weighting"), by_ratio),
        ("error_by_generation", ("weights", "generation"), by_generation),
    ):
        mean, spread, predicted = np.moveaxis(np.array(values), -1, 0)
        variables |= {
            name: (dims, mean), f"{name}_error": (dims, spread), f"predicted_{name}": (dims, predicted)
        }  # fmt: skip
    coordinates = {
        "family": list(FAMILIES), "share": SHARES, "points": list(POINTS), "two_shares": list(TWO),
        "ratio": RATIOS, "weighting": ["pooled", "best"], "weights": list(WEIGHTS),
        "generation": np.arange(1, 11),
    }  # fmt: skip
    attributes = {"replicates": replicates, "few": few, "seed": rng, "quick": int(quick), "n": N}
    return xr.Dataset(variables, coordinates, attributes)


def _best(made: int) -> float:
    return float(mad.theory.gaussian.optimal_weights(N, made))


def _fresh(share: Any, made: int = N) -> regimes.Regime:
    """Return the regime in which the real points have this share of the weight, one or one by generation."""
    shares = np.atleast_1d(share)
    weights: Any = [(u / N, max(1 - u, 1e-12) / made) for u in shares]
    return regimes.Regime(
        n_initial=N, n_real=N, n_synthetic=made, real_data="fresh",
        weights=weights if len(shares) > 1 else weights[0],
    )  # fmt: skip


def _loop(family: str, regime: regimes.Regime) -> mad.Loop:
    if family == "mean":
        return mad.Loop(real=LAW, model=mad.Gaussian(), regime=regime)
    if family == "linear regression":
        real = mad.LinearRegression([1.0, 1.0], noise=1.0, design=LAW)
        return mad.Loop(real=real, model=mad.LinearRegression(design=LAW), regime=regime)
    kind = mad.models.LogisticRegression if family.startswith("log") else mad.models.PoissonRegression
    scale = 1.0 if family.startswith("log") else 0.5
    return mad.Loop(real=kind([scale, scale], design=LAW), model=kind(design=LAW), regime=regime)


def _mean_of(loop: mad.Loop, generations: Any, replicates: int, rng: Any) -> tuple[float, float, float]:
    """Return the error averaged over these generations, its standard error, and its prediction or NaN."""
    metric = metrics.mean_error if type(loop.model) is mad.Gaussian else metrics.parameter_error
    last, name = max(generations), metric.__name__
    found = mad.simulate(
        loop, last, replicates=replicates, metrics=metric, rng=rng, record=list(generations), progress=False
    )
    each = found[name].mean("generation")
    predicted = np.nan
    if metric is metrics.mean_error:
        predicted = float(mad.predict(loop, last)[name].sel(generation=list(generations)).mean())
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(replicates)), predicted
