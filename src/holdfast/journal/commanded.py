"""The table of commands, as reads and as writes that belong into a transaction.

Law: a row ends once. `mark` and `end` change a row only while it's open, inside the commit, so whatever races (an
answer, the deadline, a repeat after a crash) one end wins; what comes after it is kept as `late` and changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from holdfast.journal.transaction import Transaction
from holdfast.model.command import NEXT, Answer, Command, State
from holdfast.model.event import Event
from holdfast.storage.sqlite import Connection, Row, row, rows

KIND: Final = "command.ended"
_COLUMNS = (
    "place, id, node, device, name, params, origin, made_ns, deadline_ns, "
    "via, state, sent_ns, delivered_ns, ended_ns, doubt, detail, result, late"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A command and how far it is. place: its number here; via: the child it goes down to, empty = our own device."""

    command: Command
    via: str = ""
    place: int = 0
    state: State = State.ACCEPTED
    sent_ns: int = 0
    delivered_ns: int = 0
    ended_ns: int = 0
    answer: Answer = field(default_factory=lambda: Answer(State.ACCEPTED))
    late: str = ""


class Told(msgspec.Struct, frozen=True):
    """What the event of an end says beside the event's own fields."""

    id: str
    state: State
    name: str = ""
    origin: str = ""
    detail: str = ""
    doubt: bool = False


def insert(tx: Transaction, new: Stored) -> bool:
    """Take a command, once by its id; False when it's here already."""
    one, answer = new.command, new.answer
    tx.db.execute(
        "INSERT OR IGNORE INTO commands (id, node, device, name, params, origin, via, made_ns, deadline_ns, state, "
        "sent_ns, delivered_ns, ended_ns, doubt, detail, result, late) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
        (
            *(one.id, one.node, one.device, one.name, one.params, one.origin, new.via, one.made_ns, one.deadline_ns),
            *(new.state.value, new.sent_ns, new.delivered_ns, new.ended_ns),
            *(int(answer.doubt), answer.detail, answer.result),
        ),
    )
    is_new = tx.db.changes() > 0
    if is_new:
        tx.count("commands_accepted")
        if new.state.is_terminal:
            tx.count(f"commands_ended.{new.state.value}")
    return is_new


def mark(tx: Transaction, number: str, state: State, at_ns: int) -> bool:
    """An open command is so far now; False when it's as far already, or over."""
    before = [one.value for one in State if state in NEXT[one]]
    column = "sent_ns" if state is State.SENT else "delivered_ns"
    tx.db.execute(
        f"UPDATE commands SET state = ?, {column} = ? "  # noqa: S608  # one of two constants
        "WHERE id = ? AND ended_ns = 0 AND state IN (SELECT value FROM json_each(?))",
        (state.value, at_ns, number, _listed(before)),
    )
    return tx.db.changes() > 0


def end(tx: Transaction, number: str, answer: Answer, at_ns: int) -> Stored | None:
    """End an open command; None when it had ended (then this is kept as late) or isn't known here."""
    at_ns = max(1, at_ns)  # 0 means open, and a clock that isn't set yet may say it
    tx.db.execute(
        "UPDATE commands SET state = ?, ended_ns = ?, doubt = ?, detail = ?, result = ? WHERE id = ? AND ended_ns = 0",
        (answer.state.value, at_ns, int(answer.doubt), answer.detail, answer.result, number),
    )
    if tx.db.changes():
        tx.count(f"commands_ended.{answer.state.value}")
        return find(tx.db, number)
    _keep_late(tx, number, answer, at_ns)
    return None


def _keep_late(tx: Transaction, number: str, answer: Answer, at_ns: int) -> None:
    known = find(tx.db, number)
    same = known is not None and (known.state, known.answer.result) == (answer.state, answer.result)
    if known is None or same or known.late or answer.state is State.EXPIRED:
        return
    said = {"state": answer.state.value, "at_ns": at_ns, "result": msgspec.Raw(answer.result or b"null")}
    tx.db.execute("UPDATE commands SET late = ? WHERE id = ?", (msgspec.json.encode(said).decode(), number))
    tx.count("commands_answered_late")


