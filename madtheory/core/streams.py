"""Random streams by address: a draw does not depend on which other draws are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISpawnableSeedSequence

from madtheory.types import RandomState
from madtheory.validation import check_seed

_ROLES = ("initial", "real", "source", "synthetic", "subsample", "fit", "carried")
_NUMBERS = {role: number for number, role in enumerate(_ROLES)}
_GENERATIONS = 32  # whose seeds are computed together

# Constants of the algorithm of NumPy's SeedSequence (M. E. O'Neill's seed_seq_fe), which never change.
_INIT_A, _MULT_A, _INIT_B, _MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
_MIX_LEFT, _MIX_RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
_POOL = 4  # words of 32 bits


@dataclass(frozen=True)
class Streams:
    """Random streams by address: a draw depends on seed, block, generation and role, and on nothing else."""

    entropy: int
    block: int = 0

    @classmethod
    def of(cls, rng: RandomState) -> Streams:
        """Make streams from a seed, a `SeedSequence`, a `Generator` (which is advanced) or fresh entropy."""
        if isinstance(rng, np.random.Generator):
            return cls(int.from_bytes(rng.bytes(16), "little"))
        if rng is None:
            rng = np.random.SeedSequence()
        if not isinstance(rng, np.random.SeedSequence):
            return cls(check_seed(rng, others=", a SeedSequence or a Generator"))
        if isinstance(rng.entropy, int | np.integer) and not rng.spawn_key:
            return cls(int(rng.entropy))
        return cls(int.from_bytes(rng.generate_state(4).tobytes(), "little"))

    def of_part(self, *address: int) -> Streams:
        """Return the streams of one loop of several, or of one of its draws; those of loop 0 are these."""
        if address == (0,):
            return self
        words = np.random.SeedSequence(self.entropy, spawn_key=address).generate_state(4)
        return replace(self, entropy=int.from_bytes(words.tobytes(), "little"))

    def __call__(self, generation: int, role: str) -> np.random.Generator:
        """Return the generator of one role in one generation.

        It is ``default_rng(SeedSequence(entropy, spawn_key=(block, generation, role)))``, bit for bit.
        """
        number = _NUMBERS[role]
        key = (self.block, generation, number)
        if max(self.block, generation) >= 2**32:
            return np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=key))
        chunk, place = divmod(generation, _GENERATIONS)
        words = _seeds(self.entropy, self.block, chunk)[place, number]
        seed: Any = _Seed(self.entropy, key, words)
        return np.random.Generator(np.random.PCG64(seed))


class _Seed(ISpawnableSeedSequence):
    """A `SeedSequence` whose first words are known; anything else is left to NumPy's own sequence."""

    def __init__(self, entropy: int, spawn_key: tuple[int, ...], words: Any) -> None:
        self._address, self._words = (entropy, spawn_key), words

    @property
    def sequence(self) -> np.random.SeedSequence:
        """NumPy's own sequence, made when it is first used: it counts the children it has spawned."""
        if "_sequence" not in vars(self):
            entropy, spawn_key = self._address
            self._sequence = np.random.SeedSequence(entropy, spawn_key=spawn_key)
        return self._sequence

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        """Return the state that seeds a bit generator."""
        if n_words == len(self._words) and dtype is np.uint64:
            return self._words
        return self.sequence.generate_state(n_words, dtype)

    def spawn(self, n_children: int) -> Any:
        """Return independent sequences."""
        return self.sequence.spawn(n_children)


@lru_cache(maxsize=2048)
def _seeds(entropy: int, block: int, chunk: int) -> Any:
    """Compute the seeds of PCG64 for all roles in 32 generations, shape (32, roles, 4).

    Mixing in the last two words of the spawn key and hashing the pool are repeated here for many keys at
    once; NumPy does what comes before, which is the same for all of them.
    """
    pool = np.random.SeedSequence(entropy, spawn_key=(block,)).pool
    mixed = _POOL * _POOL + _POOL * (max(-(-entropy.bit_length() // 32), _POOL) - _POOL + 1)
    generations = np.arange(chunk * _GENERATIONS, (chunk + 1) * _GENERATIONS, dtype=np.uint32)
    pool = _mix(pool, generations[:, None, None], mixed)
    pool = _mix(pool, np.arange(len(_ROLES), dtype=np.uint32)[:, None], mixed + _POOL)
    constants = _powers(_INIT_B, _MULT_B, 2 * _POOL + 1)
    words = (np.concatenate([pool, pool], -1) ^ constants[:-1]) * constants[1:]
    words ^= words >> np.uint32(16)
    low, high = words[..., ::2].astype(np.uint64), words[..., 1::2].astype(np.uint64)
    seeds = low | high << np.uint64(32)
    seeds.flags.writeable = False
    return seeds


def _mix(pool: Any, word: Any, already: int) -> Any:
    """Mix one more word into each of the pool's four; `already` counts the words mixed before."""
    constants = _powers(_INIT_A * pow(_MULT_A, already, 2**32), _MULT_A, _POOL + 1)
    value = (word ^ constants[:-1]) * constants[1:]
    value ^= value >> np.uint32(16)
    result = _MIX_LEFT * pool - _MIX_RIGHT * value
    return result ^ result >> np.uint32(16)


@lru_cache
def _powers(first: int, factor: int, many: int) -> Any:
    """Return the constants first * factor**k modulo 2**32."""
    return np.array([first * pow(factor, k, 2**32) % 2**32 for k in range(many)], dtype=np.uint32)
