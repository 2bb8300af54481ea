"""Random streams by address: what is drawn does not depend on what else is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from madtheory._validation import check_seed
from madtheory.types import RandomState

__all__ = ["Streams"]

_ROLES = ("initial", "real", "source", "synthetic", "subsample", "fit")


@dataclass(frozen=True)
class Streams:
    """Random streams by address: a draw depends on seed, block, generation and role, and on nothing else."""

    entropy: int
    block: int = 0

    @classmethod
    def of(cls, rng: RandomState) -> Streams:
        """Streams from a seed, a `SeedSequence`, a `Generator` (which is advanced) or fresh entropy."""
        if isinstance(rng, np.random.Generator):
            return cls(int.from_bytes(rng.bytes(16), "little"))
        if rng is None:
            rng = np.random.SeedSequence()
        if not isinstance(rng, np.random.SeedSequence):
            return cls(check_seed(rng, others=", a SeedSequence or a Generator"))
        if isinstance(rng.entropy, int | np.integer) and not rng.spawn_key:
            return cls(int(rng.entropy))
        return cls(int.from_bytes(rng.generate_state(4).tobytes(), "little"))

    def __call__(self, generation: int, role: str) -> np.random.Generator:
        """The generator of one role in one generation."""
        key = (self.block, generation, _ROLES.index(role))
        return np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=key))
