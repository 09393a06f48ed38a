"""Moves rows to the right time after the clock was set: the one write that changes rows already committed.

Only rows that nobody else holds may move: `after` names, lane by lane, the seq up to which rows were delivered,
offered, or stamped before the doubt began; what is after it is rewritten up to the head, in the caller's transaction.
Seqs, group bounds, values and series stay; times, qualities, `ts_min`, `ts_max` and the chain from the first changed
group on change together, so the chain fits the rows at every commit. Repeatable: it reads all from the transaction.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from holdfast.journal import blobs
from holdfast.journal.records import GENESIS, GroupKind
from holdfast.journal.transaction import LANE_SHIFT, Transaction
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.storage.sqlite import Connection, row

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


@dataclass(slots=True)
class Restamped:
    """What was done. rows: moved, lane by lane; skipped: lanes that were left alone, and why."""

    rows: dict[Lane, int] = field(default_factory=dict)
    skipped: dict[Lane, str] = field(default_factory=dict)


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
    transaction: Transaction,
    after: Mapping[Lane, int],
    shift: Shift,
    *,
    chains: Mapping[Lane, tuple[int, bytes]],
    max_rows: int,
    consumer: str,
) -> Restamped:
    """Move the rows of every lane after `after`, and after what `consumer` has delivered.

    chains:   (seq, chain there) of each lane, for where the group before the first one is not in the journal any more
    max_rows: a lane with more rows to read than that is left alone, so that intake isn't held up for long
    """
    done = Restamped()
    for lane in Lane:
        begin = max(after.get(lane, 0), transaction.draft.cursors.get((consumer, lane), 0))
        if transaction.draft.heads[lane] - begin > max_rows:
            done.skipped[lane] = f"more than {max_rows} rows wait"
            continue
        rewrite = _Lane(transaction, lane, shift)
        chain = rewrite.chain_before(begin, chains.get(lane, (0, GENESIS)))
        if chain is None:
            done.skipped[lane] = "the rows before them are not in the journal any more"
            continue
        moved = rewrite.run(begin, chain)
        if moved:
            done.rows[lane] = moved
    return done


class _Lane:
    """One lane being rewritten."""

    def __init__(self, transaction: Transaction, lane: Lane, shift: Shift) -> None:
        self._transaction = transaction
        self._db: Connection = transaction._db  # noqa: SLF001  # same room
        self._lane, self._shift = lane, shift
        self._base = int(lane) << LANE_SHIFT

    def chain_before(self, begin: int, known: tuple[int, bytes]) -> bytes | None:
        """The chain before the first group after `begin`; None = it can't be known."""
        end = self._base + (1 << LANE_SHIFT)
        first = row(
            self._db,
            "SELECT place FROM groups WHERE place > ? AND place < ? ORDER BY place LIMIT 1",
            (self._base + begin, end),
        )
        if first is None:
            return GENESIS  # nothing to rewrite
        before = row(
            self._db,
            "SELECT last, chain FROM groups WHERE place > ? AND place < ? ORDER BY place DESC LIMIT 1",
            (self._base, first[0]),
        )
        seq = int(first[0]) - self._base - 1
        for at, chain in [(0, GENESIS), known] if before is None else [(0, GENESIS), before, known]:
            if at == seq:
                return bytes(chain)
        return None

    def run(self, begin: int, chain: bytes) -> int:
        """Rewrite the groups after `begin`; returns the rows moved."""
        moved, changed = 0, False
        for place, kind, origin, blob in self._groups(begin):
            if kind == GroupKind.READINGS:
                n, bounds, canonical, new = self._readings(blob, own=not origin)
            else:
                n, bounds, canonical, new = self._events(blob, own=not origin)
            chain = blobs.link(chain, canonical)
            moved += n
            changed = changed or n > 0
            if changed:
                self._store(place, bounds, chain, new)
        if changed:
            self._db.execute("UPDATE lanes SET chain = ? WHERE lane = ?", (chain, int(self._lane)))
            self._transaction.draft.chains[self._lane] = chain
        return moved

    def _groups(self, begin: int) -> Iterator[tuple[int, int, str, bytes]]:
        """(place, kind, origin, blob), a group at a time: the rows change while they are walked."""
        place, end = self._base + begin, self._base + (1 << LANE_SHIFT)
        sql = "SELECT place, kind, origin, blob FROM groups WHERE place > ? AND place < ? ORDER BY place LIMIT 1"
        while found := row(self._db, sql, (place, end)):
            place = int(found[0])
            yield place, int(found[1]), found[2], found[3]

    def _readings(self, blob: bytes, *, own: bool) -> tuple[int, tuple[int, int], bytes, bytes | None]:
        batch = blobs.decode_readings(blob)
        new = restamp(batch, self._shift) if own else batch
        bounds = int(new.ts.min()), int(new.ts.max())
        if new is batch:
            return 0, bounds, blobs.canonical_readings(batch), None
        moved = int(np.count_nonzero(new.ts != batch.ts))
        return moved, bounds, blobs.canonical_readings(new), blobs.encode_readings(new)

    def _events(self, blob: bytes, *, own: bool) -> tuple[int, tuple[int, int], bytes, bytes | None]:
        events = blobs.decode_events(blob)
        new = [restamp_event(e, self._shift) for e in events] if own and self._shift.events else events
        times = [e.ts for e in new]
        moved = sum(a is not b for a, b in zip(events, new, strict=True))
        encoded = blobs.encode_events(new) if moved else None
        return moved, (min(times), max(times)), blobs.canonical_events(new), encoded

    def _store(self, place: int, bounds: tuple[int, int], chain: bytes, blob: bytes | None) -> None:
        if blob is None:
            self._db.execute("UPDATE groups SET chain = ? WHERE place = ?", (chain, place))
        else:
            self._db.execute(
                "UPDATE groups SET ts_min = ?, ts_max = ?, chain = ?, blob = ? WHERE place = ?",
                (*bounds, chain, blob, place),
            )
