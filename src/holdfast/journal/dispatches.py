"""What channels have yet to tell about alerts, as reads and as writes that belong into a transaction (schema 0007).

Law: a dispatch is there until its channel has delivered it, given it up, or it has lost its sense; each way is counted:
made = told + given up + settled + dropped + waiting, per channel.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection, row, rows

What = Literal["raised", "cleared", "both", "again", "step"]
RAISES: frozenset[What] = frozenset({"raised", "step"})
"""They tell of an alert that a channel may not know yet."""
_COLUMNS = "id, channel, alert, key, what, since_ns, due_ns, wait_ns, held, clears, text"
_NEW = "INSERT OR IGNORE INTO alert_dispatches (channel, alert, key, what, since_ns, due_ns, wait_ns, clears, text)"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One alert's change for one channel; see schema 0007."""

    channel: str
    alert: int
    key: str
    what: What
    since_ns: int
    due_ns: int
    wait_ns: int = 0
    clears: bool = True
    text: str = ""
    held: int = 0
    id: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """An escalation's next step."""

    alert: int
    name: str
    step: int
    due_ns: int
    wait_ns: int


@dataclass(frozen=True, slots=True)
class Told:
    """A channel that knows of an alert."""

    channel: str
    times: int
    clears: bool
    text: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a channel. oldest_ns: since when the oldest does that no silence holds, 0 = none."""

    waiting: int = 0
    held: int = 0
    oldest_ns: int = 0


def put(tx: Transaction, one: Dispatch) -> None:
    """Have a channel tell something; once by its key."""
    values = (one.channel, one.alert, one.key, one.what, one.since_ns, one.due_ns, one.wait_ns, one.clears, one.text)
    tx.db.execute(f"{_NEW} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    tx.count(f"channel_made.{one.channel}", tx.db.changes())


def trim(tx: Transaction, channel: str, limit: int) -> None:
    """Of what waits for a channel beyond `limit` the oldest goes, counted."""
    found = row(tx.db, "SELECT count(*) FROM alert_dispatches WHERE channel = ?", (channel,))
    excess = int(found[0]) - limit if found else 0
    if excess > 0:
        oldest = "SELECT id FROM alert_dispatches WHERE channel = ? ORDER BY id LIMIT ?"
        drop(tx, [number for (number,) in rows(tx.db, oldest, (channel, excess))], "dropped")


def drop(tx: Transaction, numbers: Iterable[int], why: str) -> None:
    """These aren't told (any more). why: told, given_up, settled, dropped: the counter's name."""
    sql = "DELETE FROM alert_dispatches WHERE id IN (SELECT value FROM json_each(?)) RETURNING channel"
    for (channel,) in rows(tx.db, sql, (_listed(list(numbers)),)):
        tx.count(f"channel_{why}.{channel}")


def of_alert(db: Connection, alert: int) -> list[Dispatch]:
    """What waits about an alert."""
    sql = f"SELECT {_COLUMNS} FROM alert_dispatches WHERE alert = ? ORDER BY id"  # noqa: S608  # constants
    return [_dispatch(one) for one in rows(db, sql, (alert,))]


def of_channel(db: Connection, channel: str, now_ns: int, limit: int) -> list[Dispatch]:
    """What waits for a channel: first what may go now, the most severe before the rest; then the earliest due."""
    columns = ", ".join(f"d.{name}" for name in _COLUMNS.split(", "))
    sql = (
        f"SELECT {columns} FROM alert_dispatches d JOIN alerts a ON a.id = d.alert WHERE d.channel = ? "  # noqa: S608  # constants
        "ORDER BY max(d.due_ns - d.wait_ns, ?), "
        "CASE a.severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, d.due_ns, d.id LIMIT ?"
    )
    return [_dispatch(one) for one in rows(db, sql, (channel, now_ns, limit))]


def backlog(db: Connection, channel: str) -> Backlog:
    """How much waits for a channel; reminders whose time hasn't come don't."""
    sql = (
        "SELECT count(*), coalesce(sum(held <> 0), 0), coalesce(min(CASE WHEN held = 0 THEN since_ns END), 0) "
        "FROM alert_dispatches WHERE channel = ? AND what <> 'again'"
    )
    found = row(db, sql, (channel,))
    return Backlog(*found) if found else Backlog()


def hold(tx: Transaction, numbers: Sequence[int], silence: int, until_ns: int) -> None:
    """A silence holds these."""
    tx.db.execute(
        "UPDATE alert_dispatches SET held = ?, due_ns = ?, since_ns = ?, wait_ns = 0 "
        "WHERE id IN (SELECT value FROM json_each(?))",
        (silence, until_ns, until_ns, _listed(numbers)),
    )


def alerts_of(db: Connection, numbers: Sequence[int]) -> list[int]:
    """What dispatches are about, each once."""
    sql = "SELECT DISTINCT alert FROM alert_dispatches WHERE id IN (SELECT value FROM json_each(?))"
    return [alert for (alert,) in rows(db, sql, (_listed(numbers),))]


def let_go(tx: Transaction, silence: int, now_ns: int) -> None:
    """A silence holds nothing any more."""
    tx.db.execute(
        "UPDATE alert_dispatches SET held = 0, due_ns = ?, since_ns = ? WHERE held = ?", (now_ns, now_ns, silence)
    )


def put_off(tx: Transaction, numbers: Sequence[int], due_ns: int) -> None:
    """Try these again then, and not before."""
    tx.db.execute(
        "UPDATE alert_dispatches SET due_ns = ?, wait_ns = 0 WHERE id IN (SELECT value FROM json_each(?))",
        (due_ns, _listed(numbers)),
    )


def told(tx: Transaction, one: Dispatch) -> int:
    """A channel knows of an open alert now; returns how often it was told."""
    tx.db.execute(
        "INSERT INTO alert_told VALUES (?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET times = times + 1",
        (one.alert, one.channel, one.clears, one.text),
    )
    found = row(tx.db, "SELECT times FROM alert_told WHERE alert = ? AND channel = ?", (one.alert, one.channel))
    return int(found[0]) if found else 1


def who_knows(db: Connection, alert: int) -> list[Told]:
    """The channels that know of an alert."""
    sql = "SELECT channel, times, clears, text FROM alert_told WHERE alert = ? ORDER BY channel"
    return [Told(channel, times, bool(clears), text) for channel, times, clears, text in rows(db, sql, (alert,))]


def forget_told(tx: Transaction, alert: int, channel: str) -> None:
    """A channel knows that the alert is over."""
    tx.db.execute("DELETE FROM alert_told WHERE alert = ? AND channel = ?", (alert, channel))


def set_step(tx: Transaction, one: Step) -> None:
    """Where an escalation is."""
    tx.db.execute(
        "INSERT OR REPLACE INTO alert_steps VALUES (?, ?, ?, ?, ?)",
        (one.alert, one.name, one.step, one.due_ns, one.wait_ns),
    )


def end_steps(tx: Transaction, alert: int, name: str = "") -> None:
    """An alert's escalations end: this one, or all."""
    if name:
        tx.db.execute("DELETE FROM alert_steps WHERE alert = ? AND name = ?", (alert, name))
    else:
        tx.db.execute("DELETE FROM alert_steps WHERE alert = ?", (alert,))


