"""The exact Gaussian map of a loop that retrains on real and synthetic data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory.theory.labels import Labelled, label
from madtheory.validation import check_arguments, check_numbers, check_size, show

Array = NDArray[np.floating[Any]]


def at_least(name: str, value: Any, *, positive: bool = False, infinite: bool = False) -> Array:
    """Return numbers of 0 or more (above 0 if `positive`), finite unless `infinite`."""
    numbers = check_numbers(name, value, infinite=True)
    inside = (numbers > 0) if positive else (numbers >= 0)
    if not (inside & (infinite | np.isfinite(numbers))).all():
        wanted = ("positive" if positive else "0 or more") + (
            ", infinity included" if infinite else ", finite"
        )
        raise ValueError(f"{name}={show(value)} is out of range: pass numbers that are {wanted}.")
    return numbers


def synthetic_share(synthetic_ratio: ArrayLike, name: str = "synthetic_ratio") -> Array:
    """Return the share of synthetic points; an infinite ratio is the fully synthetic loop."""
    ratio = at_least(name, synthetic_ratio, infinite=True)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(ratio), 1.0, ratio / (1 + ratio))


@check_arguments
def gaussian_contraction(*, synthetic_ratio: ArrayLike, correction: ArrayLike = 0.0) -> Labelled:
    r"""Return the exact contraction of a generation of Gaussians: it is below 1 for every ratio.

    .. math:: w = \frac1{1 + \gamma}\,\frac\lambda{1 + \lambda}

    It is the factor by which mean and second moments approach those of the data. In any exponential family it
    is the factor of the expected statistics, whether or not the family contains the law of the data: the
    Hessian of its log-likelihood does not depend on x, so that L = 0. Kind: exact mean.

    Parameters
    ----------
    synthetic_ratio : array
        Synthetic points per real point, :math:`\lambda`; infinity is the fully synthetic loop.
    correction : array
        Strength :math:`\gamma` of the self-correction, 0 (none) to infinity.

    Returns
    -------
    Labelled array, the arguments' shape
        The factor (dimensionless).

    Raises
    ------
    ValueError
        If an argument is negative.

    Notes
    -----
    For any number of points it is the factor of the expected mean, given the real set. Theorem 1 of Bertrand
    et al. 2024 (arXiv 2310.00429) bounds it by :math:`\lambda/(1 - \lambda)`. Source: derived here.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.gaussian_contraction(synthetic_ratio=0.5).round(4))
    0.3333
    """
    weakened = 1 / (1 + at_least("correction", correction, infinite=True))
    return label(weakened * synthetic_share(synthetic_ratio), "exact mean", "derived here (moments pool)")


@check_arguments
def gaussian_map(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    synthetic_ratio: float,
    data_mean: ArrayLike = 0.0,
    data_covariance: ArrayLike | None = None,
    correction: float = 0.0,
    generations: int = 1,
) -> dict[str, Labelled]:
    r"""Return the Gaussian model after some generations, for infinitely many real and synthetic points.

    .. math:: \mu' - \mu_d = w(\mu - \mu_d), \qquad
       \Sigma' = (1 - w)\Sigma_d + w\Sigma + w(1 - w)(\mu - \mu_d)(\mu - \mu_d)^T

    with w of `gaussian_contraction`; after t generations, with :math:`\delta = \mu - \mu_d`,

    .. math:: \mu_t - \mu_d = w^t\delta, \qquad
       \Sigma_t - \Sigma_d = w^t\big(\Sigma - \Sigma_d + (1 - w^t)\,\delta\delta^T\big).

    Kind: exact law (it is a point).

    Parameters
    ----------
    mean : array, shape (*replicate, d), or number
        Mean of the model. Numbers stand for one dimension.
    covariance : array, shape (*replicate, d, d), or number
        Covariance of the model.
    synthetic_ratio : float
        Synthetic points per real point, :math:`\lambda`.
    data_mean : array, shape (d,), or number
        Mean of the real data.
    data_covariance : array, shape (d, d), or number, optional
        Covariance of the real data; the identity by default.
    correction : float
        Strength of the self-correction towards the best model, which has the data's moments.
    generations : int
        Number of generations.

    Returns
    -------
    dict of Labelled
        ``mean`` and ``covariance``, of the shapes of the arguments.

    Raises
    ------
    ValueError
        If an argument is out of range, or the shapes do not fit.

    Notes
    -----
    Source: derived here; the map is that of Bertrand et al. 2024 (arXiv 2310.00429), section 3, with the
    correction of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1.

    Examples
    --------
    >>> from madtheory.theory import stability
    >>> print(stability.gaussian_map(
    ...     mean=[1.0], covariance=[[2.0]], synthetic_ratio=0.5, generations=3
    ... )["mean"].round(4))
    [0.037]
    """
    m, v = check_numbers("mean", mean), check_numbers("covariance", covariance)
    if v.shape[-2:] != (m.shape[-1:] * 2):
        raise ValueError(
            f"covariance has shape {v.shape} and mean {m.shape}; pass (*replicate, d, d) and "
            f"(*replicate, d), or two numbers."
        )
    data = np.eye(m.shape[-1]) if m.ndim else np.ones(())
    if data_covariance is not None:
        given = check_numbers("data_covariance", data_covariance)
        if given.shape != data.shape:
            raise ValueError(
                f"data_covariance has shape {given.shape}; mean and covariance need {data.shape}."
            )
        data = given
    truth = check_numbers("data_mean", data_mean)
    if truth.shape not in ((), m.shape[-1:]):
        raise ValueError(
            f"data_mean={data_mean!r} does not fit a mean of shape {m.shape}; pass {m.shape[-1:]}."
        )
    error = m - truth
    factor = float(gaussian_contraction(synthetic_ratio=synthetic_ratio, correction=correction))
    left = factor ** check_size("generations", generations)
    outer = error[..., :, None] * error[..., None, :] if m.ndim else error**2
    after = {"mean": m - (1 - left) * error, "covariance": data + left * (v - data + (1 - left) * outer)}
    return {key: label(value, "exact law", "derived here (moments pool)") for key, value in after.items()}
