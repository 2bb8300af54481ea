"""The replace loop: each generation is fitted only to samples of the previous one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory.theory.labels import Labelled, Trajectory, label
from madtheory.theory.moments import check_spectrum
from madtheory.validation import check_arguments, check_bias, check_ddof, check_size, size_at

Sizes = int | Sequence[int] | Callable[[int], int]
Array = NDArray[np.floating]


def sizes_of(n: Sizes, n_initial: int | None, generations: int) -> list[int]:
    """Sample sizes of the generations 1, 2, ..., `generations`."""
    generations = check_size("generations", generations)
    first = size_at("n", n, 1) if n_initial is None else check_size("n_initial", n_initial)
    if isinstance(n, int):
        return [first] + (generations - 1) * [check_size("n", n)]
    return [first, *(size_at("n", n, g) for g in range(2, generations + 1))]


def chain_sizes(
    n: Sizes, n_initial: int | None, generations: int, ddof: int | None, known_mean: bool
) -> tuple[Array, Array, Array]:
    """Return sizes, degrees of freedom and divisors of the fits of generations 1, ..., `generations`."""
    ddof = check_ddof(ddof, known_mean)
    sizes = np.array(sizes_of(n, n_initial, generations), dtype=float)
    if sizes.min() <= ddof:
        raise ValueError(
            f"generation {int(sizes.argmin()) + 1} has n={int(sizes.min())} points, so its divisor n - ddof "
            f"is 0; pass at least {ddof + 1} points, or ddof=0."
        )
    return sizes, sizes - (not known_mean), sizes - ddof


def digamma_minus_log(x: ArrayLike) -> Array:
    """Return ``digamma(x) - log(x)`` without the cancellation that the difference has at large x."""
    x = np.asarray(x, dtype=float)
    u = np.maximum(x, 20.0) ** -2.0
    series: Array = -0.5 / x - polyval(u, [0, 1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760])
    return np.where(x > 20, series, special.digamma(x) - np.log(x))


def log_root_moment(degrees: ArrayLike) -> Array:
    """Return ``log E sqrt(chi2 / degrees)``, accurate where it is small (large degrees of freedom)."""
    x = np.asarray(degrees, dtype=float) / 2
    u = np.maximum(x, 20.0) ** -2.0
    series = polyval(u, [-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432]) / x
    return np.where(x > 20, series, special.gammaln(x + 0.5) - special.gammaln(x) - np.log(x) / 2)


def scaled_log_moment(degrees: float, divisor: float, bias: float, power: float) -> float:
    """Return ``log E (bias * chi2 / divisor) ** power``, accurate for millions of degrees of freedom too."""
    half = degrees / 2
    if min(half, half + power) < 1e6:
        difference = special.gammaln(half + power) - special.gammaln(half)
        return float(difference + power * np.log(2 * bias / divisor))
    # Stirling's formula as a difference: the logarithms themselves would lose too many digits.
    shift = (half + power - 0.5) * np.log1p(power / half) - power - power / half / (12 * (half + power))
    return float(shift + power * (np.log(bias) + np.log1p((degrees - divisor) / divisor)))


def direction_gains(degrees: Array, divisors: Array, dim: int) -> tuple[Array, Array]:
    """Return mean log gain and log mean root gain of the Bartlett directions, shape (sizes, dim).

    Bias is not included; -inf for the directions beyond the rank.
    """
    left = degrees[:, None] - np.arange(dim)
    alive, left = left > 0, np.maximum(left, 1.0)
    gain = np.log1p((left - divisors[:, None]) / divisors[:, None])
    typical, root = gain + digamma_minus_log(left / 2), gain / 2 + log_root_moment(left)
    return np.where(alive, typical, -np.inf), np.where(alive, root, -np.inf)


class LogGammaSum:
    r"""Cumulant function :math:`K` of a sum of logarithms of independent Gamma(half) variables.

    ``self(s, order)`` is :math:`K(s) - K(0) - s K'(0)`, :math:`K'(s) - K'(0)` or :math:`K''(s)` for order
    0, 1, 2; the first axis of `s` runs over independent points. Shapes large against ``|s|`` enter by
    their summed Taylor series: many shapes then cost almost nothing, and the subtraction loses no digits.
    """

    reach = 8.0
    terms = 18

    def __init__(self, half: Array) -> None:
        self.half, self.count = np.unique(half, return_counts=True)
        j = np.arange(2, self.terms + 1)
        series = (-1.0) ** j * special.zeta(j, self.half[:, None]) / j * self.count[:, None]
        series = np.concatenate([np.zeros((len(series), 2)), series], axis=1)
        self.tail = np.concatenate([np.cumsum(series[::-1], axis=0)[::-1], np.zeros((1, self.terms + 1))])

    def __call__(self, s: NDArray[Any], order: int) -> NDArray[Any]:
        """Sum of the series at `s`, or of its derivative of an order."""
        radius = np.abs(s).max(axis=tuple(range(1, s.ndim)))
        near = np.searchsorted(self.half, self.reach * radius)
        near = np.minimum(2 ** np.ceil(np.log2(np.maximum(near, 0.5))), len(self.half)).astype(int)
        out: NDArray[Any] = np.empty_like(s)
        for k in np.unique(near):  # powers of two, so the loop is short
            z = s[near == k]
            coefficients = polyder(self.tail[k], order)
            value = polyval(z, coefficients)
            for half, count in zip(self.half[:k], self.count[:k], strict=True):
                value = value + count * self._direct(z, half, order)
            out[near == k] = value
        return out

    @staticmethod
    def _direct(s: NDArray[Any], half: float, order: int) -> NDArray[Any]:
        if order == 0:
            lgamma = special.loggamma if np.iscomplexobj(s) else special.gammaln
            return lgamma(half + s) - special.gammaln(half) - s * special.digamma(half)
        if order == 1:
            return special.digamma(half + s) - special.digamma(half)
        return special.zeta(2, half + s)


WISHART = "Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 1-2; moments derived here (Wishart factors)"

# Zonal polynomials in products of power sums s_k = tr S^k, by order (James 1964, table 1): a replace step
# multiplies each by its own number. Per row: the partition, then the coefficients of the products below.
ZONAL: dict[int, dict[tuple[int, ...], tuple[int, ...]]] = {
    2: {(2,): (1, 2), (1, 1): (1, -1)},
    3: {(3,): (1, 6, 8), (2, 1): (1, 1, -2), (1, 1, 1): (1, -3, 2)},
    4: {
        (4,): (1, 12, 12, 32, 48),
        (3, 1): (1, 5, -2, 4, -8),
        (2, 2): (1, 2, 7, -8, -2),
        (2, 1, 1): (1, -1, -2, -2, 4),
        (1, 1, 1, 1): (1, -6, 3, 8, -6),
    },
}
PRODUCTS: dict[int, tuple[tuple[int, ...], ...]] = {
    2: ((1, 1), (2,)),
    3: ((1, 1, 1), (1, 2), (3,)),
    4: ((1, 1, 1, 1), (1, 1, 2), (2, 2), (1, 3), (4,)),
}


class _Chain:
    """Sizes and gains of one replace loop, checked."""

    def __init__(
        self,
        n: Sizes,
        n_initial: int | None,
        bias: float,
        ddof: int | None,
        known_mean: bool,
        dim: int,
        spectrum: ArrayLike | None,
        generations: int,
    ) -> None:
        self.spectrum = check_spectrum(dim, spectrum)
        self.sizes, self.degrees, self.divisors = chain_sizes(n, n_initial, generations, ddof, known_mean)
        self.bias = np.full(len(self.sizes), check_bias(bias))
        self.bias[0] = 1.0
        self.gain = self.bias * self.degrees / self.divisors
        self.known_mean = known_mean

    @np.errstate(over="ignore", invalid="ignore")
    def zonal(self, order: int, spectrum: Array) -> Array:
        """Return the means of the products of power sums of `PRODUCTS`, shape (generations, products)."""
        sums = {k: np.sum(spectrum**k) for k in range(1, order + 1)}
        start = np.array([np.prod([sums[k] for k in parts]) for parts in PRODUCTS[order]])
        table = np.array(list(ZONAL[order].values()), dtype=float)
        steps = [
            (self.bias / self.divisors) ** order
            * np.prod([self.degrees - i + 2 * j for i, part in enumerate(parts) for j in range(part)], axis=0)
            for parts in ZONAL[order]
        ]
        means = np.cumprod(steps, axis=1).T * (table @ start) @ np.linalg.inv(table).T
        return np.where(np.isfinite(means), means, np.inf)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")
    def deviations(self, mean: Array, drift: Array) -> tuple[Array, Array]:
        """Compute the standard deviations of the total variance and of the squared error of the mean."""
        p, q = np.sum(self.spectrum**2), np.sum(self.spectrum) ** 2
        up, down = (np.expm1(np.cumsum(np.log1p(x / self.degrees))) for x in (2, -1))
        variance = np.where(mean == 0, 0.0, mean**2 * ((2 * p + q) * up + 2 * (q - p) * down) / 3)
        second = np.vstack([[q, p], self.zonal(2, self.spectrum)[:-1]])
        fourth, cross, aligned = np.zeros(len(mean)), 0.0, 0.0  # |delta|^4, |delta|^2 tr S, delta' S delta
        share = np.zeros(len(mean)) if self.known_mean else self.bias / self.sizes
        total = 0.0
        for g, (e, a, (q, p)) in enumerate(zip(share, self.gain, second, strict=True)):
            total += e * (2 * cross + 4 * aligned) + e**2 * (q + 2 * p)
            cross, aligned = a * (cross + e * q), a * (aligned + e * p)
            fourth[g] = total
        spread = np.where(np.isfinite(fourth), fourth - drift**2, np.inf)
        return np.sqrt(np.where(np.isnan(variance), np.inf, variance)), np.sqrt(np.maximum(spread, 0.0))

    @np.errstate(all="ignore")
    def fidelity(self, gain: Array, roots: Array) -> tuple[Array, Array]:
        """Bound E tr sqrt(sqrt(S0) S sqrt(S0)), the overlap with the truth, from both sides."""
        dim = len(self.spectrum)
        squares = self.spectrum**2
        moments = [gain * squares.sum(), *(self.zonal(k, squares)[:, -1] for k in (2, 3, 4))]
        rank = np.minimum.accumulate(np.minimum(self.degrees, dim))
        # The error of a Gauss rule has the sign of a derivative of the integrand: one side each.
        low_node, node, low_weight, weight = _two_nodes(moments)
        low_node = np.where(low_node > 1e-6 * node, low_node, np.nan)  # rounding would dominate
        lower = low_weight / np.sqrt(low_node) + weight / np.sqrt(node)
        low_node, node, low_weight, weight = _two_nodes([rank, *moments[:3]])
        upper = low_weight * np.sqrt(np.maximum(low_node, 0.0)) + weight * np.sqrt(node)
        triangular = np.exp(roots) @ np.sort(self.spectrum)[::-1]
        return np.fmax(lower, triangular), np.fmin(upper, np.exp(roots[:, 0]) * self.spectrum.sum())


def _two_nodes(moments: Sequence[Array]) -> tuple[Array, Array, Array, Array]:
    """Return the lower node, upper node and their weights of the Gauss rule with the given moments 0 to 3."""
    mass = moments[0]
    mean, second, third = (m / mass for m in moments[1:])
    variance = second - mean**2
    lean = np.where(variance > 1e-12 * mean**2, (third - mean**3) / variance - 3 * mean, 0.0)
    up = (lean + np.sqrt(lean**2 + 4 * variance)) / 2
    down = variance / up
    return mean - down, mean + up, mass * up / (up + down), mass * down / (up + down)


@check_arguments
@np.errstate(divide="ignore", over="ignore", invalid="ignore")
def replace(
    *,
    n: Sizes,
    generations: int,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Return the trajectories of a Gaussian in the replace loop.

    .. math:: E\Sigma_g = u_g\Sigma_0,\quad u_g = \prod_{i\le g}\frac{\lambda_i\nu_i}{n_i-c},\qquad
       E|\mu_g-\mu_0|^2 = \operatorname{tr}\Sigma_0\sum_{i\le g}\frac{\lambda_i u_{i-1}}{n_i},
       \qquad \lambda_1 = 1,\ \lambda_{i>1} = \lambda,\ u_0 = 1,\ \nu_i = n_i - 1

    and the other variables below. Kind: exact means (their square-root variances too), and bounds.

    Parameters
    ----------
    n : int, sequence or function of the generation
        Synthetic points per generation.
    generations : int
        Length of the trajectories.
    n_initial : int, optional
        Real points of generation 1, by default `n` there.
    bias : float
        Factor of the covariance of synthetic samples (dimensionless), >= 0.
    ddof : {0, 1}, optional
        The divisor is n - ddof; by default 1, or 0 when the mean is known.
    known_mean : bool
        Whether the scatter is taken about the true mean, so that :math:`\nu_i = n_i`.
    dim : int
        Dimension of a truth with identity covariance.
    spectrum : array of shape (dim,), optional
        Eigenvalues of the truth's covariance.

    Returns
    -------
    dict of Labelled arrays of shape (generations,), entry 0 being generation 1
        ``total_variance`` (trace of the covariance) and ``mean_error`` (squared distance of the means), with
        their standard deviations ``total_variance_std`` and ``mean_error_std``; ``log_volume`` (log
        determinant; -inf once a fit has had too few points); ``kl_divergence`` of the model from the truth
        (inf where singular); ``reverse_kl_divergence`` (where all inverse covariances have a mean, that is
        :math:`\nu_i > d + 1`); ``wasserstein2_squared`` (one dimension), or its bounds
        ``wasserstein2_squared_lower`` and ``wasserstein2_squared_upper``.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    The means of ``total_variance`` and ``mean_error`` hold for any truth with this covariance when the model
    samples with the moments it was fitted to; the others need a Gaussian truth. Beyond generation n, means
    depend on rare trajectories. Source: the loop of Alemohammad et al. 2024 (arXiv 2307.01850), Eq. 1-2,
    with any divisor, sizes and truth; moments derived here. The bounds come from the triangular coupling,
    from Peierls' inequality and from Gauss rules on the moments of order 1 to 4.

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> print(gaussian.replace(n=20, generations=4)["log_volume"].round(4))
    [-0.0536 -0.1071 -0.1607 -0.2142]
    """
    chain = _Chain(n, n_initial, bias, ddof, known_mean, dim, spectrum, generations)
    trace, d = chain.spectrum.sum(), len(chain.spectrum)
    unique, where = np.unique(np.stack([chain.degrees, chain.divisors]), axis=1, return_inverse=True)
    log_bias = np.log(chain.bias)
    typical, root = (x[where.ravel()] for x in direction_gains(unique[0], unique[1], d))
    volume = np.cumsum(typical.sum(1) + d * log_bias)
    roots = np.cumsum(root + log_bias[:, None] / 2, axis=0)
    u = np.cumprod(chain.gain)
    share = np.zeros(len(u)) if known_mean else chain.bias / chain.sizes
    drift = np.cumsum(share * np.append(1.0, u[:-1]))
    variance_std, error_std = chain.deviations(u, drift * trace)
    out = {
        "total_variance": u * trace,
        "mean_error": drift * trace,
        "total_variance_std": variance_std,
        "mean_error_std": error_std,
        "log_volume": volume + np.sum(np.log(chain.spectrum)),
        "kl_divergence": (d * (u - 1 + drift) - volume) / 2,
    }
    if chain.degrees.min() > d + 1:
        inverse = chain.divisors / (chain.bias * (chain.degrees - d - 1))
        growth, error = np.cumprod(inverse), np.zeros(len(u))
        for g in range(len(u)):  # every later inverse covariance multiplies an earlier error
            error[g] = inverse[g] * (error[g - 1] + share[g])
        reverse = (d * (growth - 1 + error) + volume) / 2
        out["reverse_kl_divergence"] = np.where(np.isfinite(growth), reverse, np.inf)
    if d == 1:
        distance = trace * (drift + (u - 1) - 2 * np.expm1(roots[:, 0]))
        out["wasserstein2_squared"] = np.where(np.isfinite(u), distance, np.inf)
    result = {key: label(value, "exact mean", WISHART) for key, value in out.items()}
    if d > 1:
        low, high = chain.fidelity(u, roots)
        apart = trace * np.where(np.isfinite(u), u + drift + 1, np.inf)
        for side, overlap in (("lower", high), ("upper", low)):
            distance = apart - 2 * np.where(np.isfinite(apart), overlap, 0.0)
            result[f"wasserstein2_squared_{side}"] = label(
                np.maximum(distance, trace * drift), "bound", WISHART
            )
    few = "a fit has at most dim + 1 degrees of freedom, so that its inverse covariance has no mean"
    return Trajectory(result, few, ["reverse_kl_divergence"])


