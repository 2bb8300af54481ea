"""Gaussians of which less is fitted: with a known covariance, a diagonal or a spherical one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from madtheory.regimes import Regime
from madtheory.theory.gaussian.replacement import (
    digamma_minus_log,
    log_root_moment,
    sizes_of,
)
from madtheory.theory.gaussian.trajectories import trajectory
from madtheory.theory.labels import Labelled, Trajectory, label
from madtheory.theory.moments import (
    OTHERS,
    Truths,
    check_spectrum,
    first_moments,
    is_chain,
)
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_ddof,
    check_flag,
    check_number,
    check_numbers,
    check_size,
    show,
)

_CONSTANT = "derived here: the mean is a martingale, and the covariance a constant"
_SOURCE = "derived here: the trace of the covariance is kept by every shape"
_SUM = "derived here: coordinates of a diagonal fit are independent loops of one dimension"
_BALL = "derived here: the pooled variance of d coordinates is chi-squared with d(n - 1) degrees of freedom"


@check_arguments
def known_covariance_trajectory(
    regime: Regime,
    *,
    variance_ratio: float = 1.0,
    proportional: bool = True,
    bias: float = 1.0,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    correction: float = 0.0,
    truths: Truths | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory of a Gaussian of known covariance, of which the mean is fitted.

    The mean of a chain is a random walk, with
    :math:`E|\mu_g - \mu_0|^2 = \operatorname{tr}\Sigma_0 \sum_k r_k/n_k`, :math:`r_1 = 1` and
    :math:`r_{k>1} = \mathrm{bias} \cdot r`; other regimes by the recursion of first moments. Where the known
    covariance is r times the true one, so are all noises, and distances follow:

    .. math:: E\,W_2^2 = E|\mu_g - \mu_0|^2 + \operatorname{tr}\Sigma_0 (1 - \sqrt r)^2.

    Kind: exact mean.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    variance_ratio : float
        Ratio r > 0 of the traces of the known and the true covariance (dimensionless).
    proportional : bool
        Whether the known covariance is r times the true one.
    bias : float
        Factor of the covariance of synthetic samples (dimensionless), >= 0.
    dim, spectrum
        See `first_moments`.
    correction : float
        Strength of the correction of synthetic points (`madtheory.theory.correction`).
    truths : Truths, optional
        The real laws of all generations, where they change (`madtheory.theory.Truths`).
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``; if proportional, of one truth, also ``log_volume``,
        ``wasserstein2_squared``, ``kl_divergence`` and ``reverse_kl_divergence``.

    Raises
    ------
    ValueError
        For arguments out of range.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import gaussian
    >>> found = gaussian.known_covariance_trajectory(regimes.replace(n=20), dim=2, generations=3)
    >>> print(found["mean_error"])
    [0.1 0.2 0.3]
    """
    ratio = check_number("variance_ratio", variance_ratio, 0, above=True)
    values = check_spectrum(dim, spectrum)
    first: dict[str, Any] = first_moments(
        regime, source=_CONSTANT, natural=(ratio, 0.0), bias=bias, spectrum=values,
        correction=correction, truths=truths, generations=generations,
    )  # fmt: skip
    if not check_flag("proportional", proportional) or truths is not None:
        return first
    error, trace, d = np.asarray(first["mean_error"]), values.sum(), len(values)
    white = d * error / trace
    distances = {
        "log_volume": np.full(len(error), np.log(ratio * values).sum()),
        "wasserstein2_squared": error + trace * (1 - np.sqrt(ratio)) ** 2,
        "kl_divergence": (d * (ratio - 1 - np.log(ratio)) + white) / 2,
        "reverse_kl_divergence": (d * (1 / ratio - 1 + np.log(ratio)) + white / ratio) / 2,
    }
    return first | {name: label(value, "exact mean", _CONSTANT) for name, value in distances.items()}


