"""Making room: what the parent holds is dropped, the rest is shed and counted, oldest first (DESIGN §5, G5).

A shed range becomes one group of kind GAP at the same place: it keeps the seqs dense and the chain unbroken, and
travels to the parent in order like any other. Delete, gap and counters are one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.journal import blobs, queued
from holdfast.journal.pieces import HISTORY, add_drops
from holdfast.journal.records import GENESIS, OWN, Gap, GapReason, Group, GroupKind
from holdfast.journal.rows import SELECT, SEQ_MASK, group_of, insert, place_of, span
from holdfast.journal.summaries import summarise
from holdfast.journal.transaction import EXCERPT, Transaction
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import row, rows


@dataclass(frozen=True, slots=True)
class Head:
    """A stored group without its rows. size: bytes of its blob."""

    place: int
    last: int
    kind: GroupKind
    ts_min: int
    ts_max: int
    size: int

    @property
    def first(self) -> int:
        """The first row's seq."""
        return self.place & SEQ_MASK

    def __len__(self) -> int:
        return self.last - self.first + 1


def heads_after(tx: Transaction, lane: Lane, after: int, limit: int) -> list[Head]:
    """The oldest groups of a lane whose first row is above `after`."""
    low, high = span(lane, after + 1)
    found = rows(
        tx.db,
        "SELECT place, last, kind, ts_min, ts_max, coalesce(length(blob), 0) FROM groups "
        "WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
        (low, high, limit),
    )
    return [Head(place, last, GroupKind(kind), *rest) for place, last, kind, *rest in found]


def oldest_kept(tx: Transaction, lane: Lane) -> int:
    """The earliest event time of a lane's oldest group that isn't a gap, ns UTC; for an empty lane the end of time."""
    low, high = span(lane)
    found = row(
        tx.db,
        "SELECT ts_min FROM groups WHERE place >= ? AND place < ? AND kind <> ? ORDER BY place LIMIT 1",
        (low, high, int(GroupKind.GAP)),
    )
    return int(found[0]) if found else 2**63


def drop_delivered(tx: Transaction, lane: Lane, upto: int, max_groups: int, older_than: int | None = None) -> int:
    """Delete the oldest groups that end at or below `upto`, which the parent has; returns the rows dropped.

    older_than: only groups whose event times all lie before it, ns UTC
    """
    gone = []
    for head in heads_after(tx, lane, 0, max_groups):
        if head.last > upto or (older_than is not None and head.ts_max >= older_than):
            break
        gone.append(head)
    if not gone:
        return 0
    chain = row(tx.db, "SELECT chain FROM groups WHERE place = ?", (gone[-1].place,))
    tx.db.execute("DELETE FROM groups WHERE place BETWEEN ? AND ?", (gone[0].place, gone[-1].place))
    tx.db.execute(
        "UPDATE lanes SET cut = ?, cut_chain = ? WHERE lane = ?", (gone[-1].last, chain and chain[0], int(lane))
    )
    dropped = sum(len(head) for head in gone if head.kind is not GroupKind.GAP)
    tx.count(f"rows_dropped.lane{int(lane)}", dropped)
    filed = tx.draft.cursors.get((HISTORY, lane), 0)
    readings = [head for head in gone if head.kind is GroupKind.READINGS and head.last > filed]
    add_drops(tx.db, [(head.ts_min, head.ts_max, len(head)) for head in readings])
    return dropped


def forget_quarantined(tx: Transaction, most: int) -> int:
    """Delete the oldest refused messages, counted; returns how many. What could not be read is worth least."""
    tx.db.execute("DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine ORDER BY id LIMIT ?)", (most,))
    gone = tx.db.changes()
    tx.count("quarantine_dropped", gone)
    return gone


# Messages are done in about the order they came in; what lies behind so many that aren't can wait.
MOST_LOOKED_AT = 5_000


