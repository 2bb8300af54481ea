"""The points of a sweep: product grids and zipped points, and the address of each for its random stream."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.validation import show

if TYPE_CHECKING:
    import xarray as xr

Point = dict[str, Any]

_RESERVED = ("generation", "replicate", "quantile", "replicates", "error", "point", "crossing")


@dataclass(frozen=True)
class Points:
    """Points with the shape of a labelled array.

    Attributes
    ----------
    sizes : dict
        Name and size of every dimension.
    coords : dict
        Dimensions and values of every coordinate.
    names : tuple of str
        Coordinates that are keywords of a point.
    """

    sizes: dict[str, int]
    coords: dict[str, tuple[tuple[str, ...], np.ndarray]]
    names: tuple[str, ...]

    @classmethod
    def of(cls, over: Any, make: Callable[..., Any]) -> Points:
        """Read `over`: a mapping of names to values, or a dataset of zipped coordinates."""
        if hasattr(over, "data_vars"):
            return cls._zipped(over, make)
        if not isinstance(over, Mapping) or not all(isinstance(name, str) for name in over):
            raise TypeError(
                f"over={show(over)} is neither a dict of coordinates nor a Dataset; pass for example "
                f"over={{'bias': [0.5, 1.0], 'n_synthetic': [100, 1000]}}."
            )
        coords: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
        for name, values in over.items():
            array = _coordinate(name, values)
            if array.ndim > 1:
                raise ValueError(
                    f"over[{name!r}] has shape {array.shape}; pass one value or a list, and an "
                    f"xarray.Dataset for points that are not a product of lists."
                )
            coords[name] = ((name,) if array.ndim else (), array)
        sizes = {name: array.size for name, (dims, array) in coords.items() if dims}
        return cls(sizes, coords, tuple(coords))

    @classmethod
    def _zipped(cls, over: xr.Dataset, make: Callable[..., Any]) -> Points:
        coords = {
            str(name): (tuple(map(str, values.dims)), _coordinate(str(name), values.values))
            for name, values in over.variables.items()
        }
        sizes = {str(name): int(size) for name, size in over.sizes.items()}
        # A label of a dimension, such as the index of a table, need not be a keyword.
        labels = {name for name in sizes if name in coords and not _takes(make, name)}
        return cls(sizes, coords, tuple(name for name in coords if name not in labels))

    def __len__(self) -> int:
        """Return the number of points."""
        return int(np.prod(list(self.sizes.values()), dtype=int))

    def as_list(self) -> list[Point]:
        """Return the keywords of every point, the last dimension fastest."""
        full = [
            np.broadcast_to(_expand(self.coords[name], tuple(self.sizes)), tuple(self.sizes.values())).ravel()
            for name in self.names
        ]
        return [dict(zip(self.names, values, strict=True)) for values in zip(*map(_items, full), strict=True)]

    def describe(self) -> dict[str, Any]:
        """Return what JSON can hold of the points; `from_description` reads it."""
        coords = {name: [list(dims), a.tolist(), a.dtype.str] for name, (dims, a) in self.coords.items()}
        return {"sizes": self.sizes, "coords": coords, "names": list(self.names)}

    @classmethod
    def from_description(cls, about: Mapping[str, Any]) -> Points:
        """Return the points of a description."""
        coords = {
            name: (tuple(dims), np.array(values, dtype=kind))
            for name, (dims, values, kind) in about["coords"].items()
        }
        return cls(dict(about["sizes"]), coords, tuple(about["names"]))

    @classmethod
    def from_list(cls, listed: list[Point], like: Points) -> Points:
        """Return points one by one, along the dimension ``point``, with the types of other ones."""
        coords: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
            name: (("point",), np.array([point[name] for point in listed], dtype=_wide(like.coords[name][1])))
            for name in like.names
        }
        return cls({"point": len(listed)}, coords, like.names)

    def corners(self) -> list[tuple[int, ...]]:
        """Return the places of the first and last entries along every dimension."""
        ends = [sorted({0, size - 1}) for size in self.sizes.values()]
        return list(product(*ends))


def _wide(values: np.ndarray) -> Any:
    return values.dtype if values.dtype.kind in "iubU" else float


def _expand(coordinate: tuple[tuple[str, ...], np.ndarray], dims: tuple[str, ...]) -> np.ndarray:
    """Return values with an axis for each of `dims`, of size 1 where they do not vary."""
    own, values = coordinate
    order = [dim for dim in dims if dim in own]
    values = values.transpose([own.index(dim) for dim in order])
    return values.reshape([values.shape[order.index(dim)] if dim in order else 1 for dim in dims])


def _items(values: np.ndarray) -> list[Any]:
    return values.tolist()


def _coordinate(name: str, values: Any) -> np.ndarray:
    """Return the values of a coordinate as an array of numbers, texts or booleans."""
    if name in _RESERVED:
        raise ValueError(
            f"over has the coordinate {name!r}, which is a name of the result; choose a name other than "
            f"{', '.join(_RESERVED)}."
        )
    expected = "pass numbers, texts or booleans, one or a list of them"
    if isinstance(values, (set, frozenset, dict)):
        raise ValueError(f"over[{name!r}]={show(values)} has no order; pass a list.")
    listed = list(values) if not isinstance(values, str) and hasattr(values, "__iter__") and not hasattr(
        values, "shape"
    ) else values  # fmt: skip
    try:
        array = np.asarray(listed)
    except (ValueError, TypeError, OverflowError):
        array = np.asarray(None)
    mixed = isinstance(listed, list) and len({_family(value) for value in listed}) > 1
    if array.dtype.kind not in "biufU" or mixed:
        raise ValueError(f"over[{name!r}]={show(values)} cannot be a coordinate; {expected}.")
    if not array.size:
        raise ValueError(f"over[{name!r}] is empty; {expected}.")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"over[{name!r}]={show(values)} holds NaN, which is not a place; {expected}.")
    return array


def _family(value: Any) -> str:
    kind = np.asarray(value).dtype.kind
    return "number" if kind in "iuf" else kind


def _takes(make: Callable[..., Any], name: str) -> bool:
    """Return whether a function has a keyword."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return True
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def takes_rng(make: Callable[..., Any], point: Point) -> bool:
    """Return whether a function wants the seed of its cell: its keyword ``rng`` is free."""
    try:
        parameter = inspect.signature(make).parameters.get("rng")
    except (TypeError, ValueError):
        return False
    return parameter is not None and "rng" not in point and parameter.default in (None, parameter.empty)


def address_of(point: Mapping[str, Any]) -> str:
    """Return a digest of a point: equal for equal numbers, such as 1 and 1.0, in any order of names."""
    listed = sorted((name, _canonical(value)) for name, value in point.items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:32]


def seed_of(entropy: int, address: str, block: int) -> np.random.SeedSequence:
    """Return the seed of one block of replicates at one point: it depends on nothing else."""
    words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
    return np.random.SeedSequence(entropy, spawn_key=(*words, block))


def _canonical(value: Any) -> list[Any]:
    if isinstance(value, (bool, str)):
        return [type(value).__name__, value]
    if float(value).is_integer() and abs(value) < 2**53:
        return ["number", int(value)]
    return ["number", value if isinstance(value, int) else float(value).hex()]
