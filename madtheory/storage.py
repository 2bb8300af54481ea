"""Results on disk: `save` and `load` datasets, and `resume` long runs after a kill at any moment."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import sys
import time
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from madtheory.core import Loop
from madtheory.files import (
    NoIdentity,
    NotStorable,
    StorageError,
    check_folder,
    identify,
    lock,
    pack,
    parts_of,
    remove_leftovers,
    replace_file,
    unpack,
    write_atomically,
)
from madtheory.interpreters import simulate as _simulate
from madtheory.validation import check_number, check_path, metric_name, show
from madtheory.version import __version__

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["StorageError", "identity", "load", "resume", "save"]

_MAGIC = b"madtheory checkpoint 2\n"
_SEAL = b"madtheory sealed"
_FORMATS = ("madtheory 1", "madtheory 2")
"""Formats of results; the second ends with a seal, which HDF5 does not read."""

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_HEADERS, _CHUNK = 2**17, 2**24
_STATE_AT_MOST = 2**24
"""Bytes of the state that a finished result carries, so that the run can be made longer."""


def save(dataset: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a dataset as netCDF-4; the file appears complete or not at all.

    It ends with a digest of all its bytes, by which `load` detects any damage; other readers of netCDF
    ignore it. It replaces a file that `save` or `resume` wrote before, or an empty file, but no other.

    Raises
    ------
    StorageError
        If it cannot be written, for instance because the folder does not exist or the disk is full, or if
        madtheory did not write the file that is there.
    """
    if not hasattr(dataset, "data_vars"):
        raise TypeError(f"dataset={show(dataset)} is not an xarray.Dataset; pass what simulate returned.")
    path = check_path("path", path)
    check_folder(path)
    _check_ours(path)
    return _save(dataset, path, b"")


def _check_ours(path: Path) -> None:
    """Refuse to overwrite a file that madtheory did not write; a damaged one of its own may be replaced."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    with open(path, "rb") as file:
        file.seek(-min(path.stat().st_size, len(_SEAL)), os.SEEK_END)
        if file.read() == _SEAL:
            return
    try:
        _load(path)  # the first format has no seal
    except (OSError, TypeError, NotImplementedError):
        raise StorageError(
            f"path={str(path)!r} exists, and madtheory did not write it; choose another path, or remove it."
        ) from None


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a dataset written by `save` into memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    StorageError
        If the file is damaged, or was not written by madtheory.
    """
    return _load(check_path("path", path))[0]


