"""A shard: some thousand images in a file that is read through a memory map, and checked when it is read."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.images._parts import Index, Pixels, row_digests

__all__ = ["ImageStoreError", "Shard", "damaged", "mapped", "read_rows", "rows_name", "shard_name"]

_OPEN_AT_MOST = 256


class ImageStoreError(OSError):
    """A stored set of images that is damaged or cannot be written, or that is something else."""


@dataclass(frozen=True)
class Shard:
    """A piece of a stored set: a part of `Images`."""

    path: str
    shape: tuple[int, int, int, int]
    labelled: bool
    sha256: str

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """The class of each image."""
        return self._opened().rows["label"].astype(np.int64) if self.labelled else None

    @property
    def seeds(self) -> NDArray[np.uint64] | None:
        """The seed of each image."""
        rows = self._opened().rows
        return rows["seed"].astype(np.uint64) if "seed" in (rows.dtype.names or ()) else None

    def read(self, index: Index) -> Pixels:
        """The images at these places; those that were not read before are compared with their sha256."""
        opened = self._opened()
        pixels: Pixels = np.asarray(opened.pixels[index])
        new = ~opened.checked[index]
        if new.any():
            differ = (row_digests(pixels[new]) != opened.rows["sha256"][index[new]]).any(-1)
            if differ.any():
                raise damaged(self.path, f"image {index[new][differ][0]} of it is not what was written")
            opened.checked[index] = True
        return pixels

    def digests(self, index: Index) -> Pixels:
        """The sha256 of each of these images, as it was written: no pixel is read."""
        return self._opened().rows["sha256"][index]

    def _opened(self) -> _Opened:
        version: list[int] = []
        for path in (self.path, rows_name(self.path)):
            try:
                status = os.stat(path)
            except OSError as error:
                raise damaged(path, str(error)) from error
            version += [status.st_ino, status.st_mtime_ns, status.st_size]
        return _open(self, tuple(version))


@dataclass(frozen=True, eq=False)
class _Opened:
    pixels: Pixels
    rows: NDArray[Any]
    checked: NDArray[np.bool_]


@lru_cache(maxsize=_OPEN_AT_MOST)
def _open(shard: Shard, version: tuple[int, ...]) -> _Opened:
    """A shard that is open in this process; `version` is another one when a file was replaced."""
    rows, _ = read_rows(rows_name(shard.path), shard.sha256)
    pixels = mapped(shard.path)
    if pixels.shape != shard.shape or pixels.dtype != np.uint8 or len(rows) != len(pixels):
        raise damaged(
            shard.path, f"it holds {pixels.dtype} of shape {pixels.shape}, not uint8 of {shard.shape}"
        )
    return _Opened(pixels, rows, np.zeros(len(pixels), dtype=bool))


def shard_name(k: int) -> str:
    """File name of shard number `k`."""
    return f"shard-{k:05d}.npy"


def rows_name(path: str) -> str:
    """Where the rows of a shard are."""
    return path.removesuffix(".npy") + ".rows.npy"


def mapped(path: str) -> Pixels:
    """The pixels of a shard, as a memory map."""
    try:
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, str(error)) from error
    return pixels


def read_rows(path: str, sha256: str | None = None) -> tuple[NDArray[Any], str]:
    """Label, seed and sha256 of each image of a shard, and the sha256 of all that, which may be expected."""
    try:
        content = Path(path).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if sha256 not in (None, found):
            raise ValueError(f"its sha256 is {found}, not {sha256}")
        rows = np.load(io.BytesIO(content), allow_pickle=False)
        if "sha256" not in (rows.dtype.names or ()):
            raise ValueError("it holds no sha256 of images")
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, str(error)) from error
    return rows, found


def damaged(path: str, how: str) -> ImageStoreError:
    """The error that says which file, and what to do."""
    shard = os.path.basename(path).removesuffix(".npy").removesuffix(".rows")
    return ImageStoreError(
        f"path={path!r} is damaged: {how}. Delete {shard}.npy and {shard}.rows.npy and run again: only that "
        f"shard is made again. Or restore both from a copy."
    )
