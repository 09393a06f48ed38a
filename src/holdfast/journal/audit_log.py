"""What people did and tried, as hash-chained rows (schema 0011).

A row that was changed, taken out or put in breaks the chain after it. What a chain can't tell is its last rows being
cut off: once a day its head is written into the residency register, whose own head travels to the parent. KEEP rows
are kept; of more the oldest go, and the first that is left is taken as it is.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.journal import register
from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection, row, rows

KEEP = 100_000
KIND = "audit"
"""Of the rows in the residency register that hold this log's head."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row. at_ns: ns UTC; body: who, what, from where; is_whole: does it follow from the row before?"""

    id: int
    at_ns: int
    body: dict[str, Any]
    is_whole: bool


def write(tx: Transaction, now_ns: int, body: dict[str, Any]) -> tuple[int, str]:
    """Add a row; returns its number and its chain, hex."""
    last = row(tx.db, "SELECT id, at_ns, chain FROM audit_log ORDER BY id DESC LIMIT 1")
    number, before = (int(last[0]) + 1, bytes(last[2])) if last else (1, register.GENESIS)
    if last and int(last[1]) // register.DAY_NS != now_ns // register.DAY_NS:
        register.write(tx, now_ns, KIND, {"rows": number - 1, "chain": before.hex()})
    text = msgspec.json.encode(body, order="sorted").decode()
    chain = _chain(before, number, now_ns, text)
    tx.db.execute("INSERT INTO audit_log VALUES (?, ?, ?, ?)", (number, now_ns, text, chain))
    tx.db.execute("DELETE FROM audit_log WHERE id <= ?", (number - KEEP,))
    return number, chain.hex()


def page(db: Connection, before: int, limit: int, who: str = "") -> list[Line]:
    """Rows with an id below `before`, newest first. who: only this person's."""
    found = rows(
        db,
        "SELECT a.id, a.at_ns, a.body, a.chain, b.chain FROM audit_log a LEFT JOIN audit_log b ON b.id = a.id - 1 "
        "WHERE a.id < ? AND (? = '' OR json_extract(a.body, '$.who') = ?) ORDER BY a.id DESC LIMIT ?",
        (before, who, who, limit),
    )
    oldest = _oldest(db)
    return [
        Line(number, at_ns, _body(text), _is_whole(number, at_ns, text, bytes(chain), former, oldest))
        for number, at_ns, text, chain, former in found
    ]


def broken_at(db: Connection) -> int:
    """The first row that doesn't follow from the one before it; 0 = the whole chain fits."""
    before: bytes | None = None
    expected = 0
    for number, at_ns, text, chain in rows(db, "SELECT id, at_ns, body, chain FROM audit_log ORDER BY id"):
        if before is None:
            before, expected = (register.GENESIS, 1) if number == 1 else (None, number)
        if number != expected or (before is not None and _chain(before, number, at_ns, text) != bytes(chain)):
            return int(number)
        before, expected = bytes(chain), number + 1
    return 0


def _is_whole(number: int, at_ns: int, text: str, chain: bytes, former: bytes | None, oldest: int) -> bool:
    if former is None and number != 1:
        return number == oldest
    return _chain(bytes(former) if former is not None else register.GENESIS, number, at_ns, text) == chain


def _oldest(db: Connection) -> int:
    found = row(db, "SELECT min(id) FROM audit_log")
    return int(found[0] or 0) if found else 0


def _body(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"unreadable": text[:200]}


def _chain(before: bytes, number: int, at_ns: int, body: str) -> bytes:
    return hashlib.sha256(b"\0".join((before, f"{number} {at_ns}".encode(), body.encode()))).digest()