def identity(value: Any) -> str:
    """Return a digest of a value's content, including code: it changes with everything that affects numbers.

    Of functions and classes it covers bytecode, constants, defaults, closures, and whatever they refer to,
    recursively: helper functions, constants of a module, imports inside of functions, methods. Code of
    madtheory, and all code that is not installed in ``site-packages``, is identified by its content; other
    packages, and Python, by name and version. Comments, docstrings, line numbers, names of files and the
    order of dictionaries do not matter, and neither do variables that functions reassign or fill themselves,
    such as a cache. ``-0.0`` and ``0.0`` differ, and so do dtypes; NumPy's ``float64``, ``int64`` and
    ``bool_`` equal Python's numbers.

    Raises
    ------
    ValueError
        If the value has no such identity: an open file, a generator whose state moves.

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
    """Run `simulate`, or continue it where an earlier call was stopped, and save the result at `path`.

    The file is bit for bit equal to that of an uninterrupted run. Until it is complete, the state of the run
    is kept in ``path + ".checkpoint"``, which is replaced atomically. If `path` is complete already, it is
    read.

    A finished run can be extended: with more `generations` it continues from its last one, and the longer
    result replaces the file. With fewer, the first ones of the file are returned. A run that differs in
    anything else that affects numbers, including code, is refused.

    Parameters
    ----------
    path : path-like
        Path of the netCDF file. Its folder must exist; this is checked before anything is computed.
    loop, generations
        As in `simulate`.
    every_seconds : float
        Seconds between two checkpoints: the most work that a kill can lose, apart from one generation.
    **keywords
        Keywords of `simulate`; `rng` must be given, as an int or a `SeedSequence`.

    Raises
    ------
    StorageError
        If the checkpoint or the file is damaged, or belongs to another run (the message names what differs),
        or if the folder cannot be written or has no room.
    ValueError
        If an argument is out of range, or something in the loop or a metric has no identity by content
        (`identity`), without which a changed run could not be detected.

    Notes
    -----
    Several processes may resume one path: one of them computes, the others wait and read its result.

    The identity of a run is that of the loop, its metrics and the code of both, with the versions of
    madtheory, Python and the packages that they use. Code of madtheory is identified by content, also in a
    checkout that is edited. Generations and `record` are not part of the identity.

    A checkpoint holds arrays, and JSON that names classes of madtheory; it is compared with the run before
    its content is read. Only objects of other classes (a model of your own, an estimator of scikit-learn) are
    pickles in it: do not continue such a checkpoint from a source that you do not trust. A result never holds
    a pickle. It includes its last state if all its classes are from this package and it takes at most 16 MiB;
    without it, a longer run starts again from generation 1.
    """
    known = set(inspect.signature(_simulate.simulate).parameters) - {"loop", "generations"}
    if unknown := sorted(set(keywords) - known):
        raise TypeError(
            f"resume has no keyword {unknown[0]!r}; it takes every_seconds, {', '.join(sorted(known))}."
        )
    path = check_path("path", path)
    checkpoint = Path(f"{os.fspath(path)}.checkpoint")
    progress, seed = keywords.pop("progress", None), keywords.get("rng")
    if seed is None or hasattr(seed, "bit_generator"):
        raise ValueError(
            f"rng={seed!r}: a run that can be resumed needs a seed that can be given again; pass an int."
        )
    every = check_number("every_seconds", every_seconds, 0, infinite=True)
    run = _simulate.prepare(loop, generations, **keywords)
    wanted = _describe(run)
    _check_storable(run)
    check_folder(path)
    if path.exists() and (dataset := _finished_result(path, run, wanted)) is not None:
        return dataset
    with lock(path):
        # Another process may have finished it meanwhile.
        if path.exists() and (dataset := _finished_result(path, run, wanted)) is not None:
            return dataset
        for file in (path, checkpoint):
            remove_leftovers(file)
        _check_room(path, run)
        if checkpoint.exists():
            _read_checkpoint(checkpoint, wanted, run)
        elif path.exists():
            _take_up(path, run)
        if not run.snapshots:
            _simulate.start_all(run, progress=progress)
        _write_checkpoint(checkpoint, wanted, run)
        written = time.monotonic()
        for _ in _simulate.follow(run, progress=progress):
            if time.monotonic() - written >= every and run.generation < run.generations:
                _write_checkpoint(checkpoint, wanted, run)
                written = time.monotonic()
        dataset = _simulate.to_dataset(run).assign_attrs(run=_about(wanted, run.generations))
        _finish(dataset, path, checkpoint, wanted, run)
    return dataset


def _finish(
    dataset: xr.Dataset, path: Path, checkpoint: Path, wanted: dict[str, str], run: _simulate.Run
) -> None:
    """Save the result; if this fails, the finished run is kept in the checkpoint."""
    try:
        _write_checkpoint(checkpoint, wanted, run)
        kept = "The finished run is"
    except StorageError:
        kept = "The state of the last checkpoint is"
    try:
        _save(dataset, path, _state_of(run))
    except StorageError as error:
        raise StorageError(
            f"{error} {kept} kept in {str(checkpoint)!r}: make room, and call resume again."
        ) from error
    checkpoint.unlink(missing_ok=True)


def _describe(run: _simulate.Run) -> dict[str, str]:
    """Describe a run, part by part: small values as they are, others by the digest of their content."""
    packages: dict[str, str] = {}

    def describe(name: str, value: Any) -> str:
        if value is None or isinstance(value, (bool, int, float, str)):
            return repr(value)
        try:
            found = identify(value)
        except NoIdentity as error:
            raise ValueError(
                f"{name}: {error}. A run that can be resumed needs an identity by content; or call simulate."
            ) from None
        packages.update(found.packages)
        return f"{getattr(value, '__name__', type(value).__name__)} #{found.digest[:32]}"

    parts = {
        field.name: describe(field.name, getattr(run.loop, field.name))
        for field in fields(run.loop)
        if field.name != "treatments"
    }
    for i, treatment in enumerate(run.loop.treatments, start=1):
        parts[f"treatment {i}"] = describe(f"treatment {i}", treatment)
    for metric in run.metrics:
        parts[f"metric {metric_name(metric)!r}"] = describe(f"metric {metric_name(metric)!r}", metric)
    parts |= {"replicates": str(run.replicates), "method": run.method, "quantiles": repr(run.quantiles)}
    parts["seed"] = str(run.streams.entropy)
    parts["code of the loop"] = describe("code", (_simulate.start_all, _simulate.advance))
    parts |= {"version of madtheory": __version__, "version of python": _PYTHON}
    return parts | {f"version of {name}": version for name, version in sorted(packages.items())}


def _differences(stored: dict[str, str], wanted: dict[str, str]) -> str:
    """Describe in words how two runs differ."""
    texts = []
    for name in dict.fromkeys([*wanted, *stored]):
        before, now = stored.get(name), wanted.get(name)
        if before == now:
            continue
        if before is None or now is None:
            texts.append(f"{name} is {'new' if before is None else 'missing now'}")
        elif "#" in before and "#" in now:
            texts.append(f"{name} changed")
        else:
            texts.append(f"{name} was {before.partition(' #')[0]} and is {now.partition(' #')[0]} now")
    return "; ".join(texts)


def _about(parts: dict[str, str], generations: int) -> str:
    return json.dumps({"generations": generations, "parts": parts}, sort_keys=True)


def _finished_result(path: Path, run: _simulate.Run, wanted: dict[str, str]) -> xr.Dataset | None:
    """Return the result at `path`, if it has all generations of the requested run."""
    dataset, _ = _load(path)
    try:
        about = json.loads(dataset.attrs["run"])
        stored, reached = about["parts"], about["generations"]
    except (KeyError, TypeError, ValueError):
        raise StorageError(
            f"path={str(path)!r} holds a result that resume did not write, or another version of it; choose "
            f"another path, or remove the file."
        ) from None
    if stored != wanted:
        raise StorageError(
            f"path={str(path)!r} holds the result of another run ({_differences(stored, wanted)}); choose "
            f"another path, or remove the file."
        )
    recorded = set(dataset["generation"].values.tolist())
    if missing := sorted(t for t in run.record if t <= reached and t not in recorded):
        raise StorageError(
            f"path={str(path)!r} holds the same run with another record: generation {missing[0]} was not "
            f"recorded; pass record={sorted(recorded)[:20]}, choose another path, or remove the file."
        )
    if run.generations > reached:
        return None
    names = [metric_name(metric) for metric in run.metrics]
    chosen = dataset[names].sel(generation=sorted(run.record))
    return chosen.assign_attrs(run=_about(wanted, run.generations))


def _take_up(path: Path, run: _simulate.Run) -> None:
    """Continue a finished result whose last state is in the file; else leave the run unchanged."""
    dataset, state = _load(path)
    if not state:
        return
    run.snapshots = unpack(state, parts_of(run.loop))
    for metric in run.metrics:
        values = dataset[metric_name(metric)]
        wanted = [t for t in values["generation"].values.tolist() if t in run.record]
        if wanted:
            run.recorded[metric_name(metric)] = [values.sel(generation=t).values for t in wanted]


def _state_of(run: _simulate.Run) -> bytes:
    """Return the last state of a finished run, for its file; empty if it is large or needs a pickle."""
    content, pickled = pack(run.snapshots, parts_of(run.loop))
    return content if not pickled and len(content) <= _STATE_AT_MOST else b""


def _check_storable(run: _simulate.Run) -> None:
    """Refuse, before anything is computed, a model that no checkpoint could hold."""
    given = {name: held for name, held in parts_of(run.loop).items() if held is not run.loop.model}
    try:
        pack(run.loop.model, given)
    except NotStorable as error:
        raise ValueError(
            f"model={run.loop.model!r} cannot be stored ({error}); a run that can be resumed needs a model "
            f"that can be pickled: define its class, and functions in it, at the top of a module."
        ) from error


def _check_room(path: Path, run: _simulate.Run) -> None:
    """Refuse a folder that has no room for the result."""
    rows = run.replicates if run.quantiles is None else len(run.quantiles)
    needed = 8 * rows * len(run.record) * len(run.metrics)
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise StorageError(
            f"path={str(path)!r}: the result takes up to {needed:,} bytes and its disk has {free:,} free; "
            f"make room, or record fewer generations."
        )


def _write_checkpoint(path: Path, parts: dict[str, str], run: _simulate.Run) -> None:
    # One array for each metric: packing thousands of generations one by one would take seconds.
    recorded = {name: np.stack(values) for name, values in run.recorded.items()}
    state = {"snapshots": run.snapshots, "recorded": recorded}
    payload, _ = pack(state, parts_of(run.loop))
    reached = sorted(t for t in run.record if t <= run.generation)
    about = {"parts": parts, "recorded": reached, "sha256": hashlib.sha256(payload).hexdigest()}
    header = json.dumps(about).encode()
    start = _MAGIC + hashlib.sha256(header).digest() + len(header).to_bytes(8, "little")
    write_atomically(path, start, header, payload)


def _read_checkpoint(path: Path, wanted: dict[str, str], run: _simulate.Run) -> None:
    """Restore the state of a checkpoint in a run, after comparing its identity."""
    content = path.read_bytes()
    place = len(_MAGIC) + 40
    digest, length = content[len(_MAGIC) : place - 8], int.from_bytes(content[place - 8 : place], "little")
    header, payload = content[place : place + length], content[place + length :]
    damaged = StorageError(
        f"path={str(path)!r} is damaged, or is not a checkpoint of this version of madtheory; remove it to "
        f"start again."
    )
    if not content.startswith(_MAGIC) or hashlib.sha256(header).digest() != digest:
        raise damaged
    try:
        about = json.loads(header)
        parts, recorded, checksum = about["parts"], about["recorded"], about["sha256"]
    except (KeyError, TypeError, ValueError):
        raise damaged from None
    if parts != wanted:
        raise StorageError(
            f"path={str(path)!r} is the checkpoint of another run ({_differences(parts, wanted)}); choose "
            f"another path for the results, or remove it to start again."
        )
    if hashlib.sha256(payload).hexdigest() != checksum:
        raise damaged
    state = unpack(payload, parts_of(run.loop))
    reached = state["snapshots"][-1].generation
    if reached > run.generations or not {t for t in run.record if t <= reached} <= set(recorded):
        raise StorageError(
            f"path={str(path)!r} is the checkpoint of the same run with other generations or another record: "
            f"it is in generation {reached}, and recorded {recorded[:20]}; call resume as before, choose "
            f"another path, or remove it to start again."
        )
    run.snapshots = state["snapshots"]
    for name, values in state["recorded"].items():
        kept = [value for t, value in zip(recorded, values, strict=True) if t in run.record]
        if kept:
            run.recorded[name] = kept


def _save(dataset: xr.Dataset, path: Path, state: bytes) -> Path:
    """Write a dataset, the state that belongs to it, and a seal on both."""
    labelled = dataset.assign_attrs(madtheory_format=_FORMATS[-1])
    compressed = {name: {"zlib": True, "complevel": 4} for name in dataset.data_vars}
    seal, digest = len(state).to_bytes(8, "little") + _SEAL, hashlib.sha256()
    # The HDF5 library leaves a file open that it cannot write completely: reserve its room first.
    with replace_file(path, room=dataset.nbytes + len(state) + _HEADERS) as temporary:
        labelled.to_netcdf(temporary, engine="netcdf4", format="NETCDF4", encoding=compressed)
        with open(temporary, "rb+") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            digest.update(state + seal)
            file.write(state + digest.digest() + seal)
    return path


def _load(path: Path) -> tuple[xr.Dataset, bytes]:
    """Read the dataset of a file, and the state that belongs to it."""
    import xarray as xr
    from netCDF4 import Dataset
    from xarray.backends import NetCDF4DataStore

    store: Any = NetCDF4DataStore
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r} is not a file; save a dataset there first.")
    damage = StorageError(
        f"path={str(path)!r} is damaged: its bytes do not have their checksum. Run the simulation again, or "
        f"restore the file from a copy. Other programs that write into it must write a copy."
    )
    try:
        content = memoryview(path.read_bytes())
        seal, state = len(_SEAL) + 40, b""
        sealed = bytes(content[-len(_SEAL) :]) == _SEAL
        if sealed:
            length = int.from_bytes(content[-len(_SEAL) - 8 : -len(_SEAL)], "little")
            digest = hashlib.sha256(content[:-seal])
            digest.update(content[-len(_SEAL) - 8 :])
            if digest.digest() != bytes(content[-seal : -len(_SEAL) - 8]):
                raise damage
            state = bytes(content[-seal - length : -seal]) if length else b""
            content = content[: -seal - length]
        with closing(Dataset(path.name, mode="r", memory=bytes(content))) as opened:
            dataset = xr.open_dataset(store(opened)).load()
            dataset.set_close(None)
    except StorageError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise StorageError(
            f"path={str(path)!r} is not a readable netCDF file ({error}); it is damaged or something else. "
            f"Run the simulation again, or restore the file from a copy."
        ) from error
    form = dataset.attrs.pop("madtheory_format", None)
    if form not in _FORMATS:
        raise StorageError(
            f"path={str(path)!r} was not written by this version of madtheory (no attribute "
            f"madtheory_format={_FORMATS[-1]!r}); read it with xarray.open_dataset."
        )
    if form != _FORMATS[0] and not sealed:
        raise damage
    return dataset, state
