"""What a set of images is made of: arrays in memory, and anything else that reads images by their number."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from madtheory._validation import check_array, freeze
from madtheory._validation import check_seeds as check_sample_seeds

__all__ = ["Held", "Index", "Part", "Pixels", "check_labels", "check_pixels", "check_seeds", "row_digests"]

Pixels = NDArray[np.uint8]
"""Images of shape (n, height, width, channels), or bytes."""
Index = NDArray[np.int64]


class Part(Protocol):
    """Where the pixels of a set, or of a piece of it, come from: an array, a shard, a folder, an archive."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels), known without reading pixels."""
        ...

    @property
    def labelled(self) -> bool:
        """Whether there are labels, known without reading them."""
        ...

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each image, shape (n,)."""
        ...

    @property
    def seeds(self) -> NDArray[np.uint64] | None:
        """The seed that each image was sampled with, shape (n,)."""
        ...

    def read(self, index: Index) -> Pixels:
        """The images at these places."""
        ...

    def digests(self, index: Index) -> Pixels:
        """A sha256 for each of these images, shape (k, 32), which says what its pixels are."""
        ...


@dataclass(frozen=True, eq=False)
class Held:
    """Images that are held in memory."""

    pixels: Pixels
    labels: NDArray[np.int64] | None = None
    seeds: NDArray[np.uint64] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        n, height, width, channels = self.pixels.shape
        return n, height, width, channels

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    def read(self, index: Index) -> Pixels:
        """The images at these places."""
        return self.pixels[index]

    def digests(self, index: Index) -> Pixels:
        """The sha256 of each image."""
        return row_digests(self.pixels[index])


def row_digests(pixels: Pixels) -> Pixels:
    """The sha256 of each image, shape (n, 32)."""
    rows = np.ascontiguousarray(pixels)
    digests = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)


def check_pixels(name: str, value: Any) -> Pixels:
    """Return an array of images: uint8, shape (n, height, width, channels)."""
    pixels = check_array(value, name)
    if pixels.ndim != 4 or 0 in pixels.shape[1:]:
        raise ValueError(
            f"{name} has shape {pixels.shape}; expected (n, height, width, channels): for grey images of "
            f"shape (n, height, width) pass {name}[..., None]."
        )
    if pixels.dtype != np.uint8:
        raise ValueError(
            f"{name} has type {pixels.dtype}; expected uint8, 0 to 255: for numbers in [0, 1] pass "
            f"(255 * {name}).round().astype('uint8')."
        )
    return pixels


def check_seeds(value: Any, n: int) -> NDArray[np.uint64] | None:
    """Return the seeds of `n` images, if there are any."""
    if value is None:
        return None
    return freeze(check_sample_seeds(value, n))


def check_labels(value: Any, n: int) -> NDArray[np.int64] | None:
    """Return the classes of `n` images, if there are any."""
    if value is None:
        return None
    labels = check_array(value, "labels")
    whole = np.issubdtype(labels.dtype, np.integer)
    if labels.shape != (n,) or not whole or (n and labels.min() < 0):
        raise ValueError(
            f"labels has shape {labels.shape} and type {labels.dtype}; expected a whole number of 0 or more "
            f"for each image, shape ({n},)."
        )
    return labels.astype(np.int64)
