"""A family that does not contain the law of its data, with an exact loop: logistic densities, any location.

All laws have atoms at the same quantiles, so that expectations, the Wasserstein distance and the loop's map
are finite sums, and the assumptions of Bertrand et al. 2024 (arXiv 2310.00429) hold to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMOOTHNESS = 1 / (3 * np.sqrt(3))
"""Lipschitz constant of the second derivative of the log of the logistic density."""

Array = NDArray[np.floating]


@lru_cache(maxsize=4)
def quantile_levels(atoms: int = 400) -> tuple[Array, Array]:
    """Return levels in (0, 1), symmetric about one half, and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(atoms)
    return (1 + nodes) / 2, weights / 2


@dataclass(frozen=True, eq=False)
class LocationFamily:
    r"""Logistic location family on data given by their quantiles.

    Attributes
    ----------
    data : array, shape (atoms,)
        Quantiles of the data at `quantile_levels`, rising.
    """

    data: Array

    @property
    def noise(self) -> Array:
        """Quantiles of the logistic law at location 0."""
        level = quantile_levels(len(self.data))[0]
        return np.log(level / (1 - level))

    @property
    def optimum(self) -> float:
        """Location of the best model."""
        return float(
            self._solve(lambda theta: self._score(self.data, theta), np.zeros(()), np.median(self.data))
        )

    @property
    def curvature(self) -> float:
        """Constant alpha: minus the expected second derivative of the log-likelihood at the optimum."""
        return float(self._mean(0.5 / np.cosh((self.data - self.optimum) / 2) ** 2))

    @property
    def misfit(self) -> float:
        """Wasserstein-1 distance between the data and the best model."""
        return float(self._mean(np.abs(self.data - self.optimum - self.noise)))

    def next(self, theta: ArrayLike, *, synthetic_ratio: float, correction: float = 0.0) -> Array:
        """Return the next location of the loop for each of `theta`, for infinitely many points."""
        theta, best = np.asarray(theta, dtype=float), self.optimum
        weight = synthetic_ratio / (1 + correction)

        def total(new: Array) -> Array:
            synthetic = self._score(self.noise + theta[..., None], new)
            kept = self._score(self.noise + best, new)
            return self._score(self.data, new) + weight * (synthetic + correction * kept)

        return self._solve(total, theta, best)

    def contraction(self, *, synthetic_ratio: float, correction: float = 0.0, step: float = 1e-3) -> float:
        """Return the size of the derivative of `next` at the optimum, by a central difference."""
        best = self.optimum
        ends = self.next([best + step, best - step], synthetic_ratio=synthetic_ratio, correction=correction)
        return float(abs(ends[0] - ends[1]) / (2 * step))

    def _mean(self, values: Array) -> Array:
        return values @ quantile_levels(len(self.data))[1]

    def _score(self, points: Array, theta: Array) -> Array:
        return self._mean(np.tanh((points - np.asarray(theta)[..., None]) / 2))

    def _solve(self, score, theta: Array, centre: float) -> Array:
        """Return the root of a falling score, by bisection: no starting point can mislead it."""
        reach = np.abs(self.data - centre).max() + np.abs(theta - centre) + 40.0
        low, high = centre - reach, centre + reach
        for _ in range(64):
            middle = (low + high) / 2
            right = score(middle) > 0
            low, high = np.where(right, middle, low), np.where(right, high, middle)
        return (low + high) / 2
