"""The registry of devices in the journal: rows that people change, counts that follow, what was learned, and gaps.

Writes are repeatable.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from holdfast.storage.sqlite import Connection, rows

if TYPE_CHECKING:
    from holdfast.journal.reader import JournalReader
    from holdfast.journal.transaction import Transaction

Status = Literal["new", "accepted", "retired"]
Role = Literal["hardware", "replaced", "former"]
GAPS_EACH = 100
"""Gaps kept of a device."""
GAPS_TOGETHER = 50_000
DOWN_KEPT = 50
_ALIVE, _DOWN = "devices_alive", "devices_down"
_labels = msgspec.json.Decoder(tuple[str, ...])
_spans = msgspec.json.Decoder(list[tuple[int, int]])


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as people know it. number: dense, never used again; name: under which readings are stored now."""

    number: int
    name: str
    status: Status
    labels: tuple[str, ...] = ()
    note: str = ""
    made_ns: int = 0


class NameRow(NamedTuple):
    """Another name of a device, and since when it has it."""

    name: str
    role: Role
    device: int
    at_ns: int


class CountsRow(NamedTuple):
    """Everything counted of a device since it was first seen. Times of receipt, ns UTC, 0 = never.

    beat_ns: its latest message by its own clock, ns UTC, 0 = not known
    """

    device: int
    first_ns: int = 0
    last_ns: int = 0
    messages: int = 0
    readings: int = 0
    refused: int = 0
    held: int = 0
    repeats: int = 0
    bytes: int = 0
    beat_ns: int = 0


class GapRow(NamedTuple):
    """A time without a device's messages. id: 0 = not stored yet."""

    id: int
    device: int
    from_ns: int
    to_ns: int
    missing: int
    filled: int = 0
    down_ns: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """The whole registry, as committed. down: when this node itself was down, ascending, ns UTC."""

    devices: list[DeviceRow] = field(default_factory=list)
    names: list[NameRow] = field(default_factory=list)
    counts: list[CountsRow] = field(default_factory=list)
    learned: dict[int, bytes] = field(default_factory=dict)
    alive_ns: int = 0
    down: list[tuple[int, int]] = field(default_factory=list)
    with_gaps: set[int] = field(default_factory=set)


def stored(reader: "JournalReader") -> Stored:
    """Everything but the gaps, of one moment. Blocking, any thread."""
    with reader.borrowed() as db:
        db.execute("BEGIN")
        try:
            return _read(db)
        finally:
            db.execute("COMMIT")


def _read(db: Connection) -> Stored:
    known = [
        DeviceRow(number, name, status, _labels.decode(labels), note, made_ns)
        for number, name, status, labels, note, made_ns in rows(
            db, "SELECT number, name, status, labels, note, made_ns FROM devices ORDER BY number"
        )
    ]
    names = [NameRow(*one) for one in rows(db, "SELECT name, role, device, at_ns FROM device_names ORDER BY at_ns")]
    counts = [CountsRow(*one) for one in rows(db, "SELECT * FROM device_counts")]
    learned: dict[int, bytes] = dict(rows(db, "SELECT device, data FROM device_learned"))
    meta: dict[str, str] = dict(rows(db, "SELECT key, value FROM meta WHERE key IN (?, ?)", (_ALIVE, _DOWN)))
    with_gaps = {device for (device,) in rows(db, "SELECT DISTINCT device FROM device_gaps")}
    down = _spans.decode(meta.get(_DOWN, "[]"))
    return Stored(known, names, counts, learned, int(meta.get(_ALIVE, 0)), down, with_gaps)


def gaps_of(reader: "JournalReader", device: int, limit: int = GAPS_EACH) -> list[GapRow]:
    """A device's latest gaps, newest first. Blocking, any thread."""
    sql = (
        "SELECT id, device, from_ns, to_ns, missing, filled, down_ns FROM device_gaps "
        "WHERE device = ? ORDER BY id DESC LIMIT ?"
    )
    with reader.borrowed() as db:
        return [GapRow(*one) for one in rows(db, sql, (device, limit))]


def write_devices(tx: "Transaction", devices: Iterable[DeviceRow]) -> None:
    """Store rows as they are now."""
    tx.db.executemany(
        "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?, ?, ?)",
        [(d.number, d.name, d.status, msgspec.json.encode(d.labels).decode(), d.note, d.made_ns) for d in devices],
    )


def write_names(tx: "Transaction", device: int, names: Sequence[NameRow]) -> None:
    """These are a device's other names from now on, and no others."""
    tx.db.execute("DELETE FROM device_names WHERE device = ?", (device,))
    tx.db.executemany("INSERT OR REPLACE INTO device_names VALUES (?, ?, ?, ?)", names)


def remove(tx: "Transaction", device: int, into: int) -> None:
    """A device turned out to be another one: its gaps are that one's."""
    tx.db.execute("UPDATE device_gaps SET device = ? WHERE device = ?", (into, device))
    for table, key in (
        ("devices", "number"),
        ("device_names", "device"),
        ("device_counts", "device"),
        ("device_learned", "device"),
    ):
        tx.db.execute(f"DELETE FROM {table} WHERE {key} = ?", (device,))  # noqa: S608  # constants


def write_counts(tx: "Transaction", counts: Iterable[CountsRow], now_ns: int) -> None:
    """Store counts as they are now; this node was alive then."""
    tx.db.executemany("INSERT OR REPLACE INTO device_counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", counts)
    tx.set_meta(_ALIVE, f"{now_ns}")


def write_learned(tx: "Transaction", learned: Iterable[tuple[int, bytes]], now_ns: int) -> None:
    """Store what was learned of some devices."""
    tx.db.executemany(
        "INSERT OR REPLACE INTO device_learned VALUES (?, ?, ?)", [(device, now_ns, data) for device, data in learned]
    )


def write_down(tx: "Transaction", down: Sequence[tuple[int, int]]) -> None:
    """When this node itself was down."""
    tx.set_meta(_DOWN, msgspec.json.encode(down[-DOWN_KEPT:]).decode())


def add_gaps(tx: "Transaction", gaps: Sequence[GapRow]) -> None:
    """Store new gaps; the oldest beyond what is kept go."""
    tx.db.executemany(
        "INSERT INTO device_gaps (device, from_ns, to_ns, missing, filled, down_ns) VALUES (?, ?, ?, ?, ?, ?)",
        [gap[1:] for gap in gaps],
    )
    tx.db.executemany(
        "DELETE FROM device_gaps WHERE device = ?1 AND id <= "
        "(SELECT id FROM device_gaps WHERE device = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        [(device, GAPS_EACH) for device in sorted({gap.device for gap in gaps})],
    )
    tx.db.execute("DELETE FROM device_gaps WHERE id <= (SELECT max(id) FROM device_gaps) - ?", (GAPS_TOGETHER,))


def fill_gaps(tx: "Transaction", device: int, times: Sequence[tuple[int, int]]) -> None:
    """Messages came late: (their time, how many). They fill the gaps that they lie in."""
    tx.db.executemany(
        "UPDATE device_gaps SET filled = filled + ? WHERE device = ? AND from_ns < ? AND to_ns > ?",
        [(n, device, at_ns, at_ns) for at_ns, n in times],
    )
