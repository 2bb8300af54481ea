"""Results on disk: `save` and `load` datasets, and `resume` long runs after a kill at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from madtheory import _simulate
from madtheory._identity import identify
from madtheory._loop import Loop

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["StorageError", "identity", "load", "resume", "save"]

_MAGIC = b"madtheory checkpoint 1\n"
_FORMAT = "madtheory 1"
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class StorageError(OSError):
    """A results file that is damaged, or that belongs to something else."""


def save(dataset: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a dataset as netCDF-4; the file appears complete or not at all.

    Raises
    ------
    StorageError
        If it cannot be written, for instance because the folder does not exist or the disk is full.
    """
    path = Path(path)
    compressed = {name: {"zlib": True, "complevel": 4} for name in dataset.data_vars}

    def write(temporary: Path) -> None:
        dataset.assign_attrs(madtheory_format=_FORMAT).to_netcdf(
            temporary, engine="netcdf4", format="NETCDF4", encoding=compressed
        )

    return _atomically(path, write)


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a dataset written by `save` into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    StorageError
        If the file is damaged, or was not written by madtheory.
    """
    import xarray as xr

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r} is not a file; save a dataset there first.")
    try:
        with xr.open_dataset(path, engine="netcdf4") as opened:
            dataset = opened.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise StorageError(
            f"path={str(path)!r} is not a readable netCDF file ({error}); it is damaged or something else. "
            f"Run the simulation again, or restore the file from a copy."
        ) from error
    if dataset.attrs.pop("madtheory_format", None) != _FORMAT:
        raise StorageError(
            f"path={str(path)!r} was not written by this version of madtheory (no attribute "
            f"madtheory_format={_FORMAT!r}); read it with xarray.open_dataset."
        )
    return dataset


def identity(value: Any) -> str:
    """Return a digest of a value's content, code included: what other numbers depend on changes it.

    Of functions and classes it covers bytecode, constants, defaults, closures, and whatever they refer to,
    recursively: helper functions, constants of a module, imports inside of functions, methods. Code of
    madtheory, and all that is not installed in ``site-packages``, is told by its content; other packages by
    name and version, and so is Python. Comments, docstrings, line numbers, names of files and the order of
    dictionaries do not count, nor does a global that functions of its module reassign. ``-0.0`` and ``0.0``
    differ, and so do dtypes; NumPy's ``float64``, ``int64`` and ``bool_`` equal Python's numbers.

    Raises
    ------
    ValueError
        If it has no such identity: an open file, a lock, a generator whose state moves.

    Examples
    --------
    >>> from madtheory import storage
    >>> def within(radius):
    ...     return lambda points: abs(points) < radius
    >>> storage.identity(within(0.1)) == storage.identity(within(0.1))
    True
    >>> storage.identity(within(0.1)) == storage.identity(within(0.5))
    False
    """
    found = identify(value)
    return hashlib.sha256(json.dumps([found.digest, found.packages, _PYTHON]).encode()).hexdigest()


def resume(
    path: str | os.PathLike[str], loop: Loop, generations: int, *, every_seconds: float = 5.0, **keywords: Any
) -> xr.Dataset:
    """Run `simulate`, or continue it where an earlier call was killed, and save the result at `path`.

    The file is bit for bit the one that an unbroken run writes. Until it is complete, the state of the run
    is kept in ``path + ".checkpoint"``, replaced atomically. If `path` is complete already it is read.

    Parameters
    ----------
    path : path-like
        Where the netCDF file goes.
    loop, generations
        As in `simulate`.
    every_seconds : float
        Seconds of work between two checkpoints: the most that a kill can cost, beside one generation.
    **keywords
        The keywords of `simulate`; `rng` must be given, as an int.

    Raises
    ------
    StorageError
        If the checkpoint is damaged, or it or the file belongs to another run.

    Notes
    -----
    The checkpoint is a pickle of your own loop, with a checksum: do not continue a stranger's checkpoint.
    """
    path, checkpoint = Path(path), Path(f"{os.fspath(path)}.checkpoint")
    if not isinstance(keywords.get("rng"), int):
        raise ValueError(
            f"rng={keywords.get('rng')!r}: a run that can be resumed needs a seed that can be given again; "
            f"pass an int."
        )
    if not every_seconds >= 0:
        raise ValueError(
            f"every_seconds={every_seconds!r} is not a number of seconds >= 0; pass for example 5.0."
        )
    progress = keywords.pop("progress", None)
    identity = _identity(loop, generations, keywords)
    if path.exists():
        dataset = load(path)
        if dataset.attrs.get("run") != identity:
            raise StorageError(
                f"path={str(path)!r} holds the result of another run (loop, generations or keywords differ); "
                f"choose another path, or remove the file."
            )
        checkpoint.unlink(missing_ok=True)
        return dataset
    if checkpoint.exists():
        run = _read_checkpoint(checkpoint, identity)
    else:
        run = _simulate.begin(loop, generations, progress=progress, **keywords)
    written = time.monotonic()
    for _ in _simulate.follow(run, progress=progress):
        if time.monotonic() - written >= every_seconds and run.generation < generations:
            _write_checkpoint(checkpoint, identity, run)
            written = time.monotonic()
    dataset = _simulate.to_dataset(run).assign_attrs(run=identity)
    save(dataset, path)
    for leftover in (checkpoint, checkpoint.with_name(f".{checkpoint.name}.partial")):
        leftover.unlink(missing_ok=True)
    return dataset


def _identity(loop: Loop, generations: int, keywords: dict[str, Any]) -> str:
    """A fingerprint of what is run, and with which versions (another NumPy may draw other numbers)."""
    import joblib
    import numpy as np

    import madtheory

    named = keywords | {"metrics": [metric.__qualname__ for metric in keywords.get("metrics") or ()]}
    try:
        return str(
            joblib.hash((loop, generations, sorted(named.items()), madtheory.__version__, np.__version__))
        )
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"loop={loop!r} cannot be stored ({error}); a run that can be resumed needs functions defined "
            f"at the top of a module, not lambdas: for growing sizes pass a sequence."
        ) from error


def _write_checkpoint(path: Path, identity: str, run: _simulate.Run) -> None:
    payload = pickle.dumps((identity, run), protocol=5)
    digest = hashlib.sha256(payload).digest()

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            file.write(_MAGIC + digest + payload)

    _atomically(path, write)


def _read_checkpoint(path: Path, identity: str) -> _simulate.Run:
    content = path.read_bytes()
    digest, payload = content[len(_MAGIC) : len(_MAGIC) + 32], content[len(_MAGIC) + 32 :]
    if not content.startswith(_MAGIC) or hashlib.sha256(payload).digest() != digest:
        raise StorageError(
            f"path={str(path)!r} is damaged or is no checkpoint of madtheory; remove it to start again."
        )
    stored, run = pickle.loads(payload)
    if stored != identity:
        raise StorageError(
            f"path={str(path)!r} is the checkpoint of another run (loop, generations, keywords or versions "
            f"differ); choose another path for the results, or remove it to start again."
        )
    assert isinstance(run, _simulate.Run)
    return run


def _atomically(path: Path, write: Callable[[Path], None]) -> Path:
    """Write beside `path`, flush to the disk, and rename: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.partial")
    if not path.parent.is_dir():
        raise StorageError(f"path={str(path)!r}: there is no folder {str(path.parent)!r}; create it first.")
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"path={str(path)!r} could not be written ({error}); nothing was changed."
        ) from error
    return path
