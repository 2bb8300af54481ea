"""Accumulated data: limits and growth exponents, and the large-sample constants of all workflows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from madtheory._validation import check_bias, check_ddof, check_size, checked
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._steps import check_spectrum

__all__ = [
    "accumulate_exponent",
    "accumulate_limit",
    "sliding_window_slope",
    "subsample_growth_exponent",
    "subsample_limit",
    "universal_constants",
]


def _log_product(roots: tuple[float, float], pole: float, start: float) -> float:
    """Log of the product of (x - A)(x - B) / (x (x - pole)), x = start, start + 1, ..., where A + B = pole.

    It is a ratio of Gamma functions; the series of Hurwitz zetas keeps its digits at large `start`.
    """
    from scipy.special import zeta

    k = np.arange(2.0, 150.0)
    powers = (np.array(roots)[:, None] ** k).sum(axis=0) - pole**k
    return -float((powers / k * zeta(k, start)).sum())


@checked
def accumulate_limit(
    *,
    n: int,
    n_initial: int | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Final mean covariance trace and mean error when all data are kept and sampling is unbiased.

    In units of :math:`\operatorname{tr} \Sigma_0`, with :math:`\alpha = n_{\text{initial}} / n`,

    .. math::
        c = 0:\; \Big(1 - \tfrac1{\alpha n}\Big)
        \frac{\Gamma(1 + \alpha)^2}{\Gamma(1 + \alpha - n^{-1/2})\, \Gamma(1 + \alpha + n^{-1/2})}, \qquad
        c = 1:\; \frac{\Gamma(1 + \alpha)\, \Gamma(1 + \alpha - 1/n)}
        {\Gamma(1 + \alpha - A)\, \Gamma(1 + \alpha - B)},

    :math:`A, B = (1 \pm \sqrt{1 + 4n}) / 2n`; for :math:`c = 0, \alpha = 1` it is
    :math:`\operatorname{sinc}(n^{-1/2})`. The mean error is 1 minus that for :math:`c = 0` and a series for
    :math:`c = 1`; n times it tends to :math:`\pi^2/6` for :math:`\alpha = 1`. Kind: exact mean (numerical
    for the series).

    Parameters
    ----------
    n, n_initial : int
        Points of each batch, and real points of generation 1 (default n).
    ddof, known_mean, dim, spectrum
        As in `first_moments`.

    Returns
    -------
    dict of Labelled, 0-d
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    With a known mean nothing is lost after generation 1. For a bias other than 1 see `accumulate_exponent`.
    Source: derived here (Weierstrass products); that the limit is positive: Kazdan et al. 2024.
    """
    n, c = check_size("n", n), check_ddof(ddof, known_mean)
    first = check_size("n_initial", n if n_initial is None else n_initial, 1 + c)
    trace, start, kind = check_spectrum(dim, spectrum).sum(), 1 + first / n, "exact mean"
    if known_mean:
        log, error = math.log(first / (first - c)), 0.0
    elif c == 0:
        loss = math.log1p(-1 / first) if first > 1 else -math.inf
        log = loss + _log_product((n**-0.5, -(n**-0.5)), 0.0, start)
        error = -math.expm1(log)
    else:
        root = math.sqrt(1 + 4 * n)
        log = _log_product(((1 + root) / (2 * n), (1 - root) / (2 * n)), 1 / n, start)
        # the error grows by n v / N^2 per generation, v falls by n v / (N (N - 1)): sum the small difference
        total = first + n * np.arange(1, 10_001.0)
        before = np.cumprod(np.concatenate([[1.0], 1 - n / (total * (total - 1))]))[:-1]
        tail = math.exp(log) / (2 * (total[-1] + n / 2) ** 2)
        error = 1 / first - math.expm1(log) - float((n * before / (total**2 * (total - 1))).sum()) - tail
        kind = "numerical"
    source = "derived here (Weierstrass product of the per-generation factors, first real fit included)"
    return {
        "total_variance": labelled(trace * math.exp(log), "exact mean", source),
        "mean_error": labelled(trace * error, kind, source),
    }


@checked
def accumulate_exponent(*, bias: float = 1.0) -> Labelled:
    r"""Power of the generation with which the covariance changes when all data are kept.

    .. math:: \Sigma_g \sim C\, g^{-(1 - \lambda)},

    for the mean (any batch size, either divisor) and for almost every run: any bias below 1 makes
    accumulation collapse. Kind: almost-sure rate.

    Parameters
    ----------
    bias : float
        Factor of the covariance of synthetic samples, >= 0.

    Raises
    ------
    ValueError
        For a negative or infinite bias.

    Notes
    -----
    Source: derived here (Gamma-function form of the product of first-moment factors).
    """
    source = "derived here (product of 1 - (1 - bias) / g + O(1 / g^2))"
    return labelled(check_bias(bias) - 1, "almost-sure rate", source)


