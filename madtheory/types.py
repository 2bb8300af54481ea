"""The contracts between the loop and the objects in it, and the names of array shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Count",
    "ExactlySampled",
    "GenerativeModel",
    "Metric",
    "RandomState",
    "Size",
    "Source",
    "Treatment",
    "Weights",
]

Array: TypeAlias = NDArray[np.floating[Any]]
"""Floats. Shapes are written ``(*replicate, n, d)``: any leading replicate axes, points, coordinates."""

Count: TypeAlias = int
"""An integer of at least 1, which `validation.checked` and `check_fields` hold it to."""

Size: TypeAlias = int | Sequence[int] | Callable[[int], int]
"""A sample size: constant, one entry per generation (the first is generation 1), or a function of it."""

Weights: TypeAlias = tuple[float, ...] | Sequence[tuple[float, ...]] | Callable[[int], tuple[float, ...]]
"""Weights of the kinds of points in a fit: constant, one entry per generation, or a function of it."""

RandomState: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None
"""Anything that seeds a run; ``None`` draws fresh entropy, which the result records."""

Metric: TypeAlias = Callable[[Any], Array]
"""A function of a `madtheory.Snapshot` that returns one number per replicate; its name is the variable's."""


@runtime_checkable
class Source(Protocol):
    """Real data: anything that can be sampled."""

    def sample(self, n: int, *, rng: np.random.Generator) -> Any:
        """Draw `n` points, shape (*replicate, n, d)."""
        ...


@runtime_checkable
class GenerativeModel(Protocol):
    """An immutable generator. `bias` is optional: it exists where biased sampling is defined."""

    def fit(self, data: Any, *, rng: np.random.Generator) -> GenerativeModel:
        """Return a new model, fitted to `data`."""
        ...

    def sample(self, n: int, *, rng: np.random.Generator) -> Any:
        """Draw `n` points, shape (*replicate, n, d)."""
        ...


@runtime_checkable
class ExactlySampled(Protocol):
    """What ``method="statistics"`` needs: the law of a training set's sufficient statistic."""

    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Any:
        """Draw the statistic of `n` points from its exact law, at a cost that does not depend on `n`."""
        ...

    def expand(self, *replicates: int) -> Any:
        """Add a leading replicate axis."""
        ...


@runtime_checkable
class Treatment(Protocol):
    """A change of synthetic data before the next model is trained on them: a source made from a model."""

    def treated(self, model: Any, snapshot: Any) -> Source:
        """Return the source of treated points.

        It has ``sample(n, *, rng, bias=None)`` for `n` points after treatment, with the replicate axis of
        `model`, and ``sample_statistic`` where the law of the statistic is known. `snapshot` is the
        generation that `model` belongs to or a later one.
        """
        ...

    def obstacle(self, loop: Any) -> str | None:
        """Return why the statistic of treated points has no known law for this loop, or ``None``."""
        ...
