"""Finding refused messages in the quarantine. Reads only; `Transaction` takes them out."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from holdfast.journal.records import QuarantineRow
from holdfast.storage.sqlite import Connection, rows

MOST_BYTES = 4 << 20
"""Payload bytes that one read brings into memory, unless a single message is larger."""
_FIND = (
    "SELECT id, topic FROM quarantine WHERE id > ? AND id < ? AND received_ns >= ? "
    "AND (? = '' OR reason = ?) AND (? = '' OR source = ?) "
    "AND (? = '[]' OR id IN (SELECT value FROM json_each(?))) "
    "AND (? = '[]' OR detail IN (SELECT value FROM json_each(?))) ORDER BY id "
)
LAST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class QuarantineFilter:
    """Which refused messages are meant; an empty field means all of them.

    details:  with exactly one of these details
    topic:    a pattern, see `topic_matcher`
    since_ns: received at or after this time, ns UTC
    """

    ids: tuple[int, ...] = ()
    reason: str = ""
    source: str = ""
    topic: str = ""
    since_ns: int = 0
    details: tuple[str, ...] = ()


def topic_matcher(pattern: str) -> Callable[[str], bool]:
    """Does a topic match? `*` is any text, `+` one level, `/#` at the end everything below (MQTT 5 §4.7.1)."""
    body, below = (pattern[:-2], "(?:/.*)?") if pattern.endswith("/#") else (pattern, "")
    if pattern in ("", "#"):
        return lambda _topic: True
    steps = {"*": ".*", "+": "[^/]*"}
    compiled = re.compile("".join(steps.get(c, re.escape(c)) for c in body) + below, re.DOTALL)
    return lambda topic: compiled.fullmatch(topic) is not None


def find(db: Connection, wanted: QuarantineFilter, limit: int, after: int = 0, before: int | None = None) -> list[int]:
    """Ids of the wanted messages between `after` and `before`, both exclusive.

    Oldest first; newest first when `before` is given.
    """
    matches = topic_matcher(wanted.topic)
    ids = msgspec.json.encode(wanted.ids).decode()
    details = msgspec.json.encode(wanted.details).decode()
    either = (wanted.reason, wanted.reason, wanted.source, wanted.source, ids, ids, details, details)
    about = (wanted.since_ns, *either)
    order, end = ("", LAST_ID) if before is None else ("DESC", before)
    found: list[int] = []
    for number, topic in db.execute(_FIND + order, (after, end, *about)):
        if len(found) == limit:
            break
        if matches(topic):
            found.append(number)
    return found


def fetch(db: Connection, ids: Sequence[int]) -> list[QuarantineRow]:
    """The messages with these ids, in that order, as many as fit `MOST_BYTES`; at least one if any is there."""
    found: list[QuarantineRow] = []
    size = 0
    for number in ids:
        for stored in rows(
            db,
            "SELECT id, received_ns, source, topic, reason, detail, payload FROM quarantine WHERE id = ?",
            (number,),
        ):
            message = QuarantineRow(*stored)
            size += len(message.payload)
            if found and size > MOST_BYTES:
                return found
            found.append(message)
    return found
