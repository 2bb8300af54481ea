"""Images in files: decoded one by one when they are read, from a folder or a zip archive."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from madtheory.images.data.images import BasePart, Index, Pixels
from madtheory.images.data.shards import ImageStoreError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff")
_OTHERS = (
    *(".apng", ".arw", ".avif", ".avifs", ".cr2", ".cr3", ".dcm", ".dds", ".dng", ".exr", ".gif", ".hdr"),
    *(".heic", ".heif", ".ico", ".j2k", ".jp2", ".jpf", ".jpx", ".jxl", ".nef", ".orf", ".pbm", ".pcx"),
    *(".pgm", ".pnm", ".ppm", ".psd", ".qoi", ".raf", ".raw", ".rw2", ".svg", ".tga"),
)
"""Endings of images that are not read."""
_HIDDEN = ("__MACOSX", "@eaDir")
"""Folders that operating systems put alongside the images, with copies or previews of them."""
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
_LABELS = "dataset.json"
_MOST_PIXELS = 89_478_485
"""Of one image, the number above which Pillow warns: a quarter of a gigabyte in colour."""
_MOST_BYTES = 2**28 + 2**20
"""Of one image file, unpacked: that many pixels without compression, and a header."""
_LABELS_BYTES, _LABEL_BYTES = 2**24, 2**10
"""Of a ``dataset.json``, unpacked: so many, and so many more for each image."""
_SHOWN = 8
_THREADS = min(16, os.cpu_count() or 1)


@dataclass(frozen=True, eq=False)
class Files(BasePart):
    """Image files of a folder, or of a zip archive: a part of `Images`.

    Attributes
    ----------
    path : str
        The folder or the archive.
    names : tuple of str
        The files in it.
    size : int, optional
        Crop to the central square and resize to that many pixels.
    convert : bool
        Convert what is not grey or colour of 8 bits, and all images to the same channels.
    """

    path: str
    names: tuple[str, ...]
    shape: tuple[int, int, int, int]
    size: int | None = None
    labels: NDArray[np.int64] | None = None
    seeds: None = None
    convert: bool = False

    def read(self, index: Index) -> Pixels:
        """Decode the images at these places."""
        pixels = np.empty((len(index), *self.shape[1:]), dtype=np.uint8)
        # Pillow decodes without holding the interpreter.
        with ThreadPoolExecutor(_THREADS) as pool:
            for place, image in enumerate(pool.map(self._decode, index.tolist())):
                pixels[place] = image
        return pixels

    def _decode(self, i: int) -> Pixels:
        name = f"{self.names[i]!r} of {self.path!r}"
        with file_in(self.path, self.names[i]) as file:
            image = decode(file, self.size, name, self.shape[3] if self.convert else None)
        if image.shape != self.shape[1:]:
            raise ImageStoreError(
                f"{name} has shape {image.shape} now, and had {self.shape[1:]} when the data set was "
                f"opened; leave the files alone while a loop runs on them."
            )
        return image

    def digests(self, index: Index) -> Pixels:
        """Return the sha256 of each file; in an archive, of the checksum that it holds already."""
        made = bytearray()
        for i in index:
            how = f" to {self.shape[3]}" if self.convert else ""
            digest = hashlib.sha256(f"{self.size}{how} ".encode())
            if os.path.isdir(self.path):
                with file_in(self.path, self.names[i]) as file:
                    while block := file.read(2**20):
                        digest.update(block)
            else:
                entry = _archive(self.path).getinfo(self.names[i])
                digest.update(f"{entry.filename} {entry.CRC} {entry.file_size}".encode())
            made += digest.digest()
        return np.frombuffer(bytes(made), dtype=np.uint8).reshape(-1, 32)


def versions_of(path: str, names: Sequence[str]) -> list[Any]:
    """Return what changes when one of these files does: sizes, and times or checksums."""
    listed = [*names, _LABELS]
    if not os.path.isdir(path):
        known = {entry.filename: [entry.CRC, entry.file_size] for entry in _archive(path).infolist()}
        return [[name, known.get(name)] for name in listed]
    found: list[Any] = []
    for name in listed:
        try:
            status = os.stat(os.path.join(path, name))
            found.append([name, status.st_size, status.st_mtime_ns])
        except OSError:
            found.append([name, None])
    return found


def files_of(path: str) -> tuple[str, ...]:
    """Return the names of the image files in a folder (and those below) or an archive, sorted."""
    found = _in_folder(path) if os.path.isdir(path) else _in_archive(path)
    shown = sorted(name for name in found if not _is_hidden(name))
    if others := [name for name in shown if name.lower().endswith(_OTHERS)]:
        kinds = Counter((os.path.splitext(name)[1].lower(), _folder_of(name)) for name in others)
        listed = _some([f"{n} {kind} in {folder!r}" for (kind, folder), n in sorted(kinds.items())])
        raise ValueError(
            f"path={path!r} holds {len(others)} images of kinds that are not read: {listed}; convert them, "
            f"for example to .png, or move them away. Read are {', '.join(_SUFFIXES)}."
        )
    names = tuple(name for name in shown if name.lower().endswith(_SUFFIXES))
    if not names:
        raise ValueError(
            f"path={path!r} holds no images ({', '.join(_SUFFIXES)}); pass a folder or an archive that does."
        )
    return names


def _in_folder(path: str) -> list[str]:
    """Return the names of all files in a folder and those below, following symbolic links."""
    found: list[str] = []
    lost: list[str] = []

    def walk(folder: str, above: tuple[str, ...]) -> None:
        above = (*above, os.path.realpath(folder))
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = Path(entry.path).relative_to(path).as_posix()
                if entry.is_file():
                    found.append(name)
                elif entry.is_dir() and not _is_hidden(name):
                    inner = os.path.join(os.path.realpath(entry.path), "")
                    # A link to a folder that contains it would be followed indefinitely, and leads to nothing
                    # new.
                    if not any(os.path.join(outer, "").startswith(inner) for outer in above):
                        walk(entry.path, above)
                elif entry.is_symlink() and not os.path.exists(entry.path) and not _is_hidden(name):
                    lost.append(repr(name))

    try:
        walk(path, ())
    except OSError as error:
        raise ImageStoreError(
            f"path={path!r} cannot be read ({error}); allow it, or move it away."
        ) from error
    if lost:
        raise ImageStoreError(
            f"path={path!r} holds {len(lost)} symbolic links to files that are not there: {_some(lost)}; "
            f"restore the files, or remove the links."
        )
    return found


def _in_archive(path: str) -> list[str]:
    """Return the names of all files in an archive."""
    entries = [entry for entry in _archive(path).infolist() if not entry.is_dir()]
    links = [entry.filename for entry in entries if stat.S_ISLNK(entry.external_attr >> 16)]
    if links:
        raise ValueError(
            f"path={path!r} holds {len(links)} symbolic links, which lead nowhere in an archive: "
            f"{_some(list(map(repr, links)))}; pack the files themselves (zip without --symlinks)."
        )
    found = [entry.filename for entry in entries]
    if twice := [name for name, times in Counter(found).items() if times > 1]:
        raise ValueError(
            f"path={path!r} holds {len(twice)} files twice: {_some(list(map(repr, twice)))}; pack it again."
        )
    return found


def _parts(name: str) -> list[str]:
    """Return folders and name of a file, also where an archive has backslashes or names that begin ./"""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _folder_of(name: str) -> str:
    return "/".join(_parts(name)[:-1]) or "."


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in _HIDDEN for part in _parts(name))


def _some(items: Sequence[str]) -> str:
    """List the first items, and the number of the others."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def file_labels(path: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the classes from ``dataset.json``, or otherwise from the folders of the files."""
    if os.path.isdir(path):
        described = (Path(path) / _LABELS).is_file()
    else:
        described = _LABELS in _archive(path).namelist()
    return _json_labels(path, names) if described else _folder_labels(path, names)


