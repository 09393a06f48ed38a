"""Applies captures to a replica's tables, in order, each as a whole; conflicts go by policy.

| what is found                                    | source                   | replica  | refuse  |
|--------------------------------------------------|--------------------------|----------|---------|
| the row has other values than the source had     | the source's             | its own  | refused |
| a row is there already that the source inserts   | the source's             | its own  | refused |
| the row isn't there                              | passed over, `missing`   | likewise | refused |
| a constraint of the replica stands against it    | refused                  | its own  | refused |
| a foreign key would point nowhere                | refused                  | refused  | refused |

Refused: the whole capture becomes a dead letter; what comes after it goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import apsw

from holdfast.sync.capture import Part
from holdfast.sync.database import rows
from holdfast.sync.errors import ConflictFound, Reject, SchemaDiffers, TableUnfit
from holdfast.sync.layouts import Layout, layout_of, quoted
from holdfast.sync.line import Leased

Policy = Literal["source", "replica", "refuse"]
_PARTS = (
    "CREATE TABLE IF NOT EXISTS holdfast_parts (source TEXT NOT NULL, capture TEXT NOT NULL, part INTEGER NOT NULL, "
    "body BLOB NOT NULL, PRIMARY KEY (source, capture, part))"
)
REASONS = {
    apsw.SQLITE_CHANGESET_DATA: "has other values than the source had",
    apsw.SQLITE_CHANGESET_CONFLICT: "is there already",
    apsw.SQLITE_CHANGESET_NOTFOUND: "isn't there",
    apsw.SQLITE_CHANGESET_CONSTRAINT: "breaks a constraint of the replica",
    apsw.SQLITE_CHANGESET_FOREIGN_KEY: "a foreign key would point nowhere",
}
_REPLACEABLE = (apsw.SQLITE_CHANGESET_DATA, apsw.SQLITE_CHANGESET_CONFLICT)


@dataclass(frozen=True)
class Applied:
    """What a message did. changes: rows in it; conflicts: decided by the policy; missing: rows that aren't here.

    is_part: nothing yet, the rest of the capture is still to come
    refused: why it became a dead letter instead
    """

    changes: int = 0
    conflicts: int = 0
    missing: int = 0
    is_part: bool = False
    refused: str = ""


def apply(db: apsw.Connection, message: Leased, policy: Policy) -> Applied:
    """Apply a message inside the open transaction.

    Raises:
        SchemaDiffers: a table here isn't the source's; nothing was changed.
        ConflictFound: a change doesn't fit and the policy, or the database, refuses it.
        Reject: it isn't a capture's message, or the parts before it are missing.
    """
    part = _decoded(message.body)
    if part.of > 1:
        whole = _collected(db, message.source, part, message.body)
        if whole is None:
            return Applied(is_part=True)
        part = whole
    _require_same(db, part.layouts)
    if part.kind == "snapshot":
        db.execute("PRAGMA defer_foreign_keys = ON")
        if policy != "replica":
            for table in part.layouts:
                db.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608  # quoted
    return _apply(db, part.data, policy)


def _apply(db: apsw.Connection, changes: bytes, policy: Policy) -> Applied:
    conflicts: list[str] = []
    missing: list[str] = []

    def decide(reason: int, change: apsw.TableChange | None) -> int:
        where = _named(change)
        (missing if reason == apsw.SQLITE_CHANGESET_NOTFOUND else conflicts).append(f"{where} {REASONS[reason]}")
        return decision(policy, reason)

    try:
        apsw.Changeset.apply(changes, db, conflict=_typed(decide))
    except (apsw.AbortError, apsw.ConstraintError) as error:
        raise ConflictFound(f"row {(conflicts + missing)[-1]}" if conflicts or missing else str(error)) from error
    count = sum(1 for _ in apsw.Changeset.iter(changes)) if changes else 0
    return Applied(count, len(conflicts), len(missing))


def decision(policy: Policy, reason: int) -> int:
    """What SQLite shall do about a conflict; the table above."""
    if policy == "refuse" or reason == apsw.SQLITE_CHANGESET_FOREIGN_KEY:
        return apsw.SQLITE_CHANGESET_ABORT
    if policy == "source" and reason in _REPLACEABLE:
        return apsw.SQLITE_CHANGESET_REPLACE
    if policy == "source" and reason == apsw.SQLITE_CHANGESET_CONSTRAINT:
        return apsw.SQLITE_CHANGESET_ABORT
    return apsw.SQLITE_CHANGESET_OMIT


def _typed(decide: Callable[[int, apsw.TableChange | None], int]) -> Callable[[int, apsw.TableChange], int]:
    """SQLite tells no row about foreign keys, which apsw's types leave out."""
    return decide


def _named(change: apsw.TableChange | None) -> str:
    if change is None or change.name is None:
        return "(unknown)"
    values = change.new if change.op == "INSERT" else change.old
    key = [values[i] for i in sorted(change.pk_columns)] if values else []
    return f"{change.name} {key}"


def _decoded(body: bytes) -> Part:
    try:
        return Part.decode(body)
    except ValueError as error:
        raise Reject(str(error)) from error


def _collected(db: apsw.Connection, source: str, part: Part, body: bytes) -> Part | None:
    """The whole capture once its last part is here; else None, and this part is kept."""
    db.execute(_PARTS)
    db.execute("INSERT OR REPLACE INTO holdfast_parts VALUES (?, ?, ?, ?)", (source, part.capture, part.number, body))
    if part.number < part.of - 1:
        return None
    sql = "SELECT body FROM holdfast_parts WHERE source = ? AND capture = ? ORDER BY part"
    parts = [Part.decode(bytes(kept)) for (kept,) in rows(db, sql, (source, part.capture))]
    if len(parts) != part.of:
        raise Reject(f"{part.of - len(parts)} parts of capture {part.capture} are missing: replay them first")
    # What is left of earlier captures never became whole: their last parts are dead letters.
    db.execute("DELETE FROM holdfast_parts WHERE source = ? AND capture = ?", (source, part.capture))
    data = b"".join(one.data for one in parts)
    return Part(part.capture, 0, 1, data, parts[0].kind, parts[0].layouts)


def _require_same(db: apsw.Connection, layouts: dict[str, Layout]) -> None:
    for table, theirs in layouts.items():
        try:
            ours = layout_of(db, table)
        except TableUnfit as unfit:
            raise SchemaDiffers(f"the replica: {unfit}") from unfit
        if ours != theirs:
            raise SchemaDiffers(f"{table}: the source has {_said(theirs)}; the replica has {_said(ours)}")


def _said(layout: Layout) -> str:
    return f"({', '.join(layout.columns)}; key {', '.join(layout.key)})"
