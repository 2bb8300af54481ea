"""Adapters from what users pass as real data or as a model to the objects that a loop works with."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from madtheory import data
from madtheory.models import Estimator, ExponentialFamily, KernelDensity, Pareto
from madtheory.numerics import seed_globals
from madtheory.types import Array
from madtheory.validation import check_array, check_points, check_size, show


@dataclass(frozen=True, eq=False)
class Foreign:
    """A law of another package as real data: points (n, d) from `rng` alone.

    Attributes
    ----------
    law : distribution
        Law of ``scipy.stats`` or ``torch.distributions``, or any object with ``sample(n)``.
    draw : function
        ``draw(law, n, rng)`` returns points of shape (n, d), or (n,).
    """

    law: Any
    draw: Callable[[Any, int, np.random.Generator], Any] = field(repr=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(law={_describe(self.law)})"

    def sample(self, n: int, *, rng: np.random.Generator) -> Array:
        """Draw `n` points, shape (n, d)."""
        many = check_size("n", n)
        drawn = check_array(self.draw(self.law, many, rng), f"the sample of {type(self.law).__name__}")
        # Some laws of SciPy return a single draw without its axis.
        return check_points(drawn.reshape(many, -1), f"the sample of {type(self.law).__name__}")


@dataclass(frozen=True, eq=False, repr=False)
class ForeignWithMoments(Foreign):
    """A foreign law whose mean, shape (d,), and covariance, shape (d, d), are known."""

    moments: tuple[Array, Array] = field(repr=False)

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return self.moments[0]

    @property
    def covariance(self) -> Array:
        """Covariance, shape (d, d)."""
        return self.moments[1]


def source_of(value: Any, name: str = "real") -> Any:
    """Return a source of real data.

    A source stays as it is. Points (arrays, frames, tensors, lists) stand for the uniform law on their rows;
    distributions of ``scipy.stats`` and ``torch.distributions``, and fitted estimators of other packages, are
    wrapped.
    """
    kind = type(value)
    if isinstance(value, type):
        raise TypeError(
            f"{name}={value.__name__} is a class; pass an instance, such as {value.__name__}(...)."
        )
    package = _packages(kind)
    if "scipy" in package and (
        hasattr(value, "rvs") or hasattr(value, "resample") or hasattr(value, "sample")
    ):
        return _of_scipy(value, name)
    if "torch" in package and hasattr(value, "rsample"):
        return _of_torch(value, name)
    if isinstance(value, Estimator):
        return value if value._fitted else _of_estimator(value.estimator, name)
    if callable(getattr(value, "sample", None)):
        if takes(value.sample, "rng"):
            return value
        if not hasattr(value, "__array__"):
            return _of_estimator(value, name)
    if not hasattr(value, "__array__") and (callable(value) or callable(getattr(value, "fit", None))):
        raise TypeError(
            f"{name}={show(value)} has no method sample(n, *, rng), from which real data could be drawn; "
            f"pass an object that has one, a law of scipy.stats, a fitted estimator that can sample such as "
            f"GaussianMixture, or an array of points, shape (n, d)."
        )
    return data.Empirical(check_points(value, name))


def is_law_by_generation(value: Any) -> bool:
    """Return whether real data are a function of the generation: a callable that is not itself a source."""
    own = ("sample", "rvs", "resample", "rsample", "fit", "__array__")
    return callable(value) and not isinstance(value, type) and not any(hasattr(value, name) for name in own)


def source_at(law: Callable[[int], Any], generation: int) -> Any:
    """Return the source of real data at a generation, from a function of the generation."""
    name = f"real({generation})"
    found, problem = None, None
    try:
        found = law(generation)
    except Exception as error:  # whatever the function raises
        problem = error
    if not hasattr(found, "sample") and not hasattr(found, "rvs"):
        what = show(found) if problem is None else f"{type(problem).__name__}: {problem}"
        raise TypeError(
            f"real={_describe(law)} has no method sample(n, *, rng), from which real data could be drawn, "
            f"and does not return a source for a generation either ({name} is {what}); pass a source such as "
            f"mad.Gaussian.standard(2), or a function of the generation that returns one (of points: "
            f"madtheory.data.Empirical(points))."
        ) from problem
    return source_of(found, name)


def model_of(value: Any) -> Any:
    """Return a model unchanged; wrap an estimator of another package, which takes no ``rng``."""
    kind = type(value)
    if isinstance(value, type):
        raise TypeError(
            f"model={value.__name__} is a class, not an instance with fit and sample; pass "
            f"{value.__name__}(...)."
        )
    methods = [getattr(value, method, None) for method in ("fit", "sample")]
    missing = [name for name, m in zip(("fit", "sample"), methods, strict=True) if not callable(m)]
    if missing or hasattr(value, "__array__"):
        raise TypeError(
            f"model={show(value)} is not an instance with fit and sample; pass a model such as "
            f"Gaussian(), an estimator that can sample such as GaussianMixture(3), or a class of your own "
            f"(see madtheory.types.GenerativeModel)."
        )
    with_rng = [takes(method, "rng") for method in methods]
    if all(with_rng):
        return value
    if any(with_rng):
        missed = "sample" if with_rng[0] else "fit"
        raise TypeError(
            f"model of type {kind.__name__}: its method {missed} does not take the keyword "
            f"rng, and the other method does; write fit(self, data, *, rng) and sample(self, n, *, rng)."
        )
    return Estimator(copy.deepcopy(value))


def _describe(law: Any) -> str:
    """Describe a law without the address in memory that foreign objects print."""
    text = show(law)
    if " at 0x" not in text:
        return text
    given = [repr(value) for value in getattr(law, "args", ())]
    given += [f"{key}={value!r}" for key, value in getattr(law, "kwds", {}).items()]
    name = getattr(getattr(law, "dist", None), "name", None)
    return f"{name}({', '.join(given)})" if name else f"{type(law).__name__.removesuffix('_frozen')}(...)"


def check_bias_of_model(model: Any, bias: float) -> None:
    """Refuse a sampling bias that the model cannot apply."""
    name = type(model).__name__
    if isinstance(model, Estimator):
        raise ValueError(
            f"bias={show(bias)}: {type(model.estimator).__name__} samples without bias; leave it out, or "
            f"use "
            f"madtheory's Mixture or KernelDensity."
        )
    if not takes(model.sample, "bias"):
        raise TypeError(
            f"bias={show(bias)}: {name}.sample does not take the keyword bias; leave bias out of the "
            f"loop, or "
            f"write sample(self, n, *, rng, bias=None)."
        )
    if isinstance(model, (ExponentialFamily, Pareto)) and bias != 1:
        raise ValueError(f"bias={show(bias)} is not defined for {name}; leave it out.")
    if isinstance(model, KernelDensity) and model.bandwidth == 0 and bias != 1:
        raise ValueError(
            f"bias={show(bias)} scales the kernel, and the bootstrap (bandwidth=0) has none; leave it out."
        )


def takes(function: Any, keyword: str) -> bool:
    """Return whether a function accepts a keyword; assumed of one whose signature is unknown."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _packages(kind: type) -> set[str]:
    """Return the packages that define a type and its bases."""
    return {base.__module__.partition(".")[0] for base in kind.__mro__}


