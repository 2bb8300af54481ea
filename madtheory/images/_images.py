"""Sets of images that may be larger than memory: nothing is read until a batch is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory._validation import check_generator, check_size, freeze, shown
from madtheory.images._mapped import mapped, values
from madtheory.images._parts import Held, Index, Part, Pixels, check_labels, check_pixels, check_seeds

__all__ = ["Images"]

_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Images:
    """A set of images, uint8 of shape (n, height, width, channels), that is read batch by batch.

    A training set of the loop: it joins, is cut and subsampled without a pixel being read. ``np.asarray``
    reads it all; `batches` streams. A pickle of a stored set holds paths, not pixels.

    Attributes
    ----------
    parts : tuple of Part
        Where the pixels come from; `Images.of` makes one of an array, `open_shards` those of a folder.
    index : int array, shape (n,), optional
        Which images these are, counted through all parts in turn; ``None`` is all of them.
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
            What each image was sampled with.
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
        """How many images there are: the size of the training set."""
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
        return self._chosen([part.labels for part in self.parts])

    @cached_property
    def seeds(self) -> NDArray[np.uint64] | None:
        """The seed that each image was sampled with, shape (n,), or ``None``; real images have none."""
        return self._chosen([part.seeds for part in self.parts])

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
        """The images at these places (numbers, or a mask of n booleans), in that order, without reading."""
        rows = self._rows(indices)
        where = self._part_of(rows)
        # Parts that are not used are let go: they may hold memory.
        used = np.unique(where) if len(rows) else np.zeros(1, dtype=np.int64)
        before = np.cumsum([0, *(self.parts[k].shape[0] for k in used)])[:-1]
        if len(rows):
            rows = rows - self._offsets[where] + before[np.searchsorted(used, where)]
        return Images(tuple(self.parts[k] for k in used), rows)

    def mapped(self, function: Callable[..., Any]) -> Images:
        """The set of these images after a function, which is applied to each batch when it is read.

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
        return Images((mapped(self, function),))

    def valued(self, function: Callable[..., Any]) -> NDArray[np.float64]:
        """The values of a function of each image, shape (n,), which is applied batch by batch.

        The function maps uint8 pixels (k, height, width, channels) to k numbers; where it has a parameter
        ``labels``, it gets the classes (k,) by that name.
        """
        return values(self, function)

    def first(self, share: float) -> Images:
        """The first images: the integer part of `share` of their number."""
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
            If one of them is no `Images`.
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
            f"weight={shown(weight)}: a set of images carries no weights; use a regime without weights, and "
            f"choose n_real and n_synthetic instead."
        )

    def fingerprint(self) -> str:
        """The sha256 of what the images are: pixels and labels, in order; computed once.

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
        """Places counted through all parts, for places in this set."""
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

    def _chosen(self, columns: list[Any]) -> Any:
        if any(column is None for column in columns):
            return None
        column = np.concatenate(columns)
        return column if self.index is None else column[self.index]
