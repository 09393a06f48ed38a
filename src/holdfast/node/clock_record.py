"""What the journal remembers of the clock, and the writes that change it. All writes are repeatable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
from msgspec import Struct

from holdfast.journal.restamp import REPAIR, Restamped, Shift, restamp_rows
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.trust import Step, Trust
from holdfast.model.event import Event
from holdfast.model.lane import Lane

META = "clock"
RULE = "clock"
# Devices that this node sets may be a little behind it.
_BEFORE_NS = 60 * NS_PER_S


class StoredDoubt(Struct, frozen=True):
    """A time in which this node's stamps are doubtful.

    offset_ns:     wall minus boot time of its timeline
    began_ns:      its first moment on that timeline
    heads:     where each lane was then; what comes after may move
    """

    trust: Trust
    offset_ns: int
    began_ns: int
    heads: tuple[int, ...]


class StoredClock(Struct, frozen=True):
    """The clock as last recorded. newest_ns: the latest time that the kernel has confirmed."""

    boot_id: str = ""
    wall_ns: int = 0
    boot_ns: int = 0
    newest_ns: int = 0
    doubt: StoredDoubt | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """A moment, to be recorded. confirmed: does the kernel say that the wall clock is right?"""

    boot_id: str
    wall_ns: int
    boot_ns: int
    trust: Trust
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Move:
    """What a step does to the journal.

    offered:  how far rows of each lane may have left this node
    max_rows: see `restamp_rows`; 0 = move nothing
    in_doubt: are stamps doubtful still?
    unsaid:   steps since the last event about one
    """

    node: str
    step: Step
    now: Now
    offered: Mapping[Lane, int] = field(default_factory=dict)
    max_rows: int = 0
    in_doubt: bool = False
    unsaid: int = 0


def read(text: str | None) -> StoredClock:
    """What was recorded; nothing, when that can't be read."""
    try:
        return StoredClock() if text is None else msgspec.json.decode(text, type=StoredClock)
    except msgspec.MsgspecError:
        return StoredClock()


def recording(now: Now) -> Callable[[Transaction], None]:
    """A write that records the time, and leaves a doubt as it is."""

    def write(transaction: Transaction) -> None:
        stored = read(transaction.meta(META))
        _store(transaction, now, stored.doubt if stored.boot_id == now.boot_id else None)

    return write


def beginning(now: Now, *, in_doubt: bool) -> Callable[[Transaction], None]:
    """A write that begins a doubt at the present heads, or says that there is none."""
    return lambda transaction: _store(transaction, now, _doubt(transaction, now) if in_doubt else None)


def moving(move: Move, consumer: str) -> Callable[[Transaction], Restamped]:
    """A write that moves the rows of a doubt that a step has ended, and says so in an event."""

    def write(transaction: Transaction) -> Restamped:
        now, step = move.now, move.step
        stored = read(transaction.meta(META))
        doubt = stored.doubt if stored.boot_id == now.boot_id else None
        done, key = Restamped(), f"{step.boot_ns}"
        if doubt is not None and move.max_rows:
            key = f"{doubt.trust}{doubt.offset_ns}"
            done = restamp_rows(
                transaction,
                {lane: max(_head(doubt, lane), move.offered.get(lane, 0)) for lane in Lane},
                _shift(step, doubt, now),
                max_rows=move.max_rows,
                consumer=consumer,
            )
            unrepaired = done.unrepaired(transaction.draft.heads)
            if unrepaired is not None:
                transaction.set_meta(REPAIR, msgspec.json.encode(unrepaired).decode())
        moved = doubt is not None and bool(move.max_rows)
        _store(transaction, now, _next(transaction, now, step, doubt if moved else None) if move.in_doubt else None)
        transaction.append_events(Lane.NORMAL, [_event(move, done, key)])
        transaction.count("events_accepted")
        return done

    return write


def _head(doubt: StoredDoubt, lane: Lane) -> int:
    """Where the lane was; one younger than the record was empty."""
    return doubt.heads[lane] if lane < len(doubt.heads) else 0


def _store(transaction: Transaction, now: Now, doubt: StoredDoubt | None) -> None:
    # The latest confirmed time, even when it is earlier than a former one: that one was wrong, then.
    newest = now.wall_ns if now.confirmed else read(transaction.meta(META)).newest_ns
    record = StoredClock(now.boot_id, now.wall_ns, now.boot_ns, newest, doubt)
    transaction.set_meta(META, msgspec.json.encode(record).decode())


def _doubt(transaction: Transaction, now: Now) -> StoredDoubt:
    draft = transaction.draft
    heads = tuple(draft.heads[lane] for lane in Lane)
    return StoredDoubt(now.trust, now.wall_ns - now.boot_ns, now.wall_ns, heads)


def _next(transaction: Transaction, now: Now, step: Step, moved: StoredDoubt | None) -> StoredDoubt:
    """The doubt after a step: what was moved by a clock that isn't confirmed may be moved again."""
    if moved is None:
        return _doubt(transaction, now)
    offset_ns = step.after_ns - step.boot_ns
    began_ns = moved.began_ns + offset_ns - moved.offset_ns
    return StoredDoubt(now.trust, offset_ns, began_ns, moved.heads)


def _shift(step: Step, doubt: StoredDoubt, now: Now) -> Shift:
    by = step.after_ns - step.boot_ns - doubt.offset_ns
    # Stamps of the new timeline begin `by` later; half way is far from both.
    upto = step.boot_ns + doubt.offset_ns + max(0, by) // 2
    is_unset = doubt.trust is Trust.UNSET
    return Shift(by, doubt.began_ns - _BEFORE_NS, upto, is_sure=now.trust is Trust.TRUSTED, events=is_unset)


def _event(move: Move, done: Restamped, key: str) -> Event:
    step, now = move.step, move.now
    facts = f"{move.node}\0{now.boot_id}\0clock.stepped\0{key}"
    seconds = step.offset_ns / NS_PER_S
    moved = sum(done.rows.values())
    is_welcome = step.was is not Trust.TRUSTED and step.trust is not Trust.UNSET and not done.skipped
    return Event(
        id=blake2b(facts.encode(), digest_size=16).hexdigest(),
        ts=now.wall_ns,
        lane=Lane.NORMAL,
        kind="clock.stepped",
        severity="info" if is_welcome else "warning",
        node=move.node,
        device="",
        rule=RULE,
        message=f"the clock was set by {seconds:+.3f} s; {moved} rows were moved to the right time",
        why={
            "boot_id": now.boot_id,
            "step_s": seconds,
            "from": step.before_ns,
            "to": step.after_ns,
            "was": step.was.value,
            "trust": now.trust.value,
            "rows": {f"lane{int(lane)}": n for lane, n in done.rows.items()},
            "left_alone": {f"lane{int(lane)}": why for lane, why in done.skipped.items()},
            "steps": move.unsaid,
        },
    )
