"""The promises of a generative model, checked one by one on a model of your own."""

from __future__ import annotations

import inspect
import pickle
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import madtheory as mad
from madtheory.abilities import can
from madtheory.types import Array
from madtheory.validation import check_callable

_ALPHA = 1e-6


def check_generative_model(
    model: Any, *, real: Any, n: int = 60, metric: Callable[[mad.Snapshot], Array] | None = None
) -> None:
    """Check that a model keeps the contract of `madtheory.types.GenerativeModel`.

    `fit` returns a new model and leaves template and data as they were; `sample` gives finite points of
    the right shape, each drawn independently, from the `rng` passed to it and from nothing else (no global
    generator of NumPy, Python or torch); `bias` is applied, where 1 leaves the law of the samples as it
    is, or refused by name; model and fits are picklable; two generations run in a `Loop` and repeat bit for
    bit. Where ``expand`` and ``sample_statistic`` exist, statistics must follow the law of points.

    Parameters
    ----------
    model : GenerativeModel
        The unfitted template.
    real : Source or array, shape (m, d)
        Real data that the model can be fitted to.
    n : int
        Points per fit.
    metric : function of a Snapshot, optional
        Metric that the test loop measures; by default the mean of sampled points.

    Raises
    ------
    AssertionError
        At the first broken promise; the message names it, and how to fix it.
    """
    if metric is not None:
        check_callable("metric", metric)
    real = real if can(real, "sample") else mad.data.Empirical(real)
    _check_fit(model, real, n)
    fitted = model.fit(real.sample(n, rng=np.random.default_rng(1)), rng=np.random.default_rng(2))
    _check_sample(fitted, real, n)
    _check_repeats(model, real, n)
    biased = _check_bias(fitted, n)
    if can(model, "expand"):
        _check_expand(fitted, n)
    if can(model, "sample_statistic"):
        _check_statistic(model, fitted, n, biased)
    _check_in_loop(model, real, n, metric)


def _check_fit(model: Any, real: Any, n: int) -> None:
    """Check that `fit` returns a new model, and leaves template, data and fitted models unchanged."""
    import joblib

    name = type(model).__name__
    _promise(
        not isinstance(model, type), f"{getattr(model, '__name__', name)} is a class; pass an instance of it."
    )
    for method in ("fit", "sample"):
        takes = getattr(model, method, None)
        _promise(callable(takes), f"{name} has no method {method}; a model has fit and sample.")
        _promise(_takes_rng(takes), f"{name}.{method} does not take rng; add the keyword, and draw from it.")
    try:
        pickle.loads(pickle.dumps(model))
    except Exception as error:
        raise AssertionError(
            f"{name} cannot be pickled ({error}); runs could not go to other processes."
        ) from error
    points = real.sample(n, rng=_rng(1))
    before, kept = joblib.hash(model), np.array(points, copy=True)
    fitted = _within_rng(lambda: model.fit(points, rng=_rng(2)))
    _promise(fitted is not None, f"{name}.fit returned None; return the fitted model.")
    _promise(
        fitted is not model and joblib.hash(model) == before,
        f"{name}.fit changed the template; return a new model (dataclasses.replace) and leave self as it is.",
    )
    _promise(np.array_equal(points, kept), f"{name}.fit changed its data; work on a copy.")
    _promise(can(fitted, "fit", "sample"), f"{name}.fit returned {fitted!r}, which is not a model.")
    state = joblib.hash(fitted)
    others = real.sample(n, rng=_rng(3))
    fitted.fit(others, rng=_rng(4))
    _promise(
        joblib.hash(fitted) == state,
        f"{name}.fit changed the fitted model it was called on; return a new one.",
    )
    differ = not np.array_equal(np.sort(others, axis=0), np.sort(points, axis=0))
    drawn = (_points(model.fit(these, rng=_rng(2)), 2_000) for these in (points, others))
    _promise(not differ or not np.array_equal(*drawn), f"{name}.fit ignores its data; use them.")


def _check_sample(fitted: Any, real: Any, n: int) -> None:
    """Check that `sample` gives `n` finite, independent points of the right shape, and follows its rng."""
    import joblib

    name, dim = type(fitted).__name__, real.sample(1, rng=_rng(1)).shape[-1]
    for size in (1, n):
        points = _points(fitted, size)
        _promise(
            isinstance(points, np.ndarray),
            f"{name}.sample returns a {type(points).__name__}; return a NumPy array.",
        )
        _promise(
            points.shape == (size, dim),
            f"{name}.sample({size}) has shape {points.shape}; expected {(size, dim)}.",
        )
        _promise(bool(np.isfinite(points).all()), f"{name}.sample({size}) holds values that are not finite.")
    state = joblib.hash(fitted)
    points = np.asarray(_points(fitted, 2 * n))
    _promise(joblib.hash(fitted) == state, f"{name}.sample changed the model; leave self as it is.")
    _promise(
        np.issubdtype(points.dtype, np.floating) or np.issubdtype(points.dtype, np.integer),
        f"{name}.sample returns dtype {points.dtype}; return real numbers.",
    )
    _check_independent(points, name)
    first, second, other = _within_rng(lambda: [_points(fitted, n, seed) for seed in (0, 0, 1)])
    _promise(
        np.array_equal(first, second), f"{name}.sample differs for equal rng; take all randomness from rng."
    )
    _promise(not np.array_equal(first, other), f"{name}.sample is the same for different rng; draw from rng.")


