"""Checks at the edge of the API: each error names argument, value, expectation and mend."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "check_bias",
    "check_choice",
    "check_ddof",
    "check_numbers",
    "check_points",
    "check_size",
    "size_at",
]


def check_size(name: str, value: Any, minimum: int = 1) -> int:
    """Return `value` as an int that is at least `minimum`."""
    try:
        size = operator.index(value)
    except TypeError:
        size = None
    if size is None or isinstance(value, (bool, np.bool_)) or size < minimum:
        wanted = "a positive integer" if minimum == 1 else f"an integer of at least {minimum}"
        raise ValueError(f"{name}={value!r} is not {wanted}; pass for example {name}={max(minimum, 100)}.")
    return size


def check_bias(value: Any, name: str = "bias") -> float:
    """Return the sampling bias as a float: finite, 0 or more; 1 is unbiased."""
    try:
        bias = float(value)
    except (TypeError, ValueError):
        bias = np.nan
    if not (np.isfinite(bias) and bias >= 0):
        raise ValueError(
            f"{name}={value!r} is outside its range: it multiplies the covariance of the synthetic "
            f"samples, so pass a finite number >= 0 (1 is unbiased, below 1 is mode-seeking)."
        )
    return bias


def check_ddof(value: Any, known_mean: bool) -> int:
    """Return the divisor correction; ``None`` is unbiased: 1, or 0 when the mean is known."""
    if value is None:
        return 0 if known_mean else 1
    if isinstance(value, (bool, np.bool_)) or value not in (0, 1):
        raise ValueError(
            f"ddof={value!r} is not 0 or 1; pass 0 for the maximum-likelihood divisor n, "
            f"1 for the divisor n - 1."
        )
    return int(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Return `value` if it is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is unknown; choose one of {', '.join(map(repr, choices))}.")
    return value


def check_points(data: Any, name: str = "data") -> np.ndarray:
    """Return points of shape (*replicate, n, d) as floats, all finite."""
    try:
        points = np.asarray(data, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers ({error}); pass shape (n, d).") from None
    if points.ndim < 2:
        raise ValueError(
            f"{name} has shape {points.shape}; expected (n, d) or (*replicate, n, d). "
            f"For one-dimensional points pass {name}[:, None]."
        )
    if points.shape[-2] < 1 or points.shape[-1] < 1:
        raise ValueError(f"{name} has shape {points.shape}: no points, or points with no coordinates.")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).sum())
        raise ValueError(f"{name} holds {bad} values that are not finite; drop or impute them first.")
    return points


def check_numbers(name: str, value: Any) -> np.ndarray:
    """Return finite numbers as a float array."""
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or not np.isfinite(numbers).all():
        raise ValueError(f"{name}={value!r} must hold finite numbers only; remove what is not.")
    return numbers


def size_at(name: str, size: int | Sequence[int] | Callable[[int], int], generation: int) -> int:
    """The size that a constant, a sequence (first entry: generation 1) or a function gives."""
    if isinstance(size, np.ndarray):
        size = size.tolist()
    if callable(size):
        return check_size(f"{name}({generation})", size(generation))
    if isinstance(size, Sequence) and not isinstance(size, str):
        if generation > len(size):
            raise ValueError(
                f"{name} lists {len(size)} generations and generation {generation} is asked for; "
                f"give a longer sequence, or a function of the generation."
            )
        return check_size(f"{name}[{generation - 1}]", size[generation - 1])
    return check_size(name, size)
