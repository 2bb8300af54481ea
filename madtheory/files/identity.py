"""Identity by content: values that lead to different numbers have different digests.

The identity of a function is what it computes: its bytecode, constants, defaults and closure, and the
functions, classes and constants that it refers to, wherever they are. Names of files, line numbers, comments
and docstrings are not part of it, nor is the order of a dictionary. Packages that are installed, and the
standard library, are identified by name and version. The digest does not depend on the process.
"""

from __future__ import annotations

import builtins
import contextlib
import copyreg
import dis
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import operator
import pickle
import random
import re
import struct
import sys
import threading
import types
import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

_PACKAGE = __name__.partition(".")[0]
_SILENT = frozenset(
    {"joblib", "matplotlib", "pandas", "threadpoolctl", "tqdm", "typing_extensions", "xarray"}
)
"""Packages that display, label or schedule: their versions are not part of an identity."""

_NOT_CONTENT = frozenset({
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__",
    "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__",
    "__match_args__", "__module__", "__non_callable_proto_members__", "__orig_bases__", "__parameters__",
    "__protocol_attrs__", "__qualname__", "__repr__", "__slotnames__", "__static_attributes__", "__str__",
    "__type_params__", "__weakref__", "_abc_impl", "_is_protocol", "_is_runtime_protocol",
})  # fmt: skip
"""Attributes of a class that hold its place or its name, not what it computes."""

_DYNAMIC = frozenset({"eval", "exec", "globals"})
_STATEFUL = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_MISSING = object()
_LARGE = 2**16


class NoIdentity(ValueError):
    """A value that has no identity by content."""


@dataclass(frozen=True)
class Identity:
    """The digest of a value, and the versions of the packages that it depends on.

    Attributes
    ----------
    digest : str
        Digest of the content, hexadecimal.
    packages : dict of str
        Name and version of each installed package that the content refers to.
    """

    digest: str
    packages: dict[str, str]


def identify(value: Any, instead: Callable[[Any], Any] | None = None) -> Identity:
    """Return the identity of a value by its content.

    Parameters
    ----------
    value : object
        Any value.
    instead : callable, optional
        Function that maps each object to the one identified in its place, for instance a large one to its
        checksum, or one of which a part does not count to the rest; all others to themselves.

    Raises
    ------
    NoIdentity
        If the value has none: an open file, a running generator, a compiled function with hidden state.
    """
    state: frozenset[tuple[int, str]] | None = None
    while True:
        walk = _Walk(instead, state)
        walk.describe([value])
        found = _Seen(walk.roots[0])
        if found.is_settled():
            return walk.identity(walk.roots[0], found)
        # A name that only other code changes is a setting, and one that this code changes is state.
        state = frozenset(found.changed | (state or set()))


def identify_each(
    values: Mapping[str, Any], instead: Callable[[Any], Any] | None = None
) -> dict[str, Identity]:
    """Return the identity of each of several values: as `identify` does, but shared code is read once.

    Parameters
    ----------
    values : mapping
        Values by name.
    instead : callable, optional
        As for `identify`.

    Raises
    ------
    NoIdentity
        If one of the values has none.
    """
    walk, found = _Walk(instead), dict[str, Identity]()
    walk.describe(values.values())
    for (name, value), root in zip(values.items(), walk.roots, strict=True):
        seen = _Seen(root)
        found[name] = walk.identity(root, seen) if seen.is_settled() else identify(value, instead)
    return found


