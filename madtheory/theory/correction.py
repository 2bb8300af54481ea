r"""Self-corrected loops: what a share of true points in every synthetic batch does to a Gaussian.

Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1: synthetic points follow
:math:`\pi_\gamma p = (p + \gamma p^*)/(1 + \gamma)`, that is, each is a true one with probability
:math:`m = \gamma/(1 + \gamma)`. The threshold and the rate of their Theorem 4.3 are in
`madtheory.theory.stability`; here are the exact first moments for finite samples, of which the theorem
bounds the limit, and the law of a mean under migration.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory import regimes
from madtheory.numerics import Bandwidth
from madtheory.regimes import Regime
from madtheory.theory import moments
from madtheory.theory.gaussian import Sizes
from madtheory.theory.labels import Labelled, label
from madtheory.theory.moments import (
    Group,
    Model,
    Recursion,
    Truths,
    check_correction,
    check_spectrum,
    regime_of,
    share_of,
)
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_ddof,
    check_numbers,
    check_shapes,
    check_size,
)

__all__ = [
    "accrual",
    "accumulate",
    "augment",
    "fresh",
    "mean_law",
    "mixture_moments",
    "replace",
    "stationary",
    "trajectory",
]

Array = NDArray[np.floating[Any]]


ACCRUAL_SOURCE = (
    "derived here, for the loop of Gillman et al. 2024 (arXiv 2402.07087), Fig. 2, with an exact sampler"
)


@check_arguments
def accrual(
    *,
    n_initial: int,
    n_synthetic: int,
    retain: Literal["logarithmic", "all"] = "logarithmic",
    correction: float = 0.0,
    bias: float = 1.0,
    ddof: int | None = None,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the first moments of the loop on a fixed real set and corrected batches that are retained.

    Points of one batch share their model, and every model is a mean of earlier points, so that with
    :math:`\delta_t` the error of the mean of generation t, :math:`N_t` its training set's size and y a point

    .. math:: E[\delta_t y] = \frac1{N_t}\sum_{x} E[x y], \quad E[x_{t+1} y] = (1 - m) E[\delta_t y], \quad
       E[x_{t+1} x_{t+1}'] = (1 - m)^2 E\delta_t^2, \quad E x_{t+1}^2 = V_t + (1 - m)^2 E\delta_t^2,

    with :math:`V_t` the variance of a corrected point. Kind: exact mean.

    Parameters
    ----------
    n_initial : int
        Real points, in every training set.
    n_synthetic : int
        Corrected points drawn for each generation; 0 is the baseline.
    retain : {"logarithmic", "all"}
        The first share i/t of the i-th of t batches (Gillman et al.'s accrual), or all of them.
    correction : float
        Strength, 0 to infinity.
    bias : float
        Factor of the covariance of the model's own samples.
    ddof : {0, 1}, optional
        The divisor is the number of points less this; default 1. The published code takes 0.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number T of generations, the real fit included. With logarithmic accrual the cost is O(T^3) and the
        memory O(T^2).

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Source: derived here. Holds for real data of any law.
    """
    n = check_size("n_initial", n_initial)
    regime = Regime(
        n_initial=n, n_real=n, real_data="fixed", n_synthetic=n_synthetic,
        retain=check_choice("retain", retain, ("logarithmic", "all")),
    )  # fmt: skip
    return trajectory(
        regime, correction=correction, bias=bias, ddof=ddof, dim=dim, spectrum=spectrum,
        generations=generations,
    )  # fmt: skip


MIXTURE_SOURCE = (
    "derived here: moments of the mixture of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1"
)


