"""Large-dimension spectra of loops that mix real and synthetic data.

As the dimension grows with the sizes, the resolvent ``g(s) = E tr (V + s)^-1 / dim`` of the covariance
V obeys a deterministic equation. In terms of a curve of points ``(s, u)`` with ``u = 1 - s g(s)``, a
generation of the loop moves every point by an explicit formula: points at large ``s``, where the first
moments of V determine ``u``, move inwards and trace the whole curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import gammainc, xlogy

from madtheory.theory.gaussian.second_moment_maps import Mix

Array = NDArray[np.float64]


@lru_cache(maxsize=512)
def singular_values(rows: int, columns: float) -> tuple[Array, Array]:
    r"""Return a quadrature for the expected singular values of a Gaussian matrix.

    Kind: exact law, to rounding, of the average of the `rows` singular values :math:`t`, whose
    squares are the eigenvalues of a Wishart matrix.

    Parameters
    ----------
    rows : int
        Number of singular values, at least 1.
    columns : float
        Degrees of freedom of the Wishart matrix, at least `rows`; any real number.

    Returns
    -------
    nodes, weights : ndarray
        The mean of ``sum(f(t))`` is ``sum(weights * f(nodes))``; the weights add up to `rows`.

    Notes
    -----
    Source: Adler, Forrester, Nagao and van Moerbeke 2000 (density of the real Laguerre ensemble as
    the complex one of a particle less plus one term). The form for odd `rows`, where the constant of
    that term is set by the total mass, is inferred here and checked by moments.
    """
    n, a = rows, float(columns) - rows
    spacing, centre, reach = 1 / math.sqrt(n), math.sqrt(columns), math.sqrt(n) + 9
    low = (centre - reach) / spacing
    s = np.arange(low if low > 0 else -38.0, (centre + reach) / spacing, 0.25)
    t = spacing * np.logaddexp(0, s)  # uniform, but crowds towards 0
    measure = 0.25 * spacing * np.exp(-np.logaddexp(0, -s))
    x = t * t

    # Normalised Laguerre functions are psi * ground; the primitives of them over sqrt(x), and the
    # totals of these, are kept in two slots, for even and odd degree.
    log_ground = (xlogy(a, x) - x - math.lgamma(a + 1)) / 2
    ground = _exp(log_ground)
    last, psi, bulk = np.zeros_like(x), np.ones_like(x), np.zeros_like(x)
    half = (a + 1) / 2
    total = [math.exp(half * math.log(2) + math.lgamma(half) - math.lgamma(a + 1) / 2), 0.0]
    primitive = [total[0] * gammainc(half, x / 2), np.zeros_like(x)]
    for j in range(n - 1):
        here = psi * ground
        bulk += here**2
        up, down, slot = math.sqrt((j + 1) * (j + 1 + a)), math.sqrt(j * (j + a)), (j + 1) % 2
        primitive[slot] = (2 * t * here + down * primitive[slot]) / up
        total[slot] *= down / up
        last, psi = psi, ((2 * j + 1 + a - x) * psi - down * last) / up
        big = np.abs(psi) > 1e100
        if big.any():
            last[big] *= 1e-100
            psi[big] *= 1e-100
            log_ground[big] += 100 * math.log(10)
            ground[big] = _exp(log_ground[big])
    top = psi * ground / t
    factor = -math.sqrt((n - 1) * (columns - 1)) / 2
    inner = factor * primitive[n % 2]
    if n % 2:
        inner += (1 - (2 * t * measure) @ (top * inner)) / total[0]
    else:
        inner -= factor * total[0] / 2
    weights = 2 * t * measure * (bulk + top * inner)
    return t, weights * (n / weights.sum())


def _exp(values: Array) -> Array:
    """Return the exponential, 0 where it would underflow."""
    return np.where(values > -700, np.exp(np.maximum(values, -700)), 0)


def wishart_root_deficit(dim: int, dof: float) -> float:
    """Return 1 minus the mean root of an eigenvalue of a real Wishart matrix over `dof`.

    Exact for `dof` of at least `dim` and for integers; in between, the mean trace is interpolated. A matrix
    of `dof` 0 is zero.
    """
    if dof == 0:
        return 1.0
    if dof >= dim:
        t, weights = singular_values(dim, float(dof))
        return float(weights @ (t / math.sqrt(dof) - 1) ** 2) / (2 * dim)
    low = max(math.ceil(dof) - 2, 0)
    nodes = np.arange(low, low + 4)
    values = [_root_trace(dim, int(k)) for k in nodes]
    gaps = dof - nodes
    lagrange = [np.prod(np.delete(gaps, i) / np.delete(k - nodes, i)) for i, k in enumerate(nodes)]
    return 1 - float(np.dot(lagrange, values)) / (dim * math.sqrt(dof))


def _root_trace(dim: int, dof: int) -> float:
    if dof == 0:
        return 0.0
    t, weights = singular_values(min(dim, dof), float(max(dim, dof)))
    return float(weights @ t)


_HUGE = 1e70
_SETTLED = 1e-9  # relative distance to the limit at which a spectrum no longer changes
_FAR = 1e5  # where the expansion in 1/s is used, in units of the size of V


class _Generation:
    """The effect of one generation on the curve, and on the mean and variance of the spectrum.

    With fixed real data the curve describes the covariance relative to the scatter of the real set,
    of which it is independent; `dress` includes that scatter.
    """

    def __init__(self, mix: Mix, dim: float) -> None:
        total = mix.n_real + mix.n_synthetic
        kept = 1.0 if mix.known_mean else 1 - 1 / total
        self.real, self.synthetic = kept * mix.n_real, kept * mix.n_synthetic
        self.divisor, self.bias, self.dim = total - mix.ddof, mix.bias, dim
        self.fixed = mix.real_data == "fixed"
        whole = mix.n_real - (not mix.known_mean)
        self.low, self.high = min(dim, whole), max(dim, whole)
        self.size = self.low if self.fixed else dim
        self.factor = mix.bias * self.synthetic / self.divisor

    def moments(self, mean: float, variance: float) -> tuple[float, float]:
        """Return the mean and variance one generation later."""
        real, noise = (1.0, 0.0) if self.fixed else (self.real, self.real)
        noise += self.bias**2 * self.synthetic * mean**2
        variance = self.size * noise / self.divisor**2 + self.factor**2 * variance
        return real / self.divisor + self.factor * mean, variance

    def fixed_point(self) -> tuple[float, float]:
        """Return the stationary mean and variance."""
        mean = self.moments(0.0, 0.0)[0] / (1 - self.factor)
        return mean, self.moments(mean, 0.0)[1] / (1 - self.factor**2)

    def pull(self, s: Array, u: Array) -> tuple[Array, Array]:
        """Return the points one generation later, without those that left the curve at its end."""
        b, h = self._shift(s, u)
        s, u = b * (s - h), u + h * (1 - u) / s
        return s[s > 0], u[s > 0]

    def _shift(self, s: Array, u: Array) -> tuple[Array, Array]:
        b = self.bias / self.divisor * (self.synthetic - self.size * u)
        b = np.where(b > 0, b, np.nan)  # beyond the end
        if self.fixed:
            return b, 1 / (self.divisor * b)
        return b, self.real / (self.divisor * b + self.size * (1 - u) / s)

    def dress(self, s: Array, u: Array) -> tuple[Array, Array]:
        """Return the points for the covariance itself."""
        if not self.fixed:
            return s, u
        return s * (self.high - self.low * u), self.low / self.dim * u

    def dressed_moments(self, mean: float, variance: float) -> tuple[float, float]:
        """Return the mean and variance for the covariance itself."""
        if not self.fixed:
            return mean, variance
        scale = self.low * self.high / self.dim
        second = scale * (self.high * (mean**2 + variance) + self.low * mean**2)
        return scale * mean, second - (scale * mean) ** 2

    def mean_root(self, s: Array, u: Array) -> float:
        """Return the mean root of the spectrum after this generation, from points of the curve before it."""
        order = np.argsort(s)
        s, u = s[order], u[order]
        curve = CubicSpline(np.log(s), u)

        def inside(log_s: float) -> float:
            b, h = self._shift(np.exp(log_s), curve(log_s))
            return float(1 - h / np.exp(log_s)) if np.isfinite(b) else -1.0

        low, high = math.log(s[0]), math.log(s[-1])
        if inside(low) < 0:
            end = math.exp(brentq(inside, low, high, xtol=1e-14))
            grid = end + np.geomspace(1e-13 * end, s[-1] - end, 3000)
        else:  # a singular spectrum: the curve begins at 0
            grid = np.geomspace(s[0], s[-1], 3000)
        return _integrate(*self.dress(*self.pull(grid, curve(np.log(grid)))))


def _integrate(s: Array, u: Array) -> float:
    """Return the mean root of a law from its curve, from points near 0 to where ``s u`` is the mean."""
    q = np.sqrt(s)
    rising = q > np.concatenate([[-1.0], np.maximum.accumulate(q)[:-1]])
    q, u = q[rising], u[rising]
    inner = CubicSpline(q, u).integrate(q[0], q[-1])
    return float(2 / math.pi * (inner + u[0] * q[0] + u[-1] * q[-1]))


def _far_points(mean: float, variance: float, low: float, high: float) -> tuple[Array, Array]:
    """Return points from `low` to `high`, in units of V's size, where two moments fix the curve."""
    size = mean + variance / mean
    s = size * np.geomspace(low, high, 32 + int(25 * math.log(high / low)))
    return s, mean / s - mean * size / s**2


