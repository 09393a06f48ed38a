"""Moves rows to the right time after the clock was set: the one write that changes rows already committed.

Only rows that nobody else holds may move: `after` names, lane by lane, the seq up to which rows were delivered,
offered, or stamped before the doubt began; what is after it is rewritten up to the head, in the caller's transaction.
Seqs, group bounds, values and series stay; times, qualities, `ts_min`, `ts_max` and the chain from the first changed
group on change together, so the chain fits the rows at every commit. Repeatable: it reads all from the transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from holdfast.journal import blobs
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.pieces import HISTORY
from holdfast.journal.reader import chain_at
from holdfast.journal.records import GENESIS, OWN, Group, GroupKind
from holdfast.journal.rows import SELECT, SEQ_MASK, group_of, insert, place_of, span
from holdfast.journal.transaction import EXCERPT, MADE_TO_LEAVE, REPORTS, Transaction
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import READING_LANES, Lane
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.storage.sqlite import row, rows

_UNSET = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_UNSET)
_UNVERIFIED = encode_quality(Quality.GOOD, Reason.CLOCK_UNVERIFIED)
_DOUBTFUL_TOO = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE_CLOCK_UNSET)
_OUT_OF_RANGE = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)
_MOVED = encode_quality(Quality.GOOD, Reason.CLOCK_RESTAMPED)
_MOVED_UNSURE = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_RESTAMPED)
_OURS = (
    _UNSET,
    _UNVERIFIED,
    _DOUBTFUL_TOO,
    _MOVED_UNSURE,  # moved once, by a clock that nobody had confirmed
    encode_quality(Quality.UNCERTAIN, Reason.CLOCK_AHEAD),  # took our time for its own
)
_BECOMES = {_UNSET: _MOVED, _UNVERIFIED: _MOVED, _MOVED_UNSURE: _MOVED, _DOUBTFUL_TOO: _OUT_OF_RANGE}
MOVED = np.zeros(256, np.bool_)
MOVED[[_MOVED, _MOVED_UNSURE]] = True
"""By quality: rows that were given another time."""
_MASK = np.zeros(256, np.bool_)
_MASK[list(_OURS)] = True


@dataclass(frozen=True, slots=True)
class Shift:
    """What to move, and how far.

    offset_ns:      added to the times
    from_ns, to_ns: only rows stamped by this node's clock with a time in here, both inclusive
    is_sure:        has the kernel confirmed the new time? Otherwise moved rows are uncertain, and may be moved again
    events:         do events in that range move, too? Only where no device can have told such a time
    """

    offset_ns: int
    from_ns: int
    to_ns: int
    is_sure: bool = True
    events: bool = False


REPAIR = "rules_restamp"
"""In `meta`: a move that the rules' checkpoint doesn't know of yet, as JSON `Unrepaired`."""


class Unrepaired(msgspec.Struct, frozen=True):
    """Rows above these seqs of the reading lanes moved; the rules had seen them at their former times."""

    offset_ns: int
    from_ns: int
    to_ns: int
    is_unset: bool
    after: list[int]


@dataclass(slots=True)
class Restamped:
    """What was done. rows: moved, lane by lane; skipped: lanes that were left alone, and why.

    begins: above which seq each lane's rows may have moved; shift: how far, None: nothing was to move
    """

    rows: dict[Lane, int] = field(default_factory=dict)
    skipped: dict[Lane, str] = field(default_factory=dict)
    begins: dict[Lane, int] = field(default_factory=dict, compare=False)
    shift: Shift | None = field(default=None, compare=False)

    def unrepaired(self, heads: Mapping[Lane, int]) -> Unrepaired | None:
        """What the rules must be told of it; None: nothing moved."""
        if self.shift is None or not self.rows:
            return None
        after = [heads[lane] if lane in self.skipped else self.begins.get(lane, heads[lane]) for lane in READING_LANES]
        return Unrepaired(self.shift.offset_ns, self.shift.from_ns, self.shift.to_ns, self.shift.events, after)


def restamp(batch: Batch, shift: Shift) -> Batch:
    """The batch with the rows that bear this node's doubtful stamps moved; the batch itself when there are none."""
    moves = _MASK[batch.quality] & (batch.ts >= shift.from_ns) & (batch.ts <= shift.to_ns)
    if not moves.any():
        return batch
    becomes = np.arange(256, dtype=np.uint8)
    for code, new in _BECOMES.items():
        becomes[code] = _MOVED_UNSURE if new == _MOVED and not shift.is_sure else new
    ts = np.where(moves, batch.ts + shift.offset_ns, batch.ts)
    quality = np.where(moves, becomes[batch.quality], batch.quality)
    return Batch(batch.series, ts, batch.value, quality, batch.texts)


