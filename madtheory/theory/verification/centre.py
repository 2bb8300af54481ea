"""A verifier with a knowledge centre: the loop learns its opinion, and not the truth (Yi et al. 2025)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least
from madtheory.theory.verification.interval import truncate
from madtheory.validation import check_arguments, check_number, check_size

Array = NDArray[np.floating[Any]]

SOURCE = "derived here (tilted truncated normal); the loop of Yi et al. 2025 (arXiv 2510.16657)"
_NODES = np.polynomial.legendre.leggauss(120)


@check_arguments
def centre_contraction(*, half_width: ArrayLike) -> Labelled:
    r"""Return the factor by which one generation shrinks a small distance to the verifier's centre.

    .. math:: \rho = 1 - \frac{2h\phi(h)}{2\Phi(h) - 1}

    It is also the variance of the accepted noise: with the density of the noise tilted by the distance
    :math:`\delta`, the mean of what is kept is the derivative of a log normaliser, and its slope in
    :math:`\delta` is the variance of what is kept, at every :math:`\delta`. Kind: exact law, for infinitely
    many points.

    Parameters
    ----------
    half_width : array
        Largest accepted distance h of a label from the verifier's, in standard deviations of the noise.

    Returns
    -------
    Labelled array, the shape of `half_width`
        Factor from 0 to 1.

    Raises
    ------
    ValueError
        If a width is not positive.

    Notes
    -----
    Source: derived here, for one direction of an orthonormal design with known noise.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.centre_contraction(half_width=[0.5, 1.0, 2.0, 3.0]).round(4))
    [0.0806 0.2911 0.7737 0.9733]
    """
    h = at_least("half_width", half_width, positive=True, infinite=True)
    return label(truncate(-h, h)[1], "exact law", SOURCE)


@check_arguments
def centre_error(*, half_width: ArrayLike, n: int) -> Labelled:
    r"""Return the stationary mean square distance of a verified fit to the verifier's centre.

    .. math:: \frac{\rho}{n(1 - \rho^2)}

    in squared units of the noise and for each direction, with :math:`\rho` of `centre_contraction`. Kind:
    leading order in 1/n. The distance to the truth is the verifier's own error instead, however large n is.

    Parameters
    ----------
    half_width : array
        As in `centre_contraction`.
    n : int
        Accepted labels of each generation.

    Returns
    -------
    Labelled array, the shape of `half_width`

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Source: derived here; it is the sum of Yi et al. 2025 (arXiv 2510.16657), Theorem 4.1, at constant n.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.centre_error(half_width=1.0, n=100).round(5))
    0.00318
    """
    rho = np.asarray(centre_contraction(half_width=half_width))
    return label(rho / (check_size("n", n) * (1 - rho**2)), "leading order in 1/n", SOURCE)


@check_arguments
def centre_trajectory(
    *, centre: float, half_width: float, n: int, generations: int, n_initial: int | None = None
) -> dict[str, Labelled]:
    r"""Return the mean square error of a mean whose new points are verified, by generation.

    The model is a normal law of standard deviation 1 with fitted mean m; the truth is 0. Points within h of
    the centre c are kept. With T(m) the mean of the kept points, whose derivatives are their cumulants,

    .. math:: x' = T(x), \qquad V' = T'(x)^2 V + \frac{T'(x)}n, \qquad B' = T'(x) B + \frac{T''(x)}2 V,

    and the error is :math:`x^2 + V + 2xB`. For a centre near the truth it falls at first, as the verifier
    removes noise, and then rises to the error of the verifier. Kind: leading order in 1/n.

    Parameters
    ----------
    centre : float
        Centre c: the verifier's error, in standard deviations of the noise.
    half_width : float
        Largest accepted distance h from it, in the same units.
    n : int
        Accepted points of each generation.
    generations : int
        Length of the trajectory; generation 1 is trained on real data.
    n_initial : int, optional
        Number of real points of generation 1; by default `n`.

    Returns
    -------
    dict of Labelled, shape (generations,)
        ``mean_error``, in squared standard deviations of the noise, and ``variance`` of the fitted mean.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    In a regression with an orthonormal design the errors of the directions add, each with its own points
    (`madtheory.LinearRegression` with known noise). Source: derived here (delta method). Yi et al. 2025
    (arXiv 2510.16657) prove convergence to the centre.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.centre_trajectory(
    ...     centre=0.1, half_width=1.0, n=1000, n_initial=20, generations=5
    ... )["mean_error"].round(4))
    [0.05   0.0096 0.0091 0.0099 0.0102]
    """
    c = check_number("centre", centre)
    h = check_number("half_width", half_width, 0, above=True)
    size = check_size("n", n)
    x, bias = 0.0, 0.0
    variance = 1 / check_size("n_initial", size if n_initial is None else n_initial)
    rows = np.empty((2, check_size("generations", generations)))
    for t in range(rows.shape[1]):
        if t:
            moved, slope, bend = _cumulants(c - h - x, c + h - x)
            bias = slope * bias + bend / 2 * variance
            variance = slope**2 * variance + slope / size
            x = x + moved
        rows[:, t] = x**2 + variance + 2 * x * bias, variance
    kind = "leading order in 1/n"
    names = ("mean_error", "variance")
    return {name: label(row, kind, SOURCE) for name, row in zip(names, rows, strict=True)}


def _cumulants(low: float, high: float) -> tuple[float, float, float]:
    """Return the first three cumulants of a standard normal between two bounds."""
    mean, variance, _ = truncate(np.asarray(low), np.asarray(high))
    nodes, weights = _NODES
    mode = min(max(0.0, low), high)
    reach = np.sqrt(mode**2 + 80)
    low, high = max(low, -reach), min(high, reach)
    z = (high + low) / 2 + (high - low) / 2 * nodes
    mass = weights * np.exp(-(z**2 - mode**2) / 2)
    return float(mean), float(variance), float(mass @ (z - mean) ** 3 / mass.sum())
