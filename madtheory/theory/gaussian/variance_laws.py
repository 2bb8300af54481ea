"""The exact law of the variance in the replace loop, accurate in both tails and on the log scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from madtheory.theory.gaussian.replacement import Array, LogGammaSum, Sizes, chain_sizes, digamma_minus_log
from madtheory.validation import (
    LARGEST_ARRAY,
    check_arguments,
    check_bias,
    check_number,
    check_numbers,
    check_seed,
    check_size,
)


class VarianceLaw:
    """Law of a product of independent scaled chi-squares, in the manner of SciPy's frozen distributions.

    Build it with `variance_law`. Densities and probabilities are contour integrals through the saddle
    point of each argument, so both tails keep their relative accuracy (about 1e-12). Values of the
    variance below the range of doubles are reached on the log scale: `log_ppf`, `log_isf`,
    `cdf_of_log`, `pdf_of_log`, `log_mean`, `log_var`. Values are ratios to the true variance.

    Attributes
    ----------
    kind, source : str
        The labels of closed-form values in this package.
    """

    kind = "exact law"
    source = "derived here (Mellin transform of the chi-square, inverted through its saddle point)"
    nodes = 64

    def __init__(self, degrees: Array, log_gain: Array) -> None:
        """Store one factor ``exp(log_gain) * chi2(degrees) / degrees`` per generation."""
        self._cumulants = LogGammaSum(degrees / 2)
        self._lowest = float(self._cumulants.half[0])
        self._log_mean = float(np.sum(log_gain + digamma_minus_log(degrees / 2)))
        self._log_std = float(np.sqrt(self.log_cumulant(2)))

    def log_cumulant(self, order: int) -> float:
        """Return the cumulant of the logarithm of the variance, of order 1, 2, 3, ..."""
        order = check_size("order", order, maximum=150)
        if order == 1:
            return self._log_mean
        half, count = self._cumulants.half, self._cumulants.count
        return float(np.sum(count * special.polygamma(order - 1, half)))

    def log_mean(self) -> float:
        """Return the mean of the logarithm of the variance, which describes typical trajectories."""
        return self._log_mean

    def log_var(self) -> float:
        """Return the variance of the logarithm of the variance."""
        return self._log_std**2

    def moment(self, order: float) -> float:
        """Return a moment of real order; infinite up to minus half the smallest degrees of freedom."""
        order = check_number("order", order, -1e15, 1e15)
        if order <= -self._lowest:
            return float("inf")
        excess = self._cumulants(np.array([float(order)]), 0)[0]
        with np.errstate(over="ignore"):
            return float(np.exp(order * self._log_mean + excess))

    def mean(self) -> float:
        """Return the mean, which depends on rare trajectories once the generation exceeds the sample size."""
        return self.moment(1)

    def var(self) -> float:
        """Return the variance."""
        first, second = self._cumulants(np.array([1.0, 2.0]), 0)
        with np.errstate(over="ignore"):
            return float(np.exp(2 * self._log_mean + second) * -np.expm1(2 * first - second))

    def std(self) -> float:
        """Return the square root of the variance."""
        return float(np.sqrt(self.var()))

    def _saddle(self, x: Array) -> Array:
        """Return the saddle point's distance to the first pole, by Newton on its log (K' is concave)."""
        t = np.full_like(x, np.log(self._lowest))
        for _ in range(400):
            w = np.exp(t)
            s = w - self._lowest
            step = (x - self._cumulants(s, 1)) / (w * self._cumulants(s, 2))
            t, previous = np.clip(t + np.maximum(step, -2.0), np.log(self._lowest) - 30, 300.0), t
            if not np.any(np.abs(t - previous) > 1e-6):
                break
        return np.exp(t)

    def _logs(self, y: ArrayLike) -> tuple[Array, Array, Array]:
        """Return the logarithms of density, lower tail and upper tail of the log-variance at `y`."""
        x = np.asarray(y, dtype=float).ravel() - self._log_mean
        blocks = np.array_split(x, len(x) // 2**13 + 1)  # bounded memory
        logs = np.concatenate([self._contour(b) for b in blocks], axis=1).reshape(3, *np.shape(y))
        return logs[0], logs[1], logs[2]

    @np.errstate(all="ignore")
    def _contour(self, x: Array) -> Array:
        upper = x >= 0
        # The apex of the contour stays away from the pole that the tails have at s = 0.
        clear = 1 + 1.4 / (self._log_std * self._lowest)
        w = self._saddle(x)
        w = np.where(upper, np.maximum(w, self._lowest * clear), np.minimum(w, self._lowest / clear))
        s = w - self._lowest
        exponent = self._cumulants(s, 0) - s * x
        width = 1 / (w * np.sqrt(self._cumulants(s, 2)))
        # A parabola around the poles stays close to steepest descent at every scale of w.
        step = 12 * width / self.nodes
        root = 1 + 0.5j * step[:, None] * (np.arange(self.nodes) + 0.5)
        path = s[:, None] + w[:, None] * (root**2 - 1)
        integrand = np.exp(self._cumulants(path, 0) - path * x[:, None] - exponent[:, None]) * root
        density = step * (w[:, None] * integrand).real.sum(1) / np.pi
        tail = step * (w[:, None] / path * integrand).real.sum(1) / np.pi
        # Probabilities below exp(-1e6) are mostly rounding: only their leading term is known.
        deep = exponent < -1e6
        density = exponent + np.log(np.where(deep, w * width / np.sqrt(2 * np.pi), density))
        tail = exponent + np.log(np.where(deep, w * width / np.sqrt(2 * np.pi) / abs(s), abs(tail)))
        other = np.log1p(-np.exp(tail))
        lower, higher = np.where(upper, [other, tail], [tail, other])
        return np.stack([density, lower, higher])

    @np.errstate(divide="ignore", invalid="ignore")
    def _log_quantile(self, lower: ArrayLike, upper: ArrayLike) -> Array:
        """Return the point of given tails (`lower` + `upper` = 1), by Newton on the smaller one's log."""
        lower, upper = np.broadcast_arrays(np.asarray(lower, dtype=float), np.asarray(upper, dtype=float))
        left = lower <= upper
        target = np.log(np.where(left, lower, upper))
        normal = np.where(left, special.ndtri(lower), -special.ndtri(upper))
        y = np.asarray(self._log_mean + self._log_std * normal)
        inside = np.isfinite(target) & np.isfinite(y)
        z, goal, side = y[inside], target[inside], left[inside]
        for _ in range(60):
            density, low, high = self._logs(z)
            log_tail = np.where(side, low, high)
            step = (goal - log_tail) * np.exp(log_tail - density) * np.where(side, 1, -1)
            z = z + np.minimum(step, 2 * self._log_std)
            if np.all(np.abs(step) <= 1e-11 * self._log_std + 4e-16 * np.abs(z)):
                break
        y[inside] = z
        return y

    def chernoff(self, x: ArrayLike) -> Array:
        """Return the best Chernoff bound of `sf`: the least ``E X**s / x**s`` over s >= 0."""
        with np.errstate(divide="ignore"):
            distance = np.atleast_1d(
                np.maximum(np.log(np.maximum(_values("x", x), 0.0)) - self._log_mean, 0.0)
            )
        s = self._saddle(distance.ravel()) - self._lowest
        bound = np.exp(self._cumulants(s, 0) - s * distance.ravel())
        clipped: Array = np.minimum(bound, 1.0).reshape(np.shape(x))
        return clipped[()]

    def pdf_of_log(self, y: ArrayLike) -> Array:
        """Return the density of the logarithm of the variance at `y`."""
        return np.exp(self._logs(_values("y", y))[0])[()]

    def cdf_of_log(self, y: ArrayLike) -> Array:
        """Return the probability that the logarithm of the variance is at most `y`."""
        return np.exp(self._logs(_values("y", y))[1])[()]

    def log_ppf(self, q: ArrayLike) -> Array:
        """Return the logarithm of the quantile `q`, finite where the quantile itself underflows."""
        q = _values("q", q)
        return self._log_quantile(q, 1 - q)[()]

    def log_isf(self, q: ArrayLike) -> Array:
        """Return the logarithm of `isf`, finite where the quantile itself underflows."""
        q = _values("q", q)
        return self._log_quantile(1 - q, q)[()]

    @np.errstate(divide="ignore", invalid="ignore")
    def _at(self, x: Array, which: int) -> Array:
        return self._logs(np.log(np.where(x < 0, 0.0, x)))[which]

    def logpdf(self, x: ArrayLike) -> Array:
        """Return the logarithm of the density."""
        x = _values("x", x)
        safe = np.where(x > 0, x, 1.0)
        values = self._at(safe, 0) - np.log(safe)
        return np.where(x > 0, values, np.where(np.isnan(x), x, -np.inf))[()]

    def pdf(self, x: ArrayLike) -> Array:
        """Return the density (zero at and below zero)."""
        return np.exp(self.logpdf(x))

    def logcdf(self, x: ArrayLike) -> Array:
        """Return the logarithm of the probability of at most `x`."""
        return self._at(_values("x", x), 1)[()]

    def logsf(self, x: ArrayLike) -> Array:
        """Return the logarithm of the probability of more than `x`."""
        return self._at(_values("x", x), 2)[()]

    def cdf(self, x: ArrayLike) -> Array:
        """Return the probability of at most `x`."""
        return np.exp(self.logcdf(x))

    def sf(self, x: ArrayLike) -> Array:
        """Return the probability of more than `x`."""
        return np.exp(self.logsf(x))

    def ppf(self, q: ArrayLike) -> Array:
        """Return the quantile, the inverse of `cdf`."""
        return np.exp(self.log_ppf(q))

    def isf(self, q: ArrayLike) -> Array:
        """Return the inverse of `sf`, accurate for small `q`."""
        return np.exp(self.log_isf(q))

    def median(self) -> float:
        """Return the median."""
        return float(self.ppf(0.5))

    def interval(self, confidence: ArrayLike) -> tuple[Array, Array]:
        """Return the interval with equal probability on either side."""
        side = (1 - _values("confidence", confidence)) / 2
        return self.ppf(side), self.isf(side)

    def support(self) -> tuple[float, float]:
        """Return the support of the distribution."""
        return 0.0, float("inf")

    def rvs(
        self,
        size: int | tuple[int, ...] | None = None,
        random_state: int | np.random.Generator | None = None,
    ) -> Array:
        """Draw independently, by multiplying chi-squares (the cost grows with the generation)."""
        if random_state is not None and not isinstance(random_state, np.random.Generator):
            random_state = check_seed(random_state, "random_state", others=" or a Generator")
        rng = np.random.default_rng(random_state)
        lengths = () if size is None else size if isinstance(size, tuple) else (size,)
        shape = tuple(check_size("size", length, 0, LARGEST_ARRAY) for length in lengths)
        y: Array = np.full(shape, self._log_mean)
        for half, count in zip(self._cumulants.half, self._cumulants.count, strict=True):
            for _ in range(count):
                y += np.log(rng.standard_gamma(half, y.shape)) - special.digamma(half)
        return np.exp(y)[()]


