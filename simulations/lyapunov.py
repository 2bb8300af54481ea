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

__all__ = ["DIM", "SIZES", "run"]

DIM = 10
SIZES = (15, 20, 50)


def run(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate and predict; `n_jobs` is not used, as the loops run as one array.

    Returns
    -------
    Dataset
        ``log_eigenvalue`` (n, direction, generation): natural logs of the covariance's eigenvalues, largest
        first, averaged over loops, with standard error; ``rate`` (n, direction): slope between the middle and
        the last generation, with standard error; ``effective_directions`` (n, quantile, generation): squared
        trace over the trace of the square; and theory.
    """
    replicates, generations = (40, 400) if quick else (400, 1000)
    each = [
        _one(n, generations, replicates, np.random.SeedSequence(rng, spawn_key=(i,)))
        for i, n in enumerate(SIZES)
    ]
    data = xr.concat(each, "n", combine_attrs="drop_conflicts", join="exact")
    data.attrs.update({"replicates": replicates, "seed": rng, "quick": int(quick)})
    return data


def _one(n: int, generations: int, replicates: int, seed: np.random.SeedSequence) -> xr.Dataset:
    loop = mad.Loop(real=mad.Gaussian.standard(DIM), model=mad.Gaussian(), regime=regimes.replace(n=n))
    kept = np.unique(np.append(np.geomspace(1, generations, 60).astype(int), [generations // 2, generations]))
    snapshots = islice(mad.iterate(loop, rng=seed, replicates=replicates), generations)
    logs = np.array([_log_eigenvalues(s.model.scaled_factor) for s in snapshots if s.generation in kept])
    logs = np.moveaxis(logs, 0, -1)  # (replicate, direction, generation)

    # From the middle on: by then the eigenvalues have forgotten that they began equal.
    half = generations // 2
    slopes = (logs[..., -1] - logs[..., list(kept).index(half)]) / (generations - half)
    log_condition = logs[:, 0] - logs[:, -1]
    weights = np.exp(logs - logs[:, :1])
    directions = weights.sum(1) ** 2 / (weights**2).sum(1)
    spectrum = mad.theory.gaussian.lyapunov_spectrum(n=n, dim=DIM)
    quantiles = (0.05, 0.5, 0.95)
    variables = {
        "log_eigenvalue": (("direction", "generation"), logs.mean(0)),
        "log_eigenvalue_error": (("direction", "generation"), _error(logs)),
        "rate": ("direction", slopes.mean(0)),
        "rate_error": ("direction", _error(slopes)),
        "predicted_rate": (
            "direction",
            np.asarray(spectrum),
            {"kind": spectrum.kind, "source": spectrum.source},
        ),
        "log_condition": (("quantile", "generation"), np.quantile(log_condition, quantiles, axis=0)),
        "condition_rate": ((), (slopes[:, 0] - slopes[:, -1]).mean()),
        "condition_rate_error": ((), _error(slopes[:, 0] - slopes[:, -1])),
        "effective_directions": (("quantile", "generation"), np.quantile(directions, quantiles, axis=0)),
    }
    coordinates = {
        "direction": np.arange(1, DIM + 1),
        "generation": kept,
        "quantile": list(quantiles),
        "n": n,
    }
    attributes = {"regime": loop.regime.name, "bias": 1.0, "dim": DIM, "method": "statistics"}
    return xr.Dataset(variables, coordinates, attrs=attributes)


def _log_eigenvalues(factors: np.ndarray) -> np.ndarray:
    """Logs of the eigenvalues of L Lᵀ, descending, each to full relative accuracy, shape (replicate, d).

    The columns of L differ by hundreds of orders of magnitude, where bidiagonalising methods keep the largest
    singular value only; Jacobi's method keeps them all (Drmac and Veselic 2008, LAPACK's dgejsv, option C).
    """
    from scipy.linalg.lapack import dgejsv

    logs = np.empty(factors.shape[:-1])
    for i, factor in enumerate(factors):
        values, *_, work, _, info = dgejsv(factor, joba=0, jobu=3, jobv=3, jobr=0, jobt=0, jobp=0)
        if info != 0:
            raise RuntimeError(f"dgejsv returned info={info} for the factor of replicate {i}.")
        logs[i] = 2 * (np.log(values) + np.log(work[0]) - np.log(work[1]))
    return logs


def _error(values: np.ndarray) -> np.ndarray:
    return values.std(0, ddof=1) / np.sqrt(len(values))
