"""The files of a run: each is written whole or not at all, for the next call to read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from madtheory.files import as_json, digest_of, exclusive, write_atomically
from madtheory.images.data import KEPT, Images, ImageStoreError
from madtheory.images.store import WHERE, fingerprint, make_folder
from madtheory.text import printable

Line = dict[str, Any]

_MOST_BYTES = 2**26
"""Of a file of a run, which may be anybody's: a hundred thousand generations take half of that."""

_KNOWN = {"generation", "frechet_distance", "precision", "recall", "n_training", "weights"}


@dataclass(frozen=True)
class RunFolder:
    """The files of a run; those of the networks and synthetic sets are in ``store``."""

    path: Path

    @property
    def store(self) -> Path:
        """Weights, checkpoints, synthetic sets and features of the reference."""
        return self.path / "store"

    @property
    def config(self) -> Path:
        """What the run is."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """One line for each generation."""
        return self.path / "metrics.jsonl"

    @property
    def report(self) -> Path:
        """The page of the run."""
        return self.path / "report.html"

    @property
    def real(self) -> Path:
        """The picture of real images."""
        return self.path / "grids" / "real.png"

    def grid(self, generation: int) -> Path:
        """Return the picture of a generation."""
        return self.path / "grids" / f"generation-{generation:03}.png"

    def begin(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Write the configuration, unless that of another run is there, and return it.

        A run can be made longer; it is not made shorter.

        Raises
        ------
        ImageStoreError
            If the folder holds another run; the message names the differences.
        """
        new: dict[str, Any] = json.loads(json.dumps(config))
        known = self._read_config() if self.config.exists() else None
        if known is not None:
            self._check_same(known, new)
            new["run"]["generations"] = max(new["run"]["generations"], known["run"]["generations"])
        if new != known:
            self.write(self.config, (json.dumps(new, indent=1) + "\n").encode())
        return new

    @contextmanager
    def lock(self, main: bool = True) -> Iterator[None]:
        """Keep a second run away from the folder; of several processes of one run the main one has the lock.

        Raises
        ------
        ImageStoreError
            If another run is at work in the folder, or it is not the folder of a run.
        """
        if not main:
            yield
            return
        taken = [path.name for path in (self.metrics, self.report, self.real.parent) if path.exists()]
        if taken and not self.config.exists() and not self.store.exists():
            raise ImageStoreError(
                f"folder={str(self.path)!r} exists and holds something else than a run, of which "
                f"{', '.join(taken)} would be lost; choose another folder, or remove it."
            )
        if self.config.exists():
            self._read_config()
        refusal = (
            f"folder={str(self.path)!r}: another process is at work on this run; wait for it, or choose "
            f"another folder."
        )
        make_folder(self.store)
        with exclusive(self.store / "lock", refusal, ImageStoreError):
            yield

    def lines(self) -> list[Line]:
        """Return the measured generations; an incomplete line at the end is ignored."""
        if not self.metrics.exists():
            return []
        whole, _, _ = read_bounded(self.metrics).decode(errors="replace").rpartition("\n")
        found: list[Line] = []
        for number, text in enumerate(whole.split("\n") if whole else (), start=1):
            try:
                line = json.loads(text)
                checksum = line.pop("sha256", None)
                # Lines of earlier versions have no checksum; every other key is known.
                good = line.keys() <= _KNOWN if checksum is None else checksum == digest_of(line)
                good = good and line["generation"] == number and isinstance(line["weights"], str)
                good = good and all(type(value) in (int, float, str) for value in line.values())
                good = good and (not found or line.keys() == found[0].keys())
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                good = False
            if not good:
                raise ImageStoreError(
                    f"{str(self.metrics)!r} is damaged in line {number}; remove it and run again: its "
                    f"lines are measured again."
                )
            found.append(line)
        return found

    def add(self, line: Line) -> None:
        """Add a line to ``metrics.jsonl``; the file is replaced, so that no half line is ever there."""
        lines = [*self.lines(), line]
        self.write(self.metrics, "".join(add_checksum(each) for each in lines).encode())

    def write(self, path: Path, content: bytes) -> None:
        """Write a file whole, or not at all.

        Raises
        ------
        ImageStoreError
            If that fails, for instance because the disk is full.
        """
        write_atomically(path, content, made=True, kind=ImageStoreError, advice=KEPT)

    def _read_config(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads(read_bounded(self.config))
            int(known["run"]["generations"])
            dict(known.get("content", {}))
        except ImageStoreError:
            raise
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ImageStoreError(
                f"{str(self.config)!r} is damaged or not that of a run ({type(error).__name__}: "
                f"{printable(error)}); remove it and run the same call again, or choose another folder."
            ) from error
        return known

    def _check_same(self, known: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        there, here = dict(_entries(known["run"])), dict(_entries(new["run"]))
        differing = {
            name: f"{name} ({there.get(name, 'nothing')} there, {here.get(name, 'nothing')} here)"
            for name in {**there, **here}
            if name != "generations" and there.get(name) != here.get(name)
        }
        # Folders of earlier versions do not know it.
        before = known.get("content", new["content"])
        for part in {**before, **new["content"]}:
            known_already = any(name.startswith(part) for name in differing)
            if before.get(part) != new["content"].get(part) and not known_already:
                differing[part] = f"{part} (its code, or something that it refers to, was edited)"
        if differing:
            raise ImageStoreError(
                f"folder={str(self.path)!r} holds another run, which differs in "
                f"{', '.join(differing.values())}; choose another folder, or resume what that one holds."
            )


def add_checksum(line: Line) -> str:
    """Return a line of ``metrics.jsonl``, with its checksum."""
    return json.dumps(line | {"sha256": digest_of(line)}) + "\n"


def read_bounded(path: Path) -> bytes:
    """Return the content of a file of a run."""
    with open(path, "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ImageStoreError(
            f"{str(path)!r} has more than {_MOST_BYTES:,} bytes, which is not what a run writes; restore it "
            f"from a copy, or remove it and run again."
        )
    return content


def _entries(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Return the entries of a configuration to compare: each number or word, by its place."""
    if not isinstance(value, (dict, list)) or not value:
        yield name, json.dumps(value)
        return
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        if key not in WHERE:
            yield from _entries(inner, f"{name}.{key}" if name else str(key))


def plain(value: Any) -> Any:
    """Describe a loop as JSON: a dataclass by class and fields, images and weights by a checksum.

    Functions, and classes of your own, are named: a change of their code shows in their content.
    """
    return as_json(value, _plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Images):
        return {"shape": list(value.shape), "sha256": value.fingerprint()}
    if is_dataclass(value) and not isinstance(value, type):
        held = {field.name.lstrip("_"): getattr(value, field.name) for field in fields(value)}
        return {"class": type(value).__name__, **{name: plain(inner) for name, inner in held.items()}}
    if isinstance(value, Mapping):
        arrays = all(isinstance(inner, np.ndarray) for inner in value.values())
        return fingerprint(value) if arrays else {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= 32 else f"array of shape {value.shape}"
    named: Callable[..., Any] | type = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"
