"""Hours, days, shifts, weeks, months and years of a time zone, as intervals with numbers.

Boundaries are a table of UTC times, computed a few years at once and extended when a time outside it comes. Number 0 is
the interval that begins with 2020 (local time), so numbers don't depend on how far the table reaches. Days are 23, 24
or 25 hours long where clocks change. A start that clocks skip is where they do; of one that comes twice, the first
counts. An hour ends where a clock on the wall shows the next full hour: one that is repeated is a window of its own.
What is before 1970 is one interval; so is the last of 2099 with all that follows.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Unit = Literal["", "hour", "day", "week", "month", "year"]
NS = 1_000_000_000
_HOUR, _DAY = 3_600, 86_400
_FIRST, _ORIGIN, _LAST = 1970, 2020, 2100
_SHORTEST = {"hour": _HOUR // 2, "week": 6 * _DAY, "month": 27 * _DAY, "year": 364 * _DAY}
_EPOCH = date(1970, 1, 1)
_NEVER = -(1 << 61)
"""What is before that isn't a time, but stands for none."""


class Calendar:
    """See the module. Weeks begin on Monday (ISO 8601)."""

    def __init__(self, unit: Unit, zone: str, starts: tuple[int, ...] = (0,)) -> None:
        """starts: seconds after local midnight, ascending; for days several: shifts; not for hours.

        Raises:
            zoneinfo.ZoneInfoNotFoundError: when there is no such time zone.
        """
        self._unit, self._zone, self._starts = unit, ZoneInfo(zone), starts
        self.shortest = self._shortest() * NS
        self._years = range(_ORIGIN, _ORIGIN)
        self._before = 0  # how many boundaries of the table come before 2020
        self._table: Array = np.empty(0, np.int64)
        self._limits = self._start_of(_FIRST), self._start_of(_LAST)
        self._reach = 0, 0  # for which times (ns) the table is good

    def number(self, ts: Array) -> Array:
        """The interval of each time, ns."""
        real = ts[ts > _NEVER]
        if len(real):
            self._cover(int(real.min()), int(real.max()))
        return np.asarray(np.searchsorted(self._table, ts, side="right") - (1 + self._before))

    def start(self, number: Array) -> Array:
        """Where each interval begins, ns."""
        place = number + self._before
        while len(place) and (place.min() < 0 or place.max() >= len(self._table)):
            years, more = self._years, max(len(self._years), 4)
            if place.min() < 0 and years.start > _FIRST:
                self._extend(max(years.start - more, _FIRST), years.stop)
            elif place.max() >= len(self._table) and years.stop < _LAST:
                self._extend(years.start, min(years.stop + more, _LAST))
            else:
                break
            place = number + self._before
        clipped = self._table[np.clip(place, 0, len(self._table) - 1)] if len(self._table) else place
        low, high = np.int64(-(1 << 62)), np.int64(1 << 62)
        return np.where(place < 0, low, np.where(place >= len(self._table), high, clipped))

    def _shortest(self) -> int:
        """A lower bound of an interval's seconds."""
        if self._unit != "day":
            return _SHORTEST[self._unit]
        steps = np.diff([*self._starts, self._starts[0] + _DAY])
        return max(int(steps.min()) - 2 * _HOUR, _HOUR // 2)

    def _cover(self, low: int, high: int) -> None:
        if self._reach[0] <= low and high < self._reach[1]:
            return
        low, high = max(low, self._limits[0]), min(high, self._limits[1] - 1)
        if low > high:  # all before 1970 or all after 2100
            low = high = min(max(low, self._limits[0]), self._limits[1] - 1)
        years = [datetime.fromtimestamp(t // NS, UTC).year for t in (low, high)]
        first = max(min(years[0] - 2, self._years.start), _FIRST)
        last = min(max(years[1] + 2, self._years.stop), _LAST)
        if (first, last) != (self._years.start, self._years.stop):
            self._extend(first, last)

    def _extend(self, first: int, last: int) -> None:
        self._years = range(first, last)
        self._table = self._boundaries(first, last) * NS
        origin = self._start_of(_ORIGIN)
        self._before = int(np.searchsorted(self._table, origin, side="left"))
        low = -(1 << 63) if first == _FIRST else self._start_of(first + 1)
        high = (1 << 63) - 1 if last == _LAST else self._start_of(last)
        self._reach = low, high

    def _start_of(self, year: int) -> int:
        """About where a local year begins, ns: intervals that begin in it do so from here on."""
        offsets = _changes(self._zone, year - 1, year + 1)
        wall = np.array([(date(year, 1, 1) - _EPOCH).days * _DAY])
        return int(_utc(wall, *offsets)[0]) * NS

    def _boundaries(self, first: int, last: int) -> Array:
        """UTC seconds of all boundaries from the local year `first` until `last` begins."""
        changes = _changes(self._zone, first - 1, last + 1)
        low, high = ((date(year, 1, 1) - _EPOCH).days for year in (first, last))
        if self._unit == "hour":
            begin, end = (int(_utc(np.array([day * _DAY]), *changes)[0]) for day in (low, high))
            return _hours(begin, end, *changes)
        if self._unit in ("day", "week"):
            days = np.arange(low, high)
            days = days[(days + 3) % 7 == 0] if self._unit == "week" else days  # 1970 began on a Thursday
        else:
            months = (1,) if self._unit == "year" else range(1, 13)
            days = np.array([(date(y, m, 1) - _EPOCH).days for y in range(first, last) for m in months])
        walls = (days[:, None] * _DAY + np.array(self._starts)).ravel()
        return np.unique(_utc(walls, *changes))


def _changes(zone: ZoneInfo, first: int, last: int) -> tuple[Array, Array]:
    """Where clocks change from the year `first` until `last` begins, UTC seconds, and the offset since each.

    The first of them is the beginning of time. Found by asking for every week (no zone changes its clocks and back
    within one); the second, by halving.
    """
    since, offsets = [-(1 << 40)], list[int]()
    day = datetime(first, 1, 1, tzinfo=UTC)
    end = datetime(last, 1, 1, tzinfo=UTC)
    offsets.append(_offset(zone, day))
    while day < end:
        after = day + timedelta(days=7)
        if _offset(zone, after) != offsets[-1]:
            low, high = int(day.timestamp()), int(after.timestamp())
            while high - low > 1:
                middle = (low + high) // 2
                same = _offset(zone, datetime.fromtimestamp(middle, UTC)) == offsets[-1]
                low, high = (middle, high) if same else (low, middle)
            since.append(high)
            offsets.append(_offset(zone, after))
        day = after
    return np.array(since), np.array(offsets)


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _utc(walls: Array, since: Array, offsets: Array) -> Array:
    """The first moment at which clocks show a local time or a later one: seconds to seconds."""
    shown_until = since[1:] + offsets[:-1]
    part = np.searchsorted(shown_until, walls, side="right")
    return np.asarray(np.maximum(walls - offsets[part], since[part]))


def _hours(begin: int, end: int, since: Array, offsets: Array) -> Array:
    """Every full hour that clocks show in [begin, end), or skip: UTC seconds."""
    until = np.append(since[1:], end)
    parts = []
    for low, high, offset in zip(since.tolist(), until.tolist(), offsets.tolist(), strict=True):
        low_, high_ = max(low, begin), min(high, end)
        if low_ < high_:
            parts.append(np.arange(low_ + (-(low_ + offset)) % _HOUR, high_, _HOUR))
    change = since[1:]
    stopped, went_on = change + offsets[:-1], change + offsets[1:]
    skips = (stopped + (-stopped) % _HOUR < went_on) & (begin <= change) & (change < end)
    hours, skipped = np.concatenate(parts), change[skips]
    new = skipped[~np.isin(skipped, hours, assume_unique=True)] if len(skipped) else skipped
    return np.insert(hours, np.searchsorted(hours, new), new) if len(new) else hours
