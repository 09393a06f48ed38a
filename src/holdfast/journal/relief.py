"""Which rows go when space gets scarce: value before age (DESIGN §5 levels, G4). One bounded transaction a call.

| level  | from | in this order, until below                                                                      |
|--------|------|-------------------------------------------------------------------------------------------------|
| green  |      | nothing but what is over its lane's `max_age`                                                   |
| yellow | 70 % | drop what the parent safely holds, or messages that are done where there's no parent; summarise |
|        |      | undelivered bulk where `when_full: summarise`                                                   |
| orange | 85 % | drop what the parent holds at all, then quarantined messages; shed bulk and the lanes that stay |
| red    | 95 % | shed normal                                                                                     |
| black  | full | nothing is left to go: acks stop and sockets aren't read, so devices keep their data            |
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from holdfast.journal.records import GapReason
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered, forget_quarantined, oldest_kept, shed, shed_consumed
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Lane

# Small enough that intake's commits are not held up, large enough to free faster than intake fills.
GROUPS_PER_COMMIT = 500
MESSAGES_PER_COMMIT = 100
_NS = 1_000_000_000
_AS_BULK = (Lane.BULK, Lane.REGION, Lane.SITE, Lane.LOCAL)


class Level(IntEnum):
    """How scarce space is."""

    GREEN = 0
    YELLOW = 1
    ORANGE = 2
    RED = 3


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the parent has, by lane: at all, and safely. Zeros without a parent (is_top)."""

    applied: Mapping[Lane, int]
    safe: Mapping[Lane, int]
    is_top: bool = False


@dataclass(frozen=True, slots=True)
class Freed:
    """What a step took away."""

    dropped: int = 0
    shed: int = 0

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(self.dropped + other.dropped, self.shed + other.shed)

    def __bool__(self) -> bool:
        return bool(self.dropped or self.shed)


def level_of(used: int, settings: JournalSettings) -> Level:
    """The level at `used` bytes."""
    share = used / settings.quota
    levels = settings.levels
    return Level(sum(share >= mark for mark in (levels.yellow, levels.orange, levels.red)))


def relieve(tx: Transaction, level: Level, settings: JournalSettings, delivered: Delivered, now_ns: int) -> Freed:
    """Take the first step of the level that frees anything."""
    for step in _steps(tx, level, settings, delivered, now_ns):
        freed = step()
        if freed:
            return freed
    return Freed()


def expire(tx: Transaction, settings: JournalSettings, delivered: Delivered, now_ns: int) -> Freed:
    """Take away what is over its lane's age."""
    freed = Freed()
    for lane in (*_AS_BULK, Lane.NORMAL):
        age = settings.lane(lane).max_age
        if age <= 0:
            continue
        before = now_ns - round(age * _NS)
        applied = delivered.applied.get(lane, 0)
        freed += Freed(dropped=drop_delivered(tx, lane, applied, GROUPS_PER_COMMIT, before))
        gone = shed(tx, lane, applied, GROUPS_PER_COMMIT, GapReason.AGE, now_ns, older_than=before)
        freed += Freed(shed=gone)
    return freed


def _steps(
    tx: Transaction, level: Level, settings: JournalSettings, delivered: Delivered, now_ns: int
) -> Iterator[Callable[[], Freed]]:
    if level >= Level.YELLOW:
        for lane in reversed(Lane):
            yield _dropping(tx, lane, delivered.safe.get(lane, 0))
        if delivered.is_top:
            yield lambda: Freed(shed=shed_consumed(tx, GROUPS_PER_COMMIT, now_ns))
        if settings.bulk.when_full == "summarise":
            yield _shedding(tx, Lane.BULK, settings, delivered, now_ns)
    if level >= Level.ORANGE:
        for lane in reversed(Lane):
            yield _dropping(tx, lane, delivered.applied.get(lane, 0))
        yield lambda: Freed(dropped=forget_quarantined(tx, MESSAGES_PER_COMMIT))
        yield from (_shedding(tx, lane, settings, delivered, now_ns) for lane in _oldest_first(tx))
    if level >= Level.RED:
        yield _shedding(tx, Lane.NORMAL, settings, delivered, now_ns)


def _oldest_first(tx: Transaction) -> list[Lane]:
    """The lanes of bulk's worth, that with the oldest rows first."""
    return sorted(_AS_BULK, key=lambda lane: oldest_kept(tx, lane))


def _dropping(tx: Transaction, lane: Lane, upto: int) -> Callable[[], Freed]:
    return lambda: Freed(dropped=drop_delivered(tx, lane, upto, GROUPS_PER_COMMIT))


def _shedding(
    tx: Transaction, lane: Lane, settings: JournalSettings, delivered: Delivered, now_ns: int
) -> Callable[[], Freed]:
    of_lane = settings.lane(lane)
    if of_lane.when_full == "refuse":
        return Freed
    step_ns = round(of_lane.step * _NS) if of_lane.when_full == "summarise" and lane is Lane.BULK else 0
    applied = delivered.applied.get(lane, 0)
    return lambda: Freed(
        shed=shed(tx, lane, applied, GROUPS_PER_COMMIT, GapReason.DISK, now_ns, summary_step_ns=step_ns)
    )
