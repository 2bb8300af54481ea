"""Collapse of the variance in the fully synthetic loop, one dimension, on the log scale.

Every generation is fitted to n samples of the one before it (`regimes.replace`), n = 20 and 100, bias 1, 0.9
and 0.7; 20,000 loops of 400 generations, by quantiles, with the exact law of the variance. Our own
experiment; the loop is MAD's fully synthetic one (Alemohammad et al. 2024, arXiv 2307.01850, section 3).
"""

from __future__ import annotations

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes

SIZES = (20, 100)
BIASES = (1.0, 0.9, 0.7)
QUANTILES = (0.05, 0.5, 0.95)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        Natural logs of the variance relative to the truth: ``log_variance`` (n, bias, quantile, generation),
        its sampling error ``log_variance_error``, ``log_average`` (log of the loops' average variance),
        ``largest_share`` (share of that average that is due to the largest loop),
        ``log_mean`` (average of the logs) and its standard error; and the prediction of each.
    """
    replicates, generations = (2_000, 200) if quick else (20_000, 400)
    grid = [
        [
            _one(n, bias, generations, replicates, np.random.SeedSequence(rng, spawn_key=(i, j)))
            for j, bias in enumerate(BIASES)
        ]
        for i, n in enumerate(SIZES)
    ]
    data = xr.combine_nested(grid, ["n", "bias"], join="exact", combine_attrs="drop_conflicts")
    data.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return data


def _one(n: int, bias: float, generations: int, replicates: int, seed: np.random.SeedSequence) -> xr.Dataset:
    loop = mad.Loop(
        real=mad.Gaussian.standard(1), model=mad.Gaussian(), regime=regimes.replace(n=n), bias=bias
    )
    kept = [1, *range(4, generations + 1, 4)]
    simulated = mad.simulate(
        loop, generations, replicates=replicates, metrics=[metrics.log_total_variance], rng=seed, record=kept
    )
    logs = simulated["log_total_variance"].transpose("replicate", "generation").values
    laws = [mad.theory.gaussian.variance_law(generation=t, n=n, bias=bias) for t in kept]
    q = np.array(QUANTILES)
    exact = np.array([law.log_ppf(q) for law in laws]).T
    density = np.array([law.pdf_of_log(y) for law, y in zip(laws, exact.T, strict=True)]).T
    half_life = mad.theory.gaussian.half_life(n=n, bias=bias)
    variables = {
        "log_variance": (("quantile", "generation"), np.quantile(logs, q, axis=0)),
        "predicted_log_variance": (
            ("quantile", "generation"),
            exact,
            {"kind": laws[0].kind, "source": laws[0].source},
        ),
        # Asymptotic standard error of a sample quantile, with the exact density.
        "log_variance_error": (
            ("quantile", "generation"),
            np.sqrt(q * (1 - q) / replicates)[:, None] / density,
        ),
        "log_average": ("generation", np.log(np.exp(logs).mean(0))),
        "largest_share": ("generation", np.exp(logs.max(0)) / np.exp(logs).sum(0)),
        "predicted_log_average": (
            "generation",
            np.log(mad.predict(loop, generations)["total_variance"].sel(generation=kept).values),
            {"kind": "exact mean", "source": "log of the mean that predict returns"},
        ),
        "log_mean": ("generation", logs.mean(0)),
        "log_mean_error": ("generation", logs.std(0, ddof=1) / np.sqrt(replicates)),
        "predicted_log_mean": (
            "generation",
            [law.log_mean() for law in laws],
            {"kind": "exact mean", "source": laws[0].source},
        ),
        "predicted_half_life": ((), float(half_life), half_life.attrs),
    }
    data = xr.Dataset(variables, {"quantile": q, "generation": kept}, attrs=simulated.attrs)
    return data.expand_dims({"n": [n], "bias": [bias]})
