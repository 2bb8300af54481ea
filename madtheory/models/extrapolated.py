"""Generators that move away from a version of themselves trained on their own samples: SIMS and Neon."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, ClassVar, TypeVar

import numpy as np

from madtheory.abilities import can, find_obstacle, is_set, knows
from madtheory.data import Counts, Moments, size
from madtheory.models.extrapolated_gaussian import extrapolated_gaussian, guided_gaussian
from madtheory.models.gaussian import Gaussian
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_arguments, check_bias, check_numbers, check_size, show

Self = TypeVar("Self", bound="Improved")


@dataclass(frozen=True, eq=False, repr=False)
class Improved:
    """A base, an auxiliary trained on samples of the base, and the combined law."""

    _method: ClassVar[str]
    _weight_name: ClassVar[str]
    _of_gaussians: ClassVar[Any]

    base: Any
    _: KW_ONLY
    n_auxiliary: int | None = None
    auxiliary_bias: float | None = None
    budget: int | None = None
    learning_rate: float | None = None
    treatments: Any = ()
    auxiliary: Any = None
    law: Any = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name in ("auxiliary", "law"):
            made = getattr(self, name)
            if made is not None and not can(made, "sample"):
                raise TypeError(
                    f"{name}={show(made)} is not a fitted model; leave it out: fit makes the {name}."
                )
        given = self.treatments if np.iterable(self.treatments) else (self.treatments,)
        object.__setattr__(self, "treatments", tuple(given))
        self._check_base()
        number = check_numbers(self._weight_name, self._weight)
        if number.ndim:
            raise ValueError(
                f"{self._weight_name}={show(self._weight)} has shape {number.shape}; pass a number."
            )
        object.__setattr__(self, self._weight_name, float(number))
        if self.n_auxiliary is not None:
            check_size("n_auxiliary", self.n_auxiliary)
        if self.auxiliary_bias is not None:
            check_bias(self.auxiliary_bias, "auxiliary_bias")
        self._check_training()
        if self.auxiliary is not None and self.law is None:
            object.__setattr__(self, "law", self._combine())

    @property
    def _weight(self) -> Any:
        return getattr(self, self._weight_name)

    @property
    def takes_weights(self) -> bool:
        """Whether the base is fitted to `madtheory.data.Weighted` points too."""
        return bool(getattr(self.base, "takes_weights", False))

    def lacks(self, name: str) -> str | None:
        """Return why this model does not have a method or property; ``None`` if it has."""
        if name == "sample_statistic" and getattr(type(self.base), "statistic", Moments) is not Moments:
            return f"{type(self).__name__} on {type(self.base).__name__} has no {name}"
        if name == "sample_statistic" and self.treatments:
            return f"{type(self).__name__} with treatments of points has no {name}"
        if name in ("sample_statistic", "expand") and (why := find_obstacle(self.base, name)) is not None:
            return f"{type(self).__name__} on {why}"
        if name == "moments" and not knows(self.base, name):
            return f"{type(self).__name__} on {type(self.base).__name__} knows no {name}"
        return None

    def _check_base(self) -> None:
        kind = type(self.base)
        if isinstance(self.base, type) or not can(self.base, "fit", "sample"):
            raise TypeError(
                f"base={show(self.base)} is not an instance with fit and sample; see madtheory.types."
            )
        if kind is not Gaussian and not callable(getattr(self.base, self._method, None)):
            raise TypeError(
                f"{type(self).__name__} needs a base that can be combined with an auxiliary: {kind.__name__} "
                f"has no method {self._method}(auxiliary, weight) that returns a model; give it one, or use "
                f"Gaussian()."
            )

    def _check_training(self) -> None:
        if self.budget is not None:
            check_size("budget", self.budget)
            if not callable(getattr(self.base, "fine_tuned", None)):
                raise TypeError(
                    f"budget={show(self.budget)} counts the images that the auxiliary sees, and a "
                    f"{type(self.base).__name__} is not trained step by step: it has no fine_tuned(data, "
                    f"images=, learning_rate=, rng=). Leave budget out: the auxiliary is then fitted."
                )
        rate = self.learning_rate
        if rate is not None and (self.budget is None or not check_numbers("learning_rate", rate) > 0):
            raise ValueError(
                f"learning_rate={show(rate)} is of the fine-tuning for a budget={show(self.budget)}; "
                f"pass a number "
                f"> 0 and a budget of images seen, or leave it out."
            )
        for treatment in self.treatments:
            if not callable(getattr(treatment, "treated", None)):
                raise TypeError(
                    f"treatments holds {show(treatment)}, which is not a treatment; see madtheory.treatments."
                )

    @check_arguments
    def fit(self: Self, data: Any, *, rng: np.random.Generator) -> Self:
        """Fit the base to `data`, and the auxiliary to samples of the fitted base; return a new model."""
        fitted = self.base.fit(data, rng=rng)
        weight = np.asarray(size(data)).round().astype(int)
        n = int(weight.flat[0]) if (weight == weight.flat[0]).all() else weight
        return self._complete(fitted, n, isinstance(data, (Moments, Counts)), rng)

    def self_trained(self: Self, n: int, *, rng: np.random.Generator) -> Self:
        """Train an auxiliary on `n` samples of a fitted base: this improves a finished model without data."""
        return self._complete(self.base, check_size("n", n), False, rng)

    def at(self: Self, weight: float, /) -> Self:
        """Return the model with another w (guidance of `SIMS`, weight of `Neon`), without training."""
        changed: dict[str, Any] = {self._weight_name: weight, "law": None}
        return replace(self, **changed)

    def _complete(self: Self, fitted: Any, n: Any, exactly: bool, rng: np.random.Generator) -> Self:
        synthetic = self._synthetic(fitted, n, exactly, rng)
        if self.budget is None:
            auxiliary = fitted.fit(synthetic, rng=rng)
        else:
            auxiliary = self._fine_tune(fitted, synthetic, self.budget, rng)
        return replace(self, base=fitted, auxiliary=auxiliary, law=None)

    def _synthetic(self, fitted: Any, n: Any, exactly: bool, rng: np.random.Generator) -> Any:
        """Draw the set S of the base's own samples, or its statistic."""
        n = n if self.n_auxiliary is None else self.n_auxiliary
        exactly = exactly and not self.treatments
        if np.ndim(n) and not exactly:
            n = int(np.max(n))
        source = fitted
        for treatment in self.treatments:
            source = _treat(treatment, source)
        draw = source.sample_statistic if exactly else source.sample
        return draw(n, rng=rng, **({} if self.auxiliary_bias is None else {"bias": self.auxiliary_bias}))

    def _fine_tune(self, model: Any, data: Any, images: int, rng: np.random.Generator) -> Any:
        rate = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        return model.fine_tuned(data, images=images, rng=rng, **rate)

    def _combine(self) -> Any:
        if self._weight == 0:
            return self.base
        if self._weight == -1:
            return self.auxiliary
        combined = getattr(self.base, self._method, None) or partial(self._of_gaussians, self.base)
        return combined(self.auxiliary, self._weight)

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        """Draw `n` points, shape (*replicate, n, d), or images; `bias` goes to the law's own sampling."""
        drawn = self._check_fitted().sample(n, rng=rng, **({} if bias is None else {"bias": bias}))
        return drawn if is_set(drawn) else np.asarray(drawn)

    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Any:
        """Draw the moments of `n` points; this needs a base with statistics, and no treatments."""
        return self._check_fitted().sample_statistic(n, rng=rng, bias=bias)

    def expand(self: Self, *replicates: int) -> Self:
        """Add leading replicate axes, where the base can."""
        parts = {name: getattr(self, name) for name in ("base", "auxiliary", "law")}
        wide = {k: None if part is None else part.expand(*replicates) for k, part in parts.items()}
        return replace(self, **wide)  # type: ignore[arg-type]

    def _check_fitted(self) -> Any:
        if self.law is None:
            raise ValueError(
                f"this {type(self).__name__} has no auxiliary yet; call fit(data), or self_trained(n) for a "
                f"base that is fitted."
            )
        return self.law

    @property
    def moments(self) -> Gaussian:
        """The Gaussian of the mean and covariance of the law that is sampled."""
        law = self._check_fitted()
        if not knows(law, "moments"):
            raise TypeError(f"{type(self).__name__} samples a {type(law).__name__}, which has no covariance.")
        moments: Gaussian = law.moments
        return moments

    @property
    def mean(self) -> Array:
        """Mean of the law that is sampled, shape (*replicate, d)."""
        return np.asarray(self.moments.mean)

    @property
    def covariance(self) -> Array:
        """Covariance of the law that is sampled, shape (*replicate, d, d)."""
        return self.moments.covariance