class _Unit:
    """A function, a class or the value itself: its name, its own digest, and the units it refers to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = b""
        self.links: list[_Unit] = []
        self.changed: set[tuple[int, str]] = set()  # names of modules, by the code of this unit
        self.left_out: set[tuple[int, str]] = set()
        self.read: set[tuple[int, str]] = set()
        self.foreign: set[str] = set()


class _Seen:
    """All units that a value refers to, and the names that they change, leave out and read."""

    def __init__(self, root: _Unit) -> None:
        self.units: list[_Unit] = []
        waiting, known = [root], {id(root)}
        while waiting:
            unit = waiting.pop()
            self.units.append(unit)
            for link in unit.links:
                if id(link) not in known:
                    known.add(id(link))
                    waiting.append(link)
        self.changed = set[tuple[int, str]]().union(*(unit.changed for unit in self.units))
        self.left_out = set[tuple[int, str]]().union(*(unit.left_out for unit in self.units))
        self.read = set[tuple[int, str]]().union(*(unit.read for unit in self.units))
        self.foreign = set[str]().union(*(unit.foreign for unit in self.units))

    def is_settled(self) -> bool:
        """Return whether the names left out are those that this code changes, and none of them was read."""
        return self.left_out <= self.changed and not self.read & self.changed


class _Walk:
    """One traversal, from a value through everything that it refers to."""

    def __init__(
        self,
        instead: Callable[[Any], Any] | None = None,
        state: frozenset[tuple[int, str]] | None = None,
    ) -> None:
        self.instead = instead
        self.state = state  # names of modules to leave out; by default those that any code there changes
        self.roots: list[_Unit] = []
        self.known: dict[int, tuple[Any, _Unit]] = {}
        self.waiting: list[tuple[Any, _Unit]] = []
        self.assigned: dict[int, frozenset[str]] = {}  # by module of this package, as of this walk
        self.linked: dict[int, bytes] = {}  # digests of units with those they refer to
        self.current = _Unit("")
        self.open: list[int] = []

    def describe(self, values: Iterable[Any]) -> None:
        """Describe values, and everything that they refer to."""
        for value in values:
            self.current = _Unit("value")
            self.roots.append(self.current)
            self.open = []
            self.current.digest = self.value(value)
        while self.waiting:
            value, unit = self.waiting.pop()
            self.current = unit
            self.open = []
            try:
                unit.digest = self._class(value) if isinstance(value, type) else self._function(value)
            except NoIdentity as error:
                raise NoIdentity(f"{unit.name}: {error}") from None

    def identity(self, root: _Unit, seen: _Seen) -> Identity:
        """Return the digest of all units, each with those it refers to; their order does not matter."""
        linked = {self._digest_with_links(unit) for unit in seen.units if unit is not root}
        digest = _hash(
            root.digest, *sorted({_hash(u.name, u.digest) for u in root.links}), b"units", *sorted(linked)
        ).hex()
        found = {name: _version(name) for name in sorted(seen.foreign - _SILENT)}
        return Identity(digest, {name: version for name, version in found.items() if version})

    def _digest_with_links(self, unit: _Unit) -> bytes:
        if id(unit) not in self.linked:
            links = sorted({_hash(link.name, link.digest) for link in unit.links})
            self.linked[id(unit)] = _hash(unit.name, unit.digest, *links)
        return self.linked[id(unit)]

    def link(self, value: Any, name: str) -> bytes:
        """Refer to a function or a class by its name; it is described separately."""
        unit = self.known.get(id(value), (None, None))[1]
        if unit is None:
            unit = _Unit(name)
            self.known[id(value)] = (value, unit)
            self.waiting.append((value, unit))
        self.current.links.append(unit)
        return _hash_again("code", name)

    def name_of(self, module: str | None, qualname: str) -> bytes:
        """Refer by name to an object of an installed package or of the standard library."""
        self.current.foreign.add((module or "builtins").partition(".")[0])
        return _hash_again("installed", module or "builtins", qualname)

    def value(self, value: Any) -> bytes:
        """Return the digest of a value; functions and classes in it are linked."""
        if self.instead is not None:
            value = self.instead(value)
        kind = type(value)
        if value is None or value is Ellipsis or value is NotImplemented:
            return _hash("constant", repr(value))
        if kind in (bool, np.bool_):
            return _hash("bool", str(bool(value)))
        if kind in (int, np.int64):
            return _hash("int", str(int(value)) if abs(int(value)) < 2**64 else hex(int(value)))
        if kind in (float, np.float64):
            return _hash("float", struct.pack("<d", value))
        if kind is complex:
            return _hash("complex", struct.pack("<dd", value.real, value.imag))
        if kind is str:
            return _hash("str", value.encode("utf-8", "surrogatepass"))
        if kind in (bytes, bytearray):
            return _hash(kind.__name__, bytes(value))
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
            return self._array(value)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, type):
            return self._refer(value)
        if isinstance(value, types.FunctionType):
            return self._refer(value)
        return self._once(value, lambda: self._compound(value, kind))

    def _once(self, value: Any, describe: Callable[[], bytes]) -> bytes:
        """Describe an object, unless it is inside itself."""
        if id(value) in self.open:
            return _hash("cycle", str(self.open[::-1].index(id(value))))
        self.open.append(id(value))
        try:
            return describe()
        finally:
            self.open.pop()

    def _compound(self, value: Any, kind: type) -> bytes:
        if kind in (tuple, list):
            if len(value) > _LARGE and {type(item) for item in value} <= {int, float, str}:
                return _hash(kind.__name__, repr(value))
            return _hash(kind.__name__, *map(self.value, value))
        if kind in (set, frozenset):
            return _hash(kind.__name__, *sorted(self.value(item) for item in value))
        if kind in (dict, types.MappingProxyType):
            return _hash("dict", *sorted(_hash(self.value(k), self.value(v)) for k, v in value.items()))
        if kind in (range, slice):
            return _hash(kind.__name__, repr(value))
        if isinstance(value, np.ndarray):
            return _hash("array", str(value.shape), *map(self.value, value.ravel().tolist()))
        if isinstance(value, functools.partial):
            return _hash("partial", *map(self.value, (value.func, value.args, value.keywords)))
        if isinstance(value, types.MethodType):
            return _hash("method", self.value(value.__func__), self.value(value.__self__))
        if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
            return self._builtin(value)
        if isinstance(value, (classmethod, staticmethod)):
            return _hash(kind.__name__, self.value(value.__func__))
        if isinstance(value, property):
            return _hash("property", *map(self.value, (value.fget, value.fset, value.fdel)))
        if isinstance(value, functools.cached_property):
            return _hash("cached_property", self.value(value.func))
        if isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            return _hash("slot", value.__name__)
        if isinstance(value, (types.MethodDescriptorType, types.WrapperDescriptorType)):
            return self.name_of(value.__objclass__.__module__, value.__qualname__)
        if isinstance(value, types.CodeType):
            return self._code(value, {}, {})
        if isinstance(value, Enum):
            return _hash("enum", self.value(kind), value.name)
        if isinstance(value, TypeVar) or getattr(kind, "__module__", "") in ("typing", "types"):
            return _hash("type", repr(value)) if kind.__module__ != "types" else self._reduce(value, kind)
        if isinstance(value, (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)):
            return _hash("weak", kind.__name__)
        if isinstance(value, contextlib.ContextDecorator) and hasattr(value, "gen"):
            # Made by contextmanager: as a decorator, it is new for each call.
            made: Any = value
            return _hash("context", *map(self.value, (made.func, made.args, made.kwds)))
        if isinstance(value, _LOCKS):
            return _hash("lock")
        if isinstance(value, np.dtype):
            return _hash("dtype", repr(value))
        if isinstance(value, contextlib._GeneratorContextManager):  # as a decorator, new for each call
            return _hash("context", self.value((value.func, value.args, value.kwds)))
        for inner in ("__wrapped__", "py_func"):  # of lru_cache, and of Numba
            function = getattr(value, "__dict__", {}).get(inner)
            if callable(function) and not _is_own(kind.__module__):
                return _hash(self.name_of(kind.__module__, kind.__qualname__), self.value(function))
        if (torch := sys.modules.get("torch")) is not None and isinstance(value, torch.Tensor):
            numbers = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return _hash("tensor", str(value.dtype), str(tuple(value.shape)), numbers.tobytes())
        return self._reduce(value, kind)

    def _array(self, value: Any) -> bytes:
        array = np.asarray(value)
        masked = self.value(np.ma.getmaskarray(value)) if isinstance(value, np.ma.MaskedArray) else b""
        return _hash("array", array.dtype.str, repr(array.dtype), str(array.shape), array.tobytes(), masked)

    def _module(self, module: types.ModuleType) -> bytes:
        """Describe a module used as a value: by name, or by all its content if it is not installed."""
        if not _is_own(module.__name__):
            return self.name_of(module.__name__, "")
        names = getattr(module, "__all__", None) or [
            name for name, held in vars(module).items()
            if not name.startswith("__") and getattr(held, "__module__", module.__name__) == module.__name__
            and not isinstance(held, types.ModuleType)
        ]  # fmt: skip
        held = [(name, getattr(module, name, None)) for name in sorted(names)]
        return self._once(module, lambda: _hash("module", *(self._named_value(n, v) for n, v in held)))

    def _builtin(self, value: Any) -> bytes:
        """Describe a function in C by name, and the method of an object by that object."""
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return self.name_of(value.__module__, value.__qualname__)
        return _hash("method", value.__name__, self.value(owner))

    def _refer(self, value: Any) -> bytes:
        """Refer to a function or a class: by name if it is installed, else by content."""
        if isinstance(value, type):
            if not _is_own(value.__module__):
                return self.name_of(value.__module__, value.__qualname__)
            return self.link(value, value.__qualname__)
        where = value.__globals__.get("__name__", "")
        if _is_own(where):
            return self.link(value, value.__qualname__)
        name = self.name_of(where, value.__code__.co_qualname)
        if not value.__closure__:
            return name
        return self._once(value, lambda: _hash(name, *self._cells(value)))

    def _cells(self, function: types.FunctionType) -> list[bytes]:
        """Describe the values of a closure, by name; a module is identified by its use."""
        contents, changed = _closure(function), _globals_of(function.__code__)
        return [
            self._named_value(name, contents[name])
            for name in sorted(contents)
            if name not in changed and not isinstance(contents[name], types.ModuleType)
        ]

    def _global(self, value: Any) -> bytes:
        """Describe a value that a function refers to; refuse one whose state changes from call to call."""
        if isinstance(value, _STATEFUL):
            raise NoIdentity(
                f"it refers to {type(value).__name__}, a random generator whose state moves with each call; "
                f"make the generator inside, from a seed"
            )
        return self.value(value)

    def _is_state(self, space: dict[str, Any], name: str) -> bool:
        """Return whether a name of a module is state that code changes, not part of the code."""
        if space.get("__name__", "").partition(".")[0] == _PACKAGE:
            if id(space) not in self.assigned:
                self.assigned[id(space)] = _assigned_names(space)
            return name in self.assigned[id(space)]
        key = (id(space), name)
        left_out = name in _assigned_names(space) if self.state is None else key in self.state
        (self.current.left_out if left_out else self.current.read).add(key)
        return left_out

    def _function(self, function: types.FunctionType) -> bytes:
        space = function.__globals__
        self.current.changed |= {(id(space), name) for name in _globals_of(function.__code__)}
        aliases = {k: v for k, v in _closure(function).items() if isinstance(v, types.ModuleType)}
        parts = [self._code(function.__code__, space, aliases)]
        parts += [self._global(item) for item in function.__defaults__ or ()]
        named = function.__kwdefaults__ or {}
        parts += [_hash(name, self._global(named[name])) for name in sorted(named)]
        parts += self._cells(function)
        own = {k: v for k, v in vars(function).items() if not k.startswith("__")}
        parts += [self.value(own)] if own else []
        return _hash("function", *parts)

    def _class(self, kind: type) -> bytes:
        parts = [self.value(base) for base in kind.__bases__] + [self.value(type(kind))]
        held = dict(vars(kind))
        if issubclass(kind, Enum):
            parts += [_hash(m.name, self.value(m.value)) for m in kind]
            held = {
                k: v for k, v in held.items() if isinstance(v, (types.FunctionType, classmethod, property))
            }
        for name in sorted(set(held) - _NOT_CONTENT):
            parts.append(_hash(name, self._global(held[name])))
        return _hash("class", *parts)

    def _reduce(self, value: Any, kind: type) -> bytes:
        """Describe any other object by the content that pickle would store."""
        try:
            known = copyreg.dispatch_table.get(kind)
            reduced = value.__reduce_ex__(4) if known is None else known(value)
        except Exception as error:
            raise NoIdentity(
                f"{type(value).__name__!r} has no identity by content ({error}); use plain values, and "
                f"functions and classes defined by def and class"
            ) from None
        if isinstance(reduced, str):
            home = pickle.whichmodule(value, reduced)  # type: ignore[attr-defined]
            if not _is_found(value, home, reduced):  # such as a ufunc that a user made
                raise NoIdentity(
                    f"{type(value).__name__!r} has no identity by content (only its name {reduced!r} "
                    f"is known); use a function defined by def"
                )
            return self.name_of(home, reduced)
        function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict):
            # A value that a property has computed from the rest and stored adds nothing.
            state = {k: v for k, v in state.items() if not is_computed(kind, k)}
        parts = [self.value(function), self.value(tuple(arguments)), self.value(state)]
        if items is not None:
            parts.append(self.value(list(items)))
        if pairs is not None:
            parts.append(self.value(dict(pairs)))
        return _hash("object", *parts)

    def _code(self, code: types.CodeType, space: dict[str, Any], aliases: dict[str, Any]) -> bytes:
        """Describe bytecode, and its references to module `space`; `aliases` are local names of modules."""
        instructions, alone, frame, handlers = _plan(code, bool(aliases))
        parts: list[bytes] = []
        read: types.ModuleType | None = None  # the module on top of the stack
        source: types.ModuleType | None = None  # the module that names are imported from
        taken: types.ModuleType | None = None  # the module that is about to be bound to a name
        for at, (instruction, fixed) in enumerate(zip(instructions, alone, strict=True)):
            if read is None and fixed is not None:
                parts.append(fixed)
                continue
            name, argument = instruction.opname, instruction.argval
            operand: bytes | str = str(argument)
            if read is not None and name in ("LOAD_ATTR", "LOAD_METHOD"):
                read, operand = self._attribute(read, argument)
                parts.append(operand)
                continue
            if read is not None:
                parts.append(self._module(read))
                read = None
            if name in _CONSTANT and isinstance(argument, types.CodeType):
                operand = self._inner_code(argument, space, aliases)
            elif name == "IMPORT_NAME":
                level, listed = instructions[at - 2].argval, instructions[at - 1].argval
                source = _imported_module(self.current.foreign, argument, level, space, bool(listed))
                taken = None if listed else source
                operand = f"{argument} {listed}"
            elif name == "IMPORT_FROM" and source is not None:
                taken, operand = self._attribute(source, argument)
            elif name.startswith("STORE_") and taken is not None and isinstance(argument, str):
                aliases[argument], taken = taken, None
            elif name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                held = space.get(argument, aliases.get(argument, vars(builtins).get(argument, _MISSING)))
                if isinstance(held, types.ModuleType):
                    read = held
                elif argument in _DYNAMIC and argument not in space:
                    read = sys.modules.get(space.get("__name__", ""))
                elif argument in space and (argument.startswith("__") or self._is_state(space, argument)):
                    pass
                elif held is not _MISSING and not argument.startswith("__"):
                    operand = self._named_value(argument, held)
            elif name.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")) and argument in aliases:
                read = aliases[argument]
            elif fixed is not None:
                parts.append(fixed)
                continue
            parts.append(_hash_again(name, operand))
        return _hash("bytecode", *frame, digests=[*parts, *handlers])

    def _inner_code(self, code: types.CodeType, space: dict[str, Any], aliases: dict[str, Any]) -> bytes:
        """Describe a function or class that is defined inside another."""
        return _hash("nested", code.co_name, self._code(code, space, aliases))

    def _named_value(self, name: str, held: Any) -> bytes:
        try:
            return _hash_again(name, self._global(held))
        except NoIdentity as error:
            raise NoIdentity(f"{name!r}: {error}") from None

    def _attribute(self, module: types.ModuleType, name: str) -> tuple[types.ModuleType | None, bytes]:
        """Look ``module.name`` up: a module, which is read further, or a value."""
        plain = _hash_again("attribute", name)
        own = _is_own(module.__name__)
        if not own:
            self.name_of(module.__name__, name)
        held = getattr(module, name, _MISSING) if own else vars(module).get(name, _MISSING)
        if held is _MISSING and own:
            held = _import(f"{module.__name__}.{name}") or _MISSING
        if isinstance(held, types.ModuleType):
            return held, plain
        if not own or held is _MISSING or name.startswith("__") or self._is_state(vars(module), name):
            return None, plain
        return None, _hash_again("attribute", self._named_value(name, held))


_NO_MEANING = frozenset({"CACHE", "COPY_FREE_VARS", "EXTENDED_ARG", "NOP", "NOT_TAKEN", "PRECALL", "RESUME"})
_CONSTANT = frozenset({"LOAD_CONST", "RETURN_CONST", "KW_NAMES"})
_BY_NAME = frozenset({"IMPORT_FROM", "IMPORT_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_GLOBAL", "LOAD_NAME"})
_LOCAL = ("STORE_", "LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")
_PLACE = frozenset({"__doc__", "__firstlineno__", "__module__", "__qualname__", "__static_attributes__"})
_SHAPE = 0x2AC  # flags of code: star arguments, generators, coroutines
_CHANGING = frozenset(
    [
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "setdefault",
        "update",
    ]
)


_LENGTH_OF_DIGEST = (32).to_bytes(8, "little")


def _hash(*parts: bytes | str, digests: Sequence[bytes] = ()) -> bytes:
    """Return one digest of several parts, and of digests after them, each delimited."""
    contents = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]
    delimited = [len(c).to_bytes(8, "little") + c for c in contents]
    if digests:
        delimited += [_LENGTH_OF_DIGEST, _LENGTH_OF_DIGEST.join(digests)]
    return hashlib.sha256(b"".join(delimited)).digest()


_hash_again = functools.lru_cache(maxsize=2**16)(_hash)
"""For names and digests, which code refers to in many places."""


def is_computed(kind: type, name: Any) -> bool:
    """Return whether an attribute was computed from the others by a cached property."""
    holders = (vars(base)[name] for base in kind.__mro__ if name in vars(base))
    return isinstance(next(holders, None), functools.cached_property)


def _is_found(value: Any, module: str, name: str) -> bool:
    """Return whether an object is found in a module under a name."""
    try:
        return operator.attrgetter(name)(sys.modules.get(module)) is value
    except AttributeError:
        return False


def _closure(function: types.FunctionType) -> dict[str, Any]:
    """Return the values of a closure, by name; a name that has no value yet is left out."""
    held = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            held[name] = cell.cell_contents
    return held


def _assigned_names(space: dict[str, Any]) -> frozenset[str]:
    """Return the names that functions of a module assign or change in place: state, not code."""
    found = set[str]()
    for value in list(space.values()):
        held = [value, *vars(value).values()] if isinstance(value, type) else [value]
        for inner in held:
            code = getattr(getattr(inner, "__func__", inner), "__code__", None)
            if isinstance(code, types.CodeType) and getattr(inner, "__globals__", space) is space:
                found |= _globals_of(code)
    return frozenset(found)


@functools.lru_cache(maxsize=2**14)
def _instructions(code: types.CodeType) -> tuple[dis.Instruction, ...]:
    """Return the bytecode of a function; to decode it takes most of the time of a first identity."""
    return tuple(dis.get_instructions(code))


@functools.lru_cache(maxsize=2**14)
def _plan(
    code: types.CodeType, modules: bool
) -> tuple[tuple[dis.Instruction, ...], tuple[bytes | None, ...], tuple[str, str], tuple[bytes, ...]]:
    """Return the bytecode without no-ops, and all digests that do not depend on the rest of the program.

    `modules` is whether local names may stand for modules. The digest of an instruction is ``None`` where
    it depends on what names stand for.
    """
    instructions = [i for j in _instructions(code) for i in _split_names(j) if i.opname not in _NO_MEANING]
    placed = {  # a name, a docstring, a line: the constant and where it is stored
        at for at, i in enumerate(instructions) if i.opname == "STORE_NAME" and i.argval in _PLACE
    }
    placed |= {at - 1 for at in placed if instructions[at - 1].opname in _CONSTANT}
    instructions = [i for at, i in enumerate(instructions) if at not in placed]
    offsets = [i.offset for i in instructions]
    modules = modules or any(i.opname == "IMPORT_NAME" for i in instructions)
    alone: list[bytes | None] = []
    for instruction in instructions:
        name, argument = instruction.opname, instruction.argval
        operand: bytes | str = str(argument)
        if name in _BY_NAME or (modules and name.startswith(_LOCAL)):
            alone.append(None)
            continue
        if name in _CONSTANT:
            if name == "KW_NAMES":  # dis of Python 3.11 does not resolve it
                argument = code.co_consts[instruction.arg or 0]
            if isinstance(argument, types.CodeType):
                alone.append(None)
                continue
            operand = _Walk().value(argument)
        elif instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            operand = str(bisect_left(offsets, argument))
        elif argument is not None and not isinstance(argument, (str, int, tuple)):
            operand = str(instruction.arg)
        alone.append(_hash(name, operand))
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _SHAPE)
    many = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
    handlers = []
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]
        places = [bisect_left(offsets, place) for place in (entry.start, entry.end, entry.target)]
        handlers.append(_hash("except", str((*places, entry.depth, entry.lasti))))
    frame = (str(counts), str(code.co_varnames[:many]))
    return tuple(instructions), tuple(alone), frame, tuple(handlers)


def _split_names(instruction: dis.Instruction) -> list[dis.Instruction]:
    """Split an instruction on two local names, which Python has from 3.13 on, into one for each."""
    if not (isinstance(instruction.argval, tuple) and "_FAST" in instruction.opname):
        return [instruction]
    names = re.findall(r"(?:LOAD|STORE)_FAST", instruction.opname)
    return [instruction._replace(opname=n, argval=v) for n, v in zip(names, instruction.argval, strict=True)]


@functools.lru_cache(maxsize=2**14)
def _globals_of(code: types.CodeType) -> frozenset[str]:
    """Return the outside names that a function reassigns, or whose content it changes in place."""
    found = set[str]()
    instructions = _instructions(code)
    for at, instruction in enumerate(instructions):
        name, argument = instruction.opname, instruction.argval
        if (
            name == "STORE_GLOBAL"
            or (name == "STORE_DEREF" and argument in code.co_freevars)
            or (name in ("LOAD_GLOBAL", "LOAD_DEREF") and _is_changed(instructions[at + 1 : at + 41]))
        ):
            found.add(argument)
    return frozenset(found.union(*(_globals_of(c) for c in code.co_consts if isinstance(c, types.CodeType))))


def _is_changed(instructions: Sequence[dis.Instruction]) -> bool:
    """Return whether the top of the stack is changed in place: ``x.append(...)``, ``x[key] = ...``."""
    if not instructions:
        return False
    first = instructions[0]
    if first.opname in ("LOAD_METHOD", "LOAD_ATTR") and first.argval in _CHANGING:
        return True
    above = 0
    for instruction in instructions:
        if instruction.opname in ("STORE_SUBSCR", "DELETE_SUBSCR") and above == 1:
            return True
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return False
        above += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        if above < 0:
            return False
    return False


def _imported_module(
    foreign: set[str], name: str, level: Any, space: dict[str, Any], listed: bool
) -> types.ModuleType | None:
    """Return the module of an import inside a function; ``None`` if it is installed, which is noted."""
    if level:
        try:
            name = importlib.util.resolve_name("." * level + name, space.get("__package__") or "")
        except ImportError:
            return None
    top = name.partition(".")[0]
    if not _is_own(top):
        foreign.add(top)
        return None
    module = _import(name)
    return module if listed or module is None else _import(top)


def _import(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:  # a missing part cannot be run either
        return None


@functools.cache
def _is_own(module: str) -> bool:
    """Return whether a module is identified by content: this package, and all that is not installed."""
    top = module.partition(".")[0]
    if top in (_PACKAGE, "__main__"):
        return True
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return False
    try:
        spec = getattr(sys.modules.get(top), "__spec__", None) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return not any({"site-packages", "dist-packages"} & set(Path(place).parts) for place in places)


@functools.cache
def _version(package: str) -> str:
    """Return the version of an installed package without importing it; empty for the standard library."""
    if package in sys.stdlib_module_names or package in sys.builtin_module_names:
        return ""
    names = {"sklearn": "scikit-learn", "PIL": "pillow"}
    try:
        return importlib.metadata.version(names.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        named = importlib.metadata.packages_distributions().get(package, ())
        return " ".join(importlib.metadata.version(name) for name in sorted(set(named)))


def digest_of(value: Any) -> str:
    """Return the sha256 of what JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def as_json(value: Any, instead: Callable[[Any], Any]) -> Any:
    """Return what JSON can hold of a value; what is not a number, a text or a list of such, by `instead`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, list)):
        return [as_json(inner, instead) for inner in value]
    return instead(value)
