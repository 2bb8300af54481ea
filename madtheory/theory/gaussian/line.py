"""The one-dimensional loop: three moments, and from them the mean standard deviation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from madtheory.theory.gaussian.second_moment_maps import Mix

Array = NDArray[np.float64]


def moment_map(mix: Mix, order: int = 3) -> Array:
    """Return the linear map of the moments ``E D**a V**b``, ``a + b <= order``.

    D is the squared mean error and V the variance. The conditional moments are polynomials in the last ``(D,
    V)``; they are evaluated without error at a lattice of points, by Gauss-Hermite rules for the Gaussian
    parts, and interpolated. With fixed real data the moments are relative to a real scatter of 1. Order 0
    comes first, then (0, 1), (1, 0), ...
    """
    n_r, n_s, bias, ddof, known_mean, _, real_data = mix
    powers = [(a, k - a) for k in range(order + 1) for a in range(k + 1)]
    points = np.array(powers, dtype=float)
    total, fresh = n_r + n_s, real_data == "fresh"
    z, weights = np.polynomial.hermite_e.hermegauss(order + 1)
    z1, z2 = np.meshgrid(z, z)
    joint = np.outer(weights, weights) / (2 * math.pi)
    error, variance = points[:, :, None, None].transpose(1, 0, 2, 3)
    # errors of both sample means, times the roots of their numbers of points
    synthetic = math.sqrt(n_s) * np.sqrt(error) + np.sqrt(bias * variance) * z1
    real = z2 * fresh
    new_error = ((math.sqrt(n_s) * synthetic + math.sqrt(n_r) * real) / total) ** 2
    spread = (math.sqrt(n_r) * synthetic - math.sqrt(n_s) * real) ** 2 / total
    if known_mean:
        new_error, spread = 0 * new_error, 0 * spread
    one = 1 - known_mean
    orders = np.arange(order + 1)
    kept = _chi_square_moments(n_r - one, order) if fresh else np.ones(order + 1)
    drawn = _chi_square_moments(n_s - one, order) * (bias * points[:, 1:]) ** orders
    scatter = np.array([
        sum(math.comb(k, i) * kept[i] * drawn[:, k - i] for i in range(k + 1)) for k in orders
    ])  # fmt: skip
    rows = []
    for a, b in powers:
        parts = sum(
            math.comb(b, k) * scatter[k] * (joint * new_error**a * spread ** (b - k)).sum(axis=(1, 2))
            for k in range(b + 1)
        )
        rows.append(parts / (total - ddof) ** b)
    vandermonde = np.array([points[:, 0] ** a * points[:, 1] ** b for a, b in powers])
    # No moment depends on those of a higher order, which may be infinitely larger: no rounding there.
    degree = points.sum(axis=1)
    matrix = np.linalg.solve(vandermonde.T, np.array(rows).T).T
    return np.asarray(np.where(degree[:, None] >= degree, matrix, 0.0))


def _chi_square_moments(dof: float, order: int) -> Array:
    return np.cumprod(np.concatenate([[1.0], dof + 2 * np.arange(order)]))


_COUNTS = (3, 6, 10)  # of moments up to order 1, 2, 3
_HUGE = 1e250
_VARIANCE = (1, 3, 6)  # positions of the powers of the variance


def _gamma_deficit(shape: float) -> float:
    """Return 1 minus ``gamma(shape + 1/2) / (gamma(shape) sqrt(shape))``; 1 for shape 0, a point at 0."""
    if shape == 0:
        return 1.0
    if shape > 200:
        x = 1 / shape
        return x * (1 / 8 - x * (1 / 128 + x * (5 / 1024 - x * 21 / 32768)))
    return 1 - math.exp(math.lgamma(shape + 0.5) - math.lgamma(shape)) / math.sqrt(shape)


def _root_deficit(moments: Array, most: float = math.inf) -> float:
    """Return 1 minus the mean root of the variance, at mean 1, by a mixture of Gamma and inverse-Gamma.

    Both laws have the right mean and variance, and the third moment sets their shares. From two moments only
    the inverse-Gamma law is used, from one its limit of infinite variance. Its share is at most `most`.
    """
    mean, *higher = [float(moments[i]) for i in _VARIANCE if i < len(moments)] or [1.0]
    if mean == 0:
        return 0.0
    spread = max(higher[0] / mean**2 - 1, 0.0) if higher else math.inf
    if spread < 1e-9:
        return spread / 8
    shape = 1 / spread
    gamma = _gamma_deficit(shape)
    near = shape + 1.5
    inverse = -math.expm1(math.log1p(-0.5 / near) / 2 - math.log1p(-_gamma_deficit(near)))
    weight = 1.0
    if len(higher) > 1 and shape > 1:
        third = (higher[1] / mean**3 - 1 - 3 * spread) / spread**2
        weight = min((third - 2) / (4 * shape / (shape - 1) - 2), most)
    return gamma + weight * (inverse - gamma)


def _moments_to_deficit(moments: Array, mix: Mix, most: float = math.inf) -> float:
    """Return the deficit of the root, including a fixed real scatter, which multiplies every variance."""
    deficit = _root_deficit(moments, most)
    if mix.real_data == "fresh":
        return deficit
    return 1 - (1 - deficit) * (1 - _gamma_deficit((mix.n_real - (not mix.known_mean)) / 2))


def stationary_deficit(mix: Mix) -> float:
    """Return 1 minus the mean root of the stationary variance over the root of its mean; nan if none."""
    matrix = moment_map(mix)
    moments = np.ones(1)
    for count in _COUNTS:
        block = matrix[1:count, 1:count]
        if np.abs(np.linalg.eigvals(block)).max() >= 1:
            break
        moments = np.concatenate([[1.0], np.linalg.solve(np.eye(count - 1) - block, matrix[1:count, 0])])
    return _moments_to_deficit(moments, mix) if len(moments) >= _COUNTS[1] else math.nan


def moments_of_generations(mix: Mix, n_initial: float, generations: int, order: int = 3) -> list[Array]:
    """Return the moments of `moment_map` of generations 1, 2, ..., without those beyond double range."""
    matrix = moment_map(mix, order)
    moments = moment_map(mix._replace(n_real=n_initial, n_synthetic=0.0), order)[:, 0]
    out = [moments]
    while len(out) < generations:
        moments = matrix @ moments
        while moments.max() > _HUGE and len(moments) > 1:
            below = len(moments) - math.isqrt(2 * len(moments))
            matrix, moments = matrix[:below, :below], moments[:below]
        if np.array_equal(moments, out[-1]):
            return out + [out[-1]] * (generations - len(out))
        out.append(moments)
    return out


def deficits(mix: Mix, n_initial: float, generations: int) -> Array:
    """Return 1 minus the mean root, relative to the root of the mean, of generations 1, 2, ..."""
    thirds = moment_map(mix)[_COUNTS[1] :, _COUNTS[1] :]
    # Third moments without a limit do not describe the bulk.
    most = 1.0 if np.abs(np.linalg.eigvals(thirds)).max() >= 1 else math.inf
    out, last = np.empty(generations), None
    for g, moments in enumerate(moments_of_generations(mix, n_initial, generations)):
        out[g] = out[g - 1] if moments is last else _moments_to_deficit(moments, mix, most)
        last = moments
    return out
