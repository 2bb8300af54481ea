"""Sets of images that may be larger than memory: nothing is read until a batch is needed."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from madtheory.validation import (
    check_array,
    check_generator,
    check_seeds as check_sample_seeds,
    check_size,
    freeze,
    show,
)

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
        """Return the images at these places."""
        ...

    def digests(self, index: Index) -> Pixels:
        """Return a sha256 of the pixels of each of these images, shape (k, 32)."""
        ...


class BasePart:
    """A part whose labels are a field, and whose digests are those of its pixels."""

    labels: NDArray[np.int64] | None

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    def read(self, index: Index) -> Pixels:
        """Return the images at these places."""
        raise NotImplementedError

    def digests(self, index: Index) -> Pixels:
        """Return the sha256 of each of these images, which are read for it."""
        return row_digests(self.read(index))


@dataclass(frozen=True, eq=False)
class Held(BasePart):
    """Images that are held in memory."""

    pixels: Pixels
    labels: NDArray[np.int64] | None = None
    seeds: NDArray[np.uint64] | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        n, height, width, channels = self.pixels.shape
        return n, height, width, channels

    def read(self, index: Index) -> Pixels:
        """Return the images at these places."""
        return self.pixels[index]


def row_digests(pixels: Pixels) -> Pixels:
    """Return the sha256 of each image, shape (n, 32)."""
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


@dataclass(frozen=True, eq=False)
class RealImages:
    """A data set of real images: the `real` of a loop.

    Images are drawn without replacement. The loop continues with the source that a draw leaves, so that no
    image is drawn twice; the fresh data loop ends with an error when there are none left.

    Attributes
    ----------
    images : Images
        Remaining images.
    name : str
        Name in error messages.
    total : int, optional
        Number of images at the start; ``None`` is the present number.
    draws : int
        Number of draws made since.

    Examples
    --------
    >>> from madtheory.images import datasets
    >>> drawn, rest = datasets.digits().take(500, rng=np.random.default_rng(0))
    >>> len(drawn), rest.left
    (500, 397)
    """

    images: Images
    name: str = "images"
    total: int | None = None
    draws: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.images, Images):
            raise TypeError(
                f"images is a {type(self.images).__name__}; pass Images.of(array), uint8 pixels of shape "
                f"(n, height, width, channels)."
            )
        if self.total is None:
            object.__setattr__(self, "total", len(self.images))

    @property
    def left(self) -> int:
        """Number of remaining images."""
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(left, height, width, channels)."""
        return self.images.shape

    def sample(self, n: int, *, rng: np.random.Generator, bias: float | None = None) -> Images:
        """Draw `n` different images of those that are left. `bias` is refused."""
        if bias is not None:
            raise ValueError(f"bias={show(bias)}: real data cannot be sampled with a bias; leave it out.")
        return self.take(n, rng=rng)[0]

    def take(self, n: int, *, rng: np.random.Generator) -> tuple[Images, RealImages]:
        """Draw `n` images, and return them with the source of all others.

        Raises
        ------
        ValueError
            If fewer than `n` are left.
        """
        check_generator("rng", rng)
        if (n := check_size("n", n)) > self.left:
            raise ValueError(self._shortage(n))
        order = rng.permutation(self.left)
        rest = self.images.select(np.sort(order[n:]))
        return self.images.select(order[:n]), RealImages(rest, self.name, self.total, self.draws + 1)

    def _shortage(self, n: int) -> str:
        if not self.draws:
            return f"n={n} exceeds the {self.left} images of {self.name}; request {self.left} or fewer."
        return (
            f"n={n} exceeds the {self.left} images that are left of {self.name}: {self.draws} "
            f"{'draw has' if self.draws == 1 else 'draws have'} used {(self.total or 0) - self.left} of its "
            f"{self.total}. A loop that draws fresh data in "
            f"each generation runs out of them in generation {self.draws + 1}: stop after "
            f"generation {self.draws}, lower n_real, or take a larger data set."
        )


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
        made = np.asarray(_apply(self.function, self.images, index))
        expected = (len(index), *self.shape[1:])
        if made.shape != expected or made.dtype != np.uint8:
            raise ValueError(
                f"function returned {made.dtype} of shape {made.shape} for uint8 images of shape {expected}; "
                f"return uint8 of that shape: for numbers from 0 to 255 x.round().clip(0, 255).astype("
                f"'uint8')."
            )
        return made

    def digests(self, index: Index) -> Pixels:
        """Return the sha256 of each mapped image; each image is mapped once for it."""
        known, digests = self._known_digests
        new = np.unique(index[~known[index]])
        for start in range(0, len(new), _BATCH):
            piece = new[start : start + _BATCH]
            digests[piece] = row_digests(self.read(piece))
            known[piece] = True
        return digests[index]

    @cached_property
    def _known_digests(self) -> tuple[NDArray[np.bool_], Pixels]:
        return np.zeros(len(self.images), dtype=bool), np.zeros((len(self.images), 32), dtype=np.uint8)


