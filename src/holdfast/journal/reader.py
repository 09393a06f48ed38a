"""Reads of the journal beside its writer: each call borrows a read-only connection, so any thread may ask."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from holdfast.journal.accounts import Accounts, read_accounts
from holdfast.journal.branches import read_branches
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.opening import Access
from holdfast.journal.records import (
    GENESIS,
    Branch,
    Gap,
    GapReason,
    Group,
    GroupKind,
    Incarnation,
    QuarantineRow,
)
from holdfast.journal.rows import LANE_SHIFT, SELECT, SEQ_MASK, group_of, read_groups, span
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, row, rows, translated


class JournalReader:
    """Committed rows of a journal file. Also works on its own, on a file whose node is stopped."""

    def __init__(self, access: Access | Path) -> None:
        self._access = access if isinstance(access, Access) else Access(access)
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()

    def read(self, lane: Lane, after: int, max_rows: int) -> list[Group]:
        """Groups with rows above `after`, in order; at least one if any, and together at most `max_rows` otherwise.

        Raises:
            GroupCorrupt: when the first of them is damaged; a later one ends the answer.
        """
        groups: list[Group] = []
        rows = 0
        with self._connection() as db:
            try:
                for group in read_groups(db, lane, after):
                    rows += len(group)
                    if groups and rows > max_rows:
                        break
                    groups.append(group)
            except GroupCorrupt:
                if not groups:
                    raise
        return groups

    def chain_at(self, lane: Lane, seq: int) -> bytes | None:
        """The chain at a group boundary, GENESIS at 0, None where there is no boundary (any more)."""
        with self._connection() as db:
            return chain_at(db, lane, seq)

    def is_unknowable(self, lane: Lane, seq: int) -> bool:
        """Was what ended at `seq` dropped or shed, so that its chain is gone?"""
        if seq <= self.cut(lane)[0]:
            return True
        return self.gap_rows(lane, seq - 1, seq) > 0

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        """Groups whose event times overlap [from_ns, to_ns], in seq order."""
        low, high = span(lane)
        with self._connection() as db:
            places = rows(
                db,
                "SELECT place FROM groups WHERE place >= ? AND place < ? AND ts_max >= ? AND ts_min <= ?",
                (low, high, from_ns, to_ns),
            )
            for place in places:
                stored = row(db, SELECT + "WHERE place = ?", place)
                if stored is not None:
                    yield group_of(stored)

    def places(self, lane: Lane, after: int, limit: int) -> list[tuple[int, int]]:
        """Where the groups with first > after lie, in order, and how many bytes each has."""
        low, high = span(lane, after + 1)
        with self._connection() as db:
            found = rows(
                db,
                "SELECT place, length(blob) FROM groups WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
                (low, high, limit),
            )
        return [(place, size) for place, size in found]

    def group(self, place: int) -> Group | None:
        """The group at a place.

        Raises:
            GroupCorrupt: when it is not what was written.
        """
        with self._connection() as db:
            stored = row(db, SELECT + "WHERE place = ?", (place,))
        return None if stored is None else group_of(stored)

    def end_of(self, place: int) -> int:
        """The last seq that a group at `place` can have, from its neighbour or the lane's head."""
        lane = Lane(place >> LANE_SHIFT)
        _, high = span(lane)
        with self._connection() as db:
            after = row(
                db, "SELECT place FROM groups WHERE place > ? AND place < ? ORDER BY place LIMIT 1", (place, high)
            )
        return (after[0] & SEQ_MASK) - 1 if after else self.heads()[lane]

    def cut(self, lane: Lane) -> tuple[int, bytes | None]:
        """Up to where the lane's rows were dropped after delivery, and the chain there if it's known."""
        with self._connection() as db:
            found = row(db, "SELECT cut, cut_chain FROM lanes WHERE lane = ?", (int(lane),))
        return (found[0], found[1]) if found else (0, GENESIS)

    def incarnations(self, last: int) -> list[Incarnation]:
        """The latest process starts, oldest first."""
        with self._connection() as db:
            found = rows(db, "SELECT uuid, heads FROM incarnations ORDER BY n DESC LIMIT ?", (last,))
        return [Incarnation(uuid, tuple(msgspec.json.decode(heads))) for uuid, heads in reversed(found)]

    def gaps(self, limit: int = 1_000) -> list[Gap]:
        """Rows that are gone, the node's own and those that children reported; the latest `limit`, oldest first."""
        with self._connection() as db:
            found = rows(
                db,
                "SELECT lane, first, last, bytes, reason, ts_min, ts_max, at_ns, origin, branch "
                "FROM gaps ORDER BY id DESC LIMIT ?",
                (limit,),
            )
        return [
            Gap(Lane(lane), first, last, size, GapReason(reason), low, high, at, origin, branch)
            for lane, first, last, size, reason, low, high, at, origin, branch in reversed(found)
        ]

    def gap_rows(self, lane: Lane, low: int, high: int) -> int:
        """How many of the node's own rows in (low, high] are gone."""
        with self._connection() as db:
            found = row(
                db,
                "SELECT sum(min(last, ?) - max(first, ?) + 1) FROM gaps "
                "WHERE origin = '' AND branch = 0 AND lane = ? AND last > ? AND first <= ?",
                (high, low + 1, int(lane), low, high),
            )
        return int(found[0] or 0) if found else 0

    def held_rows(self, lane: Lane, after: int) -> int:
        """Rows above `after` that are really in the file, counted group by group; gaps are none."""
        low, high = span(lane, after + 1)
        with self._connection() as db:
            found = row(
                db,
                "SELECT sum(last - (place & ?) + 1) FROM groups WHERE place >= ? AND place < ? AND kind <> ?",
                (SEQ_MASK, low, high, int(GroupKind.GAP)),
            )
        return int(found[0] or 0) if found else 0

    def accounts(self, consumer: str, *, count: bool = False) -> Accounts:
        """The numbers behind the ledger as of one moment. count: also count the rows that are really held."""
        with self._connection() as db:
            return read_accounts(db, consumer, count=count)

    def meta(self, key: str) -> str | None:
        """A small fact kept across restarts."""
        with self._connection() as db:
            found = row(db, "SELECT value FROM meta WHERE key = ?", (key,))
        return None if found is None else str(found[0])

    def cursor(self, consumer: str, lane: Lane) -> int:
        """How far a consumer has said it is."""
        with self._connection() as db:
            found = row(db, "SELECT seq FROM cursors WHERE consumer = ? AND lane = ?", (consumer, int(lane)))
        return int(found[0]) if found else 0

    def branches(self, peer: str) -> tuple[Branch, ...]:
        """What the journal remembers of a child, oldest history first."""
        with self._connection() as db:
            return read_branches(db, peer)

    def peer_names(self) -> list[str]:
        """Every child ever heard."""
        with self._connection() as db:
            return [name for (name,) in rows(db, "SELECT DISTINCT peer FROM branches ORDER BY peer")]

    def heads(self) -> dict[Lane, int]:
        """Last committed seq of each lane."""
        with self._connection() as db:
            found: dict[int, int] = dict(rows(db, "SELECT lane, head FROM lanes"))
        return {lane: found.get(int(lane), 0) for lane in Lane}

    def counters(self) -> dict[str, int]:
        """The ledger's counters as committed."""
        with self._connection() as db:
            return dict(rows(db, "SELECT name, value FROM counters"))

    def quarantined(self, limit: int) -> list[QuarantineRow]:
        """The latest rejected messages, newest first."""
        with self._connection() as db:
            latest = rows(
                db,
                "SELECT id, received_ns, source, topic, reason, detail, payload "
                "FROM quarantine ORDER BY id DESC LIMIT ?",
                (limit,),
            )
        return [QuarantineRow(*stored) for stored in latest]

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
            db = self._access.reader()
        try:
            with translated():
                yield db
        finally:
            self._idle.put(db)


def chain_at(db: Connection, lane: Lane, seq: int) -> bytes | None:
    """The chain at a group boundary, GENESIS at 0, None where there is no boundary (any more)."""
    if seq == 0:
        return GENESIS
    low, _ = span(lane)
    found = row(
        db,
        "SELECT last, chain FROM groups WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
        (low, low - 1 + seq),
    )
    if found is not None and found[0] == seq:
        return bytes(found[1])
    for head, chain, cut, cut_chain in rows(
        db, "SELECT head, chain, cut, cut_chain FROM lanes WHERE lane = ?", (int(lane),)
    ):
        if head == seq:
            return bytes(chain)
        if cut == seq and cut_chain is not None:
            return bytes(cut_chain)
    return None
