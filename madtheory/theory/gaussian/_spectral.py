"""The expected singular values of Gaussian matrices, exactly."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, xlogy

__all__ = ["singular_values", "wishart_root_deficit"]

Array = NDArray[np.float64]


@lru_cache(maxsize=512)
def singular_values(rows: int, columns: float) -> tuple[Array, Array]:
    r"""Quadrature for the expected singular values of a Gaussian matrix.

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
    that term is the one that makes the mass right, is inferred here and checked by moments.
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
    """The exponential, 0 where it would underflow."""
    return np.where(values > -700, np.exp(np.maximum(values, -700)), 0)


def wishart_root_deficit(dim: int, dof: float) -> float:
    """One less the mean root of an eigenvalue of a real Wishart matrix over `dof`.

    Exact from `dof` of `dim` on and for integers; in between the mean trace is interpolated. A matrix of
    `dof` 0 vanishes.
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
