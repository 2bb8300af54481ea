"""MNIST and Fashion-MNIST from their IDX files, raw or compressed, and the checksums of the known files."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from madtheory.data import Empirical
from madtheory.validation import check_arguments, check_choice

Part = Literal["train", "test", "all"]

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_PREFIXES = {"train": ("train",), "test": ("t10k",), "all": ("train", "t10k")}
_FOLDERS = ("", "raw", "package/data", "data")
_OF_TORCHVISION = {"MNIST": "MNIST/raw", "Fashion-MNIST": "FashionMNIST/raw"}

KNOWN = {
    "MNIST": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "Fashion-MNIST": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
"""SHA-256 of the uncompressed files of each data set."""


def read_idx(path: str | os.PathLike[str], *, sha256: str | None = None) -> NDArray[Any]:
    """Return the array in an IDX file, raw or compressed by gzip.

    The format: two zero bytes, the type of the elements, the number of axes, the length of each axis as a
    big-endian integer of four bytes, and the elements, the last axis changing fastest.

    Parameters
    ----------
    path : path-like
        The file; whether it is compressed is read from its first bytes, not from its name.
    sha256 : str, optional
        The digest that its uncompressed content must have.

    Returns
    -------
    ndarray
        Of the type and shape that the file states; read-only.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an IDX file, is cut short or too long, or has another digest.
    """
    content, name = _content(Path(path)), os.fspath(path)
    kind, axes = (content[2], content[3]) if len(content) >= 4 else (0, 0)
    start = 4 + 4 * axes
    if content[:2] != b"\0\0" or kind not in _TYPES or len(content) < start:
        raise ValueError(
            f"path={name!r} is not an IDX file: it begins with {content[:4]!r}; pass a file such as "
            f"train-images-idx3-ubyte or train-images-idx3-ubyte.gz."
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, 4))
    dtype = np.dtype(_TYPES[kind])
    expected = start + dtype.itemsize * math.prod(shape)
    if len(content) != expected:
        raise ValueError(
            f"path={name!r} holds {len(content):,} bytes, and its shape {shape} needs {expected:,}; the file "
            f"is damaged: get it again."
        )
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(
            f"path={name!r} has a content of SHA-256 {found}, not {sha256} as the published file; get it "
            f"again, or read a data set of your own in this format by madtheory.images.datasets.idx(folder)."
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


def read_images(
    folder: str | os.PathLike[str], part: Part = "train", known: str | None = None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return images and classes of a data set in the four files of MNIST.

    Parameters
    ----------
    folder : path-like
        As in `mnist`.
    part : {"train", "test", "all"}
        Which files.
    known : {"MNIST", "Fashion-MNIST"}, optional
        The data set that they must be.

    Returns
    -------
    images : ndarray, shape (m, height, width)
        Unsigned bytes.
    classes : ndarray, shape (m,)
        Integers from 0.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a file is damaged or not the known one, or images and classes do not belong together.
    """
    check_choice("part", part, tuple(_PREFIXES))
    digests = {} if known is None else KNOWN[known]
    images, classes = [], []
    for prefix in _PREFIXES[part]:
        files = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        pixels, labels = (
            read_idx(find_file(folder, name, known), sha256=digests.get(name)) for name in files
        )
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or labels.shape != pixels.shape[:1]:
            raise ValueError(
                f"folder={os.fspath(folder)!r}: {files[0]} has shape {pixels.shape} of {pixels.dtype} and "
                f"{files[1]} {labels.shape}; expected (m, height, width) of uint8 and (m,)."
            )
        images.append(pixels)
        classes.append(labels.astype(np.int64))
    return np.concatenate(images), np.concatenate(classes)


def find_file(folder: str | os.PathLike[str], name: str, known: str | None = None) -> Path:
    """Return the path of one of MNIST's files in a folder, compressed or not."""
    of_torchvision = _OF_TORCHVISION.values() if known is None else (_OF_TORCHVISION[known],)
    for below in (*_FOLDERS, *of_torchvision):
        for spelling in (name, name.replace("-idx", ".idx")):
            for path in (Path(folder, below, spelling), Path(folder, below, spelling + ".gz")):
                if path.is_file():
                    return path
    raise FileNotFoundError(
        f"folder={os.fspath(folder)!r} does not contain {name} or {name}.gz; pass the folder of the four IDX "
        f"files, which the commands 'madtheory data fetch mnist --to DIR' and 'madtheory data fetch "
        f"fashion-mnist --to DIR' get."
    )


@check_arguments
def mnist(folder: str | os.PathLike[str], part: Part = "train", *, labels: bool = False) -> Empirical:
    """Return MNIST, handwritten digits of 28 x 28 pixels in [0, 1], from its four IDX files.

    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86(11): 60,000 images to train on and 10,000 held out.

    Parameters
    ----------
    folder : path-like
        Folder of the files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte``, ``t10k-labels-idx1-ubyte``, with or without ``.gz``, or a folder that has
        them in ``raw``, ``MNIST/raw`` (where torchvision keeps them), ``package/data`` or ``data``. The
        command ``madtheory data fetch mnist --to DIR`` gets them.
    part : {"train", "test", "all"}
        Images to use: the 60,000 to train on, the 10,000 held out, or both, in this order.
    labels : bool
        Add the digit, 0 to 9, as last coordinate.

    Returns
    -------
    Empirical
        A source whose `points` are the images, shape (m, 784) or (m, 785), drawn with replacement.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If `part` is not one of these, a file is damaged, or it differs from the known one by its SHA-256.

    Examples
    --------
    >>> from madtheory import sources
    >>> sources.mnist("data/mnist", "test").points.shape  # doctest: +SKIP
    (10000, 784)
    """
    return _points(folder, "MNIST", part, labels)


@check_arguments
def fashion_mnist(folder: str | os.PathLike[str], part: Part = "train", *, labels: bool = False) -> Empirical:
    """Return Fashion-MNIST, articles of clothing of 28 x 28 pixels in [0, 1], from its four IDX files.

    Xiao, Rasul and Vollgraf (2017), arXiv 1708.07747: 60,000 images to train on and 10,000 held out, in ten
    classes and in the format of MNIST.

    Parameters
    ----------
    folder : path-like
        As in `mnist`; ``madtheory data fetch fashion-mnist --to DIR`` gets the files.
    part : {"train", "test", "all"}
        As in `mnist`.
    labels : bool
        Add the class, 0 to 9, as last coordinate.

    Returns
    -------
    Empirical
        A source whose `points` are the images, shape (m, 784) or (m, 785), drawn with replacement.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `mnist`.

    Examples
    --------
    >>> from madtheory import sources
    >>> sources.fashion_mnist("data/fashion-mnist", labels=True).points.shape  # doctest: +SKIP
    (60000, 785)
    """
    return _points(folder, "Fashion-MNIST", part, labels)


def _points(folder: str | os.PathLike[str], name: str, part: Part, labels: bool) -> Empirical:
    images, classes = read_images(folder, part, name)
    points = images.reshape(len(images), -1) / 255
    return Empirical(np.concatenate([points, classes[:, None]], 1) if labels else points)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"path={os.fspath(path)!r} is damaged ({error}); get it again.") from error
