"""The application's own SQLite, through the standard library's `sqlite3` or `apsw`: what both can."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

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


Source = Path | str | Callable[[], Database]
"""Where a database is: its path, or what opens it, as when it's encrypted."""


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


def opened(source: Source) -> Database:
    """A connection of one's own."""
    if callable(source):
        return source()
    return sqlite3.connect(source, timeout=BUSY_S, isolation_level=None)