def wishart_mean_root(variance: float) -> float:
    """Return the mean root of the Marchenko-Pastur law of mean 1 and this variance."""
    s = max(variance - 1, 0) + np.geomspace(1e-12, _FAR * (1 + variance), 3000)
    u = 1 / (1 + s)
    return _integrate(s * (1 - variance * u), u)


def _real_only(mean: float, variance: float) -> tuple[float, float, float]:
    return math.sqrt(mean) * wishart_mean_root(variance / mean**2), mean, variance


def _accelerate(mix: Mix, factor: float) -> Mix:
    """Return a loop that settles faster, with the same stationary law up to 1 part in 2000."""
    slow = (1 - factor) * 2000
    if slow >= 1:
        return mix
    total = slow * (mix.n_real + mix.n_synthetic)
    synthetic = total - mix.n_real
    return mix._replace(n_synthetic=synthetic, bias=1 - (1 - mix.bias) * mix.n_synthetic / synthetic)


def stationary_moments(mix: Mix, dim: float) -> tuple[float, float]:
    """Return the mean and variance of the stationary spectrum."""
    step = _Generation(mix, dim)
    return step.dressed_moments(*step.fixed_point())


def stationary_mean_root(mix: Mix, dim: float) -> tuple[float, float, float]:
    """Return the mean root, mean and variance of the stationary spectrum."""
    step = _Generation(_accelerate(mix, _Generation(mix, dim).factor), dim)
    mean, variance = step.fixed_point()
    dressed = step.dressed_moments(mean, variance)
    if step.factor < 1e-9:
        return _real_only(*dressed)
    s, u = _far_points(mean, variance, _FAR, _FAR / step.factor)
    points = []
    while s.size:
        points.append((s, u))
        s, u = step.pull(s, u)
    return step.mean_root(*np.concatenate(points, axis=1)), *dressed