def _check_repeats(model: Any, real: Any, n: int) -> None:
    """Check that equal data and generators give equal models, and that a pickled copy is equal."""
    name, points = type(model).__name__, np.array(real.sample(n, rng=_rng(1)))
    fitted, again = (model.fit(points, rng=_rng(2)) for _ in range(2))
    copy = pickle.loads(pickle.dumps(fitted))
    _promise(
        np.array_equal(_points(fitted, n), _points(again, n)),
        f"{name}.fit gave two models from the same data and rng; take all randomness from rng.",
    )
    _promise(np.array_equal(_points(copy, n), _points(fitted, n)), f"a pickled {name} samples differently.")
    drawn = np.array(_points(fitted, n), copy=True)
    points[...] = points[:1]
    _promise(
        np.array_equal(_points(fitted, n), drawn),
        f"{name}.fit keeps its data as a view; copy what the model holds.",
    )


def _check_bias(fitted: Any, n: int) -> bool:
    """Check that `bias` is applied, or refused by an error that names it; return whether it is applied."""
    name, shape = type(fitted).__name__, np.shape(_points(fitted, n))
    try:
        points = fitted.sample(n, rng=_rng(0), bias=0.5)
    except (TypeError, ValueError, NotImplementedError) as error:
        _promise(
            "bias" in str(error), f"{name}.sample refuses bias=0.5 with {error!r}, which does not name bias."
        )
        return False
    _promise(
        np.shape(points) == shape, f"{name}.sample with bias=0.5 has shape {np.shape(points)}, not {shape}."
    )
    _promise(
        bool(np.isfinite(points).all()), f"{name}.sample with bias=0.5 holds values that are not finite."
    )
    _promise(
        not np.array_equal(points, _points(fitted, n)),
        f"{name}.sample ignores bias=0.5; apply it, or leave the argument out of the signature.",
    )
    plain, unbiased = (
        np.asarray(fitted.sample(2_000, rng=_rng(seed), **keywords), dtype=float)
        for seed, keywords in ((1, {}), (2, {"bias": 1.0}))
    )
    _same_law(plain, unbiased, f"{name}.sample with bias=1 differs in law from no bias; 1 is unbiased")
    _same_spread(
        np.asarray(fitted.sample(2_000, rng=_rng(1), bias=1.0), dtype=float),
        plain,
        f"{name}.sample with bias=1 has another spread than without bias; 1 is unbiased",
    )
    try:
        fitted.sample(n, rng=_rng(0), bias=-1.0)
    except ValueError as error:
        _promise(
            "bias" in str(error), f"{name}.sample refuses bias=-1 with {error!r}, which does not name bias."
        )
    else:
        raise AssertionError(
            f"{name}.sample accepts bias=-1; raise a ValueError that names bias and its range."
        )
    return True


def _check_expand(fitted: Any, n: int) -> None:
    """Check that `expand` adds a leading axis of independent replicates of the same law."""
    name, dim, replicates = type(fitted).__name__, np.shape(_points(fitted, 1))[-1], 400
    points = np.asarray(_points(fitted.expand(replicates), n))
    _promise(
        points.shape == (replicates, n, dim),
        f"{name}.expand({replicates}).sample({n}) has shape {points.shape}; expected {(replicates, n, dim)}.",
    )
    _promise(not np.array_equal(points[0], points[1]), f"{name}.expand repeats one draw in all replicates.")
    pooled, single = points[:, 0], np.asarray(_points(fitted, replicates, seed=1))
    _same_law(pooled, single, f"{name}.expand changes the law of sample")


