"""What children told of their devices: one row a device, and the last page of each child. Writes are repeatable."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from holdfast.storage.sqlite import rows

if TYPE_CHECKING:
    from holdfast.journal.reader import JournalReader
    from holdfast.journal.transaction import Transaction

_MARK = "child_devices:"


def stored(reader: "JournalReader") -> list[tuple[str, bytes]]:
    """(child, device) of all. Blocking, any thread."""
    with reader.borrowed() as db:
        return [(child, data) for child, data in rows(db, "SELECT child, data FROM child_devices ORDER BY child")]


def mark(tx: "Transaction", child: str) -> str:
    """What `set_mark` last set; empty = nothing."""
    return tx.meta(_MARK + child) or ""


def set_mark(tx: "Transaction", child: str, text: str) -> None:
    """How far a child has told; belongs beside the rows."""
    tx.set_meta(_MARK + child, text)


def put(tx: "Transaction", child: str, n: int, told: Iterable[tuple[str, str, bytes]]) -> None:
    """Store devices (node, name, data) as page `n` tells of them."""
    tx.db.executemany(
        "INSERT OR REPLACE INTO child_devices (child, node, name, n, data) VALUES (?, ?, ?, ?, ?)",
        [(child, node, name, n, data) for node, name, data in told],
    )


def drop(tx: "Transaction", child: str, gone: Iterable[tuple[str, str]]) -> None:
    """Devices (node, name) that are there no more."""
    tx.db.executemany(
        "DELETE FROM child_devices WHERE child = ? AND node = ? AND name = ?", [(child, *one) for one in gone]
    )


def age(tx: "Transaction", child: str) -> None:
    """The child begins a new life: its pages count from 1 again, and whatever is here is older than they."""
    tx.db.execute("UPDATE child_devices SET n = 0 WHERE child = ?", (child,))


def drop_older(tx: "Transaction", child: str, n: int) -> list[tuple[str, str]]:
    """Drop what was told before page `n`; returns which (node, name) these were."""
    values = (child, n)
    found: list[tuple[str, str]] = list(
        tx.db.execute("SELECT node, name FROM child_devices WHERE child = ? AND n < ?", values)
    )
    tx.db.execute("DELETE FROM child_devices WHERE child = ? AND n < ?", values)
    return found
