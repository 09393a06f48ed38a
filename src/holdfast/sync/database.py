"""The application's own SQLite, through the standard library's `sqlite3` or `apsw`: what both can."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import apsw

from holdfast.sync.errors import NoFile

BUSY_S = 10.0


class Database(Protocol):
    """A connection of `sqlite3` or `apsw`."""

    @property
    def in_transaction(self) -> bool:
        """Is a transaction open?"""
        ...

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run a statement; iterating over the answer gives rows."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


Source = Database | Callable[[], Database]
"""A connection whose file is meant, or what opens another one to it, as when it's encrypted."""


def rows(db: Database, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Every row of an answer."""
    return [tuple(found) for found in db.execute(sql, parameters)]


def row(db: Database, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of an answer."""
    found = rows(db, sql, parameters)
    return found[0] if found else None


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """One transaction; what raises undoes it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def opener(source: Source) -> Callable[[], Database]:
    """What opens a further connection to the same file, of the same library.

    Never of the other: two SQLite libraries in one process don't see each other's locks on a file, and both would
    write at once (sqlite.org/howtocorrupt.html, 2.2.1).

    Raises:
        NoFile: when the database is in memory only.
    """
    if callable(source) and not isinstance(source, sqlite3.Connection | apsw.Connection):
        return source
    assert isinstance(source, sqlite3.Connection | apsw.Connection)  # noqa: S101  # what `Database` stands for
    found = [str(file) for _, name, file in rows(source, "PRAGMA database_list") if name == "main"]
    if not found or not found[0]:
        raise NoFile("the database has no file")
    path = found[0]
    if isinstance(source, apsw.Connection):
        vfs = source.open_vfs
        return lambda: _apsw(path, vfs)
    return lambda: sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)


def _apsw(path: str, vfs: str) -> apsw.Connection:
    db = apsw.Connection(path, vfs=vfs)
    db.set_busy_timeout(round(1000 * BUSY_S))
    return db
