"""Calls on the active backend of joblib: in tasks of about a second, and again where a worker was killed."""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, NamedTuple

_SECONDS = 1.0  # of a task
_GROWTH = 4  # of the number of calls in a task, from one task to the next
_STRIKES = 3  # deaths of workers after which a call runs while no other does
_LOST = (
    "the Dask scheduler cannot be reached any more; start it and call again: cells that finished are kept "
    "where there is a store."
)
_ATTEMPTS = 3  # without any progress, after which an error of the backend is raised


class Outcome(NamedTuple):
    """What became of one call: its value, or the error in words."""

    place: int
    value: Any
    error: str | None
    seconds: float
    peak: int


def run_calls(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    finish: Callable[[list[Outcome]], None],
    *,
    n_jobs: int | None = None,
) -> None:
    """Call ``function(*arguments)`` for every entry of `calls`, and `finish` with the outcomes of each task.

    A call that raises is an outcome. A call whose worker dies is repeated; one that has been there when
    workers died several times runs alone, and fails if its worker dies again.

    Parameters
    ----------
    function : callable
        Function that workers call.
    calls : sequence of tuples
        Arguments of every call.
    finish : callable
        Called in this process, in the order in which tasks finish. What it raises ends the run.
    n_jobs : int, optional
        Number of workers; ``None`` follows ``joblib.parallel_config``, and outside of one takes every core.
    """
    from threadpoolctl import threadpool_limits

    # Also here: threads share the libraries' settings, and each task restores what it found.
    with threadpool_limits(1):
        run = _Run(function, calls, finish, n_jobs)
        while run.waiting:
            run.proceed()


class _Run:
    """Calls that wait, those that were sent, and how often workers died meanwhile."""

    def __init__(
        self,
        function: Callable[..., Any],
        calls: Sequence[tuple[Any, ...]],
        finish: Callable[[list[Outcome]], None],
        n_jobs: int | None,
    ) -> None:
        self.function, self.calls, self.finish, self.n_jobs = function, calls, finish, n_jobs
        self.waiting, self.sent = set(range(len(calls))), set[int]()
        self.strikes, self.fruitless, self.pace = Counter[int](), 0, _Pace()

    def proceed(self) -> None:
        """Run what waits until it is finished, or the backend fails."""
        suspects = {place for place in self.waiting if self.strikes[place] >= _STRIKES}
        alone = self.waiting == suspects
        chosen = sorted(suspects)[:1] if alone else sorted(self.waiting - suspects)
        before = len(self.waiting)
        self.sent.clear()
        error = self.run(chosen)
        if error is None:
            return
        self.fruitless = 0 if len(self.waiting) < before else self.fruitless + 1
        for place in self.sent & self.waiting:
            self.strikes[place] += 1
        if alone and self.strikes[chosen[0]] > _STRIKES + 1:
            words = f"its worker died each time ({type(error).__name__}: {error})"
            self.receive([Outcome(chosen[0], None, words, math.nan, 0)])
        elif (
            isinstance(error, ConnectionError)
            or _cannot_be_sent(error)
            or self.fruitless > _STRIKES + _ATTEMPTS
        ):
            raise error

    def run(self, chosen: Sequence[int]) -> Exception | None:
        """Run some of the calls; return the error of the backend, if there is one."""
        from joblib import parallel_config

        # Workers of our own have one thread from their start: libraries that are imported later as well.
        one_thread = {"backend": "loky", "n_jobs": -1, "inner_max_num_threads": 1}
        with nullcontext() if _is_configured() else parallel_config(**one_thread):
            return self.run_here(chosen)

    def run_here(self, chosen: Sequence[int]) -> Exception | None:
        """Run some of the calls under the active configuration of joblib."""
        from joblib import Parallel

        done: Any = iter(())
        complete = False
        how: dict[str, Any] = {"n_jobs": self.n_jobs, "batch_size": 1}
        try:
            try:
                pool = Parallel(return_as="generator_unordered", **how)
            except ValueError:  # a backend that returns only whole lists
                pool = Parallel(**how)
            try:
                done = iter(pool(self.tasks(chosen)))
            except Exception as error:
                return error
            with _watch_scheduler(pool):
                while True:
                    try:
                        outcomes = next(done)
                    except StopIteration:
                        complete = not _has_lost_scheduler()
                        return None if complete else ConnectionError(_LOST)
                    except Exception as error:
                        return ConnectionError(_LOST) if _has_lost_scheduler() else error
                    self.receive(outcomes)
        finally:
            if not complete:
                _stop(done)

    def tasks(self, chosen: Sequence[int]) -> Iterator[Any]:
        """Cut calls into tasks, each when it is sent."""
        from joblib import delayed

        queue, workers = deque(chosen), count_workers(self.n_jobs)
        while queue:
            batch = [queue.popleft() for _ in range(min(self.pace.size(len(queue), workers), len(queue)))]
            self.sent.update(batch)
            yield delayed(_execute)(self.function, [(place, self.calls[place]) for place in batch])

    def receive(self, outcomes: list[Outcome]) -> None:
        """Hand the outcomes of a task on."""
        for outcome in outcomes:
            self.waiting.discard(outcome.place)
            if outcome.error is None:
                self.pace.add(outcome.seconds)
        self.finish(outcomes)


