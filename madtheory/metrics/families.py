"""Metrics of models with one fitted parameter: functions of a `Snapshot`, one number per replicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.types import Array
from madtheory.validation import check_snapshot

if TYPE_CHECKING:
    from madtheory.core import Snapshot


def mean_parameter(snapshot: Snapshot) -> Array:
    """Return the model's mean of T(x), the function of the points whose mean is fitted."""
    return np.asarray(_fitted(snapshot, "mean_parameter").mean_parameter)


def log_mean_parameter(snapshot: Snapshot) -> Array:
    """Return the log of the model's mean of T(x); -inf if it is 0."""
    with np.errstate(divide="ignore"):
        return np.log(_fitted(snapshot, "log_mean_parameter").mean_parameter)


def parameter_variance(snapshot: Snapshot) -> Array:
    """Return the variance of T(x) under the model, a quadratic function of its mean."""
    return np.asarray(_fitted(snapshot, "parameter_variance").parameter_variance)


def mean_parameter_error(snapshot: Snapshot) -> Array:
    """Return the squared distance of the model's mean of T(x) to the true one."""
    model = _fitted(snapshot, "mean_parameter_error")
    check_truth("mean_parameter_error", model, snapshot.real)
    error: Array = (model.mean_parameter - snapshot.real.mean_parameter) ** 2
    return error


def extinct(snapshot: Snapshot) -> Array:
    """Return 1 where the model has only one point left, and 0 elsewhere: a count that never moves again."""
    return (_fitted(snapshot, "extinct").parameter_variance == 0).astype(float)


def tail_index(snapshot: Snapshot) -> Array:
    """Return the tail index of a power law (dimensionless)."""
    return np.asarray(_fitted(snapshot, "tail_index").tail_index)


OF_PARAMETERS: dict[Any, bool] = {
    mean_parameter: False, log_mean_parameter: False, parameter_variance: False, mean_parameter_error: True,
    extinct: False, tail_index: False,
}  # fmt: skip
"""The metrics of this module, and whether they compare with the truth."""


def check_model(metric: str, model: Any) -> None:
    """Refuse a model without a mean parameter, or a tail index where that is measured."""
    needed = "tail_index" if metric == "tail_index" else "parameter_variance"
    if not hasattr(type(model), needed):
        what = "a Pareto" if metric == "tail_index" else "an ExponentialFamily or a Pareto"
        raise TypeError(
            f"metric {metric} describes {what}; the model is a {type(model).__name__}. Leave metrics out: "
            f"the defaults fit the loop; or pass metrics=[...] of your own."
        )


def check_truth(metric: str, model: Any, real: Any) -> None:
    """Refuse a truth whose parameter is not the mean of the same function of the points."""
    if getattr(real, "mean_parameter", None) is None or real.statistic != model.statistic:
        raise TypeError(
            f"metric {metric} compares with the true mean of {model.family.of}; real is "
            f"{type(real).__name__}, which does not have it: pass a real law of such a family."
        )


def _fitted(snapshot: Snapshot, metric: str) -> Any:
    check_snapshot(snapshot)
    check_model(metric, snapshot.model)
    return snapshot.model
