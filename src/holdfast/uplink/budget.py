"""What the link may cost: bytes a day and a month, and the hours in which bulk may go. Pure; wall time is handed in.

- Days and months are UTC's, as on the bills of most carriers; `hours` is the site's local time (`timezone`).
- Lanes 1 and 2 may send while `per_day` and `per_month` have something left and the hour is allowed.
- Lane 0 ignores all that up to `critical_per_day` of its own (absent: always), and doesn't use up `per_day` and
  `per_month` with it. Beyond that it is under the same limits as the others, and counts against them. The worst a day
  can cost is `per_day` + `critical_per_day` and what was under way.
- A limit is checked before a batch, not in the midst of one: it may be passed by the bodies under way, at most one a
  lane. What failed counts too: it may well have been carried.
- A clock set back across midnight by less than a day keeps the later day's and month's count (no fresh budget by a
  jumping clock); one set back further was wrong before, and is believed now.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.scalars import zone
from holdfast.model.lane import Lane
from holdfast.uplink.settings import BudgetSettings

NS = 1_000_000_000
MB = 1e6


class BudgetStateInvalid(HoldfastError):
    """A stored budget state can't be read."""

    hint = "delete the stored state: today's and this month's counts then begin at 0"


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """The budget as an operator sees it.

    day_bytes, month_bytes: sent since the UTC day's and month's begin, all lanes
    critical_bytes:         lane 0's part of the day
    day_left, month_left, critical_left: bytes; None = no bound
    day_cost, month_cost:   in the currency of `cost_per_mb`
    opens_ns:               wall time at which lanes 1 and 2 may send again; None = they may now
    """

    day_bytes: int
    month_bytes: int
    critical_bytes: int
    day_left: int | None
    month_left: int | None
    critical_left: int | None
    day_cost: float
    month_cost: float
    opens_ns: int | None


class _State(msgspec.Struct):
    """What outlives a restart. day: days since 1970; month: months since the year 0; bytes, all and counted ones."""

    day: int = 0
    month: int = 0
    day_bytes: int = 0
    month_bytes: int = 0
    day_counted: int = 0
    month_counted: int = 0
    day_critical: int = 0
    day_questions: int = 0


