"""Rules for the bandwidth of a kernel density: SciPy's, scikit-learn's, and your own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from madtheory.validation import GREATEST, check_choice, check_number, show

Bandwidth: TypeAlias = (
    float | Literal["silverman", "scott", "sklearn_silverman", "sklearn_scott"] | Callable[[int, int], float]
)
"""A number, the name of a rule, or a function of (n, dim)."""

_RELATIVE = ("silverman", "scott")
_ABSOLUTE = ("sklearn_silverman", "sklearn_scott")


def check_bandwidth(bandwidth: Any) -> Any:
    """Return a number >= 0, the name of a rule, or a function."""
    if isinstance(bandwidth, str):
        return str(check_choice("bandwidth", bandwidth, (*_RELATIVE, *_ABSOLUTE)))
    if callable(bandwidth) and not isinstance(bandwidth, type):
        return bandwidth
    width = check_number("bandwidth", bandwidth, -GREATEST, GREATEST)
    if width < 0:
        raise ValueError(
            f"bandwidth={show(bandwidth)} is negative; pass a number >= 0, 'silverman' or 'scott', or a "
            f"function of (n, dim)."
        )
    return width


def scales_with_data(bandwidth: Any) -> bool:
    """Return whether a rule gives a multiple of the covariance of the points."""
    return isinstance(bandwidth, str) and bandwidth in _RELATIVE


def relative_factor(bandwidth: Any, n: Any, dim: int) -> Any:
    """Return the bandwidth in standard deviations, for a rule that scales with the covariance."""
    return (n if bandwidth == "scott" else n * (dim + 2) / 4) ** (-1 / (dim + 4))


def absolute_width(bandwidth: Any, n: int, dim: int) -> float | None:
    """Return the standard deviation of the kernel; ``None`` if the rule scales with the covariance."""
    if scales_with_data(bandwidth):
        return None
    if isinstance(bandwidth, str):
        return float(relative_factor(bandwidth.removeprefix("sklearn_"), n, dim))
    if not callable(bandwidth):
        return float(bandwidth)
    try:
        width = bandwidth(n, dim)
    except TypeError as error:
        raise ValueError(
            f"bandwidth={show(bandwidth)} could not be called with (n, dim) = ({n}, {dim}): {error}. Pass a "
            f"function of both, such as lambda n, dim: 0.5 * n ** (-1 / (dim + 4))."
        ) from error
    return check_number(f"bandwidth({n}, {dim})", width, 0, GREATEST, above=True)
