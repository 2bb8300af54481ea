"""Laws in the plane that are known exactly: their samples and log densities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from madtheory.types import Array
from madtheory.validation import check_arguments, check_number, check_numbers, check_size, freeze, show

_BLOCK = 2**19  # numbers of a block


@dataclass(frozen=True, eq=False)
class Law:
    """A law in the plane that is known exactly; made by the functions of this module.

    Attributes
    ----------
    name : str
        Call that makes the law.
    draw : function
        ``draw(rng, size)`` returns points, shape (*size, 2), and their classes, shape size.
    log_density_at : function
        Log density at points of shape (n, 2).
    moments : pair of arrays
        Mean, shape (2,), and covariance, shape (2, 2).
    centres : array, shape (modes, 2), optional
        Centres of the modes, for `madtheory.metrics.mode_coverage`.
    labels : bool
        Whether samples carry their class as third coordinate. Moments and density leave it out.
    replicates : tuple of int
        Leading axes of the samples.
    """

    name: str
    draw: Callable[[np.random.Generator, tuple[int, ...]], tuple[Array, Any]] = field(repr=False)
    log_density_at: Callable[[Array], Array] = field(repr=False)
    moments: tuple[Array, Array] = field(repr=False)
    centres: Array | None = field(default=None, repr=False)
    labels: bool = False
    replicates: tuple[int, ...] = ()

    @property
    def mean(self) -> Array:
        """Mean, shape (2,)."""
        return self.moments[0]

    @property
    def covariance(self) -> Array:
        """Covariance, shape (2, 2)."""
        return self.moments[1]

    def expand(self, *replicates: int) -> Law:
        """Add leading replicate axes: each replicate draws its own sample."""
        return replace(self, replicates=(*replicates, *self.replicates))

    @check_arguments
    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (*replicate, n, 2), or (*replicate, n, 3) with their class.

        Raises
        ------
        ValueError
            If `n` is not a positive integer, or a bias is given: real data have none.
        """
        if bias is not None:
            raise ValueError(f"bias={show(bias)}: real data cannot be sampled with a bias; leave it out.")
        points, classes = self.draw(rng, (*self.replicates, check_size("n", n)))
        return np.concatenate([points, classes[..., None]], -1) if self.labels else points

    def log_density(self, points: Array) -> Array:
        """Return the natural log of the density at points of shape (..., 2), without their class.

        Raises
        ------
        ValueError
            If points are not of shape (..., 2), or not finite.
        """
        given = check_numbers("points", points)
        if given.ndim < 1 or given.shape[-1] != 2:
            raise ValueError(f"points has shape {given.shape}; expected (..., 2), without the class.")
        return self.log_density_at(given.reshape(-1, 2)).reshape(given.shape[:-1])


@check_arguments
def two_moons(noise: float = 0.1, *, labels: bool = False) -> Law:
    r"""Return two interleaved half circles with Gaussian noise, each with probability 1/2.

    .. math:: x = (\cos t, \sin t) + \sigma z \quad\text{or}\quad (1 - \cos t, \tfrac12 - \sin t) + \sigma z,
              \qquad t \sim U(0, \pi),\ z \sim N(0, I)

    The geometry is that of scikit-learn's ``make_moons``, whose points lie on fixed angles; here angles and
    moons are drawn independently, so that the points are an independent sample.

    Parameters
    ----------
    noise : float
        Standard deviation :math:`\sigma`, positive.
    labels : bool
        Add the moon, 0 (upper) or 1, as last coordinate.

    Notes
    -----
    The density is an integral over the angle, by Gauss-Legendre panels that follow the noise. The error of
    its log is below 1e-8 where that is above -200, and below 1e-4 of it farther out. Cost per point: about
    10 / noise exponentials per moon.
    """
    std = check_number("noise", noise, 0, above=True)
    gap = 0.5 - 4 / np.pi
    covariance = [[0.75 + std**2, gap / 4], [gap / 4, 0.5 - 4 / np.pi**2 + gap**2 / 4 + std**2]]
    return Law(
        f"two_moons(noise={noise})",
        partial(draw_from_curves, curve=moon, classes=2, std=std),
        partial(moons_density, std=std),
        (np.array([0.5, 0.25]), np.array(covariance)),
        labels=bool(labels),
    )


