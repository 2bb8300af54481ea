"""Metrics: functions of a `Snapshot` that return one number per replicate.

Those of one argument describe the mean and covariance of the fitted model, or compare them with those of the
reference distribution, in closed form. `on_samples` computes them from samples if a model has no such
moments, and turns functions of arrays of points, with keywords ``real`` and ``fake``, into metrics of a loop.
`defaults` returns those that `simulate` measures.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from madtheory.abilities import knows
from madtheory.core import Loop, Snapshot, check_bias_of_model
from madtheory.metrics.discrete import (
    OF_SYMBOLS,
    check_symbols,
    chi_squared,
    entropy,
    heterozygosity,
    squared_error,
    support_size,
)
from madtheory.metrics.families import (
    OF_PARAMETERS,
    check_model,
    check_truth,
    log_mean_parameter,
    mean_parameter,
    mean_parameter_error,
    tail_index,
)
from madtheory.metrics.likelihood import NegativeLogLikelihood
from madtheory.metrics.points import (
    CANCELLED,
    gaussian_distance,
    sliced_wasserstein,
)
from madtheory.metrics.regression import (
    OF_LABELS,
    check_labels,
    excess_risk,
    has_true_coefficients,
    parameter_error,
)
from madtheory.metrics.sampling import OF_MOMENTS, OnSamples, of_moments, on_samples
from madtheory.metrics.text import (
    OF_TEXT,
    check_text,
    entropy_rate,
    ngram_support,
    prefix_heterozygosity,
)
from madtheory.models import Markov
from madtheory.numerics import one_thread
from madtheory.types import Array, Metric, RandomState
from madtheory.validation import check_arguments, check_snapshot


@of_moments(truth=False)
def total_variance(snapshot: Snapshot) -> Array:
    """Trace of the model's covariance."""
    factor = _model(snapshot, "total_variance", truth=False).scaled_factor
    return np.einsum("...ij,...ij->...", factor, factor)


@of_moments(truth=False)
def log_total_variance(snapshot: Snapshot) -> Array:
    """Return the log of the trace of the model's covariance, which does not underflow."""
    model = _model(snapshot, "log_total_variance", truth=False)
    if model.exponent is None:
        with np.errstate(divide="ignore"):
            return np.log(total_variance(snapshot))
    top = model.exponent.max(-1)
    factor = np.ldexp(model.factor, (model.exponent - top[..., None])[..., None, :])
    return np.log(np.einsum("...ij,...ij->...", factor, factor)) + 2 * np.log(2.0) * top


@of_moments(truth=False)
def log_volume(snapshot: Snapshot) -> Array:
    """Return the log determinant of the covariance, which does not underflow; -inf if it is singular."""
    return _model(snapshot, "log_volume", truth=False).log_volume


@of_moments(truth=True, excess=total_variance)
def mean_error(snapshot: Snapshot) -> Array:
    """Return the squared distance of the model's mean to the true mean."""
    error = _model(snapshot, "mean_error").mean - snapshot.real.mean
    return np.einsum("...i,...i->...", error, error)


@of_moments(truth=True)
@one_thread
def wasserstein2_squared(snapshot: Snapshot) -> Array:
    r"""Return the squared Wasserstein-2 distance between the Gaussians of the model's and the true moments.

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


@of_moments(truth=True)
@one_thread
def kl_divergence(snapshot: Snapshot) -> Array:
    """Return KL(model || truth) between Gaussians, in nats; inf if the model is singular."""
    model = _model(snapshot, "kl_divergence")
    true_factor = _true_factor(snapshot, invertible="kl_divergence")
    error = (model.mean - snapshot.real.mean)[..., None]
    ratio = np.linalg.solve(true_factor, np.concatenate([model.scaled_factor, error], -1))
    return _half_kl(ratio, model.dim, _log_det(true_factor) - model.log_volume)


@of_moments(truth=True)
@one_thread
def reverse_kl_divergence(snapshot: Snapshot) -> Array:
    """Return KL(truth || model) between Gaussians, in nats; inf if the model is singular."""
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


@of_moments(truth=True)
@one_thread
def effective_sample_size(snapshot: Snapshot) -> Array:
    """Return the number n_e of real points whose Gaussian fit is on average as far from the truth.

    It solves E W2^2(fit of n_e points) = W2^2(model) for a standard normal truth (dimensionless, MAD Eq. 4).
    It is meaningful for the mean of many replicates or generations; a single value scatters about it.
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


