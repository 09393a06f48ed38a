"""What a transaction changed, as messages: SQLite's own changesets behind a small head, in parts that a queue carries.

A message: u32 length of the head, the head as JSON, a piece of the changeset. The head of the first part tells the
kind (`changes` or `snapshot`) and the layout of every table; the other parts only what they are part of.
"""

import json
import struct
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import apsw

from holdfast.sync import outbox
from holdfast.sync.database import transaction
from holdfast.sync.errors import NoTransaction, TransactionTooLarge
from holdfast.sync.layouts import Layout, layout_of, quoted

Kind = Literal["changes", "snapshot"]
PART_BYTES = 900_000
MOST_BYTES = 64_000_000
_HEAD = struct.Struct(">I")
_EMPTY = "holdfast_empty"


@dataclass(frozen=True)
class Part:
    """One message of a capture. number: 0, 1 …; of: how many parts it has. kind and layouts: in the first only."""

    capture: str
    number: int
    of: int
    data: bytes
    kind: Kind = "changes"
    layouts: dict[str, Layout] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As a message's body."""
        head: dict[str, Any] = {"capture": self.capture, "part": self.number, "of": self.of}
        if self.number == 0:
            head |= {"kind": self.kind, "tables": {name: one.as_json() for name, one in self.layouts.items()}}
        packed = json.dumps(head).encode()
        return _HEAD.pack(len(packed)) + packed + self.data

    @classmethod
    def decode(cls, body: bytes) -> "Part":
        """From a message's body.

        Raises:
            ValueError: when it isn't one.
        """
        try:
            (size,) = _HEAD.unpack_from(body)
            head = json.loads(body[_HEAD.size : _HEAD.size + size])
            layouts = {name: Layout.of_json(one) for name, one in head.get("tables", {}).items()}
            about = (str(head["capture"]), int(head["part"]), int(head["of"]))
            return cls(*about, body[_HEAD.size + size :], head.get("kind", "changes"), layouts)
        except (struct.error, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no part of a capture: {error!r}") from error


@contextmanager
def captured(db: apsw.Connection, queue: str, tables: Sequence[str]) -> Iterator[None]:
    """A transaction whose changes to `tables` are put into `queue` with it."""
    if db.in_transaction:
        raise NoTransaction("a transaction is open already; a capture is one of its own")
    with transaction(db):
        layouts = _layouts(db, tables)
        session = apsw.Session(db, "main")
        try:
            for table in tables:
                session.attach(table)
            yield
            changes = session.changeset()
        finally:
            session.close()
        if changes:
            _put(db, queue, "changes", {**layouts, **_layouts(db, tables)}, changes)


def put_snapshot(db: apsw.Connection, queue: str, tables: Sequence[str]) -> None:
    """Everything that is in `tables` now, as one message or more, in a transaction of its own."""
    if db.in_transaction:
        raise NoTransaction("a transaction is open already; a snapshot is one of its own")
    db.execute(f"ATTACH ':memory:' AS {_EMPTY}")
    try:
        with transaction(db):
            layouts = _layouts(db, tables)
            session = apsw.Session(db, "main")
            try:
                for table, layout in layouts.items():
                    columns = ", ".join(map(quoted, layout.columns))
                    key = ", ".join(map(quoted, layout.key))
                    db.execute(f"CREATE TABLE {_EMPTY}.{quoted(table)} ({columns}, PRIMARY KEY ({key}))")
                    session.attach(table)
                    session.diff(_EMPTY, table)
                content = session.changeset()
            finally:
                session.close()
            _put(db, queue, "snapshot", layouts, content)
    finally:
        db.execute(f"DETACH {_EMPTY}")


def _layouts(db: apsw.Connection, tables: Sequence[str]) -> dict[str, Layout]:
    return {table: layout_of(db, table) for table in tables}


def _put(db: apsw.Connection, queue: str, kind: Kind, layouts: dict[str, Layout], data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise TransactionTooLarge(f"{len(data)} bytes of changed rows; at most {MOST_BYTES} are carried")
    pieces = [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)] or [b""]
    capture = uuid.uuid4().hex
    for number, piece in enumerate(pieces):
        outbox.put(db, queue, Part(capture, number, len(pieces), piece, kind, layouts).encode())
