"""Distances between two sets of points, in blocks: no matrix of all distances is ever held at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from madtheory.numerics import distances, neighbour_radii, of_usual_size
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_flag,
    check_memory,
    check_number,
    check_points,
    check_seed,
    check_size,
)

_BLOCK = 2**19  # numbers of a block, 4 MiB
CANCELLED = 1e-7  # share of its terms below which a difference has lost half of its digits
_OFFSET = 2.0**10  # an offset of so many spreads is subtracted before points are projected


def frechet_distance(*, real: Array, fake: Array) -> float:
    r"""Return the squared Frechet distance of point sets: of the Gaussians of their means and covariances.

    .. math:: |\mu_r - \mu_f|^2 + \mathrm{tr}\,\Sigma_r + \mathrm{tr}\,\Sigma_f
              - 2\,\mathrm{tr}\,(\Sigma_r^{1/2} \Sigma_f \Sigma_r^{1/2})^{1/2}

    with covariances of divisor n - 1. On Inception features this number is the FID (Heusel et al. 2017,
    arXiv 1706.08500, Eq. 6). The last trace is the nuclear norm of a product of roots, which needs neither a
    matrix square root nor invertible covariances: there may be fewer points than coordinates.

    Parameters
    ----------
    real, fake : array, shape (n, d)
        Point sets of at least two points each; their sizes may differ.

    Returns
    -------
    float
        Distance in squared units of the points; 0 if means and covariances agree. Biased upwards, by O(d^2 /
        n) and more where d is close to n: compare only at equal numbers of points.

    Raises
    ------
    ValueError
        If a set is not of shape (n, d) with two points or more, or is not finite.

    Notes
    -----
    Cost O(n d^2 + d^3), by a QR decomposition of one block of points after another.
    """
    real, fake = point_sets(real, fake, 2)
    (mean, root), (other_mean, other_root) = _mean_and_root(real), _mean_and_root(fake)
    return gaussian_distance(mean - other_mean, root.T, other_root.T)


def gaussian_distance(gap: Array, root: Array, other: Array) -> float:
    r"""Return the squared Frechet distance of Gaussians, covariances R Rᵀ and S Sᵀ, means a `gap` apart.

    .. math:: |\mathrm{gap}|^2 + \mathrm{tr}\,R R^T + \mathrm{tr}\,S S^T - 2 \|R^T S\|_*
              = |\mathrm{gap}|^2 + \min_U \|R - S U\|_F^2

    over partial isometries U (Bhatia et al. 2019, doi 10.1016/j.exmath.2018.01.002, theorem 1). Where the
    traces cancel, the norm of the difference does not. Roots have shape (d, k) and (d, l).
    """
    apart, variance, other_variance = (gap**2).sum(), (root**2).sum(), (other**2).sum()
    squared = apart + variance + other_variance - 2 * np.linalg.svd(root.T @ other, compute_uv=False).sum()
    if squared >= CANCELLED * (variance + other_variance):
        return float(squared)
    if root.shape[1] < other.shape[1]:
        root, other = other, root
    # One rotation leaves the rounding of large directions in small ones; a second rotation removes it.
    for _ in range(3):
        left, _, right = np.linalg.svd(other.T @ root, full_matrices=False)
        other = other @ (left @ right)
    return float(apart + ((root - other) ** 2).sum())


@check_arguments
def precision_recall(*, real: Array, fake: Array, k: int = 5) -> tuple[float, float]:
    """Return improved precision and recall of point sets of shape (n, d), by k-nearest-neighbour balls.

    Precision is the share of fake points inside at least one ball centred at a real point whose radius is
    the distance to its k-th real neighbour; recall is the same with the roles swapped
    (Kynkaanniemi et al. 2019, arXiv 1904.06991, Eq. 1-3).

    Raises
    ------
    ValueError
        If a set is not of shape (n, d) with n > k.

    Notes
    -----
    Cost O(d (n_real + n_fake)^2); memory of one block of distances.

    Precision does not see noise: where real points lie far apart, as images do in most features, their balls
    are wide, and points that are far from every real one lie in some. It was 0.98 for images of digits that
    look like ghosts in salt noise. Never read it without a distance of the laws, such as `frechet_distance`.

    Examples
    --------
    Real points on a sphere in 50 dimensions, and noise around its centre that is real nowhere: the precision
    is perfect, and the Frechet distance large.

    >>> import numpy as np
    >>> from madtheory import metrics
    >>> rng = np.random.default_rng(0)
    >>> real = rng.standard_normal((300, 50))
    >>> real /= np.linalg.norm(real, axis=1, keepdims=True)
    >>> fake = 0.01 * rng.standard_normal((300, 50))
    >>> metrics.precision_recall(real=real, fake=fake)[0]
    1.0
    """
    real, fake = point_sets(real, fake, check_size("k", k) + 1, f"n > k={k}")
    real, fake = of_usual_size(real, fake)
    real_radii, fake_radii = neighbour_radii(real, k), neighbour_radii(fake, k)
    inside, covered = 0, np.zeros(len(real), dtype=bool)
    for rows, distance in distances(fake, real, compared=lambda rows: [real_radii, fake_radii[rows, None]]):
        inside += int((distance <= real_radii).any(1).sum())
        covered |= (distance <= fake_radii[rows, None]).any(0)
    return inside / len(fake), float(covered.mean())


@check_arguments
def density_coverage(*, real: Array, fake: Array, k: int = 5) -> tuple[float, float]:
    r"""Return density and coverage of point sets of shape (n, d), by nearest-neighbour balls of real ones.

    .. math:: \mathrm{density} = \frac{1}{k\,n_f} \sum_j \#\{i : |y_j - x_i| < r_i\}, \qquad
              \mathrm{coverage} = \frac{1}{n_r} \#\{i : \min_j |y_j - x_i| < r_i\}

    where :math:`r_i` is the distance of the real point :math:`x_i` to its k-th real neighbour and
    :math:`y_j` are the fake points (Naeem et al. 2020, arXiv 2002.09797; balls are open, as in the authors'
    code). Unlike precision, density counts the balls that a fake point lies in, so that one
    real outlier does not dominate; unlike recall, coverage does not depend on fake outliers.

    If both sets come from one law, the expected density is 1 and the expected coverage is
    :math:`1 - \prod_{i=1}^{k} (n_r - i) / (n_r + n_f - i)`. Density may exceed 1.

    Raises
    ------
    ValueError
        If a set is not of shape (n, d) with n > k.
    """
    real, fake = point_sets(real, fake, check_size("k", k) + 1, f"n > k={k}")
    real, fake = of_usual_size(real, fake)
    radii = neighbour_radii(real, k, fast=False)
    balls, nearest = 0, np.full(len(real), np.inf)
    for _, distance in distances(fake, real):
        balls += int((distance < radii).sum())
        nearest = np.minimum(nearest, distance.min(0))
    return balls / (k * len(fake)), float((nearest < radii).mean())


@check_arguments
def sliced_wasserstein(
    *,
    real: Array,
    fake: Array,
    order: float = 2,
    projections: int = 128,
    rng: int | np.random.Generator = 0,
) -> float:
    r"""Return the sliced Wasserstein distance of point sets, an average over random directions.

    .. math:: \Big(\frac{1}{L} \sum_{l=1}^L W_p^p(\theta_l \cdot x,\ \theta_l \cdot y)\Big)^{1/p}, \qquad
              W_p^p = \int_0^1 |F^{-1}(u) - G^{-1}(u)|^p \, du

    with :math:`\theta_l` uniform on the unit sphere (Bonneel et al. 2015, doi 10.1007/s10851-014-0506-3).
    Each one-dimensional distance is exact, by the coupling of quantiles, also for sets of unequal sizes.

    Parameters
    ----------
    real, fake : array, shape (n, d)
        Point sets; their sizes may differ.
    order : float
        Order p of the distance, 1 or more.
    projections : int
        Number L of directions; the error of the average falls as its root.
    rng : int or Generator
        Generator of the directions. The default compares all sets along the same directions.

    Returns
    -------
    float
        Distance in units of the points.

    Raises
    ------
    ValueError
        If an argument is out of range, or a set is not of shape (n, d).

    Notes
    -----
    Cost O(L n (d + log n)).
    """
    real, fake = point_sets(real, fake, 1)
    power = check_number("order", order, 1)
    if isinstance(rng, np.random.Generator):
        generator = rng
    else:
        generator = np.random.default_rng(check_seed(rng, others=" or a Generator"))
    check_memory(
        16.0 * check_size("projections", projections) * real.shape[1],
        f"projections={projections} in {real.shape[1]} dimensions",
        "pass fewer: the error falls as their root",
    )
    directions = generator.standard_normal((projections, real.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # With a large offset, the rounding of a projection would be that of the offset.
    centre = real.mean(0)
    if (np.abs(centre) > _OFFSET * np.maximum(np.ptp(real, 0), np.ptp(fake, 0))).any():
        real, fake = real - centre, fake - centre
    n, m = len(real), len(fake)
    # Both quantile functions are constant between the levels i / n and j / m; in units of 1 / (n m) these
    # are integers, so that the coupling of points is exact.
    levels = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    share, of_real, of_fake = np.diff(levels) / (n * m), levels[:-1] // m, levels[:-1] // n
    total, step = 0.0, max(_BLOCK // len(share), 1)
    for first in range(0, projections, step):
        x, y = (np.sort(directions[first : first + step] @ points.T, axis=1) for points in (real, fake))
        gap = np.abs(x[:, of_real] - y[:, of_fake])
        total += float(((gap**power) @ share).sum())
    return float((total / projections) ** (1 / power))


def point_sets(
    real: Any, fake: Any, least: int, wanted: str = "", names: tuple[str, str] = ("real", "fake")
) -> tuple[Array, Array]:
    """Return two point sets of one dimension, with at least so many points each."""
    first, second = check_points(real, names[0]), check_points(fake, names[1])
    for name, points in zip(names, (first, second), strict=True):
        if points.ndim != 2 or len(points) < least or points.shape[1] != first.shape[-1]:
            raise ValueError(
                f"{name} has shape {points.shape}; expected (n, d) with {wanted or f'n >= {least}'} and "
                f"d={first.shape[-1]}."
            )
    return first, second


def _mean_and_root(points: Array) -> tuple[Array, Array]:
    """Return the mean, and R of at most d rows such that R^T R is the covariance."""
    n, dim = points.shape
    mean, step = points.mean(0), max(4 * dim, _BLOCK // dim)
    root: Any = np.empty((0, dim))
    for first in range(0, n, step):
        root = np.linalg.qr(np.concatenate([root, points[first : first + step] - mean]), mode="r")
    return mean, root / np.sqrt(n - 1)


_MEDIAN_OF = 2000


def wasserstein1(*, real: Array, fake: Array) -> float:
    r"""Return the wasserstein-1 distance of point sets of one dimension, :math:`\int |F(x) - G(x)| \, dx`.

    F and G are the empirical distribution functions (Villani 2003, Topics in Optimal Transportation, theorem
    2.18 and the text after it; computed by `scipy.stats.wasserstein_distance`). In more dimensions see
    `sliced_wasserstein`.

    Parameters
    ----------
    real, fake : array, shape (n, 1)
        Point sets; their sizes may differ.

    Returns
    -------
    float
        Distance in units of the points. Biased upwards: two samples of one law are O(n^-1/2) apart.

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
    r"""Return the two-sample Cramer-von Mises statistic of point sets of one dimension.

    .. math:: T = \frac{n m}{n + m} \int (F_n - G_m)^2 \, dH_{n+m}

    with H the distribution function of both sets together (Anderson 1962, doi 10.1214/aoms/1177704477, Eq. 2;
    computed by `scipy.stats.cramervonmises_2samp`). For two samples of one continuous law its expectation is
    :math:`\frac16 (1 + \frac{1}{n + m})`; for different laws it grows in proportion to their size, so
    compare only at equal numbers of points. Monotone maps of the points do not change it.

    Parameters
    ----------
    real, fake : array, shape (n, 1)
        Point sets of at least two points each; their sizes may differ.

    Returns
    -------
    float
        Statistic (dimensionless).

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
    r"""Return the squared maximum mean discrepancy of point sets, with a Gaussian kernel.

    .. math:: \frac{1}{n (n - 1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{m (m - 1)} \sum_{i \ne j} k(y_i, y_j)
              - \frac{2}{n m} \sum_{i, j} k(x_i, y_j), \qquad k(x, y) = e^{-|x - y|^2 / 2 h^2}

    (Gretton et al. 2012, JMLR 13, 723-773, lemma 6, Eq. 3). This is the unbiased estimate: its
    expectation is the squared distance of the mean embeddings, 0 for equal laws, and it may be negative.

    Parameters
    ----------
    real, fake : array, shape (n, d)
        Point sets of at least two points each; their sizes may differ.
    bandwidth : float, optional
        Standard deviation h of the kernel, in units of the points. Default: the median of the distances
        between real points (of 2,000 of them, always the same ones, if there are more). It does not depend on
        `fake`, so that generations are compared by one kernel; other authors take the median of both sets.
    unbiased : bool
        Whether the estimate is unbiased. False means biased upwards and never negative: i = j included, with
        divisors :math:`n^2` and :math:`m^2` (Eq. 5 there, squared).

    Returns
    -------
    float
        Squared discrepancy (dimensionless), at most 2.

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
            f"coordinate, real[:, :1], or use sliced_wasserstein or maximum_mean_discrepancy."
        )
    return first[:, 0], second[:, 0]


def _median(points: Array) -> float:
    """Return the median distance between points."""
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
    """Sum the kernel over all pairs."""
    total = 0.0
    for _, distance in distances(points, to):
        distance /= width
        np.square(distance, out=distance)
        distance *= -0.5
        total += float(np.exp(distance, out=distance).sum())
    return total