@check_arguments
def second_moments(
    *,
    n: Sizes,
    generations: int,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Return the second moments of the covariance in the replace loop.

    .. math:: 2p_g + q_g = (2p_{g-1} + q_{g-1})\,b^2\nu(\nu+2),\qquad
       q_g - p_g = (q_{g-1} - p_{g-1})\,b^2\nu(\nu-1),\qquad b = \lambda/(n-c)

    Kind: exact means, for a Gaussian truth. Parameters and errors: as for `replace`.

    Returns
    -------
    dict of Labelled arrays of shape (generations,)
        ``squared_norm``, :math:`p = E\operatorname{tr}\Sigma^2`, and ``squared_trace``,
        :math:`q = E(\operatorname{tr}\Sigma)^2`.

    Notes
    -----
    Source: derived here; zonal polynomials are eigenfunctions of a Wishart step (James 1964).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.second_moments(n=20, generations=3)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    squared_trace [1.1053 1.2216 1.3502]
    squared_norm [1.1053 1.2216 1.3502]
    """
    chain = _Chain(n, n_initial, bias, ddof, known_mean, dim, spectrum, generations)
    return _label(chain.zonal(2, chain.spectrum), "squared_trace", "squared_norm")


@check_arguments
def third_moments(
    *,
    n: Sizes,
    generations: int,
    n_initial: int | None = None,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    dim: int = 1,
    spectrum: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Return the third moments of the covariance in the replace loop.

    .. math:: E\,C_\kappa(\Sigma_g) = C_\kappa(\Sigma_0)\prod_{i\le g}
       \prod_{(r, s)\in\kappa} b_i(\nu_i + 2s - r - 1),\qquad b_i = \lambda_i/(n_i-c)

    for the zonal polynomials of the partitions (3), (2,1), (1,1,1), box (r, s) in row r and column s. Kind:
    exact means, for a Gaussian truth. Parameters and errors: as for `replace`.

    Returns
    -------
    dict of Labelled arrays of shape (generations,)
        ``cubed_trace`` :math:`E(\operatorname{tr}\Sigma)^3`, ``trace_times_squared_norm``
        :math:`E\operatorname{tr}\Sigma\operatorname{tr}\Sigma^2` and ``trace_of_cube``
        :math:`E\operatorname{tr}\Sigma^3`.

    Notes
    -----
    Source: derived here; zonal polynomials are eigenfunctions of a Wishart step (James 1964).

    Examples
    --------
    >>> from madtheory.theory import gaussian
    >>> known = gaussian.third_moments(n=20, generations=3)
    >>> for name, value in known.items():
    ...     print(name, value.round(4))
    cubed_trace [1.338  1.7901 2.3951]
    trace_times_squared_norm [1.338  1.7901 2.3951]
    trace_of_cube [1.338  1.7901 2.3951]
    """
    chain = _Chain(n, n_initial, bias, ddof, known_mean, dim, spectrum, generations)
    return _label(chain.zonal(3, chain.spectrum), "cubed_trace", "trace_times_squared_norm", "trace_of_cube")


def _label(means: Array, *names: str) -> dict[str, Labelled]:
    source = "derived here (zonal polynomials are eigenfunctions of a Wishart step, James 1964)"
    return {name: label(means[:, i], "exact mean", source) for i, name in enumerate(names)}
