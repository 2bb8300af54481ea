"""Curated loops of Gaussians that are refitted to infinitely many chosen points."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory.theory.curation.choice import check_choices
from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least
from madtheory.validation import check_arguments, check_ddof, check_numbers, check_size

SOURCE = "derived here, for the choices of Ferbach et al. 2024 (arXiv 2407.09499)"


@check_arguments
def tilted_gaussian(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    generations: int,
    slope: ArrayLike = 0.0,
    curvature: ArrayLike = 0.0,
    target: ArrayLike = 0.0,
) -> dict[str, Labelled]:
    r"""Return the Gaussian under infinitely many Luce choices by a linear and quadratic reward.

    .. math:: r(x) = \beta^Tx - \tfrac12(x-c)^TQ(x-c), \qquad
       \Sigma_t = \Sigma_0(I + tQ\Sigma_0)^{-1}, \quad
       \mu_t = \mu_0 + t\,\Sigma_t\big(Q(c - \mu_0) + \beta\big)

    which is :math:`p_t \propto p_0e^{tr}`: without Q there is no collapse, with it the variance falls like
    1/t. Kind: exact law.

    Parameters
    ----------
    mean : array, shape (d,)
        Mean of generation 1.
    covariance : array, shape (d, d)
        Covariance of generation 1; it may be singular.
    generations : int
        Length of the trajectory; entry 0 is generation 1.
    slope : array, shape (d,)
        Slope :math:`\beta` of the reward.
    curvature : array, shape (d, d), or number
        Curvature Q, positive semi-definite; a number stands for that multiple of the identity.
    target : array, shape (d,)
        Point c, the centre of the quadratic reward.

    Returns
    -------
    dict of Labelled
        ``mean`` (generations, d) and ``covariance`` (generations, d, d).

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.tilted_gaussian(
    ...     mean=[0.0], covariance=[[1.0]], slope=[1.0], generations=3
    ... )["mean"].round(4))
    [[0.]
     [1.]
     [2.]]
    """
    mu, sigma = (
        np.atleast_1d(check_numbers("mean", mean)),
        np.atleast_2d(check_numbers("covariance", covariance)),
    )
    if mu.ndim != 1 or not mu.size:
        raise ValueError(f"mean has shape {mu.shape}; pass one number per coordinate, shape (d,).")
    d = len(mu)
    q = check_numbers("curvature", curvature)
    q = q * np.eye(d) if q.ndim == 0 else np.atleast_2d(q)
    for name, matrix in (("covariance", sigma), ("curvature", q)):
        if matrix.shape != (d, d):
            raise ValueError(f"{name} has shape {matrix.shape}; a mean of length {d} needs ({d}, {d}).")
        values = np.linalg.eigvalsh(matrix)
        if not np.allclose(matrix, matrix.T) or values[0] < -1e-9 * max(values[-1], 1e-300):
            raise ValueError(
                f"{name} must be symmetric and positive semi-definite; its eigenvalues: {values}."
            )
    t = np.arange(check_size("generations", generations))[:, None, None]
    # (I + tΣQ) Σ_t = Σ
    after = np.linalg.solve(np.eye(d) + t * (sigma @ q), np.broadcast_to(sigma, (len(t), d, d)))
    after = (after + np.swapaxes(after, -1, -2)) / 2
    vectors = {"target": check_numbers("target", target), "slope": check_numbers("slope", slope)}
    for name, vector in vectors.items():
        if vector.shape not in ((), (1,), (d,)):
            raise ValueError(f"{name} has shape {vector.shape}; pass one number, or {d}.")
    force = q @ (vectors["target"] - mu) + vectors["slope"]
    moved = mu + t[:, 0] * (after @ np.broadcast_to(force, d))
    return {
        "mean": label(moved, "exact law", SOURCE),
        "covariance": label(after, "exact law", SOURCE),
    }


Array = NDArray[np.floating[Any]]


@check_arguments
def best_of_moments(*, choices: float) -> dict[str, Labelled]:
    r"""Return the mean e_K and variance v_K of the largest of K standard normals.

    :math:`e_2 = \pi^{-1/2}`, :math:`v_2 = 1 - 1/\pi`, :math:`e_3 = 3/(2\sqrt\pi)`. Kind: exact mean.

    Parameters
    ----------
    choices : float
        Number of candidates K, from 1 and finite; the largest has distribution function :math:`\Phi^K`.

    Returns
    -------
    dict of Labelled
        ``mean`` and ``variance``, accurate to 1e-12.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.best_of_moments(choices=4)["mean"].round(4))
    1.0294
    """
    mean, variance = _best_of(_finite(choices))
    return {
        "mean": label(mean, "exact mean", "order statistics of the normal"),
        "variance": label(variance, "exact mean", "order statistics of the normal"),
    }


@check_arguments
def closest_of_second_moment(*, choices: float) -> Labelled:
    r"""Return the second moment q_K of the one of K standard normals that is closest to 0.

    .. math:: q_K = \int_0^\infty \big(2\Phi(-\sqrt y)\big)^K\,dy, \qquad q_2 = 1 - \frac2\pi

    A loop that keeps the closest to its centre has variance :math:`\sigma^2 q_K^t`. Kind: exact mean.

    Parameters
    ----------
    choices : float
        Number of candidates K, from 1 and finite.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.closest_of_second_moment(choices=4).round(4))
    0.1207
    """
    k = _finite(choices)
    nodes, weights = _half_line()
    nodes, weights = nodes / k, weights / k
    values = (2 * weights * nodes * np.exp(k * (np.log(2.0) + special.log_ndtr(-nodes)))).sum()
    return label(values, "exact mean", SOURCE)


@check_arguments
def hard_refit(
    *,
    mean: float = 0.0,
    variance: float = 1.0,
    choices: float,
    generations: int,
    n: int | None = None,
    ddof: int = 1,
) -> dict[str, Labelled]:
    r"""Return the Gaussian refitted to the best of K candidates, for a reward that increases with x.

    .. math:: \sigma_t^2 = \sigma_0^2 v_K^t, \qquad
       \mu_t = \mu_0 + \sigma_0 e_K\,\frac{1 - v_K^{t/2}}{1 - v_K^{1/2}}

    and with n chosen points :math:`E\sigma_t^2 = \sigma_0^2 (v_K (n-1)/(n-c))^t`.
    Kind: exact law (a point) for infinitely many points; exact mean for n.

    Parameters
    ----------
    mean, variance : float
        Mean and variance of generation 1.
    choices : float
        Number of candidates K, from 1 and finite.
    generations : int
        Length of the trajectory; entry 0 is generation 1.
    n : int, optional
        Chosen points per generation, 2 or more; by default infinitely many.
    ddof : {0, 1}
        Number c: the divisor of the variance is n - c.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``variance``, and ``mean`` unless `n` is given (its expectation needs that of :math:`\sigma_t`).

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.hard_refit(choices=4, generations=3)["mean"].round(4))
    [0.     1.0294 1.7512]
    """
    start, spread, t = _start(mean, variance, generations)
    e, v = _best_of(_finite(choices))
    if n is not None:
        size = check_size("n", n, minimum=2)
        factor = v * (size - 1) / (size - check_ddof(ddof, False))
        return {"variance": label(spread * factor**t, "exact mean", SOURCE)}
    root = np.sqrt(v)
    steps = t if root == 1 else (1 - root**t) / (1 - root)
    return _moments(start + np.sqrt(spread) * e * steps, spread * v**t)


@check_arguments
def thurstone_refit(
    *,
    mean: float = 0.0,
    variance: float = 1.0,
    slope: float = 1.0,
    scale: float,
    choices: float,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the Gaussian refitted to the choice among K by a linear reward plus normal noise.

    .. math:: \rho^2 = \frac{\beta^2\sigma^2}{\beta^2\sigma^2 + \tau^2}, \qquad
       \mu' = \mu + \sigma\rho\,e_K, \qquad \sigma'^2 = \sigma^2\big(1 - \rho^2(1 - v_K)\big)

    Kind: exact law (it is a point).

    Parameters
    ----------
    mean, variance : float
        Mean and variance of generation 1.
    slope : float
        :math:`\beta` of the reward :math:`\beta x`.
    scale : float
        Standard deviation :math:`\tau` of the noise, 0 or more.
    choices : float
        Number of candidates K, from 1 and finite.
    generations : int
        Length of the trajectory; entry 0 is generation 1.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``mean`` and ``variance``.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.thurstone_refit(scale=1.0, choices=4, generations=3)["mean"].round(4))
    [0.     0.7279 1.3089]
    """
    tau, beta = float(at_least("scale", scale)), float(check_numbers("slope", slope))
    e, v = _best_of(_finite(choices))

    def step(mu: float, var: float) -> tuple[float, float]:
        signal = beta * np.sqrt(var)
        rho = signal / np.hypot(signal, tau) if signal else 0.0
        return mu + np.sqrt(var) * rho * e, var * (1 - rho**2 * (1 - v))

    return _iterate(step, mean, variance, generations)


