"""New points where a level set passes: the edges of the grid that it crosses are narrowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from madtheory.sweeps.points import Point, Points

Value = tuple[float, float]
"""Value of the variable at a point, and its standard error."""


@dataclass
class Edge:
    """Two points of the grid that differ in one coordinate, between which the variable passes the level."""

    name: str
    low: Point
    high: Point
    whole: bool
    """Whether the coordinate takes integers only."""
    slope: float = np.nan
    turns: int = 0

    def width(self) -> float:
        """Return the distance of the ends relative to the larger one, or absolute where they change sign."""
        a, b = self.low[self.name], self.high[self.name]
        return abs(b - a) / (max(abs(a), abs(b)) if a * b > 0 else 1.0)

    def scale(self) -> Callable[[Any], Any]:
        """Return the scale on which points are placed: logarithmic if both ends are positive."""
        return np.log if self.low[self.name] > 0 and self.high[self.name] > 0 else np.asarray

    def place(self, u: float) -> Any:
        """Return the coordinate at a place on that scale."""
        x = float(np.exp(u)) if self.scale() is np.log else float(u)
        return round(x) if self.whole else x


def find_edges(points: Points, listed: Sequence[Point], values: Sequence[Value], level: float) -> list[Edge]:
    """Return the edges of a grid that the level set crosses, along all axes of numbers."""
    shape = tuple(points.sizes.values())
    grid = np.reshape([value for value, _ in values], shape)
    edges = []
    for axis, name in enumerate(points.sizes):
        coordinate = points.coords[name][1]
        if coordinate.dtype.kind not in "iuf":
            continue
        above = np.moveaxis(grid, axis, 0) >= level
        known = np.moveaxis(np.isfinite(grid), axis, 0)
        order = np.argsort(coordinate, kind="stable")
        index = np.moveaxis(np.arange(grid.size).reshape(shape), axis, 0)
        for i, j in pairwise(order):
            crossed = (above[i] != above[j]) & known[i] & known[j]
            edges += [
                Edge(name, listed[a], listed[b], coordinate.dtype.kind in "iu")
                for a, b in zip(index[i][crossed], index[j][crossed], strict=True)
            ]
    return edges


def next_point(edge: Edge, low: Value, high: Value, level: float, tolerance: float) -> Point | None:
    """Return the point that narrows an edge most; ``None`` when it is known to the tolerance.

    Linear interpolation, moved by less than the tolerance towards the farther end so that the point after it
    encloses the crossing from the other side; every third turn halves the edge.
    """
    a, b = edge.low[edge.name], edge.high[edge.name]
    if edge.width() <= tolerance or (edge.whole and abs(b - a) <= 1):
        return None
    scale = edge.scale()
    u, v = float(scale(a)), float(scale(b))
    if np.isnan(edge.slope):
        edge.slope = (high[0] - low[0]) / (v - u)
    edge.turns += 1
    share = 0.5 if edge.turns % 3 == 0 else float(np.clip((level - low[0]) / (high[0] - low[0]), 0, 1))
    step = 0.4 * tolerance * (1.0 if scale is np.log else max(abs(a), abs(b)) if a * b > 0 else 1.0) / (v - u)
    share += step if share < 0.5 else -step
    x = edge.place(u + float(np.clip(share, 0.02, 0.98)) * (v - u))
    if edge.whole:
        x = min(max(x, min(a, b) + 1), max(a, b) - 1)
    return edge.low | {edge.name: x} if a < x < b else None


def narrow(edge: Edge, point: Point, value: float, low: Value, level: float) -> None:
    """Replace the end of an edge that is on the same side of the level as a point between its ends."""
    if (value >= level) == (low[0] >= level):
        edge.low = point
    else:
        edge.high = point


def crossing_of(edge: Edge, low: Value, high: Value, level: float) -> tuple[Point, float]:
    """Return where the level set crosses an edge, by linear interpolation, and the standard error of that.

    The error is that of the value divided by the slope along the edge of the grid.
    """
    scale = edge.scale()
    u, v = float(scale(edge.low[edge.name])), float(scale(edge.high[edge.name]))
    share = (level - low[0]) / (high[0] - low[0])
    at = u + float(np.clip(share, 0, 1)) * (v - u)
    x = float(np.exp(at)) if scale is np.log else at
    slope = (high[0] - low[0]) / (v - u) if np.isnan(edge.slope) else edge.slope
    error = float(np.hypot((1 - share) * low[1], share * high[1])) / abs(slope)
    return edge.low | {edge.name: x}, error * (x if scale is np.log else 1.0)
