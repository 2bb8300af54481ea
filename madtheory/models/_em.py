"""Expectation maximisation for Gaussian mixtures: scikit-learn's, with the starts and shapes of `Mixture`."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from madtheory._threads import one_openmp_thread, one_thread
from madtheory.models._components import shaped
from madtheory.types import Array

__all__ = ["SHAPES", "expectation_maximisation"]

_NAMES = {"full": "full", "diagonal": "diag", "spherical": "spherical"}
SHAPES = tuple(_NAMES)
_OFFSET = 2.0**10  # an offset of so many standard deviations is taken off before EM


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

    centre: Any = points.mean(0)
    if (np.abs(centre) <= _OFFSET * points.std(0)).all():
        centre = np.zeros_like(centre)
    points = points - centre
    if start is None:
        settings: dict[str, Any] = {"n_init": starts}
    else:
        settings = _settings(start[0], start[1] - centre, start[2], shape, ridge)
    model = _estimator()(
        components, covariance_type=_NAMES[shape], reg_covar=ridge, tol=tolerance, max_iter=iterations,
        random_state=int(rng.integers(2**31)), **settings,
    )  # fmt: skip
    with warnings.catch_warnings(), one_thread, one_openmp_thread():
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
    return model.weights_, model.means_ + centre, _symmetric(covariances)


@lru_cache(maxsize=1)
def _estimator() -> Any:
    """scikit-learn's mixture, with variances and distances of diagonal shapes from differences.

    Its own are differences of second moments, which for components that are far apart, or far from the
    origin, are rounding: a variance is lost beside a squared mean of 1e16 times its size.
    """
    from sklearn.mixture import GaussianMixture

    class Mixtures(GaussianMixture):  # type: ignore[misc]
        def _initialize(self, X: Array, resp: Array | None, **keywords: Any) -> None:
            if self.covariance_type == "full" or resp is None:
                super()._initialize(X, resp, **keywords)
                return
            self._maximise(X, resp)

        def _m_step(self, X: Array, log_resp: Array, **keywords: Any) -> None:
            if self.covariance_type == "full":
                super()._m_step(X, log_resp, **keywords)
            else:
                self._maximise(X, np.exp(log_resp))

        def _maximise(self, X: Array, resp: Array) -> None:
            mass = resp.sum(0) + 10 * np.finfo(float).eps
            self.weights_ = mass / mass.sum()
            self.means_ = resp.T @ X / mass[:, None]
            squares = [weight @ np.square(X - mean) for weight, mean in zip(resp.T, self.means_, strict=True)]
            variances = np.array(squares) / mass[:, None] + self.reg_covar
            if self.covariance_type == "spherical":
                variances = variances.mean(1)
            if not (variances > 0).all():
                raise ValueError("a component has variance 0.")
            self.covariances_, self.precisions_cholesky_ = variances, 1 / np.sqrt(variances)

        def _estimate_log_prob(self, X: Array, **keywords: Any) -> Array:
            if self.covariance_type == "full":
                return np.asarray(super()._estimate_log_prob(X, **keywords))
            scale = np.broadcast_to(
                np.reshape(self.precisions_cholesky_, (len(self.means_), -1)), self.means_.shape
            )
            columns = [
                -0.5 * np.square((X - mean) * each).sum(1) + np.log(each).sum()
                for mean, each in zip(self.means_, scale, strict=True)
            ]
            return np.stack(columns, 1) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    return Mixtures


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
