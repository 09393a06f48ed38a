"""The numbers behind the conservation law (G5), read in one snapshot so that they belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.journal.records import Gap, GapReason, GroupKind
from holdfast.journal.rows import SEQ_MASK, span
from holdfast.model.lane import Lane
from holdfast.storage.sqlite import Connection, row, rows


@dataclass(frozen=True, slots=True)
class LaneAccount:
    """One lane. cut: rows up to here were delivered and dropped; held: rows really in the file above the cut."""

    lane: Lane
    head: int
    delivered: int
    cut: int
    gaps: tuple[Gap, ...] = ()
    held: int | None = None

    def gap_rows(self, low: int, high: int) -> int:
        """Rows in (low, high] that are gone."""
        return sum(max(0, min(gap.last, high) - max(gap.first, low + 1) + 1) for gap in self.gaps)

    def by_reason(self) -> dict[str, int]:
        """Rows that are gone, by reason."""
        found: dict[str, int] = {}
        for gap in self.gaps:
            found[gap.reason] = found.get(gap.reason, 0) + len(gap)
        return found


@dataclass(frozen=True, slots=True)
class BranchAccount:
    """One lane of one history of a child: wm - start must be rows + gap_rows + shared."""

    child: str
    branch: int
    lane: int
    wm: int
    start: int
    rows: int
    gap_rows: int
    shared: int
    head_seen: int
    suspect: bool


@dataclass(frozen=True, slots=True)
class Accounts:
    """Everything a ledger is made of."""

    counters: dict[str, int] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    lanes: tuple[LaneAccount, ...] = ()
    children: tuple[BranchAccount, ...] = ()


def read_accounts(db: Connection, consumer: str, *, count: bool) -> Accounts:
    """The accounts as of one snapshot. count: also count the rows that are really held, group by group."""
    db.execute("BEGIN")
    try:
        return Accounts(
            dict(rows(db, "SELECT name, value FROM counters")),
            dict(rows(db, "SELECT key, value FROM meta")),
            tuple(_lane(db, lane, consumer, count=count) for lane in Lane),
            _children(db),
        )
    finally:
        db.execute("COMMIT")


def _lane(db: Connection, lane: Lane, consumer: str, *, count: bool) -> LaneAccount:
    head, cut = row(db, "SELECT head, cut FROM lanes WHERE lane = ?", (int(lane),)) or (0, 0)
    cursor = row(db, "SELECT seq FROM cursors WHERE consumer = ? AND lane = ?", (consumer, int(lane)))
    held = None
    if count:
        low, high = span(lane)
        (held,) = row(
            db,
            "SELECT coalesce(sum(last - (place & ?) + 1), 0) FROM groups WHERE place >= ? AND place < ? AND kind <> ?",
            (SEQ_MASK, low, high, int(GroupKind.GAP)),
        ) or (0,)
    return LaneAccount(lane, head, cursor[0] if cursor else 0, cut, tuple(_gaps(db, lane)), held)


def _gaps(db: Connection, lane: Lane) -> Sequence[Gap]:
    found = rows(
        db,
        "SELECT first, last, bytes, reason, ts_min, ts_max, at_ns FROM gaps "
        "WHERE origin = '' AND lane = ? ORDER BY last",
        (int(lane),),
    )
    return [
        Gap(lane, first, last, size, GapReason(reason), low, high, at)
        for first, last, size, reason, low, high, at in found
    ]


def _children(db: Connection) -> tuple[BranchAccount, ...]:
    found = rows(
        db,
        "SELECT m.peer, m.branch, m.lane, m.wm, m.start, m.rows, m.gap_rows, m.shared, m.head_seen, b.suspect "
        "FROM branch_marks m JOIN branches b ON b.peer = m.peer AND b.branch = m.branch ORDER BY 1, 2, 3",
    )
    return tuple(
        BranchAccount(child, branch, lane, wm, start, n, gone, shared, seen, bool(suspect))
        for child, branch, lane, wm, start, n, gone, shared, seen, suspect in found
    )
