r"""Diffusion models trained on one another's samples, with a perfect score and early stopping.

A sampler that stops at the time :math:`t` of :math:`dX = -X\,dt + \sqrt 2\,dW` gives the data with noise,
:math:`X_t = r X_0 + \sqrt{1 - r^2} Z`, :math:`r = e^{-t}`. With a share :math:`\alpha` of new real data in
each generation, :math:`p_{g+1} = OU_t(\alpha\,q + (1 - \alpha) p_g)` for the law q of the data, and
:math:`p_1 = OU_t(q)`. Where the convention is :math:`dX = -X/2\,dt + dW`, t is half of that time. The law of
the data is in units in which the noise has variance 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammaln

from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_ddof, check_number, check_numbers, check_size, show

Array = NDArray[np.floating]

__all__ = [
    "Components", "early_stopped_moments", "filter_factor", "limit_components", "limit_variance",
    "stationary_moments", "tail_index", "variance_trajectory",
]  # fmt: skip

_LIMIT = "Khelifa, Turner and Venkataramanan (2026), arXiv:2606.13796; the recursion is derived here"
_FINITE = "derived here: first moments of a Gaussian fitted to finitely many points, then noise of time t"


class Components(NamedTuple):
    """A mixture of Gaussians, each with the same variance along every axis.

    Attributes
    ----------
    weights : array, shape (K,)
        Probabilities of the components.
    means : array, shape (K, d)
        Their means.
    variances : array, shape (K,)
        Variance along each axis.
    """

    weights: Array
    means: Array
    variances: Array


def _check(fresh_share: float, time: float) -> tuple[float, float]:
    """Return the share of new real data, and r, the factor of the data after the time t."""
    share = check_number("fresh_share", fresh_share, 0, 1)
    return share, float(np.exp(-check_number("time", time, 0)))


@check_arguments
def variance_trajectory(*, variance: float, fresh_share: float, time: float, generations: int) -> Labelled:
    r"""Return the variance of the models of infinitely many points, generation by generation.

    .. math:: V_{g+1} = r^2 [\alpha s + (1 - \alpha) V_g] + 1 - r^2, \qquad V_1 = r^2 s + 1 - r^2

    For centred data of any law. Kind: exact law, of a perfect score and sampler.

    Parameters
    ----------
    variance : float
        Variance s of the data along an axis, in units of the noise.
    fresh_share : float
        Share of new real data, from 0 to 1.
    time : float
        Time t at which sampling stops, dimensionless.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations,)

    Examples
    --------
    >>> from madtheory.theory import diffusion
    >>> print(diffusion.variance_trajectory(variance=2.5, fresh_share=0.2, time=0.05, generations=3).round(4))
    [2.3573 2.2539 2.1791]
    """
    share, r = _check(fresh_share, time)
    s = check_number("variance", variance, 0)
    rate = (1 - share) * r**2
    limit = float(limit_variance(variance=s, fresh_share=share, time=time)) if rate < 1 else s
    first = r**2 * s + 1 - r**2
    powers = rate ** np.arange(check_size("generations", generations))
    return label(limit + (first - limit) * powers, "exact law", _LIMIT)


@check_arguments
def limit_variance(*, variance: float, fresh_share: float, time: float) -> Labelled:
    r"""Return the variance of the limit law.

    .. math:: V_\infty = \frac{\alpha r^2 s + 1 - r^2}{1 - (1 - \alpha) r^2}

    It is s without early stopping, and 1, that of the noise, without real data. Kind: exact law.

    Parameters
    ----------
    variance : float
        Variance s of the data along an axis, in units of the noise.
    fresh_share : float
        Share of new real data, from 0 to 1.
    time : float
        Time t at which sampling stops, dimensionless.

    Returns
    -------
    Labelled

    Raises
    ------
    ValueError
        If there are neither real data nor noise: nothing changes, and there is no limit of its own.

    Examples
    --------
    >>> from madtheory.theory import diffusion
    >>> round(float(diffusion.limit_variance(variance=2.5, fresh_share=0.2, time=0.05)), 4)
    1.9831
    """
    share, r = _check(fresh_share, time)
    s = check_number("variance", variance, 0)
    if (1 - share) * r**2 >= 1:
        raise ValueError("fresh_share=0 and time=0 leave every law as it is; pass one of them above 0.")
    return label((share * r**2 * s + 1 - r**2) / (1 - (1 - share) * r**2), "exact law", _LIMIT)


@check_arguments
def limit_components(
    *,
    weights: ArrayLike,
    means: ArrayLike,
    variances: ArrayLike,
    fresh_share: float,
    time: float,
    generations: int,
) -> Components:
    r"""Return the law of a generation for data that are a mixture of Gaussians.

    .. math:: p_g = \sum_{k=0}^{g-2} \alpha (1-\alpha)^k OU_{(k+1)t}\,q + (1-\alpha)^{g-1} OU_{gt}\,q

    The limit is the infinite sum; the last weight bounds the total variation distance to it. Kind: exact
    law, of a perfect score and sampler.

    Parameters
    ----------
    weights : array, shape (K,)
        Probabilities of the components of the data.
    means : array, shape (K, d)
        Means of the components.
    variances : array, shape (K,)
        Variance of each component along every axis.
    fresh_share : float
        Share of new real data, from 0 to 1.
    time : float
        Time t at which sampling stops, dimensionless.
    generations : int
        Generation g; 1 is the model trained on real data only.

    Returns
    -------
    Components
        Those of every summand, g K in all.

    Raises
    ------
    ValueError
        If the shapes differ, or weights are not probabilities.

    Examples
    --------
    >>> from madtheory.theory import diffusion
    >>> law = diffusion.limit_components(
    ...     weights=[0.5, 0.5], means=[[-1.0], [1.0]], variances=[0.1, 0.1], fresh_share=0.5, time=0.1,
    ...     generations=2,
    ... )
    >>> law.weights, law.means.ravel().round(3), law.variances.round(3)
    (array([0.25, 0.25, 0.25, 0.25]), array([-0.905,  0.905, -0.819,  0.819]), array([0.263, 0.263, 0.397, 0.397]))
    """  # noqa: E501
    share, r = _check(fresh_share, time)
    p, centres = check_numbers("weights", weights), check_numbers("means", means)
    s = check_numbers("variances", variances)
    if p.ndim != 1 or centres.ndim != 2 or len(centres) != len(p) or s.shape != p.shape:
        raise ValueError(
            f"weights, means and variances have the shapes {p.shape}, {centres.shape} and {s.shape}; pass "
            f"(K,), (K, d) and (K,)."
        )
    if (p < 0).any() or not np.isclose(p.sum(), 1) or (s < 0).any():
        raise ValueError(f"weights={show(weights)} are not probabilities, or a variance is negative.")
    k = np.arange(check_size("generations", generations))
    mass = np.where(k < k[-1], share, 1.0) * (1 - share) ** k
    factor = r ** (k + 1.0)
    return Components(
        (mass[:, None] * p).ravel(),
        (factor[:, None, None] * centres).reshape(-1, centres.shape[1]),
        (factor[:, None] ** 2 * s + 1 - factor[:, None] ** 2).ravel(),
    )


@check_arguments
def filter_factor(*, order: int, fresh_share: float, time: float) -> Labelled:
    r"""Return the factor of a Hermite coefficient of the data's density in the limit law.

    .. math:: \frac{\alpha r^k}{1 - (1 - \alpha) r^k}

    for the coefficient of order k relative to the standard normal law: a low-pass filter. The distance to
    the limit falls by :math:`(1 - \alpha) r^k` in a generation. Kind: exact law.

    Parameters
    ----------
    order : int
        Order k of the Hermite polynomial, from 0.
    fresh_share : float
        Share of new real data, above 0 and up to 1.
    time : float
        Time t at which sampling stops, dimensionless.

    Returns
    -------
    Labelled

    Examples
    --------
    >>> from madtheory.theory import diffusion
    >>> [round(float(diffusion.filter_factor(order=k, fresh_share=0.2, time=0.05)), 3) for k in (0, 2, 8)]
    [1.0, 0.655, 0.289]
    """
    check_number("fresh_share", fresh_share, 0, 1, above=True)
    share, r = _check(fresh_share, time)
    power = r ** check_size("order", order, 0)
    return label(share * power / (1 - (1 - share) * power), "exact law", _LIMIT)


@check_arguments
def early_stopped_moments(
    *,
    n_real: int,
    n_synthetic: int,
    time: float,
    generations: int,
    variance: float = 1.0,
    n_initial: int | None = None,
    ddof: int = 0,
) -> dict[str, Labelled]:
    r"""Return the first moments of a fresh data loop of Gaussians that are fitted, then sampled with noise.

    With :math:`N` points, the share w of synthetic ones, :math:`V = E \sigma^2`, :math:`D = E \mu^2` of the
    law that is sampled, s that of the data, whose mean is 0:

    .. math::

        \hat D &= w^2 D + [w V + (1 - w) s]/N, \\
        (N - c) \hat V &= n_r s + n_s (V + D) - N w^2 D - [(1 - w) s + w V], \\
        V' &= r^2 \hat V + 1 - r^2, \qquad D' = r^2 \hat D.

    Kind: exact mean, for data of any law. With ``ddof=0`` also for a diffusion that memorises, whose score
    is that of its training set. With ``ddof=1`` finite n inflates the variance; with 0 it lowers it in all
    cases tried (numerical, not proved).

    Parameters
    ----------
    n_real, n_synthetic : int
        New real and synthetic points of each generation; one of them may be 0.
    time : float
        Time t at which sampling stops, dimensionless.
    generations : int
        Number of generations, the real fit included.
    variance : float
        Variance s of the data, in units of the noise.
    n_initial : int, optional
        Real points of generation 1; by default N.
    ddof : int
        Divisor N - ddof of the fitted variance.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``variance`` and ``mean_error``, of the law that is sampled.

    Examples
    --------
    Without real data and with the unbiased divisor, early stopping keeps the variance of the noise:

    >>> from madtheory.theory import diffusion
    >>> found = diffusion.early_stopped_moments(n_real=0, n_synthetic=10, time=0.1, generations=40, ddof=1)
    >>> found["variance"][-1].round(6).item(), found["mean_error"][-1].round(3).item()
    (1.0, 0.452)
    """
    n_real, n_synthetic = check_size("n_real", n_real, 0), check_size("n_synthetic", n_synthetic, 0)
    total, r = n_real + n_synthetic, _check(0.0, time)[1]
    first = total if n_initial is None else check_size("n_initial", n_initial)
    ddof, s = check_ddof(ddof, False), check_number("variance", variance, 0)
    if min(total, first) <= ddof:
        raise ValueError(
            f"n_real={n_real}, n_synthetic={n_synthetic} and n_initial={first} leave no degree of freedom "
            f"with ddof={ddof}; pass more points."
        )
    w = n_synthetic / total
    state = np.array([(first - 1) / (first - ddof) * s, s / first])
    states = []
    for _ in range(check_size("generations", generations)):
        v, d = r**2 * state + [1 - r**2, 0]
        states.append((v, d))
        noise = w * v + (1 - w) * s
        scatter = n_real * s + n_synthetic * (v + d) - total * w**2 * d - noise
        state = np.array([scatter / (total - ddof), w**2 * d + noise / total])
    values, errors = np.array(states).T
    return {
        "variance": label(values, "exact mean", _FINITE),
        "mean_error": label(errors, "exact mean", _FINITE),
    }


@check_arguments
def stationary_moments(
    *, n_real: int, n_synthetic: int, time: float, variance: float = 1.0, ddof: int = 0
) -> dict[str, Labelled]:
    r"""Return the moments that `early_stopped_moments` converges to.

    .. math::

        V &= \frac{r^2 [(1 - w) s (N - 1) + N w (1 - w) D] + (1 - r^2)(N - c)}{N - c - r^2 w (N - 1)}, \\
        D &= \frac{r^2 [w V + (1 - w) s]}{N (1 - r^2 w^2)}.

    Without real data V is 1 for ``ddof=1``, and :math:`D = r^2/(N (1 - r^2))`: the loop does not collapse.
    Kind: exact mean.

    Parameters
    ----------
    n_real, n_synthetic : int
        New real and synthetic points of each generation.
    time : float
        Time t at which sampling stops, above 0, dimensionless.
    variance : float
        Variance s of the data, in units of the noise.
    ddof : int
        Divisor N - ddof of the fitted variance.

    Returns
    -------
    dict of Labelled
        ``variance`` and ``mean_error``.

    Examples
    --------
    >>> from madtheory.theory import diffusion
    >>> found = diffusion.stationary_moments(n_real=4, n_synthetic=16, time=0.05, variance=2.5, ddof=1)
    >>> round(float(found["variance"]), 5), round(float(found["mean_error"]), 5)
    (2.11299, 0.23544)
    """
    n_real, n_synthetic = check_size("n_real", n_real, 0), check_size("n_synthetic", n_synthetic, 0)
    r = _check(0.0, check_number("time", time, 0, above=True))[1]
    ddof, s, total = check_ddof(ddof, False), check_number("variance", variance, 0), n_real + n_synthetic
    if total <= ddof:
        raise ValueError(f"{total} points leave no degree of freedom with ddof={ddof}; pass more points.")
    w = n_synthetic / total
    free = total - ddof
    matrix = np.array(
        [
            [free - r**2 * w * (total - 1), -(r**2) * total * w * (1 - w)],
            [-(r**2) * w, total * (1 - r**2 * w**2)],
        ]
    )
    v, d = np.linalg.solve(matrix, [r**2 * (1 - w) * s * (total - 1) + (1 - r**2) * free, r**2 * (1 - w) * s])
    return {"variance": label(v, "exact mean", _FINITE), "mean_error": label(d, "exact mean", _FINITE)}


@check_arguments
def tail_index(*, n: int, time: float, ddof: int = 1) -> Labelled:
    r"""Return the index of the power law of the stationary variance of a loop without real data.

    The variance follows :math:`V' = r^2 V \chi^2_{n-1}/(n - c) + 1 - r^2`, a random recursion whose
    stationary law has a tail :math:`P(V > v) \sim v^{-\kappa}` (Kesten 1973), where
    :math:`E (r^2 \chi^2_{n-1}/(n - c))^\kappa = 1`:

    .. math:: \kappa \Big[\ln\frac{2}{n - c} - 2t\Big] + \ln\Gamma\Big(\frac{n-1}2 + \kappa\Big)
        - \ln\Gamma\Big(\frac{n-1}2\Big) = 0.

    About 1 + 2t(n - 1) for c = 1 and small t. Moments of order kappa and above are infinite. Kind: numerical
    root of an exact equation.

    Parameters
    ----------
    n : int
        Synthetic points of each generation, at least 2.
    time : float
        Time t at which sampling stops, above 0, dimensionless.
    ddof : int
        Divisor n - ddof of the fitted variance.

    Returns
    -------
    Labelled

    Examples
    --------
    >>> from madtheory.theory import diffusion
    >>> round(float(diffusion.tail_index(n=10, time=0.1)), 3)
    3.126
    """
    n, t = check_size("n", n, 2), check_number("time", time, 0, above=True)
    half, scale = (n - 1) / 2, np.log(2 / (n - check_ddof(ddof, False))) - 2 * t

    def excess(kappa: float) -> float:
        return float(kappa * scale + gammaln(half + kappa) - gammaln(half))

    high = 1.0
    while excess(high) <= 0:
        high *= 2
    low = high
    while excess(low) >= 0:  # convex, 0 at 0 and falling there
        low /= 2
    source = f"Kesten (1973), applied to {_FINITE}"
    return label(brentq(excess, low, high, xtol=1e-13, rtol=1e-13), "numerical", source)
