"""The catalogue of the site's memory: which readings lie in which files (schema/0004_memory.sql).

A file is named here in the same transaction that moves the cursor `HISTORY` or takes its predecessor away, so every
reading is in exactly one piece or above the cursor, whatever the power does. A row's CRC-32 tells a flipped bit.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.journal.errors import CatalogueCorrupt
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, Row, row, rows

HISTORY = "history"
"""The consumer whose cursor says how far a lane's readings have become pieces."""
STAYS = " (stays)"
"""Ends the rule's name of a piece whose readings residency keeps: they share no file with others."""
RAW, AROUND_ALERTS, MINUTES, FIVE_MINUTES, HOURS = 0, -1, 60, 300, 3600
WARM, COLD, SENDING, DAMAGED = 1, 2, 4, 8
"""Where a file is, as bits: on local disk, in the cold store, perhaps there (sending began); damaged on local disk."""
_DAY_NS = 86_400 * 10**9
LANES = tuple(lane for lane in Lane if lane is not Lane.CRITICAL)
"""Lanes with readings."""
_ALL = "pieces"
"""The key in `meta` of the sum over all pieces."""
_SUM_OF_ALL = (
    "SELECT count(*), coalesce(sum(id), 0), coalesce(sum(day), 0), coalesce(sum(crc), 0), "
    "coalesce(sum(ts_min & 4294967295), 0), coalesce(sum(ts_min >> 32), 0), "
    "coalesce(sum(ts_max & 4294967295), 0), coalesce(sum(ts_max >> 32), 0) FROM pieces"
)
_SUMS = 8
_OTHER_TYPES = (TypeError, AttributeError, ValueError, struct.error)
"""What summing raises when a flipped bit has made a column a value of another type."""
_PIECE = struct.Struct("<qqqqqq")
_FILE = struct.Struct("<qqqqdq")


@dataclass(frozen=True, slots=True)
class PieceFile:
    """A file of a piece. size: bytes. error: root mean square of reading minus its step's mean, over all readings."""

    step: int
    name: str
    size: int
    rows: int
    sums: bytes
    error: float = 0.0
    places: int = WARM


@dataclass(frozen=True, slots=True)
class Piece:
    """Readings of one day (days since 1970 UTC) and one retention rule. ts_min, ts_max: ns UTC, inclusive."""

    day: int
    keep: str
    rows: int
    ts_min: int
    ts_max: int
    files: tuple[PieceFile, ...]
    is_sealed: bool = False
    id: int = 0

    def file(self, step: int) -> PieceFile | None:
        """The piece's file of this step."""
        return next((file for file in self.files if file.step == step), None)

    @property
    def size(self) -> int:
        """Bytes of its files on local disk."""
        return sum(file.size for file in self.files if file.places & WARM)


