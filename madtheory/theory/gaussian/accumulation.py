"""Accumulated data: limits and growth exponents, and the large-sample constants of all workflows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.gaussian.replacement import Sizes, log_root_moment
from madtheory.theory.labels import Labelled, label
from madtheory.theory.moments import check_spectrum
from madtheory.validation import check_arguments, check_bias, check_ddof, check_size, size_at

_MANY = 10**5  # above this the difference of two log gamma functions is mostly rounding

Array = NDArray[np.floating]


def _sizes(n: Sizes, n_initial: int | None, generations: int) -> tuple[int, Array, Array]:
    """Return the first size, and the batch and the previous pool of each later generation."""
    first = check_size("n_initial", size_at("n", n, 1) if n_initial is None else n_initial)
    later = range(2, check_size("generations", generations) + 1)
    sizes = len(later) * [n] if isinstance(n, int) else [size_at("n", n, g) for g in later]
    batch = np.array(sizes, dtype=float)
    return first, batch, first + np.cumsum(batch) - batch


def logs_and_distance(moments: Mapping[str, Labelled], truth: float, **loop: Any) -> dict[str, Labelled]:
    """Log volume, divergence and distance of one-dimensional models fitted to all data so far."""
    log, root = mean_log_and_root(**loop)
    source = "derived here (quadrature of the Laplace transform of the factor of each generation)"
    with np.errstate(over="ignore", invalid="ignore"):
        second_moment = np.asarray(moments["total_variance"]) + np.asarray(moments["mean_error"])
        divergence = (second_moment / truth - 1 - log) / 2
        distance = np.where(np.isfinite(second_moment), second_moment + truth * (1 - 2 * root), np.inf)
        distance = np.maximum(distance, 0.0)  # for 10^16 points only rounding is left
    return {
        "log_volume": label(np.log(truth) + log, "numerical", source),
        "kl_divergence": label(divergence, "numerical", source),
        "wasserstein2_squared": label(distance, "numerical", source),
    }


def with_deviation(moments: Mapping[str, Labelled], second: dict[str, Labelled]) -> dict[str, Labelled]:
    """Add the squared norm of the covariance and the standard deviation of its trace."""
    squared = second["squared_trace"]
    with np.errstate(invalid="ignore", over="ignore"):
        variance = np.maximum(np.asarray(squared) - np.asarray(moments["total_variance"]) ** 2, 0.0)
    deviation = np.sqrt(np.where(np.isfinite(squared), variance, np.inf))
    return {
        **moments,
        "total_variance_std": label(deviation, squared.kind, squared.source),
        "squared_norm": second["squared_norm"],
    }


@check_arguments
def accumulate_second_moments(
    *,
    n: Sizes,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the mean squared norm and squared trace of the covariance fitted to all data so far.

    With :math:`N_g` points at generation :math:`g`, :math:`r = N_{g-1}/N_g`,
    :math:`\Sigma_g = \Sigma_{g-1}^{1/2} F_g \Sigma_{g-1}^{1/2}` and
    :math:`(N_g - c) F_g = (N_{g-1} - c) I + \lambda\,(W_{n-1} + r\, W_1)` with independent standard
    Wisharts, so that for :math:`p = E \operatorname{tr} \Sigma^2`, :math:`q = E (\operatorname{tr} \Sigma)^2`

    .. math::
        2p + q \mapsto (m^2 + 2\beta)(2p + q), \quad q - p \mapsto (m^2 - \beta)(q - p),

        m = \frac{N_{g-1} - c + \lambda (n - 1 + r)}{N_g - c}, \quad
        \beta = \lambda^2 \frac{n - 1 + r^2}{(N_g - c)^2}.

    Kind: exact mean. Parameters as in `accumulate`; the real data are Gaussian.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``squared_norm``, :math:`E \|\Sigma_g\|_F^2`, and ``squared_trace``,
        :math:`E (\operatorname{tr} \Sigma_g)^2`.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: derived here (Wishart moments).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.accumulate_second_moments(n=20, generations=3)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    squared_norm [1.1053 1.1051 1.105 ]
    squared_trace [1.1053 1.1051 1.105 ]
    """
    bias, ddof = check_bias(bias), check_ddof(ddof, known_mean)
    first, batch, before = _sizes(n, n_initial, generations)
    if first <= ddof:
        raise ValueError(
            f"n_initial={first} with ddof={ddof} divides by zero; use {ddof + 1} points or more."
        )
    last = 0.0 if known_mean else before / (before + batch)
    wishart, divisor = batch - (not known_mean), before + batch - ddof
    mean = (before - ddof + bias * (wishart + last)) / divisor
    beta = bias**2 * (wishart + last**2) / divisor**2
    values, nu = check_spectrum(dim, spectrum), first - (not known_mean)
    norm, trace = (values**2).sum(), values.sum() ** 2
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.array([nu * (nu + 2.0), nu * (nu - 1.0)]) / (first - ddof) ** 2
        growth = np.array([mean**2 + 2 * beta, mean**2 - beta])
        start = scale * [2 * norm + trace, trace - norm]
        symmetric, other = np.cumprod(np.column_stack([start, growth]), axis=1)
        squares = np.array([symmetric - other, symmetric + 2 * other]) / 3
    squares[:, ~np.isfinite(symmetric)] = np.inf
    source = "derived here (second moments of a product of Wishart mixtures)"
    return {
        "squared_norm": label(squares[0], "exact mean", source),
        "squared_trace": label(squares[1], "exact mean", source),
    }


