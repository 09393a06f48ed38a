"""The residency register: what was kept, what left in its place and why, as hash-chained rows that only grow.

A day's counts gather in `residency_counts`, in the very transactions that store the rows they count. When the day is
over they become one row of the log, and only then are they part of the chain; until then they can be read, marked as
not sealed. A row's chain is SHA-256 over the former row's and its own id, time, kind and body, so a row that was
changed, taken out or put in breaks every chain after it. What a chain can't tell is its last rows being cut off: its
head travels to the parent with every hello, which keeps it in its own register.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.storage.sqlite import Connection, row, rows

if TYPE_CHECKING:
    from holdfast.journal.transaction import Transaction

DAY_NS = 86_400 * 10**9
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the log. at_ns: when it was written, ns UTC; body: JSON values."""

    id: int
    at_ns: int
    kind: str
    body: dict[str, Any]
    chain: bytes
    is_whole: bool


def write(tx: "Transaction", now_ns: int, kind: str, body: Mapping[str, object]) -> None:
    """Add a row."""
    number, before = head(tx.db)
    text = msgspec.json.encode(body, order="sorted").decode()
    chain = _chain(before, number + 1, now_ns, kind, text)
    tx.db.execute("INSERT INTO residency_log VALUES (?, ?, ?, ?, ?)", (number + 1, now_ns, kind, text, chain))


def head(db: Connection) -> tuple[int, bytes]:
    """How many rows there are, and the chain at the last."""
    found = row(db, "SELECT id, chain FROM residency_log ORDER BY id DESC LIMIT 1")
    return (int(found[0]), bytes(found[1])) if found else (0, GENESIS)


def count(tx: "Transaction", day: int, rule: str, what: str, n: int) -> None:
    """Count rows of a day (days since 1970 UTC) under a rule."""
    if n:
        tx.db.execute(
            "INSERT INTO residency_counts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            (day, rule, what, n),
        )


def seal(tx: "Transaction", now_ns: int) -> int:
    """Days that are over become rows of the log; returns how many rows were written."""
    days = [
        day for (day,) in rows(tx.db, "SELECT DISTINCT day FROM residency_counts WHERE day < ?", (now_ns // DAY_NS,))
    ]
    for day in sorted(days):
        write(tx, now_ns, "day", {"day": day, "counts": read_counts(tx.db, day).get(day, {})})
        tx.db.execute("DELETE FROM residency_counts WHERE day = ?", (day,))
    return len(days)


def read_counts(db: Connection, day: int | None = None) -> dict[int, dict[str, dict[str, int]]]:
    """Counts that aren't sealed yet: by day, rule and what was done."""
    found: dict[int, dict[str, dict[str, int]]] = {}
    for at, rule, what, n in rows(db, "SELECT day, rule, what, n FROM residency_counts ORDER BY 1, 2, 3"):
        if day in (None, at):
            found.setdefault(at, {}).setdefault(rule, {})[what] = n
    return found


def read_log(db: Connection) -> list[Entry]:
    """Every row, oldest first, each verified against the one before it."""
    entries: list[Entry] = []
    before, expected = GENESIS, 1
    for number, at_ns, kind, body, chain in rows(
        db, "SELECT id, at_ns, kind, body, chain FROM residency_log ORDER BY id"
    ):
        is_whole = number == expected and _chain(before, number, at_ns, kind, body) == chain
        entries.append(Entry(number, at_ns, kind, _body(body), bytes(chain), is_whole))
        before, expected = bytes(chain), number + 1
    return entries


def _body(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"unreadable": text[:200]}


def _chain(before: bytes, number: int, at_ns: int, kind: str, body: str) -> bytes:
    return hashlib.sha256(b"\0".join((before, f"{number} {at_ns} {kind}".encode(), body.encode()))).digest()
