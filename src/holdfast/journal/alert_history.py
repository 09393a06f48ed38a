"""What became of alerts, line by line, and the texts of the rules that raised them (schema 0010).

Law: what people said is kept as long as its alert is; of what the node did itself the newest lines of an alert are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection, row, rows

Kind = Literal[
    "commented", "told", "reminded", "ended", "escalated", "silenced", "planned", "renewed", "given_up", "elsewhere"
]
KEPT = 200
"""Lines of an alert that nobody wrote: more reminders than these are as good as none."""
MOST_COMMENTS = 200
_RULES = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """Something that became of an alert; see schema 0010. Times in ns UTC."""

    alert: int
    at_ns: int
    kind: Kind
    who: str
    detail: str = ""
    event: str = ""


def add(tx: Transaction, one: Line) -> bool:
    """Write a line; once by its event. False: it was there."""
    tx.db.execute(
        "INSERT OR IGNORE INTO alert_history (alert, at_ns, kind, who, detail, event) VALUES (?, ?, ?, ?, ?, ?)",
        (one.alert, one.at_ns, one.kind, one.who, one.detail, one.event),
    )
    is_new = tx.db.changes() > 0
    if is_new and one.kind != "commented":
        tx.db.execute(
            "DELETE FROM alert_history WHERE alert = ? AND kind <> 'commented' AND id <= (SELECT id FROM alert_history "
            "WHERE alert = ? AND kind <> 'commented' ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (one.alert, one.alert, KEPT),
        )
    return is_new


def of_alert(db: Connection, alert: int) -> list[Line]:
    """An alert's lines, oldest first."""
    sql = "SELECT alert, at_ns, kind, who, detail, event FROM alert_history WHERE alert = ? ORDER BY at_ns, id"
    return [Line(*one) for one in rows(db, sql, (alert,))]


def comments(db: Connection, alerts: Iterable[int]) -> dict[int, int]:
    """How many comments alerts have; those without aren't in it."""
    sql = (
        "SELECT alert, count(*) FROM alert_history WHERE kind = 'commented' "
        "AND alert IN (SELECT value FROM json_each(?)) GROUP BY alert"
    )
    return dict(rows(db, sql, (msgspec.json.encode(list(alerts)).decode(),)))


def forget(tx: Transaction, keep: int) -> None:
    """Let go the lines of alerts that are gone: they're among those that aren't the newest `keep`."""
    old = "alert <= (SELECT max(id) FROM alerts) - ?"
    tx.db.execute(f"DELETE FROM alert_history WHERE {old} AND alert NOT IN (SELECT id FROM alerts)", (keep,))  # noqa: S608  # a constant


def know_rule(tx: Transaction, version: str, rule: str, text: str, now_ns: int) -> None:
    """Keep a rule's text as it is now."""
    tx.db.execute("INSERT OR IGNORE INTO rule_texts VALUES (?, ?, ?, ?)", (version, rule, text, now_ns))
    if tx.db.changes():
        oldest = "SELECT seen_ns FROM rule_texts ORDER BY seen_ns DESC LIMIT 1 OFFSET ?"
        tx.db.execute(f"DELETE FROM rule_texts WHERE seen_ns <= ({oldest})", (_RULES,))  # noqa: S608  # constants


def is_known(db: Connection, version: str) -> bool:
    """Is a rule's text of this version kept?"""
    return row(db, "SELECT 1 FROM rule_texts WHERE version = ?", (version,)) is not None


def rule_text(db: Connection, version: str) -> str:
    """A rule's text, JSON; empty where it isn't kept."""
    found: Sequence[str] | None = row(db, "SELECT text FROM rule_texts WHERE version = ?", (version,))
    return "" if found is None else found[0]
