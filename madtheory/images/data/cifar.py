"""CIFAR-10 from its own files, of the binary or of the Python version."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from madtheory.validation import check_choice

_PIXELS = 32 * 32 * 3
_BATCHES = {
    "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
    "test": ("test_batch",),
    "all": (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"),
}
_FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py")
_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""Published digests of the files of the Python version."""


def read_cifar10(folder: str | os.PathLike[str], part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images, shape (m, 32, 32, 3), and classes, shape (m,); the errors are those of `cifar10`."""
    check_choice("part", part, tuple(_BATCHES))
    batches = [_batch(folder, name) for name in _BATCHES[part]]
    rows = np.concatenate([pixels for pixels, _ in batches])
    pixels = np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return pixels, np.concatenate([classes for _, classes in batches])


def _batch(folder: str | os.PathLike[str], name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    path = _find(folder, name)
    content = path.read_bytes()
    if path.suffix == ".bin":
        rows = np.frombuffer(content, np.uint8)
        if len(rows) != 10_000 * (_PIXELS + 1):
            raise _damage_error(path, f"it holds {len(rows):,} bytes, not {10_000 * (_PIXELS + 1):,}")
        rows = rows.reshape(-1, _PIXELS + 1)
        pixels, classes = rows[:, 1:], rows[:, 0].astype(np.int64)
    else:
        if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != _MD5[name]:
            raise _damage_error(path, f"its MD5 is {found}, not {_MD5[name]}")
        pixels, classes = unpickle_batch(content)
    if not len(classes) or classes.min() < 0 or classes.max() > 9:
        raise _damage_error(path, "it has classes other than 0 to 9")
    return pixels, classes


def unpickle_batch(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pixels and classes of a batch of the Python version; only arrays are made, no code is run."""
    batch = _Arrays(io.BytesIO(content), encoding="bytes").load()
    return np.asarray(batch[b"data"], np.uint8), np.asarray(batch[b"labels"], np.int64)


class _Arrays(pickle.Unpickler):
    """An unpickler of dictionaries of NumPy arrays."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.array([]).__reduce__()[0]
        if (module, name) == ("_codecs", "encode"):
            return codecs.encode
        raise pickle.UnpicklingError(f"a batch of CIFAR-10 does not contain {module}.{name}")


def _find(folder: str | os.PathLike[str], name: str) -> Path:
    for below in _FOLDERS:
        for path in (Path(folder, below, f"{name}.bin"), Path(folder, below, name)):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"path={os.fspath(folder)!r} does not contain {name}.bin or {name}; pass the folder of the unpacked "
        f"archive of CIFAR-10, cifar-10-batches-bin or cifar-10-batches-py."
    )


def _damage_error(path: Path, why: str) -> ValueError:
    return ValueError(f"path={str(path)!r} is not the published file: {why}; get it again.")
