"""Test of lost modes: the number of modes that batches hold, against many runs of the same regime."""

from __future__ import annotations

from typing import Any

import numpy as np

from madtheory.types import Array

_SLICE = 2_000  # null runs at once


def assess_modes(counts: Array, real: Array, regime: str, null_runs: int, rng: int) -> Array:
    """Return one-sided p-values up to each generation, from counts of shape (*replicate, T, K).

    A Monte Carlo test (Barnard 1963), exact for every number of null runs up to ties.
    """
    sizes = counts.reshape(-1, *counts.shape[-2:])[0].sum(-1)
    generator = np.random.default_rng(rng)
    parts = [min(_SLICE, null_runs - done) for done in range(0, null_runs, _SLICE)]
    null = np.concatenate([_summarise(_draw_runs(sizes, real, regime, many, generator)) for many in parts])
    seen, out = _summarise(counts), np.empty(counts.shape[:-1])
    for t in range(len(sizes)):
        below = np.searchsorted(np.sort(null[:, t]), seen[..., t], side="right")
        out[..., t] = (1 + below) / (1 + null_runs)
    return out


def _summarise(counts: Array) -> Array:
    """Return the number of modes held up to each generation; their diversity, below 1, breaks ties."""
    shares = counts / np.maximum(counts.sum(-1, keepdims=True), 1)
    held = (counts > 0).sum(-1) + (1 - (shares**2).sum(-1)) / counts.shape[-2]
    return np.round(np.cumsum(held, -1), 12)


def _draw_runs(sizes: Array, real: Array, regime: str, many: int, rng: np.random.Generator) -> Array:
    """Draw counts of batches of a categorical loop, shape (many, T, K)."""
    first: Any = np.broadcast_to(real, (many, real.size))
    pool: Any = first
    batches, n_real = [], int(real.sum())
    for n in sizes:
        batch = rng.multinomial(n, pool / pool.sum(-1, keepdims=True))
        batches.append(batch)
        if regime == "replace":
            pool = batch
        elif regime == "augment":
            pool = first + batch
        elif regime == "accumulate":
            pool = pool + batch
        elif regime == "fresh":
            pool = rng.multinomial(n_real, real / real.sum(), size=many) + batch
    return np.stack(batches, 1)
