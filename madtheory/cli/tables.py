"""Plain-text tables of theory alongside simulation, for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.interpreters.compare import EQUALITIES, compare
from madtheory.text import align

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


_HEAVY = (
    "|z| > 5. Where spread collapses, rare replicates carry the mean: late in a run, few replicates do not "
    "include one. Use --metrics log_total_variance, or raise --replicates."
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
    return "\n".join([align([header, *rows]), "", *notes])


def comparison(simulated: xr.Dataset, predicted: xr.Dataset | None) -> str:
    """Print what `madtheory.compare` tabulates, for some of the generations."""
    shown = spread_out(simulated.generation.values)
    table = compare(simulated.sel(generation=shown), predicted)
    names = list(dict.fromkeys(table.index.get_level_values("variable")))
    if "quantile" in simulated.dims:
        return "\n\n".join(_quantiles(name, simulated[name]) for name in names)
    blocks = [_block(name, table.loc[name]) for name in names]
    unresolved = bool((table["z"].abs() > 5).any())
    return "\n\n".join([*blocks, *([_HEAVY] if unresolved else [])])


def _block(name: str, rows: pd.DataFrame) -> str:
    """Tabulate one variable: a row for each generation."""
    columns = {"generation": [str(t) for t in rows.index]}
    for column in ("theory", "lower", "upper"):
        if column in rows and rows[column].notna().any():
            columns[column] = list(map(_number, rows[column]))
    columns["simulation"] = list(map(_number, rows["simulation"]))
    columns["std. error"] = [f"{e:.2g}" if np.isfinite(e) else "" for e in rows["standard_error"]]
    if rows["kind"].iloc[0].split(", ")[0] in EQUALITIES:
        columns["z"] = [_z(each) for each in rows["z"]]
    title = f"{name} ({rows['kind'].iloc[0] or 'no closed form'})"
    table = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    return f"{title}\n{align(table, indent='  ')}"


def _quantiles(name: str, values: xr.DataArray) -> str:
    """Tabulate one variable of a run that kept quantiles."""
    header = ["generation", *(f"{q:g}" for q in values["quantile"].values)]
    values = values.sel(generation=spread_out(values.generation.values))
    table = values.transpose("generation", "quantile")
    rows = [[str(int(row.generation)), *map(_number, row.values)] for row in table]
    return "\n".join([f"{name} (quantiles over the replicates)", align([header, *rows], indent="  ")])


def _variables(dataset: xr.Dataset) -> list[tuple[str, xr.DataArray]]:
    return [(str(name), values) for name, values in dataset.data_vars.items()]


def _number(value: Any) -> str:
    return f"{value:.5g}"


def _z(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:+.1f}" if abs(value) < 1000 else f"{value:+.0e}"
