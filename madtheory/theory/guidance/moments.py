"""Exact moments of one-dimensional loops under SIMS: fully synthetic, and with fixed real data."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate, optimize, special

from madtheory.theory.gaussian import direction_gains, scaled_log_moment
from madtheory.theory.guidance.laws import mean_pull
from madtheory.theory.labels import Labelled, label
from madtheory.validation import GREATEST, check_arguments, check_bias, check_ddof, check_numbers, check_size


class Step:
    """One fit and one auxiliary: logarithmic moments of chi-squares, and expectations over the auxiliary."""

    def __init__(
        self,
        *,
        n: int,
        n_auxiliary: int | None,
        dim: int,
        bias: float,
        auxiliary_bias: float | None,
        ddof: int | None,
        known_mean: bool,
    ) -> None:
        self.dim, self.known_mean = check_size("dim", dim), bool(known_mean)
        self.ddof = check_ddof(ddof, self.known_mean)
        self.bias = check_bias(bias)
        self.auxiliary_bias = (
            self.bias if auxiliary_bias is None else check_bias(auxiliary_bias, "auxiliary_bias")
        )
        if min(self.auxiliary_bias, self.bias) < 1 / GREATEST:
            raise ValueError(
                f"bias=0 (or auxiliary_bias=0, sampling_bias=0) gives models without spread, which have no "
                f"logarithm; pass at least {1 / GREATEST:g}."
            )
        self.n_auxiliary = check_size("n_auxiliary", n if n_auxiliary is None else n_auxiliary)
        self.n = check_size("n", n)
        for name, size in (("n", self.n), ("n_auxiliary", self.n_auxiliary)):
            if size - (not self.known_mean) < self.dim:
                raise ValueError(
                    f"{name}={size} points give singular covariances in dim={self.dim}, which have no "
                    f"logarithm; pass at least {self.dim + (not self.known_mean)}."
                )

    def logs(self, auxiliary: bool) -> float:
        """Return the mean log volume that a fit loses or gains."""
        degrees, divisor, bias = self.scale(auxiliary)
        gains = direction_gains(np.array([degrees]), np.array([divisor]), self.dim)[0][0]
        return float(gains.sum() + self.dim * np.log(bias))

    def spread(self, auxiliary: bool) -> float:
        """Return the variance of the log volume of a fit."""
        return float(special.polygamma(1, (self.scale(auxiliary)[0] - np.arange(self.dim)) / 2).sum())

    def moment(self, power: float, auxiliary: bool = False) -> float:
        """Return E (v' / v) ** power of a one-dimensional fit; infinite where it diverges."""
        degrees, divisor, bias = self.scale(auxiliary)
        half = degrees / 2
        if half + power <= 0:
            return np.inf
        log = scaled_log_moment(degrees, divisor, bias, power)
        return float(np.exp(log))

    def expectation(self, function: Any, low: float = 0.0, high: float = np.inf) -> tuple[float, float]:
        """Return the mean of a function of v_s / v_r within limits, and the probability of these."""
        degrees, divisor, bias = self.scale(True)
        half, unit = degrees / 2, divisor / (2 * bias)
        inside = special.gammainc(half, high * unit) - special.gammainc(half, low * unit)
        if inside <= 0:
            return np.nan, 0.0
        # In the logarithm of the ratio the density falls off on both sides, and only the ends set by the
        # limits are singular: a square is substituted there.
        log_low = np.log(max(low, special.gammaincinv(half, 1e-18) / unit, 1e-300))
        log_high = np.log(min(high, special.gammainccinv(half, 1e-18) / unit))

        mode = np.log(half / unit)
        height = _log_height(half)

        def density(y: float) -> float:
            return float(np.exp(half * (y - mode - np.expm1(y - mode)) + height))

        middle = np.clip(mode, log_low + 1e-9, log_high - 1e-9)

        def below(s: float) -> float:
            y = log_low + s * s
            return 2 * s * density(y) * _clip(function(np.exp(y)))

        def above(s: float) -> float:
            y = log_high - s * s
            return 2 * s * density(y) * _clip(function(np.exp(y)))

        total = sum(
            integrate.quad(part, 0.0, np.sqrt(length), epsabs=1e-13, epsrel=1e-9, limit=400)[0]
            for part, length in ((below, middle - log_low), (above, log_high - middle))
            if length > 0
        )
        return float(total / inside), float(inside)

    def scale(self, auxiliary: bool) -> tuple[float, float, float]:
        """Return the degrees of freedom, divisor and bias of a fit."""
        size = self.n_auxiliary if auxiliary else self.n
        bias = self.auxiliary_bias if auxiliary else self.bias
        return float(size - (not self.known_mean)), float(size - self.ddof), bias


def _log_height(half: float) -> float:
    """Log density, at its mode, of the logarithm of a Gamma(half) variable."""
    if half > 30:
        return float(0.5 * np.log(half / (2 * np.pi)) - 1 / (12 * half) + 1 / (360 * half**3))
    return float(half * np.log(half) - half - special.gammaln(half))


def one_number(name: str, value: Any) -> float:
    """Return a finite number."""
    number = check_numbers(name, value)
    if number.ndim:
        raise ValueError(f"{name}={value!r} has shape {number.shape}; pass one number.")
    return float(number)


def _clip(value: Any) -> float:
    """Clip a value to a range that QUADPACK accepts: it crashes on infinite values and on NaN."""
    number = float(value)
    return number if abs(number) < 1e200 else float(np.copysign(1e200, number))


SOURCE = "derived here (closure of the first moments under the guided law)"


@check_arguments
def sims_moments(
    *,
    guidance: float,
    n_synthetic: int,
    generations: int,
    n_real: int = 0,
    n_auxiliary: int | None = None,
    bias: float = 1.0,
    auxiliary_bias: float | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
) -> dict[str, Labelled]:
    r"""Return mean variance and mean squared error of the guided models of a loop, in one dimension.

    Guiding multiplies the mean variance by :math:`E\,Y^{-w}` and adds
    :math:`w^2 E h^2(Y) \lambda_s/n_s` variances to the squared error, with Y and h of `rate` and `sims_law`;
    fitting is the affine map of the loop without guidance. Both moments are infinite where
    :math:`w \ge (n_s - 1)/2`. Kind: exact mean.

    Parameters
    ----------
    guidance : float
        Weight w of the guidance.
    n_synthetic : int
        Synthetic points of generations 2, 3, ...; also the points of generation 1 if `n_real` is 0.
    generations : int
        Number of generations, 1 or more.
    n_real : int
        Real points, the same in all generations (`augment`); 0 is the fully synthetic loop.
    n_auxiliary : int, optional
        Points that each auxiliary is trained on; by default the size of the training set of generation 2.
    bias, auxiliary_bias, ddof, known_mean
        As for `rate`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``total_variance`` and ``mean_error``, in units of the true variance.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.sims_moments(
    ...     guidance=0.5, n_synthetic=50, generations=3
    ... )["total_variance"].round(4))
    [1.0156 1.0315 1.0477]
    """
    check_size("n_real", n_real, minimum=0)
    step, first = _steps(n_real, n_synthetic, n_auxiliary, bias, auxiliary_bias, ddof, known_mean)
    factor, added = _guidance_factors(step, one_number("guidance", guidance))
    matrix, real = _map(step, n_real, n_synthetic, factor, added)
    start = (first - (not known_mean)) / (first - step.ddof)
    state = np.array([start, 0.0 if n_real or known_mean else 1 / first])
    states = [state]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(check_size("generations", generations) - 1):
            state = matrix @ state + real
            states.append(state)
        variance, error = np.array(states).T
        of_real = 1 / n_real if n_real and not known_mean else 0.0
        out = {"total_variance": factor * variance, "mean_error": error + added * variance + of_real}
    return {key: label(np.where(np.isnan(x), np.inf, x), "exact mean", SOURCE) for key, x in out.items()}


@check_arguments
def largest_stable_guidance(
    *,
    n_synthetic: int,
    n_real: int,
    n_auxiliary: int | None = None,
    bias: float = 1.0,
    auxiliary_bias: float | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Return the guidance from which the mean variance of a loop with fixed real data has no limit.

    There the spectral radius of the map of `sims_moments` is 1. Without guidance the loop is stationary;
    guidance makes it wider by :math:`E\,Y^{-w}` a generation, which only enough real data compensate. The
    mean depends on rare loops: typical ones stay bounded up to a somewhat larger guidance. Kind: exact mean
    (a root, found to 1e-10). Parameters and errors: as for `sims_moments`, in one dimension.

    Returns
    -------
    Labelled scalar
        The guidance; 0 if the loop has no limit without guidance either.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.largest_stable_guidance(n_synthetic=50, n_real=100, n_auxiliary=150).round(4))
    10.0244
    """
    check_size("n_real", n_real)
    step, _ = _steps(n_real, n_synthetic, n_auxiliary, bias, auxiliary_bias, ddof, known_mean)

    def excess(w: float) -> float:
        matrix, _ = _map(step, n_real, n_synthetic, *_guidance_factors(step, w))
        if not np.isfinite(matrix).all():  # moments beyond the range of doubles
            return 1e6
        return float(min(np.abs(np.linalg.eigvals(matrix)).max(), 1e6)) - 1

    last = (step.n_auxiliary - (not known_mean)) / 2
    if excess(0.0) >= 0:
        return label(0.0, "exact mean", SOURCE)
    top = last * (1 - 1e-9)
    for w in np.minimum(np.geomspace(0.05, max(4 * last, 1.0), 60), top):
        if excess(w) > 0:
            top = w
            break
    if excess(top) <= 0:  # the moment that diverges at `last` is still small there
        return label(last, "exact mean", SOURCE)
    return label(optimize.brentq(excess, 0.0, top, xtol=1e-10), "exact mean", SOURCE)


@check_arguments
def sims_distance(
    *,
    guidance: float,
    n: int,
    n_auxiliary: int | None = None,
    sampling_bias: float = 1.0,
    auxiliary_bias: float | None = None,
    ddof: int | None = None,
    known_mean: bool = False,
) -> Labelled:
    r"""Return the mean squared Wasserstein-2 distance of a guided model's samples to the truth, in 1-D.

    .. math:: E W_2^2 = \lambda\,E v + 1 - 2\sqrt\lambda\,E\sqrt v + E(m - m_0)^2

    for a model fitted to n real points, with the moments of `sims_moments` and
    :math:`E\sqrt v = E\sqrt{v_r}\;E\,Y^{-w/2}`. Kind: exact mean.

    Parameters
    ----------
    guidance : float
        Weight w of the guidance.
    n : int
        Number of real points.
    n_auxiliary : int, optional
        Points that the auxiliary is trained on. Default n.
    sampling_bias : float
        Factor :math:`\lambda` of the covariance of the evaluated samples: an imperfect sampler.
    auxiliary_bias : float, optional
        Factor for the samples that the auxiliary is trained on; by default `sampling_bias`.
    ddof, known_mean
        As for `rate`.

    Returns
    -------
    Labelled scalar
        The distance in units of the true variance; infinite where the moments are.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    For an unbiased sampler the optimum is at w = 0 up to O(1/n): guidance has nothing to correct, and
    adds the auxiliary's noise. For a biased one it approaches w = 1 with many auxiliary points, where the
    sampled variance :math:`\lambda^{1 - w} v_r` does not depend on the bias. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import guidance
    >>> print(guidance.sims_distance(guidance=0.5, n=50).round(4))
    0.0382
    """
    auxiliary_bias = sampling_bias if auxiliary_bias is None else auxiliary_bias
    step = Step(
        n=n, n_auxiliary=n_auxiliary, dim=1, bias=1.0, auxiliary_bias=auxiliary_bias, ddof=ddof,
        known_mean=known_mean,
    )  # fmt: skip
    w = one_number("guidance", guidance)
    factor, added = _guidance_factors(step, w)
    fitted = step.moment(1.0)
    root = step.moment(0.5) * step.moment(-w / 2, auxiliary=True)
    error = added * fitted + (0.0 if known_mean else 1 / n)
    bias = Step(n=n, n_auxiliary=None, dim=1, bias=sampling_bias, auxiliary_bias=None, ddof=ddof,
                known_mean=known_mean).bias  # fmt: skip
    total = np.inf if np.isinf(factor) else bias * factor * fitted + 1 - 2 * np.sqrt(bias) * root + error
    return label(total, "exact mean", SOURCE)


def _steps(
    n_real: int,
    n_synthetic: int,
    n_auxiliary: int | None,
    bias: float,
    auxiliary_bias: float | None,
    ddof: int | None,
    known_mean: bool,
) -> tuple[Step, int]:
    """Return the step of generations 2, 3, ..., and the points of generation 1."""
    total = n_real + check_size("n_synthetic", n_synthetic, int(n_real == 0))
    step = Step(
        n=total, n_auxiliary=n_auxiliary, dim=1, bias=bias, auxiliary_bias=auxiliary_bias, ddof=ddof,
        known_mean=known_mean,
    )  # fmt: skip
    first = n_real or n_synthetic
    if first <= step.ddof:
        raise ValueError(f"generation 1 has {first} points, which is not above ddof={step.ddof}; use more.")
    return step, first


def _guidance_factors(step: Step, w: float) -> tuple[float, float]:
    """Return guidance's factor of the mean variance, and its squared step of the mean per variance."""
    factor = step.moment(-w, auxiliary=True)
    if step.known_mean or w == 0:
        return factor, 0.0
    if np.isinf(factor):
        return factor, np.inf
    squared, _ = step.expectation(lambda y: mean_pull(y, w) ** 2)
    return factor, w**2 * squared * step.auxiliary_bias / step.n_auxiliary


def _map(
    step: Step, n_real: int, n_synthetic: int, factor: float, added: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the affine map of (mean variance, mean squared distance to the real mean) over a generation."""
    total = n_real + n_synthetic
    divisor, share = total - step.ddof, n_synthetic / total
    if n_synthetic == 0:
        return np.zeros((2, 2)), np.array([(n_real - (not step.known_mean)) / divisor, 0.0])
    factor, added = min(factor, 1e300), min(added, 1e300)
    if step.known_mean:
        matrix = np.array([[step.bias * n_synthetic * factor / divisor, 0.0], [0.0, 0.0]])
        return matrix, np.array([n_real / divisor, 0.0])
    batch = step.bias * factor / n_synthetic + added  # of the batch's mean about the last one, per variance
    pull = n_real * share / divisor
    own = step.bias * (n_synthetic - 1) * factor / divisor
    matrix = np.array([[own + pull * batch, pull], [share**2 * batch, share**2]])
    return matrix, np.array([max(n_real - 1, 0) / divisor, 0.0])