def _folder_labels(path: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return one class for each folder, by name, directly below the folders shared by all files."""
    folders = [tuple(_parts(name)[:-1]) for name in names]
    common = 0
    while all(len(folder) > common for folder in folders) and len({f[: common + 1] for f in folders}) == 1:
        common += 1
    counted = [f"{'/'.join(f) or '.'!r} ({n} images)" for f, n in sorted(Counter(folders).items())]
    shown = f"The folders with images are {_some(counted)}."
    if len(set(folders)) == 1 and common:
        raise ValueError(
            f"path={path!r} has no {_LABELS}, and all its images are of one class. {shown} Pass "
            f"labels=False, or put the images of each class into a folder of their own."
        )
    loose = next((name for name, f in zip(names, folders, strict=True) if len(f) == common), None)
    if loose is not None:
        raise ValueError(
            f"path={path!r} has no {_LABELS}, and {loose!r} is in no folder of a class. {shown} Pass "
            f"labels=False, or put the images of each class into a folder of their own."
        )
    classes = [folder[common] for folder in folders]
    deeper = {name for name, folder in zip(classes, folders, strict=True) if len(folder) > common + 1}
    parts = [name for name in sorted(set(classes)) if name.lower() in _SPLITS]
    if len(parts) == len(set(classes)) or deeper.intersection(parts):
        raise ValueError(
            f"path={path!r}: {', '.join(map(repr, parts))} are parts of a data set, not classes. {shown} "
            f"Open one part, for example folder(path + '/{parts[0]}', labels=True), or pass labels=False."
        )
    return np.unique(np.array(classes, dtype=str), return_inverse=True)[1].astype(np.int64)


def _json_labels(path: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the labels of ``{"labels": [[name, class], ...]}``."""
    most = _LABELS_BYTES + _LABEL_BYTES * len(names)
    try:
        with file_in(path, _LABELS, most) as file:
            text = file.read()
        listed = json.loads(text)["labels"]
        labels: Mapping[str, Any] = {name.replace("\\", "/"): label for name, label in listed}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"path={path!r}: its {_LABELS} does not list labels ({type(error).__name__}: {error}); pass "
            f'labels=False, or write {{"labels": [[name, class], ...]}} there.'
        ) from error
    for name in names:
        if type(labels.get(name)) is not int or not 0 <= labels[name] < 2**31:
            raise ValueError(
                f"path={path!r}: the label of {name!r} in its {_LABELS} is {labels.get(name)!r}; expected "
                f"the number of a class, 0 or more. Correct it there, or pass labels=False."
            )
    return np.array([labels[name] for name in names], dtype=np.int64)


