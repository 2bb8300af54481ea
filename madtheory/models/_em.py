"""Expectation maximisation for Gaussian mixtures: scikit-learn's, with the starts and shapes of `Mixture`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from madtheory.models._components import shaped
from madtheory.types import Array

__all__ = ["SHAPES", "expectation_maximisation"]

_NAMES = {"full": "full", "diagonal": "diag", "spherical": "spherical"}
SHAPES = tuple(_NAMES)


def expectation_maximisation(
    points: Array,
    start: tuple[Array, Array, Array] | None,
    rng: np.random.Generator,
    *,
    components: int,
    shape: str,
    ridge: float,
    tolerance: float,
    iterations: int,
    starts: int,
) -> tuple[Array, Array, Array]:
    """Fit weights, means and covariances to points (n, d); `start` holds the first ones, or is k-means."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    settings = {"n_init": starts} if start is None else _settings(*start, shape, ridge)
    model = GaussianMixture(
        components, covariance_type=_NAMES[shape], reg_covar=ridge, tol=tolerance, max_iter=iterations,
        random_state=int(rng.integers(2**31)), **settings,
    )  # fmt: skip
    with warnings.catch_warnings():
        # No errors: to stop after `iterations` steps, and fewer distinct points than components.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(points)
        except ValueError as error:
            raise ValueError(
                f"EM failed with ridge={ridge:g}: {error} Where a component has lost its spread, a larger "
                f"ridge or fewer components help."
            ) from error
    covariances = model.covariances_
    if shape != "full":
        covariances = np.reshape(covariances, (components, -1, 1)) * np.eye(points.shape[-1])
    return model.weights_, model.means_, _symmetric(covariances)


def _settings(weights: Array, means: Array, covariances: Array, shape: str, ridge: float) -> dict[str, Any]:
    """scikit-learn's keywords for a start from these parameters; spreads below the ridge start there."""
    values, vectors = np.linalg.eigh(shaped(covariances, shape))
    inverse = 1 / np.maximum(values, max(ridge, np.finfo(float).tiny))
    precisions = _symmetric((vectors * inverse[..., None, :]) @ np.swapaxes(vectors, -1, -2))
    diagonal = np.diagonal(precisions, axis1=-2, axis2=-1)
    chosen = {"full": precisions, "diagonal": diagonal, "spherical": diagonal[..., 0]}[shape]
    alive = np.maximum(weights, 1e-300)
    return {"weights_init": alive / alive.sum(), "means_init": means, "precisions_init": chosen}


def _symmetric(matrices: Array) -> Array:
    """Mend what rounding has left asymmetric."""
    return np.asarray((matrices + np.swapaxes(matrices, -1, -2)) / 2)
