"""Copies a database that is in use into a file that appears whole or not at all."""

import os
from pathlib import Path

from holdfast.storage.files import make_directory, sync_directory
from holdfast.storage.sqlite import READ_WRITE, connect, open_reader, translated

PART = ".part"


def back_up(source: Path, target: Path, key: bytes | None = None, vfs: str = "") -> int:
    """Copy `source` as of one commit; returns the bytes written. Blocking: as long as the disk needs, not the writer.

    The copy has the source's key. It's made in one step, because SQLite begins anew whenever the source changes between
    two; meanwhile the writer goes on into the WAL, which can't be emptied until the copy is done.

    Raises:
        DiskFull: when the target's disk is full; nothing is left there.
        StorageError: when a file can't be used.
    """
    part = target.with_name(target.name + PART)
    with translated(opening=target):
        make_directory(target.parent)
        part.unlink(missing_ok=True)
        try:
            _copy(source, part, key, vfs)
            _sync(part)
            part.rename(target)
        finally:
            part.unlink(missing_ok=True)
        sync_directory(target.parent)
        return target.stat().st_size


def _copy(source: Path, part: Path, key: bytes | None, vfs: str) -> None:
    reader = open_reader(source, key, vfs)
    try:
        writer = connect(part, key, flags=READ_WRITE)
        try:
            with writer.backup("main", reader, "main") as copying:
                copying.step(-1)
        finally:
            writer.close()
    finally:
        reader.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
