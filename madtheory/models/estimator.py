"""Any scikit-learn estimator that can sample, as a generator for `Loop`."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from madtheory._validation import check_points, check_size
from madtheory.data import Moments, Weighted
from madtheory.types import Array

__all__ = ["Estimator"]


@dataclass(frozen=True, eq=False)
class Estimator:
    """A scikit-learn estimator that can sample: ``Loop(model=Estimator(GaussianMixture(3)), ...)``.

    Each fit is a clone, so that `estimator` and every fitted model stay as they are; one with
    ``warm_start=True`` goes on from the previous fit if the `Loop` has ``warm_start=True``. Every
    ``random_state`` among its parameters, and that of ``sample``, is drawn from `rng`: replicates are
    independent, and results repeat. Samples come in random order, without the labels that mixtures add.

    Parameters
    ----------
    estimator : scikit-learn estimator
        For example GaussianMixture, BayesianGaussianMixture or KernelDensity (kernel gaussian or tophat).

    Raises
    ------
    TypeError
        If the estimator cannot be fitted and sampled from.
    """

    estimator: Any
    _fitted: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        name = getattr(self.estimator, "__name__", type(self.estimator).__name__)
        if isinstance(self.estimator, type):
            raise TypeError(f"estimator={name} is a class; pass an instance, Estimator({name}(...)).")
        missing = [m for m in ("fit", "sample") if not callable(getattr(self.estimator, m, None))]
        if missing:
            raise TypeError(
                f"estimator={name} has no method {' and '.join(missing)}, so a loop cannot "
                f"{'train it' if 'fit' in missing else 'draw synthetic data from it'}. Estimators of "
                f"scikit-learn that can: GaussianMixture, BayesianGaussianMixture, KernelDensity."
            )

    def fit(self, data: Any, *, rng: np.random.Generator) -> Estimator:
        """Fit a clone to points (n, d), or to `Weighted` points if the estimator takes ``sample_weight``."""
        from sklearn.base import clone

        keywords = {}
        if isinstance(data, Weighted):
            if "sample_weight" not in inspect.signature(self.estimator.fit).parameters:
                raise ValueError(
                    f"data are weighted, and {type(self.estimator).__name__}.fit takes no sample_weight; use "
                    f"a regime without weights."
                )
            keywords, data = {"sample_weight": data.weights}, data.points
        if isinstance(data, Moments):
            raise ValueError("data are Moments; an Estimator is fitted to points: use method='samples'.")
        points = check_points(data)
        if points.ndim != 2:
            raise ValueError(f"data has shape {points.shape}; an Estimator takes one replicate, (n, d).")
        keep = self._fitted and getattr(self.estimator, "warm_start", False)
        new = copy.deepcopy(self.estimator) if keep else clone(self.estimator, safe=False)
        fitted = Estimator(_seeded(new, rng))
        new.fit(points, **keywords)
        object.__setattr__(fitted, "_fitted", True)
        return fitted

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (n, d). `bias` is refused: scikit-learn samples without one."""
        if bias is not None:
            raise ValueError(
                f"bias={bias!r}: {type(self.estimator).__name__} samples without bias; leave it out, or use "
                f"madtheory's Mixture or KernelDensity."
            )
        if not self._fitted:
            raise ValueError("this Estimator is not fitted; call fit(data).")
        # A shallow copy: its random_state changes, the fitted estimator's does not.
        source, keywords = _seeded(copy.copy(self.estimator), rng), {}
        if "random_state" in inspect.signature(source.sample).parameters:
            keywords["random_state"] = _seed(rng)
        drawn = source.sample(check_size("n", n), **keywords)
        points = np.asarray(drawn[0] if isinstance(drawn, tuple) else drawn, dtype=float)
        return points[rng.permutation(len(points))]


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _seeded(estimator: Any, rng: np.random.Generator) -> Any:
    """Set the estimator's own ``random_state``, and those of the estimators it holds."""
    if hasattr(estimator, "get_params"):
        names = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
        estimator.set_params(**{name: _seed(rng) for name in sorted(names)})
    return estimator
