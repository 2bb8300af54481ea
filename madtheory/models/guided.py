"""Generators that move away from a version of themselves trained on their own samples: SIMS and Neon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from madtheory._validation import check_bias, check_numbers, check_size
from madtheory.data import Counts, Moments, size
from madtheory.models._guided_gaussian import extrapolated_gaussian, guided_gaussian
from madtheory.models.gaussian import Gaussian
from madtheory.types import Array

__all__ = ["SIMS", "Neon", "extrapolated_gaussian", "guided_gaussian"]

Self = TypeVar("Self", bound="_Improved")


@dataclass(frozen=True, eq=False)
class _Improved:
    """A base, an auxiliary trained on samples of the base, and the law that both make."""

    _method: ClassVar[str]
    _weight_name: ClassVar[str]
    _known: ClassVar[dict[type, Callable[[Any, Any, float], Any]]]

    base: Any
    _weight: float
    n_auxiliary: int | None
    auxiliary_bias: float | None
    auxiliary: Any
    law: Any

    def _set(self: Self, *values: Any) -> Self:
        names = ("base", "_weight", "n_auxiliary", "auxiliary_bias", "auxiliary", "law")
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)
        return self

    def _new(self: Self, base: Any, auxiliary: Any, law: Any) -> Self:
        same = (self._weight, self.n_auxiliary, self.auxiliary_bias)
        return object.__new__(type(self))._set(base, *same, auxiliary, law)

    def _check(self) -> None:
        name, kind = type(self).__name__, type(self.base)
        if isinstance(self.base, type) or not (hasattr(self.base, "fit") and hasattr(self.base, "sample")):
            raise TypeError(f"base={self.base!r} is no instance with fit and sample; see madtheory.types.")
        if kind not in self._known and not callable(getattr(self.base, self._method, None)):
            raise TypeError(
                f"{name} needs a base that can be combined with an auxiliary: {kind.__name__} has no method "
                f"{self._method}(auxiliary, weight) that returns a model; give it one, or use one of "
                f"{', '.join(t.__name__ for t in self._known)}."
            )
        number = check_numbers(self._weight_name, self._weight)
        if number.ndim:
            raise ValueError(f"{self._weight_name}={self._weight!r} has shape {number.shape}; pass a number.")
        object.__setattr__(self, "_weight", float(number))
        if self.n_auxiliary is not None:
            check_size("n_auxiliary", self.n_auxiliary)
        if self.auxiliary_bias is not None:
            check_bias(self.auxiliary_bias, "auxiliary_bias")

    def fit(self: Self, data: Any, *, rng: np.random.Generator) -> Self:
        """Fit the base to `data`, and the auxiliary to samples of the fitted base; return a new model."""
        fitted = self.base.fit(data, rng=rng)
        weight = np.asarray(size(data)).round().astype(int)
        n = int(weight.flat[0]) if (weight == weight.flat[0]).all() else weight
        return self._completed(fitted, n, isinstance(data, (Moments, Counts)), rng)

    def self_trained(self: Self, n: int, *, rng: np.random.Generator) -> Self:
        """Train an auxiliary on `n` samples of the base as it is: improves a finished model, without data."""
        return self._completed(self.base, check_size("n", n), False, rng)

    def _completed(self: Self, fitted: Any, n: Any, exactly: bool, rng: np.random.Generator) -> Self:
        n = n if self.n_auxiliary is None else self.n_auxiliary
        if np.ndim(n) and not exactly:
            n = int(np.max(n))
        draw = fitted.sample_statistic if exactly else fitted.sample
        bias = {} if self.auxiliary_bias is None else {"bias": self.auxiliary_bias}
        auxiliary = fitted.fit(draw(n, rng=rng, **bias), rng=rng)
        return self._new(fitted, auxiliary, self._combined(fitted, auxiliary))

    def _combined(self, fitted: Any, auxiliary: Any) -> Any:
        if self._weight == 0:
            return fitted
        if self._weight == -1:
            return auxiliary
        own = getattr(fitted, self._method, None)
        if callable(own):
            return own(auxiliary, self._weight)
        return self._known[type(fitted)](fitted, auxiliary, self._weight)

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (*replicate, n, d); `bias` goes to the law's own sampling."""
        drawn = self._fitted().sample(n, rng=rng, **({} if bias is None else {"bias": bias}))
        return np.asarray(drawn)

    def __getattr__(self, name: str) -> Any:
        # sample_statistic and expand exist where the base has them, in training sets of Moments.
        if name not in ("sample_statistic", "expand") or "base" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        if getattr(type(self.base), "statistic", Moments) is not Moments and name == "sample_statistic":
            raise AttributeError(f"{type(self).__name__} on {type(self.base).__name__} has no {name!r}")
        getattr(self.base, name)
        return getattr(self, f"_{name}")

    def _sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Any:
        return self._fitted().sample_statistic(n, rng=rng, bias=bias)

    def _expand(self: Self, *replicates: int) -> Self:
        parts = (self.base, self.auxiliary, self.law)
        return self._new(*(None if part is None else part.expand(*replicates) for part in parts))

    def _fitted(self) -> Any:
        if self.law is None:
            raise ValueError(
                f"this {type(self).__name__} has no auxiliary yet; call fit(data), or self_trained(n) for a "
                f"base that is fitted."
            )
        return self.law

    @property
    def mean(self) -> Array:
        """Mean of the law that is sampled, shape (*replicate, d)."""
        return self._of_law("mean")

    @property
    def covariance(self) -> Array:
        """Covariance of the law that is sampled, shape (*replicate, d, d)."""
        return self._of_law("covariance")

    @property
    def scaled_factor(self) -> Array:
        """Factor of that covariance, shape (*replicate, d, rank)."""
        return self._of_law("scaled_factor")

    @property
    def log_volume(self) -> Array:
        """Log determinant of that covariance, shape (*replicate,)."""
        return self._of_law("log_volume")

    @property
    def factor(self) -> Array:
        """The factor, before `exponent`."""
        return self._of_law("factor")

    @property
    def exponent(self) -> Any:
        """Powers of two that multiply the columns of `factor`, or ``None``."""
        return self._of_law("exponent")

    @property
    def dim(self) -> int:
        """Dimension d."""
        return int(self._of_law("dim"))

    @property
    def ddof(self) -> int:
        """The base's divisor correction."""
        return int(self.base.ddof)

    def _of_law(self, name: str) -> Any:
        law = self._fitted()
        if not hasattr(type(law), name) and not hasattr(law, name):
            raise TypeError(f"{type(self).__name__} samples a {type(law).__name__}, which has no {name}.")
        return getattr(law, name)


