"""A generator on finitely many places of a lattice: its fit is the histogram of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Lattice:
    """Law on places; fitting counts the data there, so that nothing but their number limits it.

    Attributes
    ----------
    places : array, shape (m, d)
        Multiples of `spacing`, all different.
    p : array, shape (*replicate, m), optional
        Probabilities; without them the model is an unfitted template.
    spacing : float
        Of the lattice.
    """

    places: np.ndarray
    p: np.ndarray | None = None
    spacing: float = 1.0

    def fit(self, data: np.ndarray, *, rng: np.random.Generator | None = None) -> Lattice:
        """Return the shares of points, shape (*replicate, n, d), at each place; they must lie on places."""
        keys = self._keys(self.places)
        order = np.argsort(keys)
        index = order[np.searchsorted(keys, self._keys(data), sorter=order)]
        m, flat = len(self.places), index.reshape(-1, index.shape[-1])
        rows = np.arange(len(flat))[:, None] * m
        counts = np.bincount((rows + flat).ravel(), minlength=m * len(flat))
        return replace(self, p=counts.reshape(*index.shape[:-1], m) / index.shape[-1])

    def sample(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` places, shape (*replicate, n, d)."""
        steps = np.cumsum(self.p, -1)
        uniform = rng.random((*steps.shape[:-1], n)) * steps[..., -1:]
        index = np.empty(uniform.shape, dtype=int)
        for at in np.ndindex(steps.shape[:-1]):
            index[at] = np.searchsorted(steps[at], uniform[at], side="right")
        return self.places[index]

    def expand(self, *replicates: int) -> Lattice:
        """Add leading replicate axes."""
        return self if self.p is None else replace(self, p=np.broadcast_to(self.p, replicates + self.p.shape))

    def _keys(self, points: np.ndarray) -> np.ndarray:
        steps = np.rint(np.asarray(points) / self.spacing).astype(np.int64)
        return steps @ (1_000_003 ** np.arange(steps.shape[-1]))
