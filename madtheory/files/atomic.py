"""Files that appear complete or not at all, and the lock that keeps a second process waiting."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_PARTIAL = ".partial"


class StorageError(OSError):
    """A results file that is damaged, that cannot be written, or that belongs to something else."""


@contextlib.contextmanager
def replacing(path: Path, room: int = 0) -> Iterator[Path]:
    """Give a new file beside `path` to write into; at the end it is flushed to the disk, and renamed to it.

    A reader sees the old file or the new one. The name is random and the file new: nobody can plant a link
    there. If `room` bytes cannot be had, nothing is written. Whatever goes wrong, nothing is left behind.
    """
    check_folder(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_PARTIAL}")
    try:
        with open(temporary, "xb") as file:
            if room and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, room)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"path={str(path)!r} could not be written ({error}); nothing was changed."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, *chunks: bytes) -> Path:
    """Write bytes; see `replacing`."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
    return path


def check_folder(path: Path) -> None:
    """Refuse a path whose folder does not exist, or that is a folder itself."""
    if not path.parent.is_dir():
        raise StorageError(f"path={str(path)!r}: there is no folder {str(path.parent)!r}; create it first.")
    if path.is_dir():
        raise StorageError(f"path={str(path)!r} is a folder; pass the name of a file in it.")


def remove_leftovers(path: Path) -> None:
    """Remove what a killed process has begun to write beside `path`."""
    for leftover in path.parent.glob(f".{_escaped(path.name)}.*{_PARTIAL}"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process works on `path`; the system lifts the lock of one that is killed.

    The lock is a file beside it, which is removed at the end. Where the file system knows no locks, or the
    system none of these, nothing is locked: files appear complete or not at all in any case.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        check_folder(path)
        yield
        return
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StorageError(
                f"path={str(path)!r}: nothing can be written in the folder {str(path.parent)!r} ({error}); "
                f"choose another folder, or change its permissions."
            ) from error
        with open(descriptor, "rb") as file:
            with contextlib.suppress(OSError):  # such as ENOLCK of a network file system
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same(file.fileno(), lock):
                continue  # the one that held it has removed it meanwhile
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    lock.unlink(missing_ok=True)
            return


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