def shed_consumed(tx: Transaction, max_groups: int, now_ns: int) -> int:
    """Let messages go that ended at this node and are done, oldest first; returns how many. For topmost nodes only.

    Elsewhere they have to reach the parent first, and are then dropped like everything else.
    """
    low, high = span(Lane.CRITICAL)
    sql = "SELECT place FROM groups WHERE place >= ? AND place < ? AND kind = ? ORDER BY place LIMIT ?"
    wanted, done = queued.consumed(tx.db), list[Head]()
    for (place,) in rows(tx.db, sql, (low, high, int(GroupKind.MESSAGES), MOST_LOOKED_AT)):
        stored = row(tx.db, SELECT + "WHERE place = ?", (place,))
        if stored is not None and queued.is_settled(tx.db, group := group_of(stored), wanted):
            done.append(Head(place, group.last, group.kind, group.ts_min, group.ts_max, len(group.blob)))
        if len(done) == max_groups:
            break
    return sum(len(leave_gap(tx, Lane.CRITICAL, [head], GapReason.CONSUMED, now_ns)) for head in done)


def shed(
    tx: Transaction,
    lane: Lane,
    after: int,
    max_groups: int,
    reason: GapReason,
    now_ns: int,
    *,
    older_than: int | None = None,
    summary_step_ns: int = 0,
) -> int:
    """Replace the oldest undelivered groups of a lane by a gap; returns the rows shed.

    after:           what the parent has; groups above it are shed
    older_than:      only groups whose event times all lie before it, ns UTC
    summary_step_ns: not 0: first append per-series steps of that length to lane 1 (readings only)
    """
    run = _run(heads_after(tx, lane, _skip_gaps(tx, lane, after), max_groups), older_than)
    if not run:
        return 0
    if summary_step_ns:
        _summarise(tx, run, summary_step_ns)
        reason = GapReason.SUMMARISED
    return len(leave_gap(tx, lane, run, reason, now_ns))


def leave_gap(tx: Transaction, lane: Lane, run: Sequence[Head], reason: GapReason, now_ns: int) -> Gap:
    """Put a gap in the place of consecutive groups, count it, and join it to an equal one before it."""
    (chain,) = row(tx.db, "SELECT chain FROM groups WHERE place = ?", (run[-1].place,)) or (b"",)
    tx.db.execute("DELETE FROM groups WHERE place BETWEEN ? AND ?", (run[0].place, run[-1].place))
    gap = Gap(
        lane,
        run[0].first,
        run[-1].last,
        sum(head.size for head in run),
        reason,
        min(head.ts_min for head in run),
        max(head.ts_max for head in run),
        now_ns,
    )
    place_gap(tx, gap, bytes(chain))
    return gap


def place_gap(tx: Transaction, gap: Gap, chain: bytes) -> None:
    """Store a gap whose place is empty: the group, its account and the counter."""
    whole = _joined(tx, gap)
    insert(tx.db, gap_group(whole, chain))
    tx.db.execute(
        "DELETE FROM gaps WHERE origin = '' AND lane = ? AND first >= ? AND last <= ?",
        (int(gap.lane), whole.first, whole.last),
    )
    add_gap(tx, whole)
    tx.count(f"rows_shed.lane{int(gap.lane)}.{gap.reason}", len(gap))


def gap_group(gap: Gap, chain: bytes) -> Group:
    """The group that stands for a gap in its lane."""
    blob = blobs.encode_gap(gap)
    return Group(gap.lane, gap.first, gap.last, GroupKind.GAP, gap.ts_min, gap.ts_max, chain, blob)


def add_gap(tx: Transaction, gap: Gap) -> None:
    """Account for a gap: an own one, or one that a child reported."""
    tx.db.execute(
        "INSERT INTO gaps (origin, branch, lane, first, last, bytes, reason, ts_min, ts_max, at_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            gap.origin,
            gap.branch,
            int(gap.lane),
            gap.first,
            gap.last,
            gap.bytes,
            str(gap.reason),
            gap.ts_min,
            gap.ts_max,
            gap.at_ns,
        ),
    )


