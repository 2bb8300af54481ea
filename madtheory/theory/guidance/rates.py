"""Rates of the fully synthetic loop under guidance, and the guidance at which they vanish."""

from __future__ import annotations

import numpy as np
from scipy import optimize, special

from madtheory.theory.guidance.moments import Step, one_number
from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_choice

SCHEMES = ("sims", "neon", "clean_score")
SURE = 0.95  # least probability that the law exists at a critical guidance
SOURCE = "derived here (logarithms of chi-squares under the guided laws)"


@check_arguments
def rate(
    *,
    guidance: float,
    n: int,
    n_auxiliary: int | None = None,
    scheme: str = "sims",
    dim: int = 1,
    bias: float = 1.0,
    auxiliary_bias: float | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Return the almost-sure growth of the log volume per generation of the fully synthetic loop.

    .. math:: \gamma(w) = \sum_{j=1}^d \gamma_j(n) - w \sum_{j=1}^d \gamma_j(n_s),\qquad
       \gamma_j(n) = \ln\frac{2\lambda}{n - c} + \psi\Big(\frac{n - j}2\Big)

    for SIMS, in any dimension and whether or not the covariances commute (a known mean adds 1 to n - j).
    Guiding the clean score, and Neon on the covariance, are known in one dimension: there

    .. math:: \gamma(w) = \gamma_1(n) + \frac1p E\ln\big(1 + w - w Y^p\big),\qquad
       Y = \frac{v_s}{v_r} = \frac{\lambda_s}{n_s - c}\chi^2_{n_s - 1},

    with p = 1 for Neon and p = -1 for the clean score, given that the law exists (see `existence`); SIMS is
    the limit p = 0. To leading order in 1/n, for equal sizes and no bias, they are :math:`-(1 + w^2)/n`
    (Neon), :math:`-(1 - w)/n` (SIMS) and :math:`-(1 - 2w - w^2)/n` (clean score).

    Kind: almost-sure rate (SIMS); numerical (others: quadrature, 1e-9).

    Parameters
    ----------
    guidance : float
        Weight w: 0 is the loop without guidance, -1 the loop of self-trained models.
    n : int
        Number of points of each generation.
    n_auxiliary : int, optional
        Points that each auxiliary is trained on, drawn from the model itself. Default n.
    scheme : {"sims", "neon", "clean_score"}
        Law that is sampled: `sims_law`, `neon_law` or `clean_score_law`.
    dim : int
        Dimension; 1 unless the scheme is ``"sims"``.
    bias, auxiliary_bias : float
        Factors of the covariance of the samples of each generation, and of those of the auxiliary; by default
        both are equal.
    ddof : {0, 1}, optional
        The divisor of all fits is n - ddof; by default 1, or 0 when the mean is known.
    known_mean : bool
        Whether all fits take their scatter about the true mean.

    Returns
    -------
    Labelled scalar
        Growth of the natural log of the volume (in one dimension, of the variance) per generation.

    Raises
    ------
    ValueError
        If an argument is out of range, or the law exists with probability 0.

    Notes
    -----
    *Proof for SIMS.* :math:`\ln\det V_t = \ln\det V_r - w(\ln\det V_s - \ln\det V_r)` exactly
    (`sims_law`), and :math:`\det V_r/\det V_{t-1}` and :math:`\det V_s/\det V_r` are independent Wishart
    determinants of size n and :math:`n_s`: their logs are sums of logs of chi-squares (Bartlett). The strong
    law of large numbers gives the rate. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.rate(guidance=0.5, n=50).round(4))
    -0.0103
    """
    check_choice("scheme", scheme, SCHEMES)
    step = Step(
        n=n, n_auxiliary=n_auxiliary, dim=dim, bias=bias, auxiliary_bias=auxiliary_bias, ddof=ddof,
        known_mean=known_mean,
    )  # fmt: skip
    w = one_number("guidance", guidance)
    kind = "almost-sure rate" if scheme == "sims" else "numerical"
    return label(_rate(step, w, scheme), kind, SOURCE)


def _rate(step: Step, w: float, scheme: str) -> float:
    if scheme == "sims":
        return step.logs(False) - w * step.logs(True)
    if step.dim != 1:
        raise ValueError(f"dim={step.dim}: the rate of {scheme!r} is known for dim=1 only; use 'sims'.")
    low, high = _limits(w, scheme)
    power = 1 if scheme == "neon" else -1
    mean, chance = step.expectation(lambda y: np.log1p(-w * (y**power - 1)) / power, low, high)
    if not chance:
        raise ValueError(f"guidance={w:g} leaves {scheme!r} without any law; pass one nearer to 0.")
    return step.logs(False) + mean


def _limits(w: float, scheme: str) -> tuple[float, float]:
    """Return the ratios v_s / v_r for which the law exists."""
    if scheme == "sims" or w == 0 or -1 <= w < 0:
        return 0.0, np.inf
    edge = (1 + w) / w
    if scheme == "neon":
        return (0.0, edge) if w > 0 else (edge, np.inf)
    return (1 / edge, np.inf) if w > 0 else (0.0, 1 / edge)


@check_arguments
def existence(
    *,
    guidance: float,
    n_auxiliary: int,
    scheme: str = "neon",
    auxiliary_bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    """Return the probability that the law of a scheme exists in one dimension.

    It is 1 for SIMS, and for guidance from -1 to 0. A positive weight w needs v_s / v_r < (1 + w) / w for
    Neon, and > w / (1 + w) for the clean score. Kind: exact mean. Parameters and errors: as for `rate`.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.existence(guidance=2.0, n_auxiliary=50).round(4))
    0.9867
    """
    check_choice("scheme", scheme, SCHEMES)
    step = Step(
        n=n_auxiliary, n_auxiliary=None, dim=1, bias=1.0, auxiliary_bias=auxiliary_bias, ddof=ddof,
        known_mean=known_mean,
    )  # fmt: skip
    degrees, divisor, bias = step.scale(True)
    low, high = (limit * divisor / (2 * bias) for limit in _limits(one_number("guidance", guidance), scheme))
    chance = special.gammainc(degrees / 2, high) - special.gammainc(degrees / 2, low)
    return label(chance, "exact mean", "derived here (a chi-square)")


@check_arguments
def critical_guidance(
    *,
    n: int,
    n_auxiliary: int | None = None,
    scheme: str = "sims",
    dim: int = 1,
    bias: float = 1.0,
    auxiliary_bias: float | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Return the positive guidance at which the log volume of the fully synthetic loop has no drift.

    .. math:: w^* = \frac{\sum_j \gamma_j(n)}{\sum_j \gamma_j(n_s)}\quad\text{(SIMS)},

    which is 1 for equal sizes and biases, for every n, dimension, bias and divisor: the fit of the auxiliary
    loses on average as much as the fit to the synthetic set, and guidance restores it. Guiding the clean
    score needs less, :math:`\sqrt2 - 1` for large n. Neon on an unbiased covariance has no such weight: by
    Jensen's inequality :math:`E\ln(1 + w - wY) \le \ln E(1 + w - wY) = 0`, so that every weight makes the
    typical collapse faster; it works against a bias below 1, which has a mean to extrapolate. Weights at
    which the law exists with a probability below 0.95 are not considered: there the rate of those that exist
    rises by selection.

    Kind: almost-sure rate (SIMS), else numerical. Parameters: as for `rate`.

    Returns
    -------
    Labelled scalar
        The guidance; infinite if no positive one is enough.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    It removes the drift, not the noise: see `log_variance_growth`. In more than one dimension it preserves
    only the volume: the condition number grows as it does without guidance. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.critical_guidance(n=50).round(4))
    1.0
    """
    check_choice("scheme", scheme, SCHEMES)
    step = Step(
        n=n, n_auxiliary=n_auxiliary, dim=dim, bias=bias, auxiliary_bias=auxiliary_bias, ddof=ddof,
        known_mean=known_mean,
    )  # fmt: skip
    kind = "almost-sure rate" if scheme == "sims" else "numerical"
    if scheme == "sims":
        ours, theirs = step.logs(False), step.logs(True)
        quotient = ours / theirs if theirs else np.inf
        return label(quotient if quotient > 0 else np.inf, kind, SOURCE)
    before, signed = 0.0, np.sign(_rate(step, 0.0, scheme))
    grid = np.concatenate([np.linspace(0.02, 2, 100), np.geomspace(2.05, 50, 40)])
    for w in grid:
        if (
            float(
                existence(
                    scheme=scheme,
                    guidance=w,
                    n_auxiliary=step.n_auxiliary,
                    ddof=step.ddof,
                    auxiliary_bias=step.auxiliary_bias,
                    known_mean=step.known_mean,
                )
            )
            < SURE
        ):
            break
        if np.sign(_rate(step, w, scheme)) != signed:
            return label(optimize.brentq(lambda x: _rate(step, x, scheme), before, w), kind, SOURCE)
        before = w
    return label(np.inf, kind, SOURCE)