@dataclass(frozen=True, slots=True)
class Loss:
    """Readings of a day that are gone, or left at `step` s only. rows: how many; step 0 = gone altogether."""

    day: int
    keep: str
    step: int
    rows: int
    reason: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Trash:
    """A file that no piece has any more."""

    name: str
    places: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the catalogue said at one moment. done: the cursor HISTORY, by lane; stragglers: places of groups."""

    pieces: tuple[Piece, ...] = ()
    done: dict[Lane, int] = field(default_factory=dict)
    stragglers: tuple[int, ...] = ()


def add_piece(db: Connection, piece: Piece) -> Piece:
    """Name a piece and its files; returns it with its id."""
    db.execute(
        "INSERT INTO pieces (day, keep, sealed, rows, ts_min, ts_max, crc) VALUES (?, ?, ?, ?, ?, ?, 0)",
        (piece.day, piece.keep, piece.is_sealed, piece.rows, piece.ts_min, piece.ts_max),
    )
    named = replace(piece, id=db.last_insert_rowid())
    for file in named.files:
        put_file(db, named.id, file)
    _sum_up(db, named.id)
    return named


def put_file(db: Connection, piece: int, file: PieceFile) -> None:
    """Name a file of a piece, or change what is known of it."""
    db.execute(
        "INSERT OR REPLACE INTO piece_files (piece, step, name, bytes, rows, error, places, sums, crc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            piece,
            file.step,
            file.name,
            file.size,
            file.rows,
            file.error,
            file.places,
            file.sums,
            _file_sum(piece, file),
        ),
    )
    _sum_up(db, piece)


def drop_file(db: Connection, piece: int, file: PieceFile, now_ns: int) -> None:
    """Take a file out of a piece; it stays in the trash for a while."""
    db.execute("DELETE FROM piece_files WHERE piece = ? AND step = ?", (piece, file.step))
    db.execute("INSERT OR REPLACE INTO piece_trash VALUES (?, ?, ?)", (file.name, file.places, now_ns))
    _sum_up(db, piece)


def drop_piece(db: Connection, piece: Piece, now_ns: int) -> None:
    """Take a piece and all its files out."""
    for file in piece.files:
        drop_file(db, piece.id, file, now_ns)
    db.execute("DELETE FROM pieces WHERE id = ?", (piece.id,))
    _sum_up_all(db)


def add_loss(db: Connection, loss: Loss) -> None:
    """Account for readings that went by age or quota."""
    db.execute(
        "INSERT INTO piece_losses (day, keep, step, rows, reason, at_ns, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (loss.day, loss.keep, loss.step, loss.rows, loss.reason, loss.at_ns, _loss_sum(loss)),
    )


def read_losses(db: Connection, first_day: int, last_day: int, limit: int = 10_000) -> list[Loss]:
    """What went of these days, the latest `limit`, oldest first.

    Raises:
        CatalogueCorrupt: when a row is not what was written.
    """
    found = rows(
        db,
        "SELECT day, keep, step, rows, reason, at_ns, crc FROM piece_losses WHERE day BETWEEN ? AND ? "
        "ORDER BY id DESC LIMIT ?",
        (first_day, last_day, limit),
    )
    losses = []
    for *stored, crc in reversed(found):
        loss = Loss(*stored)
        _check(crc == _loss_sum(loss), f"a loss of the day {loss.day}")
        losses.append(loss)
    return losses


def add_drops(db: Connection, spans: Iterable[tuple[int, int, int]]) -> None:
    """Remember where readings were that are delivered and in no piece: (ts_min, ts_max, rows), ns UTC, inclusive."""
    db.executemany(
        "INSERT INTO journal_drops VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
        [(low // _DAY_NS, high // _DAY_NS, n) for low, high, n in spans],
    )


def read_drops(db: Connection, first_day: int, last_day: int) -> list[tuple[int, int]]:
    """(first, last) days with readings that were dropped after delivery and are in no piece."""
    wanted = "SELECT first_day, last_day FROM journal_drops WHERE last_day >= ? AND first_day <= ? ORDER BY 1, 2"
    return [(first, last) for first, last in rows(db, wanted, (first_day, last_day))]


def read_trash(db: Connection) -> list[Trash]:
    """Files that no piece has any more."""
    return [Trash(*one) for one in rows(db, "SELECT name, places, at_ns FROM piece_trash ORDER BY at_ns")]


def empty_trash(db: Connection, names: Iterable[str]) -> None:
    """Forget removed files."""
    db.executemany("DELETE FROM piece_trash WHERE name = ?", [(name,) for name in names])


def mark_pieced(db: Connection, place: int) -> None:
    """A damaged group's readings are in a piece already."""
    db.execute("INSERT OR IGNORE INTO pieced VALUES (?)", (place,))


def return_to_history(db: Connection, place: int) -> None:
    """A damaged group was put back below the cursor: unless its readings were in a piece before, they must come."""
    db.execute(
        "INSERT OR IGNORE INTO stragglers SELECT ? WHERE NOT EXISTS (SELECT 1 FROM pieced WHERE place = ?)",
        (place, place),
    )
    db.execute("DELETE FROM pieced WHERE place = ?", (place,))


def drop_stragglers(db: Connection, places: Sequence[int]) -> None:
    """These groups are in a piece now."""
    db.executemany("DELETE FROM stragglers WHERE place = ?", [(place,) for place in places])


def add_alert_marks(db: Connection, marks: Iterable[tuple[int, str, str]]) -> None:
    """Remember when (ns UTC) alerts were raised, and about which device: (ts, node, device)."""
    db.executemany("INSERT OR IGNORE INTO alert_marks VALUES (?, ?, ?)", marks)


def read_alert_marks(db: Connection, from_ns: int, to_ns: int) -> list[tuple[int, str, str]]:
    """(ts, node, device) of the alerts raised in [from_ns, to_ns], by time."""
    wanted = "SELECT ts, node, device FROM alert_marks WHERE ts BETWEEN ? AND ? ORDER BY ts"
    return [(ts, node, device) for ts, node, device in rows(db, wanted, (from_ns, to_ns))]


