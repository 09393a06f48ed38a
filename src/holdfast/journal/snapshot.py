"""The catalogue of the memory and the groups that aren't in it yet, as of one moment.

While a snapshot is open, no checkpoint of the WAL gets past it: hold it for a question, not for an hour.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.journal.pieces import (
    Loss,
    Memory,
    Piece,
    Trash,
    read_alert_marks,
    read_losses,
    read_memory,
    read_pieces,
    read_trash,
)
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Group
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

    def between(self, from_ns: int, to_ns: int, lane: Lane, after: int = 0) -> Iterator[Group]:
        """Groups above `after` whose event times overlap [from_ns, to_ns], in seq order."""
        low, high = span(lane, after + 1)
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


@contextmanager
def snapshot(reader: JournalReader) -> Iterator[Snapshot]:
    """Everything read inside belongs to one moment."""
    with reader._connection() as db:  # noqa: SLF001  # same room
        db.execute("BEGIN")
        try:
            yield Snapshot(db)
        finally:
            db.execute("COMMIT")
