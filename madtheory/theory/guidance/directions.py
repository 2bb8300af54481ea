"""What guidance can remove: the error of a base against the drift of its auxiliary, in log variances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, special

from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_number,
    check_numbers,
    check_size,
)

Array = NDArray[np.floating[Any]]

SOURCE = "derived here (logarithms are linear under the guided flow); sampler of SIMS (arXiv 2408.16333)"
MEANS = "derived here; SIMS 2408.16333, Neon 2510.03597, autoguidance 2406.02507, DDO 2503.01103"


@check_arguments
def extrapolated_variance(*, good: ArrayLike, bad: ArrayLike, weight: ArrayLike, power: float) -> Labelled:
    r"""Return the variance of one Gaussian moved away from another: five published methods in one formula.

    .. math:: v^p = w\,v_g^p + (1 - w)\,v_b^p, \qquad v = v_g^w v_b^{1-w}\ (p = 0)

    ======================  ==========================  ======================  =====
    method                  good                        bad                     p
    ======================  ==========================  ======================  =====
    SIMS, w = 1 + guidance  base                        trained on its samples  0
    autoguidance            base                        a weaker model          0
    discriminator guidance  real data, as classified    base                    0
    Neon, on the variance   base                        trained on its samples  1
    DDO, w = 1 / beta       real data, as classified    base                    -1
    ======================  ==========================  ======================  =====

    All agree at w = 0 and w = 1. For w > 1 the arithmetic result (p = 1) is below the geometric one and that
    below the harmonic one, as v_g is the w-th part of a mean of the result and v_b. Kind: exact law.

    Parameters
    ----------
    good, bad : array
        Variances :math:`v_g, v_b`, positive.
    weight : array
        Weight w: 1 is the good model, 0 the bad one.
    power : float
        Exponent p.

    Returns
    -------
    Labelled array, the arguments' shape
        Variance; NaN where there is no such law, infinite where p < 0 and the precision is 0.

    Raises
    ------
    ValueError
        If a variance is not positive, or an argument is not finite.

    Notes
    -----
    Methods with the real data as the good model need them when they are applied; the others do not. Where the
    base is the fit to these data, discriminator guidance is SIMS. Source: derived here; for the flow see
    `sims_law`.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> for power in (1, 0, -1):
    ...     print(guidance.extrapolated_variance(good=0.8, bad=0.6, weight=2.0, power=power).round(4))
    1.0
    1.0667
    1.2
    """
    g, b = at_least("good", good, positive=True), at_least("bad", bad, positive=True)
    w, p = check_numbers("weight", weight), check_number("power", power)
    if p == 0:
        return label(np.exp(w * np.log(g) + (1 - w) * np.log(b)), "exact law", MEANS)
    mixed = w * g**p + (1 - w) * b**p
    with np.errstate(divide="ignore", invalid="ignore"):
        return label(np.where(mixed >= 0, np.abs(mixed) ** (1 / p), np.nan), "exact law", MEANS)


@check_arguments
def best_weight(*, good: ArrayLike, bad: ArrayLike, target: ArrayLike, power: float) -> Labelled:
    r"""Return the weight at which `extrapolated_variance` is the target variance.

    .. math:: w = \frac{v_\ast^p - v_b^p}{v_g^p - v_b^p}

    with logarithms for p = 0. Above 1 it is an extrapolation. Kind: exact law. Parameters and errors: as for
    `extrapolated_variance`; `target` is :math:`v_\ast`.

    Returns
    -------
    Labelled array, the arguments' shape
        Weight; NaN or infinite where the two models are equal.

    Notes
    -----
    Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.best_weight(good=0.8, bad=0.6, target=1.0, power=0).round(4))
    1.7757
    """
    p = check_number("power", power)
    values = [
        at_least(name, value, positive=True)
        for name, value in (("good", good), ("bad", bad), ("target", target))
    ]
    g, b, t = ((np.log(v) if p == 0 else v**p) for v in values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return label((t - b) / (g - b), "exact law", MEANS)


@check_arguments
def auxiliary_drift(*, variances: ArrayLike, shape: str = "diagonal", bias: ArrayLike = 1.0) -> Labelled:
    r"""Return how far an auxiliary is from a Gaussian base, in the log variance of each direction.

    .. math:: u_j = \ln\lambda_j \quad (\text{diagonal}), \qquad
       u_j = \ln\frac{\sum_k \lambda_k v_k}{d\,v_j} \quad (\text{spherical})

    for infinitely many samples of the base, whose sampler multiplies variances by :math:`\lambda`. A diagonal
    auxiliary has the architecture of the base; a spherical one is poorer. Kind: exact law.

    Parameters
    ----------
    variances : array, shape (d,)
        Variances of the base in its principal directions.
    shape : {"diagonal", "spherical"}
        Which Gaussians the auxiliary is chosen from.
    bias : float or array, shape (d,)
        Factor :math:`\lambda` of the variances of samples.

    Returns
    -------
    Labelled array, shape (d,)
        Drift u, for `best_guidance`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    *Must the auxiliary have the architecture of the base?* No, for Gaussians: what counts is whether its
    class contains the law of the base. If it does and the sampler is unbiased, the drift is zero, and
    guidance of any weight leaves the base as it is, a perfect one as well as a wrong one. If it does not, the
    drift is not zero for a perfect base, which guidance then spoils by :math:`\omega^2|u|^2`. Whether an
    imperfect base gains depends on the angle of u to its error alone: a base that was shrunk towards a sphere
    gains from a spherical auxiliary, and nothing from one of its own kind. Source: derived here, an answer to
    a question of Alemohammad et al. 2024 (arXiv 2408.16333), section 5.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> guidance.auxiliary_drift(variances=[4.0, 1.0], shape="spherical").round(3)
    array([-0.47 ,  0.916])
    """
    v = at_least("variances", variances, positive=True)
    factor = at_least("bias", bias, positive=True)
    check_choice("shape", shape, ("diagonal", "spherical"))
    if v.ndim != 1 or factor.shape not in ((), v.shape):
        raise ValueError(
            f"variances has shape {v.shape} and bias {factor.shape}; pass shape (d,) and a number or (d,)."
        )
    drawn = factor * v
    fitted = drawn if shape == "diagonal" else np.full(len(v), drawn.mean())
    return label(np.log(fitted / v), "exact law", SOURCE)


@check_arguments
def best_guidance(*, error: ArrayLike, drift: ArrayLike) -> dict[str, Labelled]:
    r"""Return the guidance that removes most of an error, and the loss that it leaves.

    With the error e of the log variances of a base and the drift u of its auxiliary, SIMS samples the log
    variances :math:`e - \omega u` of the truth, where covariances commute, so that

    .. math:: \min_\omega |e - \omega u|^2 = |e|^2 \sin^2\angle(e, u), \qquad
       \omega = \frac{\langle e, u\rangle}{|u|^2}.

    A positive guidance helps if and only if :math:`\langle e, u\rangle > 0`: the auxiliary repeats the error
    of the base. Kind: exact law.

    Parameters
    ----------
    error : array, shape (d,)
        Log of the base's variances over those of the truth.
    drift : array, shape (d,)
        Log of the auxiliary's variances over those of the base.

    Returns
    -------
    dict of Labelled scalars
        ``guidance`` (0 without a drift), ``loss`` and ``unguided_loss``, squared distances of log variances.

    Raises
    ------
    ValueError
        If the arguments are not finite or differ in shape.

    Notes
    -----
    *Proof.* `sims_law`: logarithms of commuting covariances are extrapolated linearly. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> for name, value in guidance.best_guidance(error=[-0.3, 0.1], drift=[-0.2, 0.0]).items():
    ...     print(name, value.round(3))
    guidance 1.5
    loss 0.01
    unguided_loss 0.1
    """
    e, u = _pair(error, drift)
    best = float(e @ u / (u @ u)) if u.any() else 0.0
    return _losses(e, u, best)


@check_arguments
def polluted_guidance(
    *, error: ArrayLike, drift: ArrayLike, share: float, guidance: float | None = None
) -> dict[str, Labelled]:
    r"""Return the loss of SIMS whose base was trained on real data with a share of its predecessor's samples.

    Each training on infinitely many points multiplies variances by :math:`e^{u}`, and the real data set at
    hand is off by :math:`e^{e}`, which no retraining repeats. Samples of the first model are off by e + u.
    With a share s of them among its training data the second base is off by

    .. math:: e + u + q, \qquad q = \ln(1 - s(1 - e^{u})), \qquad q = s u + O(u^2),

    and its auxiliary still drifts by u: to first order pollution with the share s is a guidance that is lower
    by s, and SIMS takes it back. Kind: exact law.

    Parameters
    ----------
    error : array, shape (d,)
        Log error e of the real data, which an auxiliary does not repeat.
    drift : array, shape (d,)
        Log factor u of each training and sampling, which it does.
    share : float
        Share s of synthetic data in the training set of the base, 0 to 1.
    guidance : float, optional
        Guidance :math:`\omega`; by default the best one for each share.

    Returns
    -------
    dict of Labelled scalars
        ``guidance``, ``loss`` and ``unguided_loss``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    *Why does a little pollution help?* Alemohammad et al. 2024 (arXiv 2408.16333, section 4.2) leave this
    open. For Gaussians: (a) Against a base without guidance SIMS wins for small shares, as it removes u, and
    pollution costs only what it adds across u, which is of second order. (b) At a fixed guidance that is too
    large, pollution helps, as it lowers it. (c) At the best guidance of each share, `pollution_slope` decides
    for given real data; on average over data whose error has mean zero the loss rises by :math:`|P q|^2`,
    with P the projection across u, so that pollution does not help. In one dimension it never does, also for
    finitely many points (`pollution_cost`). Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> for share in (0.0, 0.2):
    ...     print(guidance.polluted_guidance(
    ...         error=[0.0, 0.0], drift=[-0.4, -0.1], share=share, guidance=1.3
    ...     )["loss"].round(5))
    0.0153
    0.0028
    """
    e, u = _pair(error, drift)
    moved = e + u + np.log1p(check_number("share", share, 0, 1) * np.expm1(u))
    best = float(moved @ u / (u @ u)) if u.any() else 0.0
    return _losses(moved, u, best if guidance is None else check_number("guidance", guidance))


@check_arguments
def pollution_slope(*, error: ArrayLike, drift: ArrayLike) -> Labelled:
    r"""Return the derivative of the best loss of `polluted_guidance` in the share of synthetic data, at 0.

    .. math:: 2\,\langle Pe,\ e^{u} - 1 - u\rangle, \qquad P = I - \frac{uu^\top}{|u|^2}

    Pollution helps a given model if and only if this is negative, and is linear in the error e: what helps
    one data set hurts the one with the opposite error. In one dimension P = 0. Kind: exact law. Parameters
    and errors: as for `polluted_guidance`.

    Returns
    -------
    Labelled scalar

    Notes
    -----
    *Proof.* The best loss is :math:`|P(e + q)|^2`, as P u = 0, and :math:`q'(0) = e^u - 1`. Source: derived
    here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> for sign in (1, -1):
    ...     print(guidance.pollution_slope(error=[-0.2 * sign, 1.0 * sign], drift=[-1.0, -0.2]).round(4))
    -0.1097
    0.1097
    """
    e, u = _pair(error, drift)
    across = e - (e @ u / (u @ u)) * u if u.any() else np.zeros(len(e))
    return label(2 * across @ (np.expm1(u) - u), "exact law", SOURCE)


@check_arguments
def pollution_cost(*, n_real: int, n_synthetic: int, n_auxiliary: int, bias: float = 1.0) -> Labelled:
    r"""Return the expected loss of SIMS at its best guidance, if synthetic data pollute a finite real set.

    In one dimension, with the true mean known: a model is fitted to :math:`n_r` real points,
    :math:`n_s` of its samples (bias :math:`\lambda`) are added, a second base is fitted to all N, and its
    auxiliary to n_a samples of it. The loss is the expected square of the log variance of the guided law, at
    the fixed guidance that minimises it:

    .. math:: L = \psi'(\tfrac{n_r}2) + \mathrm{Var}\ln M + \frac{(\beta + E\ln M)^2\,\psi'(n_a/2)}
       {\eta^2 + \psi'(n_a/2)}, \qquad M = \frac{n_r + \lambda\chi^2_{n_s}}{N},

    with :math:`\beta = \psi(n_r/2) - \ln(n_r/2)` and :math:`\eta = \ln\lambda + \psi(n_a/2) - \ln(n_a/2)`.
    Kind: numerical (quadrature, to 1e-9).

    Parameters
    ----------
    n_real, n_synthetic, n_auxiliary : int
        Numbers of points; `n_synthetic` may be 0, no pollution.
    bias : float
        Factor :math:`\lambda` of the variance of samples.

    Returns
    -------
    Labelled scalar
        Loss in squared log variances.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    *Pollution never helps here*, for :math:`\lambda \le 1` and any numbers of points: M is independent of
    the first fit, so that its variance is added; :math:`\beta < 0`, and :math:`E \ln M \le \ln E M \le 0` by
    Jensen's inequality, so that the square grows. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> for n in (0, 10, 50):
    ...     print(guidance.pollution_cost(n_real=50, n_synthetic=n, n_auxiliary=1000, bias=0.9).round(5))
    0.04087
    0.04548
    0.05051
    """
    n, m = check_size("n_real", n_real), check_size("n_synthetic", n_synthetic, 0)
    aux, factor = check_size("n_auxiliary", n_auxiliary), check_bias(bias)
    if factor == 0:
        raise ValueError("bias=0 gives samples without spread, which have no logarithm; pass a positive one.")
    offset = float(special.digamma(n / 2) - np.log(n / 2))
    mean, variance = _log_moments(n, m, factor) if m else (0.0, 0.0)
    drift = float(np.log(factor) + special.digamma(aux / 2) - np.log(aux / 2))
    noise = float(special.polygamma(1, aux / 2))
    left = (offset + mean) ** 2 * noise / (drift**2 + noise)
    return label(float(special.polygamma(1, n / 2)) + variance + left, "numerical", SOURCE)


def _log_moments(n: int, m: int, factor: float) -> tuple[float, float]:
    """Return mean and variance of ln((n + factor * chi-square of m) / (n + m))."""
    middle = m / 2
    log_norm = special.gammaln(middle)
    # In y = ln(chi-square / m) the density is smooth, also for one degree of freedom.
    reach = 12 / np.sqrt(middle)
    low, high = -reach - 80 / m, np.log1p(reach + 80 / m)

    def density(y: float) -> float:
        return float(np.exp(middle * (y + np.log(middle)) - middle * np.exp(y) - log_norm))

    def value(y: float) -> float:
        return float(np.log((n + factor * m * np.exp(y)) / (n + m)))

    def expect(function: Any) -> float:
        total, _ = integrate.quad(
            lambda y: function(y) * density(y), low, high, points=[0.0], limit=400, epsabs=1e-14, epsrel=1e-12
        )
        return float(total)

    mean = expect(value)
    return mean, expect(lambda y: (value(y) - mean) ** 2)


def _pair(error: ArrayLike, drift: ArrayLike) -> tuple[Array, Array]:
    e, u = check_numbers("error", error), check_numbers("drift", drift)
    if e.ndim != 1 or e.shape != u.shape:
        raise ValueError(f"error has shape {e.shape} and drift {u.shape}; pass one shape (d,) for both.")
    return e, u


def _losses(error: Array, drift: Array, guidance: float) -> dict[str, Labelled]:
    left = error - guidance * drift
    values: dict[str, Any] = {"guidance": guidance, "loss": left @ left, "unguided_loss": error @ error}
    return {key: label(value, "exact law", SOURCE) for key, value in values.items()}