def _treat(treatment: Any, source: Any) -> Any:
    """Return the source of treated points, for a set outside of any generation of a loop."""
    return treatment.treated(source, _NoSnapshot(treatment))


class _NoSnapshot:
    """A stand-in for the missing snapshot; it refuses when a treatment uses an attribute of it."""

    def __init__(self, treatment: Any) -> None:
        self._treatment = treatment

    def __getattr__(self, name: str) -> Any:
        raise TypeError(
            f"treatments holds {show(self._treatment)}, which needs the {name!r} of a loop's snapshot; "
            f"the auxiliary's training set has none. Use treatments of only points: project, verify, curate."
        )


@dataclass(frozen=True, eq=False, repr=False)
class SIMS(Improved):
    r"""Negative guidance of a base by an auxiliary that is trained on the base's own samples.

    Samples follow the probability flow with the score :math:`(1 + w) s_r - w s_s`. For a Gaussian base that
    is a Gaussian: log-covariances are extrapolated (`madtheory.theory.guidance.sims_law`).

    Parameters
    ----------
    base : GenerativeModel
        Base: a `Gaussian`, or any model with a method ``guided(auxiliary, weight)`` that returns the guided
        model, as those of `madtheory.networks`.
    guidance : float
        Weight w: 0 is the base, bit for bit; -1 the auxiliary, a self-trained model; above 0 moves away from
        it.
    n_auxiliary : int, optional
        Synthetic points that each auxiliary is trained on, :math:`|S|`. Default: as many as the training set
        holds.
    auxiliary_bias : float, optional
        Sampling bias of those points (1 is unbiased). ``None`` is the base's own default sampling, also where
        ``Loop(bias=...)`` biases the samples of the guided model.
    budget : int, optional
        Images that the auxiliary's fine-tuning sees, with repetition: ``budget / batch`` steps from the
        base's weights, by its ``fine_tuned(data, images=, learning_rate=, rng=)``. Default: the auxiliary is
        fitted by the fitted base's ``fit``, which for a network is a warm start.
    learning_rate : float, optional
        Learning rate of that fine-tuning. Default: that of the base.
    treatments : sequence of Treatment
        Changes of the synthetic points before the auxiliary is trained on them, in this order:
        `madtheory.treatments.verify`, `curate` or `project`, but not `correct`, which needs a loop. Where S
        has too many points of a class, the guided model has fewer of it (distribution control, section 4.3).

    Attributes
    ----------
    auxiliary, law : models
        Auxiliary, trained from the fitted base, and the model that is sampled; ``None`` before `fit`.

    Raises
    ------
    TypeError
        If the base cannot be guided, a budget is given and it cannot be fine-tuned, or, by `fit`, if a
        treatment needs a loop.
    ValueError
        If an argument is out of range.

    See Also
    --------
    madtheory.models.selection : choose the guidance and the budget by a metric.

    Notes
    -----
    The auxiliary's samples come from the base, by the generator of ``fit``; the training data of later
    generations come from the guided model. With ``method="statistics"`` both are drawn by their sufficient
    statistics; treatments of points need ``method="samples"``. Source: Alemohammad et al. 2024 (SIMS, arXiv
    2408.16333).
    """

    _method: ClassVar[str] = "guided"
    _weight_name: ClassVar[str] = "guidance"
    _of_gaussians: ClassVar[Any] = staticmethod(guided_gaussian)

    guidance: float


