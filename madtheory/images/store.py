"""A folder of fits and samples, which are functions of their inputs and are found by them."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from madtheory.files import NoIdentity, as_json, digest_of, exclusive, identify, identify_each, replace_file
from madtheory.images.data import KEPT, Images, ImageStoreError

Arrays = Mapping[str, NDArray[Any]]

_LEFTOVER = re.compile(r"\.tmp\w+|\..+\.safetensors(\..+)?\.partial")
"""Names of what a killed process has begun to write; the first are those of the library safetensors."""
_HEADER, _FORMAT = "madtheory_images", 1
_KNOWN = {"format", "sha256", "key", "model", "step", "adam_step", "scaler", "n"}


class StoredWeights(Mapping[str, NDArray[Any]]):
    """Weights in a file, by name: each is read when it is needed, and nothing is held.

    The file is a safetensors file, not a pickle: no code of it is run.
    """

    def __init__(self, path: Path, names: tuple[str, ...], digest: str) -> None:
        self.path, self.names, self.digest = path, names, digest

    @classmethod
    def of(cls, path: Path) -> StoredWeights:
        """Return the weights of a file, whose checksum is verified once, now."""
        header, tensors = read_arrays(path)
        return cls(path, tuple(tensors), header["sha256"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        from safetensors import safe_open

        if name not in self.names:
            raise KeyError(name)
        with safe_open(self.path, framework="numpy") as file:
            array: NDArray[Any] = file.get_tensor(name)
        return array

    def read(self) -> dict[str, NDArray[Any]]:
        """Read all weights, from a file that is opened once."""
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in self.names}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"StoredWeights({str(self.path)!r})"


def fingerprint(weights: Arrays | None) -> str | None:
    """Return a checksum of names and content, without reading weights that are in a file."""
    if weights is None or isinstance(weights, StoredWeights):
        return None if weights is None else weights.digest
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {_name_of(array.dtype)} {array.shape} ".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


@cache
def _name_of(dtype: np.dtype[Any]) -> str:
    return str(dtype)


def key_of(**content: Any) -> str:
    """Return the name of a folder: a checksum of everything that the result depends on."""
    return digest_of({"format": _FORMAT, **content})[:32]


@dataclass(frozen=True)
class Store:
    """A folder of fits and samples."""

    folder: Path

    def fit(self, key: str) -> Path:
        """Return the folder of a fit: its checkpoints, and in the end its weights."""
        return self.folder / "fits" / key

    def samples(self, key: str) -> Path:
        """Return the folder of the shards of a synthetic set."""
        return self.folder / "samples" / key

    def weights(self, key: str) -> StoredWeights | None:
        """Return the weights of a finished fit, or ``None``; its checkpoints are removed."""
        path = self.fit(key) / "weights.safetensors"
        if not path.exists():
            return None
        for leftover in (*Checkpoint(path.parent, key).paths, *_leftovers(path.parent)):
            leftover.unlink(missing_ok=True)
        return StoredWeights.of(path)

    def finish(self, key: str, weights: Arrays, about: Mapping[str, Any]) -> None:
        """Write the weights of a fit."""
        write_arrays(self.fit(key) / "weights.safetensors", weights, {"key": key, **about})

    @contextmanager
    def lock(self, key: str, main: bool = True) -> Iterator[None]:
        """Keep a second run away from a fit; the system lifts the lock of a process that is killed.

        Only the main one of several processes of a run holds the lock.
        """
        if not main:
            yield
            return
        folder = self.fit(key)
        refusal = (
            f"store={str(self.folder)!r}: another run is training this very network, in {str(folder)!r}; "
            f"wait for it, or give this run another store."
        )
        make_folder(folder)
        with exclusive(folder / "lock", refusal, ImageStoreError):
            for leftover in _leftovers(folder):
                leftover.unlink()
            yield


@dataclass(frozen=True)
class Checkpoint:
    """The state of a fit under way: the last one written, and the one before in case that is damaged."""

    folder: Path
    key: str

    @property
    def paths(self) -> tuple[Path, Path]:
        """Paths of the last checkpoint, and of the one before."""
        return self.folder / "checkpoint.safetensors", self.folder / "checkpoint.previous.safetensors"

    def write(self, tensors: Arrays, about: Mapping[str, Any]) -> None:
        """Replace the checkpoint before the last one."""
        last, before = self.paths
        write_arrays(last, tensors, {"key": self.key, **about}, keep=before)

    def read(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Read the last checkpoint that is not damaged; ``None`` if there is none.

        Raises
        ------
        ImageStoreError
            If all are damaged, or one belongs to another fit.
        """
        damage = None
        for path in self.paths:
            if not path.exists():
                continue
            try:
                header, tensors = read_arrays(path)
            except ImageStoreError as error:
                damage = damage or error
                continue
            if header["key"] != self.key:
                raise ImageStoreError(
                    f"{str(path)!r} is the checkpoint of another network or of other data; remove it to "
                    f"train from the start, or put it back where it belongs."
                )
            if damage is not None:
                warnings.warn(f"{damage} The one before it is used instead.", stacklevel=2)
            return header, tensors
        if damage is not None:
            raise damage
        return None