@check_arguments
def luce_refit(
    *, mean: float = 0.0, variance: float = 1.0, slope: float = 1.0, generations: int
) -> dict[str, Labelled]:
    r"""Return the Gaussian refitted to Bradley and Terry's choice between two, for a linear reward.

    .. math:: \mu' = \mu + \Delta, \quad \sigma'^2 = \sigma^2 - \Delta^2, \qquad
       \Delta = \tfrac12 E\Big[D\tanh\frac{\beta D}2\Big], \quad D \sim N(0, 2\sigma^2)

    exactly, because a fair choice between two preserves the second moment about the old mean. Kind: exact law
    (a point).

    Parameters
    ----------
    mean, variance : float
        Mean and variance of generation 1.
    slope : float
        :math:`\beta` of the reward :math:`\beta x`.
    generations : int
        Length of the trajectory; entry 0 is generation 1.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``mean`` and ``variance``.

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.luce_refit(generations=3)["mean"].round(4))
    [0.     0.3632 0.6882]
    """
    beta = float(check_numbers("slope", slope))
    nodes, weights = _half_line()
    density = weights * np.exp(-0.5 * nodes**2) * np.sqrt(2 / np.pi)

    def step(mu: float, var: float) -> tuple[float, float]:
        sigma = np.sqrt(2 * var)
        delta = 0.5 * sigma * (density * nodes * np.tanh(beta * sigma * nodes / 2)).sum()
        return mu + delta, var - delta**2

    return _iterate(step, mean, variance, generations)