def restamp_event(event: Event, shift: Shift) -> Event:
    """The event at its right time, if it moves; the id stays, as local subscribers have it already."""
    if not shift.from_ns <= event.ts <= shift.to_ns:
        return event
    why = {**event.why, "restamped_from": event.ts}
    return msgspec.structs.replace(event, ts=event.ts + shift.offset_ns, why=why)


def restamp_rows(
    tx: Transaction,
    after: Mapping[Lane, int],
    shift: Shift,
    *,
    max_rows: int,
    consumer: str,
) -> Restamped:
    """Move the rows of every lane after `after`, after what `consumer` has delivered, and after what lies in files.

    max_rows: a lane with more rows to read than that is left alone, so that intake isn't held up for long
    """
    done = Restamped(shift=shift)
    for lane in Lane:
        begin = done.begins[lane] = max(
            after.get(lane, 0), *(tx.draft.cursors.get((who, lane), 0) for who in (consumer, HISTORY))
        )
        if tx.draft.heads[lane] - begin > max_rows:
            done.skipped[lane] = f"more than {max_rows} rows wait"
            continue
        rewrite = _Lane(tx, lane, shift)
        chain = rewrite.chain_before(begin)
        if chain is None:
            done.skipped[lane] = "rows are missing among them"
            continue
        try:
            moved = rewrite.run(begin, chain)
        except GroupCorrupt:
            done.skipped[lane] = "a damaged group is among them"
            continue
        if moved:
            done.rows[lane] = moved
    return done


class _Lane:
    """One lane being rewritten."""

    def __init__(self, tx: Transaction, lane: Lane, shift: Shift) -> None:
        self._tx, self._lane, self._shift = tx, lane, shift

    def chain_before(self, begin: int) -> bytes | None:
        """The chain before the first group after `begin`; None = it can't be known."""
        low, high = span(self._lane, begin + 1)
        first = row(
            self._tx.db, "SELECT place FROM groups WHERE place >= ? AND place < ? ORDER BY place LIMIT 1", (low, high)
        )
        if first is None:
            return GENESIS  # nothing to rewrite
        seq = (int(first[0]) & SEQ_MASK) - 1
        return chain_at(self._tx.db, self._lane, seq)

    def run(self, begin: int, chain: bytes) -> int:
        """Rewrite the groups after `begin`; returns the rows moved.

        Raises:
            GroupCorrupt: when one of them is damaged; nothing is changed then.
        """
        changed: list[Group] = []
        total = 0
        for group in self._groups(begin):
            if group.kind is GroupKind.GAP:
                chain = group.chain  # only a word: what it stands for is gone
                continue
            moved, new, canonical = self._moved(group)
            chain = blobs.link(chain, canonical)
            total += moved
            if moved or (changed and chain != group.chain):
                changed.append(replace(new, chain=chain))
        for group in changed:
            self._tx.db.execute("DELETE FROM groups WHERE place = ?", (place_of(self._lane, group.first),))
            insert(self._tx.db, group)
        if changed and chain != self._tx.draft.chains[self._lane]:
            self._tx.set_head(self._lane, self._tx.draft.heads[self._lane], chain)
        return total

    def _groups(self, begin: int) -> Iterator[Group]:
        for stored in rows(
            self._tx.db, SELECT + "WHERE place >= ? AND place < ? ORDER BY place", span(self._lane, begin + 1)
        ):
            yield group_of(stored)

    def _moved(self, group: Group) -> tuple[int, Group, bytes]:
        """(rows moved, the group with them moved, its canonical bytes)."""
        is_own = group.origin in (
            OWN,
            MADE_TO_LEAVE.peer,
            EXCERPT.peer,
            REPORTS.peer,
        )  # a copy has its original's times
        if group.kind is GroupKind.EVENTS:
            events = blobs.decode_events(group.blob)
            late = [restamp_event(e, self._shift) for e in events] if is_own and self._shift.events else events
            moved = sum(a is not b for a, b in zip(events, late, strict=True))
            times = [event.ts for event in late]
            if moved:
                group = replace(group, blob=blobs.encode_events(late), ts_min=min(times), ts_max=max(times))
            return moved, group, blobs.canonical_events(late)
        if group.kind is GroupKind.MESSAGES:  # `ts` is what the node's clock said, not a measurement's time
            return 0, group, blobs.canonical(group)
        batch = blobs.decode_readings(group.blob)
        new = restamp(batch, self._shift) if is_own else batch
        moved = int(np.count_nonzero(new.ts != batch.ts))
        if new is not batch:
            bounds = int(new.ts.min()), int(new.ts.max())
            group = replace(group, blob=blobs.encode_readings(new), ts_min=bounds[0], ts_max=bounds[1])
        return moved, group, blobs.canonical_readings(new)
