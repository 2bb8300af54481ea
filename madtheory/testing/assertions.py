"""Calibrated assertions about simulated loops: means, rates, and all that theory predicts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from madtheory.interpreters.compare import align, describe, is_labelled, normal_score, replicates_first
from madtheory.types import Array
from madtheory.validation import (
    check_arguments,
    check_choice,
    check_number,
    check_numbers,
    check_size,
    show,
)

if TYPE_CHECKING:
    import xarray as xr


@check_arguments
def power(error: float, *, std: float, n: int, limit: float = 5.0, estimated: bool = False) -> float:
    r"""Return the probability that `assert_mean_matches` rejects an expectation that is wrong by `error`.

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
    estimated : bool
        Whether the standard deviation is estimated from the samples, as it is if `assert_mean_matches`
        gets no `std`: then :math:`\delta` is the noncentrality of Student's t.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> from madtheory import testing
    >>> round(testing.power(0.3, std=1.0, n=500), 3)
    0.956
    """
    from scipy.special import nctdtr, ndtr

    _check_test(std=std, n=n, limit=limit, estimated=estimated)
    check_numbers("error", error)
    shift = abs(error) * math.sqrt(n) / std if std > 0 else math.inf if error else 0.0
    if not estimated:
        return float(ndtr(shift - limit) + ndtr(-shift - limit))
    critical = _critical(n, limit)
    if shift > 100 * critical:
        return 1.0
    return float(1 - nctdtr(n - 1, shift, critical) + np.nan_to_num(nctdtr(n - 1, shift, -critical)))


@check_arguments
def smallest_detectable(
    *, std: float, n: int, limit: float = 5.0, probability: float = 0.9, estimated: bool = False
) -> float:
    """Return the smallest error of an expectation that is rejected with the given probability.

    Parameters
    ----------
    std, n, limit, estimated
        As in `power`.
    probability : float
        Probability of the rejection, between 0 and 1.

    Raises
    ------
    ValueError
        If an argument is outside its range.

    Examples
    --------
    >>> from madtheory import testing
    >>> round(testing.smallest_detectable(std=1.0, n=100), 3)
    0.628
    """
    from scipy.special import nctdtrinc, ndtri

    _check_test(std=std, n=n, limit=limit, estimated=estimated)
    check_number("probability", probability, 0, 1, above=True, below=True)
    shift = limit + float(ndtri(probability))
    if estimated:
        shift = float(nctdtrinc(n - 1, 1 - probability, _critical(n, limit)))
    return float(shift * std / math.sqrt(n))


def _critical(n: int, limit: float) -> float:
    """Return Student's quantile, n - 1 degrees of freedom, at the level of `limit` normal standard errors."""
    from scipy.special import ndtr, stdtrit

    return -float(stdtrit(n - 1, ndtr(-limit)))


def _check_test(*, std: Any, n: Any, limit: Any, estimated: bool = False) -> None:
    check_size("n", n, 2 if estimated else 1)
    check_number("std", std, 0)
    check_number("limit", limit, 0, above=True)


