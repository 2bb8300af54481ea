"""Images that are a function of other images, which is applied when they are read; and values of images."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from madtheory.images._parts import Index, Pixels, row_digests

if TYPE_CHECKING:
    from madtheory.images._images import Images

__all__ = ["Mapped", "mapped", "values"]

_BATCH = 256
_TRIED = 4  # images that a function is tried on


@dataclass(frozen=True, eq=False)
class Mapped:
    """A function of each image of a set: a part of `Images`, with the labels and seeds of that set.

    Attributes
    ----------
    images : Images
        The set.
    function : callable
        Pixels to pixels; see `Images.mapped`.
    """

    images: Images
    function: Callable[..., Any]

    def __reduce__(self) -> Any:
        # Without what is cached.
        return type(self), (self.images, self.function)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return self.images.shape

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.images.labelled

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each image."""
        return self.images.labels

    @property
    def seeds(self) -> NDArray[np.uint64] | None:
        """The seed that each image was sampled with, before it was mapped."""
        return self.images.seeds

    def read(self, index: Index) -> Pixels:
        """Read the images at these places, and apply the function to them."""
        made = np.asarray(_applied(self.function, self.images, index))
        expected = (len(index), *self.shape[1:])
        if made.shape != expected or made.dtype != np.uint8:
            raise ValueError(
                f"function returned {made.dtype} of shape {made.shape} for uint8 images of shape {expected}; "
                f"return uint8 of that shape: for numbers from 0 to 255 x.round().clip(0, 255).astype("
                f"'uint8')."
            )
        return made

    def digests(self, index: Index) -> Pixels:
        """The sha256 of each of these images, as mapped; each image is mapped once for it."""
        known, digests = self._known
        new = np.unique(index[~known[index]])
        for start in range(0, len(new), _BATCH):
            piece = new[start : start + _BATCH]
            digests[piece] = row_digests(self.read(piece))
            known[piece] = True
        return digests[index]

    @cached_property
    def _known(self) -> tuple[NDArray[np.bool_], Pixels]:
        return np.zeros(len(self.images), dtype=bool), np.zeros((len(self.images), 32), dtype=np.uint8)


def mapped(images: Images, function: Callable[..., Any]) -> Mapped:
    """The part that `Images.mapped` makes a set of."""
    if not callable(function):
        raise TypeError(f"function={function!r} cannot be called; pass a function of pixels.")
    part = Mapped(images, function)
    tried = np.arange(min(_TRIED, len(images)))
    if len(tried) and not np.array_equal(part.read(tried), part.read(tried)):
        raise ValueError(
            f"function={function!r} makes other images of the same images in a second call, so that a set "
            f"which is mapped when it is read would not stay what it is; draw nothing at random in it."
        )
    return part


def values(images: Images, function: Callable[..., Any]) -> NDArray[np.float64]:
    """The values of a function of each image, shape (n,); see `Images.valued`."""
    found = np.empty(len(images))
    for start in range(0, len(images), _BATCH):
        index = np.arange(start, min(start + _BATCH, len(images)))
        batch = np.asarray(_applied(function, images, index), dtype=float)
        if batch.shape != index.shape:
            raise ValueError(
                f"function returned shape {batch.shape} for {len(index)} images of shape "
                f"{images.shape[1:]}; return one number per image, shape {index.shape}."
            )
        found[index] = batch
    return found


def _applied(function: Callable[..., Any], images: Images, index: Index) -> Any:
    """The function of the images at these places, and of their labels if it asks for them."""
    pixels = images.batch(index)
    try:
        asked = inspect.signature(function).parameters.get("labels")
    except (TypeError, ValueError):  # a function of C, of which nothing is known
        asked = None
    if asked is None:
        return function(pixels)
    if images.labels is not None:
        return function(pixels, labels=images.labels[index])
    if asked.default is inspect.Parameter.empty:
        raise ValueError(
            f"function={function!r} asks for labels and the images have none; pass classes to the model and "
            f"open the data with labels=True, or give the function labels=None."
        )
    return function(pixels)
