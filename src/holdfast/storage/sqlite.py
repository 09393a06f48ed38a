"""Opens SQLite the one way Holdfast trusts: WAL, synchronous=FULL, both read back; foreign errors stop here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from holdfast.storage.errors import DiskFull, StorageFailed, StorageTooOld, StorageUnusable
from holdfast.storage.files import sync_directory

# Releases before it can corrupt a WAL database when a checkpoint races a reset (sqlite.org, 3.51.3 release notes).
OLDEST_SAFE = (3, 51, 3)
BUSY_TIMEOUT_MS = 10_000
PAGE_SIZE = 4096
# 16 MiB of WAL between checkpoints: few enough fsyncs of the main file, well inside the 64 MiB bound below.
CHECKPOINT_PAGES = 4096
WAL_LIMIT_BYTES = 64 << 20
READER_CACHE_KIB = 512  # readers go through groups once, in order; what a cache keeps is the b-tree's upper pages

Connection = apsw.Connection
Row = tuple[Any, ...]
"""One result row; its columns' types are the schema's, which no type checker sees."""


def library_version() -> tuple[int, ...]:
    """The SQLite library's version."""
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


def require_safe_library(version: tuple[int, ...]) -> None:
    """Refuse a SQLite that may corrupt a WAL.

    Raises:
        StorageTooOld: when it is older than `OLDEST_SAFE`.
    """
    if version < OLDEST_SAFE:
        found, oldest = (".".join(map(str, v)) for v in (version, OLDEST_SAFE))
        raise StorageTooOld(f"SQLite {found} can corrupt a WAL database; {oldest} or newer is needed")


def open_writer(path: Path, quota_bytes: int = 0) -> Connection:
    """The one writing connection of a database, created with its directory if need be.

    quota_bytes bounds the file (0 = no bound): SQLite then answers "full" instead of growing past it.

    Raises:
        StorageTooOld: see `require_safe_library`.
        StorageUnusable: when the file can't be opened as a database, or is in use by another node.
    """
    require_safe_library(library_version())
    with translated(opening=path):
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        db = apsw.Connection(str(path))
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        db.pragma("page_size", PAGE_SIZE)
        _demand(db, "journal_mode", "wal", "wal")
        _demand(db, "synchronous", "full", 2)
        db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        db.pragma("journal_size_limit", WAL_LIMIT_BYTES)
        if quota_bytes:
            db.pragma("max_page_count", max(64, quota_bytes // PAGE_SIZE))
        if is_new:
            sync_directory(path.parent)
        return db


def open_reader(path: Path) -> Connection:
    """A read-only connection beside the writer.

    Raises:
        StorageUnusable: when the file can't be opened as a database.
    """
    with translated(opening=path):
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        db.pragma("cache_size", -READER_CACHE_KIB)
        return db


@contextmanager
def translated(opening: Path | None = None) -> Iterator[None]:
    """Turn SQLite's and the system's errors into this room's."""
    try:
        yield
    except apsw.FullError as error:
        raise DiskFull(f"no space: {error}") from error
    except (apsw.CantOpenError, apsw.NotADBError, apsw.BusyError, apsw.LockedError, apsw.ReadOnlyError) as error:
        raise StorageUnusable(f"{opening or 'the database'} can't be used: {error}") from error
    except apsw.Error as error:
        raise StorageFailed(f"SQLite: {error}") from error
    except OSError as error:
        raise StorageUnusable(f"{opening or 'the file'} can't be used: {error.strerror}") from error


def _demand(db: Connection, pragma: str, value: str, expected: object) -> None:
    db.pragma(pragma, value)
    found = db.pragma(pragma)
    if found != expected:
        raise StorageUnusable(f"PRAGMA {pragma} reads back {found!r} instead of {expected!r} on this filesystem")


def rows(db: Connection, sql: str, bindings: Sequence[object] = ()) -> list[Row]:
    """All result rows of one statement."""
    return list(db.execute(sql, tuple(bindings)))


def row(db: Connection, sql: str, bindings: Sequence[object] = ()) -> Row | None:
    """The first result row of one statement, if any."""
    return next(iter(rows(db, sql, bindings)), None)
