"""Sends what an application has put, in order, until the node has it on disk.

Exactly once is arithmetic: a message has a number in its queue's stream and a random id, both given in the
application's own transaction; the node keeps the number and id of the last it took. What is repeated is known by its
number; what has a taken number and another id shows that this database is an older image, and goes on as a new stream.
"""

import os
import threading
import uuid
from dataclasses import dataclass

from holdfast.sync.database import Database, Source, opener, row, rows, transaction
from holdfast.sync.errors import MessageTooLarge, NoTransaction, SyncError
from holdfast.sync.line import Line, Mark, Pending
from holdfast.sync.node import Node

MAX_BODY = 1_000_000
BATCH_MESSAGES, BATCH_BYTES = 500, 1_500_000
LOOK_EVERY_S = 0.02
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0
_TABLES = (
    (
        "CREATE TABLE IF NOT EXISTS holdfast_streams (queue TEXT PRIMARY KEY, stream TEXT NOT NULL, "
        "last INTEGER NOT NULL, acked INTEGER NOT NULL, acked_id BLOB NOT NULL) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS holdfast_outbox (queue TEXT NOT NULL, n INTEGER NOT NULL, id BLOB NOT NULL, "
        "body BLOB NOT NULL, PRIMARY KEY (queue, n))"
    ),
)


@dataclass(frozen=True)
class _Stream:
    queue: str
    name: str
    acked: Mark


def put(db: Database, queue: str, body: bytes) -> int:
    """Write a message into the caller's open transaction; returns its number.

    Raises:
        NoTransaction, MessageTooLarge: nothing was written.
    """
    if not db.in_transaction:
        raise NoTransaction("no transaction is open")
    if len(body) > MAX_BODY:
        raise MessageTooLarge(f"the message has {len(body)} bytes")
    prepare(db)
    begun = (
        "INSERT INTO holdfast_streams VALUES (?, ?, 1, 0, x'') "
        "ON CONFLICT (queue) DO UPDATE SET last = last + 1 RETURNING last"
    )
    found = row(db, begun, (queue, uuid.uuid4().hex))
    n = int(found[0]) if found else 0
    db.execute("INSERT INTO holdfast_outbox VALUES (?, ?, ?, ?)", (queue, n, os.urandom(16), body))
    return n


def prepare(db: Database) -> None:
    """Make the outbox's tables where they are missing."""
    for sql in _TABLES:
        db.execute(sql)


class Outbox:
    """Forwards one database's messages to a node. Use `start` and `stop`, or call `forward` yourself.

    Any number may run over one database, in any number of processes: the node sorts out repeats.
    """

    def __init__(self, database: Source, node: Node) -> None:
        """Opens nothing yet.

        database: the application's connection; the outbox opens one of its own to the same file, with the same library.
                  Or what opens one, for files that need more than their path; it's called in the forwarding thread

        Raises:
            NoFile: when the database is in memory only.
        """
        self._open, self._line = opener(database), Line(node)
        self._db: Database | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.trouble = ""
        """Why nothing is sent right now, for people; empty when all is well."""

    def start(self) -> None:
        """Forward in a thread of its own from now on."""
        self._hang_up()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="holdfast-outbox", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. What isn't sent stays in the database."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def forward(self) -> int:
        """Send everything that waits; returns how many messages the node has taken.

        Raises:
            Unreachable: the node can't be had; what it took so far is settled.
            Refused: the node won't.
        """
        db, sent = self._opened(), 0
        for (queue,) in rows(db, "SELECT DISTINCT queue FROM holdfast_outbox"):
            while taken := self._forward_some(db, queue):
                sent += taken
        return sent

    def waiting(self) -> int:
        """Messages the node doesn't have yet, as far as this database knows. From the forwarding thread only."""
        found = row(self._opened(), "SELECT count(*) FROM holdfast_outbox")
        return int(found[0]) if found else 0

    def close(self) -> None:
        """Stop, and close the connections."""
        self.stop()
        self._hang_up()

    def _hang_up(self) -> None:
        """A connection of `sqlite3` belongs to the thread that opened it."""
        self._line.close()
        if self._db is not None:
            self._db.close()
            self._db = None

    def _opened(self) -> Database:
        if self._db is None:
            self._db = self._open()
            # Deleting what was sent may be lost in a power cut: it's sent again, and the node knows it.
            self._db.execute("PRAGMA synchronous = NORMAL")
            prepare(self._db)
        return self._db

    def _forward_some(self, db: Database, queue: str) -> int:
        stream = _stream(db, queue)
        batch = _batch(db, queue)
        if stream is None or not batch:
            return 0
        taken, mark = self._line.put(queue, stream.name, batch, stream.acked)
        with transaction(db):
            if taken:
                return _settle(db, stream, mark)
            return _reconcile(db, stream, mark)

    def _run(self) -> None:
        pause, seen = PAUSE_MIN_S, -1
        while not self._stop.is_set():
            try:
                version = self._version()
                if version != seen or self.trouble:
                    self.forward()
                    seen = version
                self.trouble, pause = "", PAUSE_MIN_S
                self._stop.wait(LOOK_EVERY_S)
            except Exception as error:  # noqa: BLE001  # an outbox that ends would be silent; it tells, and tries again
                self.trouble = f"{error} ({error.hint})" if isinstance(error, SyncError) and error.hint else str(error)
                self._stop.wait(pause)
                pause = min(2 * pause, PAUSE_MAX_S)
        self._hang_up()

    def _version(self) -> int:
        """Changes when somebody else has committed to the file."""
        found = row(self._opened(), "PRAGMA data_version")
        return int(found[0]) if found else 0


