"""Fixed points of Gaussian loops that mix real data with the last synthetic batch."""

from __future__ import annotations

import math

import numpy as np

from madtheory._validation import check_ddof, check_size, checked
from madtheory.theory._labels import Labelled, labelled
from madtheory.theory.gaussian._mixing import (
    affine_map,
    checked_mix,
    first_moments,
    require_mean,
    second_moments,
)
from madtheory.theory.gaussian._steps import log_root_moment
from madtheory.theory.gaussian._tails import fitted_mean_tail, known_mean_tail
from madtheory.theory.gaussian._wasserstein import DISTANCE_KIND, stationary_distance

__all__ = ["diffusion_limit", "stationary", "tail_index"]

_MANY = 10**5  # from here on the difference of two log gamma functions is mostly rounding

_SOURCE = (
    "derived here (fixed point of the affine recursion of moments); the loop, and the existence of a "
    "limit that forgets generation 1, are those of Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 3"
)


@checked
def stationary(
    *,
    n_real: int,
    n_synthetic: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    real_data: str = "fresh",
) -> dict[str, Labelled]:
    r"""The state that a loop with real data in every generation settles in, whatever it started from.

    With :math:`N=n_r+n_s`, divisor :math:`N-c` and :math:`k=1-1/(n_r+2n_s)`, per dimension

    .. math:: E\Sigma_\infty=\frac{n_rk}{N-c-\lambda n_sk}, \qquad
       E|\mu_\infty-\mu_0|^2=\frac{n_r+\lambda n_s\,E\Sigma_\infty}{n_r(n_r+2n_s)}

    for fresh real data. For a fixed real set :math:`E\Sigma_\infty=(n_r-1)v` with
    :math:`v=1/(N-c-\lambda n_sk)`, and the squared mean error is
    :math:`1/n_r+(n_r-1)\lambda n_sv/(n_r(n_r+2n_s))`. With a known mean, :math:`n_r/(N-c-\lambda n_s)`.

    Kind: exact mean. The two first moments hold for real data of any law with identity covariance,
    the second moments for Gaussian real data.

    Parameters
    ----------
    n_real, n_synthetic : int
        Real (at least 1) and synthetic (at least 0) points in every training set.
    bias : float
        Factor of the covariance of synthetic points, dimensionless, at least 0.
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Take the scatter about the true mean, which is then not fitted.
    dim : int
        Dimension, with the identity as true covariance.
    real_data : {"fresh", "fixed"}
        New real points in every generation, or one set, over which the means are taken.

    Returns
    -------
    dict of scalar Labelled
        ``total_variance``, ``mean_error``; where second moments exist ``squared_norm``,
        ``squared_trace``, ``total_variance_std`` and ``wasserstein2_squared``; ``spectral_radius``
        and ``second_moment_spectral_radius`` of the recursions of first and second moments;
        ``relaxation_time`` of the first moments, in generations.

    Raises
    ------
    ValueError
        When the mean covariance has no limit; the message names the bias below which it has.

    Notes
    -----
    The stationary covariance has a Pareto tail (`tail_index`): means over simulated paths settle slowly.
    Source: derived here; Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 3 states the limit without a value.
    """
    mix = checked_mix(n_real, n_synthetic, bias, ddof, known_mean, dim, real_data)
    require_mean(mix)
    gain, error = first_moments(mix)
    matrix, _ = affine_map(mix)
    radius = float(np.abs(np.linalg.eigvals(matrix[:2, :2])).max())
    squares, second_radius = second_moments(mix)
    out = {
        "total_variance": mix.dim * gain,
        "mean_error": mix.dim * error,
        "spectral_radius": radius,
        "second_moment_spectral_radius": second_radius,
        "relaxation_time": -1 / math.log(radius) if radius > 0 else 0.0,
    }
    if squares:
        out |= {name: squares[name] for name in ("squared_norm", "squared_trace")}
        out["total_variance_std"] = math.sqrt(max(squares["squared_trace"] - (mix.dim * gain) ** 2, 0))
    labels = {name: labelled(value, "exact mean", _SOURCE) for name, value in out.items()}
    if squares:
        labels["wasserstein2_squared"] = labelled(stationary_distance(mix), DISTANCE_KIND, _SOURCE)
    return labels


