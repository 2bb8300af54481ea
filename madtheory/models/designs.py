"""Inputs of models of labels: fixed rows, a source that draws new ones, or those of the training set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from madtheory.abilities import can, find_obstacle, knows
from madtheory.data import Moments
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import check_points, freeze, show


@dataclass(frozen=True, eq=False)
class FixedDesign:
    """Rows of inputs, shape (T, d): every sample of `n` points has the first `n` of them, periodically."""

    rows: Array

    __repr__ = short_repr

    def __post_init__(self) -> None:
        rows = check_points(self.rows, "design")
        if rows.ndim != 2:
            raise ValueError(f"design has shape {rows.shape}; expected rows of inputs, shape (T, d).")
        object.__setattr__(self, "rows", freeze(rows))

    def inputs(self, n: int, lead: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Return the inputs of `n` points, shape (*lead, n, d)."""
        return periodic(np.broadcast_to(self.rows, (*lead, *self.rows.shape)), n)

    def moments(self, n: Any, lead: tuple[int, ...], rng: np.random.Generator) -> Moments:
        """Return the moments of the inputs of `n` points; they are computed once for each `n`."""
        return _moments_of_rows(self, int(n))

    def equals(self, other: Any) -> bool:
        """Return whether another design has the same rows."""
        return isinstance(other, FixedDesign) and np.array_equal(self.rows, other.rows)

    @property
    def second_moment(self) -> Array:
        """Mean of x xᵀ over the rows, shape (d, d)."""
        return self.rows.T @ self.rows / len(self.rows)


@dataclass(frozen=True, eq=False)
class RandomDesign:
    """Inputs drawn anew for every sample from a source."""

    source: Any

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if isinstance(self.source, type) or not callable(getattr(self.source, "sample", None)):
            raise TypeError(
                f"design={show(self.source)} is neither rows of inputs, shape (T, d), nor a source with "
                f"sample(n, *, rng); pass for example mad.Gaussian.standard(5), or leave design out to use "
                f"the inputs of the training set again."
            )

    def _at(self, lead: tuple[int, ...]) -> Any:
        if lead and not can(self.source, "expand"):
            raise ValueError(f"design of type {type(self.source).__name__} has no expand; run one replicate.")
        return self.source.expand(*lead) if lead else self.source

    def inputs(self, n: int, lead: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Draw the inputs of `n` points, shape (*lead, n, d)."""
        return check_points(self._at(lead).sample(n, rng=rng), "the sample of design")

    def moments(self, n: Any, lead: tuple[int, ...], rng: np.random.Generator) -> Moments:
        """Draw the moments of the inputs of `n` points."""
        drawn: Moments = self._at(lead).sample_statistic(n, rng=rng)
        if drawn.exponent is None:
            return drawn
        return replace(drawn, root=np.ldexp(drawn.root, drawn.exponent[..., None, :]), exponent=None)

    def equals(self, other: Any) -> bool:
        """Return whether another design draws from the same law, as far as mean and covariance tell."""
        if not isinstance(other, RandomDesign) or type(other.source) is not type(self.source):
            return False
        mine, theirs = self.source, other.source
        return mine is theirs or (
            np.array_equal(mine.mean, theirs.mean) and np.array_equal(mine.covariance, theirs.covariance)
        )

    @property
    def second_moment(self) -> Array:
        """Mean of x xᵀ, shape (d, d)."""
        if not knows(self.source, "covariance"):
            raise ValueError(
                f"design of type {type(self.source).__name__} has no mean and covariance; use a Gaussian, or "
                f"madtheory.data.Empirical(rows)."
            )
        return np.asarray(self.source.covariance + np.outer(self.source.mean, self.source.mean))


@lru_cache(maxsize=16)
def _moments_of_rows(design: FixedDesign, n: int) -> Moments:
    """Return the moments of the inputs of `n` points; a design is compared by identity."""
    copies = n % len(design.rows) == 0
    held = Moments.of(design.rows if copies else periodic(design.rows, n))
    return resize(held, n) if copies else held


@dataclass(frozen=True, eq=False)
class TrainingInputs:
    """Inputs of a training set: points (*replicate, n, d), or their moments where statistics are drawn."""

    held: Any

    def __post_init__(self) -> None:
        if isinstance(self.held, np.ndarray):
            object.__setattr__(self, "held", freeze(self.held))

    def inputs(self, n: int, lead: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Return the first `n` inputs, periodically, shape (*lead, n, d)."""
        rows = periodic(self.held, n)
        return np.broadcast_to(rows, (*lead, *rows.shape[-2:]))

    def moments(self, n: Any, lead: tuple[int, ...], rng: np.random.Generator) -> Moments:
        """Return the moments of `n` inputs, in the proportions of the training set."""
        return resize(self.held, n)


def design_of(value: Any) -> FixedDesign | RandomDesign | None:
    """Return the design that a user passes: rows, a source, or ``None`` for the training set's own inputs."""
    if value is None or isinstance(value, (FixedDesign, RandomDesign)):
        return value
    plain = hasattr(value, "__array__") or isinstance(value, (list, tuple))
    return FixedDesign(value) if plain else RandomDesign(value)


def lacks_statistic(design: Any) -> str | None:
    """Return why the moments of inputs cannot be drawn, or ``None``."""
    if not isinstance(design, RandomDesign):
        return None
    obstacle = find_obstacle(design.source, "sample_statistic")
    return None if obstacle is None else f"has a design whose statistic is not known: {obstacle}"


def obstacle_of(design: Any, regime: Any, role: str) -> str | None:
    """Return why the rows of a fixed design are not those of a loop's statistics, or ``None``."""
    if isinstance(design, RandomDesign):
        return None
    if regime.memory > 1 or regime.budget is not None:
        return f"{role} has a fixed design, of which memory={regime.memory} or a budget picks rows at random"
    if regime.real_data == "fixed" and regime.n_real != regime.n_initial:
        return f"{role} has a fixed design, and n_real={show(regime.n_real)} is a part of its rows"
    if design is None:
        first = regime.n_initial
        if regime.draws_real or regime.n_synthetic not in (0, first):
            return (
                "model has no design: it labels the inputs of its training set, whose statistic is known "
                "only if all batches have n_initial points and no new real data are drawn"
            )
    return None


def periodic(rows: Any, n: int) -> Array:
    """Return the first `n` rows of points (*replicate, m, d), again from the first where n > m."""
    many = rows.shape[-2]
    return np.asarray(rows[..., :n, :] if n <= many else rows[..., np.arange(n) % many, :])


def resize(moments: Moments, n: Any) -> Moments:
    """Return the moments of `n` points with the mean and the covariance of these."""
    number, root = np.asarray(n, dtype=float), moments.root
    if root.shape[-1] > max(int(np.max(n)) - 1, 0):
        # Copies of few rows: their scatter has fewer directions than the root has columns.
        vectors, sizes, _ = np.linalg.svd(root, full_matrices=False)
        root = (vectors * sizes[..., None, :])[..., : max(int(np.max(n)) - 1, 0)]
    share = number / np.where(np.asarray(moments.weight) > 0, moments.weight, 1.0)
    return Moments(number, number, moments.mean, np.sqrt(share)[..., None, None] * root)