@check_arguments
def defaults(loop: Loop, *, n: int = 1000, rng: RandomState = 0) -> tuple[Metric, ...]:
    """Return the metrics that fit a loop, which `simulate` measures by default.

    For a `Categorical`, or another model with ``support``, these are those of `madtheory.metrics.discrete`;
    for a `Markov`, `entropy_rate`, `ngram_support` and `prefix_heterozygosity`; for a `Pareto`, whose moments
    need not exist, those of its tail; for a model of labels, with ``coefficients``, `excess_risk` and
    `parameter_error`.
    For a model and a truth that both know their moments, they are the closed forms of `DEFAULT`. For any
    other, they are the same quantities of samples, and the sliced Wasserstein distance to real points outside
    of training.

    Parameters
    ----------
    loop : Loop
        Loop to measure.
    n : int
        Number of points sampled per replicate and generation, and of real ones, where samples are needed.
    rng : int, SeedSequence, Generator or None
        Seed of these points; as in `on_samples`.

    Returns
    -------
    tuple of Metric

    Raises
    ------
    TypeError
        If the points are images, whose metrics need features: `madtheory.images.metrics`.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory import metrics, regimes
    >>> loop = mad.Loop(
    ...     real=mad.Categorical([0.2, 0.8]), model=mad.Categorical(), regime=regimes.replace(n=100)
    ... )
    >>> [metric.__name__ for metric in metrics.defaults(loop)]
    ['support_size', 'entropy', 'heterozygosity', 'chi_squared', 'squared_error']
    """
    model, real = loop.model, loop.at(1).real
    if knows(model, "support"):
        of_model, against = (support_size, entropy, heterozygosity), (chi_squared, squared_error)
        return (*of_model, *(against if knows(real, "probabilities") else ()))
    if isinstance(model, Markov):
        return entropy_rate, ngram_support, prefix_heterozygosity
    if hasattr(type(model), "tail_index"):
        of_tail = (tail_index, mean_parameter, log_mean_parameter)
        return (*of_tail, mean_parameter_error) if hasattr(type(real), "tail_index") else of_tail
    if knows(model, "coefficients") and has_true_coefficients(model, real):
        return excess_risk, parameter_error
    exact = knows(model, "moments")
    if exact and knows(real, "covariance"):
        return DEFAULT
    kept = tuple(metric for metric in DEFAULT if exact and not OF_MOMENTS[metric])
    others = tuple(metric for metric in DEFAULT if metric not in kept)
    classes = getattr(model, "classes", None) is not None
    if loop.real_changes:  # samples are compared with one reference, and here each generation has its own
        others = tuple(metric for metric in others if not OF_MOMENTS[metric])
        return kept + (on_samples(*others, n=n, labelled=classes, rng=rng) if others else ())
    return kept + on_samples(*others, sliced_wasserstein, reference=real, n=n, labelled=classes, rng=rng)


def check_suitable(loop: Loop, metrics: Sequence[Metric]) -> None:
    """Refuse metrics that the models of a loop do not have, before anything is fitted."""
    kind = type(loop.model)
    if _fits_another(kind):
        return
    for metric in metrics:
        if isinstance(metric, NegativeLogLikelihood):
            metric.check_model(loop.model)
            metric.check_truth(loop.real)
        elif isinstance(metric, OnSamples) and (bias := metric.sampled.bias) is not None:
            check_bias_of_model(loop.model, bias)
        elif metric in OF_MOMENTS and not knows(loop.model, "moments"):
            raise TypeError(_no_moments(metric.__name__, kind.__name__))
        elif OF_MOMENTS.get(metric) and not knows(loop.real, "covariance"):
            raise TypeError(_no_truth(metric.__name__, type(loop.real).__name__))
        elif metric in OF_PARAMETERS:
            check_model(metric.__name__, loop.model)
            if OF_PARAMETERS[metric]:
                check_truth(metric.__name__, loop.model, loop.real)
        elif metric in OF_LABELS:
            check_labels(metric.__name__, loop.model, loop.real if OF_LABELS[metric] else None)
        elif metric in OF_TEXT:
            check_text(metric.__name__, loop.model, loop.at(1).real if OF_TEXT[metric] else None)
        elif metric in OF_SYMBOLS:
            check_symbols(metric.__name__, kind, loop.real if OF_SYMBOLS[metric] else None)


def _fits_another(kind: type) -> bool:
    """Return whether the annotation of a fit allows a model of another type."""
    returned = (
        inspect.signature(kind.fit).return_annotation if hasattr(kind, "fit") else inspect.Signature.empty
    )
    name = returned if isinstance(returned, str) else getattr(returned, "__name__", str(returned))
    return returned is not inspect.Signature.empty and name not in {
        "Self", "None", *(base.__name__ for base in kind.__mro__)
    }  # fmt: skip


def _no_moments(metric: str, model: str) -> str:
    return (
        f"metric {metric} compares Gaussians; {model} has no mean and covariance of its own. Pass "
        f"metrics=metrics.on_samples(metrics.{metric}, ..., reference=real_points, n=1000) to measure "
        f"samples, or leave metrics out: the defaults fit the loop."
    )


def _no_truth(metric: str, real: str) -> str:
    return (
        f"metric {metric} compares Gaussians; the real data, {real}, have no mean and covariance of their "
        f"own. Pass metrics=metrics.on_samples(metrics.{metric}, ..., reference=real_points, n=1000), or "
        f"leave metrics out: the defaults fit the loop."
    )


def _model(snapshot: Snapshot, metric: str, *, truth: bool = True) -> Any:
    check_snapshot(snapshot)
    model = snapshot.model
    if not knows(model, "moments"):
        raise TypeError(_no_moments(metric, type(model).__name__))
    if truth and not knows(snapshot.real, "covariance"):
        raise TypeError(_no_truth(metric, type(snapshot.real).__name__))
    return model.moments


def _true_factor(snapshot: Snapshot, invertible: str | None = None) -> Array:
    real = snapshot.real
    factor = real.moments.scaled_factor if knows(real, "moments") else _root(_Content(real.covariance))
    if invertible is not None and not _has_full_rank(_Content(factor)):
        raise ValueError(
            f"metric {invertible} needs a truth with an invertible covariance; reduce its dimension."
        )
    return factor


class _Content:
    """An array compared by content, so that the truth is factorised once, not once per metric."""

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
