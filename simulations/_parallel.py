"""Independent calls on all cores, with the same numbers for any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits
from tqdm import tqdm

__all__ = ["run_parallel"]


def run_parallel(
    calls: Sequence[Callable[[], Any]], *, n_jobs: int = -1, progress: str | None = None
) -> list[Any]:
    """Return the result of each call, in their order.

    Parameters
    ----------
    calls : sequence of callables
        Without arguments: ``functools.partial`` of functions at the top of a module. What they draw is fixed
        by the arguments.
    n_jobs : int
        Number of processes; -1 is one per core.
    progress : str, optional
        Name of the progress bar; ``None`` draws none. Bars show on terminals only.
    """
    with parallel_config(backend="loky", inner_max_num_threads=1):
        done = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_call_alone)(call) for call in calls)
        hide = True if progress is None else None
        return list(tqdm(done, desc=progress, total=len(calls), delay=1.0, leave=False, disable=hide))


def _call_alone(call: Callable[[], Any]) -> Any:
    # One thread, also where there is one process: sums of matrix products depend on their number.
    with threadpool_limits(1):
        return call()
