"""Foreign code that draws from global generators: seeded for a while, and the caller's put back."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np


@lru_cache(maxsize=1)
def _spare() -> list[Any]:
    """Bit generators that are not in use: to make one costs more than all the rest."""
    return []


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed the global generators of NumPy, `random` and (if it is imported) torch on the CPU.

    Afterwards the caller's go on where they were, also after an exception. Global generators are shared by
    threads: what another thread draws meanwhile comes from the seeded ones.

    Parameters
    ----------
    seed : int
        0 to 2**32 - 1.
    """
    bits = _spare().pop() if _spare() else np.random.MT19937()
    torch = getattr(sys.modules.get("torch"), "default_generator", None)
    numpy: Any = np.random
    kept = numpy.get_bit_generator()
    of_python = random.getstate()
    of_torch = None if torch is None else torch.get_state()
    try:
        # To exchange the generator costs a hundredth of reading out its state.
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