@check_arguments
def quadratic_luce_refit(*, variance: float = 1.0, curvature: float, generations: int) -> Labelled:
    r"""Return the variance of a centred Gaussian refitted to choices between two by a quadratic reward.

    The reward is :math:`-\kappa x^2/2`.

    .. math:: \sigma'^2 = \sigma^2 - \tfrac12 E\Big[U\tanh\frac{\kappa U}4\Big], \qquad
       U \sim \frac1{2\pi\sigma^2} K_0\Big(\frac{|u|}{2\sigma^2}\Big)

    Kind: exact law (it is a point).

    Parameters
    ----------
    variance : float
        Variance of generation 1.
    curvature : float
        Curvature :math:`\kappa \ge 0` of the reward.
    generations : int
        Length of the trajectory; entry 0 is generation 1.

    Returns
    -------
    Labelled array, shape (generations,)

    Examples
    --------
    >>> from madtheory.theory import curation
    >>> print(curation.quadratic_luce_refit(curvature=0.5, generations=4).round(4))
    [1.     0.7818 0.6423 0.5457]
    """
    kappa = float(at_least("curvature", curvature))
    nodes, weights = _half_line()
    density = weights * nodes * special.k0(nodes) * 2 / np.pi

    def step(mu: float, var: float) -> tuple[float, float]:
        return mu, var - var * (density * np.tanh(kappa * var * nodes / 2)).sum()

    return _iterate(step, 0.0, variance, generations)["variance"]


def _finite(choices: float) -> float:
    k = check_choices(choices)
    if k == np.inf:
        raise ValueError("choices=inf leaves only the best of all points, at infinity; pass a finite number.")
    return k


def _start(mean: float, variance: float, generations: int) -> tuple[float, float, Any]:
    t = np.arange(check_size("generations", generations))
    return float(check_numbers("mean", mean)), float(at_least("variance", variance)), t


def _moments(mean: ArrayLike, variance: ArrayLike) -> dict[str, Labelled]:
    return {
        "mean": label(mean, "exact law", SOURCE),
        "variance": label(variance, "exact law", SOURCE),
    }


def _iterate(
    step: Callable[[float, float], tuple[float, float]], mean: float, variance: float, generations: int
) -> dict[str, Labelled]:
    mu, var, t = _start(mean, variance, generations)
    path = [(mu, var)]
    for _ in t[1:]:
        path.append(step(*path[-1]))
    return _moments(*np.array(path).T)


@lru_cache(maxsize=128)
def _best_of(choices: float) -> tuple[float, float]:
    if choices == 1:
        return 0.0, 1.0
    step = 0.02
    x = np.arange(-40.0, 41.0 + np.sqrt(2 * np.log(choices)), step)
    weight = np.exp(-0.5 * x * x + (choices - 1) * special.log_ndtr(x))
    weight /= weight.sum()
    mean = float((weight * x).sum())
    return mean, float((weight * (x - mean) ** 2).sum())


@lru_cache(maxsize=1)
def _half_line() -> tuple[Array, Array]:
    """Return nodes and weights on (0, inf) by x = exp(pi/2 sinh u), for kinks at any scale."""
    u = np.arange(-4.5, 3.0, 0.01)
    x = np.exp(np.pi / 2 * np.sinh(u))
    keep = x < 1e3
    return x[keep], (0.01 * np.pi / 2 * np.cosh(u) * x)[keep]