def forget(tx: Transaction, lane: Lane, after: int, now_ns: int) -> Gap | None:
    """The parent lacks rows that were delivered and dropped here: say so, as a gap from `after` to what is held.

    A chain that wasn't kept (before schema 2) begins anew there: see `integrity.rechain_unless`.
    """
    found = row(tx.db, "SELECT cut, cut_chain FROM lanes WHERE lane = ?", (int(lane),))
    if found is None or found[0] <= after:
        return None
    gap = Gap(lane, after + 1, found[0], 0, GapReason.FORGOTTEN, 0, 0, now_ns)
    insert(tx.db, gap_group(gap, bytes(found[1] or GENESIS)))
    for first, last in _uncovered(own_gaps(tx, lane), gap.first, gap.last):  # some of them may have been shed before
        piece = replace(gap, first=first, last=last)
        add_gap(tx, piece)
        tx.count(f"rows_shed.lane{int(lane)}.{gap.reason}", len(piece))
    tx.db.execute("UPDATE lanes SET cut = ?, cut_chain = NULL WHERE lane = ?", (after, int(lane)))
    return gap


def _uncovered(spans: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """The parts of first..last that no span covers; spans ascend."""
    parts = []
    for low, high in spans:
        if high < first or low > last:
            continue
        if low > first:
            parts.append((first, low - 1))
        first = high + 1
    return [*parts, (first, last)] if first <= last else parts


def _skip_gaps(tx: Transaction, lane: Lane, after: int) -> int:
    """The last seq of the gaps that directly follow `after`, or `after`."""
    low, high = span(lane, after + 1)
    kept = row(
        tx.db,
        "SELECT place FROM groups WHERE place >= ? AND place < ? AND kind <> ? ORDER BY place LIMIT 1",
        (low, high, int(GroupKind.GAP)),
    )
    return after if kept is None else (kept[0] & SEQ_MASK) - 1


def _run(heads: Sequence[Head], older_than: int | None) -> list[Head]:
    run: list[Head] = []
    for head in heads:
        if head.kind is GroupKind.GAP or (older_than is not None and head.ts_max >= older_than):
            break
        run.append(head)
    return run


def _joined(tx: Transaction, gap: Gap) -> Gap:
    """The gap with an equal one right before it, whose group is taken away; damaged ones stay apart for repair."""
    if gap.reason is GapReason.DAMAGED:
        return gap
    base, _ = span(gap.lane, 0)
    stored = row(
        tx.db,
        SELECT + "WHERE place > ? AND place < ? ORDER BY place DESC LIMIT 1",
        (base, place_of(gap.lane, gap.first)),
    )
    if stored is None or stored[1] != gap.first - 1 or stored[2] != GroupKind.GAP:
        return gap
    before = blobs.decode_gap(group_of(stored))
    if before.reason != gap.reason:
        return gap
    tx.db.execute("DELETE FROM groups WHERE place = ?", (stored[0],))
    return replace(
        gap,
        first=before.first,
        bytes=before.bytes + gap.bytes,
        ts_min=min(before.ts_min, gap.ts_min),
        ts_max=max(before.ts_max, gap.ts_max),
    )


def _summarise(tx: Transaction, run: Sequence[Head], step_ns: int) -> None:
    stored = rows(tx.db, SELECT + "WHERE place BETWEEN ? AND ? ORDER BY place", (run[0].place, run[-1].place))
    groups = [group_of(one) for one in stored]
    own: dict[str, list[Batch]] = {}
    for group in groups:
        if group.kind is GroupKind.READINGS and group.origin != EXCERPT.peer:  # of those there are summaries
            own.setdefault(group.origin, []).append(blobs.decode_readings(group.blob))
    for batches in own.values():
        steps = summarise(batches, tx.catalogue, step_ns)
        if len(steps):
            tx.append_readings(Lane.NORMAL, steps)
            tx.count("readings_summarised", len(steps))


def own_gaps(tx: Transaction, lane: Lane) -> list[tuple[int, int]]:
    """(first, last) of every gap of the node's own lane, ascending."""
    found = rows(tx.db, "SELECT first, last FROM gaps WHERE origin = ? AND lane = ? ORDER BY last", (OWN, int(lane)))
    return [(first, last) for first, last in found]
