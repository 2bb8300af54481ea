"""Curves in the plane, points scattered about them, and the log density of these points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from madtheory.types import Array

_BLOCK = 2**19  # numbers of a block


def draw_from_curves(
    rng: np.random.Generator,
    size: tuple[int, ...],
    *,
    curve: Callable[[Any, Array], Array],
    classes: int,
    std: float,
) -> tuple[Array, Any]:
    """A class, a place on its curve, and noise about it."""
    chosen = rng.integers(classes, size=size)
    return curve(chosen, rng.random(size)) + std * rng.standard_normal((*size, 2)), chosen


def moon(which: Any, place: Array) -> Array:
    """A place from 0 to 1 on a half circle: 0 is the upper moon."""
    upper = np.stack([np.cos(np.pi * place), np.sin(np.pi * place)], -1)
    return np.where(which[..., None] == 0, upper, np.array([1.0, 0.5]) - upper)


def circle(which: Any, place: Array, *, radii: Array) -> Array:
    """A place from 0 to 1 on one of several circles about the origin."""
    angle = 2 * np.pi * place
    return radii[which][..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def mode(which: Any, place: Array, *, centres: Array) -> Array:
    """The centre of a mode, whatever the place."""
    return centres[which]


def draw_rosenbrock(rng: np.random.Generator, size: tuple[int, ...]) -> tuple[Array, Any]:
    """Points of the Rosenbrock law, all of class 0."""
    first, second = rng.standard_normal(size), rng.standard_normal(size)
    return np.stack([first, first**2 + np.sqrt(0.5) * second], -1), np.zeros(size)


def rosenbrock_density(points: Array) -> Array:
    """Log density of the Rosenbrock law."""
    first, second = points.T
    return -(first**2) / 2 - (second - first**2) ** 2 - np.log(np.pi * np.sqrt(2.0))


def mixture_density(points: Array, *, centres: Array, log_weights: Array, std: float) -> Array:
    """Log density of weighted Gaussians of equal width, in blocks of points."""
    log_density, step = np.empty(len(points)), max(_BLOCK // len(centres), 1)
    for first in range(0, len(points), step):
        rows = slice(first, first + step)
        x, y = (points[rows, i, None] - centres[:, i] for i in range(2))
        terms = log_weights - (x * x + y * y) / (2 * std**2)
        top = terms.max(1, keepdims=True)
        log_density[rows] = top[:, 0] + np.log(np.exp(terms - top).sum(1))
    return log_density - np.log(2 * np.pi * std**2)


def moons_density(points: Array, *, std: float) -> Array:
    """Log density of the two moons, by quadrature over the angle."""
    # Seen from a point at distance r, the integrand over the angle has the width std / sqrt(r).
    far = min(np.abs(points).max(initial=0.0) + 1.0, 16.0)
    panels = int(np.ceil(np.pi * np.sqrt(far) / (8 * std)))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    place = ((np.arange(panels)[:, None] + (nodes + 1) / 2) / panels).ravel()
    centres = np.concatenate([moon(np.full(len(place), which), place) for which in (0, 1)])
    log_weights = np.log(np.tile(weights / 2, 2 * panels) / (2 * panels))
    return mixture_density(points, centres=centres, log_weights=log_weights, std=std)


def rings_density(points: Array, *, radii: Array, std: float) -> Array:
    """Log density of the rings."""
    from scipy.special import ive, logsumexp

    distance = np.hypot(*points.T)[:, None]
    # ive is the Bessel function without its exponential growth.
    ring = np.log(ive(0, distance * radii / std**2)) - (distance - radii) ** 2 / (2 * std**2)
    log_density: Array = logsumexp(ring, axis=1)
    return log_density - np.log(2 * np.pi * std**2 * len(radii))
