"""One thread for many small matrices: more are not faster, and the last bits would depend on them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from typing import Any

_found: Any = None
_modules = 0


def _controller() -> Any:
    """Return the thread pools of the libraries that are loaded; they are looked up again after imports."""
    global _found, _modules
    import threadpoolctl

    if _modules != len(sys.modules):
        _found = threadpoolctl.ThreadpoolController()
        _modules = len(sys.modules)
    return _found


class _OneThread(ContextDecorator):
    """Context and decorator that limits BLAS to one thread; the last exit restores the caller's setting.

    Entering it again inside costs almost nothing: steps inside a simulation, metrics inside a step. OpenMP,
    and with it torch, is not limited.
    """

    def __init__(self) -> None:
        self._lock, self._threads_inside = threading.Lock(), 0
        self._shared: dict[str, tuple[Any, int]] = {}
        self._mine = threading.local()

    def __enter__(self) -> None:
        mine = vars(self._mine)
        depth = mine.get("depth", 0)
        if not depth or mine["modules"] != len(sys.modules):
            with self._lock:
                self._threads_inside += not depth
                self._limit(mine.setdefault("before", {}))
            mine["modules"] = len(sys.modules)
        mine["depth"] = depth + 1

    def _limit(self, mine: dict[str, tuple[Any, int]]) -> None:
        """Limit every BLAS that is not limited yet: OpenBLAS for the process, others for this thread."""
        for library in _controller().lib_controllers:
            before = self._shared if _is_shared(library) else mine
            if library.user_api == "blas" and library.filepath not in before:
                threads = library.get_num_threads()
                if threads != 1:
                    before[library.filepath] = (library, threads)
                    _set_threads(library, 1)

    def __reduce__(self) -> str:
        return "one_thread"

    def __exit__(self, *error: object) -> None:
        mine = vars(self._mine)
        mine["depth"] -= 1
        if not mine["depth"]:
            with self._lock:
                self._threads_inside -= 1
                _restore(mine["before"])
                if not self._threads_inside:
                    _restore(self._shared)


def _restore(before: dict[str, tuple[Any, int]]) -> None:
    for library, threads in before.values():
        _set_threads(library, threads)
    before.clear()


def _is_shared(library: Any) -> bool:
    """Return whether the number of threads belongs to the process, not to the thread that sets it."""
    return library.internal_api == "openblas" and library.threading_layer != "openmp"


def _set_threads(library: Any, threads: int) -> None:
    """Set the number of threads; threadpoolctl lets only one thread do so where the number is shared."""
    if _is_shared(library):
        for prefix in ("", "scipy_"):
            for suffix in ("", "64_", "_64"):
                setter = getattr(library.dynlib, f"{prefix}openblas_set_num_threads{suffix}", None)
                if setter is not None:
                    setter(threads)
                    return
    library.set_num_threads(threads)


one_thread = _OneThread()


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """Limit OpenMP to one thread in the thread that calls: scikit-learn sums in the order threads finish."""
    with _controller().limit(limits=1, user_api="openmp"):
        yield
