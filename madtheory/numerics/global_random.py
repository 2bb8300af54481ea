"""Global generators for foreign code that draws from them: seeded temporarily, then restored."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy as np


@lru_cache(maxsize=1)
def _spare() -> list[Any]:
    """Return bit generators that are not in use: making one costs more than all the rest."""
    return []


@lru_cache(maxsize=1)
def _turn() -> Any:
    """Return the lock of the thread whose seed the generators have."""
    return RLock()


@contextmanager
def seed_globals(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy, `random` and (if it is imported) torch on the CPU.

    Afterwards the caller's generators continue where they were, also after an exception. Global generators
    are shared by threads: another thread that seeds them waits, and one that only draws meanwhile draws from
    the seeded ones.

    Parameters
    ----------
    seed : int
        Seed, 0 to 2**32 - 1.
    """
    with _turn():
        bits = _spare().pop() if _spare() else np.random.MT19937()
        torch = getattr(sys.modules.get("torch"), "default_generator", None)
        numpy: Any = np.random
        kept = numpy.get_bit_generator()
        of_python = random.getstate()
        of_torch = None if torch is None else torch.get_state()
        try:
            # Exchanging the generator costs a hundredth of reading its state.
            numpy.set_bit_generator(bits)
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            if torch is not None:
                torch.manual_seed(seed)
            yield
        finally:
            numpy.set_bit_generator(kept)
            random.setstate(of_python)
            if torch is not None:
                torch.set_state(of_torch)
            _spare().append(bits)
