"""The catalogue of the memory and the groups that aren't in it yet, as of one moment.

While a snapshot is open, no checkpoint of the WAL gets past it: hold it for a question, not for an hour.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.journal.branches import held_elsewhere, read_branches, series_map
from holdfast.journal.pieces import (
    Loss,
    Memory,
    Piece,
    Trash,
    read_alert_marks,
    read_drops,
    read_losses,
    read_memory,
    read_pieces,
    read_trash,
)
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Branch, Group
from holdfast.journal.rows import SELECT, group_of, span
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, row, rows


class Snapshot:
    """One moment of the journal. One thread."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def memory(self, from_ns: int, to_ns: int) -> Memory:
        """The pieces with readings in [from_ns, to_ns], both inclusive.

        Raises:
            CatalogueCorrupt: when a row is not what was written.
        """
        return read_memory(self._db, from_ns, to_ns)

    def pieces(self) -> list[Piece]:
        """All pieces.

        Raises:
            CatalogueCorrupt: when a row is not what was written.
        """
        return read_pieces(self._db)

    def trash(self) -> list[Trash]:
        """Files that no piece has any more."""
        return read_trash(self._db)

    def alert_marks(self, from_ns: int, to_ns: int) -> list[tuple[int, str, str]]:
        """(ts, node, device) of alerts raised in [from_ns, to_ns]."""
        return read_alert_marks(self._db, from_ns, to_ns)

    def losses(self, first_day: int, last_day: int) -> list[Loss]:
        """What went of these days by age or quota."""
        return read_losses(self._db, first_day, last_day)

    def drops(self, first_day: int, last_day: int) -> list[tuple[int, int]]:
        """(first, last) days of readings that were dropped after delivery and are in no piece."""
        return read_drops(self._db, first_day, last_day)

    def cut(self, lane: Lane) -> int:
        """Up to where the lane's rows were dropped after delivery."""
        found = row(self._db, "SELECT cut FROM lanes WHERE lane = ?", (int(lane),))
        return int(found[0]) if found else 0

    def peers(self) -> list[str]:
        """Every child ever heard."""
        return [name for (name,) in rows(self._db, "SELECT DISTINCT peer FROM branches ORDER BY peer")]

    def branches(self, peer: str) -> tuple[Branch, ...]:
        """Every history of a child."""
        return read_branches(self._db, peer)

    def series_of(self, peer: str) -> set[int]:
        """The series that came from a child or through it, by own id."""
        numbers = [n for (n,) in rows(self._db, "SELECT branch FROM branches WHERE peer = ?", (peer,))]
        return {series for n in numbers for series in series_map(self._db, peer, n).tolist()}

    def held_elsewhere(self, peer: str, branch: int, lane: Lane) -> int:
        """Up to which seq this node's own parent holds rows of a child's history; 0 = nothing is known."""
        return held_elsewhere(self._db, peer, branch, lane)

    def between(self, from_ns: int, to_ns: int, lane: Lane, after: int = 0, upto: int | None = None) -> Iterator[Group]:
        """Groups above `after`, up to `upto`, whose event times overlap [from_ns, to_ns], in seq order."""
        low, high = span(lane, after + 1)
        if upto is not None:
            high = min(high, span(lane, upto + 1)[0])
        wanted = "WHERE place >= ? AND place < ? AND ts_max >= ? AND ts_min <= ?"
        for stored in self._db.execute(SELECT + wanted, (low, high, from_ns, to_ns)):
            yield group_of(stored)

    def group(self, place: int) -> Group | None:
        """The group at a place."""
        stored = row(self._db, SELECT + "WHERE place = ?", (place,))
        return None if stored is None else group_of(stored)

    def missing(self, from_ns: int, to_ns: int) -> list[tuple[int, int, int, int, str]]:
        """Gaps of own and children's rows that overlap [from_ns, to_ns]: (lane, rows, from, to, reason)."""
        return list(
            rows(
                self._db,
                "SELECT lane, last - first + 1, ts_min, ts_max, reason FROM gaps "
                "WHERE ts_max >= ? AND ts_min <= ? ORDER BY ts_min LIMIT 1000",
                (from_ns, to_ns),
            )
        )

    def missing_above(self, from_ns: int, to_ns: int, lane: Lane, after: int) -> list[tuple[int, int, int, str]]:
        """Gaps of the node's own rows above `after` that overlap [from_ns, to_ns]: (from, to, rows, reason)."""
        return list(
            rows(
                self._db,
                "SELECT ts_min, ts_max, last - max(first, ?) + 1, reason FROM gaps WHERE origin = '' AND branch = 0 "
                "AND lane = ? AND last > ? AND ts_max >= ? AND ts_min <= ? ORDER BY ts_min LIMIT 500",
                (after + 1, int(lane), after, from_ns, to_ns),
            )
        )


@contextmanager
def snapshot(reader: JournalReader) -> Iterator[Snapshot]:
    """Everything read inside belongs to one moment."""
    with reader._connection() as db:  # noqa: SLF001  # same room
        db.execute("BEGIN")
        try:
            yield Snapshot(db)
        finally:
            db.execute("COMMIT")
