"""Puts a whole new database file in the place of an old one, so that a power cut leaves either, never a mixture.

The steps, for a database `J` and a purpose `P` (`rescue` or `convert`); each ends with an fsync of the directory:

1. build the complete new file as `J.P`, fsync it;
2. rename it to `J.Pd` (`J.rescued`, `J.converted`): from here on the new file is the truth;
3. unlink `J-wal`, `J-shm` and `J-journal`;
4. rename `J.Pd` over `J`.

A crash before 2 leaves the old file and its WAL untouched; `finish` removes the half-built one. A crash after 2
leaves the mark; `finish` repeats 3 and 4, both of which may be repeated. Nobody may open `J` before `finish` ran.

Why 3 comes before 4, with an fsync between: a WAL belongs to a database by its name alone. Its frames carry
checksums, but nothing in them says which file they were written for, so SQLite would replay an old WAL over a new
file: after a failed commit that brings back what was never acked, on top of pages that have moved; after a
conversion it writes pages of one cipher into a file of another. An old WAL therefore never lies beside the new
file, at any crash point. The other mixture, the old file without its WAL, does exist between 3 and 4, and is
harmless because the mark says that the old file no longer counts.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.storage.errors import DiskFull, StorageFailed, StorageUnusable
from holdfast.storage.files import NO_ROOM, sync_directory

RESCUE = "rescue"
CONVERT = "convert"
PURPOSES = (RESCUE, CONVERT)
COMPANIONS = ("-wal", "-shm", "-journal")


def building_path(path: Path, purpose: str) -> Path:
    """Where the new file is built."""
    return path.with_name(f"{path.name}.{purpose}")


def complete_path(path: Path, purpose: str) -> Path:
    """Where the new file lies when it is complete; its presence is the mark."""
    return path.with_name(f"{path.name}.{purpose.removesuffix('e')}ed")


def discard(path: Path, purpose: str) -> None:
    """Remove a half-built file and what SQLite left beside it.

    Raises:
        DiskFull, StorageFailed, StorageUnusable: by the system's reason.
    """
    with _told(path):
        half = building_path(path, purpose)
        half.unlink(missing_ok=True)
        _unlink_companions(half)


def promote(path: Path, purpose: str) -> None:
    """Steps 1 (its fsync) to 4: the file at `building_path` is whole and closed; make it the database.

    Raises:
        DiskFull, StorageFailed, StorageUnusable: by the system's reason; the same call, or `finish`, can be repeated.
    """
    with _told(path):
        half = building_path(path, purpose)
        if any(half.with_name(half.name + suffix).exists() for suffix in ("-wal", "-journal")):
            raise StorageUnusable(f"{half} was not closed; what it is still missing lies beside it")
        handle = os.open(half, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_directory(path.parent)
        half.rename(complete_path(path, purpose))
        sync_directory(path.parent)
    finish(path)


def finish(path: Path) -> str | None:
    """Complete or undo what a crash interrupted; call it before the database is opened, at every start.

    Returns the purpose that was completed, or None when there was nothing to complete.

    Raises:
        DiskFull, StorageFailed, StorageUnusable: by the system's reason.
    """
    done = None
    for purpose in PURPOSES:
        complete = complete_path(path, purpose)
        with _told(path):
            if complete.exists():
                _unlink_companions(path)
                sync_directory(path.parent)
                complete.replace(path)
                sync_directory(path.parent)
                done = purpose
        discard(path, purpose)
    return done


def _unlink_companions(path: Path) -> None:
    for suffix in COMPANIONS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path} can't be replaced: {error.strerror}"
        if error.errno in NO_ROOM:
            raise DiskFull(message) from error
        if error.errno == errno.EIO:
            raise StorageFailed(message) from error
        raise StorageUnusable(message) from error
