"""Training sets as a monoid: points, weighted points, `Moments` and `Counts` have a size, join, subsample.

A type of your own takes part through its methods: ``weight`` (its size), a static ``joined(parts)``, and
where a regime needs them ``scaled(weight)``, ``first(share)`` and ``subsample(budget, rng=, replacement=)``,
which draws in random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from madtheory.numerics import one_thread, stack, triangular, without_direction
from madtheory.text import short_repr
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_array,
    check_many,
    check_number,
    check_parts,
    check_point_weights,
    check_points,
    check_size,
    freeze,
    show,
)

_LONG = 1024  # points, or numbers, from which on a pool is subsampled one replicate at a time


@dataclass(frozen=True, eq=False)
class Moments:
    r"""Sufficient statistic of points for the Gaussian: total weight, mean, and a root of the scatter.

    The scatter :math:`\sum_i w_i (x_i - \bar x)(x_i - \bar x)^T` is kept as
    :math:`R\,\mathrm{diag}(4^{e})\,R^T`, which neither squares the condition number nor underflows.

    Attributes
    ----------
    weight, squared_weight : float or array, shape (*replicate,)
        Sums of the weights and of their squares; both are the number of points when unweighted.
    mean : array, shape (*replicate, d)
        Weighted mean.
    root : array, shape (*replicate, d, k)
        Root of the scatter; lower-triangular if k = d, and k < d if it is singular.
    exponent : int array, shape (*replicate, k), optional
        Powers of two that multiply the columns of `root`; ``None`` is all zero.
    """

    weight: Any
    squared_weight: Any
    mean: Array
    root: Array
    exponent: Array | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        _freeze_fields(self, "weight", "squared_weight", "mean", "root", "exponent")

    @classmethod
    @one_thread
    def of(cls, points: Array, weights: Array | None = None) -> Moments:
        """Summarise points of shape (*replicate, n, d), with weights of shape (*replicate, n) or none."""
        points = check_points(points)
        w = np.ones(points.shape[-2]) if weights is None else check_point_weights(weights, points.shape[:-1])
        total = w.sum(-1)
        # Factors of one are skipped: each pass over the points of a large training set takes time.
        summed = points.sum(-2) if weights is None else (w[..., None] * points).sum(-2)
        mean = summed / np.where(total > 0, total, 1.0)[..., None]
        centred = points - mean[..., None, :]
        if weights is not None:
            centred *= np.sqrt(w)[..., None]
        root = np.swapaxes(centred, -1, -2)
        if points.shape[-2] <= points.shape[-1]:
            # n points have a scatter of rank n - 1.
            return cls(total, (w * w).sum(-1), mean, without_direction(root, np.sqrt(w)))
        root = triangular(root)
        # A direction within the rounding of the points themselves has no spread.
        diagonal = np.arange(points.shape[-1])
        spread = np.abs(root[..., diagonal, diagonal])
        rounding = 8 * np.finfo(float).eps * np.sqrt(points.shape[-2])
        # No coordinate exceeds this; all points are examined again only where this leaves a doubt.
        most = np.abs(mean) + np.sqrt((root * root).sum(-1))
        if weights is not None or not (spread > 1.01 * rounding * most).all():
            root[..., diagonal, diagonal] *= spread > rounding * np.abs(points).max(-2)
        return cls(total, (w * w).sum(-1), mean, root)

    @property
    def dim(self) -> int:
        """Dimension d of the points."""
        return int(self.mean.shape[-1])

    @property
    def scatter(self) -> Array:
        """The scatter matrix, shape (*replicate, d, d)."""
        root = self.root if self.exponent is None else np.ldexp(self.root, self.exponent[..., None, :])
        return root @ np.swapaxes(root, -1, -2)

    @check_arguments
    def scaled(self, weight: float) -> Moments:
        """Multiply the weight of every point."""
        check_number("weight", weight, 0)
        return replace(
            self,
            weight=weight * self.weight,
            squared_weight=weight**2 * self.squared_weight,
            root=np.sqrt(weight) * self.root,
        )

    @staticmethod
    def joined(parts: Sequence[Moments]) -> Moments:
        """Pool several statistics (the parallel-variance formula; equal means join to exactly that mean)."""
        check_parts(parts, Moments)
        total, mean, columns = np.asarray(parts[0].weight, dtype=float), parts[0].mean, []
        for part in parts[1:]:
            before, weight = total, np.asarray(part.weight, dtype=float)
            total = before + weight
            share = weight / np.where(total > 0, total, 1.0)
            delta = part.mean - mean
            columns.append(np.sqrt(before * share)[..., None] * delta)
            mean = mean + share[..., None] * delta
        roots = [*(part.root for part in parts), *(column[..., None] for column in columns)]
        root, exponent = stack(roots, [*(part.exponent for part in parts), *[None] * len(columns)])
        squared = sum(np.asarray(part.squared_weight, dtype=float) for part in parts)
        return Moments(total, squared, mean, root, exponent)


@dataclass(frozen=True, eq=False)
class Weighted:
    """Points of shape (*replicate, n, d) with a weight each, shape (*replicate, n)."""

    points: Array
    weights: Array

    @property
    def weight(self) -> Any:
        """Total weight of the points, shape (*replicate,)."""
        return self.weights.sum(-1)

    @staticmethod
    def joined(parts: Sequence[Weighted]) -> Weighted:
        """Pool several sets of weighted points."""
        check_parts(parts, Weighted)
        return Weighted(join([p.points for p in parts]), np.concatenate([p.weights for p in parts], -1))


@dataclass(frozen=True, eq=False)
class Empirical:
    """Real data from a finite set: draws rows of `points`, shape (m, d), with replacement.

    As `real`, the reference law is the uniform one on the rows. `points` is kept as a read-only copy.
    """

    points: Array
    replicates: tuple[int, ...] = ()

    __repr__ = short_repr

    def __post_init__(self) -> None:
        points = check_points(self.points, "points")
        for many in self.replicates if isinstance(self.replicates, tuple) else (self.replicates,):
            check_size("replicates", many)
        if points.ndim != 2:
            raise ValueError(f"points has shape {points.shape}; expected (m, d): flatten images first.")
        object.__setattr__(self, "points", freeze(np.ascontiguousarray(points)))

    def expand(self, *replicates: int) -> Empirical:
        """Add leading replicate axes: each replicate draws its own sample."""
        return replace(self, replicates=(*replicates, *self.replicates))

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` rows, shape (*replicate, n, d). `bias` is refused: it is not defined for data."""
        if bias is not None:
            raise ValueError(f"bias={show(bias)}: real data cannot be sampled with a bias; leave it out.")
        return self.points[rng.integers(len(self.points), size=(*self.replicates, check_size("n", n)))]

    @check_arguments
    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Moments:
        """Draw `n` rows and return their moments: exact, at a cost proportional to `n`, one per replicate."""
        most = max(int(np.max(check_many("n", n))), 1)
        used = None if np.ndim(n) == 0 else (np.arange(most) < np.asarray(n)[..., None]).astype(float)
        return Moments.of(self.sample(most, rng=rng), used)

    @cached_property
    def mean(self) -> Array:
        """Mean of the rows, shape (d,); read-only."""
        mean = self.points.mean(0)
        mean.flags.writeable = False
        return mean

    @cached_property
    @one_thread
    def covariance(self) -> Array:
        """Covariance of the uniform law on the rows (divisor m), shape (d, d); read-only."""
        covariance = np.atleast_2d(np.cov(self.points, rowvar=False, ddof=0))
        covariance.flags.writeable = False
        return covariance


