"""Checks at the edge of the API: each error names argument, value, expectation and mend."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "check_bias",
    "check_choice",
    "check_ddof",
    "check_metrics",
    "check_numbers",
    "check_points",
    "check_quantiles",
    "check_record",
    "check_size",
    "check_sizes",
    "check_weights",
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


def check_metrics(metrics: Any) -> tuple[Any, ...]:
    """Return functions whose names can tell them apart."""
    chosen = tuple(metrics) if np.iterable(metrics) else (metrics,)
    names = [getattr(metric, "__name__", None) for metric in chosen]
    if not names or None in names or len(set(names)) < len(names):
        raise ValueError(f"metrics={metrics!r} must be functions of different names, at least one of them.")
    return chosen


def check_quantiles(quantiles: Any) -> tuple[float, ...] | None:
    """Return levels from 0 to 1, or ``None``."""
    if quantiles is None:
        return None
    levels = check_numbers("quantiles", quantiles)
    if levels.ndim != 1 or not levels.size or not ((levels >= 0) & (levels <= 1)).all():
        raise ValueError(
            f"quantiles={quantiles!r} are not numbers from 0 to 1; pass for example (0.05, 0.5, 0.95)."
        )
    return tuple(levels.tolist())


def check_record(record: Any, generations: int) -> frozenset[int]:
    """Return the generations to record, from ``"all"``, ``"last"`` or a list."""
    if isinstance(record, str):
        check_choice("record", record, ("all", "last"))
        return frozenset(range(1, generations + 1) if record == "all" else (generations,))
    kept = frozenset(check_size("record", t) for t in (record if np.iterable(record) else [record]))
    if not kept or max(kept) > generations:
        raise ValueError(f"record={record!r} must list generations from 1 to {generations}.")
    return kept


def check_sizes(name: str, sizes: Any, minimum: int = 1) -> Any:
    """Return a size that may change: an int, a function, or the tuple of a sequence."""
    if callable(sizes):
        return sizes
    if isinstance(sizes, str) or not np.iterable(sizes):
        return check_size(name, sizes, minimum)
    listed = tuple(sizes.tolist() if isinstance(sizes, np.ndarray) else sizes)
    if not listed:
        raise ValueError(f"{name}=() is empty; its first entry is generation 1.")
    for i, size in enumerate(listed[1:], start=1):
        check_size(f"{name}[{i}]", size, minimum)
    return listed


def check_weights(weights: Any) -> tuple[float, float]:
    """Return the weights of a real and of a synthetic point."""
    pair = check_numbers("weights", weights)
    if pair.shape != (2,) or not (pair > 0).all():
        raise ValueError(
            f"weights={weights!r} are not two positive numbers; pass (weight of a real point, "
            f"weight of a synthetic point)."
        )
    return float(pair[0]), float(pair[1])


def size_at(name: str, size: Any, generation: int, minimum: int = 1) -> int:
    """The size that a constant, a sequence (first entry: generation 1) or a function gives."""
    if isinstance(size, np.ndarray):
        size = size.tolist()
    if callable(size):
        return check_size(f"{name}({generation})", size(generation), minimum)
    if isinstance(size, Sequence) and not isinstance(size, str):
        if generation > len(size):
            raise ValueError(
                f"{name} lists {len(size)} generations and generation {generation} is asked for; "
                f"give a longer sequence, or a function of the generation."
            )
        return check_size(f"{name}[{generation - 1}]", size[generation - 1], minimum)
    return check_size(name, size, minimum)
