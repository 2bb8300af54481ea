"""Many loops at once, on all cores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

import madtheory as mad
from simulations._parallel import run_parallel

__all__ = ["simulate_grid"]


def simulate_grid(
    loops: Sequence[mad.Loop],
    generations: int | Sequence[int],
    *,
    rng: int,
    n_jobs: int = -1,
    records: Sequence[Any] | None = None,
    progress: str | None = None,
    **keywords: Any,
) -> list[xr.Dataset]:
    """Simulate every loop of a grid.

    Loop i draws from ``SeedSequence(rng, spawn_key=(i,))``: its numbers depend on its place in the
    grid, not on how many workers there are.

    Parameters
    ----------
    loops : sequence of Loop
        The grid, flattened.
    generations : int or sequence of int
        Number of generations, one for all or one per loop.
    rng : int
        Seed of the grid.
    n_jobs : int
        Number of processes; -1 is one per core.
    records : sequence, optional
        The `record` of each loop.
    progress : str, optional
        Name of the progress bar; ``None`` draws none. Bars show on terminals only.
    **keywords
        The other keywords of `madtheory.simulate`, the same for all loops.

    Returns
    -------
    list of xarray.Dataset
        In the order of `loops`.
    """
    lengths = [generations] * len(loops) if np.ndim(generations) == 0 else list(generations)
    kept = ["all"] * len(loops) if records is None else list(records)
    calls = [
        partial(_one, loop, length, rng, i, record, keywords)
        for i, (loop, length, record) in enumerate(zip(loops, lengths, kept, strict=True))
    ]
    return run_parallel(calls, n_jobs=n_jobs, progress=progress)


def _one(
    loop: mad.Loop, generations: int, rng: int, i: int, record: Any, keywords: dict[str, Any]
) -> xr.Dataset:
    seed = np.random.SeedSequence(rng, spawn_key=(i,))
    return mad.simulate(loop, generations, rng=seed, record=record, progress=False, **keywords)
