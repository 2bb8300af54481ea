"""Natural exponential families with a quadratic variance function: what a model of one of them needs.

Morris (1982): the variance of T(x) is a quadratic function of its mean. Each family also knows the exact law
of the sum of T over n independent points, so that a training set is drawn at a cost free of n.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from scipy import special

from madtheory.types import Array
from madtheory.validation import check_number, check_size, show

Polynomial = tuple[float, float, float]


class Family(ABC):
    """Law of points x by the mean of one function T of them, apart from which all parameters are known.

    Attributes
    ----------
    lowest, highest : float
        Range of T and of its mean.
    """

    of: str = "x"

    def __repr__(self) -> str:
        known = [f"{each.name}={getattr(self, each.name):g}" for each in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__.strip('_')}({', '.join(known)})"

    lowest: ClassVar[float] = 0.0
    highest: Any = np.inf

    @property
    @abstractmethod
    def variance_function(self) -> Polynomial:
        """Coefficients of 1, m, m^2 in the variance of T, where m is its mean."""

    @property
    def point_variance(self) -> Polynomial:
        """Coefficients of 1, m, m^2 in the variance of x; T is x unless a family says otherwise."""
        return self.variance_function

    def point_mean(self, mean: Array) -> Array:
        """Return the mean of x."""
        return mean

    def check(self, name: str, points: Array) -> Array:
        """Return T of the points; refuse those that the family cannot produce."""
        if not ((points >= self.lowest) & (points <= self.highest)).all():
            raise ValueError(
                f"{name} holds {_outside(points, self.lowest, self.highest):g}; points of this family lie "
                f"from {self.lowest:g} to {self.highest:g}: choose another family, or change the points."
            )
        return points

    @abstractmethod
    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        """Draw the sum of T over `n` independent points."""

    @abstractmethod
    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw points."""

    @abstractmethod
    def log_density(self, points: Array, mean: Array) -> Array:
        """Return the log density, or log probability, of points."""


def _outside(points: Array, low: float, high: float) -> float:
    strayed = ~((points >= low) & (points <= high))
    return float(points[strayed].flat[0])


def _whole(name: str, points: Array) -> Array:
    if (points != np.floor(points)).any():
        strayed = float(points[points != np.floor(points)].flat[0])
        raise ValueError(
            f"{name} holds {strayed:g}; points of this family are counts: pass whole numbers, or choose "
            f"another family."
        )
    return points


@dataclass(frozen=True, repr=False)
class _Poisson(Family):
    """Counts of independent events; V(m) = m."""

    @property
    def variance_function(self) -> Polynomial:
        return 0.0, 1.0, 0.0

    def check(self, name: str, points: Array) -> Array:
        return _whole(name, super().check(name, points))

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        return rng.poisson(n * mean)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.poisson(mean, shape).astype(float)

    def log_density(self, points: Array, mean: Array) -> Array:
        from scipy import stats

        return np.asarray(stats.poisson.logpmf(points, mean))


@dataclass(frozen=True, repr=False)
class _Binomial(Family):
    """Successes among `trials`; V(m) = m - m^2 / trials."""

    trials: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "trials", check_size("trials", self.trials))

    @property
    def highest(self) -> float:
        return float(self.trials)

    @property
    def variance_function(self) -> Polynomial:
        return 0.0, 1.0, -1 / self.trials

    def check(self, name: str, points: Array) -> Array:
        return _whole(name, super().check(name, points))

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        return rng.binomial(self.trials * np.asarray(n), mean / self.trials)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.binomial(self.trials, mean / self.trials, shape).astype(float)

    def log_density(self, points: Array, mean: Array) -> Array:
        from scipy import stats

        return np.asarray(stats.binom.logpmf(points, self.trials, mean / self.trials))


@dataclass(frozen=True, repr=False)
class _NegativeBinomial(Family):
    """Failures before the given number of `successes`; V(m) = m + m^2 / successes."""

    successes: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "successes", check_number("successes", self.successes, 0, above=True))

    @property
    def variance_function(self) -> Polynomial:
        return 0.0, 1.0, 1 / self.successes

    def check(self, name: str, points: Array) -> Array:
        return _whole(name, super().check(name, points))

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        # A Poisson count of gamma rate; NumPy's own draw refuses no points and no failures.
        rate = rng.gamma(np.multiply(n, self.successes), mean / self.successes)
        return rng.poisson(rate)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.poisson(rng.gamma(self.successes, mean / self.successes, shape)).astype(float)

    def log_density(self, points: Array, mean: Array) -> Array:
        from scipy import stats

        return np.asarray(stats.nbinom.logpmf(points, self.successes, 1 / (1 + mean / self.successes)))


@dataclass(frozen=True, repr=False)
class _Gamma(Family):
    """Gamma law of known `shape`; V(m) = m^2 / shape."""

    shape: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", check_number("shape", self.shape, 0, above=True))

    @property
    def variance_function(self) -> Polynomial:
        return 0.0, 0.0, 1 / self.shape

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        return rng.gamma(np.multiply(n, self.shape), mean / self.shape)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.gamma(self.shape, mean / self.shape, shape)

    def log_density(self, points: Array, mean: Array) -> Array:
        from scipy import stats

        with np.errstate(divide="ignore", invalid="ignore"):
            logs = stats.gamma.logpdf(points, self.shape, scale=mean / self.shape)
        return np.where(mean > 0, logs, np.where(points == 0, np.inf, -np.inf))


