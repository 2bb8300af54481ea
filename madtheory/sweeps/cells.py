"""Cells: independent calls that are kept as they finish, and reported at the end where they failed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from madtheory.files import digest_of
from madtheory.sweeps.engine import Outcome, run_calls
from madtheory.sweeps.store import Store, identity_of
from madtheory.validation import check_callable, check_path

if TYPE_CHECKING:
    import xarray as xr


class SweepError(RuntimeError):
    """Cells that failed, with their points and errors; the others are kept.

    Attributes
    ----------
    errors : list of (dict, str)
        Point and error of each cell that failed.
    """

    def __init__(self, message: str, errors: Sequence[tuple[Mapping[str, Any], str]] = ()) -> None:
        super().__init__(message)
        self.errors = list(errors)


def describe_failures(errors: Sequence[tuple[Mapping[str, Any], str]], many: int) -> str:
    """Return the points and errors of failed cells in words, the first few of them."""
    lines = [
        f"  {', '.join(f'{k}={v!r}' for k, v in point.items())}: {error}" for point, error in errors[:10]
    ]
    more = [f"  and {len(errors) - 10} more"] if len(errors) > 10 else []
    return "\n".join([f"{len(errors)} of {many} cells failed:", *lines, *more])


def encode(dataset: xr.Dataset) -> dict[str, Any]:
    """Return a dataset as plain arrays, which are quick to send, to keep and to join."""

    def entries(variables: Mapping[Any, Any]) -> dict[str, Any]:
        return {
            str(name): (tuple(map(str, values.dims)), values.values, dict(values.attrs))
            for name, values in variables.items()
        }

    return {
        "data": entries(dataset.data_vars), "coords": entries(dataset.coords), "attrs": dict(dataset.attrs)
    }  # fmt: skip


def decode(cell: Mapping[str, Any]) -> xr.Dataset:
    """Return the dataset that `encode` was given."""
    import xarray as xr

    return xr.Dataset(cell["data"], cell["coords"], cell["attrs"])


class Bar:
    """A progress bar over cells; on a terminal by default, after a second."""

    def __init__(self, total: int, desc: str, progress: bool | None) -> None:
        from tqdm import tqdm

        disable = None if progress is None else not progress
        self.bar = tqdm(total=total, desc=desc, delay=1.0, leave=False, disable=disable, unit="cell")

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def done(self, many: int) -> None:
        """Show that more cells are finished."""
        self.bar.update(many)

    def expect(self, more: int) -> None:
        """Add to the number of cells."""
        self.bar.total += more
        self.bar.refresh()


class Work:
    """Records that are there, computed when they are asked for, kept as they finish.

    Parameters
    ----------
    function : callable
        Called with the arguments of a record in a worker; returns a dict that can be packed.
    store : Store, optional
        Where records are kept.
    n_jobs : int, optional
        As in `madtheory.sweeps.engine.run_calls`.
    """

    def __init__(self, function: Callable[..., Any], store: Store | None, n_jobs: int | None) -> None:
        self.function, self.store, self.n_jobs = function, store, n_jobs
        self.records = {} if store is None else store.read(repair=True)
        self.errors: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.peak = self.bytes = 0

    def compute(self, wanted: Mapping[str, tuple[Any, ...]], bar: Bar | None = None) -> None:
        """Compute the records that are missing, given their arguments by key."""
        missing = [key for key in wanted if key not in self.records and key not in self.errors]
        if bar is not None:
            bar.done(len(wanted) - len(missing))

        def finish(outcomes: list[Outcome]) -> None:
            made = {missing[o.place]: o.value for o in outcomes if o.error is None}
            for outcome in outcomes:
                key = missing[outcome.place]
                self.seconds[key] = outcome.seconds
                self.peak = max(self.peak, outcome.peak)
                if outcome.error is not None:
                    self.errors[key] = outcome.error
            if made and self.store is not None:
                self.bytes += self.store.write(made)
            self.records |= made
            if bar is not None:
                bar.done(len(outcomes))

        if missing:
            run_calls(self.function, [wanted[key] for key in missing], finish, n_jobs=self.n_jobs)


def hold(store: Store | None, about: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Hold the folder of a sweep alone, if it has one."""
    return nullcontext() if store is None else store.hold(about)


_COUNTERS: ContextVar[tuple[list[float], ...]] = ContextVar("_COUNTERS", default=())


@contextmanager
def count_seconds() -> Iterator[list[float]]:
    """Collect the CPU seconds of all cells that `run_cells` returns inside, whenever they were computed."""
    counted: list[float] = []
    token = _COUNTERS.set((*_COUNTERS.get(), counted))
    try:
        yield counted
    finally:
        _COUNTERS.reset(token)


def _call(function: Callable[..., xr.Dataset], point: Mapping[str, Any]) -> dict[str, Any]:
    began = time.process_time()
    cell = encode(function(**point))
    return {"cell": cell, "point": dict(point), "seconds": time.process_time() - began}


def run_cells(
    function: Callable[..., xr.Dataset],
    cells: Sequence[Mapping[str, Any]],
    *,
    store: str | os.PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: bool | None = None,
    desc: str = "cells",
) -> list[xr.Dataset]:
    """Return ``function(**cell)`` for every cell, computed on the active backend of joblib.

    Parameters
    ----------
    function : callable
        Returns a Dataset. Its random numbers must follow from its arguments, a seed for instance.
    cells : sequence of mappings
        Keywords of each call: numbers, texts, booleans, ``None``, and lists of them.
    store : path-like, optional
        Folder in which finished cells are kept; it is made if it does not exist. The same call reads what is
        there and computes the rest. A change of a cell, or of code that the function can reach
        (`madtheory.storage.identity`), is another cell.
    n_jobs : int, optional
        Number of workers; ``None`` follows ``joblib.parallel_config``, and outside of one takes every core.
        It does not affect the numbers.
    progress : bool, optional
        Whether to show a progress bar; ``None`` shows it on a terminal, after a second.
    desc : str
        Name of the progress bar.

    Returns
    -------
    list of xarray.Dataset
        In the order of `cells`.

    Raises
    ------
    SweepError
        At the end, if cells failed; it names each with its error. The others are kept in the store.
    StorageError
        If the folder cannot be written; the cells that finished before are kept.
    """
    check_callable("function", function)
    keys = [digest_of(dict(cell)) for cell in cells]
    opened = None
    if store is not None:
        opened = Store(check_path("store", store), identity_of({"function": function}, []))
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    with Bar(len(cells), desc, progress) as bar, hold(opened, {"function": name}):
        work = Work(_call, opened, n_jobs)
        work.compute({key: (function, dict(cell)) for key, cell in zip(keys, cells, strict=True)}, bar)
    if work.errors:
        errors = [(cell, work.errors[k]) for k, cell in zip(keys, cells, strict=True) if k in work.errors]
        raise SweepError(describe_failures(errors, len(cells)), errors)
    for counted in _COUNTERS.get():
        counted += [work.records[key]["seconds"] for key in dict.fromkeys(keys)]
    return [decode(work.records[key]["cell"]) for key in keys]
