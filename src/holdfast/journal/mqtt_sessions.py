"""MQTT sessions in the journal file: who they are, what they subscribed to, what they are owed, sent, and last will.

Writes are made up on the loop as plain steps and applied in order inside a commit, those of one kind together. Rows of
a session that isn't there are not written: it ended while they were on their way. Bodies are opaque here; like groups
they carry a checksum, since a plain SQLite file gives a flipped bit back as data.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

from holdfast.journal.reader import JournalReader
from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import rows

Step = tuple[str, tuple[Any, ...]]
"""A statement and its values."""

_IF_THERE = "WHERE EXISTS (SELECT 1 FROM mqtt_sessions WHERE id = ?1)"
_SUBSCRIPTIONS = "SELECT * FROM mqtt_subscriptions WHERE session IN (SELECT id FROM mqtt_sessions)"
_RECEIVED = "SELECT session, pid FROM mqtt_received WHERE session IN (SELECT id FROM mqtt_sessions)"
_LETTERS = "SELECT * FROM mqtt_letters WHERE session IN (SELECT id FROM mqtt_sessions) ORDER BY id"
_PUT_SESSION = "INSERT OR REPLACE INTO mqtt_sessions VALUES (?, ?, ?, ?, ?)"
_SUBSCRIBE = f"INSERT OR REPLACE INTO mqtt_subscriptions SELECT ?1, ?2, ?3, ?4 {_IF_THERE}"  # constants
_UNSUBSCRIBE = "DELETE FROM mqtt_subscriptions WHERE session = ? AND filter = ?"
_RECEIVE = f"INSERT OR REPLACE INTO mqtt_received SELECT ?1, ?2 {_IF_THERE}"  # constants
_RELEASE = "DELETE FROM mqtt_received WHERE session = ? AND pid = ?"
_PUT_LETTER = f"INSERT OR REPLACE INTO mqtt_letters SELECT ?2, ?1, ?3, ?4, ?5, ?6 {_IF_THERE}"  # constants
_MOVE_LETTER = "UPDATE mqtt_letters SET pid = ?, released = ? WHERE id = ?"
_DROP_LETTER = "DELETE FROM mqtt_letters WHERE id = ?"
_PUT_WILL = "INSERT OR REPLACE INTO mqtt_wills VALUES (?, ?, ?)"
_DROP_WILL = "DELETE FROM mqtt_wills WHERE session = ?"
_OF_SESSION = (
    "DELETE FROM mqtt_sessions WHERE id = ?",
    "DELETE FROM mqtt_subscriptions WHERE session = ?",
    "DELETE FROM mqtt_received WHERE session = ?",
    "DELETE FROM mqtt_letters WHERE session = ?",
)


@dataclass(frozen=True, slots=True)
class StoredSubscription:
    """A subscription as it was granted."""

    topic_filter: str
    grants: int
    identifier: int


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A message that a session is owed. body: None when it isn't what was written."""

    number: int
    pid: int
    released: bool
    body: bytes | None


@dataclass(frozen=True, slots=True)
class StoredWill:
    """What to publish for a session's client. session: may have ended. body: None when it isn't what was written."""

    session: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it was committed last. left_ns: 0 = its client was connected."""

    number: int
    client: str
    user: str | None
    expiry_s: float
    left_ns: int
    subscriptions: list[StoredSubscription] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    letters: list[StoredLetter] = field(default_factory=list)


def put_session(number: int, client: str, user: str | None, expiry_s: float, left_ns: int) -> Step:
    """A session begins, or its terms change."""
    return _PUT_SESSION, (number, client, user, expiry_s, left_ns)


def drop_session(number: int) -> list[Step]:
    """A session and all that is its ends; its will has its own end, with the commit that publishes it."""
    return [(sql, (number,)) for sql in _OF_SESSION]


def subscribe(session: int, topic_filter: str, grants: int, identifier: int) -> Step:
    """A subscription was granted."""
    return _SUBSCRIBE, (session, topic_filter, grants, identifier)


def unsubscribe(session: int, topic_filter: str) -> Step:
    """A subscription ended."""
    return _UNSUBSCRIBE, (session, topic_filter)


def receive(session: int, pid: int) -> Step:
    """A QoS 2 message is taken; belongs beside its readings."""
    return _RECEIVE, (session, pid)


def release(session: int, pid: int) -> Step:
    """The sender knows that its QoS 2 message is taken: the identifier is free."""
    return _RELEASE, (session, pid)


def put_letter(session: int, number: int, pid: int, body: bytes, *, released: bool) -> Step:
    """A session is owed a message."""
    return _PUT_LETTER, (session, number, pid, int(released), zlib.crc32(body), body)


def move_letter(number: int, pid: int, *, released: bool) -> Step:
    """A message got its packet identifier, or its receiver has it."""
    return _MOVE_LETTER, (pid, int(released), number)


def drop_letter(number: int) -> Step:
    """A message is delivered, or gave way."""
    return _DROP_LETTER, (number,)


def put_will(session: int, body: bytes) -> Step:
    """A session's client has a will that waits for a while before it's published."""
    return _PUT_WILL, (session, zlib.crc32(body), body)


def drop_will(session: int) -> Step:
    """A will is published, or its client is back or gone for good."""
    return _DROP_WILL, (session,)


def applying(steps: Sequence[Step]) -> Callable[[Transaction], None]:
    """The repeatable write of these steps."""

    def write(tx: Transaction) -> None:
        for sql, alike in groupby(steps, itemgetter(0)):
            tx.db.executemany(sql, [values for _, values in alike])

    return write


def read_sessions(reader: JournalReader) -> list[StoredSession]:
    """Every session, oldest first, and what it is owed in order."""
    with reader.borrowed() as db:
        found = {one: StoredSession(one, *more) for one, *more in rows(db, "SELECT * FROM mqtt_sessions ORDER BY id")}
        for session, topic_filter, grants, identifier in rows(db, _SUBSCRIPTIONS):
            found[session].subscriptions.append(StoredSubscription(topic_filter, grants, identifier))
        for session, pid in rows(db, _RECEIVED):
            found[session].received.append(pid)
        for number, session, pid, released, crc, body in rows(db, _LETTERS):
            good = bytes(body) if zlib.crc32(body) == crc else None
            found[session].letters.append(StoredLetter(number, pid, bool(released), good))
    return list(found.values())


def read_wills(reader: JournalReader) -> list[StoredWill]:
    """Every will, also of sessions that ended."""
    with reader.borrowed() as db:
        found = rows(db, "SELECT session, crc, body FROM mqtt_wills ORDER BY session")
        return [StoredWill(one, bytes(body) if zlib.crc32(body) == crc else None) for one, crc, body in found]


def of_pids(session: int, pids: Iterable[bytes], step: Callable[[int, int], Step]) -> list[Step]:
    """The same step for packet identifiers as they stand on the wire."""
    return [step(session, int.from_bytes(pid, "big")) for pid in pids]
