"""Small files, written so that a power cut leaves the old content or the new, never a mixture."""

import errno
import os
from pathlib import Path

from holdfast.storage.errors import StorageUnusable

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
"""The system's numbers for "no room"."""


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        StorageUnusable: when it can't be read, with the system's reason.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageUnusable(f"{path} can't be read: {error.strerror}") from error


def write_atomic(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` by `data`: write beside it, fsync, rename, fsync the directory.

    Raises:
        StorageUnusable: when it can't be written, with the system's reason.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        make_directory(path.parent)
        beside.unlink(missing_ok=True)  # what a crash left there may have another mode
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StorageUnusable(f"{path} can't be written: {error.strerror}") from error


def make_directory(path: Path) -> None:
    """Make a directory where there is none, and what is missing above it, so that they survive a power cut.

    Raises:
        OSError: when the system refuses.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        sync_directory(one.parent)


def sync_directory(path: Path) -> None:
    """Make a rename or a new file in `path` survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
