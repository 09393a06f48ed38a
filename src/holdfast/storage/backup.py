"""Copies a database that is in use into a file that appears whole or not at all, small files with it if need be."""

import os
from collections.abc import Mapping
from pathlib import Path

from holdfast.storage.files import make_directory, sync_directory
from holdfast.storage.sqlite import READ_WRITE, Connection, connect, open_reader, rows, translated

PART = ".part"
_SECRET = 0o600
_KEPT = "kept_files"
"""A table that only copies have: files that belong to the database and lie beside it. So one file holds all, under one
key, and is there whole or not at all."""


def back_up(
    source: Path, target: Path, key: bytes | None = None, vfs: str = "", kept: Mapping[str, bytes] | None = None
) -> int:
    """Copy `source` as of one commit; returns the bytes written. Blocking: as long as the disk needs, not the writer.

    The copy has the source's key. It's made in one step, because SQLite begins anew whenever the source changes between
    two; meanwhile the writer goes on into the WAL, which can't be emptied until the copy is done.

    kept: files that go with it, by name; those that `source` was given as a copy don't. Only its owner can read it then

    Raises:
        DiskFull: when the target's disk is full; nothing is left there.
        StorageError: when a file can't be used.
    """
    part = target.with_name(target.name + PART)
    with translated(opening=target):
        make_directory(target.parent)
        part.unlink(missing_ok=True)
        try:
            _copy(source, part, key, vfs, kept or {})
            _sync(part)
            part.rename(target)
        finally:
            for end in ("", "-wal", "-shm"):
                part.with_name(part.name + end).unlink(missing_ok=True)
        sync_directory(target.parent)
        return target.stat().st_size


def kept_in(copy: Path, key: bytes | None = None) -> dict[str, bytes]:
    """The files that went with a copy, by name.

    Raises:
        StorageError: when the copy can't be read.
    """
    db = open_reader(copy, key)
    try:
        with translated():
            return dict(rows(db, f"SELECT name, bytes FROM {_KEPT} ORDER BY name")) if _has_kept(db) else {}  # noqa: S608  # a name of ours
    finally:
        db.close()


def _copy(source: Path, part: Path, key: bytes | None, vfs: str, kept: Mapping[str, bytes]) -> None:
    reader = open_reader(source, key, vfs)
    try:
        writer = connect(part, key, flags=READ_WRITE)
        try:
            with writer.backup("main", reader, "main") as copying:
                copying.step(-1)
            if kept or _has_kept(writer):
                if kept:
                    part.chmod(_SECRET)  # before there's anything secret in it
                _keep(writer, kept)
        finally:
            writer.close()
    finally:
        reader.close()


def _has_kept(db: Connection) -> bool:
    return bool(rows(db, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (_KEPT,)))


def _keep(db: Connection, kept: Mapping[str, bytes]) -> None:
    with db:
        db.execute(f"DROP TABLE IF EXISTS {_KEPT}")
        if kept:
            db.execute(f"CREATE TABLE {_KEPT} (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT")
            db.executemany(f"INSERT INTO {_KEPT} VALUES (?, ?)", kept.items())  # noqa: S608  # a name of ours


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
