"""Metrics: functions of a `Snapshot` that return one number per replicate.

Those of one argument compare the fitted model with the reference distribution in closed form; they need a
model and a reference with a mean and a covariance. Those of arrays of points, with keywords ``real`` and
``fake``, serve any generator: `on_samples` makes them metrics of a loop.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from madtheory._class_metrics import class_shares, class_variance, mode_coverage, variance_by_class
from madtheory._law_distances import cramer_von_mises, maximum_mean_discrepancy, wasserstein1
from madtheory._likelihood import negative_log_likelihood
from madtheory._loop import Snapshot
from madtheory._point_metrics import (
    CANCELLED,
    density_coverage,
    frechet_distance,
    gaussian_distance,
    precision_recall,
    sliced_wasserstein,
)
from madtheory._sampled import on_samples
from madtheory._threads import one_thread
from madtheory.types import Array

__all__ = [
    "DEFAULT",
    "class_shares",
    "class_variance",
    "cramer_von_mises",
    "density_coverage",
    "effective_sample_size",
    "frechet_distance",
    "kl_divergence",
    "log_total_variance",
    "log_volume",
    "maximum_mean_discrepancy",
    "mean_error",
    "mode_coverage",
    "negative_log_likelihood",
    "on_samples",
    "precision_recall",
    "reverse_kl_divergence",
    "sliced_wasserstein",
    "total_variance",
    "variance_by_class",
    "wasserstein1",
    "wasserstein2_squared",
]


def total_variance(snapshot: Snapshot) -> Array:
    """Trace of the model's covariance."""
    factor = _model(snapshot, "total_variance").scaled_factor
    return np.einsum("...ij,...ij->...", factor, factor)


def log_total_variance(snapshot: Snapshot) -> Array:
    """Log of the trace of the model's covariance; does not underflow."""
    model = _model(snapshot, "log_total_variance")
    if model.exponent is None:
        with np.errstate(divide="ignore"):
            return np.log(total_variance(snapshot))
    top = model.exponent.max(-1)
    factor = np.ldexp(model.factor, (model.exponent - top[..., None])[..., None, :])
    return np.log(np.einsum("...ij,...ij->...", factor, factor)) + 2 * np.log(2.0) * top


def log_volume(snapshot: Snapshot) -> Array:
    """Log determinant of the model's covariance; -inf if it is singular. Does not underflow."""
    return _model(snapshot, "log_volume").log_volume


def mean_error(snapshot: Snapshot) -> Array:
    """Squared distance of the model's mean to the true mean."""
    error = _model(snapshot, "mean_error").mean - snapshot.real.mean
    return np.einsum("...i,...i->...", error, error)


@one_thread
def wasserstein2_squared(snapshot: Snapshot) -> Array:
    r"""Squared Wasserstein-2 distance between the Gaussians of the model's and the true moments.

    .. math:: |\mu - \mu_0|^2 + \mathrm{tr}\,\Sigma + \mathrm{tr}\,\Sigma_0
              - 2\,\mathrm{tr}\,(\Sigma_0^{1/2} \Sigma \Sigma_0^{1/2})^{1/2}

    The last trace is the nuclear norm of :math:`L_0^T L`. On features this is the Frechet distance (FID).
    """
    model = _model(snapshot, "wasserstein2_squared")
    true_factor = _true_factor(snapshot)
    cross = np.swapaxes(true_factor, -1, -2) @ model.scaled_factor
    if cross.shape[-2:] == (1, 1):
        overlap = np.abs(cross[..., 0, 0])
    else:
        overlap = np.linalg.svd(cross, compute_uv=False).sum(-1)
    true_variance = np.einsum("...ij,...ij->...", true_factor, true_factor)
    apart, variance = mean_error(snapshot), total_variance(snapshot)
    squared = np.asarray(np.maximum(apart + variance + true_variance - 2 * overlap, 0.0))
    factors = np.broadcast_to(true_factor, (*squared.shape, *true_factor.shape[-2:]))
    for index in np.argwhere(squared < CANCELLED * (variance + true_variance)):
        at = tuple(index)
        gap = np.sqrt(np.atleast_1d(apart[at]))
        squared[at] = gaussian_distance(gap, model.scaled_factor[at], factors[at])
    return squared


