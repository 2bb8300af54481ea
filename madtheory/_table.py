"""Plain-text tables of theory beside simulation, for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.types import Array

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["comparison", "predictions", "spread_out"]

_TESTABLE = ("exact mean", "numerical")  # a bound or a leading order is no equality: no z
_HEAVY = (
    "|z| > 5. Where spread collapses, rare replicates carry the mean: late in a run, few replicates do not "
    "hold one. Look at --metrics log_total_variance, or raise --replicates."
)


def spread_out(generations: Iterable[int], most: int = 7) -> list[int]:
    """Choose some of the generations, first and last among them, evenly on a log scale."""
    known = np.unique(list(generations))
    wanted = np.geomspace(known[0], known[-1], most)
    return sorted({int(known[np.abs(known - w).argmin()]) for w in wanted})


def predictions(predicted: xr.Dataset) -> str:
    """Tabulate closed forms, with the kind and the source of each."""
    shown = spread_out(predicted.generation.values)
    header = ["generation", *map(str, shown)]
    rows = [
        [name, *map(_number, values.sel(generation=shown).values)] for name, values in _variables(predicted)
    ]
    alike: dict[str, list[str]] = {}
    for name, values in _variables(predicted):
        alike.setdefault(f"{values.attrs['kind']}. {values.attrs['source']}", []).append(name)
    notes = [f"{', '.join(names)}: {note}" for note, names in alike.items()]
    return "\n".join([*_aligned([header, *rows]), "", *notes])


def comparison(simulated: xr.Dataset, predicted: xr.Dataset | None) -> str:
    """Tabulate simulated means with their standard errors beside the closed forms of the same name."""
    shown = spread_out(simulated.generation.values)
    simulated = simulated.sel(generation=shown)
    theory = {} if predicted is None else dict(_variables(predicted.sel(generation=shown)))
    if "quantile" in simulated.dims:
        return "\n\n".join(_quantiles(name, values) for name, values in _variables(simulated))
    blocks, unresolved = [], False
    for name, values in _variables(simulated):
        draws = values.transpose("generation", "replicate").values
        block, large = _block(name, shown, *_mean(draws), theory)
        blocks.append(block)
        unresolved |= large
        if f"{name}_std" in theory and draws.shape[1] > 1:
            block, large = _block(f"{name}_std", shown, *_deviation(draws), theory)
            blocks.append(block)
            unresolved |= large
    return "\n\n".join([*blocks, *([_HEAVY] if unresolved else [])])


def _block(
    name: str, generations: list[int], value: Array, error: Array, theory: dict[str, xr.DataArray]
) -> tuple[str, bool]:
    """One variable: a row per generation. Also tells whether an exact mean is missed by |z| > 5."""
    names = [form for form in (name, f"{name}_lower", f"{name}_upper") if form in theory]
    kinds = [theory[form].attrs["kind"] for form in names]
    title = f"{name} ({', '.join(dict.fromkeys(kinds)) or 'no closed form'})"
    header = ["generation", *(form.removeprefix(name).strip("_") or "theory" for form in names)]
    columns = [list(map(_number, theory[form].values)) for form in names]
    header += ["simulation", "std. error"]
    columns += [list(map(_number, value)), [f"{e:.2g}" if np.isfinite(e) else "" for e in error]]
    z = np.full(len(generations), np.nan)
    if name in theory and theory[name].attrs["kind"] in _TESTABLE:
        with np.errstate(invalid="ignore", divide="ignore"):
            z = (value - theory[name].values) / error
        header.append("z")
        columns.append([_z(each) for each in z])
    rows = zip(map(str, generations), *columns, strict=True)
    large = bool((np.abs(z[np.isfinite(z)]) > 5).any())
    return "\n".join([title, *_aligned([header, *rows], indent="  ")]), large


def _quantiles(name: str, values: xr.DataArray) -> str:
    """One variable of a run that kept quantiles."""
    header = ["generation", *(f"{q:g}" for q in values["quantile"].values)]
    table = values.transpose("generation", "quantile")
    rows = [[str(int(row.generation)), *map(_number, row.values)] for row in table]
    return "\n".join([f"{name} (quantiles over the replicates)", *_aligned([header, *rows], indent="  ")])


def _mean(draws: Array) -> tuple[Array, Array]:
    """Mean over the replicates and its standard error; nan where there is none."""
    n = draws.shape[1]
    with np.errstate(invalid="ignore"):
        error = draws.std(1, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(draws), np.nan)
        return draws.mean(1), error


def _deviation(draws: Array) -> tuple[Array, Array]:
    """Standard deviation over the replicates and its standard error, from the fourth moment."""
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = (draws - draws.mean(1, keepdims=True)) ** 2
        deviation = draws.std(1, ddof=1)
        return deviation, squares.std(1) / (2 * deviation * np.sqrt(draws.shape[1]))


def _variables(dataset: xr.Dataset) -> list[tuple[str, xr.DataArray]]:
    return [(str(name), values) for name, values in dataset.data_vars.items()]


def _number(value: Any) -> str:
    return f"{value:.5g}"


def _z(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0e}"


def _aligned(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """First column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        padded = (f"  {cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        lines.append((indent + first.ljust(widths[0]) + "".join(padded)).rstrip())
    return lines