@check_arguments
def mixture_moments(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    correction: float,
    real_mean: ArrayLike = 0.0,
    real_covariance: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Return the mean and covariance of corrected synthetic data.

    .. math:: \mu_\gamma = (1 - m)\mu + m\mu^*, \qquad
       \Sigma_\gamma = (1 - m)\Sigma + m\Sigma^* + m(1 - m)(\mu - \mu^*)(\mu - \mu^*)^T

    Kind: exact law, for laws of any kind with these moments.

    Parameters
    ----------
    mean : array, shape (*replicate, d)
        Of the model.
    covariance : array, shape (*replicate, d, d)
        Of the model.
    correction : float
        Strength :math:`\gamma`, 0 to infinity.
    real_mean : array, shape (d,), or number
        Of the truth.
    real_covariance : array, shape (d, d), optional
        Of the truth; the identity by default.

    Returns
    -------
    dict of Labelled
        ``mean`` and ``covariance``, of the shapes of the arguments.

    Raises
    ------
    ValueError
        If the correction is negative or the shapes do not fit.

    Notes
    -----
    Source: the moments of a mixture; Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1.
    """
    m = check_correction(correction)
    mu, sigma = np.atleast_1d(check_numbers("mean", mean)), check_numbers("covariance", covariance)
    dim = mu.shape[-1]
    truth = np.eye(dim) if real_covariance is None else check_numbers("real_covariance", real_covariance)
    if sigma.shape[-2:] != (dim, dim) or truth.shape[-2:] != (dim, dim):
        raise ValueError(
            f"covariance has shape {sigma.shape} and real_covariance {truth.shape}; a mean of length {dim} "
            f"needs ({dim}, {dim})."
        )
    shift = check_numbers("real_mean", real_mean)
    check_shapes(mean=mu, real_mean=shift)
    gap = mu - shift
    between = gap[..., :, None] * gap[..., None, :]
    return {
        "mean": label(mu - m * gap, "exact law", MIXTURE_SOURCE),
        "covariance": label((1 - m) * sigma + m * truth + m * (1 - m) * between, "exact law", MIXTURE_SOURCE),
    }


@check_arguments
def mean_law(
    *,
    n_synthetic: int,
    n_real: int = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    correction: ArrayLike,
) -> dict[str, Labelled]:
    r"""Return the stationary variance of an estimated mean where the family fixes the variance of a point.

    .. math:: \frac{\operatorname{Var}\mu_\infty}{\sigma^2} = \frac{1/n}{1 - (1 - m)^2 - m(1 - m)/n},
       \qquad n_e = n(1 - (1 - m)^2) - m(1 - m) \quad (\text{no real data})

    A corrected point is a migrant with probability m: drift against migration. Kind: exact mean.

    Parameters
    ----------
    n_synthetic, n_real : int
        Points per generation.
    real_data : {"none", "fixed", "fresh"}
        What the real points are.
    correction : array
        Strength :math:`\gamma`, 0 to infinity.

    Returns
    -------
    dict of Labelled, the shape of `correction`
        ``variance``, in units of that of a point, and ``effective_sample_size``, its inverse. Without real
        data or correction the variance grows without bound.

    Raises
    ------
    ValueError
        If a number is out of range, or `n_real` and `real_data` contradict each other.

    Notes
    -----
    Source: derived here, for the correction of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1.
    """
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    n_real = check_size("n_real", n_real, 0)
    n = check_size("n_synthetic", n_synthetic, int(n_real == 0))
    if (n_real > 0) == (real_data == "none"):
        raise ValueError(f"n_real={n_real} contradicts real_data={real_data!r}; pass both or neither.")
    m = check_correction(correction)
    w = n / (n + n_real)
    pull = w * (1 - m)
    # Mean of the pool: (1 - w) r + w s; covariance of the model's mean with that of a fixed real set.
    real = (1 - w) ** 2 / max(n_real, 1)
    across = 2 * pull * (1 - w) / max(n_real, 1) * (1 - w) / (1 - pull) if real_data == "fixed" else 0.0
    per_point = w / (n + n_real)  # w^2 / n, also where n is 0
    left = 1 - pull**2 - per_point * m * (1 - m)
    with np.errstate(divide="ignore"):
        variance = np.where(left > 1e-14, (real + across + per_point) / np.maximum(left, 1e-300), np.inf)
        effective = 1 / variance
    return {
        "variance": label(variance, "exact mean", MIXTURE_SOURCE),
        "effective_sample_size": label(effective, "exact mean", MIXTURE_SOURCE),
    }


SOURCE = "derived here: first moments of the loop of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1"


@check_arguments
def replace(
    *,
    n: Sizes,
    n_initial: int | None = None,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    r"""Return the first moments of the corrected loop without other real data.

    .. math:: v' = \frac{n - 1}{n - c} V, \quad D' = (1 - m)^2 D + \frac Vn, \qquad
       V = (1 - m)\lambda v + m + m(1 - m) D

    for :math:`E\Sigma = v\Sigma^*` and :math:`E(\mu - \mu^*)(\mu - \mu^*)^T = D\Sigma^*`. Kind: exact mean.
    The true points among the synthetic ones keep the loop from collapsing, for any positive correction.

    Parameters
    ----------
    n, n_initial : int, sequence or callable; int
        Size of every training set, and that of generation 1 if it differs.
    correction : float
        Strength :math:`\gamma`, 0 to infinity.
    bias : float
        Factor :math:`\lambda` of the covariance of the model's own samples.
    ddof : {0, 1}, optional
        The divisor is n - ddof; default 1, or 0 with `known_mean`.
    known_mean : bool
        Take the scatter about the true mean, which every model then has.
    dim, spectrum : int, array of shape (dim,)
        The true covariance: identity of size `dim` (default 1), or these eigenvalues.
    generations : int
        Number of generations, the real fit included.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        If a number is out of range, or a size leaves no degree of freedom.

    Notes
    -----
    Source: derived here. Holds for real data of any law.
    """
    return trajectory(
        regimes.replace(n=n, n_initial=n_initial), correction=correction,
        bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def augment(
    *,
    n_real: int,
    n_synthetic: Sizes,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """Return the first moments of the corrected loop of Gillman et al.: a fixed real set and the last batch.

    As `replace`, on `n_real` points of generation 1 and `n_synthetic` corrected ones; the covariance of the
    model's mean with that of the real set is carried along. Kind: exact mean. Parameters, returns, errors
    and source: as for `replace`.
    """
    return trajectory(
        regime_of(n_initial=check_size("n_real", n_real), n_synthetic=n_synthetic, real_data="fixed"),
        correction=correction,
        bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def fresh(
    *,
    n_real: int,
    n_synthetic: Sizes,
    n_initial: int | None = None,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """Return the first moments of the corrected loop on new real data in every generation.

    Kind: exact mean. Parameters, returns, errors and source: as for `replace`.
    """
    first = check_size("n_real", n_real) if n_initial is None else n_initial
    return trajectory(
        regime_of(n_initial=first, n_synthetic=n_synthetic, n_real=n_real, real_data="fresh"),
        correction=correction,
        bias=bias, ddof=ddof, known_mean=known_mean, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def accumulate(
    *,
    n: int,
    n_initial: int | None = None,
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """Return the first moments of the corrected loop on a fixed real set and all batches so far.

    The ``retain="all"`` of `accrual`, for batches of one size. Kind: exact mean. Parameters, returns, errors
    and source: as for `replace`, and `accrual`.
    """
    return trajectory(
        regimes.accumulate(n=check_size("n", n), n_initial=n_initial), correction=correction, bias=bias,
        ddof=ddof, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@check_arguments
def stationary(
    *,
    n_synthetic: int,
    n_real: int = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    correction: float,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    """Return the limits of the first moments of a corrected loop, and the rate at which they are approached.

    Kind: exact mean; the rate is that of the expectations. Parameters: as for `replace` and `augment`, which
    `real_data` chooses between.

    Returns
    -------
    dict of Labelled, scalars
        ``total_variance`` and ``mean_error``, infinite where the rate is 1 or more; ``rate``, the spectral
        radius of a generation.

    Raises
    ------
    ValueError
        If a number is out of range, or `n_real` and `real_data` contradict each other.

    Notes
    -----
    Source: derived here.
    """
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    n_real = check_size("n_real", n_real, 0)
    n_synthetic = check_size("n_synthetic", n_synthetic, int(n_real == 0))
    if (n_real > 0) == (real_data == "none"):
        raise ValueError(f"n_real={n_real} contradicts real_data={real_data!r}; pass both or neither.")
    first = n_real or n_synthetic
    regime = Regime(n_initial=first, n_synthetic=n_synthetic, n_real=n_real, real_data=real_data)
    loop = Recursion(
        regime, spectrum=check_spectrum(dim, spectrum), bias=check_bias(bias),
        ddof=check_ddof(ddof, bool(known_mean)), known_mean=bool(known_mean), true_share=share_of(correction),
    )  # fmt: skip

    def advance(state: Array) -> Array:
        """Return variance, mean error, and covariance with the fixed real mean, a generation later."""
        variance, error, shared = state
        apart = error + 1 / first - 2 * shared
        loop.means.distance = np.array([[0, 1 / first, error], [1 / first, 0, apart], [error, apart, 0]])
        loop.fixed, loop.reals, loop.batches = {first: Group(1, first, first - 1.0)}, [], []
        loop.models = [Model(2, variance)]
        loop.step(2)
        variance, error = loop.moments
        shared = (error + 1 / first - loop.means.distance[loop.fixed[first].node, loop.models[0].node]) / 2
        return np.array([variance, error, shared if real_data == "fixed" else 0.0])

    offset = advance(np.zeros(3))
    matrix = np.stack([advance(unit) - offset for unit in np.eye(3)], -1)
    rate = float(np.abs(np.linalg.eigvals(matrix)).max())
    limit = np.linalg.solve(np.eye(3) - matrix, offset) if rate < 1 - 1e-12 else np.full(3, np.inf)
    values = {"total_variance": limit[0] * loop.trace, "mean_error": limit[1] * loop.trace, "rate": rate}
    if known_mean:
        values["mean_error"] = 0.0
    return {name: label(value, "exact mean", SOURCE) for name, value in values.items()}


@check_arguments
def trajectory(
    regime: Regime,
    *,
    correction: float,
    bandwidth: Bandwidth | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
    truths: Truths | None = None,
    generations: int,
) -> dict[str, Labelled]:
    """Return the first moments of a corrected loop in a regime: of Gaussians, or of kernel densities.

    Kind: exact mean.

    Parameters
    ----------
    regime : Regime
        Which data each generation is trained on (`madtheory.regimes`).
    bandwidth : float, str or function, optional
        As in `madtheory.theory.kernel_density.first_moments`, where `bias` is that of the kernel and the
        divisor the number of points, whatever `ddof`.
    correction, bias, ddof, known_mean, dim, spectrum, generations
        As for `replace`.
    truths : Truths, optional
        As in `madtheory.theory.gaussian.trajectory`; a batch is corrected towards the law of the generation
        of the model that it is drawn from.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``.

    Raises
    ------
    ValueError
        If a number is out of range, or a size leaves no degree of freedom.

    Notes
    -----
    A corrected batch is one of a mixture that has the truth among its models. Source: derived here. Holds for
    real data of any law.

    Examples
    --------
    >>> from madtheory import regimes
    >>> from madtheory.theory import correction
    >>> regime = regimes.augment(n_real=9, n_synthetic=9, memory=2)
    >>> moments = correction.trajectory(regime, correction=1.0, bias=0.5, generations=3)
    >>> moments["total_variance"].round(3).tolist()
    [1.0, 0.867, 0.86]
    """
    return moments.first_moments(
        regime, source=SOURCE if regime.retain == "last" else ACCRUAL_SOURCE,
        correction=correction, bandwidth=bandwidth, bias=bias,
        ddof=ddof if bandwidth is None else 0, known_mean=known_mean, dim=dim, spectrum=spectrum,
        truths=truths, generations=generations,
    )  # fmt: skip
