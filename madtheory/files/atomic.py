"""Files that appear complete or not at all, and the lock that keeps a second process waiting."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PARTIAL = ".partial"
_LOCK = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class StorageError(OSError):
    """A results file that is damaged, that cannot be written, or that belongs to something else."""


@contextlib.contextmanager
def replace_file(
    path: Path,
    room: int = 0,
    *,
    keep: Path | None = None,
    made: bool = False,
    kind: type[StorageError] = StorageError,
    advice: str = "nothing was changed.",
) -> Iterator[Path]:
    """Open a new file next to `path` to write into; at the end it is flushed to disk, and renamed to it.

    A reader sees the old file or the new one; the old one is renamed to `keep`, if that is given. The name is
    random and the file new: nobody can place a link there. If `room` bytes are not available, nothing is
    written. After any failure nothing is left, and an error of that `kind` states it with that `advice`. The
    folder must exist, unless it is to be `made`.
    """
    if not made:
        check_folder(path, kind)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_PARTIAL}")
    try:
        if made:
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            if room and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, room)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            os.replace(path, keep)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise kind(f"path={str(path)!r} could not be written ({error}); {advice}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, *chunks: bytes, **how: Any) -> Path:
    """Write bytes; see `replace_file`."""
    with replace_file(path, **how) as temporary, open(temporary, "wb") as file:
        for chunk in chunks:
            file.write(chunk)
    return path


def check_folder(path: Path, kind: type[StorageError] = StorageError) -> None:
    """Refuse a path whose folder does not exist, or that is a folder itself."""
    if not path.parent.is_dir():
        raise kind(f"path={str(path)!r}: there is no folder {str(path.parent)!r}; create it first.")
    if path.is_dir():
        raise kind(f"path={str(path)!r} is a folder; pass the name of a file in it.")


def remove_leftovers(path: Path) -> None:
    """Remove incomplete files that a killed process has left next to `path`."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{_PARTIAL}"):
        with contextlib.suppress(OSError):
            leftover.unlink()


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process works on `path`; the system lifts the lock of one that is killed.

    The lock is a file next to it, which is removed at the end. Where the file system knows no locks, or the
    system none of these, nothing is locked: files appear complete or not at all in any case.
    """
    lock = path.with_name(f".{path.name}.lock")
    if fcntl is None:
        check_folder(path)
        yield
        return
    while True:
        try:
            descriptor = os.open(lock, _LOCK, 0o666)
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


@contextlib.contextmanager
def exclusive(lock: Path, refusal: str, kind: type[StorageError] = StorageError) -> Iterator[None]:
    """Hold a lock, a file that stays; the system lifts that of a process that is killed.

    Where the file system knows no locks, or the system none of these, nothing is locked.

    Raises
    ------
    StorageError
        Of that `kind`: with the text `refusal` if another process holds it; if the file cannot be opened, as
        a link cannot.
    """
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(lock, _LOCK, 0o666)
    except OSError as error:
        raise kind(
            f"{str(lock)!r} cannot be opened ({error}); remove it if it is a link, or choose another folder."
        ) from error
    with open(descriptor, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise kind(refusal) from error
        except OSError:  # such as ENOLCK of a network file system
            pass
        yield


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
