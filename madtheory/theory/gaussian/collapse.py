"""Rates, times and probabilities of collapse in the replace loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from madtheory.theory.gaussian.replacement import Array, LogGammaSum, Sizes, chain_sizes, direction_gains
from madtheory.theory.gaussian.variance_laws import variance_law
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_bias, check_choice, check_size

BARTLETT = "derived here (Bartlett's decomposition of a Wishart step)"
SIEGMUND = 0.5825971579390107  # mean overshoot of a normal walk, -zeta(1/2) / sqrt(2 pi)


def gain_rates(n: int, bias: float, ddof: int | None, known_mean: bool, dim: int = 1) -> tuple[float, Array]:
    """Log of the mean gain per generation, and the mean log gain of every direction."""
    check_size("n", n)
    _, degrees, divisors = chain_sizes(n, None, 1, ddof, known_mean)
    with np.errstate(divide="ignore"):
        log_bias = np.log(check_bias(bias))
        mean = np.log1p((degrees - divisors) / divisors)[0]
    return float(mean + log_bias), direction_gains(degrees, divisors, dim)[0][0] + log_bias


@check_arguments
def lyapunov_spectrum(
    *, n: int, dim: int, bias: float = 1.0, ddof: int | None = None, known_mean: bool = False
) -> Labelled:
    r"""Return the exponential rates, per generation, of the ordered eigenvalues of the covariance.

    .. math:: \tfrac1g\ln\lambda_j(\Sigma_g) \to \gamma_j =
       \ln\frac{2\lambda}{n-c} + \psi\Big(\frac{\nu-j+1}2\Big),\qquad \nu = n - 1

    Kind: almost-sure rate. The first is the rate of the total variance in any dimension; the condition number
    grows at the rate of the first minus the last.

    Parameters
    ----------
    n : int
        Points per generation.
    dim : int
        Dimension.
    bias : float
        Factor of the covariance of synthetic samples (dimensionless), >= 0.
    ddof : {0, 1}, optional
        The divisor is n - ddof; by default 1, or 0 when the mean is known.
    known_mean : bool
        Whether the scatter is taken about the true mean, so that :math:`\nu = n`.

    Returns
    -------
    Labelled array of shape (dim,)
        Rates in descending order; -inf for directions beyond the rank.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here (the covariance is a product of independent triangular Bartlett factors).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.lyapunov_spectrum(n=20, dim=3).round(4))
    [-0.0536 -0.1107 -0.1712]
    """
    rates = gain_rates(n, bias, ddof, known_mean, check_size("dim", dim))[1]
    return label(rates, "almost-sure rate", BARTLETT)


@check_arguments
def half_life(
    *,
    n: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    which: str = "typical",
) -> Labelled:
    r"""Return the number of generations in which the variance halves, typically or in the mean.

    .. math:: t_{1/2} = \frac{\ln2}{-\gamma_1}\ \text{(typical)},\qquad
       \frac{\ln2}{-\ln(\lambda\nu/(n-c))}\ \text{(mean)}

    Kind: almost-sure rate, or exact mean. Other parameters and errors: as for `lyapunov_spectrum`.

    Parameters
    ----------
    which : {"typical", "mean"}
        Which trajectory: unbiased, the mean never halves, while a typical trajectory does within about (n -
        1) ln 2.

    Returns
    -------
    Labelled scalar
        Generations; infinite where there is no decay.

    Notes
    -----
    Source: derived here (logarithmic and first moment of the chi-square).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.half_life(n=20).round(4))
    12.943
    """
    check_choice("which", which, ("typical", "mean"))
    mean, typical = gain_rates(n, bias, ddof, known_mean)
    rate = mean if which == "mean" else float(typical[0])
    kind = "exact mean" if which == "mean" else "almost-sure rate"
    return label(np.log(2) / -rate if rate < 0 else np.inf, kind, "derived here (chi-square factors)")


@check_arguments
def hitting_time(
    *,
    threshold: float,
    n: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    overshoot: bool = True,
) -> Labelled:
    r"""Return the mean generation at which the variance first falls to a fraction of the true one.

    .. math:: E\,T = \frac{\ln(1/\epsilon) - \ln\lambda + R}{-\gamma_1},\qquad
       R \approx 0.5826\,\sqrt{\psi'(\nu/2)}

    by Wald's identity, with the overshoot R of the logarithmic random walk. Generation 1 samples the truth
    and therefore has no bias. Kind: leading order in 1/n; without overshoot (R = 0) a lower bound. Other
    parameters and errors: as for `lyapunov_spectrum`.

    Parameters
    ----------
    threshold : float
        Fraction of the true variance (dimensionless), between 0 and 1.
    overshoot : bool
        Whether to add the mean overshoot of a normal walk.

    Returns
    -------
    Labelled scalar
        Generations, at least 1; infinite where the variance does not collapse.

    Notes
    -----
    Source: derived here (Wald's identity); overshoot: Siegmund 1985, Sequential Analysis, chapter X.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.hitting_time(threshold=0.1, n=20).round(4))
    46.62
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold!r} is not a fraction between 0 and 1; pass for example 0.01.")
    kind = "leading order in 1/n" if overshoot else "bound"
    rate = float(gain_rates(n, bias, ddof, known_mean)[1][0])
    if rate >= 0:
        time = np.inf
    elif not np.isfinite(rate):  # no variance at all from generation 2 on, or from generation 1
        time = 1.0
        if n > 1 or known_mean:
            time += float(variance_law(generation=1, n=n, ddof=ddof, known_mean=known_mean).sf(threshold))
    else:
        extra = SIEGMUND * np.sqrt(special.polygamma(1, (n - (not known_mean)) / 2)) if overshoot else 0.0
        time = max(1.0, (extra - np.log(threshold) - np.log(bias)) / -rate)
    return label(time, kind, "derived here (Wald's identity); overshoot Siegmund 1985, chapter X")


@check_arguments
def bias_threshold(
    *, n: int, ddof: int | None = None, known_mean: bool = False, preserve: str = "median"
) -> Labelled:
    r"""Return the bias at which the replace loop neither shrinks nor inflates the variance.

    .. math:: \lambda = \frac{n-c}\nu\ \text{(mean)},\qquad
       \frac{n-c}2e^{-\psi(\nu/2)}\ \text{(median)},\qquad
       \frac{n-c}2\Big[\frac{\Gamma(\nu/2)}{\Gamma(\nu/2+\frac12)}\Big]^2\ \text{(std)}

    Between the thresholds of mean and median the mean grows without limit while almost every trajectory
    collapses. Kind: exact mean ("mean", "std"), almost-sure rate ("median": the walk of the log-variance has
    no drift). No bias makes the loop stationary: the logarithm still spreads. Other parameters: as for
    `lyapunov_spectrum`.

    Parameters
    ----------
    preserve : {"median", "mean", "std"}
        What the bias preserves: the typical trajectory, the mean of the variance, or the mean of its square
        root.

    Returns
    -------
    Labelled scalar
        The bias (dimensionless).

    Raises
    ------
    ValueError
        If an argument is out of range, or the fit has no variance to preserve.

    Notes
    -----
    Source: derived here (moments of order 1, 0 and 1/2 of the chi-square).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.bias_threshold(n=20).round(4))
    1.055
    """
    check_choice("preserve", preserve, ("median", "mean", "std"))
    check_size("n", n, 1 if known_mean else 2)
    _, degrees, divisors = chain_sizes(n, None, 1, ddof, known_mean)
    typical, root = (x[0, 0] for x in direction_gains(degrees, divisors, 1))
    log_gain = {"mean": np.log(degrees / divisors)[0], "median": typical, "std": 2 * root}[preserve]
    kind = "almost-sure rate" if preserve == "median" else "exact mean"
    return label(np.exp(-log_gain), kind, "derived here (moments of the chi-square)")


@check_arguments
def tail_bound(
    *,
    threshold: ArrayLike,
    generation: int,
    n: Sizes,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    n_initial: int | None = None,
) -> Labelled:
    r"""Bound the probability that the variance still exceeds a multiple of the true one.

    .. math:: P(\sigma_g^2 > \epsilon\sigma_0^2) \le \min_{s\ge0}\epsilon^{-s}E(\sigma_g^2/\sigma_0^2)^s

    Kind: bound; `variance_law(...).sf` is the probability itself. It holds in every direction of a Gaussian
    in any dimension. Parameters and errors: as for `variance_law`.

    Parameters
    ----------
    threshold : array
        Positive multiples of the true variance (dimensionless).

    Returns
    -------
    Labelled array of the shape of `threshold`
        Bounds, at most 1.

    Notes
    -----
    Source: derived here (Chernoff). With s = 1/2: the rate exp(-g / 4n) of Suresh et al. 2025.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.tail_bound(threshold=0.1, generation=50, n=20).round(4))
    0.9874
    """
    threshold = np.asarray(threshold, dtype=float)
    if not np.all(threshold > 0):
        raise ValueError(f"threshold={threshold!r} has values that are not positive; pass for example 0.01.")
    source = "derived here (Chernoff bound, optimised)"
    if check_bias(bias) == 0 and check_size("generation", generation) > 1:
        return label(np.zeros(threshold.shape), "bound", source)
    law = variance_law(
        generation=generation, n=n, bias=bias, ddof=ddof, known_mean=known_mean, n_initial=n_initial
    )
    return label(law.chernoff(threshold), "bound", source)


@check_arguments
def final_mean_law(*, n: int, bias: float = 1.0, ddof: int | None = None) -> dict[str, Labelled]:
    r"""Return the law of the limit of the mean in one dimension, in units of the true standard deviation.

    .. math:: \mu_\infty - \mu_0 = \sqrt V Z,\quad P(V > x)\sim Cx^{-\kappa},\quad
       \Big(\frac{2\lambda}{n-c}\Big)^\kappa\frac{\Gamma(\nu/2+\kappa)}{\Gamma(\nu/2)} = 1;\qquad
       \mu_\infty - \mu_0\approx\frac{\sigma_0}{\sqrt\beta}\,t_{2\beta},\quad \beta = 2 - c + n(1-\lambda)

    with Z standard normal: V is a perpetuity (Kesten 1973), for large n an inverse Gamma variable (Dufresne
    1990). Kind: see each entry. Parameters: as for `half_life`.

    Returns
    -------
    dict of Labelled scalars
        ``tail_index``: the exact :math:`\kappa`; moments of :math:`|\mu_\infty-\mu_0|` exist below
        :math:`2\kappa` (1 for the unbiased loop at every n: no variance). ``variance``: exact mean of the
        square. ``scale`` and ``degrees_of_freedom`` of the Student law, and ``median_wasserstein2_squared``
        under it; leading order in 1/n for fixed :math:`n(1-\lambda)`.

    Raises
    ------
    ValueError
        If an argument is out of range, the mean has no limit as the variance does not collapse, or it has one
        and its Student approximation does not exist (:math:`\beta \le 0`).

    Notes
    -----
    Source: Kesten 1973, Dufresne 1990; the parameters derived here.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.final_mean_law(n=20)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    tail_index 1.0
    variance inf
    scale 1.0
    degrees_of_freedom 2.0
    median_wasserstein2_squared 1.6667
    """
    check_size("n", n, 2)
    log_mean, typical = gain_rates(n, bias, ddof, False)
    beta = 2 - (n - int(chain_sizes(n, None, 1, ddof, False)[2][0])) + n * (1 - bias)
    if typical[0] >= 0:
        limit = float(bias_threshold(n=n, ddof=ddof))
        raise ValueError(
            f"bias={bias!r} keeps the variance from collapsing (its logarithm moves by {typical[0]:.3g} a "
            f"generation), so the mean has no limit; pass a bias below {limit:.6g}."
        )
    if beta <= 0:
        raise ValueError(
            f"bias={bias!r} has no Student approximation of the limit: its degrees of freedom, "
            f"2 (2 - ddof + n (1 - bias)) = {2 * beta:.3g}, must be positive. The variance does collapse "
            f"(its logarithm moves by {typical[0]:.3g} a generation); pass a bias below "
            f"{bias + beta / n:.6g}, or simulate."
        )
    if bias > 0:
        chi = LogGammaSum(np.array([(n - 1) / 2]))

        # ln E A^s / s rises from the typical rate at 0; its zero is the index.
        def slope(s: float) -> float:
            return float(typical[0] + chi(np.array([s]), 0)[0] / s)

        top = 1.0
        while slope(top) <= 0:
            top *= 2
        index = optimize.brentq(slope, top * 1e-12, top, xtol=1e-14, rtol=1e-14)
    else:
        index = np.inf
    first = np.exp(gain_rates(n, 1.0, ddof, False)[0])
    variance = (1 + bias * first / -np.expm1(log_mean)) / n if log_mean < 0 else np.inf
    quantile = special.stdtrit(2 * beta, 0.75)
    source = "Dufresne 1990, parameters derived here"
    return {
        "tail_index": label(index, "exact law", "Kesten 1973, equation solved here"),
        "variance": label(variance, "exact mean", "derived here (linear recursion)"),
        "scale": label(beta**-0.5, "leading order in 1/n", source),
        "degrees_of_freedom": label(2 * beta, "leading order in 1/n", source),
        "median_wasserstein2_squared": label(1 + quantile**2 / beta, "leading order in 1/n", source),
    }


@check_arguments
def survival_limit(*, n_initial: int, growth: str = "power", rate: float = 2.0) -> Labelled:
    r"""Return the mean share of the variance that survives indefinitely when samples grow fast enough.

    .. math:: \prod_{i\ge1}\Big(1-\frac1{n_i}\Big),\qquad
       n_i = n_1 i^r\ (r>1):\ \exp\Big(-\sum_{k\ge1}\frac{\zeta(kr)}{k\,n_1^k}\Big);\qquad
       n_i = n_1r^{i-1}:\ (1/n_1; 1/r)_\infty

    Quadratic growth gives sinc(1/sqrt(n_1)), the same as keeping all data with n_1 points per generation.
    Kind: exact mean, for divisor n (ddof 0), bias 1, and sizes that need no rounding.

    Parameters
    ----------
    n_initial : int
        Points of generation 1.
    growth : {"power", "geometric"}
        Law of growth.
    rate : float
        Exponent or ratio r, above 1. At and below exponent 1 nothing survives.

    Returns
    -------
    Labelled scalar
        Limit of the mean total variance in units of the true one (dimensionless), in any dimension.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here; survival needs a finite sum of 1/n_i.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.survival_limit(n_initial=20).round(4))
    0.9198
    """
    check_choice("growth", growth, ("power", "geometric"))
    n_initial = check_size("n_initial", n_initial)
    if not rate > (1 if growth == "geometric" else 0):
        raise ValueError(f"rate={rate!r} is not growth; pass for example rate=2.0.")
    k = np.arange(1.0, 1.0 + np.ceil(40 / np.log(max(n_initial, 2))))
    if n_initial == 1 or (growth == "power" and rate <= 1):
        loss = np.inf
    elif growth == "power":
        loss = float(np.sum(special.zeta(k * rate) / (k * float(n_initial) ** k)))
    else:
        loss = float(np.sum(1 / (k * float(n_initial) ** k * -np.expm1(-k * np.log(rate)))))
    return label(np.exp(-loss), "exact mean", "derived here (products of 1 - 1/n)")
