"""Kernel density estimation with Gaussian kernels; bandwidth 0 is the bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from madtheory.data import Moments, Weighted
from madtheory.models.gaussian import Gaussian, OnceKnown
from madtheory.models.log_density import Whitening, check_test_points
from madtheory.numerics import (
    Bandwidth,
    absolute_width,
    check_bandwidth,
    distances,
    relative_factor,
    scales_with_data,
    triangular,
)
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_arguments, check_kernel_bias, check_points, check_size


@dataclass(frozen=True, eq=False)
class KernelDensity:
    r"""The training set with a Gaussian on every point: :math:`\frac1n \sum_i N(x_i, H)`.

    A sample is a training point drawn at random plus :math:`N(0, H)`. Biased sampling multiplies the
    covariance H of the kernel by `bias`, and leaves the points where they are: bias 0 repeats them.

    Parameters
    ----------
    bandwidth : float, str or function
        Bandwidth: a number h >= 0 means :math:`H = h^2 I`, and 0 is the bootstrap.

        ``"silverman"`` and ``"scott"`` are SciPy's, which scale with the data: :math:`H = f^2 C`, C the
        unbiased covariance of the training set, with the factor of `scipy.stats.gaussian_kde`,
        :math:`f = n^{-1/(d+4)}` (Scott 1992) or :math:`(n (d + 2) / 4)^{-1/(d+4)}` (Silverman 1986).

        ``"sklearn_silverman"`` and ``"sklearn_scott"`` are those of
        `sklearn.neighbors.KernelDensity`: :math:`H = f^2 I` with the same f, in the units of the data,
        independent of their spread.

        A function of (n, dim) returns the number h > 0 for n points: ``lambda n, dim: n ** (-1 / 5)``.
        A run that is stored needs one defined at the top of a module.

    Attributes
    ----------
    points : array, shape (*replicate, n, d)
        Training set.
    steps : array, shape (*replicate, n), optional
        Cumulated weights of the points, if they are not all equal.
    kernel : array, shape (*replicate, d, k)
        Root of H.

    Notes
    -----
    Cost: O(n d^2) for the fit, O(d^2) for each sample. With weights, n is the effective number
    :math:`W^2/W_2` and C the unbiased weighted covariance.
    """

    takes_weights: ClassVar[bool] = True

    bandwidth: Bandwidth = "silverman"
    points: Array | None = field(default=None, init=False)
    steps: Array | None = field(default=None, init=False)
    kernel: Array | None = field(default=None, init=False)
    summary: Moments | None = field(default=None, init=False, repr=False)

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "bandwidth", check_bandwidth(self.bandwidth))

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self._check_fitted()[0].shape[-1])

    @property
    def mean(self) -> Array:
        """Mean, shape (*replicate, d): that of the training set."""
        return self._check_fitted()[2].mean

    @OnceKnown
    def moments(self) -> Gaussian:
        """The Gaussian of the mean and, at bias 1, the covariance: that of the points (divisor n) plus H."""
        _, kernel, summary = self._check_fitted()
        if scales_with_data(self.bandwidth):
            # H is a multiple of the covariance, and so is their sum.
            share = 1 / np.asarray(summary.weight) + self._relative_scale(summary) ** 2
            return Gaussian.of_factor(summary.mean, np.sqrt(share)[..., None, None] * summary.root)
        spread = summary.root / np.sqrt(summary.weight)[..., None, None]
        return Gaussian.of_factor(summary.mean, triangular(spread, kernel))

    @property
    def covariance(self) -> Array:
        """Covariance at bias 1, shape (*replicate, d, d): that of the points (divisor n) plus H."""
        return np.asarray(self.moments.covariance)

    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> KernelDensity:
        """Return the model of points (*replicate, n, d), or `Weighted` points; `rng` is not used."""
        if isinstance(data, Moments):
            raise ValueError("data are Moments; a kernel density keeps points: use method='samples'.")
        weights = data.weights if isinstance(data, Weighted) else None
        points = np.array(check_points(data.points if isinstance(data, Weighted) else data))
        moments = Moments.of(points, weights)
        steps = None
        if weights is not None:
            steps = np.cumsum(weights, -1)
            steps = steps / steps[..., -1:]
        dim = points.shape[-1]
        width = absolute_width(self.bandwidth, points.shape[-2], dim)
        if width is None:
            kernel = moments.root * self._relative_scale(moments)[..., None, None]
        else:
            kernel = np.broadcast_to(width * np.eye(dim), (*points.shape[:-2], dim, dim))
        return self._with(points, steps, kernel, moments)

    def log_density(self, points: Any) -> Array:
        r"""Log density :math:`\log \sum_i w_i N(x; x_i, H)` at points, shape (*replicate, n).

        A singular kernel has a density on its support only, as a singular `Gaussian`: off it the value is
        -inf. The bootstrap (bandwidth 0) gives the log probability of each training point, and -inf
        elsewhere. Sampling bias does not enter.

        Parameters
        ----------
        points : array, shape (m, d) or (*replicate, m, d)
            Points; without leading axes, the same ones for every replicate.

        Raises
        ------
        ValueError
            If the model is not fitted, or points do not have its dimension.

        Notes
        -----
        Cost O(n m d) for each replicate, in memory of one block of distances.

        Examples
        --------
        >>> import numpy as np
        >>> from madtheory import KernelDensity
        >>> KernelDensity(0.5).fit(np.array([[0.0], [1.0]])).log_density([[0.0], [9.0]]).round(3)
        array([  -0.792, -128.919])
        """
        own, kernel, moments = self._check_fitted()
        checked = check_test_points(points, own.shape[-1])
        lead = np.broadcast_shapes(own.shape[:-2], checked.shape[:-2])
        checked = np.broadcast_to(checked, (*lead, *checked.shape[-2:]))
        trained = np.broadcast_to(own, (*lead, *own.shape[-2:]))
        kernels = np.broadcast_to(kernel, (*lead, *kernel.shape[-2:]))
        means = np.broadcast_to(moments.mean, (*lead, own.shape[-1]))
        size = own.shape[-2]
        shares = np.full(size, 1 / size) if self.steps is None else np.diff(self.steps, axis=-1, prepend=0.0)
        shares = np.broadcast_to(shares, (*lead, size))
        values = np.empty(checked.shape[:-1])
        for at in np.ndindex(*lead):
            values[at] = _kernel_sum(checked[at], trained[at], means[at], kernels[at], shares[at])
        return values

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (*replicate, n, d): training points plus N(0, bias * H)."""
        points, kernel, _ = self._check_fitted()
        *lead, size, _ = points.shape
        scale = np.sqrt(check_kernel_bias(self.bandwidth, bias))
        if self.steps is None:
            chosen = rng.integers(size, size=(*lead, check_size("n", n)))
        else:
            levels = rng.random((*lead, check_size("n", n))).reshape(-1, n)
            flat = zip(self.steps.reshape(-1, size), levels, strict=True)
            found = [np.searchsorted(step, level, side="right") for step, level in flat]
            chosen = np.reshape(found, (*lead, n))
        normals = rng.standard_normal((*lead, n, kernel.shape[-1]))
        picked = np.take_along_axis(points, chosen[..., None], axis=-2)
        return np.asarray(picked + normals @ np.swapaxes(scale * kernel, -1, -2))

    def expand(self, *replicates: int) -> KernelDensity:
        """Add leading replicate axes (views: no memory). An unfitted model is returned unchanged."""
        if self.points is None:
            return self
        points, kernel, old = self._check_fitted()

        def view(values: Any) -> Array:
            return np.broadcast_to(values, replicates + np.shape(values))

        moments = replace(
            old,
            weight=view(old.weight),
            squared_weight=view(old.squared_weight),
            mean=view(old.mean),
            root=view(old.root),
        )
        return self._with(
            view(points), None if self.steps is None else view(self.steps), view(kernel), moments
        )

    def _relative_scale(self, moments: Moments) -> Array:
        """Root of H over that of the scatter matrix, shape (*replicate,), where H scales with the data."""
        effective = np.asarray(moments.weight**2 / moments.squared_weight)
        if (effective <= 1).any():
            raise ValueError(
                f"bandwidth={self.bandwidth!r} needs the spread of 2 or more points, and there is one. Pass "
                f"a number."
            )
        divisor = moments.weight * (1 - 1 / effective)
        return np.asarray(relative_factor(self.bandwidth, effective, moments.dim) / np.sqrt(divisor))

    def _with(self, *values: Any) -> KernelDensity:
        new = KernelDensity(self.bandwidth)
        for name, value in zip(("points", "steps", "kernel", "summary"), values, strict=True):
            object.__setattr__(new, name, value)
        return new

    def _check_fitted(self) -> tuple[Array, Array, Moments]:
        if self.points is None or self.kernel is None or self.summary is None:
            raise ValueError("this KernelDensity is not fitted; call fit(data).")
        return self.points, self.kernel, self.summary


def _kernel_sum(points: Array, trained: Array, centre: Array, kernel: Array, shares: Array) -> Array:
    """Log of the weighted sum of one kernel around the training points, shape (m,)."""
    from scipy.special import logsumexp

    white = Whitening(kernel)
    constant = -0.5 * white.rank * np.log(2 * np.pi) - white.log_volume
    with np.errstate(divide="ignore"):
        logs = np.log(shares) + constant
    # Differences to a centre keep all digits of those to the training points.
    moved, to = points - centre, trained - centre
    ends = white.white(to)
    values = np.empty(len(points))
    for rows, distance in distances(white.white(moved), ends) if white.rank else _zeros(len(points), to):
        terms = logs - 0.5 * np.square(distance)
        if white.rank < white.dim:
            for row, term in zip(range(rows.start, rows.stop), terms, strict=False):
                rounding = np.abs(points[row]) + np.abs(trained)
                term[white.off(points[row] - trained, rounding)] = -np.inf
        values[rows] = logsumexp(terms, axis=1)
    return values


def _zeros(n: int, to: Array) -> Iterator[tuple[slice, Array]]:
    """Yield distances of points without coordinates."""
    for row in range(n):
        yield slice(row, row + 1), np.zeros((1, len(to)))
