"""Models that are trained for a budget of images seen, and sampled by one seed per sample."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from madtheory.validation import check_generator, check_number, check_size, show

Seeds = NDArray[np.uint64]
Self = TypeVar("Self", bound="Trained")


def sample_seeds(n: int, rng: np.random.Generator) -> Seeds:
    """Draw one seed for each of `n` samples."""
    check_generator("rng", rng)
    return rng.integers(2**64, size=check_size("n", n), dtype=np.uint64)


class Trained(ABC):
    """A dataclass with fields `training`, `classes` and `weights`; weights named ``_`` are not learned."""

    usual_replicates: ClassVar[int] = 1  # of `simulate`: a fit takes seconds to hours

    training: Any
    classes: int | None
    weights: Any

    @abstractmethod
    def _train(self: Self, data: Any, images: int, learning_rate: float, rng: np.random.Generator) -> Self:
        """Train on `data`, starting from these weights if there are any."""

    @abstractmethod
    def _combine(
        self, terms: Sequence[tuple[float, Any]], seeds: Any, labels: Any, bias: float | None
    ) -> Any:
        """Return samples of a sum of models of the same kind."""

    @abstractmethod
    def _difference(self, other: Any) -> str | None:
        """Return the difference that prevents combining another fitted model with this one, or ``None``."""

    def fit(self: Self, data: Any, *, rng: np.random.Generator) -> Self:
        """Train on points (n, d), or images, starting from these weights if there are any."""
        if self.weights is None:
            return self._train(data, self.training.images, self.training.learning_rate, rng)
        return self.fine_tuned(data, images=self.training.warm_images or self.training.images, rng=rng)

    def fine_tuned(
        self: Self, data: Any, *, images: int, learning_rate: float | None = None, rng: np.random.Generator
    ) -> Self:
        """Continue the training for a budget of images seen; return a new model.

        The learning rate is by default the training's ``warm_learning_rate``, else its ``learning_rate``.
        """
        self._check_fitted()
        rate = self.training.warm_learning_rate if learning_rate is None else learning_rate
        images = check_size("images", images)
        return self._train(data, images, self.training.learning_rate if rate is None else rate, rng)

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        """Draw `n` points (n, d), or images; with equal class counts if class-conditional.

        The class is then the last coordinate of points (n, d + 1), and the label of an image.
        """
        seeds = sample_seeds(n, rng)
        if self.classes is None:
            return self.generate(seeds, bias=bias)
        order = rng.permutation(self.classes)
        return self.generate(seeds, rng.permutation(order[np.arange(n) % self.classes]), bias=bias)

    def generate(self, seeds: Any, labels: Any = None, *, bias: float | None = None) -> Any:
        """Return samples of seeds (and classes, if class-conditional): sample i depends only on seed i."""
        return self._combine(((1.0, self),), seeds, labels, bias)

    def guided(self, auxiliary: Any, weight: float) -> Guided:
        r"""Sample :math:`(1 + w)` times this model minus w times `auxiliary`, the hook of `models.SIMS`."""
        return Guided(self, auxiliary, check_number("weight", weight))

    def extrapolated(self: Self, auxiliary: Any, weight: float) -> Self:
        r"""Return the model of weights :math:`(1 + w)\theta - w\theta_s`, the hook of `models.Neon`."""
        self._check_like(auxiliary)
        weight = check_number("weight", weight)
        mine, theirs = self.weights, auxiliary.weights

        def merge() -> dict[str, NDArray[Any]]:
            # theta - w (theta_s - theta) in double precision: the difference is small.
            return {
                name: value
                if name.startswith("_")
                else (value - weight * (theirs[name].astype(float) - value)).astype(value.dtype)
                for name, value in mine.items()
            }

        return self._merge(merge, theirs, weight)

    def _merge(self: Self, merge: Callable[[], Any], theirs: Any, weight: float) -> Self:
        """Return the model with extrapolated weights."""
        return replace(self, weights=merge())  # type: ignore[type-var]

    def _check_fitted(self) -> Any:
        if self.weights is None:
            raise ValueError(f"this {type(self).__name__} is not fitted; call fit(data, rng=rng).")
        return self.weights

    def _check_like(self, other: Any) -> None:
        """Refuse to combine models that differ in type or units."""
        self._check_fitted()
        if type(other) is not type(self) or other.weights is None:
            raise TypeError(
                f"auxiliary={show(other)} is not a fitted {type(self).__name__}; fit it from this model."
            )
        if (difference := self._difference(other)) is not None:
            raise ValueError(
                f"auxiliary has {difference} than this model; train it from this model, with "
                f"fine_tuned(samples, images=...)."
            )


@dataclass(frozen=True, eq=False)
class Guided:
    r"""The model :math:`(1 + w)` times `base` minus w times `auxiliary`, with the same noise for both.

    For a diffusion the two denoisers are combined at every noise level, which is SIMS (arXiv 2408.16333); for
    a generator of one step, the two outputs.
    """

    base: Any
    auxiliary: Any
    weight: float

    def __post_init__(self) -> None:
        self.base._check_like(self.auxiliary)
        if not math.isfinite(self.weight):
            raise ValueError(f"weight={show(self.weight)} is not finite; pass a number, for example 1.0.")

    def fit(self, data: Any, *, rng: np.random.Generator) -> Any:
        """Continue the training of the base, and drop the auxiliary, which belongs to the old base."""
        return self.base.fit(data, rng=rng)

    sample = Trained.sample

    @property
    def classes(self) -> int | None:
        """Number of classes of the base."""
        return self.base.classes

    def generate(self, seeds: Any, labels: Any = None, *, bias: float | None = None) -> Any:
        """Return the samples of given seeds; see `Network.generate`."""
        terms = ((1 + self.weight, self.base), (-self.weight, self.auxiliary))
        return self.base._combine(terms, seeds, labels, bias)