def steps(db: Connection, limit: int) -> list[Step]:
    """Escalations under way, the next due first."""
    sql = "SELECT alert, name, step, due_ns, wait_ns FROM alert_steps ORDER BY due_ns LIMIT ?"
    return [Step(*one) for one in rows(db, sql, (limit,))]


def steps_of(db: Connection, alert: int) -> list[Step]:
    """An alert's escalations under way."""
    sql = "SELECT alert, name, step, due_ns, wait_ns FROM alert_steps WHERE alert = ? ORDER BY due_ns"
    return [Step(*one) for one in rows(db, sql, (alert,))]


def shift(tx: Transaction, by_ns: int) -> None:
    """The wall clock was set: every wait goes on as long as it would have."""
    sql = "UPDATE alert_dispatches SET due_ns = due_ns + ?, since_ns = since_ns + ? WHERE held = 0"
    tx.db.execute(sql, (by_ns, by_ns))
    tx.db.execute("UPDATE alert_steps SET due_ns = due_ns + ?", (by_ns,))


def pull_in(tx: Transaction, now_ns: int, repeat_ns: Mapping[str, int]) -> None:
    """After a start: nothing waits longer than it was to wait at first, whatever the clock was then.

    repeat_ns: after what time a channel is to remind
    """
    tx.db.execute("UPDATE alert_steps SET due_ns = min(due_ns, ? + wait_ns)", (now_ns,))
    tx.db.execute(
        "UPDATE alert_dispatches SET due_ns = min(due_ns, ? + wait_ns), since_ns = min(since_ns, ?) "
        "WHERE held = 0 AND what <> 'again'",
        (now_ns, now_ns),
    )
    tx.db.executemany(
        "UPDATE alert_dispatches SET due_ns = min(due_ns, ?) WHERE held = 0 AND what = 'again' AND channel = ?",
        [(now_ns + wait, channel) for channel, wait in repeat_ns.items()],
    )


def of_unknown_channels(db: Connection, known: Sequence[str]) -> list[int]:
    """What waits for channels that node.yaml doesn't name any more."""
    sql = "SELECT id FROM alert_dispatches WHERE channel NOT IN (SELECT value FROM json_each(?))"
    return [number for (number,) in rows(db, sql, (_listed(known),))]


def _dispatch(found: Sequence[object]) -> Dispatch:
    number, channel, alert, key, what, since_ns, due_ns, wait_ns, held, clears, text = found
    return Dispatch(channel, alert, key, what, since_ns, due_ns, wait_ns, bool(clears), text, held, number)  # type: ignore[arg-type]  # the schema's


def _listed(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
