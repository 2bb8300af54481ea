"""Gaussians under infinitely many Luce choices: exponential tilting by a quadratic reward."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from madtheory._validation import check_numbers, check_size, checked
from madtheory.theory._labels import Labelled, labelled

__all__ = ["tilted_gaussian"]

SOURCE = "derived here, for the choices of Ferbach et al. 2024 (arXiv 2407.09499)"


@checked
def tilted_gaussian(
    *,
    mean: ArrayLike,
    covariance: ArrayLike,
    generations: int,
    slope: ArrayLike = 0.0,
    curvature: ArrayLike = 0.0,
    target: ArrayLike = 0.0,
) -> dict[str, Labelled]:
    r"""Gaussian under infinitely many Luce choices by a linear and quadratic reward.

    .. math:: r(x) = \beta^Tx - \tfrac12(x-c)^TQ(x-c), \qquad
       \Sigma_t = \Sigma_0(I + tQ\Sigma_0)^{-1}, \quad
       \mu_t = \mu_0 + t\,\Sigma_t\big(Q(c - \mu_0) + \beta\big)

    which is :math:`p_t \propto p_0e^{tr}`: no collapse without Q, and with it like 1/t. Kind: exact law.

    Parameters
    ----------
    mean : array, shape (d,)
        Of generation 1.
    covariance : array, shape (d, d)
        Of generation 1; it may be singular.
    generations : int
        Length of the trajectory; entry 0 is generation 1.
    slope : array, shape (d,)
        :math:`\beta`.
    curvature : array, shape (d, d), or number
        Q, positive semi-definite; a number stands for that multiple of the identity.
    target : array, shape (d,)
        c.

    Returns
    -------
    dict of Labelled
        ``mean`` (generations, d) and ``covariance`` (generations, d, d).
    """
    mu, sigma = (
        np.atleast_1d(check_numbers("mean", mean)),
        np.atleast_2d(check_numbers("covariance", covariance)),
    )
    if mu.ndim != 1 or not mu.size:
        raise ValueError(f"mean has shape {mu.shape}; pass one number per coordinate, shape (d,).")
    d = len(mu)
    q = check_numbers("curvature", curvature)
    q = q * np.eye(d) if q.ndim == 0 else np.atleast_2d(q)
    for name, matrix in (("covariance", sigma), ("curvature", q)):
        if matrix.shape != (d, d):
            raise ValueError(f"{name} has shape {matrix.shape}; a mean of length {d} needs ({d}, {d}).")
        values = np.linalg.eigvalsh(matrix)
        if not np.allclose(matrix, matrix.T) or values[0] < -1e-9 * max(values[-1], 1e-300):
            raise ValueError(
                f"{name} must be symmetric and positive semi-definite; its eigenvalues: {values}."
            )
    t = np.arange(check_size("generations", generations))[:, None, None]
    # (I + tΣQ) Σ_t = Σ
    after = np.linalg.solve(np.eye(d) + t * (sigma @ q), np.broadcast_to(sigma, (len(t), d, d)))
    after = (after + np.swapaxes(after, -1, -2)) / 2
    vectors = {"target": check_numbers("target", target), "slope": check_numbers("slope", slope)}
    for name, vector in vectors.items():
        if vector.shape not in ((), (1,), (d,)):
            raise ValueError(f"{name} has shape {vector.shape}; pass one number, or {d}.")
    force = q @ (vectors["target"] - mu) + vectors["slope"]
    moved = mu + t[:, 0] * (after @ np.broadcast_to(force, d))
    return {
        "mean": labelled(moved, "exact law", SOURCE),
        "covariance": labelled(after, "exact law", SOURCE),
    }