def _log_and_root(constant: float, terms: list[tuple[float, float]]) -> tuple[float, float]:
    r"""Return mean log and mean root of ``constant + sum_j scale_j chi2(dof_j)``, independent terms.

    With the Laplace transform L of X / E X,
    :math:`E \ln X = \ln E X + \int_0^\infty (e^{-s} - L(s)) ds/s` and
    :math:`E \sqrt X = \sqrt{E X} (1 + \tfrac{1}{2\sqrt\pi} \int_0^\infty (e^{-s} - L(s)) ds / s^{3/2})`;
    in ln s the trapezoidal rule converges exponentially, here to rounding.
    """
    mean = constant + sum(scale * dof for scale, dof in terms)
    step = 1 / 8
    y = np.arange(-28.0, math.log(745.0 * mean / constant) + step, step)
    s = np.exp(y)
    exponent = s * (1 - constant / mean)
    for scale, dof in terms:
        exponent -= dof / 2 * np.log1p(2 * s * scale / mean)
    # exp(-s) - L(s), where L = exp(-s + exponent): expm1 keeps the small-s cancellation, exp the far end
    near = -np.exp(-s) * np.expm1(np.minimum(exponent, 700.0))
    gap = np.where(s < 1, near, np.exp(-s) - np.exp(exponent - s))
    root = 1 + step * (gap @ np.exp(-y / 2)) / (2 * math.sqrt(math.pi))
    return math.log(mean) + step * float(gap.sum()), math.sqrt(mean) * float(root)


