"""Laws of single families in `replace`: extinction of Poisson, logs of gamma chains, tails of power laws."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from madtheory.theory.gaussian import Sizes, digamma_minus_log, sizes_of
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_number, check_numbers, check_size


@check_arguments
def poisson_extinction(
    *, n: Sizes, n_initial: int | None = None, rate: ArrayLike, generations: int
) -> Labelled:
    r"""Return the probability that a Poisson loop has died out, in `replace`.

    A Poisson sum of Poisson sums is a branching process, so that with one size the probability of a rate 0 is

    .. math:: P(m_g = 0) = q_g^{\,n m_0}, \quad q_{g+1} = e^{q_g - 1}, \quad q_0 = 0,

    and :math:`q_g \to e^{-2/g}`. Sizes may change with the generation. Kind: exact law.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    rate : float or array, shape (k,)
        True mean m_0 >= 0 of the counts (dimensionless).
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    Labelled, shape (generations,) or (generations, k)
        Probability that all points of the generation's training set are 0.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Source: Suresh, Thangaraj and Khandavally 2025 (arXiv 2412.17646), Theorem 2; their model k is our
    generation k + 1, and their :math:`g_k` is :math:`-\log q_{k+1}`. Changing sizes derived here.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> print(families.poisson_extinction(n=10, rate=0.2, generations=3).round(4))
    [0.1353 0.2825 0.3918]
    """
    rates = check_numbers("rate", rate)
    if rates.ndim > 1 or not (rates >= 0).all():
        raise ValueError(f"rate={rate!r} must be one number or a list of numbers, all of at least 0.")
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    if len(set(sizes[1:])) <= 1:
        # -log of the Laplace transform after the first generation, at infinity, one more step each time.
        steps = np.full(len(sizes), np.inf)
        for k in range(1, len(sizes)):
            steps[k] = -sizes[1] * np.expm1(-steps[k - 1] / sizes[1])
        left = -sizes[0] * np.expm1(-steps / sizes[0])
    else:
        left = np.full(len(sizes), np.inf)
        for k in range(len(sizes) - 1, -1, -1):
            left[k:] = -sizes[k] * np.expm1(-left[k:] / sizes[k])
    source = "Suresh, Thangaraj and Khandavally 2025 (arXiv 2412.17646), Theorem 2; sizes: derived here"
    return label(np.exp(-np.multiply.outer(left, rates)), "exact law", source)


@check_arguments
def gamma_logs(
    *, n: Sizes, n_initial: int | None = None, shape: float, mean_parameter: float, generations: int
) -> dict[str, Labelled]:
    r"""Return the mean and standard deviation of the log mean of a gamma loop, in `replace`.

    The mean of n points of shape k is its true value times :math:`\Gamma(nk)/(nk)`, independently in each
    generation:

    .. math::
        E \log m_g = \log m_0 + \sum_j [\psi(n_j k) - \log(n_j k)], \quad
        \mathrm{Var} \log m_g = \sum_j \psi'(n_j k).

    The mean itself does not move: the typical model shrinks while :math:`E\,m_g = m_0`. Shape 1/2 is the
    variance of a Gaussian with known mean, whose whole law is `madtheory.theory.gaussian.variance_law`; the
    scale of a Laplace law and the inverse tail index of a power law have shape 1. Kind: exact law.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    shape : float
        Shape k > 0 of the points.
    mean_parameter : float
        True mean m_0 > 0.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``log_mean_parameter`` and ``log_mean_parameter_std``.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> logs = families.gamma_logs(n=10, shape=1.0, mean_parameter=1.0, generations=3)
    >>> print(logs["log_mean_parameter"].round(4))
    [-0.0508 -0.1017 -0.1525]
    """
    k = check_number("shape", shape, 0, above=True)
    start = np.log(check_number("mean_parameter", mean_parameter, 0, above=True))
    degrees = k * np.array(sizes_of(n, n_initial, generations), dtype=float)
    source = "derived here: products of independent gamma means"
    with np.errstate(over="ignore"):
        mean = start + np.cumsum(digamma_minus_log(degrees))
        spread = np.sqrt(np.cumsum(special.polygamma(1, degrees)))
    return {
        "log_mean_parameter": label(mean, "exact law", source),
        "log_mean_parameter_std": label(spread, "exact law", source),
    }


@check_arguments
def gamma_rate(*, n: int, shape: float) -> Labelled:
    r"""Return the rate at which the mean of a gamma loop tends to 0 in `replace`, per generation.

    .. math:: \frac1g \log m_g \to \psi(nk) - \log(nk) \approx -\frac{1}{2nk}

    almost surely, although the expectation of the mean does not change. Kind: almost-sure rate.

    Parameters
    ----------
    n : int
        Sample size.
    shape : float
        Shape k > 0 of the points; 1 for exponential points, Laplace scales and power laws.

    Returns
    -------
    Labelled, 0-d
        Negative, per generation.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> print(families.gamma_rate(n=100, shape=1.0).round(6))
    -0.005008
    """
    degrees = check_size("n", n) * check_number("shape", shape, 0, above=True)
    return label(digamma_minus_log(degrees), "almost-sure rate", "derived here: law of large numbers")


@check_arguments
def pareto_tail_index(
    *, n: Sizes, n_initial: int | None = None, tail_index: float, generations: int
) -> dict[str, Labelled]:
    r"""Return the expected tail index of a power law refitted by Hill's estimator, in `replace`.

    .. math::
        \alpha_g = \alpha_{g-1} \frac{n_g}{\Gamma(n_g)}, \quad
        E\,\alpha_g = \alpha_0 \prod_k \frac{n_k}{n_k - 1}, \quad E\,\alpha_g^{-1} = \alpha_0^{-1}

    Tails become thinner: the median index grows as well, at the rate of `gamma_rate` with shape 1. Kind:
    exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g; the index fitted to one point has an infinite mean.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    tail_index : float
        True tail index :math:`\alpha_0 > 0` (dimensionless).
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``tail_index`` and, from sizes of 3 on, ``tail_index_std``.

    Raises
    ------
    ValueError
        For arguments out of range.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> found = families.pareto_tail_index(n=100, tail_index=2.0, generations=3)
    >>> print(found["tail_index"].round(4))
    [2.0202 2.0406 2.0612]
    """
    start = check_number("tail_index", tail_index, 0, above=True)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    source = "derived here: moments of the inverse gamma law"
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mean = np.cumsum(-np.log1p(-1 / sizes))
        found = {"tail_index": label(start * np.exp(mean), "exact mean", source)}
        if sizes.min() < 3:
            return found
        relative = np.expm1(np.cumsum(-np.log1p(-1 / sizes) - np.log1p(-2 / sizes)) - 2 * mean)
        spread = start * np.exp(mean) * np.sqrt(relative)
    if np.isfinite(spread).all():
        found["tail_index_std"] = label(spread, "exact mean", source)
    return found


@check_arguments
def endpoint_law(
    *, n: Sizes, n_initial: int | None = None, endpoint: float = 1.0, generations: int
) -> dict[str, Labelled]:
    r"""Return the fitted end of a uniform law on (0, end), whose fit is the largest point, in `replace`.

    .. math:: \theta_g = \theta_{g-1} U_g^{1/n_g}, \quad E\,\theta_g = \theta_0 \prod_k \frac{n_k}{n_k + 1},
              \quad E \log \theta_g = \log \theta_0 - \sum_k \frac1{n_k}

    with independent uniform :math:`U_g`. The family is not smooth, and its chain collapses at the rate 1/n of
    the smooth ones; but where all data are kept, no synthetic point exceeds the largest real one, and the
    fit never moves: :math:`\theta_g = \theta_1`. Kind: exact mean.

    Parameters
    ----------
    n : int, sequence or callable
        Sample size of generation g.
    n_initial : int, optional
        Real points of generation 1; `n` at generation 1 by default.
    endpoint : float
        True end :math:`\theta_0 > 0`.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``endpoint``, ``log_endpoint``, and their standard deviations, ``..._std``.

    Raises
    ------
    ValueError
        For arguments out of range.

    Notes
    -----
    Derived here, as a contrast to the theorems on accumulated data of Barzilai and Shamir 2025 (arXiv
    2505.19046), whose counter-examples are other families. The smallest point of a shifted exponential law
    behaves alike: its shift grows by an exponential variable of mean 1/n per generation, and stays where all
    data are kept.

    Examples
    --------
    >>> from madtheory.theory import families
    >>> print(families.endpoint_law(n=20, generations=3)["endpoint"].round(4))
    [0.9524 0.907  0.8638]
    """
    start = check_number("endpoint", endpoint, 0, above=True)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    mean = start * np.cumprod(sizes / (sizes + 1))
    square = np.cumsum(np.log1p(1 / (sizes * (sizes + 2))))  # E theta^2 over the square of the mean
    values = {
        "endpoint": mean,
        "endpoint_std": mean * np.sqrt(np.expm1(square)),
        "log_endpoint": np.log(start) - np.cumsum(1 / sizes),
        "log_endpoint_std": np.sqrt(np.cumsum(1 / sizes**2)),
    }
    source = "derived here: the largest of n uniform points"
    return {name: label(value, "exact mean", source) for name, value in values.items()}