def assert_mean_matches(
    samples: ArrayLike,
    expected: ArrayLike,
    *,
    std: ArrayLike | None = None,
    limit: float = 5.0,
    level: float | None = None,
    bound: Literal["lower", "upper"] | None = None,
    rtol: float = 1e-9,
    name: str = "mean",
) -> None:
    r"""Assert that samples have the expected mean, to within `limit` standard errors.

    The tolerance follows from the run. If `std` is given, the standard error is the theoretical one,
    :math:`\mathrm{std}/\sqrt n`. Otherwise it is estimated from the samples, and the limit is the quantile of
    Student's t with n - 1 degrees of freedom at the level of `limit` normal standard errors.

    Parameters
    ----------
    samples : array or DataArray, shape (replicate,) or (replicate, generation)
        Independent along the first axis of a plain array, or along ``replicate`` of a DataArray (in any
        order of its dimensions).
    expected : float, array or DataArray, shape (generation,)
        Where both are DataArrays, values are taken at the labels of the samples (``generation``); a plain
        array is compared by position. Infinities are expected of every sample.
    std : float, array or DataArray, shape (generation,), optional
        Standard deviation of one sample, from theory. Prefer it: under heavy tails the sample's is too small.
    limit : float
        Level of the test *of each value*, in standard errors of a normal law: 5 raises 5.7e-7 false alarms
        a value, 2.576 raises 1 %. With many values, more calls fail: use `level`.
    level : float, optional
        Level of the test *of the whole call*, instead of `limit`: at most this share of calls with the right
        `expected` fails, however the values depend on each other (Bonferroni). 0.01 for one value is
        ``limit=2.576``.
    bound : {"lower", "upper"}, optional
        `expected` bounds the mean from that side; only a violation is an error.
    rtol : float
        Relative error to forgive: rounding by default, the stated accuracy for a numerical approximation.
    name : str
        Name of the mean in the message.

    Raises
    ------
    AssertionError
        If a mean does not match. The message names its generation, z (for Student's t, the normal deviate of
        the same tail), the number of samples, and the smallest error that a run of this size detects.
    ValueError
        If labels or shapes do not fit, or an argument is outside its range.

    Notes
    -----
    The level is exact for normal samples, for any number of them from 2. For other laws it is approximate:
    few samples of a skewed law whose `std` is not given raise more false alarms than stated, and heavy tails
    (a collapsing loop) make the mean of the samples useless: pass `std`, look at logarithms, or use
    `assert_agrees`, which recognises them. Samples without any spread are compared to `rtol`.

    Examples
    --------
    >>> import numpy as np
    >>> from madtheory import testing
    >>> samples = np.random.default_rng(0).normal(2.0, 1.0, size=(400, 3))
    >>> testing.assert_mean_matches(samples, 2.0)
    >>> testing.assert_mean_matches(samples, [2.0, 2.0, 3.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    AssertionError: mean[2]: mean 2.03197 of n=400 samples, expected 3, z=-16.6 (limit 5), ...
    """
    rtol = check_number("rtol", rtol, 0)
    x, shape, labels = replicates_first("samples", samples)
    n = len(x)
    if bound is not None:
        check_choice("bound", bound, ("lower", "upper"))
    if n < 2 and std is None:
        raise ValueError(f"samples has {n} replicates; a standard error needs 2 or more, or pass std.")
    want = align("expected", expected, samples, shape)
    theoretical = None if std is None else align("std", std, samples, shape)
    if theoretical is not None and not (np.isfinite(theoretical) & (theoretical >= 0)).all():
        raise ValueError(
            f"std={show(std)} must hold finite numbers >= 0; leave it out where theory has none."
        )
    if level is not None:
        limit = _limit(level, x.shape[1])
    _check_test(std=0.0, n=n, limit=limit)
    limit = float(limit)
    spread = _spread(x, want) if theoretical is None else theoretical
    z = _scores(x, want, spread, dof=n - 1 if std is None else math.inf, bound=bound, rtol=rtol)
    failed = ~(np.abs(z) < limit)
    if failed.any():
        worst = int(np.argmax(np.where(np.isnan(z), np.inf, np.abs(z)) * failed))
        deviation = float(spread[worst])
        seen = (
            smallest_detectable(std=deviation, n=n, limit=limit, estimated=std is None)
            if np.isfinite(deviation)
            else math.inf
        )
        relation = {"lower": ">= ", "upper": "<= ", None: ""}[bound]
        raise AssertionError(
            f"{name}{labels[worst]}: mean {x[:, worst].mean():.6g} of n={n} samples, expected "
            f"{relation}{want[worst]:.6g}, z={z[worst]:.3g} (limit {limit:.4g}), "
            f"{'theoretical' if std is not None else 'sample'} standard error "
            f"{deviation / math.sqrt(n):.3g}; this run detects an error of {seen:.3g} with probability 0.9. "
            f"{int(failed.sum())} of {len(z)} columns fail."
        )


def _limit(level: float, count: int) -> float:
    """Return the normal quantile of a two-sided test at `level`, shared by `count` values."""
    from scipy.special import ndtri

    check_number("level", level, 0, 1, above=True, below=True)
    return -float(ndtri(float(level) / (2 * count)))