def _values(name: str, value: ArrayLike) -> Array:
    """Return numbers, NaN included: as in SciPy, undefined values of the law are NaN."""
    return check_numbers(name, value, infinite=True, missing=True)


@check_arguments
def variance_law(
    *,
    generation: int,
    n: Sizes,
    bias: float = 1.0,
    ddof: int | None = None,
    known_mean: bool = False,
    n_initial: int | None = None,
) -> VarianceLaw:
    r"""Return the exact law of the one-dimensional variance in the replace loop, relative to the truth.

    .. math:: \sigma_g^2/\sigma_0^2 = \prod_{i=1}^g \frac{\lambda_i}{n_i - c}\,\chi^2_{\nu_i},
       \qquad \lambda_1 = 1,\ \lambda_{i>1} = \lambda,\ \nu_i = n_i - 1

    with independent chi-squares. It is also the law of :math:`x^T\Sigma_g x / x^T\Sigma_0 x` for any
    direction :math:`x` in any dimension. Kind: exact law, for a Gaussian truth.

    Parameters
    ----------
    generation : int
        Generation, 1 or more; generation 1 is the fit to `n_initial` real points.
    n : int, sequence or function of the generation
        Points per generation, at least 2 (1 when the mean is known and `ddof` is 0).
    bias : float
        Factor of the variance of synthetic samples (dimensionless), positive; generation 1 has no bias.
    ddof : {0, 1}, optional
        The divisor is n - ddof; by default 1, or 0 when the mean is known.
    known_mean : bool
        Whether the scatter is taken about the true mean, so that :math:`\nu_i = n_i`.
    n_initial : int, optional
        Real points of generation 1, by default `n` there.

    Returns
    -------
    VarianceLaw
        A frozen distribution in SciPy's manner.

    Raises
    ------
    ValueError
        If an argument is out of range, or the law is a point at 0 (a fit of one point, or bias 0).

    Notes
    -----
    The mean depends on ever rarer trajectories: once the generation exceeds n, use quantiles.
    Source: derived here (Mellin transform of the chi-square).
    """
    bias, generation = check_bias(bias), check_size("generation", generation)
    _, degrees, divisors = chain_sizes(n, n_initial, generation, ddof, known_mean)
    if degrees.min() < 1 or (bias == 0 and generation > 1):
        cause = "bias=0" if degrees.min() >= 1 else "a fit of n=1 point about its own mean"
        raise ValueError(f"{cause} makes the variance exactly 0: no density; use bias > 0 and n >= 2.")
    log_gain = np.log1p((degrees - divisors) / divisors)
    log_gain[1:] += np.log(bias) if generation > 1 else 0.0
    return VarianceLaw(degrees, log_gain)
