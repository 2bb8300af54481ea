"""What users hand over as real data or as a model, as the objects that a loop works with."""

from __future__ import annotations

import inspect
from typing import Any

from madtheory import data
from madtheory._validation import check_points

__all__ = ["source_of"]


def source_of(value: Any, name: str) -> Any:
    """Return a source as it is, and of points the uniform law on them."""
    if hasattr(value, "sample") and (_takes(value.sample, "rng") or not hasattr(value, "__array__")):
        return value
    return data.Empirical(check_points(value, name))


def _takes(function: Any, keyword: str) -> bool:
    """Whether a function can be called with that keyword; one that does not tell is taken to."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
