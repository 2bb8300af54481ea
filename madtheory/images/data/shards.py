"""Synthetic sets on disk: a folder of shards, each written whole or not at all, read without being loaded.

``shard-00000.npy`` holds pixels, opened as a memory map; ``shard-00000.rows.npy`` for each image of it the
label, the seed and the sha256 of its pixels. ``manifest.json`` comes last: it counts the images and holds
the sha256 of each shard's rows, and of itself, and so vouches for every pixel. An image is checked when it
is first read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.files import StorageError, digest_of, replace_file, write_atomically
from madtheory.images.data.images import (
    Images,
    Index,
    Pixels,
    check_labels,
    check_pixels,
    check_seeds,
    row_digests,
)
from madtheory.validation import check_size

_OPEN_AT_MOST = 256


class ImageStoreError(StorageError):
    """A stored set of images that is damaged or cannot be written, or that is something else."""


KEPT = "what was finished before is kept. Make room on the disk and run the same call again."
"""The advice where a file of a store could not be written."""


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
        return self._open().rows["label"].astype(np.int64) if self.labelled else None

    @property
    def seeds(self) -> NDArray[np.uint64] | None:
        """The seed of each image."""
        rows = self._open().rows
        return rows["seed"].astype(np.uint64) if "seed" in (rows.dtype.names or ()) else None

    def read(self, index: Index) -> Pixels:
        """Return the images at these places; the first time, they are compared with their sha256."""
        opened = self._open()
        pixels: Pixels = np.asarray(opened.pixels[index])
        new = ~opened.checked[index]
        if new.any():
            differ = (row_digests(pixels[new]) != opened.rows["sha256"][index[new]]).any(-1)
            if differ.any():
                raise damage_error(self.path, f"image {index[new][differ][0]} of it is not what was written")
            opened.checked[index] = True
        return pixels

    def digests(self, index: Index) -> Pixels:
        """Return the stored sha256 of each of these images: no pixel is read."""
        return self._open().rows["sha256"][index]

    def _open(self) -> _Opened:
        version: list[int] = []
        for path in (self.path, rows_name(self.path)):
            try:
                status = os.stat(path)
            except OSError as error:
                raise damage_error(path, str(error)) from error
            version += [status.st_ino, status.st_mtime_ns, status.st_size]
        return _open_version(self, tuple(version))


@dataclass(frozen=True, eq=False)
class _Opened:
    pixels: Pixels
    rows: NDArray[Any]
    checked: NDArray[np.bool_]


@lru_cache(maxsize=_OPEN_AT_MOST)
def _open_version(shard: Shard, version: tuple[int, ...]) -> _Opened:
    """Open a shard once in this process; `version` changes when a file is replaced."""
    rows, _ = read_rows(rows_name(shard.path), shard.sha256)
    pixels = map_pixels(shard.path)
    if pixels.shape != shard.shape or pixels.dtype != np.uint8 or len(rows) != len(pixels):
        raise damage_error(
            shard.path, f"it holds {pixels.dtype} of shape {pixels.shape}, not uint8 of {shard.shape}"
        )
    return _Opened(pixels, rows, np.zeros(len(pixels), dtype=bool))


def shard_name(k: int) -> str:
    """Return the file name of shard number `k`."""
    return f"shard-{k:05d}.npy"


def rows_name(path: str) -> str:
    """Return the name of the file of the rows of a shard."""
    return path.removesuffix(".npy") + ".rows.npy"


def map_pixels(path: str) -> Pixels:
    """Return the pixels of a shard, as a memory map."""
    try:
        pixels: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damage_error(path, str(error)) from error
    return pixels


def read_rows(path: str, sha256: str | None = None) -> tuple[NDArray[Any], str]:
    """Return label, seed and sha256 of each image of a shard, and the sha256 of the file."""
    try:
        content = Path(path).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if sha256 not in (None, found):
            raise ValueError(f"its sha256 is {found}, not {sha256}")
        rows = np.load(io.BytesIO(content), allow_pickle=False)
        if "sha256" not in (rows.dtype.names or ()):
            raise ValueError("it holds no sha256 of images")
    except (OSError, ValueError, EOFError) as error:
        raise damage_error(path, str(error)) from error
    return rows, found


def damage_error(path: str, how: str) -> ImageStoreError:
    """Return the error of a damaged file, with the remedy."""
    shard = os.path.basename(path).removesuffix(".npy").removesuffix(".rows")
    return ImageStoreError(
        f"path={path!r} is damaged: {how}. Delete {shard}.npy and {shard}.rows.npy and run again: only that "
        f"shard is made again. Or restore both from a copy."
    )


_MANIFEST, _FORMAT = "manifest.json", 1
_SHARD = 4096
_KEYS = {"format", "shape", "columns", "shards"}
_LEFTOVER = re.compile(r"\.(shard-\d+(\.rows)?\.npy|manifest\.json)\.[0-9a-f]+\.partial")
"""Names of what a killed process has begun to write."""


def write_shards(
    folder: str | os.PathLike[str],
    make: Callable[[int, int], Any],
    n: int,
    *,
    labels: Any = None,
    seeds: Any = None,
    shard: int = _SHARD,
) -> Images:
    """Write `n` images, or continue with those that an interrupted call left out; return the stored set.

    Parameters
    ----------
    folder : path-like
        Folder, which is made if it does not exist; the one above it must exist.
    make : function
        ``make(start, stop)`` returns the images number start to stop - 1, uint8 of shape (stop - start,
        height, width, channels); called once for each shard that is missing, in order. To copy a set, pass
        ``lambda start, stop: images.batch(np.arange(start, stop))``.
    n : int
        Number of images.
    labels, seeds : int arrays, shape (n,), optional
        Labels and seeds, stored with the images.
    shard : int
        Images per shard: the most that an interruption can cost.

    Raises
    ------
    ImageStoreError
        If a file cannot be written, for instance because the disk is full: what was finished stays. If the
        folder holds another set, or a file ``manifest.json`` that is something else.
    """
    n, shard = check_size("n", n), check_size("shard", shard)
    labels, seeds = check_labels(labels, n), check_seeds(seeds, n)
    _check_manifest(Path(folder) / _MANIFEST)
    missing = missing_shards(folder, n, shard=shard)
    for k in range(-(-n // shard)):
        piece = slice(k * shard, min((k + 1) * shard, n))
        mine = {
            "labels": None if labels is None else labels[piece],
            "seeds": None if seeds is None else seeds[piece],
        }
        if k in missing:
            write_shard(folder, k, make(piece.start, piece.stop), n=piece.stop - piece.start, **mine)
        else:
            _check_same(Path(folder), k, piece.stop - piece.start, **mine)
    return finish_shards(folder, n, shard=shard)


def missing_shards(folder: str | os.PathLike[str], n: int, *, shard: int = _SHARD) -> list[int]:
    """Return which shards of a set of `n` images are not written yet."""
    finished = Path(folder)
    return [
        k
        for k in range(-(-n // shard))
        if not ((finished / shard_name(k)).is_file() and (finished / rows_name(shard_name(k))).is_file())
    ]


def write_shard(
    folder: str | os.PathLike[str],
    k: int,
    pixels: Any,
    *,
    n: int | None = None,
    labels: Any = None,
    seeds: Any = None,
) -> None:
    """Write shard number `k`; it appears complete or not at all, and other shards are not touched.

    Several processes may write different shards of a folder; one of them then calls `finish_shards`.
    """
    folder, pixels = Path(folder), check_pixels("pixels", pixels)
    if n is not None and len(pixels) != n:
        raise ValueError(f"pixels holds {len(pixels)} images for shard {k}, which has {n}; make that many.")
    given = {
        "label": ("<i8", check_labels(labels, len(pixels))),
        "seed": ("<u8", check_seeds(seeds, len(pixels))),
    }
    columns = [(name, kind) for name, (kind, values) in given.items() if values is not None]
    rows = np.empty(len(pixels), dtype=[*columns, ("sha256", "u1", (32,))])
    for name, _ in columns:
        rows[name] = given[name][1]
    rows["sha256"] = row_digests(pixels)
    try:
        folder.mkdir(exist_ok=True)
        # The rows last: where they are, the pixels are complete.
        for name, array in ((shard_name(k), pixels), (rows_name(shard_name(k)), rows)):
            with replace_file(folder / name) as temporary, open(temporary, "wb") as file:
                np.save(file, array, allow_pickle=False)
    except OSError as error:
        raise ImageStoreError(
            f"shard {k} could not be written in folder={str(folder)!r} ({error}); the shards that were "
            f"finished are kept: fix that (free some space, create the folder above) and run again."
        ) from error


def finish_shards(folder: str | os.PathLike[str], n: int, *, shard: int = _SHARD) -> Images:
    """Write the manifest of a folder where no shard is missing, and open the set."""
    folder = Path(folder)
    _check_manifest(folder / _MANIFEST)
    if missing := missing_shards(folder, n, shard=shard):
        raise ImageStoreError(f"folder={str(folder)!r} lacks shards {missing}; write them first.")
    listed: list[dict[str, Any]] = []
    kinds = set()
    for k in range(-(-n // shard)):
        rows, sha256 = read_rows(os.fspath(folder / rows_name(shard_name(k))))
        pixels = map_pixels(os.fspath(folder / shard_name(k)))
        kinds.add((pixels.shape[1:], rows.dtype.names))
        listed.append({"images": len(rows), "sha256": sha256})
    counted = sum(entry["images"] for entry in listed)
    if len(kinds) > 1 or counted != n:
        raise ImageStoreError(
            f"folder={str(folder)!r} holds {counted} images of the kinds {sorted(kinds)}, expected {n} of "
            f"one kind: shards of different sets. Remove the folder, and write the set again."
        )
    [(shape, columns)] = kinds
    described = {"format": _FORMAT, "shape": [n, *shape], "columns": columns, "shards": listed}
    described["sha256"] = digest_of(described)
    try:
        write_atomically(folder / _MANIFEST, json.dumps(described, indent=1).encode())
        for leftover in folder.glob(".*.partial"):
            if _LEFTOVER.fullmatch(leftover.name):
                leftover.unlink()
    except OSError as error:
        raise ImageStoreError(f"folder={str(folder)!r}: no manifest could be written ({error}).") from error
    return open_shards(folder)


def open_shards(folder: str | os.PathLike[str]) -> Images:
    """Open a stored set; it is read batch by batch, and each image checked when it is first read.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold a finished set.
    ImageStoreError
        If the manifest is damaged, or a shard is missing or shorter than it should be.
    """
    folder = Path(folder).absolute()
    path = folder / _MANIFEST
    if not path.is_file():
        raise FileNotFoundError(
            f"folder={str(folder)!r} does not hold a finished set of images ({_MANIFEST} is missing); write "
            f"one, or run again what was interrupted."
        )
    try:
        described = json.loads(path.read_text())
        version, (n, *shape), columns = described["format"], described["shape"], described["columns"]
        listed = [(int(entry["images"]), str(entry["sha256"])) for entry in described["shards"]]
        # Those of earlier versions have no checksum.
        checksum = described.pop("sha256", None)
        if version == _FORMAT and (described.keys() != _KEYS or checksum not in (None, digest_of(described))):
            raise ValueError("its content does not have its checksum")
        if version == _FORMAT and (sum(count for count, _ in listed) != n or len(shape) != 3):
            raise ValueError("the counts do not add up")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImageStoreError(
            f"path={str(path)!r} is damaged ({type(error).__name__}: {error}); delete it and run again: it "
            f"is made again from the shards."
        ) from error
    if version != _FORMAT:
        raise ImageStoreError(
            f"path={str(path)!r} has format {version!r}, not {_FORMAT}; write the set again."
        )
    shards = []
    for k, (count, sha256) in enumerate(listed):
        made = Shard(str(folder / shard_name(k)), (count, *shape), "label" in columns, sha256)
        for name, least in ((made.path, count * int(np.prod(shape))), (rows_name(made.path), 32 * count)):
            if not os.path.isfile(name) or os.path.getsize(name) < least:
                raise damage_error(name, "it is not there, or cut short")
        shards.append(made)
    return Images(tuple(shards))


def _check_same(folder: Path, k: int, n: int, *, labels: Any, seeds: Any) -> None:
    """Refuse a shard that exists already and belongs to another set."""
    rows, _ = read_rows(os.fspath(folder / rows_name(shard_name(k))))
    for name, expected in (("label", labels), ("seed", seeds)):
        there = rows[name].tolist() if name in (rows.dtype.names or ()) else None
        if len(rows) != n or there != (None if expected is None else expected.tolist()):
            raise ImageStoreError(
                f"folder={str(folder)!r} holds shard {k} of another set (its labels or seeds differ); "
                f"choose another folder, or remove this one."
            )


def _check_manifest(path: Path) -> None:
    """Refuse to write over a file of that name that is something else."""
    try:
        ours = not path.exists() or "shards" in dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise ImageStoreError(
            f"path={str(path)!r} exists and is not a manifest of images, or a damaged one; choose another "
            f"folder, or remove the file."
        )