def _of_scipy(law: Any, name: str) -> Foreign:
    if hasattr(law, "resample"):
        own = copy.deepcopy(law)
        spread = _cov_about(own) + np.atleast_2d(own.covariance)
        return ForeignWithMoments(own, _resample, (own.dataset @ own.weights, spread))
    if hasattr(law, "sample"):
        return _with_moments(law, _sample_scipy)
    if getattr(law, "numargs", 0) or not hasattr(law, "random_state"):
        raise TypeError(
            f"{name} is the family {getattr(law, 'name', type(law).__name__)!r} of scipy.stats; give it its "
            f"parameters, as in scipy.stats.gamma(a=2.0)."
        )
    # A family without shape parameters, such as stats.norm, stands for its standard law.
    law = law() if hasattr(law, "numargs") else law
    batch = _batch_of_scipy(law)
    if len(batch) > 1:
        raise ValueError(
            f"{name} is a law of scipy.stats whose parameters have the shape {batch}; expected numbers, or "
            f"one for each coordinate, shape (d,)."
        )
    if getattr(getattr(law, "dist", None), "name", None) in _CIRCULAR:
        return Foreign(law, _rvs)
    return _with_moments(law, _rvs)


_CIRCULAR = ("vonmises", "vonmises_line", "wrapcauchy")
"""Laws of angles: their mean and variance are not those of the numbers drawn, which are wrapped."""


def _batch_of_scipy(law: Any) -> tuple[int, ...]:
    """Return the shape of the parameters of a frozen univariate law, one entry for each coordinate."""
    if not hasattr(law, "dist") or not hasattr(law, "kwds"):
        return ()
    return np.broadcast_shapes(*(np.shape(value) for value in (*law.args, *law.kwds.values())))


