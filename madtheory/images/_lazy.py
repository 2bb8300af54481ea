"""Images that are made when they are read: patches of photographs, rows of a data set of another library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from madtheory.images._files import decoded
from madtheory.images._parts import Index, Pixels, row_digests

__all__ = ["Patches", "Rows", "check_shape"]


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of photographs: a part of `Images`."""

    photos: Pixels
    corners: Index
    size: int
    labels: NDArray[np.int64] | None
    seeds: None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return len(self.corners), self.size, self.size, self.photos.shape[-1]

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    def read(self, index: Index) -> Pixels:
        """Cut out the patches at these places."""
        windows = sliding_window_view(self.photos, (self.size, self.size), axis=(1, 2))
        photo, row, column = self.corners[index].T
        return np.moveaxis(windows[photo, row, column], 1, -1)

    def digests(self, index: Index) -> Pixels:
        """The sha256 of each of these images, which are read for it."""
        return row_digests(self.read(index))


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a data set of the Hugging Face library: a part of `Images`."""

    table: Any
    name: str
    column: str
    shape: tuple[int, int, int, int]
    size: int | None
    labels: NDArray[np.int64] | None
    seeds: None = None

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    def read(self, index: Index) -> Pixels:
        """Decode the images of these rows."""
        pixels = np.empty((len(index), *self.shape[1:]), dtype=np.uint8)
        for place, i in enumerate(index.tolist()):
            image = decoded(self.table[i][self.column], self.size, f"image {i} of {self.name}")
            check_shape(image.shape, self.shape[1:], f"image {i} of {self.name}")
            pixels[place] = image
        return pixels

    def digests(self, index: Index) -> Pixels:
        """The sha256 of each of these images, which are read for it."""
        return row_digests(self.read(index))


def check_shape(found: Sequence[int], expected: Sequence[int], name: str) -> None:
    """Whether an image has the shape of the first."""
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"{name} has shape {tuple(found)}, and the first image has {tuple(expected)} (height, width, "
            f"channels); pass size= to make the sizes equal, and convert grey images among coloured ones."
        )