@checked
def subsample_limit(
    *,
    n: int,
    ddof: int | None = None,
    replacement: bool = False,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Final mean covariance trace and mean error when each fit sees n random points of all data, unbiased.

    In units of :math:`\operatorname{tr} \Sigma_0`, of the model (not of the pool), for divisor n (c = 0)

    .. math::
        \text{with replacement: } \frac{1 - 1/4n}{1 - a^2/4} \operatorname{sinc}(a), \quad
        a = \frac{\sqrt{2n - 1}}{n}, \qquad
        \text{without: } \Big(1 - \tfrac1n\Big) \frac{\Gamma(2 - 1/n)}{\Gamma(2 - A)\, \Gamma(2 - B)},
        \quad A, B = \frac{1 \pm \sqrt{12 n - 3}}{2n},

    and the mean error is 1 minus that. For c = 1 both grow without bound (`subsample_growth_exponent`).
    Kind: exact mean.

    Parameters
    ----------
    n : int
        Real points, batch size and subset size.
    ddof, replacement, known_mean, dim, spectrum
        As in `first_moments`.

    Returns
    -------
    dict of Labelled, 0-d
        ``total_variance`` and ``mean_error``; infinite for c = 1 (with a known mean, the error is 0).

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: derived here (finite-population sampling, Weierstrass products).
    """
    c = check_ddof(ddof, known_mean)
    n, trace = check_size("n", n, 1 + c), check_spectrum(dim, spectrum).sum()
    if c == 1 or known_mean or n == 1:
        log = math.inf if c == 1 else 0.0 if known_mean else -math.inf
    elif replacement:
        a = math.sqrt(2 * n - 1) / n
        log = 2 * math.log1p(-1 / n) + math.log1p(-1 / (4 * n)) + _log_product((a, -a), 0.0, 3.0)
    else:
        root = math.sqrt(12 * n - 3)
        log = math.log1p(-1 / n) + _log_product(((1 + root) / (2 * n), (1 - root) / (2 * n)), 1 / n, 2.0)
    error = 0.0 if known_mean else math.inf if c == 1 else -math.expm1(log)
    source = "derived here (Weierstrass product of the per-generation factors, first real fit included)"
    return {
        "total_variance": labelled(trace * np.exp(log), "exact mean", source),
        "mean_error": labelled(trace * error, "exact mean", source),
    }


@checked
def subsample_growth_exponent(
    *, n: int, bias: float = 1.0, ddof: int | None = None, known_mean: bool = False
) -> Labelled:
    r"""Power of the generation with which the mean covariance grows in accumulate-subsample.

    .. math::
        E \Sigma_g \sim C\, g^{\eta}, \quad \eta = (n - 1) \Big(\frac{\lambda}{n - c} - \frac1n\Big), \qquad
        \text{known mean: } \eta = \frac{\lambda n}{n - c} - 1,

    with or without replacement: 1/n for the unbiased estimator, 0 for the divisor n. Kind: exact mean.

    Parameters
    ----------
    n, bias, ddof, known_mean
        Batch and subset size; the others as in `first_moments`.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: derived here (coefficient of 1/g in the per-generation factor of the pool).
    """
    bias, c = check_bias(bias), check_ddof(ddof, known_mean)
    n = check_size("n", n, 1 + c)
    exponent = bias * n / (n - c) - 1 if known_mean else (n - 1) * (bias / (n - c) - 1 / n)
    return labelled(exponent, "exact mean", "derived here (coefficient of 1/g in the factor of generation g)")


@checked
def sliding_window_slope(
    *, n: int, window: int = 1, dim: int = 1, spectrum: ArrayLike | None = None
) -> Labelled:
    r"""Growth of the mean error per generation when the last `window` batches are kept, unbiased.

    .. math:: \frac{4 \operatorname{tr} \Sigma_0}{n (k + 1)^2},

    each batch's error being kept with final weight 2 / (k + 1). Kind: leading order in 1/n.

    Parameters
    ----------
    n, window : int
        Batch size, and number of batches kept.
    dim, spectrum
        As in `first_moments`.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: derived here (renewal argument).
    """
    n, window, trace = check_size("n", n), check_size("window", window), check_spectrum(dim, spectrum).sum()
    slope = 4 * trace / (n * (window + 1) ** 2)
    return labelled(slope, "leading order in 1/n", "derived here (mean lag of a moving average)")


@checked
def universal_constants(*, synthetic_ratio: float = np.inf, window: int = 1) -> dict[str, Labelled]:
    r"""Mean error of late models in units of that of one real fit, for large samples, no bias.

    Replace grows by 1 a generation and a sliding window of k batches by :math:`4/(k+1)^2`; accumulate tends
    to :math:`\pi^2/6`; accumulate-subsample to :math:`\pi^2/2 - 2` and, with replacement,
    :math:`\pi^2/3 - 1/4` (:math:`\pi^2/3` if generation 1 also saw a subset drawn with replacement); with
    `synthetic_ratio` :math:`\rho`, augment to :math:`(1 + 3\rho)/(1 + 2\rho)` and fresh to
    :math:`(1 + \rho)/(1 + 2\rho)`. Kind: leading order in 1/n. They hold for any estimator that averages
    independent contributions of the points.

    Parameters
    ----------
    synthetic_ratio : float
        Synthetic per real points in augment and fresh, >= 0, infinity allowed.
    window : int
        Number of batches that the sliding window keeps.

    Returns
    -------
    dict of Labelled, 0-d

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: accumulate: Dey and Donoho 2024 (arXiv 2410.22812); the others derived here.
    """
    ratio = float(synthetic_ratio)
    if not ratio >= 0:
        raise ValueError(f"synthetic_ratio={synthetic_ratio!r} is not a number >= 0; np.inf is allowed.")
    real = 1 / (1 + 2 * ratio)  # (1 + k rho) / (1 + 2 rho) = k / 2 + (1 - k / 2) / (1 + 2 rho)
    constants = {
        "replace_per_generation": 1.0,
        "sliding_window_per_generation": 4 / (check_size("window", window) + 1) ** 2,
        "accumulate": math.pi**2 / 6,
        "accumulate_subsample": math.pi**2 / 2 - 2,
        "accumulate_subsample_replacement": math.pi**2 / 3 - 0.25,
        "augment": 1.5 - 0.5 * real,
        "fresh": 0.5 + 0.5 * real,
    }
    source = "derived here (large-sample limits); accumulate: Dey and Donoho 2024 (arXiv 2410.22812)"
    return {name: labelled(value, "leading order in 1/n", source) for name, value in constants.items()}
