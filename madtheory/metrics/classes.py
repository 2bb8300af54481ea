"""Coverage of modes and classes by a set of points, and its spread within each."""

from __future__ import annotations

from typing import Any

import numpy as np

from madtheory.metrics.points import point_sets
from madtheory.numerics import distances
from madtheory.types import Array
from madtheory.validation import LONGEST, check_arguments, check_number, check_numbers, check_size


@check_arguments
def mode_coverage(*, fake: Array, centres: Array, radius: float, least: int = 1) -> float:
    """Return the share of modes with at least `least` points: those that the generator has not lost.

    A point belongs to the mode whose centre is nearest, if it lies within `radius` of it.

    Parameters
    ----------
    fake : array, shape (n, d)
        Points of the generator.
    centres : array, shape (modes, d)
        Centres of the true modes.
    radius : float
        Radius in units of the points; for Gaussian modes four standard deviations are usual.
    least : int
        Number of points that a mode needs to count.

    Raises
    ------
    ValueError
        If an argument is out of range, or points and centres differ in dimension.
    """
    centres, fake = point_sets(centres, fake, 1, names=("centres", "fake"))
    radius = check_number("radius", radius, 0, above=True)
    counts = np.zeros(len(centres), dtype=int)
    for _, distance in distances(fake, centres):
        owner = distance.argmin(1)[distance.min(1) <= radius]
        counts += np.bincount(owner, minlength=len(centres))
    return float((counts >= check_size("least", least)).mean())


@check_arguments
def variance_by_class(fake: Array, labels: Any, classes: int | None = None) -> Array:
    """Trace of the covariance (divisor n - 1) of the points of each class.

    Parameters
    ----------
    fake : array, shape (n, d)
        Points, raw or features.
    labels : array, shape (n,)
        Class of each point, 0 to classes - 1; whole numbers as floats are accepted.
    classes : int, optional
        Number of classes; default one more than the largest label.

    Returns
    -------
    array, shape (classes,)
        Variances in squared units of the points; NaN for a class of fewer than two points.

    Raises
    ------
    ValueError
        If labels are not classes, or their number differs from that of the points.
    """
    points, _ = point_sets(fake, fake, 1, names=("fake", "fake"))
    of_points, many = _check_labels(labels, classes)
    if len(points) != len(of_points):
        raise ValueError(f"labels has {len(of_points)} entries for {len(points)} points; pass one for each.")
    variance = np.full(many, np.nan)
    for label in range(many):
        members = points[of_points == label]
        if len(members) > 1:
            variance[label] = members.var(0, ddof=1).sum()
    return variance


def class_variance(fake: Array, labels: Any) -> float:
    """Trace of the covariance within each class, averaged over the classes of two points or more.

    Each class has the same weight, however many points it has, so that the result does not depend on the
    shares of the classes. `variance_by_class` returns the single numbers.

    Parameters
    ----------
    fake : array, shape (n, d)
        Points, raw or features.
    labels : array, shape (n,)
        Class of each point.

    Raises
    ------
    ValueError
        If labels are not classes, their number differs from that of the points, or no class has two points.
    """
    each = variance_by_class(fake, labels)
    if np.isnan(each).all():
        raise ValueError(
            "labels has no class of two points or more, and one point has no variance; use more."
        )
    return float(np.nanmean(each))


@check_arguments
def class_shares(labels: Any, classes: int | None = None) -> Array:
    """Return the share of the points in each class, shape (classes,).

    Parameters
    ----------
    labels : array, shape (n,)
        Classes 0 to classes - 1; whole numbers as floats are accepted.
    classes : int, optional
        Number of classes; default one more than the largest label.

    Raises
    ------
    ValueError
        If labels are not classes.
    """
    of_points, many = _check_labels(labels, classes)
    return np.bincount(of_points, minlength=many) / len(of_points)


def _check_labels(labels: Any, classes: int | None) -> tuple[Any, int]:
    """Return labels as ints, and the number of classes."""
    given = check_numbers("labels", labels)
    many = None if classes is None else check_size("classes", classes, 1, LONGEST["symbols"])
    if given.ndim != 1 or not given.size or (given % 1 != 0).any() or given.min() < 0:
        raise ValueError(f"labels of shape {given.shape} are not whole numbers from 0 on, one per point.")
    most = int(given.max()) + 1
    if many is not None and most > many:
        raise ValueError(f"labels holds class {most - 1} and classes={many}; pass classes={most} or more.")
    return given.astype(int), most if many is None else many
