"""Models of natural exponential families, whose training sets are drawn as one sum; and power laws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory.data import Totals, Weighted
from madtheory.models.families import Family, family_of, power_tail
from madtheory.models.gaussian import Gaussian
from madtheory.models.log_density import check_test_points
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_many,
    check_number,
    check_numbers,
    check_points,
    check_size,
    freeze,
    show,
)


class OneParameter:
    """A model with one fitted number, the mean of T(x): the mean of T over the training set."""

    takes_weights: ClassVar[bool] = True

    family: Family
    mean_parameter: Array | None

    def _new(self, mean_parameter: Array) -> Any:
        new = object.__new__(type(self))
        for name, value in (vars(self) | {"mean_parameter": freeze(mean_parameter)}).items():
            object.__setattr__(new, name, value)
        return new

    @property
    def statistic(self) -> str:
        """What `fit` takes apart from points: totals of this function of them."""
        return f"Totals of {self.family.of}"

    @property
    def dim(self) -> int:
        """Dimension of the points: 1."""
        return 1

    @property
    def variance_function(self) -> tuple[float, float, float]:
        """Coefficients of 1, m, m^2 in the variance of T(x), where m is its mean."""
        return self.family.variance_function

    @property
    def parameter_variance(self) -> Array:
        """Variance of T(x) under the model, shape (*replicate,); 0 for a law on one point."""
        return _quadratic(self.variance_function, self._fitted())

    @check_arguments
    def fit(self, data: Any, *, rng: np.random.Generator | None = None) -> Any:
        """Return the model of the mean of T over points (n, 1), `Weighted` points or `Totals`.

        Raises
        ------
        ValueError
            If there are no points, points that the family cannot produce, or totals of another function.
        """
        return self._new(self._mean_of(data))

    def _mean_of(self, data: Any) -> Array:
        if isinstance(data, Totals):
            if data.of != self.family.of:
                raise ValueError(
                    f"data are totals of {data.of}, and this model is fitted to those of {self.family.of}; "
                    f"pass points, or use method='samples'."
                )
            weight, total = np.asarray(data.weight, dtype=float), data.total
        else:
            weights = data.weights if isinstance(data, Weighted) else None
            points = check_points(data.points if isinstance(data, Weighted) else data)
            if points.shape[-1] != 1:
                raise ValueError(f"data has shape {points.shape}; expected points of one number, (n, 1).")
            values = self.family.check("data", points[..., 0])
            if weights is None:
                weight, total = np.asarray(float(values.shape[-1])), values.sum(-1)
            else:
                weight, total = weights.sum(-1), (weights * values).sum(-1)
        if not np.all(weight > 0):
            raise ValueError("data hold no points; the model needs at least one.")
        # A rounded mean stays in the range of the family.
        return np.asarray(np.clip(total / weight, self.family.lowest, self.family.highest))

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (*replicate, n, 1); a bias other than 1 is refused."""
        mean = self._fitted()
        self._check_bias(bias)
        shape = (*mean.shape, check_size("n", n))
        return self.family.points(mean[..., None], shape, rng)[..., None]

    @check_arguments
    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Totals:
        """Draw the total of T over `n` points (one number, or one per replicate), at one cost for any n."""
        mean, n = self._fitted(), check_many("n", n)
        self._check_bias(bias)
        weight, total = np.asarray(n, dtype=float), self.family.total(mean, n, rng)
        return Totals(weight, np.asarray(total, dtype=float), self.family.of)

    def log_density(self, points: Any) -> Array:
        """Return the log density, or log probability, at points (n, 1), shape (*replicate, n).

        It is -inf at points that the family cannot produce.

        Raises
        ------
        ValueError
            If the model is not fitted, or points are not of one number.
        """
        mean = self._fitted()
        checked = check_test_points(points, 1)[..., 0]
        return self.family.log_density(checked, mean[..., None])

    def expand(self, *replicates: int) -> Any:
        """Add leading replicate axes (views: no memory). An unfitted model is returned unchanged."""
        if self.mean_parameter is None:
            return self
        return self._new(np.broadcast_to(self.mean_parameter, replicates + self.mean_parameter.shape))

    def _check_bias(self, bias: float | None) -> None:
        if bias not in (None, 1):
            raise ValueError(f"bias={show(bias)} is not defined for {type(self).__name__}; leave it out.")

    def _fitted(self) -> Array:
        if self.mean_parameter is None:
            raise ValueError(
                f"this {type(self).__name__} is not fitted; call fit(data), or pass its parameter."
            )
        return self.mean_parameter


def _quadratic(coefficients: tuple[float, float, float], mean: Array) -> Array:
    constant, linear, square = coefficients
    return np.asarray(np.maximum(constant + mean * (linear + square * mean), 0.0))


