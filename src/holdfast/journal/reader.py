"""Reads of the journal beside its writer: each call borrows a read-only connection, so any thread may ask."""

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from holdfast.journal import quarantine, queued, register
from holdfast.journal.accounts import Accounts, read_accounts
from holdfast.journal.branches import heads_of, read_branches
from holdfast.journal.branches import series_map as read_series_map
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.opening import Access
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.queued import Depth, Queued
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
from holdfast.journal.rows import LANE_SHIFT, SELECT, SEQ_MASK, group_of, oldest, read_groups, span
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, row, rows, translated

R = TypeVar("R")
EVERYTHING = QuarantineFilter()
ANY_SIZE = 1 << 62
_GAPS = "SELECT lane, first, last, bytes, reason, ts_min, ts_max, at_ns, origin, branch FROM gaps "


class JournalReader:
    """Committed rows of a journal file. Also works on its own, on a file whose node is stopped."""

    def __init__(self, access: Access | Path) -> None:
        self._access = access if isinstance(access, Access) else Access(access)
        self._idle: queue.LifoQueue[Connection] = queue.LifoQueue()

    def look(self, read: Callable[[Connection], R]) -> R:
        """Run a read of this room's tables. Blocking, any thread."""
        with self._connection() as db:
            return read(db)

    def read(self, lane: Lane, after: int, max_rows: int, max_bytes: int = ANY_SIZE) -> list[Group]:
        """Groups with rows above `after`, in order; at least one if any, and otherwise together at most `max_rows`.

        max_bytes: likewise, of stored blobs

        Raises:
            GroupCorrupt: when the first of them is damaged; a later one ends the answer.
        """
        groups: list[Group] = []
        rows = size = 0
        with self._connection() as db:
            try:
                for group in read_groups(db, lane, after):
                    rows += len(group)
                    size += len(group.blob)
                    if groups and (rows > max_rows or size > max_bytes):
                        break
                    groups.append(group)
            except GroupCorrupt:
                if not groups:
                    raise
        return groups

    def used_bytes(self) -> int:
        """Bytes of pages in use; free pages inside the file don't count. Blocking, any thread."""
        with self._connection() as db:
            pages, free, size = (int(db.pragma(p)) for p in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

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

    def latest_events(self, lane: Lane, limit: int) -> list[Group]:
        """The last `limit` groups of events in a lane, newest first; damaged ones are passed over, as the scrub tells.

        Found by an index of their own: between two alerts there may be a million messages.
        """
        low, high = span(lane)
        kind = f"kind = {int(GroupKind.EVENTS)}"  # as the index has it
        sql = SELECT + f"WHERE place >= ? AND place < ? AND {kind} ORDER BY place DESC LIMIT ?"
        found: list[Group] = []
        with self._connection() as db:
            for stored in rows(db, sql, (low, high, limit)):
                with suppress(GroupCorrupt):
                    found.append(group_of(stored))
        return found

    def events_after(self, lane: Lane, after: int, limit: int) -> list[Group]:
        """The first `limit` groups of events above `after`, by the same index; damaged ones are passed over."""
        sql = SELECT + f"WHERE place >= ? AND place < ? AND kind = {int(GroupKind.EVENTS)} ORDER BY place LIMIT ?"
        found: list[Group] = []
        with self._connection() as db:
            for stored in rows(db, sql, (*span(lane, after + 1), limit)):
                with suppress(GroupCorrupt):
                    found.append(group_of(stored))
        return found

    def first_time(self, lane: Lane, from_ns: int) -> int | None:
        """The earliest event time at or after `from_ns` (ns UTC) that the lane's readings may have; None = none."""
        low, high = span(lane)
        with self._connection() as db:
            found = row(
                db,
                "SELECT min(max(ts_min, ?)) FROM groups WHERE place >= ? AND place < ? AND ts_max >= ? AND kind = ?",
                (from_ns, low, high, from_ns, int(GroupKind.READINGS)),
            )
        return None if found is None or found[0] is None else int(found[0])

    def oldest(self, lane: Lane, after: int) -> int | None:
        """The first event time (ns UTC) of the first group with rows above `after`; None = there is none."""
        with self._connection() as db:
            return oldest(db, lane, after)

    def places(self, lane: Lane, after: int, limit: int) -> list[tuple[int, int]]:
        """Where the groups with first > after lie, in order, and how many bytes each has."""
        low, high = span(lane, after + 1)
        with self._connection() as db:
            found = rows(
                db,
                "SELECT place, coalesce(length(blob), 0) FROM groups "
                "WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
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
        return [Incarnation(uuid, heads_of(heads)) for uuid, heads in reversed(found)]

    def gaps(self, limit: int = 1_000) -> list[Gap]:
        """Rows that are gone, the node's own and those that children reported; the latest `limit`, oldest first."""
        with self._connection() as db:
            return [_gap(found) for found in reversed(rows(db, _GAPS + "ORDER BY id DESC LIMIT ?", (limit,)))]

    def damaged_gaps(self) -> list[Gap]:
        """The node's own rows that the disk damaged and nobody has given back, oldest first."""
        with self._connection() as db:
            wanted = "WHERE origin = '' AND branch = 0 AND reason = ? ORDER BY id"
            return [_gap(found) for found in rows(db, _GAPS + wanted, (GapReason.DAMAGED.value,))]

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

    def of_child(self, peer: str, branch: int, lane: Lane, first: int, last: int) -> list[Group]:
        """Groups with rows first..last of a child's branch, by the child's own seqs."""
        with self._connection() as db:
            # The group before the first that starts inside may reach into the span.
            begin = row(
                db,
                "SELECT max(origin_first) FROM groups "
                "WHERE origin = ? AND branch = ? AND place >> 56 = ? AND origin_first <= ?",
                (peer, branch, int(lane), first),
            )
            found = rows(
                db,
                SELECT + "WHERE origin = ? AND branch = ? AND place >> 56 = ? AND origin_first BETWEEN ? AND ? "
                "ORDER BY origin_first",
                (peer, branch, int(lane), (begin and begin[0]) or first, last),
            )
        return [group for group in map(group_of, found) if group.origin_first + len(group) > first]

    def series_map(self, peer: str, branch: int) -> NDArray[np.int32]:
        """A child's series id -> own id, shape (known,)."""
        with self._connection() as db:
            return read_series_map(db, peer, branch)

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

    def waiting(self, queue: str, busy: Sequence[str], limit: int, max_bytes: int) -> list[Queued]:
        """The oldest messages that wait in a queue, of sources that aren't `busy`; see `queued.waiting`."""
        with self._connection() as db:
            return queued.waiting(db, queue, busy, limit, max_bytes)

    def dead_letters(self, queue: str, after: int = 0, limit: int = 1_000) -> list[Queued]:
        """A queue's dead letters above a place, oldest first."""
        with self._connection() as db:
            return queued.dead_letters(db, queue, after, limit)

    def queue_depths(self) -> list[Depth]:
        """The account of every queue consumed here."""
        with self._connection() as db:
            db.execute("BEGIN")
            try:
                return queued.depths(db)
            finally:
                db.execute("COMMIT")

    def register_head(self) -> tuple[int, str]:
        """Rows of the residency register, and the chain at the last as hex digits."""
        with self._connection() as db:
            number, chain = register.head(db)
        return number, chain.hex()

    def register(self) -> tuple[list[register.Entry], dict[int, dict[str, dict[str, int]]]]:
        """The residency register: every row, verified, and the counts that aren't sealed yet, of one moment."""
        with self._connection() as db:
            db.execute("BEGIN")
            try:
                return register.read_log(db), register.read_counts(db)
            finally:
                db.execute("COMMIT")

    def register_days(self) -> list[int]:
        """Days (since 1970 UTC) with counts that aren't sealed yet."""
        with self._connection() as db:
            return [day for (day,) in rows(db, "SELECT DISTINCT day FROM residency_counts ORDER BY day")]

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
    def borrowed(self) -> Iterator[Connection]:
        """A read-only connection, for this room's own modules."""
        with self._connection() as db:
            yield db

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


def _gap(found: tuple[Any, ...]) -> Gap:
    lane, first, last, size, reason, *rest = found
    return Gap(Lane(lane), first, last, size, GapReason(reason), *rest)


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