def _freeze_fields(value: Any, *names: str) -> None:
    """Keep read-only copies of the arrays among these attributes."""
    for name in names:
        if isinstance(given := getattr(value, name), np.ndarray):
            object.__setattr__(value, name, freeze(given))


def _points(name: str, points: Any) -> Array:
    """Return points as an array of shape (*replicate, n, d)."""
    array = check_array(points, name)
    if array.ndim < 2:
        raise ValueError(f"{name} has shape {array.shape}; expected points of shape (*replicate, n, d).")
    return array


def size(data: Any) -> Any:
    """Return the number of points (total weight, for weighted data)."""
    return data.weight if hasattr(data, "weight") else _points("data", data).shape[-2]


@check_arguments
def weighted(data: Any, weight: float) -> Any:
    """Give every point of a training set the same weight."""
    if hasattr(data, "scaled"):
        return data.scaled(weight)
    return Weighted(data, np.full(_points("data", data).shape[:-1], float(weight)))


def join(parts: Sequence[Any]) -> Any:
    """Pool training sets of one kind: points by concatenation, statistics by addition."""
    if not isinstance(parts, Sequence) or isinstance(parts, str | bytes) or not parts:
        raise TypeError(f"parts={show(parts)} is not a list of training sets; pass at least one.")
    if len(parts) == 1:
        return parts[0]
    if hasattr(parts[0], "joined"):
        return parts[0].joined(parts)
    return np.concatenate([_points("parts", part) for part in parts], axis=-2)