def _stream(db: Database, queue: str) -> _Stream | None:
    found = row(db, "SELECT stream, acked, acked_id FROM holdfast_streams WHERE queue = ?", (queue,))
    return None if found is None else _Stream(queue, found[0], Mark(found[1], bytes(found[2])))


def _batch(db: Database, queue: str) -> list[Pending]:
    """What to send next: always from the oldest, so that a batch sent before is a beginning of this one."""
    sql = "SELECT n, id, body FROM holdfast_outbox WHERE queue = ? ORDER BY n LIMIT ?"
    batch: list[Pending] = []
    size = 0
    for n, number, body in rows(db, sql, (queue, BATCH_MESSAGES)):
        size += len(body)
        if batch and size > BATCH_BYTES:
            break
        batch.append(Pending(n, bytes(number), bytes(body)))
    return batch


def _settle(db: Database, stream: _Stream, mark: Mark) -> int:
    """The node has everything up to the mark. Another forwarder may have said so already, or begun a new stream."""
    found = row(db, "SELECT stream, acked FROM holdfast_streams WHERE queue = ?", (stream.queue,))
    if found is None or found[0] != stream.name or found[1] > mark.n:
        return 0
    gone = row(db, "SELECT count(*) FROM holdfast_outbox WHERE queue = ? AND n <= ?", (stream.queue, mark.n))
    db.execute("DELETE FROM holdfast_outbox WHERE queue = ? AND n <= ?", (stream.queue, mark.n))
    db.execute("UPDATE holdfast_streams SET acked = ?, acked_id = ? WHERE queue = ?", (mark.n, mark.id, stream.queue))
    return int(gone[0]) if gone else 0


def _reconcile(db: Database, stream: _Stream, mark: Mark) -> int:
    """The node has another history of this stream. Is it ours after all? Else what waits becomes a new stream."""
    now = _stream(db, stream.queue)
    if now is None or now.name != stream.name or now.acked.n > mark.n or now.acked == mark:
        return 1  # another forwarder was ahead: look again
    ours = row(db, "SELECT id FROM holdfast_outbox WHERE queue = ? AND n = ?", (stream.queue, mark.n))
    if ours is not None and bytes(ours[0]) == mark.id:
        return _settle(db, stream, mark)
    waiting = rows(db, "SELECT n FROM holdfast_outbox WHERE queue = ? ORDER BY n", (stream.queue,))
    for i, (n,) in enumerate(waiting, 1):  # ascending, and never above what it was: no number is taken twice
        db.execute("UPDATE holdfast_outbox SET n = ? WHERE queue = ? AND n = ?", (i, stream.queue, n))
    db.execute(
        "UPDATE holdfast_streams SET stream = ?, last = ?, acked = 0, acked_id = x'' WHERE queue = ?",
        (uuid.uuid4().hex, len(waiting), stream.queue),
    )
    return 1