def _rvs(law: Any, n: int, rng: np.random.Generator) -> Any:
    return law.rvs(size=(n, *_batch_of_scipy(law)) if _batch_of_scipy(law) else n, random_state=rng)


def _resample(law: Any, n: int, rng: np.random.Generator) -> Any:
    return law.resample(n, seed=rng).T


def _sample_scipy(law: Any, n: int, rng: np.random.Generator) -> Any:
    return law.sample(n, rng=rng)


def _cov_about(kde: Any) -> Any:
    """Return the weighted covariance of the points of a kernel density (divisor: sum of the weights)."""
    return np.atleast_2d(np.cov(kde.dataset, aweights=kde.weights, ddof=0))


def _with_moments(law: Any, draw: Callable[[Any, int, np.random.Generator], Any]) -> Foreign:
    """Wrap a law together with its mean and covariance, if it knows them and they are finite."""

    def ask(*names: str) -> Any:
        for name in names:
            found = getattr(law, name, None)
            if found is not None:
                return found() if callable(found) else found
        return None

    try:
        with np.errstate(all="ignore"):
            mean = np.asarray(ask("mean"), dtype=float)
            spread = np.asarray(ask("cov", "var", "variance"), dtype=float)
    except Exception:  # whatever a foreign law raises where it has no such moment
        return Foreign(law, draw)
    if mean.ndim == 0 and spread.ndim == 0:
        mean, spread = mean[None], spread[None, None]
    if batch := _batch_of_scipy(law):
        mean, spread = np.broadcast_to(mean, batch), np.diag(np.broadcast_to(spread, batch))
    if mean.ndim == 1 and spread.shape == (mean.size, mean.size) and np.isfinite(spread).all():
        return (
            ForeignWithMoments(law, draw, (mean, spread)) if np.isfinite(mean).all() else Foreign(law, draw)
        )
    return Foreign(law, draw)


def _of_torch(law: Any, name: str) -> Foreign:
    batch, event = tuple(law.batch_shape), tuple(law.event_shape)
    if len(batch) + len(event) > 1:
        raise ValueError(
            f"{name} is a {type(law).__name__} with batch_shape {batch} and event_shape {event}; expected "
            f"one point per draw, shape (d,): torch.distributions.Independent makes coordinates of a batch."
        )
    own = Foreign(law, _sample_torch)
    if _is_circular(law):
        return own
    try:
        mean, variance = (np.atleast_1d(check_array(v, name)) for v in (law.mean, law.variance))
        full = getattr(law, "covariance_matrix", None)
        covariance = np.diag(variance) if full is None else check_array(full, name)
        independent = full is not None or len(event) == 0 or type(law).__name__ == "Independent"
    except Exception:  # whatever a foreign law raises where it has no such moment
        return own
    if not (independent and np.isfinite(mean).all() and np.isfinite(covariance).all()):
        return own
    return ForeignWithMoments(law, _sample_torch, (mean.astype(float), covariance.astype(float)))


def _is_circular(law: Any) -> bool:
    """Return whether a law is VonMises or built from it: its variance is the circular one."""
    inner = getattr(law, "base_dist", getattr(law, "_component_distribution", None))
    return type(law).__name__ == "VonMises" or (inner is not None and _is_circular(inner))


def _sample_torch(law: Any, n: int, rng: np.random.Generator) -> Any:
    """Draw with torch's generators seeded from `rng`, and restore their state."""
    import torch

    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(int(rng.integers(2**63)))
        return law.sample((n,))


def _of_estimator(value: Any, name: str) -> Any:
    """Return a fitted estimator of another package as real data."""
    kind = type(value).__name__
    fitted = getattr(value, "fitted", getattr(value, "is_fitted", True))
    if hasattr(value, "get_params"):
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(value)
        except NotFittedError:
            fitted = False
        except TypeError:
            pass
    if fitted is False:
        raise ValueError(
            f"{name} is a {kind} that is not fitted; fit it to real points first: {name}.fit(X)."
        )
    if not callable(getattr(value, "fit", None)):
        return Foreign(copy.deepcopy(value), _sample_foreign)
    source = Estimator(copy.deepcopy(value))
    object.__setattr__(source, "_fitted", True)
    return source


def _sample_foreign(law: Any, n: int, rng: np.random.Generator) -> Any:
    """Draw with the global generators seeded from `rng`, and restore their state."""
    with seed_globals(int(rng.integers(2**31))):
        drawn = law.sample(n)
    return drawn[0] if isinstance(drawn, tuple) else drawn
