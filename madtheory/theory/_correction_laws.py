"""Laws of a corrected point, and of a mean that is estimated from corrected points."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from madtheory._validation import check_choice, check_numbers, check_shapes, check_size, checked
from madtheory.theory._correction_steps import check_correction
from madtheory.theory._labels import Labelled, labelled

__all__ = ["mean_law", "mixture_moments"]

Array = NDArray[np.floating[Any]]
SOURCE = "derived here: moments of the mixture of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1"


@checked
def mixture_moments(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    correction: float,
    real_mean: ArrayLike = 0.0,
    real_covariance: ArrayLike | None = None,
) -> dict[str, Labelled]:
    r"""Mean and covariance of corrected synthetic data.

    .. math:: \mu_\gamma = (1 - m)\mu + m\mu^*, \qquad
       \Sigma_\gamma = (1 - m)\Sigma + m\Sigma^* + m(1 - m)(\mu - \mu^*)(\mu - \mu^*)^T

    Kind: exact law, for laws of any kind with these moments.

    Parameters
    ----------
    mean : array, shape (*replicate, d)
        Of the model.
    covariance : array, shape (*replicate, d, d)
        Of the model.
    correction : float
        Strength :math:`\gamma`, 0 to infinity.
    real_mean : array, shape (d,), or number
        Of the truth.
    real_covariance : array, shape (d, d), optional
        Of the truth; the identity by default.

    Returns
    -------
    dict of Labelled
        ``mean`` and ``covariance``, of the shapes of the arguments.

    Raises
    ------
    ValueError
        If the correction is negative or the shapes do not fit.

    Notes
    -----
    Source: the moments of a mixture; Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1.
    """
    m = check_correction(correction)
    mu, sigma = np.atleast_1d(check_numbers("mean", mean)), check_numbers("covariance", covariance)
    dim = mu.shape[-1]
    truth = np.eye(dim) if real_covariance is None else check_numbers("real_covariance", real_covariance)
    if sigma.shape[-2:] != (dim, dim) or truth.shape[-2:] != (dim, dim):
        raise ValueError(
            f"covariance has shape {sigma.shape} and real_covariance {truth.shape}; a mean of length {dim} "
            f"needs ({dim}, {dim})."
        )
    shift = check_numbers("real_mean", real_mean)
    check_shapes(mean=mu, real_mean=shift)
    gap = mu - shift
    between = gap[..., :, None] * gap[..., None, :]
    return {
        "mean": labelled(mu - m * gap, "exact law", SOURCE),
        "covariance": labelled((1 - m) * sigma + m * truth + m * (1 - m) * between, "exact law", SOURCE),
    }


@checked
def mean_law(
    *,
    n_synthetic: int,
    n_real: int = 0,
    real_data: Literal["none", "fixed", "fresh"] = "none",
    correction: ArrayLike,
) -> dict[str, Labelled]:
    r"""Stationary variance of an estimated mean where the family fixes the variance of a point.

    .. math:: \frac{\operatorname{Var}\mu_\infty}{\sigma^2} = \frac{1/n}{1 - (1 - m)^2 - m(1 - m)/n},
       \qquad n_e = n(1 - (1 - m)^2) - m(1 - m) \quad (\text{no real data})

    A corrected point is a migrant with probability m: drift against migration. Kind: exact mean.

    Parameters
    ----------
    n_synthetic, n_real : int
        Points per generation.
    real_data : {"none", "fixed", "fresh"}
        What the real points are.
    correction : array
        Strength :math:`\gamma`, 0 to infinity.

    Returns
    -------
    dict of Labelled, the shape of `correction`
        ``variance``, in units of that of a point, and ``effective_sample_size``, its inverse. Without real
        data or correction the variance grows without bound.

    Raises
    ------
    ValueError
        If a number is out of range, or `n_real` and `real_data` contradict each other.

    Notes
    -----
    Source: derived here, for the correction of Gillman et al. 2024 (arXiv 2402.07087), Definition 4.1.
    """
    check_choice("real_data", real_data, ("none", "fixed", "fresh"))
    n_real = check_size("n_real", n_real, 0)
    n = check_size("n_synthetic", n_synthetic, int(n_real == 0))
    if (n_real > 0) == (real_data == "none"):
        raise ValueError(f"n_real={n_real} contradicts real_data={real_data!r}; pass both or neither.")
    m = check_correction(correction)
    w = n / (n + n_real)
    pull = w * (1 - m)
    # Mean of the pool: (1 - w) r + w s; covariance of the model's mean with that of a fixed real set.
    real = (1 - w) ** 2 / max(n_real, 1)
    across = 2 * pull * (1 - w) / max(n_real, 1) * (1 - w) / (1 - pull) if real_data == "fixed" else 0.0
    per_point = w / (n + n_real)  # w^2 / n, also where n is 0
    left = 1 - pull**2 - per_point * m * (1 - m)
    with np.errstate(divide="ignore"):
        variance = np.where(left > 1e-14, (real + across + per_point) / np.maximum(left, 1e-300), np.inf)
        effective = 1 / variance
    return {
        "variance": labelled(variance, "exact mean", SOURCE),
        "effective_sample_size": labelled(effective, "exact mean", SOURCE),
    }
