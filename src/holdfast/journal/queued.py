"""The tables behind queues: how far each stream was taken, and the messages that wait for their consumers.

A message is a row of lane 0 like an event. Where its queue is consumed, it's also a row of `queue_messages`, written in
the same transaction, until a consumer acks it. Law: queued = acked + waiting + dead + dropped, per queue.
"""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from holdfast.journal.blobs import decode_messages
from holdfast.journal.records import Group, GroupKind
from holdfast.journal.rows import read_groups
from holdfast.model.lane import Lane
from holdfast.model.message import Message
from holdfast.storage.sqlite import Connection, row, rows

_COLUMNS = "place, source, n, id, ts, attempts, dead, body"


class StreamMark(NamedTuple):
    """How far a stream was taken: the last message's number and id; 0 = nothing yet."""

    n: int = 0
    id: bytes = b""


@dataclass(frozen=True, slots=True)
class Queued:
    """A message where it's consumed. place: its name there; dead: why nobody gets it any more, empty = it waits."""

    place: int
    source: str
    n: int
    id: bytes
    ts: int
    attempts: int
    dead: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Depth:
    """One queue's account where it's consumed. oldest_ns: when its oldest waiting message was taken, 0 = none waits."""

    queue: str
    queued: int
    acked: int
    dropped: int
    waiting: int
    dead: int
    oldest_ns: int

    @property
    def residual(self) -> int:
        """0, or a message is lost or doubled."""
        return self.queued - self.acked - self.dropped - self.waiting - self.dead


def stream_mark(db: Connection, queue: str, app: str, stream: str) -> StreamMark:
    """How far a stream was taken."""
    sql = "SELECT n, id FROM queue_streams WHERE queue = ? AND app = ? AND stream = ?"
    found = row(db, sql, (queue, app, stream))
    return StreamMark() if found is None else StreamMark(*found)


def set_stream_mark(db: Connection, queue: str, app: str, stream: str, mark: StreamMark) -> None:
    """A stream was taken up to here; belongs beside its messages (G2)."""
    db.execute("INSERT OR REPLACE INTO queue_streams VALUES (?, ?, ?, ?, ?)", (queue, app, stream, *mark))


def streams(db: Connection, queue: str, app: str) -> int:
    """How many streams an application has begun in a queue."""
    found = row(db, "SELECT count(*) FROM queue_streams WHERE queue = ? AND app = ?", (queue, app))
    return int(found[0]) if found else 0


def consumed(db: Connection) -> set[str]:
    """The queues consumed here."""
    return {name for (name,) in rows(db, "SELECT queue FROM queues_consumed")}


def set_consumed(db: Connection, queue: str, *, is_consumed: bool) -> None:
    """Begin or end to collect a queue's messages; those that wait stay."""
    sql = (
        "INSERT OR IGNORE INTO queues_consumed VALUES (?)"
        if is_consumed
        else "DELETE FROM queues_consumed WHERE queue = ?"
    )
    db.execute(sql, (queue,))


def enqueue(db: Connection, first: int, messages: Iterable[Message], wanted: Container[str]) -> Counter[str]:
    """Let messages of the wanted queues wait for their consumers; returns how many, by queue.

    first: the first message's seq in lane 0
    """
    chosen = [(seq, one) for seq, one in enumerate(messages, first) if one.queue in wanted]
    db.executemany(
        "INSERT INTO queue_messages (queue, seq, source, n, id, ts, attempts, dead, body) "
        "VALUES (?, ?, ?, ?, ?, ?, 0, '', ?)",
        [(one.queue, seq, one.source, one.n, one.id, one.ts, one.body) for seq, one in chosen],
    )
    return Counter(one.queue for _, one in chosen)


def in_log(db: Connection, after: int) -> Iterable[tuple[int, list[Message]]]:
    """The messages that the journal's lane 0 holds above `after`, group by group, with the first one's seq."""
    for group in read_groups(db, Lane.CRITICAL, after):
        if group.kind is GroupKind.MESSAGES:
            yield group.first, decode_messages(group.blob)


def is_settled(db: Connection, group: Group, wanted: Container[str]) -> bool:
    """Is every message of a group of a queue consumed here, and with nobody any more?"""
    waits = row(db, "SELECT 1 FROM queue_messages WHERE seq BETWEEN ? AND ? LIMIT 1", (group.first, group.last))
    return waits is None and all(one.queue in wanted for one in decode_messages(group.blob))


def waiting(db: Connection, queue: str, busy: Sequence[str], limit: int, max_bytes: int) -> list[Queued]:
    """The oldest messages that wait, of sources that aren't `busy`; at least one if any, and otherwise up to a size."""
    sql = (
        f"SELECT {_COLUMNS} FROM queue_messages WHERE queue = ? AND dead = '' "  # noqa: S608  # constants
        "AND source NOT IN (SELECT value FROM json_each(?)) ORDER BY place LIMIT ?"
    )
    found: list[Queued] = []
    size = 0
    for stored in db.execute(sql, (queue, msgspec.json.encode(busy).decode(), limit)):
        one = Queued(*stored)
        size += len(one.body)
        if found and size > max_bytes:
            break
        found.append(one)
    return found


def dead_letters(db: Connection, queue: str, after: int, limit: int) -> list[Queued]:
    """Messages that nobody gets any more, oldest first, with a place above `after`."""
    sql = (
        f"SELECT {_COLUMNS} FROM queue_messages "  # noqa: S608  # constants
        "WHERE queue = ? AND dead > '' AND place > ? ORDER BY place LIMIT ?"
    )
    return [Queued(*stored) for stored in rows(db, sql, (queue, after, limit))]


def depths(db: Connection) -> list[Depth]:
    """Every queue that is or was consumed here, by name, as of one moment."""
    counters: dict[str, int] = dict(
        rows(db, "SELECT name, value FROM counters WHERE name LIKE 'queue\\_%' ESCAPE '\\'")
    )
    sql = (
        "SELECT queue, sum(dead = ''), sum(dead > ''), min(CASE WHEN dead = '' THEN ts END) "
        "FROM queue_messages GROUP BY queue"
    )
    held = {queue: rest for queue, *rest in rows(db, sql)}
    prefix = "queue_queued."
    names = consumed(db) | held.keys() | {k.removeprefix(prefix) for k in counters if k.startswith(prefix)}
    found = []
    for queue in sorted(names):
        alive, dead, oldest = held.get(queue, (0, 0, None))
        came, acked, dropped = (counters.get(f"queue_{what}.{queue}", 0) for what in ("queued", "acked", "dropped"))
        found.append(Depth(queue, came, acked, dropped, alive, dead, oldest or 0))
    return found
