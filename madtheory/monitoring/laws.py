"""Exact laws of products of gamma variables, by inversion of their Mellin transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import loggamma, polygamma

from madtheory.types import Array

_MOST = 2_000  # values beyond which the law is tabulated once
_REACH = 100.0  # half the period of the inversion, in standard deviations
_SMALLEST = 1e-7  # probabilities below are rounding
_NODES = 20


@dataclass(frozen=True, eq=False)
class LogGammas:
    r"""Law of X with :math:`E e^{hX} = \prod_j \{\Gamma(a_j + s_j h) / \Gamma(a_j)\}^{w_j}`.

    Attributes
    ----------
    shapes, slopes, powers : array, shape (m,)
        The numbers a, s and w.
    """

    shapes: Array
    slopes: Array
    powers: Array

    def joined(self, other: LogGammas) -> LogGammas:
        """Return the law of the sum of two independent variables."""
        pairs = zip(
            (self.shapes, self.slopes, self.powers), (other.shapes, other.slopes, other.powers), strict=True
        )
        terms = np.stack([np.concatenate(pair) for pair in pairs])
        unique, place = np.unique(terms[:2], axis=1, return_inverse=True)
        return LogGammas(unique[0], unique[1], np.bincount(place.ravel(), weights=terms[2]).astype(float))

    def lower_tail(self, values: Array) -> Array:
        """Return the probability of at most each value; 1e-7 stands for all below."""
        values = np.asarray(values, dtype=float)
        finite = np.isfinite(values)
        out = np.where(values > 0, 1.0, 0.0)
        if values.size > _MOST and finite.any():
            table = np.linspace(values[finite].min(), values[finite].max(), _MOST)
            out[finite] = np.exp(np.interp(values[finite], table, np.log(self._tail(table))))
        elif finite.any():
            out[finite] = self._tail(values[finite])
        return np.clip(out, _SMALLEST, 1.0)

    def _tail(self, x: Array) -> Array:
        tail = self._by_talbot(x) if (self.powers < 0).any() else self._by_waves(x)
        return np.clip(tail, _SMALLEST, 1.0)

    def _by_talbot(self, x: Array) -> Array:
        """Invert the Laplace transform of the distance to the upper end of the support.

        The fixed contour of Abate and Valko (2004): the transform falls only as a power along straight
        lines, but its poles are real.
        """
        end = np.sum(np.minimum(self.powers, 0) * self.slopes * np.log(self.slopes))
        y = np.maximum(end - x, 1e-12)
        theta = np.pi * np.arange(1, _NODES) / _NODES
        cot = 1 / np.tan(theta)
        nodes = 0.4 * _NODES * np.append(1.0, theta * (cot + 1j))
        weights = np.append(0.5, 1 + 1j * (theta + (theta * cot - 1) * cot))
        s = nodes / y[:, None]
        logs = self._log_transform(s) - end * s
        below = 0.4 / y * np.sum((np.exp(nodes + logs) / s * weights).real, -1)
        out: Array = 1 - below
        return out

    def _by_waves(self, x: Array) -> Array:
        r"""Return the tail by the formula of Gil-Pelaez (1951), where the transform falls exponentially.

        .. math:: \tfrac12 - \frac1\pi \int_0^\infty \mathrm{Im}\{e^{-iux} \varphi(u)\} \frac{du}u
        """
        scale = np.sqrt(np.sum(self.powers * self.slopes**2 * polygamma(1, self.shapes)))
        step, last = np.pi / (_REACH * scale), 8 / scale
        while self._log_transform(1j * last).real > -30:
            last *= 1.5
        u = step * (np.arange(int(last / step) + 1) + 0.5)
        phase = self._log_transform(1j * u)
        waves = np.exp(phase.real) / u
        return np.array([0.5 - step / np.pi * (waves @ np.sin(phase.imag - u * at)) for at in x])

    def _log_transform(self, h: Any) -> Any:
        out = np.zeros(np.shape(h), dtype=complex)
        for a, s, w in zip(self.shapes, self.slopes, self.powers, strict=True):
            out += w * (loggamma(a + s * h) - loggamma(a))
        return out


def shape_law(dof: int, dim: int) -> LogGammas:
    r"""Return the law of :math:`\log|W| - d \log\mathrm{tr}\,W` for a standard Wishart matrix W.

    It is independent of the trace (Mauchly 1940): the ratio does not change with the scale, of which the
    trace is a complete sufficient statistic, so that Basu's theorem gives the ratio of moments.
    """
    shapes = np.append((dof - np.arange(dim)) / 2, dim * dof / 2)
    return LogGammas(shapes, np.append(np.ones(dim), dim), np.append(np.ones(dim), -1.0))


def volume_ratio_law(dof: int, reference_dof: int, dim: int) -> LogGammas:
    """Return the law of the log of the ratio of determinants of two independent Wishart matrices."""
    shapes = np.concatenate([(m - np.arange(dim)) / 2 for m in (dof, reference_dof)])
    return LogGammas(shapes, np.repeat([1.0, -1.0], dim), np.ones(2 * dim))
