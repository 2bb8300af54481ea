"""The one-dimensional loop: three moments, and from them the mean standard deviation."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from madtheory.theory.gaussian._mixing import Mix

__all__ = ["mean_roots_1d", "moment_map_1d", "stationary_root_1d"]

Array = NDArray[np.float64]


def moment_map_1d(mix: Mix, order: int = 3) -> tuple[Array, list[tuple[int, int]]]:
    """The linear map of the moments ``E D**a V**b``, ``a + b <= order``, of squared mean error and variance.

    The conditional moments are polynomials in the last ``(D, V)``; they are evaluated without error at
    a lattice of points, by Gauss-Hermite rules for the Gaussian parts, and interpolated. With fixed
    real data the moments are relative to a real scatter of 1.
    """
    n_r, n_s, bias, ddof, known_mean, _, real_data = mix
    powers = [(a, k - a) for k in range(order + 1) for a in range(k + 1)]
    points = np.array(powers, dtype=float)
    total, fresh = n_r + n_s, real_data == "fresh"
    z, weights = np.polynomial.hermite_e.hermegauss(order + 1)
    z1, z2 = np.meshgrid(z, z)
    joint = np.outer(weights, weights) / (2 * math.pi)
    error, variance = points[:, :, None, None].transpose(1, 0, 2, 3)
    # numbers of synthetic points times the error of their mean, and of its difference from the real one
    shift = n_s * np.sqrt(error) + np.sqrt(bias * n_s * variance) * z1
    noise = math.sqrt(n_r) * z2 * fresh
    new_error = ((shift + noise) / total) ** 2
    spread = (n_r * shift - n_s * noise) ** 2 / (total * n_r * n_s) if n_s else 0 * new_error
    if known_mean:
        new_error, spread = 0 * new_error, 0 * spread
    one = 1 - known_mean
    orders = np.arange(order + 1)
    real = _chi_square_moments(n_r - one, order) if fresh else np.ones(order + 1)
    synthetic = _chi_square_moments(n_s - one, order) * (bias * points[:, 1:]) ** orders
    scatter = np.array([
        sum(math.comb(k, i) * real[i] * synthetic[:, k - i] for i in range(k + 1)) for k in orders
    ])  # fmt: skip
    rows = []
    for a, b in powers:
        parts = sum(
            math.comb(b, k) * scatter[k] * (joint * new_error**a * spread ** (b - k)).sum(axis=(1, 2))
            for k in range(b + 1)
        )
        rows.append(parts / (total - ddof) ** b)
    vandermonde = np.array([points[:, 0] ** a * points[:, 1] ** b for a, b in powers])
    return np.linalg.solve(vandermonde.T, np.array(rows).T).T, powers


def _chi_square_moments(dof: float, order: int) -> Array:
    return np.cumprod(np.concatenate([[1.0], dof + 2 * np.arange(order)]))


_COUNTS = (3, 6, 10)  # of moments up to order 1, 2, 3
_VARIANCE = (1, 3, 6)  # positions of the powers of the variance


def _mean_root(moments: Array) -> float:
    """Mean root of the variance: a Gamma and an inverse-Gamma law, mixed to match three moments.

    Both have the right mean and variance; their mean roots are mixed as their third moments are. With
    two moments the inverse-Gamma law is taken, and without a second one the answer is nan.
    """
    mean, *higher = moments[list(_VARIANCE[: 1 + (len(moments) > 3) + (len(moments) > 6)])]
    if not higher:
        return math.nan
    spread = max(higher[0] / mean**2 - 1, 0.0)
    if spread < 1e-10:
        return math.sqrt(mean) * (1 - spread / 8)
    shape = 1 / spread
    gamma = math.exp(gammaln(shape + 0.5) - gammaln(shape)) / math.sqrt(shape)
    inverse = math.sqrt(shape + 1) * math.exp(gammaln(shape + 1.5) - gammaln(shape + 2))
    weight = 1.0
    if len(higher) > 1 and shape > 1:
        third = (higher[1] / mean**3 - 1 - 3 * spread) / spread**2
        weight = (third - 2) / (4 * shape / (shape - 1) - 2)
    return math.sqrt(mean) * (gamma + weight * (inverse - gamma))


def _real_root(mix: Mix) -> float:
    """Mean root of the scatter of a fixed real set, which multiplies every variance; else 1."""
    if mix.real_data == "fresh":
        return 1.0
    half = (mix.n_real - (not mix.known_mean)) / 2
    return math.sqrt(2) * math.exp(gammaln(half + 0.5) - gammaln(half)) if half > 0 else 0.0


def stationary_root_1d(mix: Mix) -> float:
    """Mean standard deviation of the stationary loop; nan where its variance has no second moment."""
    matrix, _ = moment_map_1d(mix)
    moments = np.ones(1)
    for count in _COUNTS:
        block = matrix[1:count, 1:count]
        if np.abs(np.linalg.eigvals(block)).max() >= 1:
            break
        moments = np.concatenate([[1.0], np.linalg.solve(np.eye(count - 1) - block, matrix[1:count, 0])])
    return _mean_root(moments) * _real_root(mix)


def mean_roots_1d(mix: Mix, n_initial: float) -> Iterator[float]:
    """Mean standard deviations of generations 2, 3, ..."""
    matrix, _ = moment_map_1d(mix)
    first, _ = moment_map_1d(mix._replace(n_real=n_initial, n_synthetic=0.0))
    moments = first[:, 0]
    while True:
        moments = matrix @ moments
        yield _mean_root(moments) * _real_root(mix)
