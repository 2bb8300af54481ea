"""Ergodic averages of the fresh data loop, with the exact stationary moments as control variates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.theory import gaussian

__all__ = ["Setting", "controlled_mean", "effective_ratio", "squared_norm", "stationary_limits"]

_SETTLED = 0.005  # relative distance of the exact moments to their limits at the end of the burn-in
_LONGEST = 5.0  # relaxation times
_HEAVY = 6  # real points up to which the squared norm has too heavy a tail for averages to settle


class Setting(NamedTuple):
    """A fresh data loop whose limit is asked for; ``n_synthetic`` may be 0: a fit of real points."""

    n_real: int
    n_synthetic: int
    bias: float = 1.0


def squared_norm(snapshot: mad.Snapshot) -> np.ndarray:
    """Trace of the square of the model's covariance."""
    covariance = snapshot.model.covariance
    return np.einsum("...ij,...ij->...", covariance, covariance)


METRICS = (metrics.wasserstein2_squared, metrics.mean_error, metrics.total_variance, squared_norm)


def controlled_mean(
    measured: xr.Dataset, exact: Mapping[str, float], variable: str = "wasserstein2_squared"
) -> tuple[float, float]:
    """Mean of a variable over generations and replicates, and its standard error over replicates.

    Subtracts the part that is linear in variables whose stationary means are known exactly. The
    coefficients for a replicate come from the other replicates, which leaves the mean unbiased.

    Parameters
    ----------
    measured : Dataset (replicate, generation)
        At least 3 replicates.
    exact : mapping of name to float
        Stationary means of the control variates; may be empty.
    """
    values = measured[variable].values
    controls = np.zeros((*values.shape, 0))
    if exact:
        controls = np.stack([measured[name].values - mean for name, mean in exact.items()], -1)
        controls = controls / np.maximum(np.sqrt((controls**2).mean((0, 1))), np.finfo(float).tiny)
    adjusted = np.empty(len(values))
    for r in range(len(values)):
        others = np.arange(len(values)) != r
        y = values[others].ravel()
        x = controls[others].reshape(y.size, -1) if exact else np.zeros((y.size, 0))
        slope = np.linalg.lstsq(x - x.mean(0), y - y.mean(), rcond=1e-9)[0]
        adjusted[r] = (values[r] - controls[r] @ slope).mean()
    return float(adjusted.mean()), float(adjusted.std(ddof=1) / math.sqrt(len(adjusted)))


def effective_ratio(distance: Any, error: Any, n_real: Any, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """``n_e / n_real`` of squared distances, and its standard error (MAD, Eq. 4)."""

    def size(value: Any) -> np.ndarray:
        return np.asarray(gaussian.invert_real_fit(wasserstein2_squared=value, dim=dim)) / n_real

    distance, error = np.asarray(distance), np.asarray(error)
    return size(distance), (size(distance - error) - size(distance + error)) / 2


def stationary_limits(
    settings: Sequence[Setting],
    *,
    dim: int,
    replicates: int,
    kept: int,
    rng: int,
    n_jobs: int = -1,
) -> xr.Dataset:
    """Limits of E W2^2 in the fresh data loop, simulated and predicted (MAD, Eq. 3), and ``n_e / n_real``.

    A chain starts from as many real points as have the predicted distance, and runs until the exact
    moments have come within half a percent of their limits, or for five of their relaxation times; what is
    left of the way is linear in the control variates. It is then measured `kept` times, half a relaxation
    time apart.

    Returns
    -------
    Dataset (setting)
        ``wasserstein2_squared``, ``effective_ratio``, their ``_standard_error`` and their
        ``predicted_`` values; ``generations`` run by each chain.
    """
    over = xr.Dataset(
        {
            name: ("setting", list(values))
            for name, values in zip(Setting._fields, zip(*settings, strict=True), strict=True)
        }
    )
    limit = partial(_limit, dim=dim, replicates=replicates, kept=kept)
    limits = mad.sweep(limit, over=over, rng=rng, n_jobs=n_jobs)
    return limits.drop_vars(Setting._fields).assign_attrs(rng=rng, dim=dim, replicates=replicates, kept=kept)


def _limit(
    n_real: int, n_synthetic: int, bias: float, *, dim: int, replicates: int, kept: int, rng: Any
) -> xr.Dataset:
    """Return the limit of one setting, measured and predicted."""
    setting = Setting(n_real, n_synthetic, bias)
    exact = gaussian.stationary(**setting._asdict(), dim=dim)
    predicted = float(exact["wasserstein2_squared"])
    start = max(int(np.round(gaussian.invert_real_fit(wasserstein2_squared=predicted, dim=dim))), 2)
    record = _record(setting, exact, start, dim, kept)
    measured = mad.simulate(
        _loop(setting, start, dim), record[-1], replicates=replicates, metrics=METRICS, method="statistics",
        record=record, rng=rng, progress=False,
    )  # fmt: skip
    mean, error = controlled_mean(measured, _controls(setting, exact))
    ratio, ratio_error = effective_ratio(mean, error, n_real, dim)
    label = {"kind": exact["wasserstein2_squared"].kind, "source": exact["wasserstein2_squared"].source}
    return xr.Dataset(
        {
            "wasserstein2_squared": mean,
            "wasserstein2_squared_standard_error": error,
            "predicted_wasserstein2_squared": ((), predicted, label),
            "effective_ratio": float(ratio),
            "effective_ratio_standard_error": float(ratio_error),
            "predicted_effective_ratio": ((), float(effective_ratio(predicted, 0.0, n_real, dim)[0]), label),
            "generations": record[-1],
        },
        attrs={name: measured.attrs[name] for name in ("method", "model", "real", "versions")},
    )


def _loop(setting: Setting, n_initial: int, dim: int) -> mad.Loop:
    if not setting.n_synthetic:
        # Generation 1 is the fit of real points; nothing is asked of later ones.
        regime = regimes.fresh(n_real=setting.n_real, n_synthetic=1)
    else:
        regime = regimes.fresh(n_real=setting.n_real, n_synthetic=setting.n_synthetic, n_initial=n_initial)
    return mad.Loop(real=mad.Gaussian.standard(dim), model=mad.Gaussian(), regime=regime, bias=setting.bias)


def _record(setting: Setting, moments: Mapping[str, Any], n_initial: int, dim: int, kept: int) -> range:
    """The generations that are measured."""
    if not setting.n_synthetic:
        return range(1, 2)
    # Moments of a fit of real points, which is what the chain starts from.
    first = {"total_variance": dim, "squared_norm": dim * (1 + (dim + 1) / (n_initial - 1))}
    gap = max(abs(start / float(moments.get(name, np.inf)) - 1) for name, start in first.items())
    times = float(np.clip(np.log(max(gap, _SETTLED) / _SETTLED), 1.0, _LONGEST))
    relaxation = float(moments["relaxation_time"])
    burn_in, apart = 2 + math.ceil(times * relaxation), max(1, math.ceil(relaxation / 2))
    return range(burn_in, burn_in + kept * apart, apart)


def _controls(setting: Setting, moments: Mapping[str, Any]) -> dict[str, float]:
    """Exact means whose averages settle: the squared norm has a heavy tail where real points are few."""
    names = ["mean_error", "total_variance"]
    if setting.n_real > _HEAVY and "squared_norm" in moments:
        names.append("squared_norm")
    return {name: float(moments[name]) for name in names}
