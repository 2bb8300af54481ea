"""Any scikit-learn estimator that can sample, as a generator for `Loop`."""

from __future__ import annotations

import copy
import inspect
import random
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from madtheory.data import Moments, Weighted
from madtheory.models.gaussian import Gaussian, OnceKnown
from madtheory.models.kernel_density import KernelDensity
from madtheory.numerics import one_openmp_thread, one_thread, seed_globals
from madtheory.types import Array
from madtheory.validation import check_points, check_size

_WITH_MOMENTS = ("GaussianMixture", "BayesianGaussianMixture", "KernelDensity")


@dataclass(frozen=True, eq=False)
class Estimator:
    """A scikit-learn estimator that can sample: ``Loop(model=Estimator(GaussianMixture(3)), ...)``.

    Each fit is a clone, so that `estimator` and every fitted model do not change; one with
    ``warm_start=True`` continues from the previous fit if the `Loop` has ``warm_start=True``. Samples come in
    random order, without the labels that mixtures add.

    Replicates are independent, and results repeat: every ``random_state`` among its parameters, that of
    ``sample``, and every generator of NumPy or `random` among its attributes is seeded from `rng`. So are,
    while an estimator of another package is fitted or sampled, the global generators of NumPy, of `random`,
    and of torch on the CPU if it is imported; afterwards those of the caller continue where they were.

    Of scikit-learn's own mixtures and KernelDensity the moments are known in closed form.

    Parameters
    ----------
    estimator : scikit-learn estimator
        Estimator to wrap, for example GaussianMixture, BayesianGaussianMixture or KernelDensity (kernel
        gaussian or tophat).

    Raises
    ------
    TypeError
        If the estimator cannot be fitted and sampled from, or is a model that needs no wrapper.
    ValueError
        If it is a KernelDensity with a kernel that scikit-learn does not sample from.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KernelDensity
    >>> import madtheory as mad
    >>> kernels = mad.Estimator(KernelDensity(bandwidth=0.5))
    >>> fitted = kernels.fit([[-1.0], [1.0]], rng=np.random.default_rng(0))
    >>> round(float(fitted.covariance[0, 0]), 9)
    1.25
    """

    estimator: Any
    _fitted: bool = field(default=False, init=False, repr=False)
    _states: tuple[str, ...] = field(default=(), init=False, repr=False)
    _trusted: bool = field(default=False, init=False, repr=False)
    _takes_state: bool = field(default=False, init=False, repr=False)

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
        package = type(self.estimator).__module__.partition(".")[0]
        if package == "madtheory":
            raise TypeError(
                f"estimator={name} is a model of madtheory already; pass it directly, without Estimator."
            )
        kernel = getattr(self.estimator, "kernel", None)
        if package == "sklearn" and name == "KernelDensity" and kernel not in ("gaussian", "tophat"):
            raise ValueError(
                f"estimator=KernelDensity(kernel={kernel!r}) cannot be sampled from, by scikit-learn; choose "
                f"kernel='gaussian' or 'tophat'."
            )
        # Determined once: this costs more than a sample.
        settings = self.estimator.get_params() if hasattr(self.estimator, "get_params") else {}
        states = sorted(name for name in settings if name.split("__")[-1] == "random_state")
        parts = [self.estimator, *(value for value in settings.values() if _has_code(value))]
        trusted = all(type(part).__module__.split(".")[0] == "sklearn" for part in parts)
        object.__setattr__(self, "_states", tuple(states))
        object.__setattr__(self, "_trusted", trusted and set(states) <= {"random_state"})
        object.__setattr__(self, "_takes_state", "random_state" in _parameters(self.estimator.sample))

    @property
    def takes_weights(self) -> bool:
        """Whether the estimator's ``fit`` takes ``sample_weight``."""
        return "sample_weight" in _parameters(self.estimator.fit)

    def lacks(self, name: str) -> str | None:
        """Return why this model does not have a method or property; ``None`` if it has."""
        kind = type(self.estimator)
        known = kind.__module__.split(".")[0] == "sklearn" and kind.__name__ in _WITH_MOMENTS
        if name in ("moments", "mean", "covariance") and not known:
            return f"Estimator of {kind.__name__} knows no {name}"
        return None

    @OnceKnown
    def moments(self) -> Gaussian:
        """The Gaussian of the mean and covariance of a mixture or a KernelDensity of scikit-learn."""
        if (obstacle := self.lacks("moments")) is not None:
            raise TypeError(f"{obstacle}; measure its samples instead, by metrics.on_samples(...).")
        self._check_fitted()
        fitted = self.estimator
        if type(fitted).__name__ == "KernelDensity":
            points, weights = np.array(fitted.tree_.data), fitted.tree_.sample_weight
            # A ball of radius h in d dimensions has the variance h^2 / (d + 2) in each coordinate.
            ratio = 1.0 if fitted.kernel == "gaussian" else 1 / np.sqrt(points.shape[-1] + 2)
            data = points if weights is None else Weighted(points, np.array(weights))
            return KernelDensity(ratio * float(fitted.bandwidth_)).fit(data).moments
        weights, inner = fitted.weights_, fitted.covariances_
        mean = weights @ fitted.means_
        if fitted.covariance_type in ("diag", "spherical"):
            inner = inner.reshape(len(weights), -1, 1) * np.eye(len(mean))
        if fitted.covariance_type != "tied":
            inner = np.tensordot(weights, inner, 1)
        off = fitted.means_ - mean
        return Gaussian(mean, inner + (weights * off.T) @ off)

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return np.asarray(self.moments.mean)

    @property
    def covariance(self) -> Array:
        """Covariance, shape (d, d)."""
        return np.asarray(self.moments.covariance)

    def fit(self, data: Any, *, rng: np.random.Generator) -> Estimator:
        """Fit a clone to points (n, d), or to `Weighted` points if the estimator takes ``sample_weight``."""
        from sklearn.base import clone

        keywords = {}
        if isinstance(data, Weighted):
            if not self.takes_weights:
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
        self._seed_parts(new, rng)
        # Sums of scikit-learn would depend on the number and the order of threads.
        with self._globals(rng), one_thread, one_openmp_thread():
            # A copy of the points: some estimators keep what they are fitted to.
            made = new.fit(points.copy(), **keywords)
        # Most return themselves or nothing; if another model is returned, that one is the fitted one.
        new = made if callable(getattr(made, "sample", None)) else new
        fitted = copy.copy(self)
        object.__setattr__(fitted, "estimator", new)
        object.__setattr__(fitted, "_fitted", True)
        return fitted

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Array:
        """Draw `n` points, shape (n, d). `bias` is refused: scikit-learn samples without one."""
        if bias is not None:
            raise ValueError(
                f"bias={bias!r}: {type(self.estimator).__name__} samples without bias; leave it out, or use "
                f"madtheory's Mixture or KernelDensity."
            )
        self._check_fitted()
        n, source = check_size("n", n), self.estimator
        keywords: dict[str, Any] = {}
        if self._trusted:
            # Estimators of scikit-learn draw only from the generator that they are given.
            state = np.random.RandomState(rng.bit_generator)
            if self._states:
                source = copy.copy(source)
                source.random_state = state
            if self._takes_state:
                keywords["random_state"] = state
            drawn = source.sample(n, **keywords)
        else:
            # A copy: its generators are seeded, those of the fitted estimator are not.
            nested = any("__" in name for name in self._states)
            source = copy.deepcopy(source) if nested else copy.copy(source)
            self._seed_parts(source, rng)
            if self._takes_state:
                keywords["random_state"] = _seed(rng)
            with self._globals(rng):
                drawn = source.sample(n, **keywords)
        points = check_points(
            drawn[0] if isinstance(drawn, tuple) else drawn, f"{type(source).__name__}.sample({n})"
        )
        return points[rng.permutation(len(points))]

    def log_density(self, points: Any) -> Array:
        """Return the log density at points (n, d), shape (n,): the estimator's ``score_samples``.

        Raises
        ------
        ValueError
            If the estimator is not fitted.
        TypeError
            If the estimator has no ``score_samples``.
        """
        self._check_density()
        self._check_fitted()
        checked = check_points(points, "points")
        if checked.ndim != 2:
            raise ValueError(f"points has shape {checked.shape}; an Estimator takes (n, d).")
        return np.asarray(self.estimator.score_samples(checked), dtype=float)

    def _check_fitted(self) -> None:
        if not self._fitted:
            raise ValueError("this Estimator is not fitted; call fit(data).")

    def _check_density(self) -> None:
        if not callable(getattr(self.estimator, "score_samples", None)):
            raise TypeError(
                f"{type(self.estimator).__name__} has no method score_samples, so that its density is not "
                f"known; measure its samples instead, by metrics.on_samples(...)."
            )

    def _globals(self, rng: np.random.Generator) -> AbstractContextManager[None]:
        """Return the context in which foreign code runs."""
        return nullcontext() if self._trusted else seed_globals(_seed(rng))

    def _seed_parts(self, estimator: Any, rng: np.random.Generator) -> None:
        """Seed every ``random_state`` of an estimator and of those it holds, and its generators."""
        if self._states:
            estimator.set_params(**{name: _seed(rng) for name in self._states})
        for name, value in sorted(getattr(estimator, "__dict__", {}).items()):
            if isinstance(value, np.random.Generator):
                setattr(estimator, name, np.random.default_rng(_seed(rng)))
            elif isinstance(value, np.random.RandomState):
                setattr(estimator, name, np.random.RandomState(np.random.PCG64(_seed(rng))))
            elif isinstance(value, random.Random):
                setattr(estimator, name, random.Random(_seed(rng)))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _has_code(value: Any) -> bool:
    """Return whether a parameter may draw random numbers: an estimator or a function."""
    return callable(value) or hasattr(value, "get_params")


def _parameters(method: Any) -> Any:
    """Return the names of the parameters of a method; empty if it has no signature."""
    try:
        return inspect.signature(method).parameters
    except (TypeError, ValueError):
        return ()
