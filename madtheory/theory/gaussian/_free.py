"""Large-dimension spectra of loops that mix real and synthetic data.

As the dimension grows with the sizes, the resolvent ``g(s) = E tr (V + s)^-1 / dim`` of the covariance
V obeys a deterministic equation. Written for a curve of points ``(s, u)`` with ``u = 1 - s g(s)``, a
generation of the loop moves every point by an explicit formula; points at large ``s``, where ``u`` is
the mean of V over ``s``, flow inwards and carry the whole curve with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from madtheory.theory.gaussian._mixing import Mix

__all__ = ["mean_roots", "stationary_mean_root", "wishart_mean_root"]

Array = NDArray[np.float64]
_FAR = 1e5  # where the expansion in 1/s takes over, in units of the mean


class _Generation:
    """What one generation of the loop does to the curve and to the first two moments."""

    def __init__(self, mix: Mix, dim: float) -> None:
        lost = 0.0 if mix.known_mean else 1 / (mix.n_real + mix.n_synthetic)
        self.real = mix.n_real * (1 - lost)
        self.synthetic = mix.n_synthetic * (1 - lost)
        self.divisor = mix.n_real + mix.n_synthetic - mix.ddof
        self.fixed = mix.real_data == "fixed"
        self.whole = mix.n_real - (not mix.known_mean)
        self.dim = dim
        self.size = min(dim, self.whole) if self.fixed else dim
        self.bias = mix.bias
        self.factor = mix.bias * self.synthetic / self.divisor

    def moments(self, last: tuple[float, float]) -> tuple[float, float]:
        """Mean and variance a generation later."""
        mean, variance = last
        real, m = (1 / self.divisor, 0.0) if self.fixed else (self.real / self.divisor, self.real)
        noise = self.size * (m + self.bias**2 * self.synthetic * mean**2) / self.divisor**2
        return real + self.factor * mean, noise + self.factor**2 * variance

    def fixed_point(self) -> tuple[float, float]:
        """Stationary mean and variance."""
        mean = self.moments((0.0, 0.0))[0] / (1 - self.factor)
        return mean, self.moments((mean, 0.0))[1] / (1 - self.factor**2)

    def pull(self, s: Array, u: Array) -> tuple[Array, Array]:
        """Points of the curve a generation later; negative `s` are beyond its end."""
        b, h = self._shift(s, u)
        return b * (s - h), u + h * (1 - u) / s

    def _shift(self, s: Array, u: Array) -> tuple[Array, Array]:
        b = self.bias / self.divisor * (self.synthetic - self.size * u)
        if self.fixed:
            return b, 1 / (self.divisor * b)
        return b, self.real / (self.divisor * b + self.size * (1 - u) / s)

    def dress(self, s: Array, u: Array) -> tuple[Array, Array]:
        """Points for the covariance itself, where the curve is relative to a fixed real scatter."""
        if not self.fixed:
            return s, u
        low, high = self.size, max(self.dim, self.whole)
        return s * (high - low * u), low / self.dim * u

    def mean_root(self, s: Array, u: Array, mean: float, variance: float) -> float:
        """Mean root of the spectrum that this generation makes of the curve through the points."""
        order = np.argsort(s)
        curve = CubicSpline(np.log(s[order]), u[order])

        def edge(log_s: float) -> float:
            b, h = self._shift(np.exp(log_s), curve(log_s))
            return float(min(b, 1 - h / np.exp(log_s)))

        lowest, highest = np.log(s[order[0]]), np.log(s[order[-1]])
        start = math.exp(brentq(edge, lowest, highest, xtol=1e-14))
        grid = start + np.geomspace(1e-12 * start, s[order[-1]] - start, 3000)
        return _mean_root(*self.dress(*self.pull(grid, curve(np.log(grid)))))


def _mean_root(s: Array, u: Array) -> float:
    """Mean root of a law from its curve, at points from near 0 to where ``s u`` is the mean."""
    q = np.sqrt(s)
    keep = np.concatenate([[True], np.diff(q) > 0])
    q, u = q[keep], u[keep]
    return float(2 / math.pi * (CubicSpline(q, u).integrate(q[0], q[-1]) + u[0] * q[0] + u[-1] * q[-1]))


def wishart_mean_root(variance: float) -> float:
    """Mean root of the Marchenko-Pastur law of mean 1 and this variance."""
    grid = max(variance - 1, 0) + np.geomspace(1e-12, _FAR * (1 + variance), 3000)
    u = 1 / (1 + grid)
    return _mean_root(grid * (1 - variance * u), u)


def stationary_mean_root(mix: Mix, dim: float) -> tuple[float, float, float]:
    """Mean root, mean and variance of the stationary spectrum."""
    step = _Generation(mix, dim)
    mean, variance = step.fixed_point()
    second = mean**2 + variance
    far = _FAR * second / mean
    s = np.geomspace(far, far / step.factor, 32)
    u = mean / s - second / s**2
    points = []
    while s.size:
        points.append((s, u))
        s, u = step.pull(s, u)
        good = (s > 0) & (u < 1)
        s, u = s[good], u[good]
    s, u = np.concatenate(points, axis=1)
    return step.mean_root(s, u, mean, variance), mean, variance
