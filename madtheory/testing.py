"""Public test tools: strategies for loops, calibrated assertions, conformance of a model of one's own.

The strategies need the package ``hypothesis``; nothing else here does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

import madtheory as mad
from madtheory.types import Array

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "REGIMES",
    "Growing",
    "assert_mean_matches",
    "assert_rate_matches",
    "check_generative_model",
    "gaussians",
    "loops",
    "power",
    "regimes",
    "sizes",
    "smallest_detectable",
]

REGIMES = ("replace", "augment", "accumulate", "accumulate_subsample", "fresh", "custom")
"""Names of the regimes that `regimes` draws: every row of the table of closed forms."""


# Calibrated assertions ------------------------------------------------------------------------------


def power(error: float, *, std: float, n: int, limit: float = 5.0) -> float:
    r"""Probability that `assert_mean_matches` rejects an expectation that is wrong by `error`.

    .. math:: \Phi(\delta - \ell) + \Phi(-\delta - \ell), \quad \delta = |\mathrm{error}| \sqrt n/\mathrm{std}

    Parameters
    ----------
    error : float
        Difference between the true mean and the expectation.
    std : float
        Standard deviation of one sample.
    n : int
        Number of samples.
    limit : float
        Largest accepted number of standard errors; 5 raises 5.7e-7 false alarms per comparison.
    """
    from scipy.special import ndtr

    shift = abs(error) * math.sqrt(n) / std if std > 0 else math.inf
    return float(ndtr(shift - limit) + ndtr(-shift - limit))


def smallest_detectable(*, std: float, n: int, limit: float = 5.0, probability: float = 0.9) -> float:
    """Smallest error of an expectation that is rejected with the given probability."""
    from scipy.special import ndtri

    return float((limit + ndtri(probability)) * std / math.sqrt(n))


def assert_mean_matches(
    samples: ArrayLike,
    expected: ArrayLike,
    *,
    std: ArrayLike | None = None,
    limit: float = 5.0,
    bound: Literal["lower", "upper"] | None = None,
    rtol: float = 1e-9,
    name: str = "mean",
) -> None:
    """Assert that samples have the expected mean, to within `limit` standard errors.

    The tolerance follows from the run, not from taste: the standard error is the theoretical one where `std`
    is given, else that of the samples. The message of a failure shows z, the number of samples and the
    smallest error that a run of this size detects.

    Parameters
    ----------
    samples : array, shape (replicate,) or (replicate, generation)
        Independent along the first axis.
    expected : float or array, shape (generation,)
        Infinities are expected of every sample.
    std : float or array, shape (generation,), optional
        Standard deviation of one sample, from theory. Prefer it: under heavy tails the sample's is too small.
    bound : {"lower", "upper"}, optional
        `expected` bounds the mean from that side; only a violation is an error.
    rtol : float
        Relative error to forgive: rounding by default, the stated accuracy for a numerical approximation.
    """
    x = np.asarray(samples, dtype=float)
    n = len(x)
    x = x.reshape(n, -1)
    if n < 2 and std is None:
        raise ValueError(f"samples has {n} replicates; a standard error needs 2 or more, or pass std.")
    want = np.broadcast_to(np.asarray(expected, dtype=float), x.shape[1:])
    unlike = np.isinf(want) & ~(x == want).all(0) if bound is None else np.zeros(len(want), bool)
    finite = np.isfinite(want)
    safe = np.where(finite, x, 0.0)
    with np.errstate(invalid="ignore"):
        mean, spread = safe.mean(0), safe.std(0, ddof=1) if std is None else np.asarray(std, dtype=float)
    deviation = np.broadcast_to(spread, mean.shape)
    error = deviation / math.sqrt(n)
    gap = mean - np.where(finite, want, 0.0)
    gap = {"lower": np.minimum(gap, 0.0), "upper": np.maximum(gap, 0.0), None: gap}[bound]
    beyond = np.maximum(np.abs(gap) - rtol * np.abs(np.where(finite, want, 0.0)), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.sign(gap) * np.where(beyond > 0, beyond / error, 0.0)
    z = np.where(unlike | np.isnan(want) | np.isnan(mean), np.nan, z)
    failed = ~(np.abs(z) < limit)
    if failed.any():
        worst = int(np.argmax(np.where(np.isnan(z), np.inf, np.abs(z)) * failed))
        seen = smallest_detectable(std=float(deviation[worst]), n=n, limit=limit)
        relation = {"lower": ">= ", "upper": "<= ", None: ""}[bound]
        raise AssertionError(
            f"{name}[{worst}]: mean {x[:, worst].mean():.6g} of n={n} samples, expected "
            f"{relation}{want[worst]:.6g}, z={z[worst]:.3g} (limit {limit:g}), "
            f"{'theoretical' if std is not None else 'sample'} standard error {error[worst]:.3g}; "
            f"this run detects an error of {seen:.3g} with probability 0.9. "
            f"{int(failed.sum())} of {len(z)} columns fail."
        )


def assert_rate_matches(
    log_values: ArrayLike,
    expected: float,
    *,
    generation: ArrayLike | None = None,
    std: float | None = None,
    limit: float = 5.0,
    name: str = "rate",
) -> None:
    """Assert that logarithms grow at the expected rate per generation, on average over the replicates.

    Parameters
    ----------
    log_values : array, shape (replicate, generation)
        Logarithms: rates of collapse show on this scale only, ordinary means are carried by rare replicates.
    expected : float
        Growth per generation.
    generation : array, shape (generation,), optional
        Generations of the columns; by default consecutive.
    std : float, optional
        Standard deviation of the growth in one generation, if the steps are independent.
    """
    logs = np.asarray(log_values, dtype=float)
    times = np.arange(logs.shape[-1]) if generation is None else np.asarray(generation, dtype=float)
    length = float(times[-1] - times[0])
    if length <= 0:
        raise ValueError(f"generation={generation!r} spans no time; record a first and a later generation.")
    step = None if std is None else std / math.sqrt(length)
    assert_mean_matches((logs[:, -1] - logs[:, 0]) / length, expected, std=step, limit=limit, name=name)


# Strategies -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Growing:
    """A batch size that grows linearly with the generation; usable as any ``Size``."""

    first: int
    each: int

    def __call__(self, generation: int) -> int:
        """The size at a generation."""
        return self.first + self.each * (generation - 1)


def sizes(min_value: int = 5, max_value: int = 40, *, growing: bool = False) -> SearchStrategy[Any]:
    """Sample sizes; with `growing`, also functions of the generation."""
    from hypothesis import strategies as st

    constant = st.integers(min_value, max_value)
    return constant | st.builds(Growing, constant, st.integers(1, 10)) if growing else constant


def gaussians(min_dim: int = 1, max_dim: int = 8) -> SearchStrategy[mad.Gaussian]:
    """Reference distributions: no coordinate is centred, alone or of unit size, lest errors cancel."""
    from hypothesis import strategies as st

    def build(dim: int, seed: int) -> mad.Gaussian:
        rng = np.random.default_rng(seed)
        rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        covariance = rotation * np.exp(rng.uniform(-1.5, 1.5, dim)) @ rotation.T
        return mad.Gaussian(rng.uniform(-3, 3, dim), (covariance + covariance.T) / 2)

    return st.builds(build, st.integers(min_dim, max_dim), st.integers(0, 2**16))


def regimes(
    names: Sequence[str] = REGIMES, *, min_size: int = 5, max_size: int = 40
) -> SearchStrategy[mad.regimes.Regime]:
    """Regimes under these names, over all their keywords: memory, weights, growing sizes, budgets."""
    from hypothesis import strategies as st

    n, batch = sizes(min_size, max_size), sizes(min_size, max_size, growing=True)
    initial, flag, memory = st.none() | n, st.booleans(), st.integers(1, 3)
    weight = st.sampled_from((0.5, 1.0, 2.0))
    weights = st.none() | st.tuples(weight, weight)
    mixing: dict[str, Any] = {"n_synthetic": batch, "memory": memory, "weights": weights}

    def custom(
        real: Any, n_initial: int, n_real: int, cut: int | None, **keywords: Any
    ) -> mad.regimes.Regime:
        n_real = {"none": 0, "fixed": n_initial, "fresh": n_real}[real]
        keywords["retain_real"] = keywords["retain_real"] if real == "fresh" else "last"
        # No pool is smaller than generation 2's, and retain=2 keeps the name from being one of the others.
        keywords["budget"] = None if cut is None else min(cut, n_real + keywords["n_synthetic"](2))
        return mad.regimes.Regime(n_initial=n_initial, n_real=n_real, real_data=real, **keywords)

    table: dict[str, SearchStrategy[mad.regimes.Regime]] = {
        "replace": st.builds(mad.regimes.replace, n=batch, n_initial=initial),
        "augment": st.builds(mad.regimes.augment, n_real=n, **mixing),
        "accumulate": st.builds(mad.regimes.accumulate, n=batch, n_initial=initial),
        "accumulate_subsample": st.builds(mad.regimes.accumulate_subsample, n=n, replacement=flag),
        "fresh": st.builds(mad.regimes.fresh, n_real=n, n_initial=initial, **mixing),
        "custom": st.builds(
            custom, st.sampled_from(("none", "fixed", "fresh")), n, n, st.none() | n, memory=memory,
            n_synthetic=st.builds(Growing, n, st.integers(0, 10)), retain=st.just(2), replacement=flag,
            retain_real=st.sampled_from(("last", "all", 2)),
        ),
    }  # fmt: skip
    return st.sampled_from(tuple(names)).flatmap(table.__getitem__)


def loops(
    names: Sequence[str] = REGIMES,
    *,
    min_size: int = 5,
    max_size: int = 40,
    min_dim: int = 1,
    max_dim: int = 8,
) -> SearchStrategy[mad.Loop]:
    """Gaussian loops: truth, ddof, known or estimated mean, regime and bias; n <= d (singular) included."""
    from hypothesis import strategies as st

    def build(
        real: mad.Gaussian, regime: mad.regimes.Regime, bias: float | None, ddof: int, known: bool
    ) -> mad.Loop:
        model = mad.Gaussian(ddof=ddof, known_mean=real.mean if known else None)
        return mad.Loop(real=real, model=model, regime=regime, bias=bias)

    bias = st.none() | st.floats(0.3, 1.2).map(lambda value: round(value, 3))
    regime = regimes(names, min_size=min_size, max_size=max_size)
    return st.builds(build, gaussians(min_dim, max_dim), regime, bias, st.sampled_from((0, 1)), st.booleans())


# Conformance ----------------------------------------------------------------------------------------


def check_generative_model(
    model: Any, *, real: Any, n: int = 60, metric: Callable[[mad.Snapshot], Array] | None = None
) -> None:
    """Check that a model keeps the contract of `madtheory.types.GenerativeModel`.

    `fit` returns a new model and leaves template and data as they were; `sample` gives finite points of
    the right shape, drawn from the `rng` it is handed and from nothing else; `bias` is applied or refused
    by name; model and fits are picklable; two generations run in a `Loop` and repeat bit for bit. Where
    ``expand`` and ``sample_statistic`` exist, statistics must follow the law of points.

    Parameters
    ----------
    model : GenerativeModel
        The unfitted template.
    real : Source or array, shape (m, d)
        Real data the model can be fitted to.
    n : int
        Points per fit.
    metric : function of a Snapshot, optional
        What the test loop measures; by default the mean of sampled points.

    Raises
    ------
    AssertionError
        At the first broken promise; the message says which, and what to mend.
    """
    from madtheory import _conformance

    real = real if hasattr(real, "sample") else mad.data.Empirical(real)
    _conformance.check_fit(model, real, n)
    fitted = model.fit(real.sample(n, rng=np.random.default_rng(1)), rng=np.random.default_rng(2))
    _conformance.check_sample(fitted, real, n)
    _conformance.check_repeats(model, real, n)
    _conformance.check_bias(fitted, n)
    if hasattr(model, "expand"):
        _conformance.check_expand(fitted, n)
    if hasattr(model, "sample_statistic"):
        _conformance.check_statistic(model, fitted, n)
    _conformance.check_in_loop(model, real, n, metric)