@dataclass(frozen=True, init=False, eq=False)
class SIMS(_Improved):
    r"""Negative guidance of a base by an auxiliary that is trained on the base's own samples.

    Samples follow the probability flow with the score :math:`(1 + w) s_r - w s_s`. For a Gaussian base that
    is a Gaussian: log-covariances are extrapolated (`madtheory.theory.guidance.sims_law`).

    Parameters
    ----------
    base : GenerativeModel
        A `Gaussian`, or any model with a method ``guided(auxiliary, weight)`` that returns the guided model.
    guidance : float
        w: 0 is the base, bit for bit; -1 the auxiliary, a self-trained model; above 0 moves away from it.
    n_auxiliary : int, optional
        Synthetic points that each auxiliary is trained on. Default: as many as the training set holds.
    auxiliary_bias : float, optional
        Sampling bias of those points (1 is unbiased). ``None`` is the base's own default sampling, also where
        ``Loop(bias=...)`` biases the samples of the guided model.

    Attributes
    ----------
    auxiliary, law : models
        The auxiliary, trained from the fitted base, and the model that is sampled; ``None`` before `fit`.

    Raises
    ------
    TypeError
        If the base cannot be guided.
    ValueError
        If an argument is out of range.

    Notes
    -----
    The auxiliary's samples come from the base, by the generator of ``fit``; what later generations train on
    comes from the guided model. With ``method="statistics"`` both are drawn by their sufficient statistics.
    Source: Alemohammad et al. 2024 (SIMS, arXiv 2408.16333).
    """

    _method: ClassVar[str] = "guided"
    _weight_name: ClassVar[str] = "guidance"
    _known: ClassVar[dict[type, Callable[[Any, Any, float], Any]]] = {Gaussian: guided_gaussian}

    def __init__(
        self,
        base: Any,
        guidance: float,
        *,
        n_auxiliary: int | None = None,
        auxiliary_bias: float | None = None,
    ) -> None:
        self._set(base, guidance, n_auxiliary, auxiliary_bias, None, None)._check()

    @property
    def guidance(self) -> float:
        """The guidance w."""
        return self._weight


@dataclass(frozen=True, init=False, eq=False)
class Neon(_Improved):
    r"""Negative extrapolation of a base's parameters from those of an auxiliary trained on its samples.

    Parameters become :math:`\theta_r - w(\theta_s - \theta_r)`; for a Gaussian base they are mean and
    covariance (`madtheory.theory.guidance.neon_law`). Sampling needs one model, not two.

    Parameters
    ----------
    base : GenerativeModel
        A `Gaussian`, or any model with a method ``extrapolated(auxiliary, weight)``.
    weight : float
        w: 0 is the base, bit for bit; -1 the auxiliary, a self-trained model; above 0 moves away from it.
    n_auxiliary, auxiliary_bias
        As for `SIMS`, and so are attributes and errors.

    Raises
    ------
    ValueError
        By `fit` too: where an extrapolated covariance has a negative eigenvalue.

    Notes
    -----
    The auxiliary is trained to convergence; the brief fine-tuning of the paper is a smaller weight (for a
    gradient step of the covariance, see `madtheory.theory.guidance.neon_warm_up`). Source: Alemohammad et al.
    2025 (Neon, arXiv 2510.03597), Algorithm 1.
    """

    _method: ClassVar[str] = "extrapolated"
    _weight_name: ClassVar[str] = "weight"
    _known: ClassVar[dict[type, Callable[[Any, Any, float], Any]]] = {Gaussian: extrapolated_gaussian}

    def __init__(
        self,
        base: Any,
        weight: float,
        *,
        n_auxiliary: int | None = None,
        auxiliary_bias: float | None = None,
    ) -> None:
        self._set(base, weight, n_auxiliary, auxiliary_bias, None, None)._check()

    @property
    def weight(self) -> float:
        """The weight w."""
        return self._weight
