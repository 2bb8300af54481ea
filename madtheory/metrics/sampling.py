"""Metrics of points as metrics of a loop: every generation is sampled once, and measured by all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from madtheory.abilities import is_set, knows
from madtheory.core import Streams, source_of
from madtheory.data import Empirical
from madtheory.files import identify
from madtheory.metrics.points import density_coverage, precision_recall
from madtheory.models import Gaussian
from madtheory.numerics import seed_globals
from madtheory.types import Array, Metric, RandomState
from madtheory.validation import (
    check_array,
    check_bias,
    check_flag,
    check_points,
    check_sample,
    check_size,
    freeze,
    known_metrics,
    show,
)

if TYPE_CHECKING:
    from madtheory.core import Snapshot


_PARTS: dict[Any, tuple[str, ...]] = {
    precision_recall: ("precision", "recall"),
    density_coverage: ("density", "coverage"),
}
_INPUTS = ("real", "fake", "labels")


def on_samples(
    *metrics: Callable[..., Any],
    reference: Any = None,
    n: int,
    features: Callable[[Array], Array] | None = None,
    bias: float | None = None,
    labelled: bool = False,
    rng: RandomState = 0,
) -> tuple[Metric, ...]:
    """Turn functions of points into metrics of a loop, for ``simulate(metrics=...)``.

    In every generation `n` points are drawn from the fitted model, once for all functions; they are not kept.

    Parameters
    ----------
    *metrics : functions
        Metrics of moments, such as `total_variance`, `log_volume`, `mean_error` and `wasserstein2_squared`,
        are computed from the mean and the unbiased covariance of the points, under the same names, so that
        theory and any generator share an axis. The contribution of the noise of `n` points to `mean_error`,
        their total variance over `n`, is subtracted: the result is unbiased, and may be negative. Any other
        function takes, by keyword, the ones that it names among ``real`` (the reference), ``fake`` (the
        generated points) and ``labels`` (their classes), and returns one number: `frechet_distance`,
        `sliced_wasserstein`, ``functools.partial(mode_coverage, centres=..., radius=...)``, `class_variance`,
        or a function of your own. `precision_recall` and `density_coverage` become two metrics each.
    reference : array, shape (m, d), or Source
        Points that the generator should produce, preferably held out from training. A source is sampled once,
        `n` points. It is not needed if no function takes ``real``. Metrics of moments compare with the mean
        and covariance of a source that has them, otherwise with those of its points (divisor one less than
        their number).
    n : int
        Number of points per replicate and generation. Most of these metrics depend on it.
    features : function, optional
        Function that maps points (m, d) to features (m, f) for ``real`` and ``fake``: called once for the
        reference, and once per snapshot for the points of all its replicates.
    bias : float, optional
        Sampling bias of the measured points; ``None`` is the model's own default sampling. It may differ
        from that of the loop.
    labelled : bool
        Whether points, also those of the reference, have their class as last coordinate. It is removed before
        `features`, and passed as ``labels``.
    rng : int, SeedSequence, Generator or None
        Seed. The points depend on it, on seed and block of the run, and on the generation: results repeat,
        and no draw of the loop changes. Draws of `features` and functions from the global generators of
        NumPy, `random` and torch (on the CPU) repeat too.

    Returns
    -------
    tuple of Metric
        Metrics with the names of the functions; for a pair ``precision``, ``recall``, ``density``,
        ``coverage``. To measure two `functools.partial` of one function, set the ``__name__`` of each; that
        of a pair is put before the names, as in ``wide_precision``.

    Raises
    ------
    ValueError
        If there is no function, one takes an argument that is not available, names repeat, or an argument is
        out of range.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory import metrics, regimes
    >>> truth = mad.Gaussian.standard(2)
    >>> loop = mad.Loop(real=truth, model=mad.Gaussian(), regime=regimes.replace(n=50))
    >>> chosen = metrics.on_samples(
    ...     metrics.frechet_distance, metrics.precision_recall, reference=truth, n=100
    ... )
    >>> [metric.__name__ for metric in chosen]
    ['frechet_distance', 'precision', 'recall']
    >>> mad.simulate(loop, 3, metrics=chosen, replicates=2, rng=0, progress=False).recall.shape
    (2, 3)
    """
    functions = tuple(_Function.of(function) for function in metrics)
    names = [name for function in functions for name in function.names]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"metrics have the names {names}; pass at least one function, and set the __name__ of "
            f"each of two partials of one function."
        )
    wanted = {key for function in functions for key in function.inputs}
    if wanted & {"real", "truth"} and reference is None:
        raise ValueError("reference=None, and a metric compares with it; pass reference=points or a source.")
    if "labels" in wanted and not labelled:
        raise ValueError(
            "labelled=False, and a metric takes labels; pass labelled=True if the last coordinate of the "
            "points is their class."
        )
    if features is not None and (not callable(features) or isinstance(features, type)):
        raise ValueError(f"features={show(features)} is not a function; pass one that maps (n, d) to (n, f).")
    sampled = _Sampled(
        functions=functions,
        n=check_size("n", n),
        features=features,
        bias=None if bias is None else check_bias(bias),
        labelled=check_flag("labelled", labelled),
        entropy=Streams.of(rng).entropy,
    )
    if wanted & {"real", "truth"}:
        points, source = reference, source_of(reference, "reference")
        given = isinstance(source, Empirical) and source is not reference
        if not given:
            points = source.sample(n, rng=np.random.default_rng(np.random.SeedSequence(sampled.entropy)))
        if is_set(points):
            raise TypeError(
                f"reference draws {type(points).__name__}, not an array of points; measure images by their "
                f"features, with madtheory.images.metrics."
            )
        points = check_points(points, "reference")
        if points.ndim != 2:
            raise ValueError(f"reference has shape {points.shape}; expected (m, d), without replicates.")
        with seed_globals(sampled.entropy % 2**32):
            real = freeze(sampled.represent(points)[0])
        object.__setattr__(sampled, "real", real)
        if "truth" in wanted:
            known = not given and features is None and not labelled and knows(source, "covariance")
            truth = Gaussian(source.mean, source.covariance) if known else _gaussian("reference", real)
            object.__setattr__(sampled, "truth", truth)
    return tuple(OnSamples(sampled, name) for name in names)


OF_MOMENTS: dict[Callable[..., Any], bool] = {}
"""Metrics that need only the mean and covariance of the model, and whether they compare with the truth."""

Measure = TypeVar("Measure", bound=Callable[..., Any])


_EXCESS: dict[Callable[..., Any], Callable[[Any], Any]] = {}
"""Contribution of the noise of one point to a metric of samples; for n points it is an n-th part."""


def of_moments(*, truth: bool, excess: Callable[[Any], Any] | None = None) -> Callable[[Measure], Measure]:
    """Return the declare that a metric needs only moments, so that it can be computed from samples.

    `excess` is a metric too: samples of n points add an n-th part of it on average.
    """

    def declare(metric: Measure) -> Measure:
        OF_MOMENTS[metric] = truth
        if excess is not None:
            _EXCESS[metric] = excess
        return metric

    return declare


@dataclass(frozen=True)
class _OfMoments:
    """A metric of the Gaussian of the mean and unbiased covariance of points."""

    metric: Callable[..., Any]

    def __call__(self, *, fake: Array, truth: Any = None) -> Any:
        snapshot = SimpleNamespace(model=_gaussian("the sample of the model", fake), real=truth)
        value, excess = self.metric(snapshot), _EXCESS.get(self.metric)
        return value if excess is None else value - excess(snapshot) / len(fake)


def _gaussian(name: str, points: Array) -> Gaussian:
    if len(points) < 2:
        raise ValueError(f"{name} has {len(points)} point, and a covariance needs two; use a larger n.")
    return Gaussian(ddof=1).fit(points)


@dataclass(frozen=True)
class _Function:
    """A function of points, the names of its numbers, and the arguments that it takes."""

    call: Callable[..., Any]
    names: tuple[str, ...]
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, function: Any) -> _Function:
        """Read the names from a function or a partial."""
        for metric, compares in OF_MOMENTS.items():
            if function is metric:
                return cls(_OfMoments(metric), (metric.__name__,), ("fake", *(["truth"] if compares else [])))
        base = getattr(function, "func", function)
        own = getattr(function, "__name__", None)
        name = getattr(base, "__name__", None) if own is None else own
        usable = callable(function) and not isinstance(function, type)
        if not usable or not isinstance(name, str) or not name.isidentifier():
            raise ValueError(
                f"metrics holds {show(function)}; pass functions with a name, defined by def, such as "
                f"metrics.frechet_distance{known_metrics('fake')}."
            )
        try:
            parameters = inspect.signature(function).parameters
        except ValueError:  # a builtin without a signature
            parameters = MappingProxyType({})
        # Arguments that a partial has bound are not passed again.
        bound = getattr(function, "keywords", {})
        inputs = tuple(key for key in _INPUTS if key in parameters and key not in bound)
        if not {"fake", "labels"} & set(inputs):
            raise ValueError(
                f"metrics holds {name}, which takes neither fake nor labels; write it as a function of "
                f"real=, fake= and labels=, of which it may leave out some."
            )
        parts = _PARTS.get(base)
        if parts is None:
            return cls(function, (name,), inputs)
        prefix = "" if own is None or function is base else f"{own}_"
        return cls(function, tuple(prefix + part for part in parts), inputs)

    def __call__(self, given: dict[str, Any]) -> Array:
        """Return the numbers, shape (len(names),)."""
        value = self.call(**{key: given[key] for key in self.inputs})
        numbers = np.atleast_1d(np.asarray(value, dtype=float))
        if numbers.shape != (len(self.names),):
            raise ValueError(
                f"metric {self.names[0]} returned shape {np.shape(value)}; on_samples expects one number."
            )
        return numbers


@dataclass(frozen=True, eq=False)
class _Sampled:
    """The shared state of the metrics of one call of `on_samples`."""

    functions: tuple[_Function, ...]
    n: int
    features: Callable[[Array], Array] | None
    bias: float | None
    labelled: bool
    entropy: int
    real: Array | None = None
    truth: Gaussian | None = None
    kept: WeakKeyDictionary[Snapshot, dict[str, Array]] = field(default_factory=WeakKeyDictionary, repr=False)
    """The numbers of the last snapshot, as long as that exists."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, f.name) for f in fields(self) if f.name != "kept")

    def represent(self, points: Array) -> tuple[Array, Array]:
        """Return the features of points (*replicate, n, d), and their classes."""
        labels = points[..., -1]
        if self.labelled:
            if points.shape[-1] < 2:
                raise ValueError("points have one coordinate, which labelled=True takes as the class.")
            points = points[..., :-1]
        if self.features is None:
            return points, labels
        mapped = check_array(self.features(points.reshape(-1, points.shape[-1])), "features(points)")
        if mapped.ndim != 2 or len(mapped) != points[..., 0].size:
            raise ValueError(
                f"features returned shape {mapped.shape} for {points[..., 0].size} points; expected "
                f"({points[..., 0].size}, f)."
            )
        return mapped.reshape(*points.shape[:-1], -1), labels

    def values(self, snapshot: Snapshot) -> dict[str, Array]:
        """Return all numbers of a snapshot, each with the shape of its replicates."""
        numbers = self.kept.get(snapshot)
        if numbers is None:
            numbers = self.measure(snapshot)
            self.kept.clear()
            self.kept[snapshot] = numbers
        return numbers

    def measure(self, snapshot: Snapshot) -> dict[str, Array]:
        """Draw points, map them to features, and measure them."""
        streams = snapshot.streams
        address = (streams.block, snapshot.generation)
        seed = np.random.SeedSequence([self.entropy, streams.entropy], spawn_key=address)
        bias = {} if self.bias is None else {"bias": self.bias}
        drawn = snapshot.model.sample(self.n, rng=np.random.default_rng(seed), **bias)
        rows, name = [], f"{type(snapshot.model).__name__}.sample({self.n})"
        # Functions of the user may draw random numbers, which must repeat too.
        with seed_globals(int(seed.generate_state(1)[0])):
            drawn = check_points(check_sample(drawn, self.n, name), name)
            fake, labels = self.represent(drawn)
            if self.real is not None and fake.shape[-1] != self.real.shape[-1]:
                raise ValueError(
                    f"{name} has points of dimension {fake.shape[-1]}, and the reference has dimension "
                    f"{self.real.shape[-1]}; pass a reference of the same dimension, or correct the model."
                )
            lead = fake.shape[:-2]
            for index in np.ndindex(*lead):
                given: dict[str, Any] = {"fake": fake[index], "labels": labels[index]}
                if self.real is not None:
                    given |= {"real": self.real, "truth": self.truth}
                rows.append(np.concatenate([function(given) for function in self.functions]))
        table = np.reshape(rows, (*lead, -1))
        names = [name for function in self.functions for name in function.names]
        return {name: table[..., i] for i, name in enumerate(names)}


@dataclass(frozen=True, eq=False)
class OnSamples:
    """A metric: one number of each snapshot."""

    sampled: _Sampled = field(repr=False)
    name: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "__name__", self.name)

    def __getattr__(self, name: str) -> str:
        if name != "__qualname__":
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        return f"on_samples.{self.name}.{identify(self.sampled).digest[:32]}"

    def __call__(self, snapshot: Snapshot) -> Array:
        """Return one number per replicate, from the sample that all metrics of the set share."""
        return self.sampled.values(snapshot)[self.name]
