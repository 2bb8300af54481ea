"""Points drawn, valued and picked by index; rejection sampling, until every replicate has enough.

Points are arrays of shape (*replicate, n, d), or a set of a type of one's own, which has no replicates and
says by its methods what becomes of it: ``len``, `select` (which points, by index), `valued` (one number for
each), `mapped` (a function of each) and a static `joined`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from madtheory.abilities import is_set
from madtheory.numerics import seeded_globals
from madtheory.types import Array
from madtheory.validation import check_array

Mask: TypeAlias = NDArray[np.bool_]
"""Which candidates are accepted, shape (*replicate, n)."""

_BLOCK_NUMBERS = 2**22  # coordinates of one round's candidates, all replicates together
_PATIENCE = 10_000  # candidates per point asked for, and a million beside
_BLOCK_OF_SETS, _PATIENCE_OF_SETS = 10, 100  # the same of a set, per point asked for: its points cost more


def sampled(model: Any, n: int, rng: np.random.Generator, bias: float | None = None) -> Any:
    """Draw `n` points of a model."""
    points = model.sample(n, rng=rng, **({} if bias is None else {"bias": bias}))
    return points if is_set(points) else check_array(points, "the sample of the model")


def places(points: Any) -> tuple[int, ...]:
    """The shape (*replicate, n) of what holds one entry for each point."""
    return (len(points),) if is_set(points) else points.shape[:-1]


def seeded_by(points: Any) -> AbstractContextManager[None]:
    """Where a user's function of points runs: what it draws from global generators repeats."""
    return seeded_globals(0 if is_set(points) else zlib.crc32(np.asarray(points).tobytes()))


def valued(points: Any, function: Callable[..., Any]) -> Array:
    """The values of a function of points, which should be of the shape of `places`."""
    with seeded_by(points):
        values = points.valued(function) if is_set(points) else function(points)
    return check_array(values, "the values of points").astype(float, copy=False)


def picked(points: Any, index: NDArray[np.int64]) -> Any:
    """The points at these places, shape (*replicate, k), in that order."""
    return points.select(index) if is_set(points) else np.take_along_axis(points, index[..., None], axis=-2)


def accepted(propose: Callable[[int], tuple[Any, Mask]], n: int, *, refusal: str) -> Any:
    """Return the first `n` accepted candidates of each replicate, shape (*replicate, n, d).

    Parameters
    ----------
    propose : callable
        ``propose(m)`` draws m candidates, shape (*replicate, m, d), and which of them are accepted,
        shape (*replicate, m).
    refusal : str
        What to say if almost nothing is accepted: a format string with the fields ``kept`` and ``drawn``.
    """
    points, keep = propose(n)
    patience = _PATIENCE_OF_SETS * n if is_set(points) else _PATIENCE * n + 10**6
    drawn = n
    while True:
        have = keep.sum(-1)
        # Stable: accepted candidates first, in the order of their drawing.
        order = np.argsort(~keep, axis=-1, kind="stable")[..., : min(n, max(int(have.max()), 1))]
        points = picked(points, order)
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
