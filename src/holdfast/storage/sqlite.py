"""Opens SQLite the one way Holdfast trusts: WAL, synchronous=FULL, both read back; foreign errors stop here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from holdfast.storage.errors import (
    DiskFull,
    KeyUnusable,
    KeyWrong,
    StorageDamaged,
    StorageError,
    StorageFailed,
    StorageTooOld,
    StorageUnusable,
)
from holdfast.storage.files import make_directory, sync_directory

# Releases before it can corrupt a WAL database when a checkpoint races a reset (sqlite.org, 3.51.3 release notes).
OLDEST_SAFE = (3, 51, 3)
BUSY_TIMEOUT_MS = 10_000
PAGE_SIZE = 4096
# 16 MiB of WAL between checkpoints: few enough fsyncs of the main file, well inside the 64 MiB bound below.
CHECKPOINT_PAGES = 4096
WAL_LIMIT_BYTES = 64 << 20
READER_CACHE_KIB = 512  # readers go through groups once, in order; what a cache keeps is the b-tree's upper pages
CIPHER = "chacha20"  # ChaCha20-Poly1305 per page: a flipped bit is an error, never data
KEY_BYTES = 32
PLAIN_MAGIC = b"SQLite format 3\x00"
READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
UNUSABLE = (apsw.CantOpenError, apsw.NotADBError, apsw.BusyError, apsw.LockedError, apsw.ReadOnlyError)

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


def open_writer(path: Path, quota_bytes: int = 0, key: bytes | None = None, vfs: str = "") -> Connection:
    """The one writing connection of a database, created with its directory if need be.

    quota_bytes bounds the file (0 = no bound): SQLite then answers "full" instead of growing past it.
    key (32 bytes) encrypts and authenticates every page, in the file and in its WAL; None means plain.
    vfs names a SQLite VFS ("" = the default); with a key it must be a `multipleciphers-` one.
    A new file can shrink (`space.reclaim`); an older one learns it by `space.enable_reclaim`.

    Raises:
        StorageTooOld: see `require_safe_library`.
        KeyWrong: when the file can't be read with this key, or without one.
        StorageDamaged: when its first pages are not what was written.
        StorageUnusable: when the file can't be opened as a database, or is in use by another node.
    """
    require_safe_library(library_version())
    with translated(opening=path):
        make_directory(path.parent)
        is_new = not path.exists() or path.stat().st_size == 0
        db = connect(path, key, vfs)
        if is_new:
            db.pragma("page_size", PAGE_SIZE)
            db.pragma("auto_vacuum", "incremental")
        _demand(db, "journal_mode", "wal", "wal")
        _demand(db, "synchronous", "full", 2)
        db.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        db.pragma("journal_size_limit", WAL_LIMIT_BYTES)
        if quota_bytes:
            db.pragma("max_page_count", max(64, quota_bytes // PAGE_SIZE))
        if is_new:
            sync_directory(path.parent)
        return db


def open_reader(path: Path, key: bytes | None = None, vfs: str = "") -> Connection:
    """A read-only connection beside the writer; key and vfs as for `open_writer`.

    Raises:
        KeyWrong: when the file can't be read with this key, or without one.
        StorageUnusable: when the file can't be opened as a database.
    """
    with translated(opening=path):
        db = connect(path, key, vfs, apsw.SQLITE_OPEN_READONLY)
        db.pragma("cache_size", -READER_CACHE_KIB)
        return db


def connect(path: Path, key: bytes | None, vfs: str = "", flags: int = READ_WRITE) -> Connection:
    """A bare connection that has proven that it can read the file. Call it under `translated(opening=path)`.

    "raw:" hands the 32 bytes to the cipher as they are: deriving a key from a password would cost every start
    some 100 ms and buys nothing for a random key. `PRAGMA key` answers "ok" to anything, hence the read.

    Raises:
        KeyWrong: when the first page can't be read with this key, or without one.
    """
    db = apsw.Connection(str(path), flags=flags, vfs=vfs or None)
    try:
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        set_key(db, key)
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except apsw.NotADBError as error:
        db.close()
        raise _key_wrong(path, key) from error
    except BaseException:
        db.close()
        raise
    return db


def set_key(db: Connection, key: bytes | None) -> None:
    """Give a connection its key, before any other statement; None leaves it plain. It proves nothing.

    Raises:
        KeyUnusable: when the key hasn't 32 bytes.
    """
    if key is not None:
        db.pragma("cipher", CIPHER)
        db.pragma("key", key_text(key))


def key_text(key: bytes) -> str:
    """The key as the cipher library takes it.

    Raises:
        KeyUnusable: when it hasn't 32 bytes.
    """
    if len(key) != KEY_BYTES:
        raise KeyUnusable(f"an encryption key has {KEY_BYTES} bytes, not {len(key)}")
    return f"raw:{key.hex()}"


def is_plain(path: Path) -> bool:
    """Whether the file starts as an unencrypted SQLite database does. A missing or empty one doesn't."""
    try:
        with path.open("rb") as file:
            return file.read(len(PLAIN_MAGIC)) == PLAIN_MAGIC
    except OSError:
        return False


def _key_wrong(path: Path, key: bytes | None) -> KeyWrong:
    if key is None:
        return KeyWrong(f"{path} can't be used without a key: it is encrypted, or not a database")
    if is_plain(path):
        error = KeyWrong(f"{path} can't be used with a key: it is not encrypted")
        error.hint = "encrypt it first (storage.convert), or remove the key from the settings"
        return error
    return KeyWrong(f"{path} can't be used with this key: it was written with another one, or is not a database")


@contextmanager
def translated(opening: Path | None = None) -> Iterator[None]:
    """Turn SQLite's and the system's errors into this room's."""
    try:
        yield
    except apsw.Error as error:
        raise _translation(error, opening) from error
    except UnicodeDecodeError as error:  # SQLite doesn't look into texts
        raise StorageDamaged(f"{opening or 'the database'} is damaged: a text in it is none") from error
    except OSError as error:
        raise StorageUnusable(f"{opening or 'the file'} can't be used: {error.strerror}") from error


def _translation(error: apsw.Error, opening: Path | None) -> StorageError:
    # A page whose tag fails is "malformed"; page 1 is "not a database", which while opening means another key.
    if isinstance(error, apsw.FullError):
        return DiskFull(f"no space: {error}")
    if isinstance(error, apsw.CorruptError) or (isinstance(error, apsw.NotADBError) and opening is None):
        return StorageDamaged(f"{opening or 'the database'} is damaged: {error}")
    if isinstance(error, UNUSABLE):
        return StorageUnusable(f"{opening or 'the database'} can't be used: {error}")
    return StorageFailed(f"SQLite: {error}")


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
