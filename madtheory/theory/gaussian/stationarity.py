"""Fixed points of Gaussian loops that mix real data with the last synthetic batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp

from madtheory.theory.gaussian.replacement import log_root_moment, scaled_log_moment
from madtheory.theory.gaussian.second_moment_maps import (
    Mix,
    affine_map,
    check_mix,
    first_moments,
    require_mean,
    second_moments,
)
from madtheory.theory.gaussian.wasserstein import DISTANCE_KIND, stationary_distance
from madtheory.theory.labels import Labelled, label
from madtheory.validation import GREATEST, check_arguments, check_ddof, check_size

Array = NDArray[np.float64]
_MANY_POINTS = 10_000  # synthetic points above which rounding hides the change of one generation


def known_mean_tail(mix: Mix) -> float:
    """Return the positive order at which ``E (bias chi2 / divisor)**order`` is 1."""
    lost = 0.0 if mix.known_mean else 1 / (mix.n_real + mix.n_synthetic)
    degrees = mix.n_synthetic * (1 - lost)
    divisor = mix.n_real + mix.n_synthetic - mix.ddof
    if mix.bias < 1 / GREATEST:
        return math.inf  # beyond the range of doubles

    def growth(order: float) -> float:
        return scaled_log_moment(degrees, divisor, mix.bias, order)

    high = 2.0
    while growth(high) < 0:
        high *= 2
    return float(brentq(growth, high / 2, high))


def fitted_mean_tail(mix: Mix) -> float:
    """Return the order at which the moments of mean error and variance, without real data, are constant.

    At integer orders they obey a finite linear map; its growth is interpolated in between. From an
    order of 300 on the value for a known mean is within 1 part in 300. For many synthetic points the map
    is the identity up to rounding: then the distance to the order for a known mean is that of the
    diffusion limit, whose map is a symmetric tridiagonal matrix.
    """
    guess = known_mean_tail(mix)
    if guess > 300:
        return guess
    if mix.n_synthetic <= _MANY_POINTS:
        return _root(lambda order: _log_growth(mix, order), guess)
    pull = mix.n_real + 1 - mix.ddof + (1 - mix.bias) * mix.n_synthetic
    limit = _root(lambda order: _diffusion_growth(mix.n_real, pull, order), guess)
    return guess + limit - (1 + pull)


def _root(growth: Callable[[int], float], guess: float) -> float:
    """Return where a growth known at integer orders crosses 0, at an order of 1 or more."""
    start = max(round(guess), 2)
    while start > 2 and growth(start - 1) > 0:
        start -= 1
    while growth(start) < 0:
        start += 1
    orders = np.arange(max(start - 3, 0), max(start - 3, 0) + 6)
    between = np.polynomial.Polynomial.fit(orders, [growth(int(k)) for k in orders], 5)
    return float(brentq(between, start - 1 + 1e-9, start + 1e-9))


def _diffusion_growth(n_real: float, pull: float, order: int) -> float:
    """Return the growth rate of ``E D**a V**b``, ``a + b = order``, in the limit of `diffusion_limit`."""
    a = np.arange(order + 1.0)
    b = order - a
    rates = b * (b - 1) - b * pull - 2 * a * n_real
    coupled = np.sqrt(b[:-1] * n_real * a[1:] * (2 * a[1:] - 1))
    return float(eigvalsh_tridiagonal(rates, coupled).max()) if order else 0.0


def _log_growth(mix: Mix, order: int) -> float:
    """Log spectral radius of the map of ``E D**a V**b`` with ``a + b`` equal to `order`."""
    size, last = 12, -math.inf
    while True:
        size = min(size, order)
        value = _log_growth_truncated(mix, order, size)
        if size == order or abs(value - last) < 1e-8:
            return value
        size, last = 2 * size, value


def _log_growth_truncated(mix: Mix, order: int, size: int) -> float:
    """Return this log growth from powers of the mean error up to `size`: higher ones hardly matter."""
    if order == 0:
        return 0.0
    n_r, n_s, bias, total = mix.n_real, mix.n_synthetic, mix.bias, mix.n_real + mix.n_synthetic
    after, before, j = np.ogrid[: size + 1, : size + 1, : order + 1]  # powers of D and of the scatter
    b, i = order - after, order - j - before
    factorial = gammaln(np.arange(2 * order + 1) + 1.0)
    chi_square = gammaln((n_s - 1) / 2 + np.arange(order + 1)) - math.lgamma((n_s - 1) / 2)
    valid = (j <= b) & (i >= 0)
    i, rest = np.maximum(i, 0), np.maximum(b - j, 0)
    terms = (
        factorial[b] - factorial[j] - factorial[rest]
        + j * math.log(2 * bias) + chi_square[j] + rest * math.log(n_r * n_s / total)
        + factorial[2 * (order - j)] - factorial[2 * before] - factorial[i]
        + i * math.log(bias / (2 * n_s))
    )  # fmt: skip
    logs = logsumexp(np.where(valid, terms, -np.inf), axis=2)
    powers = np.arange(size + 1)[:, None]
    logs += 2 * powers * math.log(n_s / total) - (order - powers) * math.log(total - mix.ddof)
    logs += (powers - powers.T) * math.log(n_r)  # a similarity, which balances the entries
    top = logs.max()
    return float(top + np.log(np.abs(np.linalg.eigvals(np.exp(logs - top))).max()))


_MANY = 10**5  # above this the difference of two log gamma functions is mostly rounding

_SOURCE = (
    "derived here (fixed point of the affine recursion of moments); the loop, and the existence of a "
    "limit that forgets generation 1, are those of Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 3"
)


@check_arguments
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
    r"""Return the state that a loop with real data in every generation settles in, from any start.

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
        Whether the scatter is taken about the true mean, which is then not fitted.
    dim : int
        Dimension, with the identity as true covariance.
    real_data : {"fresh", "fixed"}
        Whether real points are new in every generation, or one set, over which the means are taken.

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
        When the mean covariance has no limit; the message names the bias below which it has one.

    Notes
    -----
    The stationary covariance has a Pareto tail (`tail_index`): means over simulated paths converge slowly.
    Source: derived here; Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 3 states the limit without a value.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.stationary(n_real=100, n_synthetic=900, bias=0.8)["total_variance"].round(4))
    0.3577
    """
    mix = check_mix(n_real, n_synthetic, bias, ddof, known_mean, dim, real_data)
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
    labels = {name: label(value, "exact mean", _SOURCE) for name, value in out.items()}
    if squares:
        labels["wasserstein2_squared"] = label(stationary_distance(mix), DISTANCE_KIND, _SOURCE)
    return labels


@check_arguments
def tail_index(
    *,
    n_real: int,
    n_synthetic: int,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Return the exponent of the Pareto tail of the stationary variance.

    Moments of this order and above are infinite. With a known mean :math:`\kappa` solves

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
        Whether the scatter is taken about the true mean, which is then not fitted.

    Returns
    -------
    scalar Labelled
        The exponent: above 1 where the variance has a mean, above 2 where its square has one.

    Raises
    ------
    ValueError
        When the mean of the variance has no limit.

    Notes
    -----
    Source: derived here (Kesten 1973 for random recursions; Mellin transform of the chi-square).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.tail_index(n_real=20, n_synthetic=200).round(2))
    20.81
    """
    mix = check_mix(n_real, n_synthetic, bias, ddof, known_mean, 1, "fresh")
    require_mean(mix)
    if mix.n_synthetic < 2 or mix.bias == 0:
        raise ValueError(
            f"n_synthetic={n_synthetic!r} and bias={bias!r} leave no feedback, and so no Pareto tail; "
            f"pass n_synthetic of at least 2 and a positive bias."
        )
    source = "derived here (Kesten 1973; Mellin transform of the chi-square)"
    if known_mean:
        return label(known_mean_tail(mix), "exact law", source)
    return label(fitted_mean_tail(mix), "numerical", source)


@check_arguments
def diffusion_limit(*, n_real: int, ddof: int | None = None, known_mean: bool = False) -> dict[str, Labelled]:
    r"""Return moments of the stationary fresh-data loop, unbiased in 1-D, for infinite synthetic data.

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
        Whether the scatter is taken about the true mean, which is then not fitted.

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

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.diffusion_limit(n_real=100)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    total_variance 1.005
    mean_error 0.005
    squared_norm 1.0203
    mean_error_squared 0.0001
    mean_in_covariance 0.0051
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
    return {name: label(value, "exact mean", "derived here (Ito calculus)") for name, value in out.items()}