def mean_log_and_root(
    *,
    n: Sizes,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    generations: int,
) -> tuple[Array, Array]:
    r"""Return the mean log variance and mean standard deviation of 1-D models fitted to all data so far.

    .. math::
        E \ln \sigma_g^2 = E \ln \sigma_1^2 + \sum_{i \le g} E \ln F_i, \quad
        E \sigma_g = E \sigma_1 \prod_{i \le g} E \sqrt{F_i},

    :math:`F_i` as in `accumulate_second_moments`, its means by quadrature of the Laplace transform.
    Kind: numerical. Parameters as in `accumulate`; units of the true standard deviation.

    Notes
    -----
    Source: derived here.
    """
    from scipy.special import digamma, gammaln

    bias, ddof = check_bias(bias), check_ddof(ddof, known_mean)
    first, batch, before = _sizes(n, n_initial, generations)
    nu = first - (not known_mean)
    if nu == 0:  # one point and ddof 0: the first variance is zero, and so are all the others
        return np.full(generations, -np.inf), np.zeros(generations)
    logs = [math.log(2 / (first - ddof)) + float(digamma(nu / 2))]
    if nu < _MANY:
        roots = [math.sqrt(2 / (first - ddof)) * math.exp(float(gammaln((nu + 1) / 2) - gammaln(nu / 2)))]
    else:
        roots = [math.sqrt(nu / (first - ddof)) * math.exp(float(log_root_moment(nu)))]
    divisor = before + batch - ddof
    constant, scales = (before - ddof) / divisor, [np.broadcast_to(bias / divisor, divisor.shape)]
    dofs = [batch - (not known_mean)]
    if not known_mean:
        scales, dofs = [*scales, bias * before / (before + batch) / divisor], [*dofs, np.ones_like(batch)]
    terms = np.stack([scales, dofs], -1).swapaxes(0, 1)  # (generation, term, scale or dof)
    factors = _log_and_root_of_narrow(constant, terms)
    for i in np.flatnonzero(~(_relative_variance(constant, terms) < _NARROW)):
        factors[:, i] = _log_and_root(constant[i], terms[i].tolist())
    with np.errstate(over="ignore"):
        return np.cumsum([*logs, *factors[0]]), np.cumprod([*roots, *factors[1]])


_NARROW = 1e-5  # relative variance up to which six moments give mean log and mean root to rounding


def _relative_variance(constant: Array, terms: Array) -> Array:
    scale, dof = terms[..., 0], terms[..., 1]
    return 2 * (scale**2 * dof).sum(-1) / (constant + (scale * dof).sum(-1)) ** 2


def _log_and_root_of_narrow(constant: Array, terms: Array) -> Array:
    r"""Return what `_log_and_root` returns, for many narrow laws at once, shape (2, generations).

    Taylor's series about the mean to the sixth order, from the cumulants
    :math:`\kappa_j = 2^{j - 1} (j - 1)! \sum_i s_i^j k_i` of :math:`\sum_i s_i \chi^2_{k_i}`.
    """
    scale, dof = terms[..., 0], terms[..., 1]
    mean = constant + (scale * dof).sum(-1)
    k2, k3, k4, k5, k6 = (
        2 ** (j - 1) * math.factorial(j - 1) * ((scale / mean[:, None]) ** j * dof).sum(-1)
        for j in range(2, 7)
    )
    central = [
        k2, k3, k4 + 3 * k2**2, k5 + 10 * k2 * k3, k6 + 15 * k2 * k4 + 10 * k3**2 + 15 * k2**3
    ]  # fmt: skip
    log = sum((-1) ** (j + 1) / j * moment for j, moment in enumerate(central, start=2))
    binomials = (-1 / 8, 1 / 16, -5 / 128, 7 / 256, -21 / 1024)
    root = 1 + sum(c * moment for c, moment in zip(binomials, central, strict=True))
    return np.array([np.log(mean) + log, np.sqrt(mean) * root])


def _log_product(roots: tuple[float, float], pole: float, start: float) -> float:
    """Return the log of the product of (x - A)(x - B) / (x (x - pole)) over x = start, start + 1, ...

    Here A + B = pole. It is a ratio of Gamma functions; the series of Hurwitz zetas keeps its digits at large
    `start`.
    """
    from scipy.special import zeta

    k = np.arange(2.0, 150.0)
    powers = (np.array(roots)[:, None] ** k).sum(axis=0) - pole**k
    return -float((powers / k * zeta(k, start)).sum())


