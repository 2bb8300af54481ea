"""Denoisers in closed form: the mean of x0 given x0 + sigma * noise, for laws that are known.

They replace a trained network in `sample_denoiser`, and show the samples of the best network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_numbers, check_points, freeze


@dataclass(frozen=True, eq=False)
class GaussianDenoiser:
    r"""The denoiser of a Gaussian, :math:`D(x, \sigma) = m + C (C + \sigma^2 I)^{-1} (x - m)`.

    Attributes
    ----------
    mean : array, shape (d,)
        Mean.
    covariance : array, shape (d, d)
        Covariance, symmetric and positive semi-definite.
    """

    mean: ArrayLike
    covariance: ArrayLike
    _axes: tuple[Array, Array, Array] = field(init=False, repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        mean = freeze(check_numbers("mean", self.mean))
        covariance = freeze(check_numbers("covariance", self.covariance))
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(
                f"mean has shape {mean.shape} and covariance {covariance.shape}; expected (d,) and (d, d)."
            )
        if not np.allclose(covariance, covariance.T):
            raise ValueError("covariance is not symmetric; pass (covariance + covariance.T) / 2.")
        variances, axes = np.linalg.eigh(covariance)
        if variances[0] < -1e-12 * max(variances[-1], 1e-300):
            raise ValueError(f"covariance has the negative eigenvalue {variances[0]:.3g}; pass another.")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "_axes", (mean, np.maximum(variances, 0.0), axes))

    def __call__(self, x: Array, sigma: float) -> Array:
        """Return the mean of x0 for each of the points x, shape (n, d)."""
        mean, variances, axes = self._axes
        shrunk = ((x - mean) @ axes) * (variances / (variances + sigma**2))
        return mean + shrunk @ axes.T


@dataclass(frozen=True, eq=False)
class EmpiricalDenoiser:
    r"""The denoiser of a finite data set, :math:`D = \sum_i w_i x_i`, :math:`w_i \propto p_i e^{-|x - x_i|^2/2\sigma^2}`.

    Samplers that use it return data points, as does a network that fits its data perfectly.

    Attributes
    ----------
    points : array, shape (m, d)
        Data points.
    weights : array, shape (m,), optional
        Probabilities p of the points, up to a factor. Default: equal.

    Notes
    -----
    Cost O(n m d) per call, memory O(n m).
    """  # noqa: E501

    points: ArrayLike
    weights: ArrayLike | None = None
    _law: tuple[Array, Array] = field(init=False, repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        points: Any = freeze(check_points(self.points, "points"))
        if points.ndim != 2:
            raise ValueError(f"points has shape {points.shape}; expected (m, d).")
        weights = np.ones(len(points)) if self.weights is None else check_numbers("weights", self.weights)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "weights", freeze(weights))
        if weights.shape != (len(points),) or not (weights > 0).all():
            raise ValueError(f"weights must be {len(points)} positive numbers; leave out points of weight 0.")
        object.__setattr__(self, "_law", (points, np.log(weights)))

    def __call__(self, x: Array, sigma: float) -> Array:
        """Return the mean of x0 for each of the points x, shape (n, d)."""
        points, log_weights = self._law
        logs = log_weights + (x @ points.T - 0.5 * (points**2).sum(1)) / sigma**2
        likely = np.exp(logs - logs.max(1, keepdims=True))
        return (likely / likely.sum(1, keepdims=True)) @ points
