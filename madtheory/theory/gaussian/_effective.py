"""How many real points a loop is worth, and how much synthetic data it bears."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq, minimize_scalar

from madtheory._validation import check_bias, check_ddof, check_size
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._mixing import Mix, checked_mix, require_mean
from madtheory.theory.gaussian._wasserstein import real_distance, stationary_distance

__all__ = [
    "admissible_n_synthetic",
    "effective_sample_size",
    "invert_real_fit",
    "optimal_n_synthetic",
    "phase_boundary",
]


@lru_cache(maxsize=64)
def _log_table(dim: int, ddof: int, known_mean: bool) -> tuple[CubicSpline, float, float]:
    """Log size of a real fit against minus its log distance, and the range of the latter."""
    top = 1e3 * max(dim, 10)
    sizes = np.concatenate([np.arange(2.0, 20.0), np.geomspace(20, top, int(16 * math.log10(top / 20)))])
    heights = [-math.log(real_distance(n, dim, ddof, known_mean)) for n in sizes]
    return CubicSpline(heights, np.log(sizes)), heights[0], heights[-1]


def _invert(distance: NDArray[np.float64], dim: int, ddof: int, known_mean: bool) -> NDArray[np.float64]:
    table, low, high = _log_table(dim, ddof, known_mean)
    with np.errstate(divide="ignore"):
        height = -np.log(distance)
    log_size = table(np.clip(height, low, high)) + np.maximum(height - high, 0)
    return np.where(height >= low, np.exp(log_size), np.nan)
