"""Distances between the laws of two point sets: Wasserstein-1, Cramer-von Mises, maximum mean discrepancy."""

from __future__ import annotations

from typing import Any

import numpy as np

from madtheory._distances import distances
from madtheory._point_metrics import point_sets
from madtheory._validation import check_flag, check_number
from madtheory.types import Array

__all__ = ["cramer_von_mises", "maximum_mean_discrepancy", "wasserstein1"]

_MEDIAN_OF = 2000


def wasserstein1(*, real: Array, fake: Array) -> float:
    r"""Wasserstein-1 distance of point sets of one dimension, :math:`\int |F(x) - G(x)| \, dx`.

    F and G are the empirical distribution functions (Villani 2003, Topics in Optimal Transportation, theorem
    2.18 and what follows it; computed by `scipy.stats.wasserstein_distance`). In more dimensions see
    `sliced_wasserstein`.

    Parameters
    ----------
    real, fake : array, shape (n, 1)
        Their numbers of points may differ.

    Returns
    -------
    float
        In units of the points. Biased upwards: two samples of one law are O(n^-1/2) apart.

    Raises
    ------
    ValueError
        If a set is not of shape (n, 1).

    Examples
    --------
    >>> from madtheory import metrics
    >>> float(metrics.wasserstein1(real=[[0.0], [1.0]], fake=[[0.5], [2.5]]))
    1.0
    """
    from scipy.stats import wasserstein_distance

    first, second = _of_one_dimension(real, fake)
    return float(wasserstein_distance(first, second))


def cramer_von_mises(*, real: Array, fake: Array) -> float:
    r"""Two-sample Cramer-von Mises statistic of point sets of one dimension.

    .. math:: T = \frac{n m}{n + m} \int (F_n - G_m)^2 \, dH_{n+m}

    with H the distribution function of both sets together (Anderson 1962, doi 10.1214/aoms/1177704477, Eq. 2;
    computed by `scipy.stats.cramervonmises_2samp`). For two samples of one continuous law its expectation is
    :math:`\frac16 (1 + \frac{1}{n + m})`; for different laws it grows in proportion to their size, so
    compare at equal numbers of points only. No monotone map of the points changes it.

    Parameters
    ----------
    real, fake : array, shape (n, 1)
        At least two points each; their numbers may differ.

    Returns
    -------
    float
        Dimensionless.

    Raises
    ------
    ValueError
        If a set is not of shape (n, 1) with two points or more.

    Examples
    --------
    >>> from madtheory import metrics
    >>> metrics.cramer_von_mises(real=[[1.0], [3.0]], fake=[[2.0], [4.0]])
    0.125
    """
    from scipy.stats import cramervonmises_2samp

    first, second = _of_one_dimension(real, fake, 2)
    # The exact p-value, which is not used, would cost more than the statistic.
    return float(cramervonmises_2samp(first, second, method="asymptotic").statistic)


def maximum_mean_discrepancy(
    *, real: Array, fake: Array, bandwidth: float | None = None, unbiased: bool = True
) -> float:
    r"""Squared maximum mean discrepancy of point sets, with a Gaussian kernel.

    .. math:: \frac{1}{n (n - 1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m (m - 1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{n m} \sum_{i, j} k(x_i, y_j), \qquad k(x, y) = e^{-|x - y|^2 / 2 h^2}

    (Gretton et al. 2012, JMLR 13, 723-773, lemma 6, Eq. 3). This is the unbiased estimate: its
    expectation is the squared distance of the mean embeddings, 0 for equal laws, and it may be negative.

    Parameters
    ----------
    real, fake : array, shape (n, d)
        At least two points each; their numbers may differ.
    bandwidth : float, optional
        Standard deviation h of the kernel, in units of the points. Default: the median of the distances
        between real points (of 2,000 of them, always the same ones, if there are more). It does not depend on
        `fake`, so that generations are compared by one kernel; other authors take the median of both sets.
    unbiased : bool
        False takes the estimate that is biased upwards and never negative: i = j included, with divisors
        :math:`n^2` and :math:`m^2` (Eq. 5 there, squared).

    Returns
    -------
    float
        Dimensionless, at most 2.

    Raises
    ------
    ValueError
        If a set is not of shape (n, d) with two points or more, or the bandwidth is not positive.

    Notes
    -----
    Cost O(d (n + m)^2), in memory of one block of distances. Distances come from differences, which
    `sklearn.metrics.pairwise.rbf_kernel` (the same kernel, gamma = 1 / (2 h^2)) loses far from the origin.

    Examples
    --------
    >>> import numpy as np
    >>> from madtheory import metrics
    >>> real = np.array([[0.0], [1.0]])
    >>> round(metrics.maximum_mean_discrepancy(real=real, fake=real + 9, bandwidth=1.0), 4)
    1.2131
    """
    real, fake = point_sets(real, fake, 2)
    width = _median(real) if bandwidth is None else check_number("bandwidth", bandwidth, 0, above=True)
    own, other = (_kernel_sum(points, points, width) for points in (real, fake))
    n, m = len(real), len(fake)
    cross = _kernel_sum(real, fake, width) / (n * m)
    if check_flag("unbiased", unbiased):
        return (own - n) / (n * (n - 1)) + (other - m) / (m * (m - 1)) - 2 * cross
    return max(own / n**2 + other / m**2 - 2 * cross, 0.0)


def _of_one_dimension(real: Any, fake: Any, least: int = 1) -> tuple[Array, Array]:
    first, second = point_sets(real, fake, least)
    if first.shape[1] != 1:
        raise ValueError(
            f"real has shape {first.shape}; expected (n, 1): this distance is of one dimension. Pass one "
            f"coordinate, real[:, :1], or take sliced_wasserstein or maximum_mean_discrepancy."
        )
    return first[:, 0], second[:, 0]


def _median(points: Array) -> float:
    """Median distance between points."""
    from scipy.spatial.distance import pdist

    if len(points) > _MEDIAN_OF:
        points = points[np.random.default_rng(0).choice(len(points), _MEDIAN_OF, replace=False)]
    width = float(np.median(pdist(points)))
    if not (width > 0 and np.isfinite(width)):
        raise ValueError(
            f"bandwidth=None takes the median distance of the real points, which is {width:g}; pass a "
            f"number, in units of the points."
        )
    return width


def _kernel_sum(points: Array, to: Array, width: float) -> float:
    """Sum of the kernel over all pairs."""
    total = 0.0
    for _, distance in distances(points, to):
        distance /= width
        np.square(distance, out=distance)
        distance *= -0.5
        total += float(np.exp(distance, out=distance).sum())
    return total