class Budget:
    """The counters and what they allow. Wall times are ns since 1970 UTC."""

    def __init__(self, settings: BudgetSettings) -> None:
        self._settings = settings
        self._zone = zone(settings.timezone)
        self._state = _State()

    def snapshot(self) -> bytes:
        """The state as JSON, for `restore`."""
        return msgspec.json.encode(self._state)

    def restore(self, blob: bytes) -> None:
        """Go on from a snapshot.

        Raises:
            BudgetStateInvalid: when it is none; the state is unchanged then.
        """
        try:
            self._state = msgspec.json.decode(blob, type=_State)
        except msgspec.MsgspecError as error:
            raise BudgetStateInvalid(f"the budget's stored state can't be read: {error}") from None

    def spent(self, size: int, lane: Lane, wall_ns: int) -> None:
        """`size` bytes of the lane left the node, or tried to."""
        state = self._rolled(wall_ns)
        free = 0
        if lane is Lane.CRITICAL:
            free = round(min(size, max(0.0, _left(self._settings.critical_per_day, state.day_critical))))
            state.day_critical += size
        state.day_bytes += size
        state.month_bytes += size
        state.day_counted += size - free
        state.month_counted += size - free

    def answered(self, size: int, wall_ns: int) -> None:
        """`size` bytes went into being asked and answering; they count as lane 1's do."""
        self.spent(size, Lane.NORMAL, wall_ns)
        self._rolled(wall_ns).day_questions += size

    def left_for_questions(self, per_day: int, wall_ns: int) -> float:
        """Bytes left today of their own `per_day` and of the limits of all, whatever the hour."""
        state, settings = self._rolled(wall_ns), self._settings
        limits = (
            _left(per_day, state.day_questions),
            _left(settings.per_day, state.day_counted),
            _left(settings.per_month, state.month_counted),
        )
        return max(0.0, min(limits))

    def may_send(self, lane: Lane, wall_ns: int) -> bool:
        """May a batch of the lane leave now?"""
        return self.left(lane, wall_ns) > 0

    def left(self, lane: Lane, wall_ns: int) -> float:
        """Bytes that the lane may still send today, now: 0 outside the hours, inf without bound."""
        state, settings = self._rolled(wall_ns), self._settings
        own = _left(settings.critical_per_day, state.day_critical) if lane is Lane.CRITICAL else 0.0
        if own > 0:
            return own
        if not self._is_open(wall_ns):
            return 0.0
        left = min(_left(settings.per_day, state.day_counted), _left(settings.per_month, state.month_counted))
        return max(0.0, left)

    def opens_at(self, wall_ns: int, lane: Lane = Lane.BULK) -> int:
        """When the lane may send again, as far as the clock decides; `wall_ns` itself when it may now."""
        if self.may_send(lane, wall_ns):
            return wall_ns
        state, settings = self._rolled(wall_ns), self._settings
        at = wall_ns
        if _left(settings.per_month, state.month_counted) <= 0:
            at = _next_month(at)
        elif _left(settings.per_day, state.day_counted) <= 0:
            at = _next_day(at)
        opens = at if self._is_open(at) else self._next_opening(at)
        # lane 0's own share is new every day, and knows no hours
        return min(opens, _next_day(wall_ns)) if lane is Lane.CRITICAL else opens

    def report(self, wall_ns: int) -> BudgetReport:
        """How things stand now."""
        state, settings = self._rolled(wall_ns), self._settings
        opens = self.opens_at(wall_ns)
        return BudgetReport(
            day_bytes=state.day_bytes,
            month_bytes=state.month_bytes,
            critical_bytes=state.day_critical,
            day_left=_shown(settings.per_day, state.day_counted),
            month_left=_shown(settings.per_month, state.month_counted),
            critical_left=_shown(settings.critical_per_day, state.day_critical),
            day_cost=state.day_bytes / MB * settings.cost_per_mb,
            month_cost=state.month_bytes / MB * settings.cost_per_mb,
            opens_ns=None if opens == wall_ns else opens,
        )

    def _rolled(self, wall_ns: int) -> _State:
        """The state with the counts of the day and month of `wall_ns`."""
        state, when = self._state, _utc(wall_ns)
        day, month = wall_ns // NS // 86_400, 12 * when.year + when.month - 1
        if day in (state.day, state.day - 1):
            return state
        state.day, state.day_bytes, state.day_counted, state.day_critical = day, 0, 0, 0
        state.day_questions = 0
        if month != state.month:
            state.month, state.month_bytes, state.month_counted = month, 0, 0
        return state

    def _is_open(self, wall_ns: int) -> bool:
        hours = self._settings.hours
        if hours is None:
            return True
        local = _utc(wall_ns).astimezone(self._zone)
        minute, (start, end) = 60 * local.hour + local.minute, hours
        return start <= minute < end if start < end else minute >= start or minute < end

    def _next_opening(self, wall_ns: int) -> int:
        start, _ = self._settings.hours or (0, 0)
        local = _utc(wall_ns).astimezone(self._zone)
        opening = local.replace(hour=start // 60, minute=start % 60, second=0, microsecond=0)
        if opening.timestamp() * NS <= wall_ns:
            opening += timedelta(days=1)
        return math.ceil(opening.timestamp()) * NS


def _left(limit: int | None, used: int) -> float:
    return math.inf if limit is None else limit - used


def _shown(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def _utc(wall_ns: int) -> datetime:
    return datetime.fromtimestamp(wall_ns // NS, UTC)


def _next_day(wall_ns: int) -> int:
    return (wall_ns // NS // 86_400 + 1) * 86_400 * NS


def _next_month(wall_ns: int) -> int:
    when = _utc(wall_ns)
    year, month = divmod(12 * when.year + when.month, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * NS
