"""Metrics of loops of labels: how far a model's coefficients are from those of the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.abilities import knows
from madtheory.numerics import one_thread
from madtheory.types import Array
from madtheory.validation import check_snapshot

if TYPE_CHECKING:
    from madtheory.core import Snapshot

__all__ = ["excess_risk", "noise_variance", "parameter_error"]


@one_thread
def excess_risk(snapshot: Snapshot) -> Array:
    r"""Return the mean squared error of the linear predictor, :math:`E\,(x^T(w - w_0))^2` over true inputs.

    For linear regression this is the squared loss on new real points in excess of that of the true
    coefficients, in units of the squared label. Of a truth that knows only its moments, as
    `madtheory.data.Empirical` rows (x, y), the true coefficients are those of the best linear predictor.
    """
    error, second = _error(snapshot, "excess_risk", inputs=True)
    return np.einsum("...i,ij,...j->...", error, second, error)


@one_thread
def parameter_error(snapshot: Snapshot) -> Array:
    r"""Return the squared distance of the coefficients to the true ones, :math:`|w - w_0|^2`."""
    error, _ = _error(snapshot, "parameter_error", inputs=False)
    return np.einsum("...i,...i->...", error, error)


def noise_variance(snapshot: Snapshot) -> Array:
    """Return the variance of the model's labels given the inputs, in units of the squared label."""
    check_snapshot(snapshot)
    check_labels("noise_variance", snapshot.model)
    return np.array(snapshot.model.noise_variance)


OF_LABELS: dict[Any, bool] = {excess_risk: True, parameter_error: True, noise_variance: False}
"""The metrics of this module, and whether they compare with the truth."""


def check_labels(metric: str, model: Any, real: Any = None) -> None:
    """Refuse a model, or a truth if there is one, without coefficients."""
    attribute = "noise_variance" if metric == "noise_variance" else "coefficients"
    if not knows(model, attribute):
        raise TypeError(
            f"metric {metric} is of models of labels given inputs; {type(model).__name__} has no "
            f"{attribute}. Use a LinearRegression, or leave metrics out: the defaults fit the loop."
        )
    if real is not None and not has_true_coefficients(model, real):
        raise TypeError(
            f"metric {metric} compares coefficients, and of the real data, {type(real).__name__}, those of a "
            f"{type(model).__name__} are not known. Use a real law with coefficients, such as "
            f"{type(model).__name__}(coefficients, design=...); points (x, y) know those of a "
            f"LinearRegression."
        )


def has_true_coefficients(model: Any, real: Any) -> bool:
    """Return whether a truth has coefficients to compare with: its own, or those of its moments."""
    return knows(real, "coefficients") or (knows(model, "noise_variance") and knows(real, "covariance"))


def _error(snapshot: Snapshot, metric: str, *, inputs: bool) -> tuple[Array, Array]:
    """Return the error of the coefficients, shape (*replicate, d), and the true mean of x xᵀ, (d, d)."""
    check_snapshot(snapshot)
    check_labels(metric, snapshot.model, snapshot.real)
    real, coefficients = snapshot.real, np.asarray(snapshot.model.coefficients)
    if knows(real, "coefficients"):
        truth = np.asarray(real.coefficients)
        second = real.second_moment if inputs else np.eye(0)
    else:
        moments = np.asarray(real.covariance + np.outer(real.mean, real.mean))
        second = moments[:-1, :-1]
        truth = np.linalg.pinv(second, hermitian=True) @ moments[:-1, -1]
    if truth.shape[-1] != coefficients.shape[-1]:
        raise ValueError(
            f"the model has {coefficients.shape[-1]} coefficients and the truth has {truth.shape[-1]}; real "
            f"data are rows (x, y) with as many inputs."
        )
    return coefficients - truth, second
