"""Replicates until a standard error is reached: blocks of them, looked at now and then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from madtheory.sweeps.loops import moments
from madtheory.validation import check_number, show

_GROWTH = 1.25  # of the number of blocks, from one look at the error to the next
_AHEAD = 4  # times as many blocks at most before the next look


def check_target(target: Any, names: Sequence[str]) -> dict[str, float] | None:
    """Return the target of every variable, from a number for all or a mapping."""
    if target is None:
        return None
    if isinstance(target, Mapping):
        unknown = sorted(map(str, set(target) - set(names)))
        if unknown or not target:
            raise ValueError(
                f"target_error={show(target)} names {unknown or 'nothing'}; the variables are {list(names)}."
            )
        each = dict(target)
    else:
        each = dict.fromkeys(names, target)
    return {k: check_number("target_error", value, 0, above=True) for k, value in each.items()}


def looks(most: int) -> list[int]:
    """Return the numbers of blocks after which the error is looked at: 1, 2, 3, 4, 5, 7, 9, ...

    Few looks: the standard error that stops a run is the first one below the target, and so a little too
    small on average.

    Examples
    --------
    >>> looks(20)
    [1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 20]
    """
    found = [1]
    while found[-1] < most:
        found.append(min(math.ceil(_GROWTH * found[-1]), most))
    return found


def excess(blocks: Sequence[Mapping[str, Any]], target: Mapping[str, float]) -> float:
    """Return the largest ratio of a standard error to its target; infinite for one replicate."""
    if sum(block["count"] for block in blocks) < 2:
        return math.inf
    errors = dict(zip(blocks[0]["names"], moments(blocks)[1], strict=True))
    ratios = np.array([errors[name] / most for name, most in target.items()])
    # A variable that is not a number stays so with more replicates.
    return float(np.nanmax(ratios, initial=0.0))


def blocks_to_use(
    blocks: Sequence[Mapping[str, Any]], target: Mapping[str, float], most: int
) -> tuple[int, int]:
    """Return how many blocks reach the target, 0 if none do, and how many to compute before the next look."""
    last = 0.0
    for k in looks(most):
        if k > len(blocks):
            wanted = min(len(blocks) * min(last**2, _AHEAD), most)
            return 0, next(n for n in looks(most) if n >= max(k, 0.9 * wanted))
        last = excess(blocks[:k], target)
        if last <= 1:
            return k, k
    return 0, most