@check_arguments
def accumulate_limit(
    *,
    n: int,
    n_initial: int | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Return final mean covariance trace and error when all data are kept and sampling is unbiased.

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
    With a known mean, no variance is lost after generation 1. For a bias other than 1 see
    `accumulate_exponent`. Source: derived here (Weierstrass products); that the limit is positive: Kazdan et
    al. 2024.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.accumulate_limit(n=20)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    total_variance 0.9677
    mean_error 0.0818
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
        "total_variance": label(trace * math.exp(log), "exact mean", source),
        "mean_error": label(trace * error, kind, source),
    }


@check_arguments
def accumulate_exponent(*, bias: float = 1.0) -> Labelled:
    r"""Return the power of the generation with which the covariance changes when all data are kept.

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

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.accumulate_exponent(bias=0.8).round(4))
    -0.2
    """
    source = "derived here (product of 1 - (1 - bias) / g + O(1 / g^2))"
    return label(check_bias(bias) - 1, "almost-sure rate", source)


@check_arguments
def subsample_limit(
    *,
    n: int,
    ddof: int | None = None,
    replacement: bool = False,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Return final mean covariance trace and error when fits see n random points of all data, unbiased.

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

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.subsample_limit(n=20, ddof=0)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    total_variance 0.8617
    mean_error 0.1383
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
        "total_variance": label(trace * np.exp(log), "exact mean", source),
        "mean_error": label(trace * error, "exact mean", source),
    }


@check_arguments
def subsample_growth_exponent(
    *, n: int, bias: float = 1.0, ddof: int | None = None, known_mean: bool = False
) -> Labelled:
    r"""Return the power of the generation with which the mean covariance grows in accumulate-subsample.

    .. math::
        E \Sigma_g \sim C\, g^{\eta}, \quad \eta = (n - 1) \Big(\frac{\lambda}{n - c} - \frac1n\Big), \qquad
        \text{known mean: } \eta = \frac{\lambda n}{n - c} - 1,

    with or without replacement: 1/n for the unbiased estimator, 0 for the divisor n. Kind: exact mean.

    Parameters
    ----------
    n, bias, ddof, known_mean
        Batch and subset size `n`; the others as in `first_moments`.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: derived here (coefficient of 1/g in the per-generation factor of the pool).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.subsample_growth_exponent(n=20, bias=0.9).round(4))
    -0.05
    """
    bias, c = check_bias(bias), check_ddof(ddof, known_mean)
    n = check_size("n", n, 1 + c)
    exponent = bias * n / (n - c) - 1 if known_mean else (n - 1) * (bias / (n - c) - 1 / n)
    return label(exponent, "exact mean", "derived here (coefficient of 1/g in the factor of generation g)")


@check_arguments
def sliding_window_slope(
    *, n: int, window: int = 1, dim: int = 1, spectrum: ArrayLike | None = None
) -> Labelled:
    r"""Return the growth of the mean error per generation when the last `window` batches are kept, unbiased.

    .. math:: \frac{4 \operatorname{tr} \Sigma_0}{n (k + 1)^2},

    because the error of each batch keeps a final weight of 2 / (k + 1). Kind: leading order in 1/n.

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

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.sliding_window_slope(n=20, window=3).round(4))
    0.0125
    """
    n, window, trace = check_size("n", n), check_size("window", window), check_spectrum(dim, spectrum).sum()
    slope = 4 * trace / (n * (window + 1) ** 2)
    return label(slope, "leading order in 1/n", "derived here (mean lag of a moving average)")


@check_arguments
def universal_constants(*, synthetic_ratio: float = np.inf, window: int = 1) -> dict[str, Labelled]:
    r"""Return the mean error of late models over that of one real fit, for large samples without bias.

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

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.universal_constants(synthetic_ratio=2.0)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    replace_per_generation 1.0
    sliding_window_per_generation 1.0
    accumulate 1.6449
    accumulate_subsample 2.9348
    accumulate_subsample_replacement 3.0399
    augment 1.4
    fresh 0.6
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
    return {name: label(value, "leading order in 1/n", source) for name, value in constants.items()}
