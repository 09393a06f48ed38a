"""Reads of the journal beside its writer: each call borrows a read-only connection, so any thread may ask."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.journal import quarantine
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.records import GENESIS, Group, PeerState, QuarantineRow
from holdfast.journal.transaction import LANE_SHIFT, group_of, read_peer
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, open_reader, row, rows, translated

EVERYTHING = QuarantineFilter()
_GROUPS = "SELECT place, last, kind, ts_min, ts_max, origin, chain, blob FROM groups "


class JournalReader:
    """Committed rows of a journal file. Also works on its own, on a file whose node is stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()

    def read(self, lane: Lane, after: int, max_rows: int) -> list[Group]:
        """Groups with first > after, in order; at least one if any, and together at most `max_rows` otherwise."""
        groups: list[Group] = []
        rows = 0
        low, high = _span(lane, after + 1)
        with self._connection() as db:
            for stored in db.execute(_GROUPS + "WHERE place >= ? AND place < ? ORDER BY place", (low, high)):
                group = group_of(stored)
                rows += len(group)
                if groups and rows > max_rows:
                    break
                groups.append(group)
        return groups

    def chain_at(self, lane: Lane, seq: int) -> bytes | None:
        """The chain at a group boundary, GENESIS at 0, None where there is no boundary (any more)."""
        if seq == 0:
            return GENESIS
        low, _ = _span(lane, 1)
        with self._connection() as db:
            found = row(
                db,
                "SELECT last, chain FROM groups WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
                (low, low - 1 + seq),
            )
            if found is None or found[0] != seq:
                found = row(db, "SELECT head, chain FROM lanes WHERE lane = ? AND head = ?", (int(lane), seq))
        return found[1] if found else None

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        """Groups whose event times overlap [from_ns, to_ns], in seq order."""
        low, high = _span(lane, 1)
        with self._connection() as db:
            places = rows(
                db,
                "SELECT place FROM groups WHERE place >= ? AND place < ? AND ts_max >= ? AND ts_min <= ?",
                (low, high, from_ns, to_ns),
            )
            for place in places:
                stored = row(db, _GROUPS + "WHERE place = ?", place)
                if stored is not None:
                    yield group_of(stored)

    def cursor(self, consumer: str, lane: Lane) -> int:
        """How far a consumer has said it is."""
        with self._connection() as db:
            found = row(db, "SELECT seq FROM cursors WHERE consumer = ? AND lane = ?", (consumer, int(lane)))
        return int(found[0]) if found else 0

    def peer(self, name: str) -> PeerState | None:
        """What the journal remembers of a child."""
        with self._connection() as db:
            return read_peer(db, name)

    def peer_names(self) -> list[str]:
        """Every child ever heard."""
        with self._connection() as db:
            return [name for (name,) in rows(db, "SELECT name FROM peers ORDER BY name")]

    def heads(self) -> dict[Lane, int]:
        """Last committed seq of each lane."""
        with self._connection() as db:
            found: dict[int, int] = dict(rows(db, "SELECT lane, head FROM lanes"))
        return {lane: found.get(int(lane), 0) for lane in Lane}

    def counters(self) -> dict[str, int]:
        """The ledger's counters as committed."""
        with self._connection() as db:
            return dict(rows(db, "SELECT name, value FROM counters"))

    def quarantined(
        self, limit: int, wanted: QuarantineFilter = EVERYTHING, before: int = quarantine.LAST_ID
    ) -> list[QuarantineRow]:
        """The latest wanted messages with an id below `before`, newest first; fewer when they are large."""
        with self._connection() as db:
            return quarantine.fetch(db, quarantine.find(db, wanted, limit, before=before))

    def quarantined_after(self, after: int, limit: int, wanted: QuarantineFilter) -> list[QuarantineRow]:
        """The oldest wanted messages with an id above `after`; fewer when they are large, none when there are none."""
        with self._connection() as db:
            return quarantine.fetch(db, quarantine.find(db, wanted, limit, after))

    def dedupe_keys(self) -> list[bytes]:
        """The remembered dedupe keys, one blob a commit, oldest first."""
        with self._connection() as db:
            return [keys for (keys,) in rows(db, "SELECT keys FROM dedupe ORDER BY id")]

    def retained(self) -> dict[str, bytes]:
        """The retained messages by topic."""
        with self._connection() as db:
            return dict(rows(db, "SELECT topic, payload FROM retained"))

    def checkpoint(self, consumer: str) -> tuple[int, bytes] | None:
        """A consumer's stored state and the seq it stands for."""
        with self._connection() as db:
            found = row(db, "SELECT seq, data FROM checkpoints WHERE consumer = ?", (consumer,))
        return (int(found[0]), found[1]) if found else None

    def close(self) -> None:
        """Close the idle connections."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            db = self._idle.get_nowait()
        except queue.Empty:
            db = open_reader(self._path)
        try:
            with translated():
                yield db
        finally:
            self._idle.put(db)


def _span(lane: Lane, first: int) -> tuple[int, int]:
    base = int(lane) << LANE_SHIFT
    return base | first, base + (1 << LANE_SHIFT)
