"""Deployed models' books and labels, as reads and as writes that belong into a transaction (schema 0012).

Law: a book is stored before anything acts on it; what monitors have learned is written now and then, and may be lost.
"""

from dataclasses import dataclass
from typing import NamedTuple

from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection, row, rows

KEEP = 200_000
"""Labels kept of a deployment; of more, the oldest go."""
MOST_DEPLOYMENTS = 1_000


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A label's keys and its body. id: 0 = not stored yet; alert: 0 = it's about none."""

    deployment: str
    device: str
    start_ns: int
    end_ns: int
    body: bytes
    alert: int = 0
    id: int = 0


class Tally(NamedTuple):
    """Labels of a deployment. confirmed, rejected: alerts, as they're labelled now; given: of a time of a device."""

    confirmed: int
    rejected: int
    given: int


def put_book(tx: Transaction, deployment: str, book: bytes) -> None:
    """Store a deployment's book, in place of the former one."""
    tx.db.execute(
        "INSERT INTO model_books (deployment, book) VALUES (?, ?) "
        "ON CONFLICT (deployment) DO UPDATE SET book = excluded.book",
        (deployment, book.decode()),
    )


def put_watched(tx: Transaction, deployment: str, watched: bytes) -> None:
    """Store what its monitors have learned; nothing happens where there's no book."""
    tx.db.execute("UPDATE model_books SET watched = ? WHERE deployment = ?", (watched, deployment))


def find_book(db: Connection, deployment: str) -> tuple[bytes, bytes] | None:
    """A deployment's book, and what its monitors had learned (empty = nothing)."""
    found = row(db, "SELECT book, watched FROM model_books WHERE deployment = ?", (deployment,))
    return None if found is None else (found[0].encode(), bytes(found[1] or b""))


def books(db: Connection) -> dict[str, bytes]:
    """All of them, those of deployments that are no more included."""
    found = rows(db, "SELECT deployment, book FROM model_books ORDER BY deployment LIMIT ?", (MOST_DEPLOYMENTS,))
    return {deployment: book.encode() for deployment, book in found}


def put_label(tx: Transaction, new: StoredLabel) -> int:
    """Store a label, in place of an earlier one of the same alert; returns its id."""
    if new.alert:
        tx.db.execute("DELETE FROM model_labels WHERE deployment = ? AND alert = ?", (new.deployment, new.alert))
    tx.db.execute(
        "INSERT INTO model_labels (deployment, device, start_ns, end_ns, alert, body) VALUES (?, ?, ?, ?, ?, ?)",
        (new.deployment, new.device, new.start_ns, new.end_ns, new.alert, new.body.decode()),
    )
    number = int(tx.db.last_insert_rowid())
    tx.db.execute(
        "DELETE FROM model_labels WHERE deployment = ? AND id <= "
        "(SELECT id FROM model_labels WHERE deployment = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (new.deployment, new.deployment, KEEP),
    )
    tx.count("models_labelled")
    return number


def labels(db: Connection, deployment: str, limit: int, below: int = 0, device: str = "") -> list[StoredLabel]:
    """The newest labels, newest first. below: only with a smaller id, 0 = all; device: empty = of all."""
    found = rows(
        db,
        "SELECT deployment, device, start_ns, end_ns, body, alert, id FROM model_labels "
        "WHERE deployment = ? AND (? = 0 OR id < ?) AND (? = '' OR device = ?) ORDER BY id DESC LIMIT ?",
        (deployment, below, below, device, device, limit),
    )
    return [
        StoredLabel(name, device, start, end, body.encode(), alert, number)
        for name, device, start, end, body, alert, number in found
    ]


def tally(db: Connection, deployment: str) -> Tally:
    """How many labels a deployment has, by what they are of."""
    found = rows(
        db,
        "SELECT CASE WHEN m.alert = 0 THEN 'given' ELSE coalesce(a.label, '') END AS kind, count(*) "
        "FROM model_labels m LEFT JOIN alert_labels a ON a.alert = m.alert WHERE m.deployment = ? GROUP BY kind",
        (deployment,),
    )
    by = {str(kind): int(n) for kind, n in found}
    return Tally(by.get("confirmed", 0), by.get("rejected", 0), by.get("given", 0))
