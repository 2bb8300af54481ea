"""Verdicts, and numbers with their standard errors as text: what findings are made of."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from paper_scripts.figure import Finding, Verdict

NOISE = 2.0
"""Standard errors that a change must exceed; more of them where seeds are few (`student_limit`)."""


def with_error(value: float, standard_error: float, unit: str = "") -> str:
    """Format a number to the digits that its standard error allows: ``"12.24 ± 0.03"``."""
    tail = f" {unit}" if unit else ""
    if not (math.isfinite(standard_error) and standard_error > 0):
        return f"{value:.4g}{tail}"
    digits = 1 - math.floor(math.log10(standard_error))
    if digits > 6 or abs(value) >= 1e6:
        return f"{value:.4g} ± {standard_error:.1g}{tail}"
    shown = max(digits, 0)
    return f"{round(value, digits):.{shown}f} ± {round(standard_error, digits):.{shown}f}{tail}"


def value_of(data: xr.Dataset, name: str) -> tuple[float, float]:
    """Return a variable that is one number, and its standard error."""
    return data[name].item(), error_of(data, name).item()


def error_of(data: xr.Dataset, name: str) -> xr.DataArray:
    """Return the standard error of a variable in the Dataset."""
    return data[f"{name}_error" if f"{name}_error" in data else f"{name}_standard_error"]


def format_value(data: xr.Dataset, name: str) -> str:
    """Format a variable that is one number, with its standard error."""
    return with_error(*value_of(data, name))


def format_values(data: xr.Dataset, name: str, label: str = "{}", by: str = "") -> str:
    """Format a variable along its dimension; `label` may name the coordinate `by`: ``"{} (λ = {:g})"``."""
    numbers = map(with_error, data[name].values.tolist(), error_of(data, name).values.tolist())
    at = data[by].values.tolist() if by else [None] * data[name].size
    return ", ".join(label.format(number, x) for number, x in zip(numbers, at, strict=True))


def mean_and_error(values: xr.DataArray) -> tuple[Any, Any]:
    """Return the mean over ``seed`` and its standard error: numbers, or arrays over other dimensions."""
    mean = values.mean("seed")
    error = values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
    if mean.ndim:
        return mean.values, error.values
    mean, error = mean.item(), error.item()
    return mean, error if error > 1e-12 * abs(mean) else 0.0  # rounding is not a spread


def format_mean(values: xr.DataArray, sign: str = "") -> str:
    """Format the mean over the seeds with its standard error; with a sign, if one is requested."""
    mean, error = mean_and_error(values)
    return ("+" if sign and mean > 0 else "") + with_error(mean, error)


def format_means(values: xr.DataArray, label: str = "{1:g}: {0}") -> str:
    """Format the mean for each value along the other dimension."""
    (name,) = (d for d in values.dims if d != "seed")
    return ", ".join(label.format(format_mean(values.sel({name: x})), x) for x in values[name].values)


def score(data: xr.Dataset, name: str) -> xr.DataArray:
    """Return the standard errors between a variable and its prediction."""
    return (data[name] - data[f"predicted_{name}"]) / error_of(data, name)


def largest(scores: xr.DataArray | np.ndarray) -> float:
    """Return the largest absolute value."""
    return float(abs(scores).max())


def seed_score(values: xr.DataArray) -> float:
    """Return the mean over the seeds in standard errors."""
    mean, error = mean_and_error(values)
    return float(mean / error) if error > 0 else float(np.sign(mean) * np.inf if mean else 0.0)


def above(values: xr.DataArray, sigmas: float = NOISE) -> bool:
    """Return whether the mean over the seeds exceeds 0, at the level of so many normal standard errors."""
    mean, error = mean_and_error(values)
    return bool(mean > student_limit(sigmas, values.sizes["seed"]) * error)


def holds(*clauses: object) -> Verdict:
    """Judge a claim by its clauses: all of them hold, some, or none."""
    if all(clauses):
        return "reproduced"
    return "partly reproduced" if any(clauses) else "not reproduced"


def agrees(statement: object) -> Verdict:
    """Judge our own theory by one statement."""
    return "agrees" if statement else "disagrees"


def agreement(z: float, limit: float = 5.0, count: float = math.inf) -> Verdict:
    """Judge whether simulation and theory differ by less than `limit` standard errors.

    `count` is the number of independent values that the standard error was estimated from; few of them
    raise the limit to that of Student's distribution at the same level (`student_limit`).
    """
    return agrees(abs(z) < student_limit(limit, count))


def compare_value(claim: str, one: xr.Dataset, name: str, note: str = "") -> Finding:
    """Compare a variable that is one number with its prediction."""
    z = score(one, name).item()
    return Finding(claim, f"{format_value(one, name)} (z = {z:+.1f})", agreement(z), note)


@functools.lru_cache
def student_limit(sigmas: float, count: float) -> float:
    """Return the standard errors that chance exceeds as rarely as a normal variable exceeds `sigmas`.

    The standard error is estimated from `count` independent values: Student's distribution with
    ``count - 1`` degrees of freedom. Infinite for a single value.
    """
    from scipy import stats

    if math.isinf(count):
        return sigmas
    return float(stats.t.isf(stats.norm.sf(sigmas), count - 1)) if count > 1 else math.inf


def no_more(gap: float, error: float, margin: float, count: float) -> Verdict:
    """Judge the claim that a mean `gap` is not above 0, by a test of non-inferiority.

    ``"reproduced"`` where the upper end of the 95 % confidence interval lies below `margin`, which the
    finding states; otherwise ``"not reproduced"`` where the lower end lies above 0, and ``"not tested"``
    where the interval is too wide to decide. More seeds make either answer likelier; few seeds never
    make the claim hold.

    Parameters
    ----------
    gap, error : float
        Mean and its standard error.
    margin : float
        Largest gap that still counts as none.
    count : float
        Number of independent values that `error` was estimated from.
    """
    half = student_limit(1.959964, count) * error if error > 0 else 0.0
    if gap + half < margin:
        return "reproduced"
    return "not reproduced" if gap - half > 0 else "not tested"


def equivalence(gap: float, error: float, margin: float, count: float) -> Verdict:
    """Judge the claim that a mean `gap` is 0, by a test of equivalence; arguments as in `no_more`."""
    return no_more(abs(gap), error, margin, count)


def no_more_over_seeds(values: xr.DataArray, margin: float) -> Verdict:
    """Judge by `no_more` the mean over the seeds."""
    return no_more(*mean_and_error(values), margin, values.sizes["seed"])


def less_over_seeds(values: xr.DataArray) -> Verdict:
    """Judge whether the mean over the seeds is below 0, beyond their noise."""
    if above(-values):
        return "reproduced"
    return "not reproduced" if above(values) else "not tested"


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Judge a claim of several parts: all of them hold, some, or none."""
    if all(verdict == "reproduced" for verdict in verdicts):
        return "reproduced"
    if any(verdict in ("reproduced", "partly reproduced") for verdict in verdicts):
        return "partly reproduced"
    return "not reproduced" if "not reproduced" in verdicts else "not tested"


def name_seeds(data: xr.Dataset) -> str:
    """Format the number of seeds."""
    return f"{data.sizes['seed']} seeds"


def join(label: str, *columns: Iterable[Any]) -> str:
    """Format rows of equally long columns, with commas between them: ``join("{:.2f} (λ = {:g})", y, x)``."""
    return ", ".join(label.format(*row) for row in zip(*columns, strict=True))


def place_of_minimum(x: xr.DataArray, y: xr.DataArray, low: float, high: float, degree: int) -> float:
    """Return where a polynomial through the points between two places is smallest."""
    near = (x.values >= low) & (x.values <= high)
    curve = np.polynomial.Polynomial.fit(x.values[near], y.values[near], degree)
    fine = np.linspace(low, high, 4_001)
    return float(fine[int(np.argmin(curve(fine)))])
