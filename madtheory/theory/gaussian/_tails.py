"""Orders at which the moments of loops with real data cease to exist."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

from madtheory._validation import GREATEST
from madtheory.theory.gaussian._mixing import Mix
from madtheory.theory.gaussian._steps import scaled_log_moment

__all__ = ["fitted_mean_tail", "known_mean_tail"]

Array = NDArray[np.float64]
_MANY = 10_000  # synthetic points, from which on rounding hides what a generation changes


def known_mean_tail(mix: Mix) -> float:
    """The order at which ``E (bias chi2 / divisor)**order`` is 1 again."""
    lost = 0.0 if mix.known_mean else 1 / (mix.n_real + mix.n_synthetic)
    degrees = mix.n_synthetic * (1 - lost)
    divisor = mix.n_real + mix.n_synthetic - mix.ddof
    if mix.bias < 1 / GREATEST:
        return math.inf  # beyond the range of doubles

    def growth(order: float) -> float:
        return scaled_log_moment(degrees, divisor, mix.bias, order)

    high = 2.0
    while growth(high) < 0:
        high *= 2
    return float(brentq(growth, high / 2, high))


def fitted_mean_tail(mix: Mix) -> float:
    """The order at which the moments of squared mean error and variance, without real data, stay put.

    At integer orders they obey a finite linear map; its growth is interpolated in between. From an
    order of 300 on the value for a known mean is within 1 part in 300. For many synthetic points the map
    is the identity but for rounding: then the distance to the order for a known mean is that of the
    diffusion limit, whose map is a symmetric tridiagonal matrix.
    """
    guess = known_mean_tail(mix)
    if guess > 300:
        return guess
    if mix.n_synthetic <= _MANY:
        return _root(lambda order: _log_growth(mix, order), guess)
    pull = mix.n_real + 1 - mix.ddof + (1 - mix.bias) * mix.n_synthetic
    limit = _root(lambda order: _diffusion_growth(mix.n_real, pull, order), guess)
    return guess + limit - (1 + pull)


def _root(growth: Callable[[int], float], guess: float) -> float:
    """Where a growth that is known at integer orders passes 0, at an order of 1 or more."""
    start = max(round(guess), 2)
    while start > 2 and growth(start - 1) > 0:
        start -= 1
    while growth(start) < 0:
        start += 1
    orders = np.arange(max(start - 3, 0), max(start - 3, 0) + 6)
    between = np.polynomial.Polynomial.fit(orders, [growth(int(k)) for k in orders], 5)
    return float(brentq(between, start - 1 + 1e-9, start + 1e-9))


def _diffusion_growth(n_real: float, pull: float, order: int) -> float:
    """Rate of growth of ``E D**a V**b``, ``a + b`` equal to `order`, in the limit of `diffusion_limit`."""
    a = np.arange(order + 1.0)
    b = order - a
    rates = b * (b - 1) - b * pull - 2 * a * n_real
    coupled = np.sqrt(b[:-1] * n_real * a[1:] * (2 * a[1:] - 1))
    return float(eigvalsh_tridiagonal(rates, coupled).max()) if order else 0.0


def _log_growth(mix: Mix, order: int) -> float:
    """Log spectral radius of the map of ``E D**a V**b`` with ``a + b`` equal to `order`."""
    size, last = 12, -math.inf
    while True:
        size = min(size, order)
        value = _truncated(mix, order, size)
        if size == order or abs(value - last) < 1e-8:
            return value
        size, last = 2 * size, value


def _truncated(mix: Mix, order: int, size: int) -> float:
    """The same, with powers of the mean error up to `size`: higher ones hardly matter."""
    if order == 0:
        return 0.0
    n_r, n_s, bias, total = mix.n_real, mix.n_synthetic, mix.bias, mix.n_real + mix.n_synthetic
    after, before, j = np.ogrid[: size + 1, : size + 1, : order + 1]  # powers of D and of the scatter
    b, i = order - after, order - j - before
    factorial = gammaln(np.arange(2 * order + 1) + 1.0)
    chi_square = gammaln((n_s - 1) / 2 + np.arange(order + 1)) - math.lgamma((n_s - 1) / 2)
    valid = (j <= b) & (i >= 0)
    i, rest = np.maximum(i, 0), np.maximum(b - j, 0)
    terms = (
        factorial[b] - factorial[j] - factorial[rest]
        + j * math.log(2 * bias) + chi_square[j] + rest * math.log(n_r * n_s / total)
        + factorial[2 * (order - j)] - factorial[2 * before] - factorial[i]
        + i * math.log(bias / (2 * n_s))
    )  # fmt: skip
    logs = logsumexp(np.where(valid, terms, -np.inf), axis=2)
    powers = np.arange(size + 1)[:, None]
    logs += 2 * powers * math.log(n_s / total) - (order - powers) * math.log(total - mix.ddof)
    logs += (powers - powers.T) * math.log(n_r)  # a similarity, which evens the entries out
    top = logs.max()
    return float(top + np.log(np.abs(np.linalg.eigvals(np.exp(logs - top))).max()))