def _check_statistic(model: Any, fitted: Any, n: int, biased: bool) -> None:
    """Check that models fitted to drawn statistics follow the law of those fitted to points."""
    name, replicates = type(model).__name__, 2000
    _promise(
        can(model, "expand"),
        f"{name} has sample_statistic but no expand; method='statistics' needs both.",
    )
    many = fitted.expand(replicates)
    for size in (n, max(n // 4, 3)):
        for bias in (1.0, 0.5) if biased else (1.0,):
            by_points = model.fit(many.sample(size, rng=_rng(5), bias=bias), rng=_rng(6))
            by_statistic = model.fit(many.sample_statistic(size, rng=_rng(7), bias=bias), rng=_rng(8))
            what = f"{name}: models fitted to sample_statistic(n={size}, bias={bias}) and to points differ"
            left, right = (
                np.asarray(_points(m, 200, seed)) for m, seed in ((by_points, 9), (by_statistic, 10))
            )
            _same_law(left.mean(1), right.mean(1), f"{what} in the law of their means")
            _same_law(left.var(1), right.var(1), f"{what} in the law of their variances")
            flip = np.where(np.arange(left.shape[-1]) % 2, -1.0, 1.0)
            left, right = ((p @ flip).var(1)[:, None] for p in (left, right))
            _same_law(left, right, f"{what} in the law of their correlations")


def _check_in_loop(model: Any, real: Any, n: int, metric: Callable[[mad.Snapshot], Array] | None) -> None:
    """Check that generations run, by every method, and repeat bit for bit."""

    def sampled_mean(snapshot: mad.Snapshot) -> Array:
        return np.asarray(snapshot.model.sample(20, rng=_rng(snapshot.generation)).mean((-2, -1)))

    def measure(snapshot: mad.Snapshot) -> Array:
        return (metric or sampled_mean)(snapshot)

    measured = (measure,)
    loops = [
        mad.Loop(real=real, model=model, regime=regime)
        for regime in (mad.regimes.replace(n=n), mad.regimes.fresh(n_real=n, n_synthetic=n, memory=2))
    ]
    methods = ("samples", "statistics") if can(model, "sample_statistic") else ("samples",)
    for loop in loops:
        for method in methods if can(real, "sample_statistic") else ("samples",):
            one, two = (
                mad.simulate(loop, 2, replicates=2, metrics=measured, rng=0, method=method, progress=False)  # type: ignore[arg-type]
                for _ in range(2)
            )
            what = f"{type(model).__name__} in regime {loop.regime.name!r} by method={method!r}"
            _promise(one.identical(two), f"{what} does not repeat; take all randomness from rng.")
            values = one[measured[0].__name__].values
            _promise(bool(np.isfinite(values).all()), f"{what} gives values that are not finite.")


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _points(fitted: Any, n: int, seed: int = 0) -> Any:
    return fitted.sample(n, rng=_rng(seed))


def _within_rng(draw: Callable[[], Any]) -> Any:
    """Call `draw` and check that it leaves the global generators alone: NumPy's, Python's, torch's.

    What it imports may draw from them, but once: the second call counts.
    """
    drawn, used = _watch(draw)
    if used is not None:
        drawn, used = _watch(draw)
    _promise(used is None, f"the model draws from {used}.")
    return drawn


def _watch(draw: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what `draw` returns, and the global generator that it has used, with advice."""
    torch = sys.modules.get("torch")
    python, device = random.getstate(), None if torch is None else torch.random.get_rng_state()
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    drawn = draw()
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    if str(before) != str(after) or not np.array_equal(before["state"]["key"], after["state"]["key"]):
        return drawn, "numpy's global generator; draw from the rng it is handed"
    if random.getstate() != python:
        return drawn, "Python's random; draw from the rng it gets"
    if torch is not None and not bool((torch.random.get_rng_state() == device).all()):
        return drawn, "torch's global generator; seed a torch.Generator from the rng it gets"
    return drawn, None


def _takes_rng(method: Any) -> bool:
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.name == "rng" or p.kind is p.VAR_KEYWORD for p in parameters)


def _check_independent(points: Array, name: str) -> None:
    """Check that points drawn one after another are not more alike than points far apart.

    Models of discrete points repeat them by chance, equally often near and far; `_ALPHA` on a normal scale.
    """
    half = len(points) // 2
    pairs = {
        "each with the next": (points[0 : 2 * half : 2] == points[1 : 2 * half : 2]).all(-1),
        "the first half with the second": (points[:half] == points[half : 2 * half]).all(-1),
    }
    far = (points[:half] == np.roll(points[half : 2 * half], half // 2 + 1, 0)).all(-1).mean()
    for how, alike in pairs.items():
        error = np.sqrt(max(far * (1 - far), 1 / half) / half)
        _promise(
            alike.mean() - far < 5 * error,
            f"{name}.sample returns points twice ({how}: {alike.mean():.0%} are equal); draw each anew.",
        )


def _same_law(left: Array, right: Array, message: str) -> None:
    """Compare each column by the two-sample Kolmogorov-Smirnov test."""
    from scipy.stats import ks_2samp

    p = [ks_2samp(left[:, j], right[:, j], method="asymp").pvalue for j in range(left.shape[-1])]
    _promise(min(p) > _ALPHA, f"{message} (p={min(p):.2g} < {_ALPHA:g}, Kolmogorov-Smirnov).")


def _same_spread(left: Array, right: Array, message: str) -> None:
    """Test that blocks of points, drawn from equal generators, have equal variances on average.

    Where both draw the same normals the blocks are pairs, and a difference of any size is seen.
    """
    from scipy.special import stdtr

    blocks = 20
    if np.allclose(left, right, rtol=1e-6, atol=1e-9):
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = [np.log(p.reshape(blocks, -1, p.shape[-1]).var(1)) for p in (left, right)]
        gap = pairs[0] - pairs[1]
        t = np.abs(gap.mean(0)) / np.maximum(gap.std(0, ddof=1) / np.sqrt(blocks), 1e-9)
    p = 2 * stdtr(blocks - 1, -t[np.isfinite(t)])
    _promise(not p.size or p.min() > _ALPHA, f"{message} (p={np.min(p, initial=1.0):.2g} < {_ALPHA:g}).")


def _promise(kept: Any, message: str) -> None:
    if not kept:
        raise AssertionError(message)
