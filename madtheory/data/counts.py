"""Counts of symbols: the sufficient statistic of categorical points, and how it is subsampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_array,
    check_parts,
    check_point_weights,
    check_points,
    check_size,
    freeze,
    show,
)


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts of symbols: the sufficient statistic of points that are integer symbols 0, 1, 2, ...

    Attributes
    ----------
    counts : int array, shape (*replicate, k); floats if weighted
        One column per symbol, or per column of `symbols`.
    symbols : int array, shape (*replicate, k), optional
        Symbol that each column counts, where the symbols that have died out in a replicate are left out.
    total_symbols : int, optional
        Number K of symbols; k by default. Symbols without a column have count 0.
    """

    counts: Any
    symbols: Any = None
    total_symbols: int = 0

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if not (isinstance(self.counts, np.ndarray) and self.counts.dtype.kind in "iuf" and self.counts.ndim):
            counts = check_array(self.counts, "counts")
            if not counts.ndim:
                raise ValueError(f"counts={show(self.counts)} is one number; pass one for each symbol, (k,).")
            object.__setattr__(self, "counts", counts)
        for name in ("counts", "symbols"):
            if isinstance(given := getattr(self, name), np.ndarray):
                object.__setattr__(self, name, freeze(given))
        if check_size("total_symbols", self.total_symbols, 0) == 0:
            object.__setattr__(self, "total_symbols", np.shape(self.counts)[-1])

    @classmethod
    @check_arguments
    def of(cls, points: Array, weights: Array | None = None, *, symbols: int | None = None) -> Counts:
        """Count points of shape (*replicate, n, 1), with weights of shape (*replicate, n) or none."""
        points = check_points(points)
        if points.shape[-1] != 1 or (points < 0).any() or (points != np.floor(points)).any():
            raise ValueError(
                f"data of shape {points.shape} are not symbols; pass integers 0, 1, 2, ... of shape (n, 1)."
            )
        most = int(points.max()) + 1
        if symbols is not None and most > symbols:
            raise ValueError(f"data hold the symbol {most - 1}; expected 0 to {symbols - 1}: raise symbols.")
        many = symbols or most
        *lead, n, _ = points.shape
        rows = np.arange(int(np.prod(lead))).repeat(n) * many
        flat = rows + points.astype(np.int64).ravel()
        given = None
        if weights is not None:
            numbers = check_point_weights(weights, points.shape[:-1])
            if numbers.ndim > points.ndim - 1:
                raise ValueError(
                    f"weights has shape {numbers.shape}; expected one weight per point, {points.shape[:-1]}."
                )
            given = np.broadcast_to(numbers, points.shape[:-1]).ravel()
        return cls(np.bincount(flat, given, many * max(int(np.prod(lead)), 1)).reshape(*lead, many))

    @property
    def weight(self) -> Any:
        """Number of points, or their total weight, shape (*replicate,)."""
        return self.counts.sum(-1)

    @property
    def dense(self) -> Any:
        """Counts of all K symbols, shape (*replicate, K)."""
        return spread(self.counts, self.symbols, self.total_symbols)

    @check_arguments
    def scaled(self, weight: float) -> Counts:
        """Multiply the weight of every point."""
        return replace(self, counts=weight * self.counts)

    @staticmethod
    def joined(parts: Sequence[Counts]) -> Counts:
        """Pool several counts: addition."""
        check_parts(parts, Counts)
        many = max(part.total_symbols for part in parts)
        if all(part.symbols is parts[0].symbols and part.total_symbols == many for part in parts):
            return replace(parts[0], counts=sum(part.counts for part in parts))
        return Counts(sum(spread(part.counts, part.symbols, many) for part in parts))

    def compressed(self) -> Counts:
        """Drop columns of zeros, and sort the others by count, if that saves a quarter of the columns."""
        width, most = self.counts.shape[-1], max(int(np.count_nonzero(self.counts, axis=-1).max()), 1)
        if 4 * most > 3 * width:
            return self
        # Padding comes first: the last column is always alive.
        order = np.argsort(self.counts, axis=-1)[..., width - most :]
        symbols = order if self.symbols is None else np.take_along_axis(self.symbols, order, -1)
        return replace(self, counts=np.take_along_axis(self.counts, order, -1), symbols=symbols)

    @check_arguments
    def subsample(self, budget: int, *, rng: np.random.Generator, replacement: bool = False) -> Counts:
        """Draw the counts of `budget` of the points, chosen uniformly, independently in each replicate.

        Exact: multivariate hypergeometric, or multinomial with replacement.
        """
        if not np.issubdtype(np.asarray(self.counts).dtype, np.integer):
            raise ValueError("weighted counts cannot be subsampled; subsample before weighting.")
        n, budget = self.weight, check_size("budget", budget, 0)
        if replacement:
            return replace(self, counts=rng.multinomial(budget, self.counts / n[..., None]))
        if budget > np.min(n):
            raise ValueError(f"budget={budget} exceeds the {np.min(n)} points of the pool; lower it to that.")
        return replace(self, counts=_split(self.counts, budget, rng.hypergeometric))


def spread(values: Any, symbols: Any, many: int) -> Any:
    """Put the values of some symbols in their places among `many`, with 0 elsewhere."""
    if symbols is None:
        missing = many - np.shape(values)[-1]
        return np.pad(values, [(0, 0)] * (np.ndim(values) - 1) + [(0, missing)]) if missing else values
    out = np.zeros((*values.shape[:-1], many), values.dtype)
    np.put_along_axis(out, symbols, values, -1)
    return out


def _split(counts: Any, budget: int, draw: Callable[..., Any]) -> Any:
    """Draw multivariate hypergeometric counts by halving the symbols, and the budget with them."""
    levels = [np.asarray(counts)]
    while levels[-1].shape[-1] > 1:
        level = spread(levels[-1], None, levels[-1].shape[-1] + levels[-1].shape[-1] % 2)
        levels[-1] = level
        levels.append(level[..., ::2] + level[..., 1::2])
    taken = np.full_like(levels[-1], budget)
    for level in reversed(levels[:-1]):
        left = draw(level[..., ::2], level[..., 1::2], taken[..., : level.shape[-1] // 2])
        taken = np.stack([left, taken[..., : level.shape[-1] // 2] - left], -1).reshape(level.shape)
    return taken[..., : np.shape(counts)[-1]]
