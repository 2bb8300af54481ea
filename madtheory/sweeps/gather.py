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
    inner = {dim: _Labels(dim, there) for dim in _dimensions(there)}
    coords: dict[str, Any] = {
        name: ((name,), labels.values, labels.attrs)
        for name, labels in inner.items()
        if labels.values is not None
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


class _Labels:
    """All labels of a dimension of cells; ``values`` is ``None`` if it has none."""

    def __init__(self, dim: str, cells: Sequence[Mapping[str, Any]]) -> None:
        known = [cell["coords"][dim] for cell in cells if dim in cell["coords"]]
        self.attrs = _join([attrs for _, _, attrs in known])
        self.values: np.ndarray | None = known[0][1] if known else None
        # The same object, or the same bytes: quicker than a comparison for thousands of cells.
        self.same = len({(values.dtype.str, values.tobytes()) for _, values, _ in known}) <= 1
        if not self.same:
            self.values = np.unique(np.concatenate([values for _, values, _ in known]))

    def places(self, cell: Mapping[str, Any], dim: str, size: int) -> np.ndarray:
        """Return where the entries of one cell belong."""
        if self.values is None:
            return np.arange(size)
        return np.searchsorted(self.values, cell["coords"][dim][1])


def _stack(
    name: str,
    held: Sequence[Any],
    cells: Sequence[Mapping[str, Any] | None],
    dims: tuple[str, ...],
    inner: Mapping[str, _Labels],
) -> np.ndarray:
    """Return the values of one variable in all cells, shape (cells, ...)."""
    known = [entry[1] for entry in held if entry is not None]
    shapes = {np.shape(values) for values in known}
    if len(known) == len(held) and len(shapes) == 1 and all(inner[dim].same for dim in dims):
        return np.stack(known)
    if len(shapes) > 1 and any(inner[dim].values is None for dim in dims):
        raise ValueError(
            f"variable {name!r} has the shapes {sorted(shapes)} in different cells, and dimensions without "
            f"coordinates; give them coordinates."
        )
    shape = tuple(
        len(labels) if (labels := inner[dim].values) is not None else known[0].shape[i]
        for i, dim in enumerate(dims)
    )
    kind = np.result_type(*{np.asarray(values).dtype for values in known})
    missing: Any = "" if kind.kind == "U" else np.nan
    full = np.full((len(held), *shape), missing, dtype=kind if kind.kind in "fcU" else float)
    for i, (entry, cell) in enumerate(zip(held, cells, strict=True)):
        if entry is not None and cell is not None:
            places = [inner[dim].places(cell, dim, size) for dim, size in zip(dims, shape, strict=True)]
            full[i][np.ix_(*places)] = entry[1]
    return full


def _join(each: Sequence[Mapping[str, Any]], left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Return the attributes of all; those that differ are listed, or left out."""
    joined: dict[str, dict[str, Any]] = {}
    for attrs in each:
        for name, value in attrs.items():
            joined.setdefault(name, {}).setdefault(value if isinstance(value, str) else repr(value), value)
    return {
        name: next(iter(values.values())) if len(values) == 1 else "; ".join([*values][:_MANY])
        for name, values in joined.items()
        if len(values) == 1 or name not in left_out
    }
