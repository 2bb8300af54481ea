"""Long experiments in cells: each is computed once, kept on disk, and skipped when the experiment goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from madtheory import storage
from simulations._parallel import run_parallel

__all__ = ["run_cells", "seconds"]

_USED: dict[Path, float] = {}
"""When this process last asked for a cell: several may share a folder."""


def run_cells(
    function: Callable[..., xr.Dataset],
    cells: Sequence[Mapping[str, Any]],
    *,
    folder: Path | None = None,
    n_jobs: int = -1,
    progress: str | None = None,
) -> list[xr.Dataset]:
    """Compute ``function(**cell)`` for every cell, on all cores.

    With a `folder` each finished cell is written there, complete or not at all. After a kill, the same call
    reads what is there and computes the rest: bit for bit what an unbroken run gives. A change of a cell, or
    of code that the function can reach (`madtheory.storage.identity`), makes another file; a comment, or code
    that it does not reach, does not.

    Parameters
    ----------
    function : callable
        Defined at the top of a module; returns a Dataset. Its seed is part of the cell.
    cells : sequence of mappings
        Keywords of each call: numbers, strings, booleans, and lists of them.
    folder : Path, optional
        Where finished cells are kept; made if it is not there. ``None`` keeps none.
    n_jobs : int
        Number of processes; -1 is one per core. No effect on the numbers.
    progress : str, optional
        Name of the progress bar; ``None`` draws none.

    Returns
    -------
    list of xarray.Dataset
        In the order of `cells`.
    """
    paths: list[Path | None] = [None] * len(cells)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        code = _code(function)
        name = f"{function.__module__}.{function.__name__}"
        paths = [folder / f"{name}.{_digest(code, cell)}.nc" for cell in cells]
        _USED.update(dict.fromkeys(filter(None, paths), time.time()))
    calls = [partial(_one, function, dict(cell), path) for cell, path in zip(cells, paths, strict=True)]
    return run_parallel(calls, n_jobs=n_jobs, progress=progress)


def _one(function: Callable[..., xr.Dataset], cell: dict[str, Any], path: Path | None) -> xr.Dataset:
    if path is not None and path.exists():
        try:
            return _numbers(storage.load(path))
        except storage.StorageError:
            path.unlink()  # damaged: it is computed again
    began = time.process_time()
    dataset = function(**cell)
    if path is None:
        return dataset
    dataset = dataset.assign_attrs(seconds=round(time.process_time() - began, 1))
    # Read back: a cell is the same whether it was computed now or earlier.
    return _numbers(storage.load(storage.save(dataset, path)))


def _numbers(kept: xr.Dataset) -> xr.Dataset:
    """A cell without what it cost, which is not the same each time."""
    kept.attrs.pop("seconds", None)
    return kept


def seconds(folder: Path, since: float) -> float:
    """CPU seconds of the cells that this process used `since` a time, whenever they were computed."""
    used = [path for path, last in _USED.items() if path.parent == folder and last >= since]
    return float(sum(storage.load(path).attrs.get("seconds", 0.0) for path in used if path.exists()))


def _code(function: Callable[..., Any]) -> str:
    """Digest of what makes the numbers: all that the experiment calls, in this repository or installed."""
    return storage.identity(function)


def _digest(code: str, cell: Mapping[str, Any]) -> str:
    return hashlib.sha256((code + json.dumps(dict(cell), sort_keys=True)).encode()).hexdigest()[:20]
