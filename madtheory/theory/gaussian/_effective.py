"""How many real points a loop is worth."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from madtheory._validation import LONGEST, check_ddof, check_flag, check_numbers, check_size, checked
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._mixing import Mix, checked_mix, require_mean
from madtheory.theory.gaussian._wasserstein import DISTANCE_KIND, real_distance, stationary_distance

__all__ = ["SOURCE", "effective_sample_size", "invert", "invert_real_fit"]

SOURCE = (
    "derived here; the effective sample size is that of Alemohammad et al. 2024 (arXiv 2307.01850), "
    "Eq. 4, with the squared Wasserstein-2 distance"
)


@lru_cache(maxsize=64)
def _log_table(dim: int, ddof: int, known_mean: bool) -> tuple[CubicSpline, float, float]:
    """Log size of a real fit against minus its log distance, and the range of the latter."""
    top, density = 1e4 * max(dim, 10), 48 if dim <= 256 else 12
    count = int(density * math.log10(top / 20))
    sizes = np.concatenate([np.arange(2.0, 20.0, 0.25), np.geomspace(20, top, count)])
    heights = [-math.log(real_distance(n, dim, ddof, known_mean)) for n in sizes]
    return CubicSpline(heights, np.log(sizes)), heights[0], heights[-1]


def _invert(distance: ArrayLike, dim: int, ddof: int, known_mean: bool) -> NDArray[np.float64]:
    table, low, high = _log_table(dim, ddof, known_mean)
    with np.errstate(divide="ignore"):
        height = -np.log(np.asarray(distance, dtype=float))
    log_size = table(np.clip(height, low, high)) + np.maximum(height - high, 0)
    return np.where(height >= low, np.exp(log_size), np.nan)


def invert(distance: ArrayLike, mix: Mix) -> NDArray[np.float64]:
    """Numbers of real points at these distances, with the estimator of `mix`."""
    return _invert(distance, mix.dim, mix.ddof, mix.known_mean)


def invert_real_fit(
    *, wasserstein2_squared: ArrayLike, dim: int = 1, ddof: int | None = None, known_mean: bool = False
) -> Labelled:
    r"""The number of real points whose Gaussian fit is this far from the truth on average.

    .. math:: n_e:\quad E\,W_2^2\big(\text{fit of } n_e \text{ real points}\big)=W_2^2

    Kind: numerical, to 1e-3 relative near ``dim + 1`` points and 1e-4 elsewhere, by interpolation of
    `real_fit_wasserstein2_squared`; beyond ten thousand points per dimension the distance is taken as
    inversely proportional to the size.

    Parameters
    ----------
    wasserstein2_squared : array_like
        Distances, at least 0, in units of the true variance.
    dim : int
        Dimension; the true covariance is the identity.
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Take the scatter about the true mean, which is then not fitted.

    Returns
    -------
    Labelled of the shape of `wasserstein2_squared`
        Sizes, not in general integers; ``nan`` for distances above that of two points, where nothing is
        extrapolated, and for ``nan``; ``inf`` for 0.

    Raises
    ------
    ValueError
        For negative distances.

    Notes
    -----
    Source: Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 4.
    """
    distance = check_numbers("wasserstein2_squared", wasserstein2_squared, infinite=True, missing=True)
    known_mean = check_flag("known_mean", known_mean)
    if (distance < 0).any():
        raise ValueError("wasserstein2_squared holds negative values; pass squared distances.")
    return labelled(
        _invert(
            distance, check_size("dim", dim, maximum=LONGEST["dim"]), check_ddof(ddof, known_mean), known_mean
        ),
        "numerical",
        SOURCE,
    )


@checked
def effective_sample_size(
    *,
    n_real: int,
    n_synthetic: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    real_data: str = "fresh",
) -> Labelled:
    r"""The number of real points that alone would give a fit as good as the stationary loop's.

    .. math:: n_e:\quad E\,W_2^2\big(\text{fit of } n_e \text{ real points}\big)=
       E\,W_2^2\big(\text{stationary loop}\big)

    Kind: that of `loop_wasserstein2_squared`; it tells the accuracy. Divide by `n_real` for the ratio.

    Parameters
    ----------
    n_real, n_synthetic, bias, ddof, known_mean, dim, real_data
        As in `stationary`.

    Returns
    -------
    scalar Labelled
        A number of points; ``nan`` when the loop is worth less than two, or its distance does not exist.

    Raises
    ------
    ValueError
        When the mean covariance has no limit.

    Notes
    -----
    Source: Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 4.
    """
    mix = checked_mix(n_real, n_synthetic, bias, ddof, known_mean, dim, real_data)
    require_mean(mix)
    return labelled(invert(stationary_distance(mix), mix), DISTANCE_KIND, SOURCE)
