"""Which directions die first: the Lyapunov spectrum of the fully synthetic loop in ten dimensions.

`regimes.replace` with n = 15, 20 and 50 points, d = 10, bias 1, followed until the eigenvalues of the
covariance span hundreds of orders of magnitude. Our own experiment; the exact rates are those of a product of
triangular Bartlett factors.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import regimes

DIM = 10
SIZES = (15, 20, 50)
QUANTILES = (0.05, 0.5, 0.95)
TIMES = np.concatenate([np.arange(1, 25) / 5, np.arange(5, 51)])
"""Generations over n: the eigenvalues forget their start in a few n generations."""


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        ``log_eigenvalue`` (n, direction, time): natural logs of the covariance's eigenvalues, largest first,
        averaged over loops; ``rate`` (n, direction): their slope per generation between the middle and the
        last generation, with standard error; ``effective_directions`` (n, quantile, time): squared trace over
        the trace of the square; and theory. Time is generation over n.
    """
    replicates = 40 if quick else 400
    each = [_one(n, replicates, np.random.SeedSequence(rng, spawn_key=(i,))) for i, n in enumerate(SIZES)]
    data = xr.concat(each, "n", join="exact", combine_attrs="drop_conflicts")
    data.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return data


def _one(n: int, replicates: int, seed: np.random.SeedSequence) -> xr.Dataset:
    loop = mad.Loop(real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regimes.replace(n=n))
    kept = np.rint(TIMES * n).astype(int)
    snapshots = islice(mad.iterate(loop, rng=seed, replicates=replicates), kept[-1])
    logs = np.array([_log_eigenvalues(s.model.scaled_factor) for s in snapshots if s.generation in kept])
    logs = np.moveaxis(logs, 0, -1)  # (replicate, direction, time)

    # From the middle on: by then the eigenvalues have forgotten that they began equal.
    half = int(np.searchsorted(TIMES, TIMES[-1] / 2))
    slopes = (logs[..., -1] - logs[..., half]) / (kept[-1] - kept[half])
    log_condition = logs[:, 0] - logs[:, -1]
    weights = np.exp(logs - logs[:, :1])
    directions = weights.sum(1) ** 2 / (weights**2).sum(1)
    spectrum = mad.theory.gaussian.lyapunov_spectrum(n=n, dim=DIM)
    variables = {
        "generation": ("time", kept),
        "log_eigenvalue": (("direction", "time"), logs.mean(0)),
        "rate": ("direction", slopes.mean(0)),
        "rate_error": ("direction", _error(slopes)),
        "predicted_rate": ("direction", np.asarray(spectrum), spectrum.attrs),
        "log_condition": (("quantile", "time"), np.quantile(log_condition, QUANTILES, axis=0)),
        "condition_rate": ((), (slopes[:, 0] - slopes[:, -1]).mean()),
        "condition_rate_error": ((), _error(slopes[:, 0] - slopes[:, -1])),
        "predicted_condition_rate": ((), float(spectrum[0] - spectrum[-1]), spectrum.attrs),
        "effective_directions": (("quantile", "time"), np.quantile(directions, QUANTILES, axis=0)),
        "median_error": ("time", _median_error(directions)),
    }
    coordinates = {"direction": np.arange(1, DIM + 1), "time": TIMES, "quantile": list(QUANTILES), "n": n}
    attributes = {"regime": loop.regime.name, "bias": 1.0, "dim": DIM, "method": "statistics"}
    return xr.Dataset(variables, coordinates, attrs=attributes)


def _log_eigenvalues(factors: np.ndarray) -> np.ndarray:
    """Return the logs of the eigenvalues of L Lᵀ, descending, shape (replicate, d).

    The singular values of L, whose columns differ by hundreds of orders of magnitude, are all accurate, while
    the small eigenvalues of L Lᵀ itself would be lost in the rounding errors of the largest.
    """
    return 2 * np.log(np.linalg.svd(factors, compute_uv=False))


def _error(values: np.ndarray) -> np.ndarray:
    return values.std(0, ddof=1) / np.sqrt(len(values))


def _median_error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the median, from order statistics one standard deviation of rank away."""
    step = 0.5 / np.sqrt(len(values))
    low, high = np.quantile(values, (0.5 - step, 0.5 + step), axis=0)
    return (high - low) / 2
