"""Squared distances of Gaussian loops to data of any law, to second order in the noise of a fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from madtheory.types import Array

REGIMES = ("fresh", "augment", "accumulate", "replace")


def compute_loss(
    regime: str, n_real: int, n_synthetic: Any, bias: float, dim: float, tails: float, generations: int
) -> Array:
    r"""Return the squared distance of a loop over that of a fit to its real points alone.

    With mean error M, mean covariance :math:`s \Sigma_0` and its noise V, in units of the total variance,

    .. math:: W_2^2 = M + (1 - \sqrt s)^2 + s^{-3/2} V

    Real data have the noise of their own fourth moments, synthetic data that of a Gaussian. "fresh" and
    "augment" are stationary; "accumulate" and "replace" are those of generation `generations`.
    """
    n = np.asarray(n_synthetic, dtype=float)
    gaussian = (dim + 1) / 4
    real = tails * gaussian / n_real
    alone = 1 / n_real + real
    share = n_real / (n_real + n)
    rest = 1 - share
    made = np.divide(gaussian, n, out=np.zeros_like(n), where=n > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if regime in ("fresh", "augment"):
            scale = share / (1 - rest * bias)
            drawn = np.divide(rest**2 * bias * scale, n, out=np.zeros_like(n), where=n > 0) / (1 - rest**2)
            noise = rest**2 * bias**2 * scale**2 * made / (1 - rest**2 * bias**2)
            if regime == "fresh":
                mean = drawn + share**2 / n_real / (1 - rest**2)
                noise = noise + share**2 * real / (1 - rest**2 * bias**2)
            else:
                mean, noise = drawn + 1 / n_real, noise + scale**2 * real
            stable = rest * bias < 1
        else:
            scale, mean, noise = np.ones_like(n), 1 / n_real + 0 * n, real + 0 * n
            for t in range(1, generations):
                part = n / (n_real + t * n) if regime == "accumulate" else np.ones_like(n)
                kept = 1 - part * (1 - bias)
                mean = mean + part**2 * bias * scale / n
                noise = kept**2 * noise + part**2 * bias**2 * scale**2 * made
                scale = kept * scale
            stable = np.isfinite(scale)
        # A scale so small that the expansion fails is a collapse, at distance 1.
        spread = np.minimum(scale**-1.5 * noise, np.maximum(2 * np.sqrt(scale), noise))
        out: Array = np.where(stable, (mean + (1 - np.sqrt(scale)) ** 2 + spread) / alone, np.inf)
    return out


def find_limits(n_real: int, bias: float, dim: float, tails: float) -> tuple[float, float]:
    """Return the admissible and the best number of synthetic points with fresh real data."""
    if bias == 1:
        return np.inf, np.inf
    grid = np.geomspace(1e-2, 1e7, 4001)
    loss = np.log(compute_loss("fresh", n_real, grid, bias, dim, tails, 2))
    best = grid[loss.argmin()]
    worse = np.flatnonzero(loss > 0)
    if loss.min() >= 0:
        return 0.0, 0.0
    after = worse[worse > loss.argmin()]
    if not after.size:
        return np.inf, float(best)
    i = int(after[0])
    if not np.isfinite(loss[i]):
        return float(grid[i - 1]), float(best)
    place = loss[i - 1] / (loss[i - 1] - loss[i])
    return float(grid[i - 1] * (grid[i] / grid[i - 1]) ** place), float(best)
