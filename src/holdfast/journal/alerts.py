"""The tables of alerts and silences, as reads and as writes that belong into a transaction.

Laws: of a (node, device, rule, metric) at most one alert is open; one that is cleared stays cleared; the first
acknowledgement stands. So whatever is done twice (an event read again after a crash, two people at once) is done once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from holdfast.journal.records import Group, GroupKind
from holdfast.journal.rows import SELECT, group_of, span
from holdfast.journal.transaction import Transaction
from holdfast.model.event import Event, Severity
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, Row, row, rows

_COLUMNS = (
    "id, node, device, rule, severity, event, raised_ns, heard_ns, raised, "
    "cleared_ns, cleared, acked_ns, acked_by, comment, maintenance"
)
_SILENCE = "id, match, by_whom, why, made_ns, until_ns, gone_ns"
_OPEN = "cleared_ns = 0"
_pack, _unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Event).decode


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands. Times in ns UTC; 0 = not (yet)."""

    id: int
    node: str
    device: str
    rule: str
    severity: Severity
    event: str
    raised_ns: int
    heard_ns: int
    raised: Event
    cleared_ns: int
    cleared: Event | None
    acked_ns: int
    acked_by: str
    comment: str
    maintenance: int = 0
    """The maintenance window in which it was raised."""

    @property
    def metric(self) -> str:
        """Of the series that it's about; empty = the device as a whole."""
        return self.raised.metric

    @property
    def is_open(self) -> bool:
        """Does it last?"""
        return not self.cleared_ns


@dataclass(frozen=True, slots=True)
class Silence:
    """What nobody shall be told of until a time. match: JSON, the notify room's; gone_ns: when it was taken back."""

    id: int
    match: str
    by: str
    why: str
    made_ns: int
    until_ns: int
    gone_ns: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a page shows; empty = all. before: only with a lower id."""

    state: Literal["open", "closed", "all"] = "open"
    severity: str = ""
    node: str = ""
    device: str = ""
    rule: str = ""
    acknowledged: bool | None = None
    before: int = 1 << 60


def groups_of_events(db: Connection, lane: Lane, after: int, limit: int) -> list[Group]:
    """The next groups of events above a group's end, found by their own index.

    Raises:
        GroupCorrupt: when the first is damaged; a later one ends the answer.
    """
    low, high = span(lane, after + 1)
    kind = f"kind = {int(GroupKind.EVENTS)}"  # as the index has it
    sql = SELECT + f"WHERE place >= ? AND place < ? AND {kind} ORDER BY place LIMIT ?"
    return [group_of(stored) for stored in db.execute(sql, (low, high, limit))]


def add(tx: Transaction, event: Event, heard_ns: int, maintenance: int = 0) -> int:
    """An alert was raised, in a maintenance window or not; returns its number."""
    found = row(
        tx.db,
        "INSERT INTO alerts (node, device, rule, metric, severity, event, raised_ns, heard_ns, raised, "
        "maintenance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            event.node,
            event.device,
            event.rule,
            event.metric,
            event.severity,
            event.id,
            event.ts,
            heard_ns,
            _pack(event),
            maintenance,
        ),
    )
    return int(found[0]) if found else 0


def renew(tx: Transaction, number: int, event: Event) -> None:
    """An open alert was raised again, as by another version of its rule: what it says is new."""
    tx.db.execute(
        "UPDATE alerts SET event = ?, severity = ?, raised = ? WHERE id = ?",
        (event.id, event.severity, _pack(event), number),
    )


def close(tx: Transaction, number: int, event: Event) -> None:
    """An alert is over."""
    tx.db.execute(
        "UPDATE alerts SET cleared_ns = ?, cleared = ? WHERE id = ? AND cleared_ns = 0",
        (max(1, event.ts), _pack(event), number),
    )


def acknowledge(tx: Transaction, number: int, by: str, comment: str, at_ns: int) -> bool:
    """Somebody deals with it; False when it's over, or somebody did before."""
    tx.db.execute(
        "UPDATE alerts SET acked_ns = ?, acked_by = ?, comment = ? WHERE id = ? AND cleared_ns = 0 AND acked_ns = 0",
        (max(1, at_ns), by, comment, number),
    )
    return tx.db.changes() > 0


def forget(tx: Transaction, keep: int) -> None:
    """Let the oldest alerts that are over go, but for `keep`; one that a channel has yet to tell of stays."""
    tx.db.execute(
        "DELETE FROM alerts WHERE cleared_ns > 0 AND id <= (SELECT max(id) FROM alerts) - ? "
        "AND id NOT IN (SELECT alert FROM alert_dispatches)",
        (keep,),
    )
    tx.count("alerts_forgotten", tx.db.changes())
    old = "alert <= (SELECT max(id) FROM alerts) - ?"
    tx.db.execute(f"DELETE FROM alert_told WHERE {old} AND alert NOT IN (SELECT id FROM alerts)", (keep,))  # noqa: S608  # a constant


def find(db: Connection, number: int) -> Alert | None:
    """One by its number."""
    found = row(db, f"SELECT {_COLUMNS} FROM alerts WHERE id = ?", (number,))  # noqa: S608  # constants
    return None if found is None else _alert(found)