@dataclass(frozen=True, repr=False)
class _Normal(Family):
    """Normal law of known `variance`; V(m) = variance."""

    variance: float
    lowest: ClassVar[float] = -np.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", check_number("variance", self.variance, 0, above=True))

    @property
    def variance_function(self) -> Polynomial:
        return self.variance, 0.0, 0.0

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        return n * mean + np.sqrt(np.multiply(n, self.variance)) * rng.standard_normal(mean.shape)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return rng.normal(mean, np.sqrt(self.variance), shape)

    def log_density(self, points: Array, mean: Array) -> Array:
        return -0.5 * (points - mean) ** 2 / self.variance - 0.5 * np.log(2 * np.pi * self.variance)


@dataclass(frozen=True, repr=False)
class _Laplace(Family):
    """Laplace law of known `centre`: T is the distance to it, whose law is exponential; V(m) = m^2."""

    centre: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", check_number("centre", self.centre))

    @property
    def of(self) -> str:  # type: ignore[override]
        return f"|x - {self.centre:.17g}|"

    @property
    def variance_function(self) -> Polynomial:
        return 0.0, 0.0, 1.0

    @property
    def point_variance(self) -> Polynomial:
        return 0.0, 0.0, 2.0

    def point_mean(self, mean: Array) -> Array:
        return np.full_like(mean, self.centre)

    def check(self, name: str, points: Array) -> Array:
        return np.asarray(np.abs(points - self.centre))

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        return rng.gamma(n, mean)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return self.centre + rng.laplace(0.0, mean, shape)

    def log_density(self, points: Array, mean: Array) -> Array:
        from scipy import stats

        with np.errstate(divide="ignore", invalid="ignore"):
            logs = stats.laplace.logpdf(points, self.centre, mean)
        return np.where(mean > 0, logs, np.where(points == self.centre, np.inf, -np.inf))


@dataclass(frozen=True, repr=False)
class _PowerTail(Family):
    """Pareto law above a known `minimum`: T is log(x / minimum), whose law is exponential; V(m) = m^2."""

    minimum: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "minimum", check_number("minimum", self.minimum, 0, above=True))

    @property
    def of(self) -> str:  # type: ignore[override]
        return f"log(x / {self.minimum:.17g})"

    @property
    def variance_function(self) -> Polynomial:
        return 0.0, 0.0, 1.0

    def check(self, name: str, points: Array) -> Array:
        if not (points >= self.minimum).all():
            strayed = float(points[~(points >= self.minimum)].flat[0])
            raise ValueError(
                f"{name} holds {strayed:g}, below minimum={self.minimum:g}; pass points from it on, or a "
                f"smaller minimum."
            )
        return np.log(points / self.minimum)

    def total(self, mean: Array, n: Any, rng: np.random.Generator) -> Any:
        return rng.gamma(n, mean)

    def points(self, mean: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        with np.errstate(over="ignore"):
            return self.minimum * np.exp(rng.exponential(mean, shape))

    def log_density(self, points: Array, mean: Array) -> Array:
        above = np.maximum(points / self.minimum, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = -np.log(mean * self.minimum) - special.xlogy(1 / mean + 1, above)
        logs = np.where(mean > 0, logs, np.where(points == self.minimum, np.inf, -np.inf))
        return np.where(points >= self.minimum, logs, -np.inf)


KNOWN: dict[str, tuple[type[Family], dict[str, float]]] = {
    "bernoulli": (_Binomial, {"trials": 1}),
    "binomial": (_Binomial, {}),
    "exponential": (_Gamma, {"shape": 1.0}),
    "gamma": (_Gamma, {}),
    "geometric": (_NegativeBinomial, {"successes": 1.0}),
    "laplace": (_Laplace, {}),
    "negative_binomial": (_NegativeBinomial, {}),
    "normal": (_Normal, {}),
    "poisson": (_Poisson, {}),
}
"""The families by name, and the parameters that the name itself fixes."""


def family_of(name: str, given: dict[str, Any]) -> Family:
    """Return a family with its known parameters; refuse those of other families and missing ones."""
    if not isinstance(name, str) or name not in KNOWN:
        raise ValueError(f"family={show(name)} is unknown; use one of {', '.join(map(repr, KNOWN))}.")
    kind, fixed = KNOWN[name]
    wanted = [each.name for each in fields(kind) if each.name not in fixed]  # type: ignore[arg-type]
    passed = {key: value for key, value in given.items() if value is not None}
    if unknown := sorted(set(passed) - set(wanted)):
        takes = f"takes {wanted[0]} only" if wanted else "takes no known parameter"
        raise ValueError(f"{unknown[0]}={show(passed[unknown[0]])}: family {name!r} {takes}; leave it out.")
    if missing := [key for key in wanted if key not in passed]:
        raise ValueError(
            f"{missing[0]} is missing: family {name!r} needs it; pass for example {missing[0]}=2."
        )
    return kind(**(fixed | passed))


def power_tail(minimum: float) -> Family:
    """Return the family of Pareto laws above a minimum."""
    return _PowerTail(minimum)
