"""The state of a run as bytes, without running code of a file: arrays as they are, the rest as JSON.

Values of this package are stored field by field. Objects of other packages, and of classes of your own, are
pickled, each separately; objects that the loop holds already are not stored.
"""

from __future__ import annotations

import contextlib
import copyreg
import importlib
import json
import pickle
import types
from typing import Any

import numpy as np

from madtheory.files.identity import is_computed

_NEW: Any = copyreg.__newobj__  # type: ignore[attr-defined]
_PACKAGE = __name__.partition(".")[0]


class NotStorable(ValueError):
    """A value that cannot be written to disk and read again."""


def pack(value: Any, given: dict[str, Any]) -> tuple[bytes, bool]:
    """Write a value as bytes.

    Parameters
    ----------
    value : object
        State of a run, or a part of it.
    given : dict
        Objects that the reader has already, by name (`parts_of`): only references to them are stored.

    Returns
    -------
    (bytes, bool)
        The content, and whether it contains a pickle.

    Raises
    ------
    NotStorable
        If a value can be stored neither by its fields nor as a pickle.
    """
    writer = _Writer(given)
    try:
        root = writer.refer(value)
    except RecursionError:
        raise NotStorable(f"{type(value).__name__} cannot be stored: it holds itself") from None
    header = json.dumps({"root": root, "nodes": writer.nodes}).encode()
    return b"".join([len(header).to_bytes(8, "little"), header, *writer.blobs]), writer.pickled


def unpack(content: bytes, given: dict[str, Any]) -> Any:
    """Read what `pack` wrote; pickles are loaded only where `pack` has written one."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return _Reader(content, 8 + length, given).read(header)


def parts_of(value: Any) -> dict[str, Any]:
    """Return the parts of a description, by their path in it."""
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(path: str, held: Any) -> None:
        if held is None or isinstance(held, (bool, int, float, str, bytes, type)) or id(held) in seen:
            return
        seen.add(id(held))
        found[path] = held
        inner: Any = ()
        if isinstance(held, dict):
            inner = held.items()
        elif isinstance(held, (tuple, list)):
            inner = enumerate(held)
        elif type(held).__module__.partition(".")[0] == _PACKAGE and hasattr(held, "__dict__"):
            inner = vars(held).items()
        for name, part in inner:
            visit(f"{path}.{name}", part)

    visit("", value)
    return found


class _Writer:
    def __init__(self, given: dict[str, Any]) -> None:
        self.known = {id(held): name for name, held in given.items()}
        self.nodes: list[Any] = []
        self.blobs: list[bytes] = []
        self.places: dict[int, int] = {}
        self.kept: list[Any] = []
        self.size = 0
        self.pickled = False

    def refer(self, value: Any) -> Any:
        """Return the JSON of a small value, or the place of another one among the nodes."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return {"float": value.hex()}
        if id(value) in self.known:
            return {"given": self.known[id(value)]}
        if type(value) is tuple:
            return {"tuple": [self.refer(item) for item in value]}
        if id(value) not in self.places:
            node = self.node(value)
            # An object that is kept cannot leave its address to another one.
            self.kept.append(value)
            self.places[id(value)] = len(self.nodes)
            self.nodes.append(node)
        return {"node": self.places[id(value)]}

    def node(self, value: Any) -> Any:
        kind = type(value)
        if kind is list:
            return ["list", [self.refer(item) for item in value]]
        if kind is dict:
            return ["dict", self.pairs(value)]
        if kind in (set, frozenset):
            return [kind.__name__, [self.refer(item) for item in sorted(value, key=repr)]]
        if kind is np.ndarray and value.dtype.kind in "biufcSU":
            # The order of the axes in memory is kept: sums may depend on it.
            axes = sorted(range(value.ndim), key=lambda axis: (-abs(value.strides[axis]), axis))
            data = np.ascontiguousarray(value.transpose(axes)).tobytes()
            return ["array", value.dtype.str, list(value.shape), axes, *self.blob(data)]
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return ["scalar", value.dtype.str, value.tobytes().hex()]
        if kind.__module__.partition(".")[0] == _PACKAGE:
            with contextlib.suppress(NotStorable):
                return self.instance(value, kind)
        try:
            self.pickled = True
            return ["pickle", *self.blob(pickle.dumps(value, protocol=5))]
        except Exception as error:
            raise NotStorable(f"{kind.__name__} cannot be stored ({error})") from None

    def instance(self, value: Any, kind: type) -> Any:
        """Describe a value of this package by its class and its fields."""
        reduced: Any = value.__reduce_ex__(4)
        if isinstance(reduced, str) or (len(reduced) > 3 and any(part is not None for part in reduced[3:])):
            raise NotStorable(f"{kind.__name__} cannot be stored")
        function, arguments, state = (*reduced, None)[:3]
        if function is _NEW:
            function, arguments = arguments[0], arguments[1:]
            how = "new"
        else:
            how = "call"
        if isinstance(state, dict):
            state = {name: held for name, held in state.items() if not is_computed(kind, name)}
        fields = {"pairs": self.pairs(state)} if isinstance(state, dict) else self.refer(state)
        return [how, _address(function), [self.refer(item) for item in arguments], fields]

    def pairs(self, held: dict[Any, Any]) -> list[Any]:
        return [[self.refer(name), self.refer(item)] for name, item in held.items()]

    def blob(self, data: bytes) -> tuple[int, int]:
        """Append bytes to the blobs and return their place."""
        self.blobs.append(data)
        self.size += len(data)
        return self.size - len(data), len(data)


