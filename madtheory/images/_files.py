"""Images in files: decoded one by one when they are read, from a folder or a zip archive."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from madtheory.images._parts import Index, Pixels
from madtheory.images._shard import ImageStoreError

__all__ = ["Files", "decoded", "file_in", "file_labels", "files_of", "pillow", "shape_of"]

_SUFFIXES = (".png", ".jpg", ".jpeg")
_LABELS = "dataset.json"


@dataclass(frozen=True, eq=False)
class Files:
    """Image files of a folder, or of a zip archive: a part of `Images`.

    Attributes
    ----------
    path : str
        The folder or the archive.
    names : tuple of str
        The files in it.
    size : int, optional
        Crop to the central square and resize to that many pixels.
    """

    path: str
    names: tuple[str, ...]
    shape: tuple[int, int, int, int]
    size: int | None = None
    labels: NDArray[np.int64] | None = None
    seeds: None = None

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    def read(self, index: Index) -> Pixels:
        """Decode the images at these places."""
        pixels = np.empty((len(index), *self.shape[1:]), dtype=np.uint8)
        for place, i in enumerate(index):
            name = f"{self.names[i]!r} of {self.path!r}"
            with file_in(self.path, self.names[i]) as file:
                image = decoded(file, self.size, name)
            if image.shape != self.shape[1:]:
                raise ImageStoreError(
                    f"{name} has shape {image.shape} now, and had {self.shape[1:]} when the data set was "
                    f"opened; leave the files alone while a loop runs on them."
                )
            pixels[place] = image
        return pixels

    def digests(self, index: Index) -> Pixels:
        """The sha256 of each of these files; in an archive, of the checksums that it holds already."""
        made = bytearray()
        for i in index:
            digest = hashlib.sha256(f"{self.size} ".encode())
            if os.path.isdir(self.path):
                with file_in(self.path, self.names[i]) as file:
                    digest.update(file.read())
            else:
                entry = _archive(self.path).getinfo(self.names[i])
                digest.update(f"{entry.filename} {entry.CRC} {entry.file_size}".encode())
            made += digest.digest()
        return np.frombuffer(bytes(made), dtype=np.uint8).reshape(-1, 32)


def files_of(path: str) -> tuple[str, ...]:
    """Names of the image files in a folder (and those below) or in an archive, sorted."""
    if os.path.isdir(path):
        found = [file.relative_to(path).as_posix() for file in Path(path).rglob("*") if file.is_file()]
    else:
        found = _archive(path).namelist()
    # What operating systems hide beside the images is none of them.
    shown = (name for name in found if not any(p.startswith((".", "__MACOSX")) for p in name.split("/")))
    names = tuple(sorted(name for name in shown if name.lower().endswith(_SUFFIXES)))
    if not names:
        raise ValueError(
            f"path={path!r} holds no images ({', '.join(_SUFFIXES)}); pass a folder or an archive that does."
        )
    return names


def file_labels(path: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Classes from ``dataset.json``, or else from the folders that the files are in."""
    if os.path.isdir(path):
        described = (Path(path) / _LABELS).is_file()
    else:
        described = _LABELS in _archive(path).namelist()
    if described:
        return _listed_labels(path, names)
    folders = [name.split("/")[0] if "/" in name else None for name in names]
    if None in folders:
        raise ValueError(
            f"path={path!r} has no {_LABELS}, and {names[folders.index(None)]!r} is in no folder of a class; "
            f"pass labels=False, or put the images of each class into a folder of their own."
        )
    return np.unique(np.array(folders, dtype=str), return_inverse=True)[1].astype(np.int64)


def _listed_labels(path: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """The labels of ``{"labels": [[name, class], ...]}``."""
    try:
        with file_in(path, _LABELS) as file:
            content = json.load(file)
        listed = content["labels"]
        labels: Mapping[str, Any] = {name.replace("\\", "/"): label for name, label in listed}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"path={path!r}: its {_LABELS} lists no labels ({type(error).__name__}: {error}); pass "
            f'labels=False, or write {{"labels": [[name, class], ...]}} there.'
        ) from error
    for name in names:
        if type(labels.get(name)) is not int or labels[name] < 0:
            raise ValueError(
                f"path={path!r}: the label of {name!r} in its {_LABELS} is {labels.get(name)!r}; expected "
                f"the number of a class, 0 or more. Mend it there, or pass labels=False."
            )
    return np.array([labels[name] for name in names], dtype=np.int64)


@contextmanager
def file_in(path: str, name: str) -> Iterator[IO[bytes]]:
    """Open a file of a folder or of an archive."""
    try:
        with (Path(path) / name).open("rb") if os.path.isdir(path) else _archive(path).open(name) as file:
            yield file
    except ImageStoreError:
        raise
    except (OSError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ImageStoreError(
            f"{name!r} of {path!r} cannot be read ({error}); restore it from a copy, or remove it."
        ) from error


def _archive(path: str) -> zipfile.ZipFile:
    try:
        status = os.stat(path)
        # Another process must not share the position in an open file.
        return _opened(path, os.getpid(), status.st_ino, status.st_mtime_ns, status.st_size)
    except (OSError, zipfile.BadZipFile) as error:
        raise ImageStoreError(
            f"path={path!r} is no readable zip archive ({error}); restore it from a copy."
        ) from error


@lru_cache(maxsize=8)
def _opened(path: str, *version: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def pillow() -> Any:
    """Pillow's ``Image`` module."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("image files are read by Pillow; install it: pip install pillow") from error
    return Image


def shape_of(image: Any, size: int | None, name: str) -> tuple[int, int, int]:
    """Height, width and channels that `decoded` will give, without decoding: the head of a file is read."""

    def head(opened: Any) -> tuple[int, int, int]:
        height, width = (size, size) if size else (opened.height, opened.width)
        return height, width, len(_mode(opened, name))

    return _with_image(image, name, head)


def decoded(image: Any, size: int | None, name: str) -> Pixels:
    """Decode an open file or an image of Pillow's, shape (height, width, channels): grey or red, green, blue.

    With a `size` it is cropped to its central square and resized by Lanczos' filter.
    """

    def whole(opened: Any) -> Pixels:
        picture = opened.convert(_mode(opened, name))
        if size is not None:
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            picture = picture.crop((left, top, left + side, top + side))
            if side != size:
                picture = picture.resize((size, size), pillow().Resampling.LANCZOS)
        pixels = np.asarray(picture, dtype=np.uint8)
        return pixels[..., None] if pixels.ndim == 2 else pixels

    return _with_image(image, name, whole)


def _mode(opened: Any, name: str) -> str:
    """What to convert an image to: one letter per channel."""
    clear = "transparency" in opened.info
    if opened.mode in ("L", "1") and not clear:
        return "L"
    if opened.mode in ("RGB", "P", "CMYK", "YCbCr") and not clear:
        return "RGB"
    raise ValueError(
        f"{name} is an image of mode {opened.mode}{' with transparency' * clear}; expected grey or colour "
        f"with 8 bits per channel and no transparency: convert it."
    )


def _with_image(image: Any, name: str, use: Callable[[Any], Any]) -> Any:
    module = pillow()
    if isinstance(image, module.Image):
        return use(image)
    try:
        with module.open(image) as opened:
            return use(opened)
    except (OSError, SyntaxError, module.DecompressionBombError) as error:
        raise ImageStoreError(
            f"{name} is no image that can be read ({error}); restore it from a copy, or remove it."
        ) from error