@check_arguments
def diagonal_trajectory(
    regime: Regime,
    *,
    variances: ArrayLike,
    independent: bool = True,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    generations: int,
    variables: Collection[str] | None = None,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory of a Gaussian with a diagonal covariance.

    Each coordinate is a loop of its own in one dimension, independent of the others where those of the truth
    are: variances, distances, divergences and log volumes add up, and squares of standard deviations.

    Kind: as of the same variables in one dimension, see `trajectory`.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    variances : array, shape (d,)
        True variances of the coordinates.
    independent : bool
        Whether the true covariance is diagonal too. If not, first moments, log volumes and norms remain.
    bias, ddof, known_mean, generations, variables
        See `trajectory`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        The variables of `trajectory` in one dimension.

    Raises
    ------
    ValueError
        For arguments out of range.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import gaussian
    >>> found = gaussian.diagonal_trajectory(regimes.replace(n=20), variances=[4.0, 1.0], generations=3)
    >>> print(found["log_volume"].round(4))
    [1.2792 1.1721 1.065 ]
    """
    values = np.atleast_1d(check_numbers("variances", variances))
    if values.ndim != 1 or not values.size or not (values > 0).all():
        raise ValueError(f"variances={show(variances)} is not a list of positive numbers.")
    line = trajectory(
        regime, bias=bias, ddof=ddof, known_mean=known_mean, generations=generations, variables=variables
    )
    total, squares = values.sum(), (values**2).sum()
    scale = {
        name: total for name in ("total_variance", "mean_error", *OTHERS) if not name.endswith("_std")
    } | {
        "squared_norm": squares,
        "total_variance_std": np.sqrt(squares),
        "mean_error_std": np.sqrt(squares),
        "kl_divergence": len(values),
        "reverse_kl_divergence": len(values),
    }
    found = {
        name: label(factor * np.asarray(line[name]), line[name].kind, _SUM)
        for name, factor in scale.items()
        if name in line
    }
    if "log_volume" in line:
        volume = len(values) * np.asarray(line["log_volume"]) + np.log(values).sum()
        found["log_volume"] = label(volume, line["log_volume"].kind, _SUM)
    out = Trajectory(found, "coordinates have it in one dimension only", getattr(line, "omitted", ()))
    if check_flag("independent", independent):
        return out
    kept = ("total_variance", "mean_error", "log_volume", "squared_norm")
    return out.without([name for name in out if name not in kept], "the coordinates of real are dependent")


@check_arguments
def spherical_trajectory(
    regime: Regime,
    *,
    dim: int,
    variance: float = 1.0,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the expected trajectory of a Gaussian with covariance :math:`s^2 I`, of such a truth.

    All coordinates estimate one variance. In a chain, with :math:`\nu_k = d (n_k - 1)` degrees of freedom and
    the divisor n - c of a covariance,

    .. math:: s_g^2 = \sigma_0^2 \prod_k \frac{\lambda_k \chi^2_{\nu_k}}{d (n_k - c)}

    (:math:`d n_k` with a known mean): it collapses d times as slowly as one of `replace` in one dimension,
    :math:`E \log s_g^2 \approx -g/(dn)` for c = 1, and never to a plane. Kind: exact mean.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    dim : int
        Dimension d.
    variance : float
        True variance of each coordinate.
    bias, ddof, known_mean, generations
        See `trajectory`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``; in a chain also ``total_variance_std``, ``log_volume``,
        ``kl_divergence`` and ``wasserstein2_squared``.

    Raises
    ------
    ValueError
        For arguments out of range.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import gaussian
    >>> found = gaussian.spherical_trajectory(regimes.replace(n=20), dim=10, generations=3)
    >>> print((found["log_volume"] / 10).round(5))
    [-0.00527 -0.01054 -0.01582]
    """
    dim, sigma = check_size("dim", dim), check_number("variance", variance, 0, above=True)
    bias, generations = check_bias(bias), check_size("generations", generations)
    ddof = check_ddof(ddof, known_mean)
    first: dict[str, Any] = first_moments(
        regime, source=_SOURCE, bias=bias, ddof=ddof, known_mean=known_mean,
        spectrum=np.full(dim, sigma), generations=generations,
    )  # fmt: skip
    if not is_chain(regime):
        return first
    sizes = np.array(sizes_of(regime.n_synthetic, regime.n_initial, generations), dtype=float)
    degrees = dim * (sizes - (not known_mean))
    biases = np.where(np.arange(generations) == 0, 1.0, bias)
    gain = biases * degrees / (dim * (sizes - ddof))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        logs = np.cumsum(np.log(gain) + np.where(degrees > 0, digamma_minus_log(degrees / 2), 0.0))
        root = np.exp(np.cumsum(np.log(gain) / 2 + log_root_moment(degrees)))
        spread = np.cumprod(gain) * np.sqrt(np.expm1(np.cumsum(np.log1p(2 / degrees))))
    total, error = np.asarray(first["total_variance"]), np.asarray(first["mean_error"])
    unit = dim * sigma
    values = {
        "total_variance_std": unit * spread,
        "log_volume": dim * (np.log(sigma) + logs),
        "kl_divergence": ((total + error) / sigma - dim - dim * logs) / 2,
        "wasserstein2_squared": error + total + unit * (1 - 2 * root),
    }
    found = {name: label(value, "exact mean", _BALL) for name, value in values.items()}
    return Trajectory(first | found, "not known for a spherical covariance", ("reverse_kl_divergence",))
