"""Images of digits in experiments: as pictures, and as a source that gives each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


def grey(images: Any) -> np.ndarray:
    """Return pixels from 0 to 1 as bytes."""
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Exactly:
    """The real images as they are, once each, instead of draws with replacement."""

    points: np.ndarray

    def sample(self, n: int, *, rng: np.random.Generator) -> np.ndarray:
        """Return all images."""
        if n != len(self.points):
            raise ValueError(f"n={n}, but these are {len(self.points)} images.")
        return self.points