def mean_roots(mix: Mix, dim: float, n_initial: float) -> Iterator[tuple[float, float, float]]:
    """Yield mean root, mean and variance of the spectra of generations 2, 3, ..., while below 1e70."""
    step = _Generation(mix, dim)
    first = _Generation(mix._replace(n_real=n_initial, n_synthetic=0.0), dim)
    mean, variance = first.moments(0.0, 0.0)
    size = mean + variance / mean if mean else 1.0
    last = None
    far = 2 * _FAR / min(step.factor + 1e-9, 1)  # points that a generation moves to _FAR
    s = np.geomspace(1e-9, far, 1500) * size
    if mean == 0:  # a single point
        u = np.zeros_like(s)
    elif step.fixed:
        u = mean / (mean + s)
    else:  # the Wishart curve, from that of the identity
        u = 1 / (1 + s / mean)
        s = s * (1 - dim / first.real * u)
        s, u = s[s > 0], u[s > 0]
    while True:
        before, (mean, variance) = (mean, variance), step.moments(mean, variance)
        if max(mean, variance) > _HUGE:  # the spectrum is far larger than that of the real data
            return
        if last and np.allclose((mean, variance), before, rtol=_SETTLED * (1 - step.factor), atol=0):
            yield last
            continue
        dressed = step.dressed_moments(mean, variance)
        if step.factor < 1e-9:
            yield _real_only(*dressed)
            continue
        last = step.mean_root(s, u), *dressed
        yield last
        s, u = step.pull(s, u)
        size = mean + variance / mean
        far_s, far_u = _far_points(mean, variance, s.max() / size, max(far, 1.01 * s.max() / size))
        s, u = np.concatenate([s, far_s[1:]]), np.concatenate([u, far_u[1:]])
