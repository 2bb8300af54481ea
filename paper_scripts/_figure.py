"""What a figure is: a simulation, a drawing, and the findings read from the numbers behind it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

__all__ = [
    "VERDICTS", "Figure", "Finding", "agreement", "combine", "equivalence", "no_more", "student_limit",
    "with_error", "within",
]  # fmt: skip

Verdict = Literal[
    "reproduced",
    "partly reproduced",
    "not reproduced",
    "not tested",
    "agrees",
    "disagrees",
    "shown",
    "not yet measured",
]
VERDICTS: tuple[Verdict, ...] = (
    "reproduced",  # the paper's statement comes out
    "partly reproduced",
    "not reproduced",
    "not tested",  # what was run is too weak to tell
    "agrees",  # our own theory and simulation agree
    "disagrees",
    "shown",  # a measurement that nothing is held against
    "not yet measured",  # it needs a device that was not at hand
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the table "claim | ours | verdict".

    Attributes
    ----------
    claim : str
        What the paper or the theory says, with figure, equation or table number.
    ours : str
        Our number, with its standard error; see `with_error`.
    verdict : str
        One of `VERDICTS`.
    note : str
        Why they differ, or under which reading of the paper they agree.
    """

    claim: str
    ours: str
    verdict: Verdict
    note: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict={self.verdict!r} is unknown; there are {', '.join(VERDICTS)}.")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture of the gallery.

    Attributes
    ----------
    name : str
        File name without ending, and what ``--only`` takes, for example ``"mad_10_left"``.
    title : str
        One line that says what is seen.
    source : str
        Where the figure comes from: ``"MAD, Fig. 10 left"``, or ``"our own"``.
    simulation : callable
        ``run(quick=, rng=, n_jobs=)`` of a module in `simulations`; returns the Dataset behind the picture.
        One that takes minutes has ``folder=`` too, where it keeps finished cells (`simulations._cells`).
    draw : callable
        Dataset -> matplotlib Figure. Uses nothing but the Dataset.
    findings : callable
        Dataset -> list of `Finding`. Uses nothing but the Dataset.
    caption : str
        Markdown below the picture.
    device : str
        ``"cpu"`` or ``"gpu"``.
    networks : bool
        Whether it trains networks: needs torch, and takes minutes.
    """

    name: str
    title: str
    source: str
    simulation: Callable[..., xr.Dataset]
    draw: Callable[[xr.Dataset], matplotlib.figure.Figure]
    findings: Callable[[xr.Dataset], list[Finding]]
    caption: str = ""
    device: str = "cpu"
    networks: bool = False


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


def within(value: float, expected: float, tolerance: float) -> Verdict:
    """Tell whether a paper's number comes out within a relative tolerance."""
    return "reproduced" if abs(value - expected) <= tolerance * abs(expected) else "not reproduced"


def agreement(z: float, limit: float = 5.0, count: float = math.inf) -> Verdict:
    """Tell whether simulation and theory differ by less than `limit` standard errors.

    `count` is the number of independent values that the standard error was estimated from; few of them
    raise the limit to that of Student's distribution at the same level (`student_limit`).
    """
    return "agrees" if abs(z) < student_limit(limit, count) else "disagrees"


@functools.lru_cache
def student_limit(sigmas: float, count: float) -> float:
    """Standard errors that chance exceeds as rarely as a normal variable exceeds `sigmas`.

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
    where the interval is too wide to tell. More seeds make either answer likelier; few of them never make
    the claim come out.

    Parameters
    ----------
    gap, error : float
        Mean and its standard error.
    margin : float
        Largest gap that still counts as none.
    count : float
        Number of independent values that `error` was estimated from.
    """
    half = _half_width(error, count)
    if gap + half < margin:
        return "reproduced"
    return "not reproduced" if gap - half > 0 else "not tested"


def equivalence(gap: float, error: float, margin: float, count: float) -> Verdict:
    """Judge the claim that a mean `gap` is 0, by a test of equivalence; arguments as in `no_more`."""
    half = _half_width(error, count)
    if abs(gap) + half < margin:
        return "reproduced"
    return "not reproduced" if abs(gap) - half > 0 else "not tested"


def _half_width(error: float, count: float) -> float:
    """Half of the 95 % confidence interval of a mean."""
    return student_limit(1.959964, count) * error if error > 0 else 0.0


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Judge a claim of several parts: all of them come out, some, or none."""
    if all(verdict == "reproduced" for verdict in verdicts):
        return "reproduced"
    if any(verdict in ("reproduced", "partly reproduced") for verdict in verdicts):
        return "partly reproduced"
    return "not reproduced" if "not reproduced" in verdicts else "not tested"