@check_arguments
def first(points: Any, share: float) -> Any:
    """Return the first points of a set: the integer part of `share` of their number."""
    if hasattr(points, "first"):
        return points.first(share)
    points = _points("points", points)
    return points[..., : int(check_number("share", share, 0, 1) * points.shape[-2] + 1e-9), :]


@check_arguments
def subsample(points: Any, budget: int, *, rng: np.random.Generator, replacement: bool = False) -> Any:
    """Draw `budget` of the points uniformly, independently in each replicate.

    Moments cannot be subsampled: which points were kept is not a function of the statistic. Counts can.
    """
    if hasattr(points, "subsample"):
        return points.subsample(budget, rng=rng, replacement=replacement)
    points = _points("points", points)
    *lead, n, _ = points.shape
    return pick(points, draw_index(tuple(lead), n, budget, rng=rng, replacement=replacement))


def shuffle(points: Any, *, rng: np.random.Generator) -> Any:
    """Put the points of a set in random order, independently in each replicate."""
    if hasattr(points, "subsample"):
        return points.subsample(points.weight, rng=rng)
    order = np.broadcast_to(np.arange(points.shape[-2]), points.shape[:-1])
    return pick(points, rng.permuted(order, axis=-1))


def pick(points: Any, index: np.ndarray) -> Any:
    """Pick points, of shape (*replicate, n, d), at an index of shape (*replicate, k)."""
    if index.shape[-1] * points.shape[-1] < _LONG:
        return np.take_along_axis(points, index[..., None], axis=-2)
    picked = np.empty((*index.shape, points.shape[-1]), points.dtype)
    for place in np.ndindex(index.shape[:-1]):  # whole rows are copied faster than single numbers
        np.take(points[place], index[place], axis=0, out=picked[place], mode="clip")
    return picked


def draw_index(
    lead: tuple[int, ...], n: int, budget: int, *, rng: np.random.Generator, replacement: bool
) -> np.ndarray:
    """Draw which `budget` of `n` points are picked, uniformly in each replicate, shape (*lead, budget)."""
    if replacement:
        return rng.integers(n, size=(*lead, budget))
    if budget > n:
        raise ValueError(f"budget={budget} exceeds the {n} points of the pool; lower it to {n} or less.")
    if n < _LONG:
        return rng.random((*lead, n)).argpartition(budget - 1, axis=-1)[..., :budget]
    index = np.empty((*lead, budget), dtype=np.intp)
    for place in np.ndindex(*lead):  # the cost grows with the budget, not with the pool
        index[place] = rng.choice(n, budget, replace=False, shuffle=False)
    return index