def _apply(function: Callable[..., Any], images: Images, index: Index) -> Any:
    """Apply a function to the images at these places, and to their labels if it takes them."""
    pixels = images.batch(index)
    try:
        parameter = inspect.signature(function).parameters.get("labels")
    except (TypeError, ValueError):  # a function of C, without a signature
        parameter = None
    if parameter is None:
        return function(pixels)
    if images.labels is not None:
        return function(pixels, labels=images.labels[index])
    if parameter.default is inspect.Parameter.empty:
        raise ValueError(
            f"function={function!r} takes labels and the images have none; pass classes to the model and "
            f"open the data with labels=True, or give the function labels=None."
        )
    return function(pixels)


_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Images:
    """A set of images, uint8 of shape (n, height, width, channels), that is read batch by batch.

    A training set of the loop: it joins, is cut and subsampled without a pixel being read. ``np.asarray``
    reads it all; `batches` streams. A pickle of a stored set holds paths, not pixels.

    Attributes
    ----------
    parts : tuple of Part
        Sources of the pixels; `Images.of` makes one of an array, `open_shards` those of a folder.
    index : int array, shape (n,), optional
        Places of the images, counted through all parts in turn; ``None`` is all of them.
    """

    parts: tuple[Part, ...]
    index: Index | None = None

    @classmethod
    def of(cls, pixels: Any, labels: Any = None, seeds: Any = None) -> Images:
        """Make a set of an array of shape (n, height, width, channels), uint8: a read-only copy.

        One that is read-only, as ``np.load(path, mmap_mode="r")`` gives, is not copied.

        Parameters
        ----------
        labels : int array, shape (n,), optional
            The class of each image, 0 or more.
        seeds : uint64 array, shape (n,), optional
            Seeds that the images were sampled with.
        """
        pixels = freeze(check_pixels("pixels", pixels))
        return cls((Held(pixels, check_labels(labels, len(pixels)), check_seeds(seeds, len(pixels))),))

    def __reduce__(self) -> Any:
        # Without what is cached.
        return type(self), (self.parts, self.index)

    def __repr__(self) -> str:
        labelled = ", labels" if self.labelled else ""
        return f"Images(shape={self.shape}{labelled})"

    def __len__(self) -> int:
        return int(self._offsets[-1]) if self.index is None else len(self.index)

    @property
    def weight(self) -> int:
        """Number of images: the size of the training set."""
        return len(self)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(n, height, width, channels)."""
        return len(self), *self.parts[0].shape[1:]

    @property
    def labelled(self) -> bool:
        """Whether the images have labels."""
        return self.parts[0].labelled

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each image, shape (n,), or ``None``."""
        return self._concatenate([part.labels for part in self.parts])

    @cached_property
    def seeds(self) -> NDArray[np.uint64] | None:
        """The seed that each image was sampled with, shape (n,), or ``None``; real images have none."""
        return self._concatenate([part.seeds for part in self.parts])

    def batch(self, indices: Any) -> Pixels:
        """Read the images at these places, shape (k, height, width, channels)."""
        rows = self._rows(indices)
        read = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        for part, here, local in self._by_part(rows):
            read[here] = part.read(local)
        return read

    def batches(self, size: int = 256) -> Iterator[Pixels]:
        """Read one batch of `size` images after another, in order; the last may be smaller."""
        size = check_size("size", size)
        for start in range(0, len(self), size):
            yield self.batch(np.arange(start, min(start + size, len(self))))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("copy=False: a set of images is read into a new array; leave copy out.")
        return self.batch(np.arange(len(self))).astype(dtype or np.uint8, copy=False)

    def select(self, indices: Any) -> Images:
        """Select the images at these places (numbers, or a mask), in that order, without reading."""
        rows = self._rows(indices)
        where = self._part_of(rows)
        # Parts that are not used are dropped: they may hold memory.
        used = np.unique(where) if len(rows) else np.zeros(1, dtype=np.int64)
        before = np.cumsum([0, *(self.parts[k].shape[0] for k in used)])[:-1]
        if len(rows):
            rows = rows - self._offsets[where] + before[np.searchsorted(used, where)]
        return Images(tuple(self.parts[k] for k in used), rows)

    def mapped(self, function: Callable[..., Any]) -> Images:
        """Return the set of these images after a function, which is applied when they are read.

        Parameters
        ----------
        function : callable
            Maps uint8 pixels (k, height, width, channels) to such pixels; where it has a parameter
            ``labels``, it gets their classes (k,) by that name. An image must become the same in every batch,
            whatever the others in it: nothing is kept but its sha256.

        Returns
        -------
        Images
            With the labels and seeds of this set. A function that is slow is better applied once:
            ``write_shards(folder, lambda start, stop: made.batch(np.arange(start, stop)), len(made))``.

        Raises
        ------
        TypeError, ValueError
            If the function cannot be called, or, tried on the first images, returns something else or not
            twice the same.
        """
        if not callable(function):
            raise TypeError(f"function={function!r} cannot be called; pass a function of pixels.")
        part = Mapped(self, function)
        tried = np.arange(min(_TRIED, len(self)))
        if len(tried) and not np.array_equal(part.read(tried), part.read(tried)):
            raise ValueError(
                f"function={function!r} returns other images for the same images in a second call, so that a "
                f"set which is mapped when it is read would change; do not draw at random in it."
            )
        return Images((part,))

    def valued(self, function: Callable[..., Any]) -> NDArray[np.float64]:
        """Return the values of a function of each image, shape (n,), applied batch by batch.

        The function maps uint8 pixels (k, height, width, channels) to k numbers; where it has a parameter
        ``labels``, it gets the classes (k,) by that name.
        """
        found = np.empty(len(self))
        for start in range(0, len(self), _BATCH):
            index = np.arange(start, min(start + _BATCH, len(self)))
            values = np.asarray(_apply(function, self, index), dtype=float)
            if values.shape != index.shape:
                raise ValueError(
                    f"function returned shape {values.shape} for {len(index)} images of shape "
                    f"{self.shape[1:]}; return one number per image, shape {index.shape}."
                )
            found[index] = values
        return found

    def first(self, share: float) -> Images:
        """Return the first images: the integer part of `share` of their number."""
        return self.select(np.arange(int(share * len(self) + 1e-9)))

    def subsample(self, budget: int, *, rng: np.random.Generator, replacement: bool = False) -> Images:
        """Draw `budget` of the images uniformly."""
        budget = check_size("budget", budget)
        check_generator("rng", rng)
        if budget > len(self) and not replacement:
            raise ValueError(
                f"budget={budget} exceeds the {len(self)} images of the pool; lower it to that, or less."
            )
        return self.select(rng.choice(len(self), budget, replace=replacement))

    @staticmethod
    def joined(parts: Sequence[Images]) -> Images:
        """Pool several sets, in order, without reading them.

        Raises
        ------
        TypeError
            If one of them is not an `Images`.
        ValueError
            If their images differ in shape, or some have labels and others none.
        """
        for part in parts:
            if not isinstance(part, Images):
                raise TypeError(
                    f"a set of images cannot be joined with {type(part)}; make it Images.of(array)."
                )
            if part.shape[1:] != parts[0].shape[1:]:
                raise ValueError(
                    f"images of shape {parts[0].shape[1:]} cannot be joined with images of shape "
                    f"{part.shape[1:]}: model and real data must agree in height, width and channels."
                )
            if part.labelled != parts[0].labelled:
                with_labels, without = sorted(
                    (repr(parts[0]), repr(part)), key=lambda name: "labels" in name, reverse=True
                )
                raise ValueError(
                    f"{with_labels} cannot be joined with {without}, which has no labels: for a model "
                    f"without classes open the data set with labels=False, for one with classes give both "
                    f"sets labels."
                )
        sources = tuple(source for part in parts for source in part.parts)
        if all(part.index is None for part in parts):
            return Images(sources)
        before = np.cumsum([0, *(part._offsets[-1] for part in parts)])
        rows = [part._all + start for part, start in zip(parts, before[:-1], strict=True)]
        return Images(sources, np.concatenate(rows))

    def scaled(self, weight: float) -> Images:
        """Refuse: images have no weights."""
        raise TypeError(
            f"weight={show(weight)}: a set of images carries no weights; use a regime without weights, and "
            f"choose n_real and n_synthetic instead."
        )

    def fingerprint(self) -> str:
        """Return the sha256 of pixels and labels, in order; it is computed once.

        The same images have the same one in memory and in shards, of which no pixel is read for it: each
        shard knows the sha256 of its images. Seeds do not count.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"madtheory images 1 {self.shape}".encode())
        for start in range(0, len(self), _CHUNK):
            rows = self._rows(np.arange(start, min(start + _CHUNK, len(self))))
            read = np.empty((len(rows), 32), dtype=np.uint8)
            for part, here, local in self._by_part(rows):
                read[here] = part.digests(local)
            digest.update(read.tobytes())
        if self.labels is not None:
            digest.update(b"labels" + self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def _offsets(self) -> Index:
        return np.cumsum([0, *(part.shape[0] for part in self.parts)], dtype=np.int64)

    @property
    def _all(self) -> Index:
        return np.arange(len(self)) if self.index is None else self.index

    def _rows(self, indices: Any) -> Index:
        """Return the places in all parts together, for places in this set."""
        wanted = np.asarray(indices)
        if wanted.dtype == bool and wanted.shape == (len(self),):
            wanted = np.flatnonzero(wanted)
        if wanted.ndim != 1 or (wanted.size and not np.issubdtype(wanted.dtype, np.integer)):
            raise ValueError(
                f"indices has shape {wanted.shape} and type {wanted.dtype}; pass a list of whole numbers, or "
                f"{len(self)} booleans."
            )
        wanted = wanted.astype(np.int64)
        if wanted.size and not (wanted.min() >= 0 and wanted.max() < len(self)):
            raise IndexError(
                f"indices from {wanted.min()} to {wanted.max()} do not all lie in the {len(self)} images; "
                f"count from 0 to {len(self) - 1}."
            )
        return wanted if self.index is None else self.index[wanted]

    def _part_of(self, rows: Index) -> Index:
        return np.searchsorted(self._offsets, rows, side="right") - 1

    def _by_part(self, rows: Index) -> Iterator[tuple[Part, NDArray[np.bool_], Index]]:
        where = self._part_of(rows)
        for k in np.unique(where):
            here = where == k
            yield self.parts[k], here, rows[here] - self._offsets[k]

    def _concatenate(self, columns: list[Any]) -> Any:
        if any(column is None for column in columns):
            return None
        column = np.concatenate(columns)
        return column if self.index is None else column[self.index]