@check_arguments
def log_variance_growth(
    *,
    guidance: float,
    n: int,
    n_auxiliary: int | None = None,
    dim: int = 1,
    bias: float = 1.0,
    auxiliary_bias: float | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Return the variance that one generation of SIMS adds to the log volume.

    .. math:: \sum_j \psi'\Big(\frac{n - j}2\Big) + w^2 \sum_j \psi'\Big(\frac{n_s - j}2\Big)

    Kind: exact mean. At w = 1 and equal sizes it is twice that of the loop without guidance, and the log
    volume is a random walk without drift: the median stays, no law is stationary, every level is crossed.
    In one dimension the mean variance then grows, by (n - 1)/(n - 3) a generation (unbiased fits); an
    auxiliary on more points needs more guidance and costs more, :math:`w^{*2}\psi'(n_s/2) \approx 2 n_s/n^2`.
    Parameters and errors: as for `rate`.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.log_variance_growth(guidance=0.5, n=50).round(4))
    0.0521
    """
    step = Step(
        n=n, n_auxiliary=n_auxiliary, dim=dim, bias=bias, auxiliary_bias=auxiliary_bias, ddof=ddof,
        known_mean=known_mean,
    )  # fmt: skip
    added = step.spread(False) + one_number("guidance", guidance) ** 2 * step.spread(True)
    return label(added, "exact mean", SOURCE)
