"""Drawing, evaluating and picking points; rejection sampling, until every replicate has enough.

Points are arrays of shape (*replicate, n, d), or a set of a type of your own, which has no replicates and
defines what is done with it by its methods: ``len``, `select` (which points, by index), `valued` (one number
for each), `mapped` (a function of each) and a static `joined`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from madtheory.abilities import is_set
from madtheory.numerics import seed_globals
from madtheory.types import Array
from madtheory.validation import check_array

Mask: TypeAlias = NDArray[np.bool_]
"""Which candidates are accepted, shape (*replicate, n)."""

_BLOCK_NUMBERS = 2**22  # coordinates of one round's candidates, all replicates together
_PATIENCE = 10_000  # candidates per requested point, in addition to a million
_BLOCK_OF_SETS, _PATIENCE_OF_SETS = 10, 100  # the same for a set, whose points cost more


def draw(model: Any, n: int, rng: np.random.Generator, bias: float | None = None) -> Any:
    """Draw `n` points of a model."""
    points = model.sample(n, rng=rng, **({} if bias is None else {"bias": bias}))
    return points if is_set(points) else check_array(points, "the sample of the model")


def places(points: Any) -> tuple[int, ...]:
    """Return the shape (*replicate, n) of an array with one entry for each point."""
    return (len(points),) if is_set(points) else points.shape[:-1]


def seed_from(points: Any) -> AbstractContextManager[None]:
    """Open a context in which global generators are seeded by points, for a user's function of them."""
    return seed_globals(0 if is_set(points) else zlib.crc32(np.asarray(points).tobytes()))


def evaluate(points: Any, function: Callable[..., Any]) -> Array:
    """Evaluate a function of points, whose values should have the shape of `places`."""
    with seed_from(points):
        values = points.valued(function) if is_set(points) else function(points)
    return check_array(values, "the values of points").astype(float, copy=False)


def pick(points: Any, index: NDArray[np.int64]) -> Any:
    """Pick the points at these places, shape (*replicate, k), in that order."""
    return points.select(index) if is_set(points) else np.take_along_axis(points, index[..., None], axis=-2)


def draw_accepted(propose: Callable[[int], tuple[Any, Mask]], n: int, *, refusal: str) -> Any:
    """Draw the first `n` accepted candidates of each replicate, shape (*replicate, n, d).

    Parameters
    ----------
    propose : callable
        ``propose(m)`` draws m candidates, shape (*replicate, m, d), and which of them are accepted,
        shape (*replicate, m).
    refusal : str
        Message if almost nothing is accepted: a format string with the fields ``kept`` and ``drawn``.
    """
    points, keep = propose(n)
    patience = _PATIENCE_OF_SETS * n if is_set(points) else _PATIENCE * n + 10**6
    drawn = n
    while True:
        have = keep.sum(-1)
        # Stable: accepted candidates first, in the order of their drawing.
        order = np.argsort(~keep, axis=-1, kind="stable")[..., : min(n, max(int(have.max()), 1))]
        points = pick(points, order)
        keep = np.take_along_axis(keep, order, axis=-1)
        least = int(have.min())
        if least >= n:
            return points
        if drawn >= patience:
            raise ValueError(refusal.format(kept=least, drawn=drawn))
        rate = (least + 0.5) / drawn
        if is_set(points):
            most = _BLOCK_OF_SETS * n
        else:
            most = max(_BLOCK_NUMBERS // max(points[..., 0, :].size, 1), n)
        many = int(min(1.1 * (n - least) / rate + 4, most))
        more, fit = propose(many)
        points = points.joined((points, more)) if is_set(points) else np.concatenate([points, more], -2)
        keep = np.concatenate([keep, fit], -1)
        drawn += many