@check_arguments
def rings(radii: Sequence[float] = (1.0, 2.0, 3.0), noise: float = 0.05, *, labels: bool = False) -> Law:
    r"""Return concentric circles with Gaussian noise, each with the same probability.

    .. math:: p(x) = \frac1K \sum_{k=1}^K \frac{1}{2 \pi \sigma^2}\,
              e^{-(|x|^2 + R_k^2) / 2 \sigma^2}\, I_0\big(R_k |x| / \sigma^2\big)

    with the modified Bessel function :math:`I_0`: the angle is uniform, the distance follows Rice's law.

    Parameters
    ----------
    radii : sequence of floats
        Radii :math:`R_k` of the circles, positive.
    noise : float
        Standard deviation :math:`\sigma`, positive.
    labels : bool
        Add the number of the ring, from 0 on, as last coordinate.
    """
    std, circles = check_number("noise", noise, 0, above=True), freeze(check_numbers("radii", radii))
    if circles.ndim != 1 or not circles.size or not (circles > 0).all():
        raise ValueError(f"radii={show(radii)} are not positive numbers; pass for example (1, 2, 3).")
    return Law(
        f"rings(radii={tuple(circles.tolist())}, noise={noise})",
        partial(draw_from_curves, curve=partial(circle, radii=circles), classes=len(circles), std=std),
        partial(rings_density, radii=circles, std=std),
        (np.zeros(2), ((circles**2).mean() / 2 + std**2) * np.eye(2)),
        labels=bool(labels),
    )


@check_arguments
def eight_gaussians(radius: float = 2.0, std: float = 0.02, *, labels: bool = False) -> Law:
    """Return eight equal Gaussians N(c_k, std^2 I) on a circle, at the angles 0, 45, ..., 315 degrees.

    The ring of Gaussians of the literature on mode collapse, with the radius and the width of Metz et al.
    2017 (arXiv 1611.02163).

    Parameters
    ----------
    radius : float
        Distance of the centres to the origin, positive.
    std : float
        Standard deviation of each mode, positive.
    labels : bool
        Add the mode, 0 to 7, as last coordinate.
    """
    angle = np.arange(8) * np.pi / 4
    centres = check_number("radius", radius, 0, above=True) * np.stack([np.cos(angle), np.sin(angle)], -1)
    return _gaussians(f"eight_gaussians(radius={radius}, std={std})", centres, std, labels)


@check_arguments
def grid25(std: float = 0.1, *, labels: bool = False) -> Law:
    """Return twenty-five equal Gaussians N(c_k, std^2 I) on the square grid {-2, ..., 2}^2.

    The 25-mode distribution of Che et al. 2020 (arXiv 2003.06060) that MAD uses (arXiv 2307.01850, Fig. 14).
    As a `madtheory.Mixture`, which is a model and has exact statistics, it is ``Mixture.grid()``.

    Parameters
    ----------
    std : float
        Standard deviation of each mode, positive.
    labels : bool
        Add the mode, 0 to 24, as last coordinate.

    Examples
    --------
    >>> from madtheory import metrics, sources
    >>> truth = sources.grid25()
    >>> points = truth.sample(1000, rng=np.random.default_rng(0))
    >>> metrics.mode_coverage(fake=points, centres=truth.centres, radius=0.4)
    1.0
    """
    line = np.arange(5) - 2.0
    centres = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    return _gaussians(f"grid25(std={std})", centres, std, labels)


def rosenbrock() -> Law:
    r"""Return the banana-shaped law of Rosenbrock's function.

    .. math:: p(x) = \frac{1}{\pi \sqrt 2}\, e^{-x_1^2 / 2 - (x_2 - x_1^2)^2}, \qquad
              x_1 \sim N(0, 1),\ x_2 \mid x_1 \sim N(x_1^2, 1/2)

    Samples are drawn by the second form. This is the truth of MAD's normalising flow (arXiv 2307.01850, Fig.
    17). All points are of class 0.
    """
    moments = np.array([0.0, 1.0]), np.array([[1.0, 0.0], [0.0, 2.5]])
    return Law("rosenbrock()", draw_rosenbrock, rosenbrock_density, moments)


