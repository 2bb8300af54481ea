"""Kernel density estimation with Gaussian kernels; bandwidth 0 is the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from madtheory._roots import triangular
from madtheory._validation import check_choice, check_kernel_bias, check_numbers, check_points, check_size
from madtheory.data import Moments, Weighted
from madtheory.types import Array

__all__ = ["KernelDensity"]


@dataclass(frozen=True, eq=False)
class KernelDensity:
    r"""The training set with a Gaussian on every point: :math:`\frac1n \sum_i N(x_i, H)`.

    A sample is a training point drawn at random plus :math:`N(0, H)`. Biased sampling multiplies the
    covariance H of the kernel by `bias`, and leaves the points where they are: bias 0 repeats them.

    Parameters
    ----------
    bandwidth : float, "silverman" or "scott"
        A number h >= 0: :math:`H = h^2 I`, and 0 is the bootstrap. A rule: :math:`H = f^2 C`, C the unbiased
        covariance of the training set, with the factor of `scipy.stats.gaussian_kde`,
        :math:`f = n^{-1/(d+4)}` (Scott 1992) or :math:`(n (d + 2) / 4)^{-1/(d+4)}` (Silverman 1986).

    Attributes
    ----------
    points : array, shape (*replicate, n, d)
        The training set.
    steps : array, shape (*replicate, n), optional
        Cumulated weights of the points, if they are not all equal.
    kernel : array, shape (*replicate, d, k)
        Root of H.

    Notes
    -----
    Cost: O(n d^2) for the fit, O(d^2) for each sample. With weights, n is the effective number
    :math:`W^2/W_2` and C the unbiased weighted covariance.
    """

    bandwidth: float | Literal["silverman", "scott"] = "silverman"
    points: Array | None = field(default=None, init=False)
    steps: Array | None = field(default=None, init=False)
    kernel: Array | None = field(default=None, init=False)
    moments: Moments | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.bandwidth, str):
            check_choice("bandwidth", self.bandwidth, ("silverman", "scott"))
            return
        width = float(check_numbers("bandwidth", self.bandwidth))
        if width < 0:
            raise ValueError(
                f"bandwidth={self.bandwidth!r} is negative; pass a number >= 0, 'silverman' or 'scott'."
            )
        object.__setattr__(self, "bandwidth", width)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self._fitted()[0].shape[-1])

    @property
    def mean(self) -> Array:
        """Mean, shape (*replicate, d): that of the training set."""
        return self._fitted()[2].mean

    @property
    def scaled_factor(self) -> Array:
        """Lower-triangular factor of the covariance, shape (*replicate, d, d)."""
        _, kernel, moments = self._fitted()
        spread = moments.root / np.sqrt(moments.weight)[..., None, None]
        pad = np.zeros((*spread.shape[:-1], self.dim))
        return triangular(np.concatenate([spread, kernel, pad], -1))

    @property
    def exponent(self) -> None:
        """None: the factor carries no powers of two."""
        return None

    @property
    def covariance(self) -> Array:
        """Covariance at bias 1, shape (*replicate, d, d): that of the points (divisor n) plus H."""
        factor = self.scaled_factor
        return factor @ np.swapaxes(factor, -1, -2)

    @property
    def log_volume(self) -> Array:
        """Log determinant of the covariance, shape (*replicate,); -inf if it is singular."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.abs(np.diagonal(self.scaled_factor, axis1=-2, axis2=-1)))
        return np.asarray(2 * logs.sum(-1))

    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> KernelDensity:
        """Keep points (*replicate, n, d), or `Weighted` points; `rng` is not used."""
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
        if isinstance(self.bandwidth, str):
            effective = np.asarray(moments.weight**2 / moments.squared_weight)
            if (effective <= 1).any():
                raise ValueError(
                    f"bandwidth={self.bandwidth!r} needs the spread of 2 or more points, and there is "
                    f"one. Pass a number."
                )
            shrink = effective if self.bandwidth == "scott" else effective * (dim + 2) / 4
            divisor = moments.weight * (1 - 1 / effective)
            kernel = moments.root * (shrink ** (-1 / (dim + 4)) / np.sqrt(divisor))[..., None, None]
        else:
            kernel = np.broadcast_to(self.bandwidth * np.eye(dim), (*points.shape[:-2], dim, dim))
        return self._with(points, steps, kernel, moments)

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (*replicate, n, d): training points plus N(0, bias * H)."""
        points, kernel, _ = self._fitted()
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
        """Add leading replicate axes (views: no memory). An unfitted model stays as it is."""
        if self.points is None:
            return self
        points, kernel, old = self._fitted()

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

    def _with(self, *values: Any) -> KernelDensity:
        new = KernelDensity(self.bandwidth)
        for name, value in zip(("points", "steps", "kernel", "moments"), values, strict=True):
            object.__setattr__(new, name, value)
        return new

    def _fitted(self) -> tuple[Array, Array, Moments]:
        if self.points is None or self.kernel is None or self.moments is None:
            raise ValueError("this KernelDensity is not fitted; call fit(data).")
        return self.points, self.kernel, self.moments