class _Reader:
    def __init__(self, content: bytes, start: int, given: dict[str, Any]) -> None:
        self.content, self.start, self.given = content, start, given
        self.values: list[Any] = []

    def read(self, header: dict[str, Any]) -> Any:
        for node in header["nodes"]:
            self.values.append(self.value(*node))
        return self.resolve(header["root"])

    def resolve(self, reference: Any) -> Any:
        """Return the value of a reference made by `_Writer.refer`."""
        if not isinstance(reference, dict):
            return reference
        ((kind, content),) = reference.items()
        if kind == "node":
            return self.values[content]
        if kind == "float":
            return float.fromhex(content)
        if kind == "pairs":
            return self.pairs(content)
        if kind == "given":
            return self.given[content]
        return tuple(self.resolve(item) for item in content)

    def value(self, kind: str, *content: Any) -> Any:
        if kind in ("list", "set", "frozenset"):
            made: Any = {"list": list, "set": set, "frozenset": frozenset}[kind]
            return made(self.resolve(item) for item in content[0])
        if kind == "dict":
            return self.pairs(content[0])
        if kind == "array":
            dtype, shape, axes, place, length = content
            flat = np.frombuffer(self.blob(place, length), dtype=np.dtype(dtype))
            stored = flat.reshape([shape[axis] for axis in axes]).copy()
            return stored.transpose(np.argsort(axes)) if len(axes) > 1 else stored
        if kind == "scalar":
            return np.frombuffer(bytes.fromhex(content[1]), dtype=np.dtype(content[0]))[0]
        if kind == "pickle":
            return pickle.loads(self.blob(*content))
        return self.instance(kind, *content)

    def instance(self, how: str, address: str, arguments: Any, fields: Any) -> Any:
        function, given = _find(address), [self.resolve(item) for item in arguments]
        made = function.__new__(function, *given) if how == "new" else function(*given)
        state = self.resolve(fields)
        if hasattr(made, "__setstate__"):
            if state is not None:
                made.__setstate__(state)
            return made
        for held in state if isinstance(state, tuple) else (state,):
            for name, item in (held or {}).items():
                object.__setattr__(made, name, item)
        return made

    def pairs(self, listed: list[Any]) -> dict[Any, Any]:
        return {self.resolve(name): self.resolve(item) for name, item in listed}

    def blob(self, place: int, length: int) -> bytes:
        return self.content[self.start + place : self.start + place + length]


def _address(function: Any) -> str:
    """Return the module and name of a class of this package, or of its class method."""
    owner = function.__self__ if isinstance(function, types.MethodType) else function
    address = f"{getattr(owner, '__module__', '')}:{getattr(function, '__qualname__', '')}"
    try:
        found = _find(address)
    except (ValueError, ImportError, AttributeError):
        found = None
    if found != function:
        raise NotStorable(f"{address} cannot be found again")
    return address


def _find(address: str) -> Any:
    """Find the class, or class method, of this package at an address; refuse any other address."""
    module, _, path = address.partition(":")
    if module.partition(".")[0] != _PACKAGE:
        raise ValueError(f"{address!r} is not a class of {_PACKAGE}")
    held: Any = importlib.import_module(module)
    for name in path.split("."):
        held = getattr(held, name)
    owner = held.__self__ if isinstance(held, types.MethodType) else held
    if not isinstance(owner, type) or owner.__module__.partition(".")[0] != _PACKAGE:
        raise ValueError(f"{address!r} is not a class of {_PACKAGE}")
    return held
