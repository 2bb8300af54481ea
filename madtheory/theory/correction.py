r"""Self-corrected loops: what a share of true points in every synthetic batch does to a Gaussian.

Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1: synthetic points follow
:math:`\pi_\gamma p = (p + \gamma p^*)/(1 + \gamma)`, that is, each is a true one with probability
:math:`m = \gamma/(1 + \gamma)`. The threshold and the rate of their Theorem 4.3 are in
`madtheory.theory.stability`; here are the exact first moments for finite samples, of which the theorem
bounds the limit, and the law of a mean under migration.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.gaussian import Sizes, check_spectrum
from madtheory.theory.labels import Labelled, labelled
from madtheory.validation import (
    check_bias,
    check_choice,
    check_ddof,
    check_memory,
    check_numbers,
    check_shapes,
    check_size,
    checked,
    shown,
    size_at,
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
]

Array = NDArray[np.floating[Any]]


def check_correction(correction: ArrayLike) -> Array:
    """Return the share of true points of a correction of strength 0 to infinity."""
    try:
        gamma = np.asarray(correction, dtype=float)
    except (TypeError, ValueError):
        gamma = np.asarray(np.nan)
    if not (gamma >= 0).all():
        raise ValueError(f"correction={correction!r} is out of range: pass strengths from 0 to infinity.")
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(gamma), 1.0, gamma / (1 + gamma))


class Setting(NamedTuple):
    """What the generations of a loop share."""

    real_data: Literal["none", "fixed", "fresh"]
    share: float  # of true points in a corrected batch
    bias: float
    ddof: int
    known_mean: bool

    def start(self, n: int) -> Array:
        """Moments of the fit of `n` real points: variance, mean error, covariance with the real mean."""
        divisor = _positive(n - self.ddof, n, self.ddof)
        if self.known_mean:
            return np.array([n / divisor, 0.0, 0.0])
        return np.array([(n - 1) / divisor, 1 / n, 1 / n if self.real_data == "fixed" else 0.0])

    def mixed(self, variance: float, error: float) -> float:
        """Variance of a corrected point, given those of the model and of its mean."""
        return (1 - self.share) * (self.bias * variance + self.share * error) + self.share


def affine(setting: Setting, n_real: int, n_synthetic: int) -> tuple[Array, Array]:
    """Matrix and offset of one generation, on (variance, mean error, covariance with the real mean)."""
    offset = _next(setting, n_real, n_synthetic, np.zeros(3))
    columns = [_next(setting, n_real, n_synthetic, unit) - offset for unit in np.eye(3)]
    return np.stack(columns, -1), offset


def _next(setting: Setting, n_real: int, n_synthetic: int, state: Array) -> Array:
    variance, error, shared = state
    total = n_real + n_synthetic
    divisor = _positive(total - setting.ddof, total, setting.ddof)
    point = setting.mixed(variance, error)
    if setting.known_mean:
        return np.array([(n_real + n_synthetic * setting.mixed(variance, 0.0)) / divisor, 0.0, 0.0])
    w, kept, real = n_synthetic / total, 1 - setting.share, 1 / n_real if n_real else 0.0
    batch = kept**2 * error + point / max(n_synthetic, 1)  # squared mean of the batch,
    across = kept * shared if setting.real_data == "fixed" else 0.0  # its product with that of the real set
    scatter = max(n_real - 1, 0) + max(n_synthetic - 1, 0) * point
    scatter += n_real * w * (real + batch - 2 * across)
    return np.array(
        [
            scatter / divisor,
            (1 - w) ** 2 * real + w**2 * batch + 2 * w * (1 - w) * across,
            (1 - w) * real + w * across if setting.real_data == "fixed" else 0.0,
        ]
    )


def _positive(divisor: int, n: int, ddof: int) -> int:
    if divisor <= 0:
        raise ValueError(
            f"a training set of {n} points leaves no degree of freedom with ddof={ddof}; use more points."
        )
    return divisor


ACCRUAL_SOURCE = (
    "derived here, for the loop of Gillman et al. 2024 (arXiv 2402.07087), Fig. 2, with an exact sampler"
)


@checked
@np.errstate(over="ignore", invalid="ignore")
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
    r"""First moments of the loop on a fixed real set and corrected batches that are retained.

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
        Number T of generations, the real fit included. With logarithmic accrual the cost is
        O(T^3 n_synthetic) and the memory O(T^2 n_synthetic).

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
    check_choice("retain", retain, ("logarithmic", "all"))
    n, s, last = check_size("n_initial", n_initial), check_size("n_synthetic", n_synthetic, 0), generations
    m = check_correction(correction)
    if m.ndim:
        raise ValueError(f"correction={shown(correction)} is not one number; call once for each strength.")
    setting = Setting("fixed", float(m), check_bias(bias), check_ddof(ddof, False), False)
    kept = 1 - setting.share
    variance, error, with_real = setting.start(n)
    values = [(variance, error)]
    batches = check_size("generations", last) - 1
    check_memory(
        24.0 * batches**2 * (s if retain == "logarithmic" else 1),
        f"accrual of n_synthetic={s} points in generations={last}",
        "pass fewer, or retain='all', whose memory does not grow with n_synthetic",
    )
    # Points of a batch that are dropped at different times differ: classes of `many` points that do not.
    classes, many = (s, 1) if retain == "logarithmic" else (1, s)
    # E[delta_j y], j along the rows, for y in class a of batch i < j; and for y a real point.
    across = np.zeros((batches, batches * classes))
    real_across, pairs, squares = np.zeros(batches), np.zeros(batches), np.zeros(batches)
    for t in range(1, batches + 1):
        i = t - 1
        pairs[i] = kept**2 * error
        squares[i] = setting.mixed(variance, error) + pairs[i]
        real_across[i] = with_real
        shares = np.arange(1, t + 1) / t
        sizes = np.floor(shares * s + 1e-9).astype(int) if retain == "logarithmic" else np.full(t, s)
        inside = np.arange(classes) * many < sizes[:, None]
        total = n + sizes.sum()
        # Sum over all points of the pool of their product with a point of class a of each batch.
        own = (sizes[:, None] - inside) * pairs[:t, None] + inside * squares[:t, None]
        own += n * kept * real_across[:t, None]
        # earlier batches h < i: E[x_h x_i] = kept E[delta of the model of i, x_h]
        known = across[:t, : t * classes]
        earlier = many * (known @ inside.ravel().astype(float))
        later = (sizes.astype(float) @ known).reshape(t, classes)
        product = (own + kept * (earlier[:, None] + later)) / total
        with_real = (1 + kept * (sizes @ real_across[:t])) / total
        error = float((many * (inside * product).sum() + n * with_real) / total)
        second = n + sizes @ squares[:t]
        variance = float((second - total * error) / (total - setting.ddof))
        values.append((variance, error))
        if t < batches:
            across[t, : t * classes] = product.ravel()
    scaled = np.array(values) * check_spectrum(dim, spectrum).sum()
    scaled[np.isnan(scaled)] = np.inf  # beyond the range of doubles
    return {
        "total_variance": labelled(scaled[:, 0], "exact mean", ACCRUAL_SOURCE),
        "mean_error": labelled(scaled[:, 1], "exact mean", ACCRUAL_SOURCE),
    }


