"""The Gaussian generator: points and sufficient statistics, any dimension, singular cases included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from madtheory.data import Moments, Weighted
from madtheory.models.log_density import Whitening, check_test_points, full_rank_log_density
from madtheory.numerics import (
    FEW,
    entries,
    multiply_lower,
    one_thread,
    replicates_first,
    rescale,
    room,
    stack,
    triangular,
)
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_bias,
    check_choice,
    check_ddof,
    check_many,
    check_number,
    check_numbers,
    check_size,
    freeze,
    seal,
)

_FEW_COLUMNS = 32


def standard_moments(
    dof: Any, dim: int, lead: tuple[int, ...], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw a standard normal z, and a root T of W = T Tᵀ ~ Wishart(I, dof).

    T is Bartlett's, lower-trapezoidal, with fewer columns than rows if dof < dim (W is then singular).

    Parameters
    ----------
    dof : int or int array, shape (*lead)
        Degrees of freedom, 0 or more.

    Returns
    -------
    array of shape (*lead, dim), array of shape (*lead, dim, min(dim, max dof))
    """
    columns = min(dim, int(np.max(dof)))
    normal, root = room(lead, dim), room(lead, dim, columns)
    shapes = np.maximum(np.asarray(dof)[..., None] - np.arange(columns), 1) / 2
    diagonal = np.einsum("...ii->...i", root[..., :columns, :])
    if dim <= FEW:
        # Straight into their places, without a copy.
        rng.standard_normal(out=entries(normal, 1))
        for i, row in enumerate(entries(root)):
            rng.standard_normal(out=row[:i])
            if i < columns:
                rng.standard_gamma(shapes[..., i], out=row[i, ...])
            row[i + 1 :] = 0.0
        chi_squared = diagonal
    else:
        rng.standard_normal(out=normal)
        below, used = rng.standard_normal((*lead, columns * dim - columns * (columns + 1) // 2)), 0
        chi_squared = _gamma(shapes, (*lead, columns), rng)
        root[...] = 0.0
        for i in range(1, dim):
            many = min(i, columns)
            root[..., i, :many] = below[..., used : used + many]
            used += many
    chi_squared *= 2.0
    np.sqrt(chi_squared, out=diagonal)
    if np.ndim(dof):
        root *= (np.arange(columns) < np.asarray(dof)[..., None])[..., None, :]
    return normal, root


def _gamma(shapes: Array, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw standard gamma numbers; one call per column takes three quarters of the time where it can."""
    if size[-1] > _FEW_COLUMNS:
        return rng.standard_gamma(shapes, size)
    drawn = np.empty((size[-1], *size[:-1]))
    for j in range(size[-1]):
        rng.standard_gamma(shapes[..., j], out=drawn[j, ...])
    return replicates_first(drawn, 1)


SHAPES = ("full", "diagonal", "spherical")
"""Shapes of fitted covariances; all keep the trace."""


def restrict(factor: Array, exponent: Array | None, shape: str) -> tuple[Array, Array | None]:
    """Return a factor, with its powers of two, of the diagonal or spherical part of a covariance."""
    if shape == "full":
        return factor, exponent
    rows, power = _row_norms(factor, exponent)
    if shape == "spherical":
        if power is not None:
            top = power.max(-1, keepdims=True)
            rows, power = np.ldexp(rows, power - top), np.broadcast_to(top, power.shape)
        rows = np.broadcast_to(np.sqrt((rows * rows).mean(-1, keepdims=True)), rows.shape)
    return rows[..., None] * np.eye(factor.shape[-2]), power


def _row_norms(factor: Array, exponent: Array | None) -> tuple[Array, Array | None]:
    """Return the norms of the rows of a factor with column exponents, and a power of two of each."""
    if exponent is None:
        return np.sqrt((factor * factor).sum(-1)), None
    each = np.frexp(factor)[1] + exponent[..., None, :]
    power = np.where(factor != 0, each, -(2**30)).max(-1).astype(np.int64)
    power = np.where(power == -(2**30), 0, power)
    scaled = np.ldexp(factor, np.maximum(exponent[..., None, :] - power[..., None], -(2**20)))
    return np.sqrt((scaled * scaled).sum(-1)), power


def _shrink(factor: Array, exponent: Array | None, shrinkage: float) -> tuple[Array, Array | None]:
    """Return a factor of (1 - s) times the covariance plus s times its mean variance in all directions."""
    ball, power = restrict(factor, exponent, "spherical")
    parts = [np.sqrt(1 - shrinkage) * factor, np.sqrt(shrinkage) * ball]
    return stack(parts, [exponent, power])


@dataclass(frozen=True, init=False, eq=False)
class Gaussian:
    r"""Gaussian with maximum-likelihood or unbiased moments.

    Fitting takes the mean and the covariance :math:`S/(W - \mathrm{ddof}\,W_2/W)` of the training set
    (W, W2: sums of weights and squared weights; the divisor is n - ddof if all weights are 1).
    Biased sampling draws from :math:`N(\mu, \mathrm{bias}\cdot\Sigma)`: bias multiplies the covariance.

    Parameters
    ----------
    mean : array, shape (*replicate, d), optional
        Mean. Without `mean` and `covariance` the model is an unfitted template for `Loop`.
    covariance : array, shape (*replicate, d, d), or variance, optional
        Covariance, positive semi-definite.
    ddof : {0, 1}, optional
        Divisor correction: 0 is maximum likelihood, 1 unbiased. Default 1, or 0 if the mean is known.
    known_mean : array, shape (d,), optional
        Mean that `fit` keeps, and about which it takes the scatter.
    known_covariance : array, shape (d, d), or variance, optional
        Covariance that `fit` keeps: only the mean is fitted.
    shape : {"full", "diagonal", "spherical"}
        Shape of the fitted covariance: all of it, the variances of the coordinates, or their mean. All
        shapes keep the trace.
    shrinkage : float
        Share, 0 to 1, of the spherical covariance of the same trace that `fit` mixes in (dimensionless; that
        of scikit-learn's ``ShrunkCovariance``).

    Notes
    -----
    The covariance is kept as a factor whose columns carry powers of two: with
    ``method="statistics"`` the spread of the `replace` loop never underflows, and the smallest of its
    directions stays accurate next to the largest. Points themselves are doubles: with
    ``method="samples"`` a spread below 1e-16 of the mean is lost, as in any such program.
    """

    takes_weights: ClassVar[bool] = True

    mean: Array | None
    factor: Array | None
    exponent: Array | None  # powers of two of the columns of `factor`
    ddof: int
    known_mean: Array | None
    shape: str = "full"
    shrinkage: float = 0.0
    known_covariance: Array | None = None
    _known_factor: Array | None = None

    __repr__ = short_repr

    def __init__(
        self,
        mean: ArrayLike | None = None,
        covariance: ArrayLike | None = None,
        *,
        ddof: int | None = None,
        known_mean: ArrayLike | None = None,
        known_covariance: ArrayLike | None = None,
        shape: Literal["full", "diagonal", "spherical"] = "full",
        shrinkage: float = 0.0,
    ) -> None:
        if (mean is None) != (covariance is None):
            raise ValueError("mean and covariance go together; pass both, or neither for an unfitted model.")
        known = None if known_mean is None else freeze(np.atleast_1d(check_numbers("known_mean", known_mean)))
        mu = factor = None
        if mean is not None and covariance is not None:
            mu = freeze(np.atleast_1d(check_numbers("mean", mean)))
            factor = _factor(np.atleast_2d(check_numbers("covariance", covariance)), mu.shape[-1])
        self._set(mu, factor, None, check_ddof(ddof, known is not None), known)
        settings: dict[str, Any] = {
            "shape": check_choice("shape", shape, SHAPES),
            "shrinkage": check_number("shrinkage", shrinkage, 0, 1),
        }
        if known_covariance is not None:
            if known is not None or shape != "full" or settings["shrinkage"]:
                raise ValueError(
                    "known_covariance leaves only the mean to fit; leave out known_mean, shape and shrinkage."
                )
            matrix = np.atleast_2d(check_numbers("known_covariance", known_covariance))
            settings["known_covariance"] = freeze(matrix)
            settings["_known_factor"] = freeze(_factor(matrix, matrix.shape[-1], "known_covariance"))
        vars(self).update(settings)

    def _set(self, *values: Any) -> Gaussian:
        names = ("mean", "factor", "exponent", "ddof", "known_mean")
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)
        return self

    def _new(self, mean: Array, factor: Array, exponent: Array | None) -> Gaussian:
        new = object.__new__(Gaussian)
        vars(new).update(vars(self), mean=mean, factor=factor, exponent=exponent)
        return new

    @classmethod
    def of_factor(cls, mean: Array, factor: Array) -> Gaussian:
        """Return N(mean, L Lᵀ) for a lower-triangular factor L, shape (*replicate, d, d)."""
        return object.__new__(cls)._set(mean, factor, None, 0, None)

    def moved_to(self, mean: Array) -> Gaussian:
        """Return the same law about other means, shape (*replicate, d)."""
        assert self.factor is not None
        shape = np.broadcast_shapes(mean.shape[:-1], self.factor.shape[:-2])
        factor = np.broadcast_to(self.factor, (*shape, *self.factor.shape[-2:]))
        return self._new(mean, factor, self.exponent)

    @classmethod
    @check_arguments
    def standard(cls, dim: int) -> Gaussian:
        """Return the standard normal law N(0, I) in `dim` dimensions."""
        # The root of I is I: a decomposition would take seconds in thousands of dimensions.
        return cls()._new(freeze(np.zeros(check_size("dim", dim))), np.eye(dim), None)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self._check_fitted().shape[-1])

    @property
    def scaled_factor(self) -> Array:
        """The factor L of the covariance L Lᵀ, shape (*replicate, d, rank)."""
        self._check_fitted()
        assert self.factor is not None
        return self.factor if self.exponent is None else np.ldexp(self.factor, self.exponent[..., None, :])

    @property
    @one_thread
    def covariance(self) -> Array:
        """Covariance, shape (*replicate, d, d)."""
        factor = self.scaled_factor
        return factor @ np.swapaxes(factor, -1, -2)

    @property
    def log_volume(self) -> Array:
        """Log determinant of the covariance, shape (*replicate,); -inf if it is singular."""
        self._check_fitted()
        assert self.factor is not None
        if self.factor.shape[-1] < self.factor.shape[-2]:
            return np.full(self.factor.shape[:-2], -np.inf)
        with np.errstate(divide="ignore"):
            logs = np.log(np.abs(np.diagonal(self.factor, axis1=-2, axis2=-1)))
        if self.exponent is not None:
            logs = logs + np.log(2.0) * self.exponent
        return 2.0 * logs.sum(-1)

    @property
    def moments(self) -> Gaussian:
        """The model itself; of any other model with moments, the Gaussian of its mean and covariance."""
        self._check_fitted()
        return self

    @one_thread
    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> Gaussian:
        """Fit to points (*replicate, n, d), `Weighted` points or `Moments`; `rng` is not used.

        Raises
        ------
        ValueError
            If there are too few points for the divisor, or the data are not finite.
        """
        if isinstance(data, Weighted):
            moments = Moments.of(data.points, data.weights)
        else:
            moments = data if isinstance(data, Moments) else Moments.of(data)
        mean, root, exponent = moments.mean, moments.root, moments.exponent
        if self._known_factor is not None:
            return self._fit_mean(moments)
        if self.known_mean is not None and self.known_mean.shape[-1] != moments.dim:
            raise ValueError(
                f"known_mean has {self.known_mean.shape[-1]} entries and the points have {moments.dim} "
                f"coordinates; make them equal."
            )
        if self.known_mean is not None and (delta := mean - self.known_mean).any():
            column = (np.sqrt(moments.weight)[..., None] * delta)[..., None]
            root, exponent = stack([root, column], [exponent, None])
        divisor = moments.weight - self.ddof * np.divide(moments.squared_weight, moments.weight)
        if np.min(divisor) <= 0:
            raise ValueError(
                f"n={np.min(moments.weight):g} points leave no degree of freedom for a covariance with "
                f"ddof={self.ddof}; use at least {1 + self.ddof} points, or ddof=0."
            )
        factor, exponent = rescale(root * (1.0 / np.sqrt(divisor))[..., None, None], exponent)
        factor, exponent = restrict(factor, exponent, self.shape)
        if self.shrinkage:
            factor, exponent = _shrink(factor, exponent, self.shrinkage)
        if self.known_mean is not None:
            mean = np.broadcast_to(self.known_mean, mean.shape)
        return self._new(mean, factor, exponent)

    def _fit_mean(self, moments: Moments) -> Gaussian:
        """Return the model of the mean of data, with the known covariance."""
        factor = self._known_factor
        assert factor is not None
        if len(factor) != moments.dim:
            raise ValueError(
                f"known_covariance is of {len(factor)} coordinates and the points have {moments.dim}; make "
                f"them equal."
            )
        if not np.all(moments.weight > 0):
            raise ValueError("data hold no points; the mean needs at least one.")
        return self._new(moments.mean, np.broadcast_to(factor, (*moments.mean.shape, moments.dim)), None)

    @one_thread
    def log_density(self, points: Any) -> Array:
        r"""Return the log density at points (n, d) or (*replicate, n, d), shape (*replicate, n).

        .. math:: -\tfrac12 (x - \mu)^T \Sigma^{+} (x - \mu) - \tfrac12 \log |2 \pi \Sigma|_{+}

        A singular covariance has a density on its support only, the mean plus the span of the covariance: off
        it the value is -inf, on it the density with respect to the Lebesgue measure of the support, with
        pseudo-inverse and pseudo-determinant, as by `scipy.stats.multivariate_normal`. A direction counts as
        one without spread below the rounding of a covariance matrix, about 1e-8 of a standard deviation.
        Sampling bias does not enter.

        Parameters
        ----------
        points : array
            Points; without leading axes, the same ones for every replicate.

        Raises
        ------
        ValueError
            If the model is not fitted, or points do not have its dimension.

        Examples
        --------
        >>> import numpy as np
        >>> from madtheory import Gaussian
        >>> Gaussian([0.0, 0.0], np.diag([1.0, 0.0])).log_density([[0.0, 0.0], [0.0, 1.0]]).round(3)
        array([-0.919,   -inf])
        """
        mean = self._check_fitted()
        assert self.factor is not None
        checked = check_test_points(points, self.dim)
        lead = np.broadcast_shapes(mean.shape[:-1], checked.shape[:-2])
        checked = np.broadcast_to(checked, (*lead, *checked.shape[-2:]))
        means = np.broadcast_to(mean, (*lead, self.dim))
        factors = np.broadcast_to(self.factor, (*lead, *self.factor.shape[-2:]))
        powers = None
        if self.exponent is not None:
            powers = np.broadcast_to(self.exponent, (*lead, self.exponent.shape[-1]))
        values, singular = full_rank_log_density(checked, means, factors, powers)
        for index in np.argwhere(singular):
            at = tuple(index)
            white = Whitening(factors[at], None if powers is None else powers[at])
            values[at] = white.log_density(checked[at], means[at])
        return values

    @one_thread
    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points from N(mean, bias * covariance), shape (*replicate, n, d)."""
        mean, factor = self._check_fitted(), self.scaled_factor
        normals = rng.standard_normal((*mean.shape[:-1], check_size("n", n), factor.shape[-1]))
        if bias is not None:
            factor = np.sqrt(check_bias(bias)) * factor
        if self.dim <= FEW:
            factor = np.ascontiguousarray(factor)  # the bits of a product may depend on the layout
        points: Array = normals @ np.swapaxes(factor, -1, -2)
        points += mean[..., None, :]
        return points

    @one_thread
    @check_arguments
    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Moments:
        """Draw the moments of `n` points (one number, or one per replicate) from their exact law.

        The mean is normal and the scatter Wishart, independently; at a cost of O(d^3) for any n.
        """
        mean = self._check_fitted()
        assert self.factor is not None
        n = check_many("n", n)
        lead, rank, exponent = mean.shape[:-1], self.factor.shape[-1], self.exponent
        dof = n if self.known_mean is not None else np.maximum(np.subtract(n, 1), 0)
        normal, root = standard_moments(dof, rank, lead, rng)
        if self.known_mean is None:
            normal *= np.sqrt(check_bias(bias) / np.maximum(n, 1))[..., None]
            if exponent is not None:
                normal = np.ldexp(normal, exponent)
            mean = seal(mean + multiply_lower(self.factor, normal[..., None])[..., 0])
        if bias != 1:
            root *= np.sqrt(check_bias(bias))
        if exponent is not None:
            # Column j of the product keeps exponent j.
            kept = exponent[..., : root.shape[-1]]
            root = np.ldexp(root, np.maximum(exponent[..., :, None] - kept[..., None, :], -(2**20)))
            exponent = kept
        weight = np.asarray(n, dtype=float)
        return Moments(weight, weight, mean, seal(multiply_lower(self.factor, root)), exponent)

    def expand(self, *replicates: int) -> Gaussian:
        """Add leading replicate axes (views: no memory). An unfitted model is returned unchanged."""
        if self.mean is None or self.factor is None:
            return self
        exponent = self.exponent
        return self._new(
            np.broadcast_to(self.mean, replicates + self.mean.shape),
            np.broadcast_to(self.factor, replicates + self.factor.shape),
            None if exponent is None else np.broadcast_to(exponent, replicates + exponent.shape),
        )

    def _check_fitted(self) -> Array:
        if self.mean is None:
            raise ValueError("this Gaussian is not fitted; call fit(data), or pass mean and covariance.")
        return self.mean


class OnceKnown:
    """A property `moments` that is computed once for each immutable model.

    It is kept outside of the model, whose identity and stored state do not change.
    """

    def __init__(self, compute: Callable[[Any], Gaussian]) -> None:
        self.compute, self.known = compute, WeakKeyDictionary[Any, Gaussian]()
        self.__doc__ = compute.__doc__

    def __get__(self, model: Any, kind: type | None = None) -> Any:
        """Return the moments of a model."""
        if model is None:
            return self
        if model not in self.known:
            self.known[model] = self.compute(model)
        return self.known[model]


@one_thread
def _factor(covariance: Array, dim: int, name: str = "covariance") -> Array:
    """Return the lower-triangular factor of a positive semi-definite matrix, shape (*replicate, d, d)."""
    if covariance.shape[-2:] != (dim, dim):
        raise ValueError(f"{name} has shape {covariance.shape}; a mean of length {dim} needs ({dim}, {dim}).")
    if not np.allclose(covariance, np.swapaxes(covariance, -1, -2), rtol=1e-8, atol=0):
        raise ValueError(f"{name} is not symmetric; pass ({name} + {name}.T) / 2.")
    values, vectors = np.linalg.eigh(covariance)
    if (values < -1e-9 * np.abs(values).max(-1, keepdims=True)).any():
        raise ValueError(f"{name} has the negative eigenvalue {values.min():.3g}; it must be semi-definite.")
    root = vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]
    if (values[..., 0] <= 8 * dim * np.finfo(float).eps * values[..., -1]).any():
        root = _without_rounding(covariance, root)
    return triangular(root)


def _without_rounding(covariance: Array, root: Array) -> Array:
    """Return the roots without the directions that only the rounding of a singular matrix has.

    Whether coordinates depend on one another is decided by correlations: a small variance does not matter.
    """
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    size = np.sqrt(np.maximum(variance, 0.0))
    safe = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(covariance / safe[..., :, None] / safe[..., None, :])
    none = values <= 8 * variance.shape[-1] * np.finfo(float).eps
    dependent = none.sum(-1) > (size == 0).sum(-1)
    clean = size[..., None] * vectors * np.where(none, 0.0, np.sqrt(np.maximum(values, 0.0)))[..., None, :]
    return np.asarray(np.where(dependent[..., None, None], clean, root))
