"""Admissible and optimal amounts of synthetic data in a loop with fresh real data."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq, minimize_scalar

from madtheory.theory.gaussian.second_moment_maps import Mix, check_mix, largest_bias, require_mean
from madtheory.theory.gaussian.wasserstein import DISTANCE_KIND, real_distance, stationary_distance
from madtheory.theory.labels import Labelled, label
from madtheory.validation import (
    LONGEST,
    check_arguments,
    check_bias,
    check_ddof,
    check_flag,
    check_numbers,
    check_size,
    show,
)

SOURCE = (
    "derived here; the effective sample size is that of Alemohammad et al. 2024 (arXiv 2307.01850), "
    "Eq. 4, with the squared Wasserstein-2 distance"
)


@lru_cache(maxsize=64)
def _log_table(dim: int, ddof: int, known_mean: bool) -> tuple[CubicSpline, float, float]:
    """Tabulate log size of a real fit against minus its log distance, with the range of the latter."""
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
    """Return the numbers of real points at these distances, with the estimator of `mix`."""
    return _invert(distance, mix.dim, mix.ddof, mix.known_mean)


def invert_real_fit(
    *, wasserstein2_squared: ArrayLike, dim: int = 1, ddof: int | None = None, known_mean: bool = False
) -> Labelled:
    r"""Return the number of real points whose Gaussian fit is this far from the truth on average.

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
        Whether the scatter is taken about the true mean, which is then not fitted.

    Returns
    -------
    Labelled of the shape of `wasserstein2_squared`
        Sizes, in general not integers; ``nan`` for distances above that of two points, without
        extrapolation, and for ``nan``; ``inf`` for 0.

    Raises
    ------
    ValueError
        For negative distances.

    Notes
    -----
    Source: Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 4.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.invert_real_fit(wasserstein2_squared=0.1).round(4))
    15.2989
    """
    distance = check_numbers("wasserstein2_squared", wasserstein2_squared, infinite=True, missing=True)
    known_mean = check_flag("known_mean", known_mean)
    if (distance < 0).any():
        raise ValueError("wasserstein2_squared holds negative values; pass squared distances.")
    return label(
        _invert(
            distance, check_size("dim", dim, maximum=LONGEST["dim"]), check_ddof(ddof, known_mean), known_mean
        ),
        "numerical",
        SOURCE,
    )


@check_arguments
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
    r"""Return the number of real points whose fit alone is as good as the stationary loop.

    .. math:: n_e:\quad E\,W_2^2\big(\text{fit of } n_e \text{ real points}\big)=
       E\,W_2^2\big(\text{stationary loop}\big)

    Kind: that of `loop_wasserstein2_squared`, which states the accuracy. Divide by `n_real` for the ratio.

    Parameters
    ----------
    n_real, n_synthetic, bias, ddof, known_mean, dim, real_data
        As in `stationary`.

    Returns
    -------
    scalar Labelled
        A number of points; ``nan`` when the loop is worse than two points, or its distance does not exist.

    Raises
    ------
    ValueError
        When the mean covariance has no limit.

    Notes
    -----
    Source: Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 4.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.effective_sample_size(n_real=100, n_synthetic=900, bias=0.8).round(4))
    9.4365
    """
    mix = check_mix(n_real, n_synthetic, bias, ddof, known_mean, dim, real_data)
    require_mean(mix)
    return label(invert(stationary_distance(mix), mix), DISTANCE_KIND, SOURCE)


def _log_loss(mix: Mix, n_synthetic: float) -> float:
    """Return the log distance of the fresh loop over that of its real points; infinite without a limit."""
    mix = mix._replace(n_synthetic=n_synthetic)
    if mix.bias >= largest_bias(mix):
        return math.inf
    distance = stationary_distance(mix)
    alone = real_distance(mix.n_real, mix.dim, mix.ddof, mix.known_mean)
    return math.inf if math.isnan(distance) else math.log(distance / alone)


@check_arguments
def admissible_n_synthetic(
    *, n_real: int, bias: float, dim: int = 1, ddof: int | None = None, known_mean: bool = False
) -> Labelled:
    r"""Return the largest number of synthetic points with which fresh data loops are not worse off.

    The root of :math:`n_e(n_s)=n_r`: with fewer synthetic points the stationary loop is better than
    a fit of its real points alone, with more it is worse.

    Kind: "numerical" for `dim` 1, else "leading order in 1/n" (within 1 % for 100 real points).

    Parameters
    ----------
    n_real : int
        New real points in every generation, at least 2.
    bias : float
        Factor of the covariance of synthetic points, dimensionless, at least 0.
    dim : int
        Dimension; the true covariance is the identity.
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Whether the scatter is taken about the true mean, which is then not fitted.

    Returns
    -------
    scalar Labelled
        A real number from root finding, to be rounded down; 0 if a single synthetic point makes the loop
        worse, and ``inf`` if no number of them does: without bias, or where the collapse to a point, at
        distance `dim`, is not worse than a fit of the real points.

    Raises
    ------
    ValueError
        For an argument outside its range.

    Notes
    -----
    Source: the threshold of Alemohammad et al. 2024 (arXiv 2307.01850), Figs. 11 and 12, who simulate it.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.admissible_n_synthetic(n_real=100, bias=0.8).round(4))
    92.4392
    """
    mix = check_mix(n_real, 1, bias, ddof, known_mean, dim, "fresh")
    check_size("n_real", n_real, 2)
    return label(_admissible(mix), DISTANCE_KIND, SOURCE)


def _admissible(mix: Mix) -> float:
    alone = real_distance(mix.n_real, mix.dim, mix.ddof, mix.known_mean)
    if mix.bias == 1 or (mix.bias < 1 and alone >= mix.dim):
        return math.inf
    # With very many real points the gain of a single synthetic one is below the numerical noise.
    low = next((n for n in np.geomspace(1.0, max(mix.n_real, 10.0), 13) if _log_loss(mix, n) <= 0), None)
    if low is None:
        return 0.0
    high = 2 * low
    while _log_loss(mix, high) <= 0:
        low, high = high, 2 * high
    while math.isinf(_log_loss(mix, high)):  # above bias 1: walk back to where the distance exists
        middle = math.sqrt(low * high)
        loss = _log_loss(mix, middle)
        if high / low < 1 + 1e-9:
            return low
        low, high = (middle, high) if loss <= 0 else (low, middle)
    root = brentq(lambda log_n: _log_loss(mix, math.exp(log_n)), math.log(low), math.log(high), xtol=1e-9)
    return math.exp(root)


@check_arguments
def optimal_n_synthetic(
    *, n_real: int, bias: float, dim: int = 1, ddof: int | None = None, known_mean: bool = False
) -> dict[str, Labelled]:
    r"""Return the number of synthetic points per generation that is best for a fresh data loop.

    .. math:: n_s^{\mathrm{opt}}=\arg\max_{n_s}n_e(n_s)

    Kind: "leading order in 1/n".

    Parameters
    ----------
    n_real, bias, dim, ddof, known_mean
        As in `admissible_n_synthetic`; `bias` other than 1.

    Returns
    -------
    dict of scalar Labelled
        ``n_synthetic``, a real number, and ``ratio``, the effective sample size there over `n_real`.

    Raises
    ------
    ValueError
        Without bias, where the effective sample size grows with every synthetic point.

    Notes
    -----
    Source: the peak of Alemohammad et al. 2024 (arXiv 2307.01850), Figs. 11 and 12, who simulate it.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.optimal_n_synthetic(n_real=100, bias=0.8, dim=10)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    n_synthetic 71.0109
    ratio 1.3646
    """
    mix = check_mix(n_real, 1, bias, ddof, known_mean, dim, "fresh")
    check_size("n_real", n_real, 2)
    if mix.bias == 1:
        raise ValueError("bias=1 has no best n_synthetic: every synthetic point helps; pass another bias.")
    low, high, loss = 0.0, 1.0, _log_loss(mix, 1.0)
    while (next_loss := _log_loss(mix, 2 * high)) < loss:
        low, high, loss = math.log(high), 2 * high, next_loss
    if math.isinf(loss):
        raise ValueError(
            f"bias={show(bias)} leaves no stationary distance with n_real={mix.n_real:g} and any "
            f"n_synthetic; pass a smaller bias or more real points."
        )
    peak = minimize_scalar(
        lambda log_n: min(_log_loss(mix, math.exp(log_n)), 1e3),
        bounds=(low, math.log(2 * high)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    best = math.exp(peak.x)
    size = invert(stationary_distance(mix._replace(n_synthetic=best)), mix)
    out = {"n_synthetic": best, "ratio": float(size) / mix.n_real}
    return {name: label(value, DISTANCE_KIND, SOURCE) for name, value in out.items()}


@check_arguments
def phase_boundary(
    *, n_real: float, bias: float, dim: int = 1, n_synthetic: float | None = None
) -> dict[str, Labelled]:
    r"""Return the effective sample size of fresh data loops for many real points and a bias near 1.

    With :math:`\rho=n_s/n_r` and :math:`\theta=(1-\lambda)\sqrt{n_r}`

    .. math:: \frac{n_e}{n_r}=\frac{d+5}{(d+5)\frac{1+\rho}{1+2\rho}+\rho^2\theta^2},\qquad
       \rho^\star=\frac{-1+\sqrt{1+8(d+5)/\theta^2}}4,\qquad
       \rho_{\mathrm{opt}}(1+2\rho_{\mathrm{opt}})^2=\frac{d+5}{2\theta^2}

    and, at fixed bias and :math:`n_r\to\infty`, the admissible number of synthetic points tends to
    :math:`[(d+1)(2-\lambda^2-\tfrac32(1-\lambda))+4(2-\lambda)]/(1-\lambda)^2`.

    Kind: leading order in 1/n: corrections are of order :math:`n_r^{-1/2}` at fixed :math:`\theta`.

    Parameters
    ----------
    n_real : float
        New real points in every generation, at least 2.
    bias : float
        Factor of the covariance of synthetic points, dimensionless; not 1.
    dim : int
        Dimension; the true covariance is the identity.
    n_synthetic : float, optional
        Number at which to evaluate the effective sample size; by default the optimum.

    Returns
    -------
    dict of scalar Labelled
        ``admissible_ratio`` and ``optimal_ratio``, both of synthetic to real points,
        ``effective_ratio`` of effective to real points, and ``admissible_limit``, a number of points.

    Raises
    ------
    ValueError
        Without bias, where no boundary exists.

    Notes
    -----
    Source: derived here, for the threshold of Alemohammad et al. 2024 (arXiv 2307.01850), Figs. 11, 12.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.phase_boundary(n_real=100.0, bias=0.8, dim=10)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    admissible_ratio 1.1419
    optimal_ratio 0.4841
    effective_ratio 1.2247
    admissible_limit 411.5
    """
    d, b = check_size("dim", dim), check_bias(bias)
    if b == 1 or not n_real >= 2:
        raise ValueError(
            f"n_real={n_real!r} and bias={bias!r} have no boundary; pass n_real >= 2 and a bias not 1."
        )
    theta2 = (1 - b) ** 2 * n_real
    admissible = (math.sqrt(1 + 8 * (d + 5) / theta2) - 1) / 4
    best = brentq(lambda rho: rho * (1 + 2 * rho) ** 2 - (d + 5) / (2 * theta2), 0.0, 1 + admissible)
    rho = best if n_synthetic is None else n_synthetic / n_real
    out = {
        "admissible_ratio": admissible,
        "optimal_ratio": best,
        "effective_ratio": (d + 5) / ((d + 5) * (1 + rho) / (1 + 2 * rho) + rho**2 * theta2),
        "admissible_limit": ((d + 1) * (2 - b**2 - 1.5 * (1 - b)) + 4 * (2 - b)) / (1 - b) ** 2,
    }
    source = "derived here (expansion of the exact second moments in 1/n)"
    return {name: label(value, "leading order in 1/n", source) for name, value in out.items()}
