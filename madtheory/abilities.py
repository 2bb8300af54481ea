"""What a model, a source, a treatment or a set of points can do, or the obstacle in words.

A value whose methods and properties depend on what it holds states this by a method ``lacks(name)``, which
returns the obstacle in words, or ``None``.
"""

from __future__ import annotations

from typing import Any


def find_obstacle(value: Any, *methods: str) -> str | None:
    """Return why a value lacks one of these methods, or ``None`` if it has all of them."""
    for name in methods:
        if not hasattr(value, name):
            return f"{type(value).__name__} has no {name}"
        if (obstacle := _obstacle(value, name)) is not None:
            return obstacle
    return None


def can(value: Any, *methods: str) -> bool:
    """Return whether a value has all of these methods."""
    return find_obstacle(value, *methods) is None


def knows(value: Any, name: str) -> bool:
    """Return whether a value, once it is fitted, has a property, without computing it."""
    return hasattr(type(value), name) and _obstacle(value, name) is None


def is_set(points: Any) -> bool:
    """Return whether training data are a set of a special type, not an array."""
    return hasattr(points, "joined")


def _obstacle(value: Any, name: str) -> str | None:
    obstacle: str | None = value.lacks(name) if hasattr(type(value), "lacks") else None
    return obstacle
