"""How much a set of points repeats another one, or itself: nearest neighbours."""

from __future__ import annotations

import numpy as np
from scipy import special

from madtheory.metrics.points import point_sets
from madtheory.numerics import distances, neighbour_radii
from madtheory.types import Array
from madtheory.validation import check_arguments, check_points, check_size


@check_arguments
def novelty(*, real: Array, fake: Array) -> float:
    """Return the mean distance of fake points to the nearest real one.

    With the training set as `real` it is the generalisation score of Shi et al. 2025 (arXiv 2509.16499): 0 if
    every point is a copy. Hold it against the value of held-out real points, as it depends on their number
    and spread.

    Parameters
    ----------
    real, fake : array, shape (n, d)
        Point sets; their sizes may differ.

    Returns
    -------
    float
        Distance in units of the points.

    Raises
    ------
    ValueError
        If a set is not of shape (n, d).

    Examples
    --------
    >>> from madtheory import metrics
    >>> metrics.novelty(real=[[0.0], [1.0]], fake=[[0.0], [1.5]])
    0.25
    """
    real, fake = point_sets(real, fake, 1)
    return float(sum(block.min(1).sum() for _, block in distances(fake, real)) / len(fake))


@check_arguments
def neighbour_entropy(*, fake: Array, k: int = 1) -> float:
    r"""Return the differential entropy of a set of points, estimated from distances to their neighbours.

    .. math:: \hat H = \psi(n) - \psi(k) + \ln c_d + \frac dn \sum_i \ln r_k(i)

    with :math:`c_d` the volume of the unit ball and :math:`r_k(i)` the distance of a point to its k-th
    neighbour, itself not counted (Kozachenko and Leonenko 1987). For k = 1 it is the mean log distance to the
    nearest neighbour, but for constants: of the same points it says nothing that the distance does not.

    Parameters
    ----------
    fake : array, shape (n, d)
        More than k points.
    k : int
        Which neighbour.

    Returns
    -------
    float
        Entropy in nats; minus infinity if points repeat. Biased by O(n^(-2/d)) or so.

    Raises
    ------
    ValueError
        If there are not more than k points, of shape (n, d).

    Examples
    --------
    >>> from madtheory import metrics
    >>> metrics.neighbour_entropy(fake=[[0.0], [0.0], [1.0]])
    -inf
    """
    points = check_points(fake, "fake")
    if points.ndim != 2 or len(points) <= check_size("k", k):
        raise ValueError(f"fake has shape {points.shape}; expected (n, d) with n > k={k}.")
    n, dim = points.shape
    radii = neighbour_radii(points, k, fast=False)
    log_ball = dim / 2 * np.log(np.pi) - special.gammaln(dim / 2 + 1)
    with np.errstate(divide="ignore"):
        logs = np.log(radii).mean()
    return float(special.digamma(n) - special.digamma(k) + log_ball + dim * logs)