def find_open(db: Connection, event: Event) -> Alert | None:
    """The open one of what an event is about: its rule and device, or series."""
    sql = f"SELECT {_COLUMNS} FROM alerts WHERE {_OPEN} "  # noqa: S608  # constants
    found = row(db, sql + "AND node = ? AND device = ? AND rule = ? AND metric = ?",
                (event.node, event.device, event.rule, event.metric))  # fmt: skip
    return None if found is None else _alert(found)


def raised_by(db: Connection, event: str) -> Alert | None:
    """The one that the event with this id raised."""
    found = row(db, f"SELECT {_COLUMNS} FROM alerts WHERE event = ?", (event,))  # noqa: S608  # constants
    return None if found is None else _alert(found)


def is_known(db: Connection, event: str) -> bool:
    """Has the event with this id raised one?"""
    return row(db, "SELECT 1 FROM alerts WHERE event = ?", (event,)) is not None


def page(db: Connection, wanted: Wanted, limit: int) -> list[Alert]:
    """Alerts, newest first."""
    chosen: list[tuple[str, object]] = [("id < ?", wanted.before)]
    names = ("severity", "node", "device", "rule")
    chosen += [(f"{name} = ?", getattr(wanted, name)) for name in names if getattr(wanted, name)]
    where = [text for text, _ in chosen]
    if wanted.state != "all":
        where.append(_OPEN if wanted.state == "open" else "cleared_ns > 0")
    if wanted.acknowledged is not None:
        where.append("acked_ns > 0" if wanted.acknowledged else "acked_ns = 0")
    sql = f"SELECT {_COLUMNS} FROM alerts WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608  # constants
    return [_alert(one) for one in rows(db, sql, (*(value for _, value in chosen), limit))]


def open_by_node(db: Connection) -> dict[str, dict[str, int]]:
    """How many are open, by node and severity."""
    found: dict[str, dict[str, int]] = {}
    sql = f"SELECT node, severity, count(*) FROM alerts WHERE {_OPEN} GROUP BY node, severity"  # noqa: S608  # our own words
    for node, severity, many in rows(db, sql):
        found.setdefault(str(node), {})[str(severity)] = int(many)
    return found


def counts(db: Connection) -> tuple[int, int]:
    """How many are open, and how many of those nobody has acknowledged."""
    found = row(db, f"SELECT count(*), sum(acked_ns = 0) FROM alerts WHERE {_OPEN}")  # noqa: S608  # a constant
    return (int(found[0]), int(found[1] or 0)) if found else (0, 0)


def fired(db: Connection, since_ns: int) -> dict[str, tuple[int, int]]:
    """By rule: how many were raised since then, and when the latest of all was, ns UTC."""
    sql = "SELECT rule, sum(raised_ns >= ?), max(raised_ns) FROM alerts GROUP BY rule"
    return {str(one[0]): (int(one[1] or 0), int(one[2] or 0)) for one in rows(db, sql, (since_ns,))}


def counts_by_severity(db: Connection) -> dict[str, tuple[int, int]]:
    """As `counts`, for each severity that has any."""
    sql = f"SELECT severity, count(*), sum(acked_ns = 0) FROM alerts WHERE {_OPEN} GROUP BY 1"  # noqa: S608  # a constant
    return {severity: (found, unseen) for severity, found, unseen in rows(db, sql)}


def silence(tx: Transaction, one: Silence) -> int:
    """Begin a silence; returns its number."""
    found = row(
        tx.db,
        "INSERT INTO silences (match, by_whom, why, made_ns, until_ns) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (one.match, one.by, one.why, one.made_ns, one.until_ns),
    )
    return int(found[0]) if found else 0


def newest_silence(db: Connection) -> int:
    """The number of the silence that was made last, 0 = none was."""
    found = row(db, "SELECT max(id) FROM silences")
    return int(found[0] or 0) if found else 0


def unsilence(tx: Transaction, number: int, at_ns: int) -> bool:
    """Take a silence back; False when there is none, or it's over."""
    tx.db.execute(
        "UPDATE silences SET gone_ns = ? WHERE id = ? AND gone_ns = 0 AND until_ns > ?", (max(1, at_ns), number, at_ns)
    )
    return tx.db.changes() > 0


def silences(db: Connection, now_ns: int = 0) -> list[Silence]:
    """The silences, newest first. now_ns: only those that last then, 0 = all that are remembered."""
    where = "WHERE gone_ns = 0 AND until_ns > ? " if now_ns else "WHERE 0 <= ? "
    return [
        Silence(*one)
        for one in rows(db, f"SELECT {_SILENCE} FROM silences {where}ORDER BY id DESC", (now_ns,))  # noqa: S608  # constants
    ]


def forget_silences(tx: Transaction, keep: int) -> None:
    """Let the oldest silences beyond `keep` go."""
    tx.db.execute("DELETE FROM silences WHERE id <= (SELECT max(id) FROM silences) - ?", (keep,))


def add_quietly(tx: Transaction, events: Sequence[Event], heard_ns: int) -> None:
    """Alerts that were open before anybody kept this book: they're shown, and nobody is told."""
    for event in events:
        if find_open(tx.db, event) is None:
            add(tx, event, heard_ns)


def _alert(found: Row) -> Alert:
    number, node, device, rule, severity, event, raised_ns, heard_ns, raised, cleared_ns, cleared, *acked = found
    return Alert(
        number,
        node,
        device,
        rule,
        severity,
        event,
        raised_ns,
        heard_ns,
        _unpack(raised),
        cleared_ns,
        None if cleared is None else _unpack(cleared),
        *acked,
    )
