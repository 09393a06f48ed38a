"""What people said of detectors' alerts, as reads and as writes that belong into a transaction (schema 0009).

Law: a label is stored first and the rule engine told after it; what it was told is noted in the commit that holds the
engine's own step. So after a crash in between the engine is told once, and never twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from holdfast.journal.transaction import Transaction
from holdfast.model.event import Event
from holdfast.storage.sqlite import Connection, Row, row, rows

Label = Literal["confirmed", "rejected"]
KEEP = 100_000
"""Labels kept; of more, those of the oldest alerts go."""
_COLUMNS = "event, alert, raised, cleared_ns, label, known, by_whom, comment, made_ns"
_pack, _unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Event).decode


@dataclass(frozen=True, slots=True)
class Labelled:
    """One alert's label. Times in ns UTC.

    alert:   the alert's number here; raised: the event that raised it, without samples
    cleared_ns: 0 = it was still open when it was labelled
    known:   what the rule engine has been told; empty = nothing
    """

    event: str
    alert: int
    raised: Event
    cleared_ns: int
    label: Label
    known: Label | Literal[""]
    by: str
    comment: str
    made_ns: int

    @property
    def place(self) -> tuple[str, str, str]:
        """The series: node, device, metric."""
        return self.raised.node, self.raised.device, self.raised.metric


Settle = Callable[[Transaction], None]
"""Notes, in the commit that holds the rule engine's step, that it was told."""


def put(tx: Transaction, one: Labelled) -> None:
    """Store a label, in place of an earlier one of the same alert."""
    tx.db.execute(
        f"INSERT OR REPLACE INTO alert_labels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # constants
        (
            one.event, one.alert, _pack(one.raised), one.cleared_ns, one.label, one.known, one.by, one.comment,
            one.made_ns,
        ),
    )  # fmt: skip
    tx.db.execute(
        "DELETE FROM alert_labels WHERE alert <= (SELECT alert FROM alert_labels ORDER BY alert DESC LIMIT 1 OFFSET ?)",
        (KEEP,),
    )
    tx.count(f"alerts_{one.label}")


def settling(one: Labelled) -> Settle:
    """Notes that the rule engine knows this label."""

    def settle(tx: Transaction) -> None:
        tx.db.execute("UPDATE alert_labels SET known = ? WHERE alert = ?", (one.label, one.alert))

    return settle


def find(db: Connection, alert: int) -> Labelled | None:
    """An alert's label."""
    found = row(db, f"SELECT {_COLUMNS} FROM alert_labels WHERE alert = ?", (alert,))  # noqa: S608  # constants
    return None if found is None else _labelled(found)


def unsettled(db: Connection) -> list[Labelled]:
    """Those that the rule engine hasn't been told of, in order."""
    sql = f"SELECT {_COLUMNS} FROM alert_labels WHERE label <> known ORDER BY made_ns, alert"  # noqa: S608  # constants
    return [_labelled(one) for one in rows(db, sql)]


def page(db: Connection, rule: str, limit: int) -> list[Labelled]:
    """The newest labels, newest first. rule: empty = of all."""
    sql = f"SELECT {_COLUMNS} FROM alert_labels ORDER BY made_ns DESC, alert DESC"  # noqa: S608  # constants
    found = (_labelled(one) for one in rows(db, sql))
    chosen = (one for one in found if rule in ("", one.raised.rule))
    return [one for one, _ in zip(chosen, range(limit), strict=False)]


def _labelled(found: Row) -> Labelled:
    event, alert, raised, cleared_ns, label, known, by, comment, made_ns = found
    return Labelled(event, alert, _unpack(raised), cleared_ns, label, known, by, comment, made_ns)