def _gaussians(name: str, centres: Array, std: float, labels: bool) -> Law:
    width = check_number("std", std, 0, above=True)
    log_weights = np.full(len(centres), -np.log(len(centres)))
    return Law(
        name,
        partial(draw_from_curves, curve=partial(mode, centres=centres), classes=len(centres), std=width),
        partial(mixture_density, centres=centres, log_weights=log_weights, std=width),
        (centres.mean(0), centres.T @ centres / len(centres) + width**2 * np.eye(2)),
        centres,
        bool(labels),
    )


def draw_from_curves(
    rng: np.random.Generator,
    size: tuple[int, ...],
    *,
    curve: Callable[[Any, Array], Array],
    classes: int,
    std: float,
) -> tuple[Array, Any]:
    """Draw a class, a place on its curve, and noise about it."""
    chosen = rng.integers(classes, size=size)
    return curve(chosen, rng.random(size)) + std * rng.standard_normal((*size, 2)), chosen


def moon(which: Any, place: Array) -> Array:
    """Map a place from 0 to 1 to a half circle; moon 0 is the upper one."""
    upper = np.stack([np.cos(np.pi * place), np.sin(np.pi * place)], -1)
    return np.where(which[..., None] == 0, upper, np.array([1.0, 0.5]) - upper)


def circle(which: Any, place: Array, *, radii: Array) -> Array:
    """Map a place from 0 to 1 to one of several circles about the origin."""
    angle = 2 * np.pi * place
    return radii[which][..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)


def mode(which: Any, place: Array, *, centres: Array) -> Array:
    """Return the centre of a mode, whatever the place."""
    return centres[which]


def draw_rosenbrock(rng: np.random.Generator, size: tuple[int, ...]) -> tuple[Array, Any]:
    """Draw points of the Rosenbrock law, all of class 0."""
    first, second = rng.standard_normal(size), rng.standard_normal(size)
    return np.stack([first, first**2 + np.sqrt(0.5) * second], -1), np.zeros(size)


def rosenbrock_density(points: Array) -> Array:
    """Return the log density of the Rosenbrock law."""
    first, second = points.T
    return -(first**2) / 2 - (second - first**2) ** 2 - np.log(np.pi * np.sqrt(2.0))


def mixture_density(points: Array, *, centres: Array, log_weights: Array, std: float) -> Array:
    """Return the log density of weighted Gaussians of equal width, in blocks of points."""
    log_density, step = np.empty(len(points)), max(_BLOCK // len(centres), 1)
    for first in range(0, len(points), step):
        rows = slice(first, first + step)
        x, y = (points[rows, i, None] - centres[:, i] for i in range(2))
        terms = log_weights - (x * x + y * y) / (2 * std**2)
        top = terms.max(1, keepdims=True)
        log_density[rows] = top[:, 0] + np.log(np.exp(terms - top).sum(1))
    return log_density - np.log(2 * np.pi * std**2)


def moons_density(points: Array, *, std: float) -> Array:
    """Return the log density of the two moons, by quadrature over the angle."""
    # Seen from a point at distance r, the integrand over the angle has the width std / sqrt(r).
    far = min(np.abs(points).max(initial=0.0) + 1.0, 16.0)
    panels = int(np.ceil(np.pi * np.sqrt(far) / (8 * std)))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    place = ((np.arange(panels)[:, None] + (nodes + 1) / 2) / panels).ravel()
    centres = np.concatenate([moon(np.full(len(place), which), place) for which in (0, 1)])
    log_weights = np.log(np.tile(weights / 2, 2 * panels) / (2 * panels))
    return mixture_density(points, centres=centres, log_weights=log_weights, std=std)


def rings_density(points: Array, *, radii: Array, std: float) -> Array:
    """Return the log density of the rings."""
    from scipy.special import ive, logsumexp

    distance = np.hypot(*points.T)[:, None]
    # ive is the Bessel function without its exponential growth.
    ring = np.log(ive(0, distance * radii / std**2)) - (distance - radii) ** 2 / (2 * std**2)
    log_density: Array = logsumexp(ring, axis=1)
    return log_density - np.log(2 * np.pi * std**2 * len(radii))