MIXTURE_SOURCE = (
    "derived here: moments of the mixture of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1"
)


@checked
def mixture_moments(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    correction: float,
    real_mean: ArrayLike = 0.0,
    real_covariance: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Mean and covariance of corrected synthetic data.

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
        "mean": labelled(mu - m * gap, "exact law", MIXTURE_SOURCE),
        "covariance": labelled(
            (1 - m) * sigma + m * truth + m * (1 - m) * between, "exact law", MIXTURE_SOURCE
        ),
    }


@checked
def mean_law(
    *,
    n_synthetic: int,
    n_real: int = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    correction: ArrayLike,
) -> dict[str, Labelled]:
    r"""Stationary variance of an estimated mean where the family fixes the variance of a point.

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
        "variance": labelled(variance, "exact mean", MIXTURE_SOURCE),
        "effective_sample_size": labelled(effective, "exact mean", MIXTURE_SOURCE),
    }


SOURCE = "derived here: first moments of the loop of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1"


@checked
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
    r"""First moments of the corrected loop without other real data.

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
    first = size_at("n", n, 1) if n_initial is None else check_size("n_initial", n_initial)
    setting = _setting("none", correction, bias, ddof, known_mean)
    return _trajectory(setting, first, 0, n, generations, dim, spectrum)