@dataclass(frozen=True, init=False, eq=False)
class ExponentialFamily(OneParameter):
    r"""Natural exponential family with a quadratic variance function, of one dimension.

    The one fitted parameter is the mean m of a function T of the points, and the maximum-likelihood fit is
    the mean of T over the training set. The variance of T is :math:`V(m) = v_0 + v_1 m + v_2 m^2`:

    ===================  ================  =================  ============
    family               known parameter   V(m)               T(x)
    ===================  ================  =================  ============
    "bernoulli"                            m - m^2            x
    "binomial"           trials r          m - m^2 / r        x
    "poisson"                              m                  x
    "geometric"                            m + m^2            x
    "negative_binomial"  successes r       m + m^2 / r        x
    "exponential"                          m^2                x
    "gamma"              shape k           m^2 / k            x
    "normal"             variance v        v                  x
    "laplace"            centre c          m^2                \|x - c\|
    ===================  ================  =================  ============

    Geometric and negative binomial points count the failures before the last success: 0, 1, 2, ...

    Parameters
    ----------
    family : str
        Name of the family.
    mean_parameter : float or array, shape (*replicate,), optional
        Mean m of T(x), in the units of T: of most families the mean of x, of Laplace the scale. Without it
        the model is an unfitted template for `Loop`.
    trials, successes, shape, variance, centre : float, optional
        The known parameter of the family, which `fit` keeps; required by the families in whose row it is.

    Raises
    ------
    ValueError
        For an unknown family, a parameter of another family, or a mean outside of the family's range.

    Notes
    -----
    The statistic is `madtheory.data.Totals`. A sampling bias is not defined. Source of the families: Morris
    1982, Annals of Statistics 10, 65-80. Numbers are doubles: a gamma or Laplace loop underflows once
    :math:`\log m` falls below -745.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory import regimes
    >>> real = mad.ExponentialFamily("poisson", 4.0)
    >>> loop = mad.Loop(real=real, model=mad.ExponentialFamily("poisson"), regime=regimes.replace(n=50))
    >>> mad.predict(loop, 3)["mean_error"].values.round(2)
    array([0.08, 0.16, 0.24])
    """

    family: Family
    mean_parameter: Array | None

    __repr__ = short_repr

    def __init__(
        self,
        family: Literal[
            "bernoulli", "binomial", "exponential", "gamma", "geometric", "laplace", "negative_binomial",
            "normal", "poisson",
        ],
        mean_parameter: ArrayLike | None = None,
        *,
        trials: int | None = None,
        successes: float | None = None,
        shape: float | None = None,
        variance: float | None = None,
        centre: float | None = None,
    ) -> None:  # fmt: skip
        known = {
            "trials": trials, "successes": successes, "shape": shape, "variance": variance, "centre": centre,
        }  # fmt: skip
        chosen = family_of(family, known)
        mean = None
        if mean_parameter is not None:
            mean = check_numbers("mean_parameter", mean_parameter)
            if not ((mean >= chosen.lowest) & (mean <= chosen.highest)).all():
                raise ValueError(
                    f"mean_parameter={show(mean_parameter)} is out of range: family {family!r} takes means "
                    f"from {chosen.lowest:g} to {chosen.highest:g}."
                )
            mean = freeze(mean)
        object.__setattr__(self, "family", chosen)
        object.__setattr__(self, "mean_parameter", mean)

    @property
    def mean(self) -> Array:
        """Mean of the points, shape (*replicate, 1)."""
        return self.family.point_mean(self._fitted())[..., None]

    @property
    def covariance(self) -> Array:
        """Variance of the points, shape (*replicate, 1, 1)."""
        return _quadratic(self.family.point_variance, self._fitted())[..., None, None]

    @property
    def moments(self) -> Gaussian:
        """The Gaussian of the mean and variance of the points."""
        return Gaussian.of_factor(self.mean, np.sqrt(self.covariance))


@dataclass(frozen=True, init=False, eq=False)
class Pareto(OneParameter):
    r"""Power law :math:`P(X > x) = (x_m / x)^\alpha` above a known minimum, fitted by Hill's estimator.

    The fit is maximum likelihood, :math:`1/\hat\alpha = \frac1n \sum_i \log(x_i / x_m)`: logs of points
    follow an exponential law, so this is the exponential family of :math:`T(x) = \log(x / x_m)`.

    Parameters
    ----------
    tail_index : float or array, shape (*replicate,), optional
        Tail index :math:`\alpha > 0` (dimensionless). Without it the model is an unfitted template.
    minimum : float
        Smallest point :math:`x_m > 0`, which `fit` keeps.

    Raises
    ------
    ValueError
        For numbers that are not positive.

    Notes
    -----
    Moments of order :math:`\alpha` and more do not exist, so that metrics read the parameter:
    `metrics.mean_parameter` (:math:`1/\alpha`), `metrics.tail_index` and their like.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory import regimes
    >>> loop = mad.Loop(
    ...     real=mad.models.Pareto(2.0), model=mad.models.Pareto(), regime=regimes.replace(n=100)
    ... )
    >>> mad.predict(loop, 3)["tail_index"].values.round(4)
    array([2.0202, 2.0406, 2.0612])
    """

    family: Family
    mean_parameter: Array | None

    __repr__ = short_repr

    def __init__(self, tail_index: ArrayLike | None = None, *, minimum: float = 1.0) -> None:
        family = power_tail(check_number("minimum", minimum, 0, above=True))
        mean = None
        if tail_index is not None:
            alpha = check_numbers("tail_index", tail_index)
            if not (alpha > 0).all():
                raise ValueError(f"tail_index={show(tail_index)} must be positive; pass for example 2.")
            mean = freeze(1 / alpha)
        object.__setattr__(self, "family", family)
        object.__setattr__(self, "mean_parameter", mean)

    @property
    def minimum(self) -> float:
        """Smallest point."""
        return float(self.family.minimum)  # type: ignore[attr-defined]

    @property
    def tail_index(self) -> Array:
        """Tail index, shape (*replicate,)."""
        with np.errstate(divide="ignore"):
            return 1 / self._fitted()
