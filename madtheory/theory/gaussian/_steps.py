"""One step of the replace loop: sizes, gains and log-gamma sums, kept accurate for large samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory._validation import LONGEST, check_ddof, check_numbers, check_size, shown, size_at

__all__ = [
    "Array",
    "LogGammaSum",
    "Sizes",
    "chain_sizes",
    "check_spectrum",
    "digamma_minus_log",
    "direction_gains",
    "log_root_moment",
    "scaled_log_moment",
    "sizes_of",
]

Sizes = int | Sequence[int] | Callable[[int], int]
Array = NDArray[np.floating]


def sizes_of(n: Sizes, n_initial: int | None, generations: int) -> list[int]:
    """Sample sizes of the generations 1, 2, ..., `generations`."""
    generations = check_size("generations", generations)
    first = size_at("n", n, 1) if n_initial is None else check_size("n_initial", n_initial)
    return [first, *(size_at("n", n, g) for g in range(2, generations + 1))]


def chain_sizes(
    n: Sizes, n_initial: int | None, generations: int, ddof: int | None, known_mean: bool
) -> tuple[Array, Array, Array]:
    """Sizes, degrees of freedom and divisors of the fits of generations 1, 2, ..., `generations`."""
    ddof = check_ddof(ddof, known_mean)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    if sizes.min() <= ddof:
        raise ValueError(
            f"generation {int(sizes.argmin()) + 1} has n={int(sizes.min())} points, so its divisor n - ddof "
            f"is 0; pass at least {ddof + 1} points, or ddof=0."
        )
    return sizes, sizes - (not known_mean), sizes - ddof


def check_spectrum(dim: int, spectrum: ArrayLike | None) -> Array:
    """Eigenvalues of the truth's covariance: `dim` ones, or `spectrum`."""
    dim = check_size("dim", dim, maximum=LONGEST["dim"])
    values = np.ones(dim) if spectrum is None else np.atleast_1d(check_numbers("spectrum", spectrum))
    if values.ndim != 1 or not values.size or not np.all(values > 0):
        raise ValueError(f"spectrum={shown(spectrum)} is not a list of positive eigenvalues.")
    if dim not in (1, len(values)):
        raise ValueError(f"spectrum has {len(values)} eigenvalues but dim={dim}; leave dim out or equal.")
    return values


def digamma_minus_log(x: ArrayLike) -> Array:
    """``digamma(x) - log(x)`` without the cancellation that the difference has at large x."""
    x = np.asarray(x, dtype=float)
    u = np.maximum(x, 20.0) ** -2.0
    series: Array = -0.5 / x - polyval(u, [0, 1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760])
    return np.where(x > 20, series, special.digamma(x) - np.log(x))


def log_root_moment(degrees: ArrayLike) -> Array:
    """``log E sqrt(chi2 / degrees)``, accurate where it is small (large degrees of freedom)."""
    x = np.asarray(degrees, dtype=float) / 2
    u = np.maximum(x, 20.0) ** -2.0
    series = polyval(u, [-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432]) / x
    return np.where(x > 20, series, special.gammaln(x + 0.5) - special.gammaln(x) - np.log(x) / 2)


def scaled_log_moment(degrees: float, divisor: float, bias: float, power: float) -> float:
    """``log E (bias * chi2 / divisor) ** power``, accurate for millions of degrees of freedom too."""
    half = degrees / 2
    if min(half, half + power) < 1e6:
        difference = special.gammaln(half + power) - special.gammaln(half)
        return float(difference + power * np.log(2 * bias / divisor))
    # Stirling's formula as a difference: of the logarithms themselves too few digits would be left.
    shift = (half + power - 0.5) * np.log1p(power / half) - power - power / half / (12 * (half + power))
    return float(shift + power * (np.log(bias) + np.log1p((degrees - divisor) / divisor)))


def direction_gains(degrees: Array, divisors: Array, dim: int) -> tuple[Array, Array]:
    """Mean log gain, and log of the mean root gain, of each Bartlett direction, shape (sizes, dim).

    Bias not included; -inf for the directions beyond the rank.
    """
    left = degrees[:, None] - np.arange(dim)
    alive, left = left > 0, np.maximum(left, 1.0)
    gain = np.log1p((left - divisors[:, None]) / divisors[:, None])
    typical, root = gain + digamma_minus_log(left / 2), gain / 2 + log_root_moment(left)
    return np.where(alive, typical, -np.inf), np.where(alive, root, -np.inf)


class LogGammaSum:
    r"""Cumulant function :math:`K` of a sum of logarithms of independent Gamma(half) variables.

    ``self(s, order)`` is :math:`K(s) - K(0) - s K'(0)`, :math:`K'(s) - K'(0)` or :math:`K''(s)` for order
    0, 1, 2; the first axis of `s` runs over independent points. Shapes large against ``|s|`` enter by
    their summed Taylor series: many shapes then cost nothing, and the subtraction loses no digits.
    """

    reach = 8.0
    terms = 18

    def __init__(self, half: Array) -> None:
        self.half, self.count = np.unique(half, return_counts=True)
        j = np.arange(2, self.terms + 1)
        series = (-1.0) ** j * special.zeta(j, self.half[:, None]) / j * self.count[:, None]
        series = np.concatenate([np.zeros((len(series), 2)), series], axis=1)
        self.tail = np.concatenate([np.cumsum(series[::-1], axis=0)[::-1], np.zeros((1, self.terms + 1))])

    def __call__(self, s: NDArray[Any], order: int) -> NDArray[Any]:
        radius = np.abs(s).max(axis=tuple(range(1, s.ndim)))
        near = np.searchsorted(self.half, self.reach * radius)
        near = np.minimum(2 ** np.ceil(np.log2(np.maximum(near, 0.5))), len(self.half)).astype(int)
        out: NDArray[Any] = np.empty_like(s)
        for k in np.unique(near):  # powers of two, so the loop is short
            z = s[near == k]
            coefficients = polyder(self.tail[k], order)
            value = polyval(z, coefficients)
            for half, count in zip(self.half[:k], self.count[:k], strict=True):
                value = value + count * self._direct(z, half, order)
            out[near == k] = value
        return out

    @staticmethod
    def _direct(s: NDArray[Any], half: float, order: int) -> NDArray[Any]:
        if order == 0:
            lgamma = special.loggamma if np.iscomplexobj(s) else special.gammaln
            return lgamma(half + s) - special.gammaln(half) - s * special.digamma(half)
        if order == 1:
            return special.digamma(half + s) - special.digamma(half)
        return special.zeta(2, half + s)
