"""Mixtures of sources: every point comes from one of them, chosen at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from madtheory import data
from madtheory.abilities import is_set
from madtheory.treatments.rejection import draw


@dataclass(frozen=True, eq=False)
class Mixed:
    """Points of several sources, each from one that is chosen with the probability of its share.

    A source that is not a model of the loop has no bias: `biased` holds one flag for each.
    """

    sources: tuple[Any, ...]
    shares: tuple[float, ...]
    biased: tuple[bool, ...]
    replicates: tuple[int, ...]

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Any:
        """Draw `n` points, shape (*replicate, n, d)."""
        lead = self.replicates
        chosen = np.searchsorted(np.cumsum(self.shares[:-1]), rng.random((*lead, n)), side="right")
        # Every part is drawn as often as the replicate that needs it most. Places are random, because the
        # first points of a batch may be kept longer than the rest.
        drawn = []
        for i, (source, biased) in enumerate(zip(self.sources, self.biased, strict=True)):
            mask = chosen == i
            if many := int(mask.sum(-1).max()):
                drawn.append((mask, draw(source, many, rng, bias if biased else None)))
        if is_set(drawn[0][1]):
            order = np.argsort(np.concatenate([np.flatnonzero(mask) for mask, _ in drawn]))
            return data.join([values for _, values in drawn]).select(order)
        points = np.empty((*lead, n, drawn[0][1].shape[-1]))
        for mask, values in drawn:
            place = np.minimum(np.cumsum(mask, -1) - 1, values.shape[-2] - 1).clip(0)
            np.copyto(points, np.take_along_axis(values, place[..., None], -2), where=mask[..., None])
        return points

    def sample_statistic(self, n: Any, *, rng: np.random.Generator, bias: float = 1.0) -> Any:
        """Draw the statistic of `n` points; the numbers from each source are multinomial."""
        parts, left, rest = [], n, 1.0
        for source, share, biased in zip(self.sources, self.shares, self.biased, strict=True):
            # The last source with a share takes what is left.
            last = share >= rest * (1 - 1e-12)
            many = left if last else rng.binomial(left, share / rest, size=self.replicates or None)
            parts.append(source.sample_statistic(many, rng=rng, **({"bias": bias} if biased else {})))
            left, rest = np.subtract(left, many), rest - share
            if last:
                break
        return data.join(parts)