@one_thread
def kl_divergence(snapshot: Snapshot) -> Array:
    """Kullback-Leibler divergence KL(model || truth) between Gaussians; inf if the model is singular."""
    model = _model(snapshot, "kl_divergence")
    true_factor = _true_factor(snapshot, invertible="kl_divergence")
    error = (model.mean - snapshot.real.mean)[..., None]
    ratio = np.linalg.solve(true_factor, np.concatenate([model.scaled_factor, error], -1))
    return _half_kl(ratio, model.dim, _log_det(true_factor) - model.log_volume)


@one_thread
def reverse_kl_divergence(snapshot: Snapshot) -> Array:
    """Kullback-Leibler divergence KL(truth || model) between Gaussians; inf if the model is singular."""
    model = _model(snapshot, "reverse_kl_divergence")
    factor, true_factor = model.scaled_factor, _true_factor(snapshot)
    singular = model.log_volume < 2 * model.dim * np.log(np.finfo(float).tiny)
    if factor.shape[-1] < model.dim:
        return np.full(factor.shape[:-2], np.inf)
    error = (snapshot.real.mean - model.mean)[..., None]
    lead = np.broadcast_shapes(factor.shape[:-2], true_factor.shape[:-2])
    columns = np.concatenate([np.broadcast_to(true_factor, lead + true_factor.shape[-2:]), error], -1)
    safe = np.where(singular[..., None, None], np.eye(model.dim), factor)
    divergence = _half_kl(np.linalg.solve(safe, columns), model.dim, model.log_volume - _log_det(true_factor))
    return np.where(singular, np.inf, divergence)


@one_thread
def effective_sample_size(snapshot: Snapshot) -> Array:
    """Number n_e of real points whose Gaussian fit is, in expectation, as far from the truth as the model.

    Solves E W2^2(fit of n_e points) = W2^2(model) for a standard normal truth (dimensionless, MAD Eq. 4).
    Meaningful for the mean of many replicates or generations; a single draw scatters about it.
    """
    from madtheory.theory import gaussian

    model = _model(snapshot, "effective_sample_size")
    truth = _true_factor(snapshot)
    if not np.allclose(truth, np.eye(model.dim), atol=1e-12):
        raise ValueError(
            "effective_sample_size needs a truth with identity covariance; whiten the data first."
        )
    return np.asarray(
        gaussian.invert_real_fit(
            wasserstein2_squared=wasserstein2_squared(snapshot), dim=model.dim, ddof=model.ddof
        )
    )


DEFAULT = (total_variance, log_volume, mean_error, wasserstein2_squared)


def _model(snapshot: Snapshot, metric: str) -> Any:
    model = snapshot.model
    # Asked of the types: on an instance the question would compute the property.
    if not (hasattr(type(model), "scaled_factor") and hasattr(type(snapshot.real), "covariance")):
        raise TypeError(
            f"metric {metric} compares Gaussians; {type(model).__name__} and {type(snapshot.real).__name__} "
            f"are not both described by a mean and a covariance. Pass metrics=[...] of your own."
        )
    return model


def _true_factor(snapshot: Snapshot, invertible: str | None = None) -> Array:
    real = snapshot.real
    factor = real.scaled_factor if hasattr(type(real), "scaled_factor") else _root(_Content(real.covariance))
    if invertible is not None and not _has_full_rank(_Content(factor)):
        raise ValueError(
            f"metric {invertible} needs a truth with an invertible covariance; reduce its dimension."
        )
    return factor


class _Content:
    """An array that is equal to another of the same content: the truth is factorised once, not per metric."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)
        self._key = (self.array.shape, self.array.dtype.str, self.array.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=4)
def _root(covariance: _Content) -> Array:
    values, vectors = np.linalg.eigh(covariance.array)
    root: Array = vectors * np.sqrt(np.maximum(values, 0.0))
    root.flags.writeable = False
    return root


@lru_cache(maxsize=4)
def _has_full_rank(factor: _Content) -> bool:
    return bool(np.linalg.matrix_rank(factor.array) == len(factor.array))


def _log_det(factor: Array) -> Any:
    return _log_det_of(_Content(factor))


@lru_cache(maxsize=4)
def _log_det_of(factor: _Content) -> Any:
    return 2 * np.linalg.slogdet(factor.array)[1]


def _half_kl(ratio: Array, dim: int, log_det_ratio: Any) -> Array:
    return 0.5 * (np.einsum("...ij,...ij->...", ratio, ratio) - dim + log_det_ratio)
