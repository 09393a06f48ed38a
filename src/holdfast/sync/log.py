"""A document in the application's own SQLite file: a log of updates, those made here marked until the node has them."""

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from holdfast.sync.errors import DocumentInUse

BUSY_S = 10.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS holdfast_documents (name TEXT PRIMARY KEY, sent INTEGER NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE IF NOT EXISTS holdfast_document_updates ("
        "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, is_local INTEGER NOT NULL, data BLOB NOT NULL)"
    ),
    "CREATE INDEX IF NOT EXISTS holdfast_document_updates_of ON holdfast_document_updates (name, id)",
)


class UpdateLog:
    """One document's log. Not thread-safe: one call at a time, from any thread."""

    def __init__(self, file: Path, name: str) -> None:
        """Open or make the file.

        Raises:
            DocumentInUse: when another process has this document open in this file.
            sqlite3.Error, OSError: when the file can't be used.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._lock = name, _locked(file, name)
        self._db = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            for sql in _TABLES:
                self._db.execute(sql)
            self._db.execute("INSERT OR IGNORE INTO holdfast_documents VALUES (?, 0)", (name,))
        except BaseException:
            self.close()
            raise

    def updates(self) -> list[bytes]:
        """Everything, oldest first."""
        sql = "SELECT data FROM holdfast_document_updates WHERE name = ? ORDER BY id"
        return [data for (data,) in self._db.execute(sql, (self._name,))]

    def append(self, data: bytes, *, is_local: bool) -> None:
        """Store an update; on disk when this returns."""
        sql = "INSERT INTO holdfast_document_updates (name, is_local, data) VALUES (?, ?, ?)"
        self._db.execute(sql, (self._name, int(is_local), data))

    def unsent(self, limit: int) -> list[tuple[int, bytes]]:
        """(id, update) of local edits that the node isn't known to have, oldest first."""
        sql = (
            "SELECT id, data FROM holdfast_document_updates WHERE name = ? AND is_local AND id > "
            "(SELECT sent FROM holdfast_documents WHERE name = ?) ORDER BY id LIMIT ?"
        )
        return list(self._db.execute(sql, (self._name, self._name, limit)))

    def last(self) -> int:
        """The newest id."""
        sql = "SELECT coalesce(max(id), 0) FROM holdfast_document_updates WHERE name = ?"
        return int(self._db.execute(sql, (self._name,)).fetchone()[0])

    def settle(self, last: int) -> None:
        """The node has every edit up to this id. Losing this only costs sending them again."""
        self._db.execute("UPDATE holdfast_documents SET sent = max(sent, ?) WHERE name = ?", (last, self._name))

    def squash(self, whole: bytes) -> None:
        """Store one update instead of all; it counts as made here when any of them is still to be sent."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            is_unsent = bool(self.unsent(1))
            self._db.execute("DELETE FROM holdfast_document_updates WHERE name = ?", (self._name,))
            self.append(whole, is_local=is_unsent)
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def count(self) -> int:
        """How many rows there are."""
        sql = "SELECT count(*) FROM holdfast_document_updates WHERE name = ?"
        return int(self._db.execute(sql, (self._name,)).fetchone()[0])

    def close(self) -> None:
        """Close the file and let others have it."""
        self._db.close()
        os.close(self._lock)


def _locked(file: Path, name: str) -> int:
    beside = file.with_name(f"{file.name}.{name.replace('/', '+')}.lock")
    handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise DocumentInUse(f"another process has {name} open in {file}") from error
    return handle
