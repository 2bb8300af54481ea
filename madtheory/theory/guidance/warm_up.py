"""Neon on Gaussians: moments of an extrapolated variance, and the warm-up of the paper's Appendix B.1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_bias, check_ddof, check_numbers, check_size, show

PAPER = "Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Appendix B.1"
ALIGNMENT = "Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Theorem B.1; the family is ours"
VARIANCE = "derived here (moments of independent chi-squares)"


@check_arguments
def neon_variance_moments(
    *,
    weight: ArrayLike,
    n: int,
    n_auxiliary: int,
    auxiliary_bias: float = 1.0,
    ddof: int = 0,
    auxiliary_ddof: int = 1,
) -> dict[str, Labelled]:
    r"""Return moments of a variance extrapolated by Neon, in one dimension, for one generation.

    .. math:: v = (1 + w)v_r - w v_s,\qquad v_r = \frac{\chi^2_{n-1}}{n - c},\qquad
       v_s = \lambda v_r \frac{\chi^2_{n_s - 1}}{n_s - c_s}

    With :math:`a = (n - 1)/(n - c)`, :math:`b = \lambda(n_s - 1)/(n_s - c_s)`, in true variances,

    .. math:: E v = a(1 + w - wb),\qquad
       E v^2 = a^2\tfrac{n + 1}{n - 1}\big[(1 + w - wb)^2 + \tfrac{2 w^2 b^2}{n_s - 1}\big].

    Kind: exact mean; negative v, which are not variances, are included.

    Parameters
    ----------
    weight : array
        Weight w of the extrapolation.
    n, n_auxiliary : int
        Real points, and points that the auxiliary is trained on, 2 or more.
    auxiliary_bias : float
        Factor :math:`\lambda` of the variance of the auxiliary's samples.
    ddof, auxiliary_ddof : {0, 1}
        Numbers c and :math:`c_s`: divisors are n - c. By default maximum likelihood for the model, unbiased
        for the auxiliary.

    Returns
    -------
    dict of Labelled
        ``mean``, ``variance``, ``mean_squared_error`` (of the shape of `weight`); ``unbiased_weight`` and
        ``best_weight``, at which the mean is 1 and the mean squared error is smallest (infinite if none).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    For the default divisors the unbiased weight is :math:`1/((n - 1)(1 - \lambda))`. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> known = guidance.neon_variance_moments(weight=0.5, n=50, n_auxiliary=100, auxiliary_bias=0.8)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    mean 1.078
    variance 0.0507
    mean_squared_error 0.0567
    unbiased_weight 0.102
    best_weight -0.0741
    """
    w = check_numbers("weight", weight)
    n, n_auxiliary = check_size("n", n, 2), check_size("n_auxiliary", n_auxiliary, 2)
    a = (n - 1) / (n - check_ddof(ddof, False))
    b = check_bias(auxiliary_bias, "auxiliary_bias") * (n_auxiliary - 1)
    b /= n_auxiliary - check_ddof(auxiliary_ddof, False, "auxiliary_ddof")
    square, noise, gain = a * a * (n + 1) / (n - 1), 2 * b * b / (n_auxiliary - 1), 1 - b
    mean = a * (1 + w * gain)
    second = square * ((1 + w * gain) ** 2 + noise * w**2)
    curvature = square * (gain**2 + noise)
    best = -(square - a) * gain / curvature if curvature else np.inf
    values: dict[str, ArrayLike] = {
        "mean": mean,
        "variance": second - mean**2,
        "mean_squared_error": second - 2 * mean + 1,
        "unbiased_weight": (1 / a - 1) / gain if gain else (0.0 if a == 1 else np.inf),
        "best_weight": best,
    }
    return {key: label(value, "exact mean", VARIANCE) for key, value in values.items()}


@check_arguments
def neon_warm_up(*, n: int, covariance: ArrayLike, alpha: float = 1.0) -> dict[str, Labelled]:
    r"""Return the effect of the paper's warm-up, one gradient step of Neon.

    The step is away from samples of :math:`N(\hat\mu, \tau^2\hat\Sigma)`. Neon adds
    :math:`\alpha\hat\Sigma^{-1}`, :math:`\alpha = \tfrac12(1 - \tau^2)w\eta`, to the maximum likelihood
    covariance. The gradient of the loss has mean :math:`-\gamma\,\Sigma_*^{-1}` with

    .. math:: \gamma = \frac n{2(n-d-2)}\Big[\frac{(n+1)(n-2)}{(n-d-1)(n-d-4)} - 1\Big],\qquad
       \gamma_{printed} = \frac{n(d + 5)}{2(n - d - 2)(n - d - 4)}.

    The printed one replaces :math:`(n-2)/(n-d-1)` by 1, which holds in one dimension only. The paper then
    multiplies by :math:`E\hat\Sigma^{-1} = \frac n{n-d-2}\Sigma_*^{-1}`, as if the two were independent.
    They are not: the exact first-order change of the expected loss is -3.22 at n = 100, d = 10, where -1.126
    is printed. The sign, and therefore the paper's conclusion, is right.

    Parameters
    ----------
    n : int
        Real points, more than d + 6.
    covariance : array, shape (d, d), or variance
        True covariance :math:`\Sigma_*`, positive definite.
    alpha : float
        Step :math:`\alpha`, small.

    Returns
    -------
    dict of Labelled
        ``gamma`` and ``loss_change``, the exact mean of the first order in `alpha`, in nats; as printed,
        ``printed_gamma`` and ``printed_loss_change``, which are too small in size (bounds).

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    With :math:`A = \Sigma_*^{-1}` and W Wishart, n - 1 degrees of freedom and d dimensions,

    .. math:: E\langle\nabla L, \hat\Sigma^{-1}\rangle = \tfrac12 n^2 E\,\mathrm{tr}(A W^{-1} A W^{-1})
       - \tfrac12(1 + \tfrac1n) n^3 E\,\mathrm{tr}(W^{-2} A W^{-1} A),

    both of which are invariant, so combinations of :math:`\mathrm{tr}A^2` and :math:`(\mathrm{tr}A)^2`; their
    coefficients follow from A = 1 and from A of rank one, by the block inverse of W. Source: Alemohammad et
    al. 2025 (Neon, arXiv 2510.03597), Appendix B.1; exact product derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> known = guidance.neon_warm_up(n=50, covariance=[[1.0]])
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    gamma 0.0709
    loss_change -0.11
    printed_gamma 0.0709
    printed_loss_change -0.0754
    """
    sigma = np.atleast_2d(check_numbers("covariance", covariance))
    if sigma.ndim != 2 or sigma.shape[0] != sigma.shape[1] or np.linalg.eigvalsh(sigma)[0] <= 0:
        raise ValueError(f"covariance={show(covariance)} is not positive definite; pass shape (d, d).")
    dim = len(sigma)
    n = check_size("n", n, dim + 7)
    step = float(check_numbers("alpha", alpha))
    inverse = np.linalg.inv(sigma)
    with np.errstate(over="ignore", invalid="ignore"):
        squares, trace = float(np.trace(inverse @ inverse)), float(np.trace(inverse))
    if not (squares < 1e300 and trace**2 < 1e300):
        raise ValueError(
            f"covariance={show(covariance)} is so narrow that the square of its inverse leaves the range of "
            f"doubles; pass it in larger units."
        )
    scale = n / (n - dim - 2)
    gamma = 0.5 * scale * ((n + 1) * (n - 2) / ((n - dim - 1) * (n - dim - 4)) - 1)
    printed = 0.5 * scale * (dim + 5) / (n - dim - 4)
    second, third = _inverse_wishart_moments(n - 1, dim)
    slope = 0.5 * n**2 * (second @ (squares, trace**2)) - 0.5 * (n + 1) * n**2 * (third @ (squares, trace**2))
    return {
        "gamma": label(gamma, "exact mean", "derived here (inverse Wishart moments)"),
        "loss_change": label(step * slope, "exact mean", "derived here (inverse Wishart moments)"),
        "printed_gamma": label(printed, "bound", PAPER),
        "printed_loss_change": label(-step * printed * scale * squares, "bound", PAPER),
    }


def _inverse_wishart_moments(degrees: int, dim: int) -> tuple[Any, Any]:
    """Return the coefficients of (tr A^2, tr(A)^2) in E tr(A W^-1 A W^-1) and E tr(W^-2 A W^-1 A)."""
    k = degrees - dim  # of W in `dim` dimensions; its last block has one dimension less

    def second(k: int) -> tuple[float, float]:
        small = 1 / (k * (k - 1) * (k - 3))
        return (k - 2) * small, small

    large, small = second(k)
    # One dimension split off: W^-1 = [[1/s, -b'/s], [-b/s, W22^-1 + b b'/s]], b | W22 ~ N(0, W22^-1),
    # s ~ chi-square with k + 1 degrees of freedom, independent of both.
    q = dim - 1
    rest_large, rest_small = second(k + 1)
    rest_trace = q / k  # E tr W22^-1
    rest_square = q * (rest_large + rest_small + q * rest_small)  # E tr W22^-2
    rest_traces = rest_large * q**2 + 2 * rest_small * q  # E (tr W22^-1)^2
    power_2, power_3 = 1 / ((k - 1) * (k - 3)), 1 / ((k - 1) * (k - 3) * (k - 5))
    of_rank_one = power_3 * (1 + rest_trace)
    of_identity = dim * (
        power_3 * (1 + 2 * rest_trace + rest_traces + 2 * rest_square) + power_2 * rest_square
    )
    if dim == 1:
        return np.array([large + 2 * small, 0.0]), np.array([of_rank_one, 0.0])
    # a d + b d^2 = of_identity and a + b = of_rank_one.
    b = (of_identity - dim * of_rank_one) / (dim * (dim - 1))
    return np.array([large + small, small]), np.array([of_rank_one - b, b])


@check_arguments
def neon_alignment(*, variance: ArrayLike, temperature: ArrayLike) -> Labelled:
    r"""Return the alignment of real and synthetic gradients in ln sd of a zero-mean Gaussian.

    .. math:: s = \Big(1 - \frac1{\sigma_r^2}\Big)(1 - \tau^2),

    for a model of variance :math:`\sigma_r^2` in true variances and a sampler of variance
    :math:`\tau^2\sigma_r^2`. Neon lowers the loss, to first order, if and only if s < 0: if the model is too
    narrow and the sampler mode-seeking, or both are the reverse. A mode-seeking sampler alone, which is the
    condition of the paper's Theorem 2, is not enough: a model that is too wide gets worse, which is a
    counter-example. Kind: exact law.

    Parameters
    ----------
    variance : array
        Variance :math:`\sigma_r^2` of the model, positive.
    temperature : array
        Factor :math:`\tau` of the sampler's standard deviation.

    Returns
    -------
    Labelled array, the arguments' shape

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Theorem B.1, for the family above.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.neon_alignment(variance=1.0, temperature=0.5).round(4))
    0.0
    """
    v, tau = check_numbers("variance", variance), check_numbers("temperature", temperature)
    if not (v > 0).all() or not (tau >= 0).all():
        raise ValueError(f"variance={variance!r} and temperature={temperature!r} must be positive.")
    return label((1 - 1 / v) * (1 - tau**2), "exact law", ALIGNMENT)