@dataclass(frozen=True, eq=False, repr=False)
class Neon(Improved):
    r"""Negative extrapolation of a base's parameters from those of an auxiliary trained on its samples.

    Parameters become :math:`\theta_r - w(\theta_s - \theta_r)`; for a Gaussian base they are mean and
    covariance (`madtheory.theory.guidance.neon_law`). Sampling needs one model, not two.

    Parameters
    ----------
    base : GenerativeModel
        Base: a `Gaussian`, or any model with a method ``extrapolated(auxiliary, weight)``.
    weight : float
        Weight w: 0 is the base, bit for bit; -1 the auxiliary, a self-trained model; above 0 moves away from
        it.
    n_auxiliary, auxiliary_bias, budget, learning_rate, treatments
        As for `SIMS`, and so are attributes and errors.

    Raises
    ------
    ValueError
        Also by `fit`, if an extrapolated covariance has a negative eigenvalue.

    Notes
    -----
    A Gaussian's auxiliary is trained to convergence: the paper's brief fine-tuning is then a smaller weight
    (for a gradient step of the covariance, see `madtheory.theory.guidance.neon_warm_up`). A network's is
    fine-tuned for `budget` images, in the paper with a reduced learning rate. To first order in
    :math:`\theta_s - \theta_r` Neon is `SIMS`, and exactly so for models that are linear in their weights.
    Source: Alemohammad et al. 2025 (Neon, arXiv 2510.03597), Algorithm 1 and Appendix C.
    """

    _method: ClassVar[str] = "extrapolated"
    _weight_name: ClassVar[str] = "weight"
    _of_gaussians: ClassVar[Any] = staticmethod(extrapolated_gaussian)

    weight: float
