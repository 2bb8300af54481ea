"""Cells side by side as one labelled dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.sweeps.points import Points

if TYPE_CHECKING:
    import xarray as xr

_OF_POINTS = ("bias", "regime_keywords")  # attributes that say the same as the coordinates
_MANY = 4  # different texts of an attribute that are listed


def gather(points: Points, cells: Sequence[Mapping[str, Any] | None], attrs: Mapping[str, Any]) -> xr.Dataset:
    """Return the cells of all points as one dataset; NaN where there is none.

    Parameters
    ----------
    points : Points
        Points, whose dimensions come first.
    cells : sequence
        For each point what `encode` returns, or ``None``.
    attrs : mapping
        Attributes that are added.
    """
    import xarray as xr

    there = [cell for cell in cells if cell is not None]
    inner = {dim: _union([cell["coords"].get(dim) for cell in there]) for dim in _dimensions(there)}
    coords: dict[str, Any] = {
        name: (dims, values, _join([cell["coords"][name][2] for cell in there if name in cell["coords"]]))
        for name, (dims, values) in inner.items()
        if values is not None
    }
    data = {}
    names = dict.fromkeys(name for cell in there for name in cell["data"])
    for name in names:
        held = [None if cell is None else cell["data"].get(name) for cell in cells]
        known = [entry for entry in held if entry is not None]
        dims = known[0][0]
        if any(entry[0] != dims for entry in known):
            raise ValueError(
                f"variable {name!r} has the dimensions {sorted({entry[0] for entry in known})} in different "
                f"cells; give it the same everywhere."
            )
        values = _stack(name, held, cells, dims, inner)
        shape = (*points.sizes.values(), *values.shape[1:])
        data[name] = ((*points.sizes, *dims), values.reshape(shape), _join([entry[2] for entry in known]))
    coords |= {name: (dims, values) for name, (dims, values) in points.coords.items()}
    about = _join([cell["attrs"] for cell in there], left_out=_OF_POINTS)
    return xr.Dataset(data, coords, about | dict(attrs))


def _dimensions(cells: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    return dict.fromkeys(dim for cell in cells for entry in cell["data"].values() for dim in entry[0])


def _union(entries: Sequence[Any]) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Return all labels of a dimension; ``None`` if it has none."""
    known = [entry for entry in entries if entry is not None]
    if not known:
        return (), None
    dims, first, _ = known[0]
    if all(values is first or np.array_equal(values, first) for _, values, _ in known):
        return dims, first
    return dims, np.unique(np.concatenate([values for _, values, _ in known]))


def _stack(
    name: str,
    held: Sequence[Any],
    cells: Sequence[Mapping[str, Any] | None],
    dims: tuple[str, ...],
    inner: Mapping[str, tuple[Any, np.ndarray | None]],
) -> np.ndarray:
    """Return the values of one variable in all cells, shape (cells, ...)."""
    known = [entry[1] for entry in held if entry is not None]
    if len({np.shape(values) for values in known}) > 1 and any(inner[dim][1] is None for dim in dims):
        raise ValueError(
            f"variable {name!r} has the shapes {sorted({np.shape(values) for values in known})} in different "
            f"cells, and dimensions without coordinates; give them coordinates."
        )
    shape = tuple(
        len(labels) if (labels := inner[dim][1]) is not None else known[0].shape[i]
        for i, dim in enumerate(dims)
    )
    same = all(
        labels is None or cell is None or np.array_equal(cell["coords"][dim][1], labels)
        for dim in dims
        for labels in (inner[dim][1],)
        for cell in cells
    )
    if len(known) == len(held) and same:
        return np.stack(known)
    kind = np.result_type(*{np.asarray(values).dtype for values in known})
    missing: Any = "" if kind.kind == "U" else np.nan
    full = np.full((len(held), *shape), missing, dtype=kind if kind.kind in "fcU" else float)
    for i, (entry, cell) in enumerate(zip(held, cells, strict=True)):
        if entry is None or cell is None:
            continue
        places = [
            np.arange(shape[axis])
            if (labels := inner[dim][1]) is None
            else np.searchsorted(labels, cell["coords"][dim][1])
            for axis, dim in enumerate(dims)
        ]
        full[i][np.ix_(*places)] = entry[1]
    return full


def _join(each: Sequence[Mapping[str, Any]], left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Return the attributes of all; those that differ are listed, or left out."""
    joined: dict[str, Any] = {}
    for attrs in each:
        for name, value in attrs.items():
            values = joined.setdefault(name, [])
            if not any(value is known or repr(value) == repr(known) for known in values):
                values.append(value)
    return {
        name: values[0] if len(values) == 1 else "; ".join(map(str, values[:_MANY]))
        for name, values in joined.items()
        if len(values) == 1 or name not in left_out
    }