@checked
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
    """First moments of the corrected loop on a fixed real set: Gillman et al.'s, with the last batch only.

    As `replace`, on `n_real` points of generation 1 and `n_synthetic` corrected ones; the covariance of the
    model's mean with that of the real set is carried along. Kind: exact mean. Parameters, returns, errors
    and source: as for `replace`.
    """
    setting = _setting("fixed", correction, bias, ddof, known_mean)
    first = check_size("n_real", n_real)
    return _trajectory(setting, first, first, n_synthetic, generations, dim, spectrum)


@checked
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
    """First moments of the corrected loop on new real data in every generation.

    Kind: exact mean. Parameters, returns, errors and source: as for `replace`.
    """
    setting = _setting("fresh", correction, bias, ddof, known_mean)
    first = check_size("n_real", n_real) if n_initial is None else check_size("n_initial", n_initial)
    return _trajectory(setting, first, check_size("n_real", n_real), n_synthetic, generations, dim, spectrum)


@checked
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
    """First moments of the corrected loop on a fixed real set and all batches so far.

    The ``retain="all"`` of `accrual`, for batches of one size. Kind: exact mean. Parameters, returns, errors
    and source: as for `replace`, and `accrual`.
    """
    n = check_size("n", n)
    return accrual(
        n_initial=n if n_initial is None else n_initial, n_synthetic=n, retain="all", correction=correction,
        bias=bias, ddof=ddof, dim=dim, spectrum=spectrum, generations=generations,
    )  # fmt: skip


@checked
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
    """Limits of the first moments of a corrected loop, and the rate at which they are approached.

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
    setting = _setting(real_data, correction, bias, ddof, known_mean)
    matrix, offset = affine(setting, n_real, n_synthetic)
    rate = float(np.abs(np.linalg.eigvals(matrix)).max())
    limit = np.linalg.solve(np.eye(3) - matrix, offset) if rate < 1 - 1e-12 else np.full(3, np.inf)
    trace = check_spectrum(dim, spectrum).sum()
    values = {"total_variance": limit[0] * trace, "mean_error": limit[1] * trace, "rate": rate}
    if known_mean:
        values["mean_error"] = 0.0
    return {name: labelled(value, "exact mean", SOURCE) for name, value in values.items()}


def _setting(
    real_data: Literal["none", "fixed", "fresh"],
    correction: float,
    bias: float,
    ddof: int | None,
    known_mean: bool,
) -> Setting:
    share = check_correction(correction)
    if share.ndim:
        raise ValueError(f"correction={correction!r} is not one number; call once for each strength.")
    known = bool(known_mean)
    return Setting(real_data, float(share), check_bias(bias), check_ddof(ddof, known), known)


@np.errstate(over="ignore", invalid="ignore")
def _trajectory(
    setting: Setting,
    first: int,
    n_real: int,
    n_synthetic: Sizes,
    generations: int,
    dim: int,
    spectrum: ArrayLike | None,
) -> dict[str, Labelled]:
    state = setting.start(first)
    states = [state]
    for t in range(2, check_size("generations", generations) + 1):
        matrix, offset = affine(setting, n_real, size_at("n_synthetic", n_synthetic, t, int(n_real == 0)))
        state = matrix @ state + offset
        states.append(state)
    values = np.array(states) * check_spectrum(dim, spectrum).sum()
    values[np.isnan(values)] = np.inf  # beyond the range of doubles
    return {
        "total_variance": labelled(values[:, 0], "exact mean", SOURCE),
        "mean_error": labelled(values[:, 1], "exact mean", SOURCE),
    }
