"""Real images for loops: digits and photographs, MNIST's and CIFAR-10's files, folders, archives, libraries.

Each function returns a `RealImages`, from which every image is drawn once. Classes come only with
``labels=True``, for a model with classes.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from madtheory import sources
from madtheory.files import digest_of
from madtheory.images.data.cifar import read_cifar10
from madtheory.images.data.files import (
    Files,
    Patches,
    Rows,
    check_shape,
    file_in,
    file_labels,
    files_of,
    pillow,
    shape_of,
    versions_of,
)
from madtheory.images.data.images import Images, RealImages, check_labels
from madtheory.images.data.shards import ImageStoreError, open_shards, write_shards
from madtheory.validation import check_choice, check_path, check_size

__all__ = [
    "RealImages", "archive", "cifar10", "digits", "folder", "hugging_face", "idx", "photographs",
    "torchvision_set",
]  # fmt: skip

PartName = Literal["train", "test", "all"]
Mode = Literal["refuse", "convert", "skip"]

_PARTS = ("train", "test", "all")
_TORCHVISION = ("MNIST", "FashionMNIST", "CIFAR10")
_HELD_OUT_COLUMNS = 128
_SHARD, _SHARD_BYTES = 4096, 2**28


def digits(part: PartName = "train", *, labels: bool = False) -> RealImages:
    """Return real handwritten digits, 8 x 8 grey pixels: scikit-learn's ``load_digits``.

    The split is that of `madtheory.sources.digits`. The 17 levels of grey become 0 to 255. Works offline.

    Parameters
    ----------
    part : {"train", "test", "all"}
        The 897 images to train on, the 900 that are held out, or both together.
    labels : bool
        Label each image with its digit, 0 to 9.
    """
    points = sources.digits(part, labels=True).points
    pixels = (255 * points[:, :-1]).round().astype(np.uint8).reshape(-1, 8, 8, 1)
    classes = points[:, -1].astype(np.int64) if labels else None
    return RealImages(Images.of(pixels, classes), f"digits({part!r})")


def photographs(
    size: int = 32, part: PartName = "train", *, stride: int | None = None, labels: bool = False
) -> RealImages:
    """Return patches of two real photographs, 427 x 640 pixels: scikit-learn's ``load_sample_images``.

    The patches lie on a fixed grid. A block of each photograph is held out, its 128 columns at the right: no
    pixel is in a patch of both parts. Works offline.

    Parameters
    ----------
    size : int
        Height and width of a patch.
    part : {"train", "test", "all"}
        The patches to the left of that block, those within it, or those of the whole photographs, which also
        lie across the border.
    stride : int, optional
        Pixels from one patch to the next; ``None`` is a quarter of `size`. Below `size` patches overlap, so
        that drawing one gives information about its neighbours, although no patch is drawn twice.
    labels : bool
        Label each image with its photograph, 0 (a temple) or 1 (a flower).

    Notes
    -----
    A JPEG decoder of another version may give pixels that differ by a level of grey.
    """
    check_choice("part", part, _PARTS)
    size = check_size("size", size)
    stride = check_size("stride", max(size // 4, 1) if stride is None else stride)
    pillow()
    from sklearn.datasets import load_sample_images

    photos = np.stack(load_sample_images().images)
    _, height, width, _ = photos.shape
    border = width - _HELD_OUT_COLUMNS
    start, stop = {"train": (0, border), "test": (border, width), "all": (0, width)}[part]
    if size > min(height, stop - start):
        raise ValueError(
            f"size={size} exceeds the {height} x {stop - start} pixels of part={part!r}; pass a smaller one."
        )
    rows, columns = np.arange(0, height - size + 1, stride), np.arange(start, stop - size + 1, stride)
    corners = np.stack(np.meshgrid([0, 1], rows, columns, indexing="ij"), -1).reshape(-1, 3)
    patches = Patches(photos, corners, size, corners[:, 0] if labels else None)
    return RealImages(Images((patches,)), f"photographs({size}, {part!r})")


def folder(
    path: str | os.PathLike[str],
    size: int | None = None,
    *,
    labels: bool = False,
    mode: Mode = "refuse",
    cache: str | os.PathLike[str] | None = None,
) -> RealImages:
    """Return the image files in a folder and those below, sorted by name; they are decoded when read.

    PNG, JPEG, WebP, BMP and TIFF, with one picture each; they are rotated by their EXIF orientation.
    Symbolic links are followed. What is hidden (``.DS_Store``, ``__MACOSX``) is left out.

    Parameters
    ----------
    path : path-like
        The folder.
    size : int, optional
        Crop to the central square and resize (Lanczos); ``None`` takes the images as they are.
    labels : bool
        Label each image with its class: that of ``dataset.json``, ``{"labels": [[name, class], ...]}`` as
        EDM (arXiv 2206.00364) writes it, or else one for each folder, by name, directly within `path`, or
        within the folder that holds all images, as ``train/`` may.
    mode : {"refuse", "convert", "skip"}
        What becomes of images that differ: with transparency, of 16 bits per channel, grey among coloured
        ones. ``"refuse"`` raises one error that counts them by kind; ``"convert"`` lays them on white, maps
        0 to 65,535 to 0 to 255, and makes all coloured if one is; ``"skip"`` leaves them out, as well as
        damaged ones and those of another shape than most, with one warning.
    cache : path-like, optional
        Folder where the decoded images are kept, in shards: they are decoded once, by all CPUs, and read from
        there as long as no file changes in size or time. ``None``: each image is decoded whenever it is
        read, which training does hundreds of times.

    Raises
    ------
    ValueError
        If there are no images, or some that are not read: of other kinds (``.gif``, ``.heic``), which are
        counted, animated, of several pages, with transparency, or of more than 8 bits per channel; if they
        differ in shape or number of channels. The message describes the first one, and counts all by kind;
        `mode` says which of them are converted or left out instead. If their folders make one class only, or
        those are parts of a data set (``train``, ``test``).
    ImageStoreError
        If a file is not an image, or larger than 268 MB; when it is read, if it is damaged.

    Notes
    -----
    The heads of all files are read at once. The fingerprint, where it is needed, reads whole files; that
    of an `archive` does not.
    """
    path = os.path.abspath(path)
    if not os.path.isdir(path):
        raise FileNotFoundError(f"path={path!r} is not a folder; for a zip file use archive(path).")
    return _open_files(path, size, labels, mode, cache)


def archive(
    path: str | os.PathLike[str],
    size: int | None = None,
    *,
    labels: bool = False,
    mode: Mode = "refuse",
    cache: str | os.PathLike[str] | None = None,
) -> RealImages:
    """Return the image files in a zip archive, as of FFHQ, sorted by name; it is not unpacked.

    Arguments and errors are those of `folder`.
    """
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"path={path!r} is not a zip file; for a folder use folder(path).")
    return _open_files(path, size, labels, mode, cache)


def idx(
    path: str | os.PathLike[str],
    part: PartName = "train",
    *,
    labels: bool = False,
    known: Literal["MNIST", "Fashion-MNIST"] | None = None,
) -> RealImages:
    """Return grey images in the IDX files of MNIST, held in memory.

    Parameters
    ----------
    path : path-like
        Folder of ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, with or without ``.gz``, or a folder that has them in ``raw``,
        ``MNIST/raw`` (where torchvision keeps them), ``package/data`` or ``data``. ``madtheory data fetch``
        gets those of MNIST and Fashion-MNIST.
    part : {"train", "test", "all"}
        The images to train on, those held out (``t10k``), or both, in this order.
    labels : bool
        Label each image with its class.
    known : {"MNIST", "Fashion-MNIST"}, optional
        The data set that the files must hold, by their SHA-256; ``None`` reads any in this format.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If `part` or `known` is not one of these, or a file is damaged or not the known one.
    """
    if known is not None:
        check_choice("known", known, ("MNIST", "Fashion-MNIST"))
    pixels, classes = sources.read_images(path, part, known)
    return RealImages(
        Images.of(pixels[..., None], classes if labels else None),
        f"{known or os.path.basename(path)} ({part})",
    )


def cifar10(path: str | os.PathLike[str], part: PartName = "train", *, labels: bool = False) -> RealImages:
    """Return CIFAR-10, colour images of 32 x 32 pixels, from its own files, held in memory.

    Krizhevsky (2009), "Learning multiple layers of features from tiny images": 50,000 images to train on and
    10,000 held out, in ten classes.

    Parameters
    ----------
    path : path-like
        Folder of the binary version (``data_batch_1.bin`` to ``data_batch_5.bin``, ``test_batch.bin``) or of
        the Python version (the same names without ``.bin``), or a folder that has them in
        ``cifar-10-batches-bin`` or ``cifar-10-batches-py``. Pickles are read without running code in them.
    part : {"train", "test", "all"}
        The images to train on, those held out, or both, in this order.
    labels : bool
        Label each image with its class, 0 to 9.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If `part` is not one of these, or a file is damaged or not the published one.
    """
    pixels, classes = read_cifar10(path, part)
    return RealImages(Images.of(pixels, classes if labels else None), f"CIFAR10 ({part})")


def torchvision_set(
    name: Literal["MNIST", "FashionMNIST", "CIFAR10"],
    root: str | os.PathLike[str],
    part: PartName = "train",
    *,
    labels: bool = False,
    download: bool = False,
) -> RealImages:
    """Return a data set of torchvision, held in memory; `idx` and `cifar10` read the same files without it.

    Parameters
    ----------
    name : {"MNIST", "FashionMNIST", "CIFAR10"}
        Name of the data set.
    root : path-like
        The folder where torchvision keeps it.
    part : {"train", "test", "all"}
        Its images to train on, its test images, or both, in this order.
    labels : bool
        Label each image with its class, 0 to 9.
    download : bool
        Get it where it is not there.

    Raises
    ------
    ImportError
        If torchvision is not installed, or does not belong to the installed torch.
    ImageStoreError
        If the data are not in `root`, or cannot be had.
    """
    check_choice("name", name, _TORCHVISION)
    check_choice("part", part, _PARTS)
    try:
        collection = importlib.import_module("torchvision.datasets")
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision of another build of torch
        raise ImportError(
            f"torchvision cannot be imported ({' '.join(str(error).split())[:100]}); datasets."
            f"{'cifar10' if name == 'CIFAR10' else 'idx'}(root) reads the files of {name} without it."
        ) from error
    parts = []
    for train in {"train": (True,), "test": (False,), "all": (True, False)}[part]:
        try:
            opened = getattr(collection, name)(os.fspath(root), train=train, download=download)
        except (OSError, RuntimeError) as error:
            raise ImageStoreError(
                f"{name} is not in root={os.fspath(root)!r} ({error}); pass download=True where there is a "
                f"network, or copy torchvision's files of it there."
            ) from error
        pixels = np.asarray(opened.data)
        pixels = pixels[..., None] if pixels.ndim == 3 else pixels
        parts.append(Images.of(pixels, np.asarray(opened.targets) if labels else None))
    return RealImages(Images.joined(parts), f"{name} ({part})")


def hugging_face(
    name: str,
    *,
    split: str = "train",
    image: str = "image",
    label: str | None = None,
    size: int | None = None,
) -> RealImages:
    """Return a data set of the Hugging Face hub, by name; it is decoded when read.

    Parameters
    ----------
    name : str
        Its name there, or a folder that the library reads.
    split : str
        Which part of it, as it is called there: ``"train"``, ``"test"``, ``"train[:1000]"``.
    image, label : str, optional
        The columns of images and of classes; without a `label` there are none.
    size : int, optional
        As in `folder`. Without it all images must have the shape of the first; another is named when it is
        read.

    Raises
    ------
    ImportError
        If ``datasets`` is not installed.
    ImageStoreError
        If the data set cannot be had.
    """
    try:
        library = importlib.import_module("datasets")
    except ImportError as error:
        raise ImportError(
            f"{name} is read by Hugging Face's datasets; install it: pip install datasets"
        ) from error
    try:
        table = library.load_dataset(name, split=split)
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageStoreError(
            f"name={name!r}, split={split!r} cannot be opened ({error}); check the two, or load it once "
            f"where there is a network: it is then kept by the library."
        ) from error
    for role, column in (("image", image), ("label", label)):
        if column is not None and column not in table.column_names:
            raise ValueError(
                f"{role}={column!r} is not a column of {name}; choose one of {', '.join(table.column_names)}."
            )
    if not len(table):
        raise ValueError(f"split={split!r} of {name} holds no images; choose another.")
    if not hasattr(table[0][image], "mode"):
        raise ValueError(
            f"image={image!r} of {name} holds {type(table[0][image]).__name__} objects, not images; choose "
            f"another column of {', '.join(table.column_names)}."
        )
    shape = shape_of(table[0][image], _check_optional_size(size), f"image 0 of {name}")
    classes = check_labels(None if label is None else table[label][:], len(table))
    return RealImages(
        Images((Rows(table, name, image, (len(table), *shape), size, classes),)), f"{name} ({split})"
    )


def _open_files(path: str, size: int | None, labels: bool, mode: str, cache: Any) -> RealImages:
    """Return the images of files, or what was decoded of them before."""
    check_choice("mode", mode, get_args(Mode))
    size, names = _check_optional_size(size), files_of(path)
    if cache is None:
        return RealImages(Images((_find_files(path, names, size, labels, mode),)), os.path.basename(path))
    above = Path(check_path("cache", cache))
    kept = above / digest_of([versions_of(path, names), size, labels, mode])[:32]
    if not (kept / "manifest.json").is_file():
        part = _find_files(path, names, size, labels, mode)
        shard = max(1, min(_SHARD, _SHARD_BYTES // int(np.prod(part.shape[1:]))))
        above.mkdir(parents=True, exist_ok=True)
        write_shards(
            kept, lambda i, j: part.read(np.arange(i, j)), part.shape[0], labels=part.labels, shard=shard
        )
    return RealImages(open_shards(kept), os.path.basename(path))


def _find_files(path: str, names: Sequence[str], size: int | None, labels: bool, mode: str) -> Files:
    """Return the files that are read, whose heads are read now."""
    convert = mode == "convert"
    shapes: dict[str, tuple[int, int, int]] = {}
    refused: dict[str, Exception] = {}
    for name in names:
        try:
            with file_in(path, name) as file:
                shapes[name] = shape_of(file, size, f"{name!r} of {path!r}", convert)
        except (ValueError, ImageStoreError) as error:
            refused[name] = error
    channels = max((shape[2] for shape in shapes.values()), default=1)
    if convert:
        shapes = {name: (height, width, channels) for name, (height, width, _) in shapes.items()}
    # The others are compared with the first, or, where they are left out, with the shape of most.
    common = Counter(shapes.values()).most_common(1) if mode == "skip" else [(s, 1) for s in shapes.values()]
    shape = common[0][0] if common else (0, 0, 0)
    for name in (name for name, found in shapes.items() if found != shape):
        try:
            check_shape(shapes[name], shape, f"{name!r} of {path!r}")
        except ValueError as error:
            refused[name] = error
    kept = tuple(name for name in names if name not in refused)
    if refused and (mode != "skip" or not kept):
        first = next(refused[name] for name in names if name in refused)
        kind = ImageStoreError if isinstance(first, ImageStoreError) else ValueError
        raise kind(f"{first} {_report(refused, len(names), mode)}") from first
    if refused:
        warnings.warn(f"path={path!r}: {_report(refused, len(names), mode)}", stacklevel=3)
    classes = file_labels(path, kept) if labels else None
    return Files(path, kept, (len(kept), *shape), size, classes, convert=convert)


def _report(refused: Mapping[str, Exception], n: int, mode: str) -> str:
    """Count the images that are refused or left out by kind, with some names, and say what helps."""
    kinds: dict[str, list[str]] = {}
    for name, error in refused.items():
        kind = getattr(error, "kind", "damaged" if isinstance(error, ImageStoreError) else "of another shape")
        kinds.setdefault(kind, []).append(name)
    listed = "; ".join(
        f"{len(names)} {kind} ({', '.join(map(repr, names[:3]))}{', ...' * (len(names) > 3)})"
        for kind, names in sorted(kinds.items())
    )
    if mode == "skip" and len(refused) < n:
        return f"{len(refused)} of the {n} images are left out: {listed}."
    advice = "mode='skip' to leave them out"
    if mode == "refuse":
        advice = f"mode='convert' to convert what can be converted, {advice}"
    if mode == "skip":
        advice = "the path of a folder with images"
    total = "" if len(refused) == 1 else f"In all, {len(refused)} of the {n} images are refused: {listed}. "
    return f"{total}Pass {advice}."


def _check_optional_size(size: int | None) -> int | None:
    return None if size is None else check_size("size", size)
