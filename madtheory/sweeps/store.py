"""The folder of a sweep: finished cells, in files that are complete or not there, sealed by a digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from madtheory.files import (
    Identity,
    NoIdentity,
    StorageError,
    digest_of,
    identify,
    identify_each,
    lock,
    pack,
    unpack,
    write_atomically,
)
from madtheory.validation import check_path
from madtheory.version import __version__

_MAGIC = b"madtheory cells 1\n"
_ABOUT, _ENDING = "sweep.json", ".cells"
Records = dict[str, Any]


class Store:
    """Records by key, in the folder of one description: its code, its options and its seed.

    Parameters
    ----------
    folder : Path
        Folder that the user gave; it may hold several descriptions, each in a folder of its own.
    identity : str
        Digest of the description.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder / identity[:20]
        self.identity = identity

    @contextmanager
    def hold(self, about: Mapping[str, Any]) -> Iterator[None]:
        """Hold the folder alone; other processes that sweep the same wait, and then read what is there.

        Parameters
        ----------
        about : mapping
            What `open` needs to know of the description.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"store={str(self.folder.parent)!r} is not a folder that can be written ({error}); choose "
                f"another one, or change its permissions."
            ) from error
        with lock(self.folder / _ABOUT):
            for path in self.folder.glob(".*.partial"):
                path.unlink(missing_ok=True)
            self.describe(about)
            yield

    def describe(self, about: Mapping[str, Any]) -> None:
        """Write the description, which `newest` reads."""
        content = json.dumps(dict(about) | {"identity": self.identity}, indent=1).encode()
        write_atomically(self.folder / _ABOUT, content)

    def write(self, records: Records) -> int:
        """Write finished records, of one task, in one file; return its bytes."""
        payload, _ = pack(records, {})
        name = digest_of(sorted(records))[:20] + _ENDING
        content = [_MAGIC, hashlib.sha256(payload).digest(), payload]
        write_atomically(
            self.folder / name,
            *content,
            advice="the cells written before are kept: make room, and call again.",
        )
        return sum(map(len, content))

    def read(self, *, repair: bool = False) -> Records:
        """Return all records; files that are damaged are left out, or removed to `repair` the folder."""
        records: Records = {}
        for entry in sorted(os.scandir(self.folder), key=lambda entry: entry.name):
            if not entry.name.endswith(_ENDING) or entry.name.startswith("."):
                continue
            found = _read(Path(entry.path))
            if found is not None:
                records |= found
            elif repair:
                Path(entry.path).unlink(missing_ok=True)
        return records


def _read(path: Path) -> Records | None:
    """Return the records of one file, or ``None`` if its bytes are not those that were written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[len(_MAGIC) + 32 :]
    if (
        not content.startswith(_MAGIC)
        or hashlib.sha256(payload).digest() != content[len(_MAGIC) : -len(payload) or None]
    ):
        return None
    records: Records = unpack(payload, {})
    return records


def newest(folder: Any) -> tuple[Store, dict[str, Any]]:
    """Return the store whose description was written last, and the description."""
    path = check_path("folder", folder)
    found = sorted(path.glob(f"*/{_ABOUT}"), key=lambda file: file.stat().st_mtime_ns)
    if not found:
        raise StorageError(f"folder={str(path)!r} holds no sweep; pass the folder given as store=.")
    try:
        about = json.loads(found[-1].read_bytes())
        return Store(path, about["identity"]), about
    except (ValueError, KeyError, OSError) as error:
        raise StorageError(f"folder={str(path)!r} has a damaged {_ABOUT} ({error}); sweep again.") from error


def identity_of(parts: Mapping[str, Any], code: Iterable[Callable[..., Any]]) -> str:
    """Return the digest of a description: of values, functions and the code of the package.

    Raises
    ------
    ValueError
        If a part has no identity by content, without which a change could not be detected.
    """
    values = dict(parts) | {f"code {i}": function for i, function in enumerate(code)}
    found = _identify_parts(values)
    packages = {name: version for each in found.values() for name, version in each.packages.items()}
    digests = [[name, each.digest] for name, each in found.items()]
    return digest_of([digests, sorted(packages.items()), __version__])


def _identify_parts(values: Mapping[str, Any]) -> dict[str, Identity]:
    """Return the identity of each part, in one walk: they share most of the package."""
    try:
        return identify_each(values)
    except NoIdentity:
        for name, value in values.items():
            try:
                identify(value)
            except NoIdentity as error:
                raise ValueError(
                    f"{name}: {error}. Cells that are kept in a folder need an identity by content; or leave "
                    f"store= out."
                ) from None
        raise
