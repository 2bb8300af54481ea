"""Points inside an interval are kept: truncated Gaussians."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from madtheory.theory.labels import Labelled, label
from madtheory.theory.stability import at_least
from madtheory.theory.verification.judged import check_share
from madtheory.validation import check_arguments, check_numbers, check_shapes

TRUNCATED = "derived here (truncated normal); the loop of Yi et al. 2025 (arXiv 2510.16657)"

Array = NDArray[np.floating[Any]]


@check_arguments
def interval_map(
    *,
    mean: ArrayLike,
    variance: ArrayLike,
    half_width: ArrayLike,
    centre: ArrayLike = 0.0,
    synthetic_share: ArrayLike = 1.0,
    real_mean: ArrayLike = 0.0,
    real_variance: ArrayLike = 1.0,
) -> dict[str, Labelled]:
    r"""Return the next Gaussian if a verifier keeps points near a centre, for infinitely many points.

    With :math:`\alpha, \beta = (c \mp h - \mu)/\sigma` and :math:`Z = \Phi(\beta) - \Phi(\alpha)`, the kept
    points have

    .. math:: \mu_v = \mu + \sigma\frac{\phi(\alpha) - \phi(\beta)}Z, \qquad
       \sigma_v^2 = \sigma^2\Big[1 + \frac{\alpha\phi(\alpha) - \beta\phi(\beta)}Z
       - \Big(\frac{\phi(\alpha) - \phi(\beta)}Z\Big)^2\Big]

    and are a share a of the next training set; real points are the rest:

    .. math:: \mu' = a\mu_v + (1 - a)\mu_r, \qquad
       \sigma'^2 = a\sigma_v^2 + (1 - a)\sigma_r^2 + a(1 - a)(\mu_v - \mu_r)^2.

    Kind: exact law (it is a point).

    Parameters
    ----------
    mean, variance : array
        Mean and variance of the model.
    half_width : array
        Distance h from the centre beyond which points are rejected. Infinity means no verification.
    centre : array
        Centre c, which the verifier assumes to be the truth.
    synthetic_share : array
        Share a, from 0 to 1, of verified points in the training set, after rejection.
    real_mean, real_variance : array
        Mean and variance of the real data.

    Returns
    -------
    dict of Labelled, the arguments' shape
        ``mean`` and ``variance`` of the next model, and ``acceptance``, the share of points that are kept.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Fully synthetic, the mean goes to the centre and the variance to 0, ever more slowly: see
    `interval_collapse_time`. Source: derived here; Yi et al. 2025 (arXiv 2510.16657) prove the convergence to
    the verifier's knowledge centre for linear regression.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.interval_map(mean=0.0, variance=1.0, half_width=1.0)["variance"].round(4))
    0.2911
    """
    m, c = check_numbers("mean", mean), check_numbers("centre", centre)
    v = at_least("variance", variance, positive=True)
    h = at_least("half_width", half_width, positive=True, infinite=True)
    a = check_share("synthetic_share", synthetic_share)
    m_r, v_r = check_numbers("real_mean", real_mean), at_least("real_variance", real_variance)
    check_shapes(
        mean=m, variance=v, half_width=h, centre=c, synthetic_share=a, real_mean=m_r, real_variance=v_r
    )
    scale = np.sqrt(v)
    kept, spread, acceptance = truncate((c - h - m) / scale, (c + h - m) / scale)
    if not (np.isfinite(kept) & np.isfinite(spread)).all():
        raise ValueError(
            "mean, variance, centre and half_width leave no point in the interval of double precision; "
            "pass a wider interval, or one nearer to the mean (and to real_mean)."
        )
    kept, spread = m + scale * kept, v * spread
    after = {
        "mean": a * kept + (1 - a) * m_r,
        "variance": a * spread + (1 - a) * v_r + a * (1 - a) * (kept - m_r) ** 2,
        "acceptance": acceptance,
    }
    return {key: label(value, "exact law", TRUNCATED) for key, value in after.items()}


@check_arguments
def interval_fixed_point(
    *,
    half_width: float,
    synthetic_share: float,
    centre: float = 0.0,
    real_mean: float = 0.0,
    real_variance: float = 1.0,
) -> dict[str, Labelled]:
    r"""Return the Gaussian that `interval_map` converges to, started from the real data.

    .. math:: \sigma^2 = (1 - a)\sigma_r^2 + a\,\sigma_v^2(\sigma) \quad (c = \mu_r)

    Kind: numerical, to about 1e-12. Parameters and errors: as for `interval_map`; numbers, not arrays.

    Returns
    -------
    dict of Labelled scalars
        ``mean``, ``variance`` and ``acceptance``. Without real data the variance is 0.

    Notes
    -----
    Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.interval_fixed_point(
    ...     half_width=1.0, synthetic_share=0.5
    ... )["variance"].round(4))
    0.6345
    """
    from scipy.optimize import root

    a = float(check_share("synthetic_share", synthetic_share))
    fixed: dict[str, Any] = {"half_width": half_width, "centre": centre, "synthetic_share": a}
    fixed |= {
        "real_mean": real_mean,
        "real_variance": at_least("real_variance", real_variance, positive=True),
    }
    verified = interval_map(mean=real_mean, variance=real_variance, **fixed)
    if a == 1 and np.isfinite(half_width):
        end = (float(centre), 0.0, 1.0)
    else:

        def residual(x: Array) -> Array:
            moved = interval_map(mean=x[0], variance=np.exp(x[1]), **fixed)
            return np.array([float(moved["mean"]), np.log(moved["variance"])]) - x

        for _ in range(200):  # the loop itself leads near the fixed point, and Newton to it
            verified = interval_map(mean=verified["mean"], variance=verified["variance"], **fixed)
        start = np.array([float(verified["mean"]), np.log(verified["variance"])])
        found = root(residual, start, tol=1e-14).x
        found = min((found, start), key=lambda x: float(np.abs(residual(x)).max()))
        last = interval_map(mean=found[0], variance=np.exp(found[1]), **fixed)
        end = (float(found[0]), float(np.exp(found[1])), float(last["acceptance"]))
    names = ("mean", "variance", "acceptance")
    return {key: label(x, "numerical", TRUNCATED) for key, x in zip(names, end, strict=True)}


@check_arguments
def interval_collapse_time(*, ratio: ArrayLike, initial_ratio: ArrayLike = 0.0) -> Labelled:
    r"""Bound the generations in which a centred verified loop without real data reaches a given width.

    .. math:: t \le t_0 + 1 + \int_{z_0}^z \frac{ds}{s^2\phi(s)} \sim \frac{\sqrt{2\pi}\,e^{z^2/2}}{z^3},
       \qquad z = h/\sigma_t

    so that the variance falls, but only like :math:`h^2/(2\ln t)`. Kind: bound, from above; its ratio to the
    true number tends to 1.

    Parameters
    ----------
    ratio : array
        Ratio z of the half-width of the interval to the standard deviation to reach.
    initial_ratio : array
        Ratio of the first model. Below :math:`\sqrt3` one generation (:math:`t_0 = 1`) leads to
        :math:`\sqrt3` or beyond, as a density that is highest at the centre is not wider than the uniform
        one; :math:`z_0` is the larger of the two.

    Returns
    -------
    Labelled array, the arguments' shape
        Generations; 0 where the ratio is reached at the start.

    Raises
    ------
    ValueError
        If an argument is negative.

    Notes
    -----
    A generation moves z by more than :math:`z^2\phi(z)`, and the integrand rises from :math:`\sqrt2` on.
    Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import verification
    >>> print(verification.interval_collapse_time(ratio=0.3).round(4))
    1.0
    """
    z = at_least("ratio", ratio)
    first = at_least("initial_ratio", initial_ratio)
    low = np.maximum(first, np.sqrt(3.0))
    with np.errstate(over="ignore"):
        steps = _integral(np.maximum(z, low)) - _integral(low)
    steps = np.where(np.isnan(steps), np.inf, steps)
    out = np.where(z > first, (first < low) + np.where(z > low, steps + 1, 0.0), 0.0)
    return label(out, "bound", "derived here (truncated normal)")


def truncate(low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Return mean, variance and mass of a standard normal between two bounds, also close or far ones."""
    low, high = np.broadcast_arrays(low, high)
    mode = np.clip(0.0, low, high)
    reach = np.sqrt(mode**2 + 80)  # where the density has fallen by exp(-40)
    low, high = np.maximum(low, -reach), np.minimum(high, reach)
    nodes, weights = _rule()
    half = ((high - low) / 2)[..., None]
    step = ((high + low) / 2 - mode)[..., None] + half * nodes  # from the mode
    mass = weights * half * np.exp(-step * (mode[..., None] + step / 2))
    total = mass.sum(-1)
    shift = (mass * step).sum(-1) / total
    variance = (mass * (step - shift[..., None]) ** 2).sum(-1) / total
    return mode + shift, variance, total * np.exp(-(mode**2) / 2) / np.sqrt(2 * np.pi)


@lru_cache(maxsize=1)
def _rule() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(100)
    return nodes, weights


def _integral(z: Array) -> Array:
    """Return an antiderivative of ``1 / (z**2 phi(z))``."""
    return np.sqrt(2 * np.pi) * (np.sqrt(np.pi / 2) * special.erfi(z / np.sqrt(2)) - np.exp(z**2 / 2) / z)
