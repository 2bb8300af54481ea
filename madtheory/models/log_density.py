"""Log densities of Gaussians, singular ones included."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.types import Array
from madtheory.validation import check_points

_EPS = float(np.finfo(float).eps)
_ROUNDED = 2**12 * _EPS  # share of a point, and of the mean of many, that rounding may change


def check_test_points(points: Any, dim: int) -> Array:
    """Return points (*replicate, n, d) of that dimension."""
    checked = check_points(points, "points")
    if checked.shape[-1] != dim:
        raise ValueError(f"points has shape {checked.shape}; the model has d={dim}: expected (n, {dim}).")
    return checked


def full_rank_log_density(
    points: Array, mean: Array, factor: Array, exponent: Any = None
) -> tuple[Array, NDArray[np.bool_]]:
    """Return log densities at points (*replicate, n, d), and which replicates are singular.

    Those of singular replicates are not computed: see `Whitening`, which has the same scaling and bounds.
    """
    dim = factor.shape[-2]
    power: Any = np.zeros(factor.shape[:-2], dtype=np.int64)
    if exponent is not None and factor.shape[-1]:
        power = np.max(exponent, axis=-1)
        factor = np.ldexp(factor, np.maximum(exponent - power[..., None], -(2**20))[..., None, :])
    if factor.shape[-1] < dim:
        return np.empty(points.shape[:-1]), np.ones(factor.shape[:-2], dtype=bool)
    size = np.linalg.norm(factor, axis=-1)
    size = np.where(size > 0, size, 1.0)
    axes, spread, _ = np.linalg.svd(factor / size[..., None], full_matrices=False)
    singular = (spread <= np.sqrt(dim * _EPS)).any(-1)
    spread = np.where(singular[..., None], 1.0, spread)
    with np.errstate(over="ignore"):
        white = (points - mean[..., None, :]) / size[..., None, :] @ axes / spread[..., None, :]
        squares = np.square(np.ldexp(white, -power[..., None, None])).sum(-1)
    log_volume = np.log(size).sum(-1) + np.log(spread).sum(-1) + dim * power * np.log(2.0)
    return -0.5 * (squares + dim * np.log(2 * np.pi)) - log_volume[..., None], singular


class Whitening:
    r"""The map to coordinates in which one Gaussian kernel is standard, from a root of its covariance.

    A direction is without spread if the coordinates, each in units of its standard deviation, vary along it
    by less than :math:`\sqrt{d\,\epsilon}`, with the epsilon of doubles: less cannot be distinguished from
    the rounding of a covariance matrix. In the others the density is that of the Lebesgue measure on their
    span.

    Parameters
    ----------
    factor : array, shape (d, k)
        Root of the covariance.
    exponent : int array, shape (k,), optional
        Powers of two that multiply its columns.
    """

    def __init__(self, factor: Array, exponent: Any = None) -> None:
        self.dim = len(factor)
        self.power = 0
        if exponent is not None and factor.size:
            self.power = int(np.max(exponent))
            factor = np.ldexp(factor, np.maximum(exponent - self.power, -(2**20)))
        size = np.linalg.norm(factor, axis=1)
        self.fixed = size == 0
        self.size = np.where(size > 0, size, 1.0)
        axes, spread, _ = np.linalg.svd(factor / self.size[:, None], full_matrices=False)
        self.rank = int((spread > np.sqrt(self.dim * _EPS)).sum())
        self.axes, self.spread = axes[:, : self.rank], spread[: self.rank]
        if self.rank == self.dim:
            self.log_volume = float(np.log(self.size).sum() + np.log(self.spread).sum())
        else:
            # The volume within the support is not a product over coordinates.
            self.log_volume = float(np.log(np.linalg.svd(factor, compute_uv=False)[: self.rank]).sum())
        self.log_volume += self.rank * self.power * np.log(2.0)

    def white(self, moved: Array) -> Array:
        """Return white coordinates of differences (n, d), shape (n, rank)."""
        with np.errstate(over="ignore"):
            return np.ldexp(moved / self.size @ self.axes / self.spread, -self.power)

    def off(self, moved: Array, rounding: Array) -> NDArray[np.bool_]:
        """Return which differences (n, d) leave the support by more than the `rounding` (n, d) of points."""
        scaled = moved / self.size
        left = scaled - (scaled @ self.axes) @ self.axes.T
        allowed = 2 * np.sqrt(self.dim * _EPS) * np.linalg.norm(scaled @ self.axes, axis=-1)
        allowed = allowed + _ROUNDED * np.linalg.norm(rounding / self.size, axis=-1)
        strayed = (np.abs(moved) > _ROUNDED * rounding)[..., self.fixed].any(-1)
        outside: NDArray[np.bool_] = strayed | (np.linalg.norm(left, axis=-1) > allowed)
        return outside

    def log_density(self, points: Array, mean: Array) -> Array:
        """Log density of N(mean, covariance) at points (n, d), shape (n,)."""
        moved = points - mean
        with np.errstate(over="ignore"):
            squares = np.square(self.white(moved)).sum(-1)
        values = -0.5 * (squares + self.rank * np.log(2 * np.pi)) - self.log_volume
        if self.rank < self.dim:
            values = np.where(self.off(moved, np.abs(points) + np.abs(mean)), -np.inf, values)
        return np.asarray(values)
