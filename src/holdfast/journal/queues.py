"""What may happen to messages, as writes: taken once, acked, failed, dead, replayed, dropped. All are repeatable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from holdfast.journal import queued
from holdfast.journal.queued import StreamMark
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Lane
from holdfast.model.message import Message
from holdfast.storage.sqlite import rows

MOST_STREAMS = 10_000
"""Streams of one application in one queue: each is a row that is kept for ever."""
GROUP_BYTES = 1_000_000
"""Bodies of one group, unless a single one is larger: a group can't be parted on the link."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of offered messages.

    mark:    how far the stream is taken now
    stored:  how many were new; repeated: how many were here already
    forked:  nothing was taken: under the mark's number there's another message than the application has
    crowded: nothing was taken: the application has begun too many streams
    jumped:  numbers that were left out, as after this node came back from an old image
    """

    mark: StreamMark
    stored: int = 0
    repeated: int = 0
    forked: bool = False
    crowded: bool = False
    jumped: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A delivery that came to nothing. buries: no further try."""

    place: int
    reason: str
    buries: bool = False


@dataclass(slots=True)
class Buried:
    """Dead letters made by a write. Filled anew by each run."""

    places: list[int] = field(default_factory=list)


def put(tx: Transaction, offered: Sequence[Message], after: StreamMark | None) -> Taken:
    """Take messages of one stream, ascending, each once.

    after: what the application was told last, which shows whose history goes on
    """
    first = offered[0]
    key = (first.queue, first.app, first.stream)
    mark = queued.stream_mark(tx.db, *key)
    if not mark.n and queued.streams(tx.db, first.queue, first.app) >= MOST_STREAMS:
        return Taken(mark, crowded=True)
    if is_fork(mark, offered, after):
        return Taken(mark, forked=True)
    fresh = [one for one in offered if one.n > mark.n]
    repeated = len(offered) - len(fresh)
    tx.count("app_messages_repeated", repeated)
    if not fresh:
        return Taken(mark, repeated=repeated)
    for group in _parted(fresh):
        tx.append_messages(group)
    tx.count("app_messages_accepted", len(fresh))
    now = StreamMark(fresh[-1].n, fresh[-1].id)
    queued.set_stream_mark(tx.db, *key, now)
    jumped = max(0, after.n - mark.n) if after is not None else 0
    return Taken(now, len(fresh), repeated, jumped=jumped)


def is_fork(mark: StreamMark, offered: Sequence[Message], after: StreamMark | None) -> bool:
    """Is what the application offers another history than what was taken?"""
    if not mark.n:
        return False
    for one in offered:
        if one.n == mark.n:
            return one.id != mark.id
    if after is None or after.n > mark.n:  # the latter: this node came back from an old image
        return False
    return after != mark


def declare(tx: Transaction, wanted: Iterable[str]) -> None:
    """From here on these queues are consumed here. One that's new gets what the journal still holds of it."""
    names, known = set(wanted), queued.consumed(tx.db)
    head = tx.draft.heads[Lane.CRITICAL]
    for queue in known - names:
        queued.set_consumed(tx.db, queue, is_consumed=False)
        tx.set_cursor(_cursor(queue), Lane.CRITICAL, head)
    for queue in names - known:
        queued.set_consumed(tx.db, queue, is_consumed=True)
        after = tx.draft.cursors.get((_cursor(queue), Lane.CRITICAL), 0)
        for first, messages in queued.in_log(tx.db, after):
            tx.count(f"queue_queued.{queue}", queued.enqueue(tx.db, first, messages, {queue})[queue])


def ack(tx: Transaction, queue: str, places: Sequence[int]) -> int:
    """Consumers are done with these; returns how many were there."""
    tx.db.execute(
        "DELETE FROM queue_messages WHERE queue = ? AND dead = '' AND place IN (SELECT value FROM json_each(?))",
        (queue, _listed(places)),
    )
    done = tx.db.changes()
    tx.count(f"queue_acked.{queue}", done)
    return done


def fail(tx: Transaction, queue: str, failures: Iterable[Failure], max_attempts: int, buried: Buried) -> None:
    """Deliveries came to nothing: each counts as an attempt, and after `max_attempts` the message is a dead letter."""
    buried.places.clear()
    for one in failures:
        most = 0 if one.buries else max_attempts
        sql = (
            "UPDATE queue_messages SET attempts = attempts + 1, dead = CASE WHEN attempts + 1 >= ? THEN ? ELSE '' END "
            "WHERE place = ? AND queue = ? AND dead = '' RETURNING dead"
        )
        for (dead,) in rows(tx.db, sql, (most, one.reason or "no reason given", one.place, queue)):
            if dead:
                buried.places.append(one.place)


def revive(tx: Transaction, queue: str, places: Sequence[int] | None) -> int:
    """Dead letters wait again, with no attempt counted; None = all. Returns how many."""
    sql = "UPDATE queue_messages SET dead = '', attempts = 0 WHERE queue = ? AND dead > ''"
    _of_dead(tx, sql, queue, places)
    return tx.db.changes()


def drop(tx: Transaction, queue: str, places: Sequence[int] | None) -> int:
    """Dead letters go, counted; None = all. Returns how many."""
    _of_dead(tx, "DELETE FROM queue_messages WHERE queue = ? AND dead > ''", queue, places)
    gone = tx.db.changes()
    tx.count(f"queue_dropped.{queue}", gone)
    return gone


def _of_dead(tx: Transaction, sql: str, queue: str, places: Sequence[int] | None) -> None:
    if places is None:
        tx.db.execute(sql, (queue,))
    else:
        of_these = " AND place IN (SELECT value FROM json_each(?))"
        tx.db.execute(sql + of_these, (queue, _listed(places)))  # constants


def _parted(messages: Sequence[Message]) -> list[list[Message]]:
    groups: list[list[Message]] = []
    size = 0
    for one in messages:
        if not groups or size + len(one.body) > GROUP_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(one)
        size += len(one.body)
    return groups


def _listed(places: Sequence[int]) -> str:
    return msgspec.json.encode(places).decode()


def _cursor(queue: str) -> str:
    return f"queue:{queue}"
