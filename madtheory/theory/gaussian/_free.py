"""Large-dimension spectra of Gaussian loops, by free probability.

As dimension and sizes grow together, independent rotation-invariant matrices become free: their free
cumulants add. Arrays hold moments 1, 2, ... of the normalised trace, or free cumulants.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from madtheory.theory.gaussian._mixing import Mix

__all__ = ["first_state", "next_state", "root_excess", "stationary_state"]

Array = NDArray[np.float64]
_NODES = 8
_COUNT = 2 * _NODES - 1


def _powers(series: Array, count: int) -> list[Array]:
    """Powers 0, 1, ..., `count` of a power series, truncated to its length."""
    out = [np.eye(1, len(series))[0]]
    for _ in range(count):
        out.append(np.convolve(out[-1], series)[: len(series)])
    return out


def to_moments(cumulants: Array) -> Array:
    """Moments from free cumulants, by Lagrange inversion."""
    count = len(cumulants)
    powers = _powers(np.concatenate([[1.0], cumulants]), count + 1)
    return np.array([powers[n + 1][n] / (n + 1) for n in range(1, count + 1)])


def to_cumulants(moments: Array) -> Array:
    """Free cumulants from moments."""
    count = len(moments)
    table = np.array(_powers(np.concatenate([[1.0], moments]), count))
    out = np.zeros(count)
    for n in range(1, count + 1):
        s = np.arange(1, n)
        out[n - 1] = moments[n - 1] - out[: n - 1] @ table[s, n - s]
    return out


def sandwich(moments: Array, dim: float, dof: float, scale: float) -> Array:
    """Moments of ``scale * A W A`` for a Wishart matrix W, given those of ``A A`` of size `dim`."""
    if dof <= 0:
        return np.zeros_like(moments)
    j = np.arange(1, len(moments) + 1)
    return dof / dim * to_moments(dim / dof * (dof * scale) ** j * moments)


def _sizes(mix: Mix) -> tuple[float, float, float, float]:
    """Degrees of freedom of both scatters, the divisor, and the dimension the recursion lives in."""
    total = mix.n_real + mix.n_synthetic
    lost = 0.0 if mix.known_mean else 1 / total
    real, synthetic = mix.n_real * (1 - lost), mix.n_synthetic * (1 - lost)
    whole = mix.n_real - (not mix.known_mean)
    size = mix.dim if mix.real_data == "fresh" else min(mix.dim, whole)
    return real, synthetic, total - mix.ddof, size


def next_state(state: Array, mix: Mix) -> Array:
    """Moments of the covariance a generation later; for fixed real data, relative to their scatter."""
    real, synthetic, divisor, size = _sizes(mix)
    j = np.arange(1, len(state) + 1)
    if mix.real_data == "fresh":
        cumulants = real / size * (size / divisor) ** j
    else:
        cumulants = (j == 1) / divisor
    return to_moments(cumulants + to_cumulants(sandwich(state, size, synthetic, mix.bias / divisor)))


def first_state(mix: Mix, n_initial: float) -> Array:
    """Moments of the model fitted to `n_initial` real points, in the form of `next_state`."""
    return next_state(np.zeros(_COUNT), mix._replace(n_real=n_initial, n_synthetic=0.0))


def stationary_state(mix: Mix) -> Array:
    """The fixed point of `next_state`: moment k enters its own image with a known factor only."""
    _, synthetic, divisor, _ = _sizes(mix)
    state = np.zeros(_COUNT)
    for k in range(1, _COUNT + 1):
        own = (mix.bias * synthetic / divisor) ** k
        state[k - 1] = next_state(state[:k], mix)[k - 1] / (1 - own)
    return state


def _mean_root(cumulants: Array) -> float:
    """Mean of the root of a law of mean 1, from its free cumulants by Gauss quadrature."""
    width = math.sqrt(cumulants[1])
    central = cumulants / width ** np.arange(1, len(cumulants) + 1)
    central[0] = 0.0
    moments = np.concatenate([[1.0], to_moments(central)])
    m = (len(moments)) // 2
    hankel = moments[np.add.outer(np.arange(m), np.arange(m))]
    shifted = moments[1:][np.add.outer(np.arange(m), np.arange(m))]
    factor = np.linalg.cholesky(hankel)
    jacobi = np.linalg.solve(factor, np.linalg.solve(factor, shifted).T)
    nodes, vectors = np.linalg.eigh((jacobi + jacobi.T) / 2)
    return float(vectors[0] ** 2 @ np.sqrt(np.maximum(1 + width * nodes, 0)))


def root_excess(state: Array, mix: Mix) -> tuple[float, float]:
    """How much the mean root of the spectrum, at mean 1, exceeds that of a Wishart of equal variance."""
    if mix.real_data == "fixed":
        dof = mix.n_real - (not mix.known_mean)
        low, high = min(mix.dim, dof), max(mix.dim, dof)
        state = low / mix.dim * sandwich(state, low, high, 1.0)
    cumulants = to_cumulants(state / state[0] ** np.arange(1, len(state) + 1))
    variance = cumulants[1]
    wishart = variance ** np.arange(len(state))
    return _mean_root(cumulants) - _mean_root(wishart), variance