@checked
def tail_index(
    *,
    n_real: int,
    n_synthetic: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Exponent of the Pareto tail of the stationary variance: moments of this order and above are infinite.

    With a known mean :math:`\kappa` solves

    .. math:: \Big(\frac{2\lambda}{N-c}\Big)^\kappa\frac{\Gamma(n_s/2+\kappa)}{\Gamma(n_s/2)}=1

    and tends to :math:`n_r+1-c` for :math:`\lambda=1` and many synthetic points. With a fitted mean it
    is the order at which the homogeneous moments of mean error and variance neither grow nor decay,
    about a half away. It is the same in every direction of any dimension, for fresh and fixed real data.

    Kind: "exact law" with a known mean, else "numerical".

    Parameters
    ----------
    n_real : int
        Real points in every training set, at least 1.
    n_synthetic : int
        Synthetic points in every training set, at least 2.
    bias : float
        Factor of the covariance of synthetic points, dimensionless, positive.
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Take the scatter about the true mean, which is then not fitted.

    Returns
    -------
    scalar Labelled
        Above 1 where the mean of the variance exists, above 2 where its square has a mean.

    Raises
    ------
    ValueError
        When the mean of the variance has no limit.

    Notes
    -----
    Source: derived here (Kesten 1973 for random recursions; Mellin transform of the chi-square).
    """
    mix = checked_mix(n_real, n_synthetic, bias, ddof, known_mean, 1, "fresh")
    require_mean(mix)
    if mix.n_synthetic < 2 or mix.bias == 0:
        raise ValueError(
            f"n_synthetic={n_synthetic!r} and bias={bias!r} leave no feedback and hence no Pareto tail; "
            f"pass n_synthetic of at least 2 and a positive bias."
        )
    source = "derived here (Kesten 1973; Mellin transform of the chi-square)"
    if known_mean:
        return labelled(known_mean_tail(mix), "exact law", source)
    return labelled(fitted_mean_tail(mix), "numerical", source)


@checked
def diffusion_limit(*, n_real: int, ddof: int | None = None, known_mean: bool = False) -> dict[str, Labelled]:
    r"""The stationary fresh-data loop in one dimension with unbiased sampling and synthetic data without end.

    In time counted in generations over :math:`N\to\infty`,

    .. math:: d\delta=-n_r\delta\,ds+\sqrt X\,dW_1, \qquad
       dX=\big[n_r(1-X+\delta^2)-(1-c)X\big]ds+\sqrt2\,X\,dW_2

    for mean error and variance. With a known mean, :math:`dX=[n_r(1-X)+cX]ds+\sqrt2\,X\,dW`, and X is
    inverse-Gamma with shape :math:`n_r-c+1` and scale :math:`n_r`. Kind: exact mean, of the limit.

    Parameters
    ----------
    n_real : int
        New real points in every generation, at least 2 (3 with a known mean and ``ddof=1``).
    ddof : {0, 1}, optional
        The covariance divides by the number of points less `ddof`; unbiased by default.
    known_mean : bool
        Take the scatter about the true mean, which is then not fitted.

    Returns
    -------
    dict of scalar Labelled
        ``total_variance``, ``mean_error``, ``squared_norm``, ``mean_error_squared`` and
        ``mean_in_covariance``; with a known mean also ``wasserstein2_squared`` and ``tail_index``.

    Raises
    ------
    ValueError
        For too few real points, where the square of the variance has no mean.

    Notes
    -----
    Source: derived here (Ito calculus).
    """
    c = check_ddof(ddof, known_mean)
    least = 2 + (known_mean and c == 1)
    n = check_size("n_real", n_real, least)
    if known_mean:
        shape = n - c + 1.0
        mean = n / (shape - 1)
        if shape < _MANY:
            root = math.sqrt(n) * math.exp(math.lgamma(shape - 0.5) - math.lgamma(shape))
        else:
            root = math.sqrt(n / (shape - 0.5)) * math.exp(-float(log_root_moment(2 * shape - 1)))
        out = {
            "total_variance": mean,
            "mean_error": 0.0,
            "squared_norm": mean * n / (shape - 2),
            "mean_error_squared": 0.0,
            "mean_in_covariance": 0.0,
            "wasserstein2_squared": mean + 1 - 2 * root,
            "tail_index": shape,
        }
    else:
        e = 1 - c
        mean = n / (n + e - 0.5)
        error = mean / (2 * n)
        mixed = (n * mean / (n + e - 1) + n * error) / (3 * n + e - 1.5 - n / (n + e - 1))
        out = {
            "total_variance": mean,
            "mean_error": error,
            "squared_norm": n * (mean + mixed) / (n + e - 1),
            "mean_error_squared": 1.5 * mixed / n,
            "mean_in_covariance": mixed,
        }
    return {name: labelled(value, "exact mean", "derived here (Ito calculus)") for name, value in out.items()}
