"""Planned works during which nobody is told of some alerts, as reads and as writes that belong into a transaction.

Law: a window of node.yaml has one row for as long as its text stays the same; a changed one is a new row, and what the
old one held is let go.
"""

from collections.abc import Collection
from dataclasses import dataclass

from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection, row, rows

_COLUMNS = "id, name, match, hours, from_ns, to_ns, by_whom, why, made_ns, gone_ns"
_NEW = "INSERT INTO maintenance (name, match, hours, from_ns, to_ns, by_whom, why, made_ns)"


@dataclass(frozen=True, slots=True)
class Planned:
    """A maintenance window. match, hours: JSON, the notify room's. See schema 0010."""

    id: int
    name: str
    match: str
    hours: str
    from_ns: int
    to_ns: int
    by: str
    why: str
    made_ns: int
    gone_ns: int = 0

    @property
    def text(self) -> tuple[str | int, ...]:
        """What makes it another one when it's changed."""
        return self.name, self.match, self.hours, self.from_ns, self.to_ns, self.why


def plan(tx: Transaction, one: Planned) -> int:
    """Plan works; returns their number."""
    values = (one.name, one.match, one.hours, one.from_ns, one.to_ns, one.by, one.why, one.made_ns)
    found = row(tx.db, f"{_NEW} VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id", values)
    return int(found[0]) if found else 0


def end(tx: Transaction, number: int, at_ns: int) -> None:
    """They're over, or won't be."""
    tx.db.execute("UPDATE maintenance SET gone_ns = ? WHERE id = ? AND gone_ns = 0", (max(1, at_ns), number))


def page(db: Connection, now_ns: int = 0) -> list[Planned]:
    """Planned works, newest first. now_ns: only those that aren't over then, 0 = all that are remembered."""
    where = "WHERE gone_ns = 0 AND (to_ns = 0 OR to_ns > ?) " if now_ns else "WHERE 0 <= ? "
    sql = f"SELECT {_COLUMNS} FROM maintenance {where}ORDER BY id DESC"  # noqa: S608  # constants
    return [Planned(*one) for one in rows(db, sql, (now_ns,))]


def find(db: Connection, number: int) -> Planned | None:
    """One by its number."""
    found = row(db, f"SELECT {_COLUMNS} FROM maintenance WHERE id = ?", (number,))  # noqa: S608  # constants
    return None if found is None else Planned(*found)


def declare(tx: Transaction, wanted: Collection[Planned], now_ns: int) -> list[int]:
    """Make the windows of node.yaml these; returns the numbers of those that it had and hasn't any more."""
    sql = f"SELECT {_COLUMNS} FROM maintenance WHERE gone_ns = 0 AND name <> ''"  # noqa: S608  # constants
    there = [Planned(*one) for one in rows(tx.db, sql)]
    kept = {one.text for one in there} & {one.text for one in wanted}
    gone = [one.id for one in there if one.text not in kept]
    for number in gone:
        end(tx, number, now_ns)
    for one in wanted:
        if one.text not in kept:
            plan(tx, one)
    return gone


def forget(tx: Transaction, keep: int) -> None:
    """Let the oldest windows that are over go, beyond `keep`; one that an alert names stays readable as a number."""
    old = "id <= (SELECT max(id) FROM maintenance) - ?"
    tx.db.execute(f"DELETE FROM maintenance WHERE gone_ns > 0 AND {old}", (keep,))  # noqa: S608  # constants