@contextmanager
def _watch_scheduler(pool: Any) -> Iterator[None]:
    """Stop a run that has lost its Dask scheduler, whose results joblib would wait for without an end."""
    client, ended = _dask_client(), threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            if client.status != "running":
                pool._aborting = True
                return

    if client is not None:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _dask_client() -> Any:
    """Return the client of Dask, where that is the active backend."""
    from joblib.parallel import get_active_backend

    return getattr(get_active_backend()[0], "client", None)


def _has_lost_scheduler() -> bool:
    client = _dask_client()
    return client is not None and client.status != "running"


def _stop(done: Any) -> None:
    """End the workers of a run that was not completed: of Ctrl-C, of an error."""
    with suppress(Exception):
        done.close()
    with suppress(Exception):
        from joblib.externals.loky import reusable_executor

        executor = reusable_executor._executor
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


class _Pace:
    """The number of calls in a task, from the time that they have taken so far."""

    def __init__(self) -> None:
        self.seconds = deque[float](maxlen=64)
        self.last = 1

    def add(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def size(self, left: int, workers: int) -> int:
        if not self.seconds:
            return 1
        mean = max(math.fsum(list(self.seconds)) / len(self.seconds), 1e-6)
        # Towards the end tasks become smaller, so that no worker waits for long.
        self.last = max(1, min(int(_SECONDS / mean), _GROWTH * self.last, left // (2 * workers)))
        return self.last


def count_workers(n_jobs: int | None) -> int:
    """Return how many workers the active backend of joblib has."""
    from joblib import effective_n_jobs

    usual = n_jobs if n_jobs is not None or _is_configured() else -1
    return max(int(effective_n_jobs(usual)), 1)


def _is_configured() -> bool:
    """Return whether the caller has chosen a backend of joblib, or a number of jobs."""
    from joblib import parallel

    return getattr(parallel._backend, "config", None) is not None


def _execute(function: Callable[..., Any], batch: list[tuple[int, tuple[Any, ...]]]) -> list[Outcome]:
    """Make the calls of one task, with one thread each."""
    from threadpoolctl import threadpool_limits

    outcomes = []
    with threadpool_limits(1):
        for place, arguments in batch:
            began = time.perf_counter()
            value, error = None, None
            try:
                value = function(*arguments)
            except Exception as raised:
                error = describe_error(raised)
            outcomes.append(Outcome(place, value, error, time.perf_counter() - began, _peak_memory()))
    return outcomes


def describe_error(error: BaseException) -> str:
    """Return an error in words, with the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" [{frames[-1].filename}:{frames[-1].lineno}]" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _peak_memory() -> int:
    """Return the most bytes that this process has held; 0 where the system does not say."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cannot_be_sent(error: Exception) -> bool:
    """Return whether a function or its arguments cannot reach a worker: trying again is of no use."""
    return any("pickl" in f"{type(cause).__name__} {cause}".lower() for cause in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
