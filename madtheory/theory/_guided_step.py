"""One generation under guidance: a fit, an auxiliary, and the chi-squares of both."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate, special

from madtheory._validation import GREATEST, check_bias, check_ddof, check_numbers, check_size
from madtheory.theory.gaussian._steps import direction_gains, scaled_log_moment

__all__ = ["Step", "one_number"]


class Step:
    """One fit and one auxiliary: logarithmic moments of chi-squares, and expectations over the auxiliary."""

    def __init__(
        self,
        *,
        n: int,
        n_auxiliary: int | None,
        dim: int,
        bias: float,
        auxiliary_bias: float | None,
        ddof: int | None,
        known_mean: bool,
    ) -> None:
        self.dim, self.known_mean = check_size("dim", dim), bool(known_mean)
        self.ddof = check_ddof(ddof, self.known_mean)
        self.bias = check_bias(bias)
        self.auxiliary_bias = (
            self.bias if auxiliary_bias is None else check_bias(auxiliary_bias, "auxiliary_bias")
        )
        if min(self.auxiliary_bias, self.bias) < 1 / GREATEST:
            raise ValueError(
                f"bias=0 (or auxiliary_bias=0, sampling_bias=0) gives models without spread, which have no "
                f"logarithm; pass at least {1 / GREATEST:g}."
            )
        self.n_auxiliary = check_size("n_auxiliary", n if n_auxiliary is None else n_auxiliary)
        self.n = check_size("n", n)
        for name, size in (("n", self.n), ("n_auxiliary", self.n_auxiliary)):
            if size - (not self.known_mean) < self.dim:
                raise ValueError(
                    f"{name}={size} points give singular covariances in dim={self.dim}, which have no "
                    f"logarithm; pass at least {self.dim + (not self.known_mean)}."
                )

    def logs(self, auxiliary: bool) -> float:
        """Mean log volume that a fit loses or gains."""
        degrees, divisor, bias = self.scale(auxiliary)
        gains = direction_gains(np.array([degrees]), np.array([divisor]), self.dim)[0][0]
        return float(gains.sum() + self.dim * np.log(bias))

    def spread(self, auxiliary: bool) -> float:
        """Variance of the log volume of a fit."""
        return float(special.polygamma(1, (self.scale(auxiliary)[0] - np.arange(self.dim)) / 2).sum())

    def moment(self, power: float, auxiliary: bool = False) -> float:
        """E (v' / v) ** power of a one-dimensional fit; infinite where it diverges."""
        degrees, divisor, bias = self.scale(auxiliary)
        half = degrees / 2
        if half + power <= 0:
            return np.inf
        log = scaled_log_moment(degrees, divisor, bias, power)
        return float(np.exp(log))

    def expectation(self, function: Any, low: float = 0.0, high: float = np.inf) -> tuple[float, float]:
        """Mean of a function of the auxiliary's v_s / v_r within limits, and the probability of these."""
        degrees, divisor, bias = self.scale(True)
        half, unit = degrees / 2, divisor / (2 * bias)
        inside = special.gammainc(half, high * unit) - special.gammainc(half, low * unit)
        if inside <= 0:
            return np.nan, 0.0
        # In the logarithm of the ratio the density falls off on both sides, and no end is singular but
        # those that the limits make: these by substitution of a square.
        log_low = np.log(max(low, special.gammaincinv(half, 1e-18) / unit, 1e-300))
        log_high = np.log(min(high, special.gammainccinv(half, 1e-18) / unit))

        mode = np.log(half / unit)
        height = _log_height(half)

        def density(y: float) -> float:
            return float(np.exp(half * (y - mode - np.expm1(y - mode)) + height))

        middle = np.clip(mode, log_low + 1e-9, log_high - 1e-9)

        def below(s: float) -> float:
            y = log_low + s * s
            return 2 * s * density(y) * _bounded(function(np.exp(y)))

        def above(s: float) -> float:
            y = log_high - s * s
            return 2 * s * density(y) * _bounded(function(np.exp(y)))

        total = sum(
            integrate.quad(part, 0.0, np.sqrt(length), epsabs=1e-13, epsrel=1e-9, limit=400)[0]
            for part, length in ((below, middle - log_low), (above, log_high - middle))
            if length > 0
        )
        return float(total / inside), float(inside)

    def scale(self, auxiliary: bool) -> tuple[float, float, float]:
        """Degrees of freedom, divisor and bias of a fit."""
        size = self.n_auxiliary if auxiliary else self.n
        bias = self.auxiliary_bias if auxiliary else self.bias
        return float(size - (not self.known_mean)), float(size - self.ddof), bias


def _log_height(half: float) -> float:
    """Log density, at its mode, of the logarithm of a Gamma(half) variable."""
    if half > 30:
        return float(0.5 * np.log(half / (2 * np.pi)) - 1 / (12 * half) + 1 / (360 * half**3))
    return float(half * np.log(half) - half - special.gammaln(half))


def one_number(name: str, value: Any) -> float:
    """Return a finite number."""
    number = check_numbers(name, value)
    if number.ndim:
        raise ValueError(f"{name}={value!r} has shape {number.shape}; pass one number.")
    return float(number)


def _bounded(value: Any) -> float:
    """A value within the range that QUADPACK bears: it crashes on infinite values and on NaN."""
    number = float(value)
    return number if abs(number) < 1e200 else float(np.copysign(1e200, number))