@contextmanager
def file_in(path: str, name: str, most: int = _MOST_BYTES) -> Iterator[IO[bytes]]:
    """Open a file of a folder or of an archive; one of more than `most` bytes, unpacked, is refused."""
    try:
        if os.path.isdir(path):
            size = (Path(path) / name).stat().st_size
            opened: IO[bytes] = (Path(path) / name).open("rb")
        else:
            # At most this number of bytes is unpacked.
            size = _archive(path).getinfo(name).file_size
            opened = _archive(path).open(name)
        with opened as file:
            if size > most:
                raise ImageStoreError(
                    f"{name!r} of {path!r} has {size:,} bytes unpacked, and {most:,} is the most that is "
                    f"read; shorten it, or remove it."
                )
            yield file
    except ImageStoreError:
        raise
    except (
        *(OSError, KeyError, RuntimeError, NotImplementedError, EOFError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise ImageStoreError(
            f"{name!r} of {path!r} cannot be read ({error}); restore it from a copy, or remove it."
        ) from error


def _archive(path: str) -> zipfile.ZipFile:
    try:
        status = os.stat(path)
        # Another process must not share the position in an open file.
        return _open_archive(path, os.getpid(), status.st_ino, status.st_mtime_ns, status.st_size)
    except (OSError, zipfile.BadZipFile) as error:
        raise ImageStoreError(
            f"path={path!r} is not a readable zip archive ({error}); restore it from a copy."
        ) from error


@lru_cache(maxsize=8)
def _open_archive(path: str, *version: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def pillow() -> Any:
    """Return Pillow's ``Image`` module."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("image files are read by Pillow; install it: pip install pillow") from error
    return Image


class Unsuitable(ValueError):
    """An image that is intact, but of a `kind` that is not read."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def shape_of(image: Any, size: int | None, name: str, convert: bool = False) -> tuple[int, int, int]:
    """Return the height, width and channels of `decode`, from the head of a file."""

    def head(opened: Any) -> tuple[int, int, int]:
        channels = len(_mode(opened, name, convert))
        if size is not None:
            return size, size, channels
        # Pillow reads a whole PNG for what may come after its pixels, and turns a TIFF by itself.
        late = opened.format == "PNG" and "exif" not in opened.info
        turned = not late and opened.format != "TIFF" and opened.getexif().get(_ORIENTATION, 1) in _SIDEWAYS
        height, width = (opened.width, opened.height) if turned else (opened.height, opened.width)
        return height, width, channels

    return _with_image(image, name, head)


_ORIENTATION, _SIDEWAYS = 0x0112, (5, 6, 7, 8)
"""The EXIF tag of the orientation of the camera, and its values with height and width exchanged."""


def decode(image: Any, size: int | None, name: str, channels: int | None = None) -> Pixels:
    """Decode an open file or an image of Pillow's, shape (height, width, channels): grey or red, green, blue.

    It is rotated by its EXIF orientation. With a `size` it is cropped to its central square and resized
    by Lanczos' filter. With a number of `channels` it is converted: 16 bits to 8, and what is transparent is
    laid on white.
    """

    def whole(opened: Any) -> Pixels:
        from PIL import ImageOps

        if channels is None:
            picture = ImageOps.exif_transpose(opened).convert(_mode(opened, name))
        else:
            _mode(opened, name, True)
            picture = _convert(ImageOps.exif_transpose(opened), "L" if channels == 1 else "RGB")
        if size is not None:
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            picture = picture.crop((left, top, left + side, top + side))
            if side != size:
                picture = picture.resize((size, size), pillow().Resampling.LANCZOS)
        pixels = np.asarray(picture, dtype=np.uint8)
        return pixels[..., None] if pixels.ndim == 2 else pixels

    return _with_image(image, name, whole)


_DEEP, _DEEPEST = ("I", "I;16", "I;16B", "I;16L", "I;16N"), 65_535


def _convert(picture: Any, mode: str) -> Any:
    """Convert an image of any mode, so that it looks the same."""
    module = pillow()
    if picture.mode in _DEEP:
        deep = np.asarray(picture).astype(float) / _DEEPEST
        return module.fromarray((255 * deep.clip(0, 1)).round().astype(np.uint8)).convert(mode)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        picture = module.alpha_composite(module.new("RGBA", clear.size, (255, 255, 255, 255)), clear)
    return picture.convert("RGB").convert(mode) if picture.mode != mode else picture


def _mode(opened: Any, name: str, convert: bool = False) -> str:
    """Return the mode that an image is converted to: one letter per channel."""
    if opened.width * opened.height > _MOST_PIXELS:
        raise Unsuitable(
            f"{name} has {opened.width} x {opened.height} pixels, and {_MOST_PIXELS:,} is the most that is "
            f"read; make it smaller.",
            "too large",
        )
    # The further pictures of an MPO, a photograph of some cameras, are previews of the first.
    frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
    if frames > 1:
        raise Unsuitable(
            f"{name} has {frames} pictures, an animation or pages; expected one: take them apart, or remove "
            f"it.",
            "several pictures",
        )
    clear = "transparency" in opened.info
    if opened.mode in ("L", "1") and not clear:
        return "L"
    if opened.mode in ("RGB", "P", "CMYK", "YCbCr") and not clear:
        return "RGB"
    if convert and opened.mode in ("L", "1", "LA", "La", *_DEEP):
        return "L"
    if convert and opened.mode in ("RGB", "P", "PA", "RGBA", "RGBa", "RGBX", "HSV", "LAB"):
        return "RGB"
    kind = f"mode {opened.mode}{' with transparency' * clear}"
    raise Unsuitable(
        f"{name} is an image of {kind}; expected grey or colour with 8 bits per channel and no transparency: "
        f"convert it.",
        kind,
    )


def _with_image(image: Any, name: str, use: Callable[[Any], Any]) -> Any:
    module = pillow()
    if isinstance(image, module.Image):
        return use(image)
    try:
        with module.open(image) as opened:
            return use(opened)
    except (Unsuitable, ImageStoreError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise many kinds of errors at damaged files
        raise ImageStoreError(
            f"{name} is not an image that can be read ({error}); restore it from a copy, or remove it."
        ) from error


@dataclass(frozen=True, eq=False)
class Patches(BasePart):
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

    def read(self, index: Index) -> Pixels:
        """Cut out the patches at these places."""
        windows = sliding_window_view(self.photos, (self.size, self.size), axis=(1, 2))
        photo, row, column = self.corners[index].T
        return np.moveaxis(windows[photo, row, column], 1, -1)


@dataclass(frozen=True, eq=False)
class Rows(BasePart):
    """The rows of a data set of the Hugging Face library: a part of `Images`."""

    table: Any
    name: str
    column: str
    shape: tuple[int, int, int, int]
    size: int | None
    labels: NDArray[np.int64] | None
    seeds: None = None

    def read(self, index: Index) -> Pixels:
        """Decode the images of these rows."""
        pixels = np.empty((len(index), *self.shape[1:]), dtype=np.uint8)
        for place, i in enumerate(index.tolist()):
            image = decode(self.table[i][self.column], self.size, f"image {i} of {self.name}")
            check_shape(image.shape, self.shape[1:], f"image {i} of {self.name}")
            pixels[place] = image
        return pixels


def check_shape(found: Sequence[int], expected: Sequence[int], name: str) -> None:
    """Refuse an image of another shape than the first."""
    if tuple(found) != tuple(expected):
        raise ValueError(
            f"{name} has shape {tuple(found)}, and the first image has {tuple(expected)} (height, width, "
            f"channels); pass size= to make the sizes equal, and convert grey images among coloured ones."
        )
