"""What is left after infinitely many generations of the replace loop."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from madtheory._validation import check_choice, check_size, checked
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._collapse import bias_threshold, gain_rates
from madtheory.theory.gaussian._steps import LogGammaSum, chain_sizes

__all__ = ["final_mean_law", "survival_limit"]


@checked
def final_mean_law(*, n: int, bias: float = 1.0, ddof: int | None = None) -> dict[str, Labelled]:
    r"""Law of the limit of the mean in one dimension, in units of the true standard deviation.

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
        "tail_index": labelled(index, "exact law", "Kesten 1973, equation solved here"),
        "variance": labelled(variance, "exact mean", "derived here (linear recursion)"),
        "scale": labelled(beta**-0.5, "leading order in 1/n", source),
        "degrees_of_freedom": labelled(2 * beta, "leading order in 1/n", source),
        "median_wasserstein2_squared": labelled(1 + quantile**2 / beta, "leading order in 1/n", source),
    }


@checked
def survival_limit(*, n_initial: int, growth: str = "power", rate: float = 2.0) -> Labelled:
    r"""Share of the variance that survives for ever, in the mean, when the samples grow fast enough.

    .. math:: \prod_{i\ge1}\Big(1-\frac1{n_i}\Big),\qquad
       n_i = n_1 i^r\ (r>1):\ \exp\Big(-\sum_{k\ge1}\frac{\zeta(kr)}{k\,n_1^k}\Big);\qquad
       n_i = n_1r^{i-1}:\ (1/n_1; 1/r)_\infty

    Quadratic growth gives sinc(1/sqrt(n_1)), what keeping all data gives with n_1 points a generation. Kind:
    exact mean, for divisor n (ddof 0), bias 1, and sizes that need no rounding.

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
    return labelled(np.exp(-loss), "exact mean", "derived here (products of 1 - 1/n)")