def _spread(x: Array, want: Array) -> Array:
    """Return the standard deviation of the samples where their expected mean is finite, else 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isfinite(want), x, 0.0).std(0, ddof=1))


def _scores(
    x: Array, want: Array, spread: Array, *, dof: float, bound: str | None = None, rtol: Any = 1e-9
) -> Array:
    """Return normal scores of the means, shape (column,); NaN where values that are not finite disagree."""
    unlike = np.isinf(want) & ~(x == want).all(0) if bound is None else np.zeros(len(want), bool)
    finite = np.isfinite(want)
    safe = np.where(finite, x, 0.0)
    with np.errstate(invalid="ignore"):
        mean = safe.mean(0)
    error = spread / math.sqrt(len(x))
    gap = mean - np.where(finite, want, 0.0)
    gap = {"lower": np.minimum(gap, 0.0), "upper": np.maximum(gap, 0.0), None: gap}[bound]
    beyond = np.maximum(np.abs(gap) - rtol * np.abs(np.where(finite, want, 0.0)), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = normal_score(np.sign(gap) * np.where(beyond > 0, beyond / error, 0.0), dof)
    return np.where(unlike | np.isnan(want) | np.isnan(mean), np.nan, z)


def assert_rate_matches(
    log_values: ArrayLike,
    expected: float,
    *,
    generation: ArrayLike | None = None,
    std: float | None = None,
    limit: float = 5.0,
    level: float | None = None,
    name: str = "rate",
) -> None:
    """Assert that logarithms grow at the expected rate per generation, on average over the replicates.

    Parameters
    ----------
    log_values : array or DataArray, shape (replicate, generation)
        Logarithms: only on this scale are rates of collapse visible; ordinary means depend on rare
        replicates. A DataArray needs the dimensions ``replicate`` and ``generation``, in any order.
    expected : float
        Growth per generation.
    generation : array, shape (generation,), optional
        Generations of the columns, increasing; by default those of the DataArray, else consecutive.
    std : float, optional
        Standard deviation of the growth in one generation, if the steps are independent.
    limit, level, name
        As in `assert_mean_matches`.

    Raises
    ------
    AssertionError
        If the rate does not match.
    ValueError
        If labels or shapes do not fit, or there are fewer than two generations.

    Examples
    --------
    >>> import numpy as np
    >>> from madtheory import testing
    >>> steps = np.random.default_rng(0).normal(-0.1, 0.3, size=(100, 50))
    >>> testing.assert_rate_matches(steps.cumsum(1), -0.1)
    """
    if not isinstance(name, str):
        raise TypeError(f"name={show(name)} is not a text; it begins the message.")
    check_numbers("expected", expected, infinite=True)
    logs, shape, _ = replicates_first("log_values", log_values)
    labelled: Any = log_values if is_labelled(log_values) else None
    if labelled is not None and set(labelled.dims) != {"replicate", "generation"}:
        raise ValueError(f"log_values has dimensions {labelled.dims}; expected 'replicate' and 'generation'.")
    labels = None if labelled is None else labelled["generation"].values
    if len(shape) != 1:
        raise ValueError(f"log_values has shape {np.shape(log_values)}; expected (replicate, generation).")
    times = check_numbers("generation", generation) if generation is not None else labels
    times = np.arange(shape[0], dtype=float) if times is None else np.asarray(times, dtype=float)
    if times.shape != shape:
        raise ValueError(f"generation has shape {times.shape} for {shape[0]} columns of log_values.")
    if labels is not None and not np.array_equal(times, labels):
        raise ValueError(
            f"generation={describe(times.tolist())} differs from the labels of log_values, "
            f"{describe(labels.tolist())}; leave it out."
        )
    if np.ndim(expected) and np.size(expected) != 1:
        raise ValueError(f"expected has shape {np.shape(expected)}; a rate is one number.")
    length = float(times[-1] - times[0])
    if length <= 0:
        raise ValueError(
            f"generation={show(generation)} spans no time; record a first and a later generation."
        )
    if (np.diff(times) <= 0).any():
        raise ValueError(f"generation={describe(times.tolist())} does not increase; sort the columns by it.")
    step = None if std is None else check_number("std", std, 0) / math.sqrt(length)
    growth = (logs[:, -1] - logs[:, 0]) / length
    assert_mean_matches(
        growth, float(np.asarray(expected).reshape(())), std=step, limit=limit, level=level,
        name=f"{name} over generations {times[0]:g} to {times[-1]:g}",
    )  # fmt: skip


def assert_agrees(
    simulated: xr.Dataset,
    predicted: xr.Dataset,
    *,
    level: float = 1e-6,
    variables: Sequence[str] | None = None,
    rtol: Mapping[str, float] | None = None,
    detect: float = 1.0,
) -> dict[str, str]:
    r"""Assert that a simulation agrees with theory, testing every variable according to its kind.

    ==========================  ====================================================================
    kind                        test
    ==========================  ====================================================================
    exact mean, exact law       the mean over the replicates equals it; a variable ``..._std`` is compared
                                with the squared distances to the predicted mean
    numerical                   likewise, forgiving 1 % (its accuracy: `rtol`)
    bound                       the mean is not beyond it (``..._lower``, ``..._upper``)
    almost-sure rate            the logarithm grows at that rate on average, forgiving 1 %
    leading order in 1/n        not an equality: tested only if `rtol` names its accuracy
    ==========================  ====================================================================

    Parameters
    ----------
    simulated : Dataset (replicate, generation)
        Result of `simulate` without ``quantiles``.
    predicted : Dataset (generation,)
        Result of `predict`; it is aligned on ``generation``.
    level : float
        Probability that a correct simulation fails as a whole: it is divided among all tested values
        (Bonferroni).
    variables : sequence of str, optional
        Variables of `predicted` to test; by default all whose metric was simulated.
    rtol : mapping of str to float, optional
        Relative error to forgive, by variable of `predicted`.
    detect : float
        Size of an error relative to the value. A test is reported as powerless if it would miss such an error
        one time in ten or more. The error of a logarithm below 1, or of a rate, is absolute.

    Returns
    -------
    dict of str to str
        Test of each variable of `predicted`, with the origin of its standard deviation, or the reason why it
        was not tested.

    Raises
    ------
    AssertionError
        If they disagree: the worst value of each variable that fails.
    ValueError
        If labels do not fit, or if nothing can be tested.

    Warns
    -----
    UserWarning
        If a test is powerless, with the smallest error that it could detect: there are too few replicates, or
        the tails are too heavy. The mean of a collapsing loop depends on ever rarer replicates, so that at
        generations far beyond n no number of replicates shows it; logarithms do. Standard deviations
        (``..._std``), which take many more replicates, warn only if `variables` names them.

    Notes
    -----
    The standard deviation of a replicate is the largest of three: the one from theory (``..._std``), that of
    the samples, and, where theory has none and all samples are positive, that of a log-normal law with the
    expected mean and the upper spread of the logarithms, which detects a heavy tail before a sample falls
    into it. Without the one from theory, the quantile is Student's, and generations at which the logarithm of
    the total variance has a variance above 1 (for ``..._std``: above 0.5) count as powerless: there the mean
    depends on replicates that few runs contain. The level is an upper limit for normal samples; for other
    laws it is approximate, above all for fewer than 10 replicates.

    Examples
    --------
    >>> import madtheory as mad
    >>> from madtheory import testing
    >>> loop = mad.Loop(real=mad.Gaussian.standard(2), model=mad.Gaussian(), regime=mad.regimes.replace(n=50))
    >>> simulated = mad.simulate(loop, 3, replicates=400, metrics=[mad.metrics.total_variance], rng=0)
    >>> tested = testing.assert_agrees(simulated, mad.predict(loop, 3))
    >>> tested["total_variance"]
    'mean of 400 replicates at 3 generations, standard deviation from theory (total_variance_std)'
    >>> tested["mean_error"]
    'not tested: mean_error was not simulated'
    """
    for argument, value in (("simulated", simulated), ("predicted", predicted)):
        if not hasattr(value, "data_vars"):
            raise TypeError(f"{argument} is a {type(value).__name__}; pass a Dataset.")
    known = [str(name) for name in predicted.data_vars]
    chosen = known if variables is None else list(variables)
    accuracy = dict(rtol or {})
    for argument, names in (("variables", chosen), ("rtol", list(accuracy))):
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"{argument} names {unknown}, which predicted lacks; it has {known}.")
    for name, share in accuracy.items():
        check_number(f"rtol[{name!r}]", share, 0)
    check_number("detect", detect, 0, above=True)
    _limit(level, 1)

    tests: list[_Test] = []
    notes: dict[str, str] = {}
    for name in chosen:
        made = _test_of(name, simulated, predicted, accuracy.get(name))
        if isinstance(made, str):
            notes[name] = f"not tested: {made}"
        else:
            tests.append(made)
            notes[name] = made.note
    if not tests:
        raise ValueError(
            f"nothing can be tested: {'; '.join(f'{name}: {why}' for name, why in notes.items())}. "
            f"simulated has {sorted(map(str, simulated.data_vars))}."
        )
    limit = _limit(level, sum(len(test.want) for test in tests))
    failed = [message for test in tests if (message := test.disagreement(limit))]
    if failed:
        raise AssertionError(
            f"simulation and theory disagree (false alarm at most {level:g}):\n" + "\n".join(failed)
        )
    named = tests if variables is not None else [test for test in tests if "squared" not in test.note]
    if weak := [message for test in named if (message := test.weakness(limit, detect))]:
        warnings.warn(
            "no sensible error would be seen in some values; raise replicates, leave late generations "
            "out, or look at logarithms:\n" + "\n".join(weak),
            stacklevel=2,
        )
    return notes


@dataclass(frozen=True, eq=False)
class _Test:
    """Values of one variable, and the mean expected of them."""

    name: str
    note: str
    x: Array
    want: Array
    spread: Array
    dof: float
    labels: list[str]
    scale: Array
    bound: Literal["lower", "upper"] | None
    rtol: float

    def disagreement(self, limit: float) -> str:
        """Describe the worst value that fails; empty if none does."""
        z = self._scores()
        failed = ~(np.abs(z) < limit)
        if not failed.any():
            return ""
        worst = int(np.argmax(np.where(np.isnan(z), np.inf, np.abs(z)) * failed))
        relation = {"lower": ">= ", "upper": "<= ", None: ""}[self.bound]
        return (
            f"{self.name}{self.labels[worst]}: {self.x[:, worst].mean():.6g}, expected "
            f"{relation}{self.want[worst]:.6g}, z={z[worst]:.3g} (limit {limit:.3g}); {int(failed.sum())} of "
            f"{len(z)} values fail; {self.note}"
        )

    def weakness(self, limit: float, detect: float) -> str:
        """Describe the values whose errors of relative size `detect` would not be seen; empty if none."""
        once = smallest_detectable(std=1.0, n=len(self.x), limit=limit, estimated=not math.isinf(self.dof))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            seen = np.where(self.spread > 0, once * self.spread / self.scale, 0.0)
        # Finite samples cannot contradict an infinite mean.
        seen = np.where(np.isinf(self.want) & np.isfinite(self.x).all(0), np.inf, seen)
        weak = np.flatnonzero(~(seen < detect))
        if not len(weak):
            return ""
        first, worst = weak[0], weak[np.argmax(seen[weak])]
        return (
            f"{self.name}: {len(weak)} of {len(seen)} values, from {self.labels[first].strip('[]')} on; the "
            f"smallest error detected there is {seen[first]:.3g} times the value, at "
            f"{self.labels[worst].strip('[]')} {seen[worst]:.3g} times"
        )

    def _scores(self) -> Array:
        infinite = np.isinf(self.want)
        z = _scores(self.x, self.want, self.spread, dof=self.dof, bound=self.bound, rtol=self.rtol)
        if not self.name.startswith("log_"):
            z = np.where(infinite & np.isfinite(self.x).all(0), 0.0, z)
        return z


def _test_of(name: str, simulated: xr.Dataset, predicted: xr.Dataset, rtol: float | None) -> _Test | str:
    """Return the test of one predicted variable, or why there is none."""
    theory = predicted[name]
    kind = str(theory.attrs.get("kind", "exact mean"))
    bound: Literal["lower", "upper"] | None = None
    base, deviation = name, False
    if kind == "bound":
        base, _, side = name.rpartition("_")
        if side not in ("lower", "upper"):
            return "a bound whose name does not end in _lower or _upper"
        bound = "lower" if side == "lower" else "upper"
    elif name not in simulated and name.endswith("_std"):
        base, deviation = name.removesuffix("_std"), True
        if base not in predicted:
            return f"predicted has no {base}"
    elif name not in simulated and kind == "almost-sure rate":
        base = name.removesuffix("_rate")
    if base not in simulated:
        return f"{base} was not simulated"
    if kind == "leading order in 1/n" and rtol is None:
        return f"leading order in 1/n is not an equality; pass rtol={{{name!r}: ...}} to test it"
    x, shape, labels = replicates_first(base, simulated[base])
    n, logarithm = len(x), base.startswith("log_")
    if kind == "almost-sure rate" and "generation" not in theory.dims:
        return _test_of_rate(name, base, x, simulated, float(theory), 0.01 if rtol is None else rtol)
    want = align(f"predicted[{name!r}]", theory, simulated[base], shape)
    rtol = {"numerical": 0.01}.get(kind, 1e-9) if rtol is None else rtol
    sigma = None
    if deviation:
        mean = align(f"predicted[{base!r}]", predicted[base], simulated[base], shape)
        x, want, sigma = (x - mean) ** 2, want**2, _deviation_of_squares(mean, want**2)
        source = "theory (as of a log-normal law)"
    elif kind != "bound" and f"{name}_std" in predicted:
        sigma = align(f"predicted['{name}_std']", predicted[f"{name}_std"], simulated[base], shape)
        source = f"theory ({name}_std)"
    if sigma is None or not np.isfinite(sigma[np.isfinite(want)]).all():
        if n < 2:
            return f"{n} replicate and no standard deviation from theory"
        spread, dof, source = (
            _spread(x, want) if logarithm else _heavy_spread(x, want),
            n - 1.0,
            "the samples",
        )
    else:
        spread, dof = np.maximum(sigma, _spread(x, want)) if n > 1 else sigma, math.inf
    if deviation or (math.isfinite(dof) and not logarithm):
        heavy = _log_variance(simulated, predicted, shape) > (0.5 if deviation else 1.0)
        spread = np.where(heavy & np.isfinite(want) & (spread > 0), np.inf, spread)
    scale = np.maximum(np.abs(want), 1.0) if logarithm else np.where(want == 0, spread, np.abs(want))
    what = "squared distance to the mean" if deviation else "mean"
    note = f"{what} of {n} replicates at {len(want)} generations, standard deviation from {source}"
    return _Test(name, note, x, want, spread, dof, labels, scale, bound, rtol)


def _test_of_rate(
    name: str, base: str, x: Array, simulated: xr.Dataset, rate: float, rtol: float
) -> _Test | str:
    """Return the test of a growth rate, from the first to the last generation."""
    times = np.atleast_1d(simulated["generation"].values)
    if len(times) < 2 or len(x) < 2:
        return "a rate needs two generations and two replicates"
    if not base.startswith("log_"):
        if not (x > 0).all():
            return f"{base} is not positive everywhere, so that it has no logarithm"
        x = np.log(x)
    growth = ((x[:, -1] - x[:, 0]) / float(times[-1] - times[0]))[:, None]
    want = np.array([rate])
    note = f"growth of the logarithm of {len(x)} replicates, standard deviation from the samples"
    return _Test(
        name, note, growth, want, _spread(growth, want), len(x) - 1.0,
        [f"[generations {times[0]} to {times[-1]}]"], np.ones(1), None, rtol,
    )  # fmt: skip


def _heavy_spread(x: Array, want: Array) -> Array:
    """Return the standard deviation of samples, or a larger one from their logarithms or generations."""
    spread, size = _spread(x, want), np.abs(want)
    positive = np.isfinite(want) & (want > 0) & (x > 0).all(0) & np.isfinite(x).all(0)
    logs = np.log(np.where(positive, x, 1.0))
    above = np.maximum(logs - np.median(logs, 0), 0.0)
    variance = (above**2).sum(0) / np.maximum((above > 0).sum(0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        tail = np.where(positive, want * np.sqrt(np.expm1(np.minimum(variance, 700.0))), 0.0)
    if (sound := (size > 0) & np.isfinite(size) & np.isfinite(spread)).any():
        # A few skewed samples may lie close together by chance, but rarely in most generations.
        usual = float(np.median(spread[sound] / size[sound]))
        tail = np.maximum(tail, np.where(sound, usual * size, 0.0))
    return np.asarray(np.maximum(spread, tail))


def _log_variance(simulated: xr.Dataset, predicted: xr.Dataset, shape: tuple[int, ...]) -> Array:
    """Return the variance over replicates of the log total variance: how heavy the tails of a loop are."""
    first = next(iter(simulated.data_vars.values()))
    if {"total_variance", "total_variance_std"} <= set(predicted.data_vars):
        mean, std = (
            align(f"predicted[{name!r}]", predicted[name], first, shape)
            for name in ("total_variance", "total_variance_std")
        )
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.asarray(np.nan_to_num(np.log1p((std / mean) ** 2), nan=0.0))
    if "total_variance" in simulated:
        variance = simulated["total_variance"]
        if "model" in variance.dims and variance.ndim - 1 > len(shape):  # a variable of all models
            variance = variance.mean("model")
        values = replicates_first("total_variance", variance)[0]
        if len(values) > 1 and (values > 0).all() and np.isfinite(values).all():
            return np.asarray(np.log(values).var(0, ddof=1))
    return np.zeros(math.prod(shape))


def _deviation_of_squares(mean: Array, variance: Array) -> Array:
    """Return the standard deviation of squared distances to the mean, for a log-normal law."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        w = 1.0 + np.where(mean != 0, variance / mean**2, 0.0)
        return np.asarray(variance * np.sqrt(w**4 + 2 * w**3 + 3 * w**2 - 4))