def write_arrays(path: Path, tensors: Arrays, about: Mapping[str, Any], keep: Path | None = None) -> None:
    """Write a file of arrays whole, or not at all; what was there is renamed to `keep`."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    described = {"format": _FORMAT, "sha256": fingerprint(arrays), **about}
    header = json.dumps({**described, "described": digest_of(described)})
    make_folder(path.parent)
    with replace_file(path, keep=keep, kind=ImageStoreError, advice=KEPT) as temporary:
        try:
            save_file(arrays, temporary, {_HEADER: header})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays of a file that `write_arrays` wrote, verified by its checksum."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ImageStoreError(
            f"{str(path)!r} is damaged ({error}); remove it and run the same call again."
        ) from error
    if header.get("format") != _FORMAT or header.get("sha256") != fingerprint(tensors):
        raise ImageStoreError(
            f"{str(path)!r} is damaged, or was written by another version: its content does not have its "
            f"checksum. Remove it and run the same call again."
        )
    # Files of earlier versions have no checksum of their header; every other key is known.
    described = header.pop("described", None)
    if (described is None and not header.keys() <= _KNOWN) or described not in (None, digest_of(header)):
        raise ImageStoreError(
            f"{str(path)!r} is damaged: its header does not have its checksum. Remove it and run the same "
            f"call again."
        )
    return header, tensors


def _leftovers(folder: Path) -> list[Path]:
    """Return incomplete files of runs that were killed."""
    return [path for path in folder.glob(".*") if _LEFTOVER.fullmatch(path.name)]


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageStoreError(f"{str(folder)!r} cannot be made ({error}); choose another store.") from error


WHERE = frozenset({
    "device", "path", "store", "cache", "checkpoint_every_images", "checkpoint_every_seconds",
    "log_every_seconds", "log", "tracker",
})  # fmt: skip
"""Where something is done or lies, and what is kept meanwhile: it does not change what is computed."""

_PACKAGE = __name__.partition(".")[0]


def content(name: str, value: Any) -> str:
    """Return a digest of a value: of images and weights by checksums, of anything else with its code.

    Raises
    ------
    ValueError
        If the value does not have a digest, such as a running generator; the message has the `name`.
    """
    try:
        return identify(value, _instead).digest[:32]
    except NoIdentity as error:
        raise ValueError(
            f"{name}: {error}. A result that is kept in a folder is found by the content of what made it."
        ) from None


def contents(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the `content` of each of several values, by name; code they share is read once.

    Raises
    ------
    ValueError
        If one of them has none.
    """
    try:
        return {name: found.digest[:32] for name, found in identify_each(values, _instead).items()}
    except NoIdentity:  # the message is that of the one by itself
        return {name: content(name, value) for name, value in values.items()}


def describe(value: Any) -> Any:
    """Describe a configuration as JSON: a dataclass by its class and its fields.

    Classes of this package are known by name; others by their content, as their code may be another one when
    the result is looked up.
    """

    def instead(other: Any) -> Any:
        kind = type(other)
        if not is_ours(kind):
            return {"class": kind.__name__, "content": content(kind.__name__, other)}
        return {"class": kind.__name__, **{f.name: describe(getattr(other, f.name)) for f in fields(other)}}

    return as_json(value, instead)


def _instead(value: Any) -> Any:
    """Return the object that replaces a value in its content."""
    if isinstance(value, Images):
        return "images", value.fingerprint()
    if isinstance(value, StoredWeights):
        return "weights", value.digest
    if isinstance(value, torch.device):
        return "device"
    if is_dataclass(value) and not isinstance(value, type) and is_ours(type(value)):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        if not WHERE.isdisjoint(held):
            return type(value), {name: inner for name, inner in held.items() if name not in WHERE}
    return value


def is_ours(kind: type) -> bool:
    """Return whether a class is of this package."""
    return kind.__module__.partition(".")[0] == _PACKAGE