def read_memory(db: Connection, from_ns: int, to_ns: int) -> Memory:
    """The pieces with readings in [from_ns, to_ns], and how far lanes are, inside the caller's transaction.

    Raises:
        CatalogueCorrupt: when a row is not what was written.
    """
    done: dict[Lane, int] = dict.fromkeys(LANES, 0)
    for lane, seq in rows(db, "SELECT lane, seq FROM cursors WHERE consumer = ?", (HISTORY,)):
        done[Lane(lane)] = seq
    _check(_sum_of_all(db) == _sum_kept(db), "the list of pieces")
    pieces = read_pieces(db, "WHERE ts_max >= ? AND ts_min <= ?", (from_ns, to_ns))
    late = tuple(place for (place,) in rows(db, "SELECT place FROM stragglers ORDER BY place"))
    return Memory(tuple(pieces), done, late)


def read_pieces(db: Connection, where: str = "", values: tuple[int | str, ...] = ()) -> list[Piece]:
    """Pieces in order of their ids.

    Raises:
        CatalogueCorrupt: when a row is not what was written.
    """
    files: dict[int, list[PieceFile]] = {}
    ids = f"SELECT id FROM pieces {where}"  # noqa: S608  # constants
    found = rows(
        db,
        "SELECT piece, step, name, bytes, rows, sums, error, places, crc FROM piece_files "  # noqa: S608  # constants
        f"WHERE piece IN ({ids}) ORDER BY piece, step",
        values,
    )
    for piece, *stored, crc in found:
        file = _file(piece, stored, crc)
        files.setdefault(piece, []).append(file)
    columns = "id, day, keep, sealed, rows, ts_min, ts_max, crc"
    stored = rows(db, f"SELECT {columns} FROM pieces {where} ORDER BY id", values)  # noqa: S608  # constants
    return [_piece(one, tuple(files.get(one[0], ()))) for one in stored]


def _file(piece: int, stored: Sequence[Any], crc: int) -> PieceFile:
    file = PieceFile(*stored)
    try:
        is_whole = crc == _file_sum(piece, file)
    except _OTHER_TYPES:
        is_whole = False
    _check(is_whole, f"file {file.name!r} of piece {piece}")
    return file


def _piece(stored: Row, files: tuple[PieceFile, ...]) -> Piece:
    number, day, keep, sealed, n, low, high, crc = stored
    piece = Piece(day, keep, n, low, high, files, bool(sealed), number)
    try:
        is_whole = crc == _piece_sum(piece)
    except _OTHER_TYPES:
        is_whole = False
    _check(is_whole, f"piece {number}")
    return piece


def _sum_up(db: Connection, number: int) -> None:
    """Sum a piece up with its files, so that none can be missing, then all pieces."""
    stored = row(db, "SELECT day, keep, sealed, rows, ts_min, ts_max FROM pieces WHERE id = ?", (number,))
    if stored is None:
        return
    found = rows(
        db,
        "SELECT step, name, bytes, rows, sums, error, places FROM piece_files WHERE piece = ? ORDER BY step",
        (number,),
    )
    day, keep, sealed, n, low, high = stored
    piece = Piece(day, keep, n, low, high, tuple(PieceFile(*one) for one in found), bool(sealed), number)
    db.execute("UPDATE pieces SET crc = ? WHERE id = ?", (_piece_sum(piece), number))
    _sum_up_all(db)


def _sum_up_all(db: Connection) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_ALL, _sum_of_all(db)))


def _sum_of_all(db: Connection) -> str:
    """A row that a damaged page hides, or whose damaged times keep it out of a question, is noticed here alone."""
    found = row(db, _SUM_OF_ALL)
    return " ".join(map(str, found or ()))


def _sum_kept(db: Connection) -> str:
    kept = row(db, "SELECT value FROM meta WHERE key = ?", (_ALL,))
    return " ".join(["0"] * _SUMS) if kept is None else str(kept[0])


def _piece_sum(piece: Piece) -> int:
    fixed = _PIECE.pack(piece.id, piece.day, piece.is_sealed, piece.rows, piece.ts_min, piece.ts_max)
    files = b"".join(_file_sum(piece.id, file).to_bytes(4, "little") for file in piece.files)
    return zlib.crc32(files, zlib.crc32(piece.keep.encode(), zlib.crc32(fixed)))


def _file_sum(piece: int, file: PieceFile) -> int:
    fixed = _FILE.pack(piece, file.step, file.size, file.rows, file.error, file.places)
    return zlib.crc32(file.sums, zlib.crc32(file.name.encode(), zlib.crc32(fixed)))


def _loss_sum(loss: Loss) -> int:
    return zlib.crc32(repr((loss.day, loss.keep, loss.step, loss.rows, loss.reason, loss.at_ns)).encode())


def _check(holds: bool, what: str) -> None:  # noqa: FBT001  # reads as a sentence at the call
    if not holds:
        raise CatalogueCorrupt(what)