def hear(tx: Transaction, child: str, events: Iterable[Event]) -> None:
    """What a child tells of commands that went down through it; belongs beside the rows that tell it (G2)."""
    for event in events:
        told = told_by(event)
        known = None if told is None else find(tx.db, told.id)
        if told is not None and known is not None and known.via == child:
            result = b"" if event.why.get("result") is None else msgspec.json.encode(event.why["result"])
            end(tx, told.id, Answer(told.state, told.detail, result, told.doubt), event.ts)


def told_by(event: Event) -> Told | None:
    """The end that an event tells, None when it tells none: then the command runs into its deadline."""
    if event.kind != KIND:
        return None
    try:
        told = msgspec.convert(event.why, Told)
    except msgspec.ValidationError:
        return None  # a child of another version
    return told if told.state.is_terminal else None


def forget(tx: Transaction, keep: int, before_ns: int) -> int:
    """Let the oldest ended commands beyond `keep` go whose deadline was before a time; returns how many."""
    tx.db.execute(
        "DELETE FROM commands WHERE place <= (SELECT max(place) FROM commands) - ? AND ended_ns > 0 "
        "AND deadline_ns < ? AND ended_ns < ?",
        (keep, before_ns, before_ns),
    )
    gone = tx.db.changes()
    tx.count("commands_forgotten", gone)
    return gone


def find(db: Connection, number: str) -> Stored | None:
    """One command by its id."""
    found = row(db, f"SELECT {_COLUMNS} FROM commands WHERE id = ?", (number,))  # noqa: S608  # constants
    return None if found is None else _stored(found)


def open_ones(db: Connection) -> list[Stored]:
    """Every command that hasn't ended, oldest first."""
    sql = f"SELECT {_COLUMNS} FROM commands WHERE ended_ns = 0 ORDER BY place"  # noqa: S608  # constants
    return [_stored(one) for one in rows(db, sql)]


def past(db: Connection, node: str, devices: Sequence[str], before: int, limit: int) -> list[Stored]:
    """Commands with a place below `before`, newest first; of all nodes and devices where these are empty.

    devices: every name of one device
    """
    chosen: list[tuple[str, object]] = [("place < ?", before)]
    if node:
        chosen.append(("node = ?", node))
    if devices:
        chosen.append(("device IN (SELECT value FROM json_each(?))", _listed(devices)))
    where = " AND ".join(text for text, _ in chosen)
    sql = f"SELECT {_COLUMNS} FROM commands WHERE {where} ORDER BY place DESC LIMIT ?"  # noqa: S608  # constants
    return [_stored(one) for one in rows(db, sql, (*(value for _, value in chosen), limit))]


def of_places(db: Connection, places: Sequence[tuple[str, str]]) -> list[Stored]:
    """Commands to some (node, device), oldest first."""
    names = ", ".join(f"commands.{name}" for name in _COLUMNS.split(", "))
    sql = (
        f"SELECT {names} FROM json_each(?) AS wanted JOIN commands "  # noqa: S608  # constants
        "ON commands.node = wanted.value ->> 0 AND commands.device = wanted.value ->> 1 ORDER BY commands.place"
    )
    return [_stored(one) for one in rows(db, sql, (msgspec.json.encode(places).decode(),))]


def child_towards(db: Connection, node: str) -> str | None:
    """The child through which a node below it was last heard; None = none was."""
    found = row(db, "SELECT peer FROM sources WHERE source = ? LIMIT 1", (node,))
    return None if found is None else str(found[0])


def _stored(found: Row) -> Stored:
    command = Command(*found[1:9])
    via, state, sent_ns, delivered_ns, ended_ns, doubt, detail, result, late = found[9:]
    state = State(state)
    answer = Answer(state, detail, result, bool(doubt))
    return Stored(command, via, found[0], state, sent_ns, delivered_ns, ended_ns, answer, late)


def _listed(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
