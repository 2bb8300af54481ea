"""Rejection sampling with a leading replicate axis: candidates are drawn until every replicate has enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from madtheory.types import Array

__all__ = ["Mask", "accepted"]

Mask: TypeAlias = NDArray[np.bool_]
"""Which candidates are accepted, shape (*replicate, n)."""

_BLOCK_NUMBERS = 2**22  # coordinates of one round's candidates, all replicates together
_PATIENCE = 10_000  # candidates per point asked for, and a million beside


def accepted(propose: Callable[[int], tuple[Array, Mask]], n: int, *, refusal: str) -> Array:
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
    drawn = n
    while True:
        have = keep.sum(-1)
        # Stable: accepted candidates first, in the order of their drawing.
        order = np.argsort(~keep, axis=-1, kind="stable")[..., : min(n, max(int(have.max()), 1))]
        points = np.take_along_axis(points, order[..., None], axis=-2)
        keep = np.take_along_axis(keep, order, axis=-1)
        least = int(have.min())
        if least >= n:
            return points
        if drawn >= _PATIENCE * n + 10**6:
            raise ValueError(refusal.format(kept=least, drawn=drawn))
        rate = (least + 0.5) / drawn
        most = max(_BLOCK_NUMBERS // max(points[..., 0, :].size, 1), n)
        many = int(min(1.1 * (n - least) / rate + 4, most))
        more, fit = propose(many)
        points, keep = np.concatenate([points, more], -2), np.concatenate([keep, fit], -1)
        drawn += many
