"""Guided and extrapolated Gaussians, for many replicates at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from madtheory.models.gaussian import Gaussian
from madtheory.numerics import triangular
from madtheory.types import Array

_PANEL = 0.35  # steps of ln t
_MOST_PANELS = 1_000_000
_TAYLOR = 10


def guided_gaussian(base: Gaussian, auxiliary: Gaussian, weight: float) -> Gaussian:
    r"""Return the Gaussian of the probability-flow ODE with the score (1 + w) s_base - w s_auxiliary.

    In one dimension in closed form: :math:`\ln v = (1 + w)\ln v_r - w\ln v_s`. Else the flow's linear ODE
    is integrated (Magnus, fourth order, in the noise's natural scale); the error is below 1e-5, relative to
    the largest direction, for variances within a factor of 1e12. The log volume is exact.

    Raises
    ------
    ValueError
        If a covariance is singular: it has no logarithm.
    """
    _check_volumes(base, auxiliary, weight)
    if base.dim == 1:
        return _line(base, auxiliary, weight)
    (one, two), exponent = _in_common_units(base, auxiliary)
    # Units in which the base has volume 1, times a power of two where the variances leave the doubles.
    gap, log_volume = _mean(auxiliary) - _mean(base), base.log_volume
    if exponent is not None:
        gap = np.ldexp(gap, -exponent)
        log_volume = log_volume - 2 * np.log(2.0) * base.dim * exponent[..., 0]
    scale = np.exp(log_volume / (2 * base.dim))
    unit = scale[..., None, None]
    root, moved = _flow(one / unit, two / unit, gap / scale[..., None], weight)
    step = scale[..., None] * moved
    factor = triangular(unit * root)
    if exponent is not None:
        step, exponent = np.ldexp(step, exponent), np.broadcast_to(exponent, factor.shape[:-1])
    return base._new(_mean(base) + step, factor, exponent)


def _line(base: Gaussian, auxiliary: Gaussian, weight: float) -> Gaussian:
    from scipy.special import hyp2f1

    assert base.factor is not None
    assert auxiliary.factor is not None
    ratio = np.abs(auxiliary.factor / base.factor)[..., 0, 0]
    if auxiliary.exponent is not None or base.exponent is not None:
        above = 0 if auxiliary.exponent is None else auxiliary.exponent[..., 0]
        ratio = np.ldexp(ratio, above - (0 if base.exponent is None else base.exponent[..., 0]))
    pull = np.asarray(hyp2f1(1.0, (1 + weight) / 2, 1.5, 1 - ratio**2))
    mean = _mean(base) - weight * pull[..., None] * (_mean(auxiliary) - _mean(base))
    factor = base.factor * (ratio**-weight)[..., None, None]
    return base._new(mean, factor, base.exponent)


def extrapolated_gaussian(base: Gaussian, auxiliary: Gaussian, weight: float) -> Gaussian:
    """Extrapolate mean and covariance: (1 + w) times the base's minus w times the auxiliary's.

    Raises
    ------
    ValueError
        If the covariance has a negative eigenvalue, so that there is no such Gaussian.
    """
    (one, two), exponent = _in_common_units(base, auxiliary)
    covariance = (1 + weight) * one @ np.swapaxes(one, -1, -2) - weight * two @ np.swapaxes(two, -1, -2)
    values, vectors = np.linalg.eigh(covariance)
    largest = np.abs(values).max(-1, keepdims=True)
    bad = (values < -1e-12 * largest).any(-1)
    if bad.any():
        raise ValueError(
            f"weight={weight:g} extrapolates {int(bad.sum())} of {bad.size} covariances to negative "
            f"eigenvalues, so that no Gaussian is left; lower the weight, raise n_auxiliary, or use SIMS."
        )
    factor = triangular(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
    if exponent is not None:
        exponent = np.broadcast_to(exponent, factor.shape[:-1])
    mean = (1 + weight) * _mean(base) - weight * _mean(auxiliary)
    return base._new(mean, factor, exponent)


def _mean(model: Gaussian) -> Array:
    assert model.mean is not None
    return model.mean


def _check_volumes(base: Gaussian, auxiliary: Gaussian, weight: float) -> None:
    for name, model in (("base", base), ("auxiliary", auxiliary)):
        if np.isneginf(model.log_volume).any():
            raise ValueError(
                f"guidance={weight:g}: the covariance of the {name} is singular and has no logarithm; fit "
                f"it to more points than the {model.dim} dimensions (n_auxiliary for the auxiliary)."
            )


def _in_common_units(*models: Gaussian) -> tuple[list[Array], Array | None]:
    """Return factors in units of one power of two per replicate, and it, shape (*replicate, 1)."""
    factors = [np.asarray(model.factor) for model in models]
    if all(model.exponent is None for model in models):
        return factors, None
    zero = np.zeros(1, dtype=np.int64)
    exponents = [zero if model.exponent is None else model.exponent for model in models]
    top = np.max([exponent.max(-1) for exponent in np.broadcast_arrays(*exponents)], axis=0)[..., None]
    shifted = [
        np.ldexp(factor, np.maximum(exponent - top, -(2**20))[..., None, :])
        for factor, exponent in zip(factors, exponents, strict=True)
    ]
    return shifted, top


def _flow(base: Array, auxiliary: Array, gap: Array, weight: float) -> tuple[Array, Array]:
    """Return the root of the guided covariance and the mean's step, for factors of geometric mean 1.

    In q = (1 + t) ** -0.5 and z = q x, for noise of variance t, the flow is smooth from q = 0, infinite
    noise, to q = 1, none. Panels are even in ln t where it is of the order of the variances.
    """
    one, axes = _spectrum(base)
    two, auxiliary_axes = _spectrum(auxiliary)
    turned = np.swapaxes(axes, -1, -2) @ auxiliary_axes
    away = np.einsum("...ji,...j->...i", auxiliary_axes, gap)
    edges = _edges(one, two, weight)
    average, slope = (_generator(parts, turned, away, weight) for parts in _panel_moments(edges, one, two))
    steps = average + (slope @ average - average @ slope) / 2
    product = _exponential(steps)
    while len(product) > 1:
        if len(product) % 2:
            last = product[-1:]
            product = np.concatenate([product[1:-1:2] @ product[:-1:2], last])
        else:
            product = product[1::2] @ product[::2]
    end = axes @ product[0][..., :-1, :]
    # The flow starts from white noise, whose root may be rotated: the axes of the base cancel.
    return end[..., :-1], end[..., -1]


def _spectrum(factor: Array) -> tuple[Array, Array]:
    vectors, values, _ = np.linalg.svd(factor)
    return np.square(values), vectors


def _edges(one: Array, two: Array, weight: float) -> Array:
    low, high = (np.log(f([one, two])) for f in (np.min, np.max))
    low = max(low, np.log(1e-30))
    panels = int(np.ceil((high - low + 6) / _PANEL * max(1.0, abs(weight) / 2, abs(1 + weight) / 2)))
    if panels > _MOST_PANELS:
        raise ValueError(
            f"guidance={weight:g} needs {panels:.2g} steps of the flow, more than {_MOST_PANELS:,}; pass a "
            f"number nearer to 0."
        )
    noise = np.exp(np.linspace(high + 3, low - 3, panels + 1))
    tail = np.linspace(0.0, (1 + noise[0]) ** -0.5, 3)[:-1]
    return np.concatenate([tail, (1 + noise) ** -0.5, [1.0]])


def _panel_moments(edges: Array, one: Array, two: Array) -> tuple[list[Array], list[Array]]:
    """Integrate the parts of the generator over each panel, plain and weighted by position."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    length = np.diff(edges)
    q = (edges[:-1] + length * (nodes[:, None] + 1) / 2).reshape(5, -1, *[1] * one.ndim)
    kept: tuple[list[Array], list[Array]] = ([], [])
    for values, forcing in ((one, False), (two, False), (two, True)):
        noisy = 1 - (1 - values) * q**2
        parts = 1 / noisy if forcing else q * (1 - values) / noisy
        for out, each in zip(kept, (weights, weights * nodes), strict=True):
            out.append(np.tensordot(each / 2, parts, 1) * length.reshape(-1, *[1] * one.ndim))
    return kept


def _generator(parts: list[Array], turned: Array, away: Array, weight: float) -> Array:
    """Return generators of the affine flow, shape (panel, *replicate, d + 1, d + 1), in the base's axes."""
    one, two, forcing = parts
    dim = one.shape[-1]
    out = np.zeros((*one.shape[:-1], dim + 1, dim + 1))
    out[..., :dim, :dim] = weight * (turned * two[..., None, :]) @ np.swapaxes(turned, -1, -2)
    diagonal = np.arange(dim)
    out[..., diagonal, diagonal] -= (1 + weight) * one
    out[..., :dim, dim] = -weight * (turned @ (away * forcing)[..., None])[..., 0]
    return out


def _exponential(matrix: Array) -> Array:
    """Return exponentials of small matrices, by Taylor's series after halvings."""
    norm = float(np.abs(matrix).sum(-1).max())
    halvings = max(int(np.ceil(np.log2(max(norm, 1e-300)))) + 1, 0)
    matrix = matrix / 2**halvings
    identity = np.eye(matrix.shape[-1])
    out: Any = identity + matrix / _TAYLOR
    for order in range(_TAYLOR - 1, 0, -1):
        out = identity + matrix @ out / order
    for _ in range(halvings):
        out = out @ out
    return np.asarray(out)
