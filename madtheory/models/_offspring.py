"""Exact multinomial offspring of integer counts, several times faster than one binomial per symbol."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from madtheory.types import Array

__all__ = ["offspring"]

_RATES, _CELLS = 256, 4096
_TRIES = 4


def offspring(counts: Any, rng: np.random.Generator) -> Any:
    r"""Draw from Multinomial(n, counts/n) with n = sum of counts, for each row of a matrix of counts.

    Multinomial counts are independent Poisson counts of the means c_i, given that their sum is n. All but the
    last columns are drawn so, from tables. A row is kept with the probability that a Poisson sum of the rest
    fills up what is left, over the largest such probability; and the last columns share that out by an
    ordinary multinomial. A row that is refused too often is drawn in the ordinary way. Exact to 1e-13 per
    symbol; quickest if the largest counts come last.
    """
    rows, columns = counts.shape
    n = counts.sum(1)
    split = columns - max(columns // 6, 2)
    small, large = counts[:, :split], counts[:, split:]
    mass = large.sum(1)
    safe = np.maximum(mass, 1)
    peak = mass * np.log(safe) - special.gammaln(mass + 1)
    drawn = np.empty_like(counts)
    left, open_rows = np.zeros(rows, counts.dtype), np.flatnonzero(mass > 0)
    refused = [np.flatnonzero(mass == 0)]
    for _ in range(_TRIES):
        every = len(open_rows) == rows  # no need to pick rows, then
        x = _poisson(small if every else small[open_rows], rng)
        rest = n[open_rows] - x.sum(1, dtype=np.int64)
        log = rest * np.log(safe[open_rows]) - special.gammaln(np.maximum(rest, 0) + 1.0) - peak[open_rows]
        kept = (rest >= 0) & (-rng.standard_exponential(len(rest)) < log)
        if every:
            drawn[:, :split] = x
        else:
            drawn[open_rows[kept], :split] = x[kept]
        left[open_rows[kept]] = rest[kept]
        open_rows = open_rows[~kept]
        if not open_rows.size:
            break
    refused.append(open_rows)
    drawn[:, split:] = rng.multinomial(left, large / safe[:, None])
    again = np.concatenate(refused)
    drawn[again] = rng.multinomial(n[again], counts[again] / n[again, None])
    return drawn


def _poisson(means: Any, rng: np.random.Generator) -> Any:
    """Poisson counts of integer means, by inversion in tables, and within a cell of them if need be."""
    cells, flat, starts = _tables()
    cell = rng.integers(_CELLS, size=means.shape, dtype=np.uint16)
    large = means >= _RATES
    any_large = large.any()
    rates = np.where(large, 0, means) if any_large else means
    index = rates * _CELLS
    index += cell
    x = cells.take(index, mode="clip")
    unclear = np.flatnonzero(x < 0)
    if unclear.size:
        rate = rates.ravel()[unclear]
        point = rate + (cell.ravel()[unclear] + rng.random(len(rate))) / _CELLS
        x.ravel()[unclear] = flat.searchsorted(point, side="right") - starts[rate]
    if any_large:
        x = x.astype(np.int64)
        x[large] = rng.poisson(means[large])
    return x


@lru_cache(maxsize=1)
def _tables() -> tuple[Any, Array, Any]:
    """For each mean the value on each cell of (0, 1), or -1 where it changes; all distribution functions."""
    cells, starts = np.zeros((_RATES, _CELLS), np.int16), np.ones(_RATES, np.int64)
    flat: list[Array] = [np.ones(1)]
    edges = np.arange(_CELLS + 1) / _CELLS
    for rate in range(1, _RATES):
        below = special.pdtr(np.arange(int(rate + 12 * np.sqrt(rate) + 30)), rate)
        low, high = below.searchsorted(edges[:-1], side="right"), below.searchsorted(edges[1:])
        cells[rate] = np.where(low == high, low, -1)
        starts[rate] = starts[rate - 1] + len(flat[-1]) - (rate == 1)
        flat.append(rate + below)
    return cells.ravel(), np.concatenate(flat), starts
