"""The model of all data so far, as a product of independent factors: moments, logs and square roots."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory._validation import check_bias, check_ddof, check_size, checked, size_at
from madtheory.theory._labels import Labelled, is_asked, labelled
from madtheory.theory.gaussian._first_moments import first_moments
from madtheory.theory.gaussian._steps import Sizes, check_spectrum, log_root_moment, sizes_of

__all__ = ["accumulate", "accumulate_second_moments", "mean_log_and_root", "with_deviation"]

_MANY = 10**5  # from here on the difference of two log gamma functions is mostly rounding

Array = NDArray[np.floating]


def _sizes(n: Sizes, n_initial: int | None, generations: int) -> tuple[int, Array, Array]:
    """The first size, and for each later generation the batch and the size of the pool before it."""
    first = check_size("n_initial", size_at("n", n, 1) if n_initial is None else n_initial)
    later = range(2, check_size("generations", generations) + 1)
    batch = np.array([size_at("n", n, g) for g in later], dtype=float)
    return first, batch, first + np.cumsum(batch) - batch


@checked
def accumulate(
    *,
    n: Sizes,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Expected trajectory when every fit sees the first real points and all synthetic batches so far.

    With :math:`N_g` points at generation :math:`g` and :math:`E\Sigma_g = v_g \Sigma_0`,

    .. math::
        v_g = v_{g-1} \frac{N_{g-1} - c + \lambda (n - 1 + N_{g-1}/N_g)}{N_g - c}, \quad
        E|\mu_g - \mu_0|^2 = \operatorname{tr} \Sigma_0
        \Big(\frac1{N_1} + \sum_{i \le g} \frac{\lambda n v_{i-1}}{N_i^2}\Big).

    Kind: exact mean; in one dimension the log volume, divergence and Wasserstein distance are numerical
    (a quadrature for each generation).

    Parameters
    ----------
    n : int, sequence or callable
        Batch size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    bias, ddof, known_mean, dim, spectrum, generations
        As in `first_moments`.
    variables : collection of str, optional
        Compute these only, beside the moments; all by default.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance``, ``mean_error``, ``total_variance_std``, ``squared_norm`` and, for ``dim=1``,
        ``log_volume``, ``kl_divergence``, ``wasserstein2_squared``.

    Raises
    ------
    ValueError
        For arguments out of range, or a divisor of 0.

    Notes
    -----
    The two first moments hold for any real law with covariance :math:`\Sigma_0`, the rest for Gaussian data.
    Any bias below 1 makes the covariance vanish, see `accumulate_exponent`.
    Source: derived here; the loop is that of Gerstgrasser et al. 2024 (arXiv 2404.01413).
    """
    sizes = sizes_of(n, n_initial, generations)
    size = sizes[0]
    shared: dict[str, Any] = {
        "bias": bias,
        "ddof": ddof,
        "known_mean": known_mean,
        "generations": generations,
    }
    truth = check_spectrum(dim, spectrum)
    moments = first_moments(
        n_initial=size, n_synthetic=sizes, real_data="fixed", retain="all", spectrum=truth, **shared
    )
    second = accumulate_second_moments(n=n, n_initial=size, spectrum=truth, **shared)
    moments = with_deviation(moments, second)
    if truth.size > 1 or not is_asked(variables, "log_volume", "kl_divergence", "wasserstein2_squared"):
        return moments
    log, root = mean_log_and_root(n=n, n_initial=size, **shared)
    source = "derived here (quadrature of the Laplace transform of the factor of each generation)"
    with np.errstate(over="ignore", invalid="ignore"):
        second_moment = np.asarray(moments["total_variance"]) + np.asarray(moments["mean_error"])
        divergence = (second_moment / truth[0] - 1 - log) / 2
        distance = np.where(np.isfinite(second_moment), second_moment + truth[0] * (1 - 2 * root), np.inf)
        distance = np.maximum(distance, 0.0)  # of 10^16 points nothing but rounding is left
    return {
        **moments,
        "log_volume": labelled(np.log(truth[0]) + log, "numerical", source),
        "kl_divergence": labelled(divergence, "numerical", source),
        "wasserstein2_squared": labelled(distance, "numerical", source),
    }


def with_deviation(moments: dict[str, Labelled], second: dict[str, Labelled]) -> dict[str, Labelled]:
    """Add the squared norm of the covariance and the standard deviation of its trace."""
    squared = second["squared_trace"]
    with np.errstate(invalid="ignore", over="ignore"):
        variance = np.maximum(np.asarray(squared) - np.asarray(moments["total_variance"]) ** 2, 0.0)
    deviation = np.sqrt(np.where(np.isfinite(squared), variance, np.inf))
    return {
        **moments,
        "total_variance_std": labelled(deviation, squared.kind, squared.source),
        "squared_norm": second["squared_norm"],
    }


@checked
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
    r"""Mean squared norm and squared trace of the covariance fitted to all data so far.

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
        "squared_norm": labelled(squares[0], "exact mean", source),
        "squared_trace": labelled(squares[1], "exact mean", source),
    }


def _log_and_root(constant: float, terms: list[tuple[float, float]]) -> tuple[float, float]:
    r"""Mean log and mean square root of ``constant + sum_j scale_j chi2(dof_j)``, independent terms.

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
    r"""Mean of the log variance and of the standard deviation of 1-D models fitted to all data so far.

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
    for size, pool in zip(batch, before, strict=True):
        divisor = pool + size - ddof
        terms = [(bias, size)] if known_mean else [(bias, size - 1), (bias * pool / (pool + size), 1.0)]
        log, root = _log_and_root((pool - ddof) / divisor, [(scale / divisor, dof) for scale, dof in terms])
        logs.append(log)
        roots.append(root)
    with np.errstate(over="ignore"):
        return np.cumsum(logs), np.cumprod(roots)
