"""Functions of times, which are seconds since the epoch; parts of the date as the clock in a zone shows them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import numpy as np

_QUARTER = 900
"""Zones change on quarters of an hour."""
_MOST_OFFSETS = 50_000
_FIRST, _LAST = -62_135_000_000, 253_402_000_000
"""Years 1 to 9999."""

UNITS_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}


class LocalTime:
    """Local seconds in one zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._is_utc = zone is UTC
        self._offsets: dict[int, float] = {}

    def seconds(self, at: Any) -> Any:
        """Seconds since the epoch as the zone's clock would count them; NaN where the time isn't known."""
        at = np.asarray(at, np.float64)
        at = np.where((at > _FIRST) & (at < _LAST), at, np.nan)
        if self._is_utc:
            return at
        quarters, place = np.unique(np.floor_divide(at, _QUARTER), return_inverse=True)
        return at + np.array([self._offset(q) for q in quarters.tolist()])[place].reshape(at.shape)

    def _offset(self, quarter: float) -> float:
        if quarter != quarter:  # noqa: PLR0124 - NaN
            return np.nan
        known = self._offsets.get(int(quarter))
        if known is None:
            if len(self._offsets) > _MOST_OFFSETS:
                self._offsets.clear()
            when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=quarter * _QUARTER)
            known = (when.astimezone(self._zone).utcoffset() or timedelta()).total_seconds()
            self._offsets[int(quarter)] = known
        return known


def _days(local: Any) -> Any:
    days = np.floor_divide(local, 86_400)
    return np.where(np.isnan(days), 0, days).astype(np.int64).astype("datetime64[D]")


def _known(local: Any, numbers: Any) -> Any:
    return np.where(np.isnan(local), np.nan, numbers)


def _day(local: Any) -> Any:
    days = _days(local)
    return _known(local, (days - days.astype("datetime64[M]")).astype(np.int64) + 1)


def _month(local: Any) -> Any:
    return _known(local, _days(local).astype("datetime64[M]").astype(np.int64) % 12 + 1)


def _year(local: Any) -> Any:
    return _known(local, _days(local).astype("datetime64[Y]").astype(np.int64) + 1970)


PARTS: dict[str, Callable[[Any], Any]] = {
    "second": lambda local: np.floor(np.mod(local, 60)),
    "minute": lambda local: np.floor_divide(np.mod(local, 3600), 60),
    "hour": lambda local: np.floor_divide(np.mod(local, 86_400), 3600),
    "time_of_day": lambda local: np.mod(local, 86_400),
    "dow": lambda local: np.mod(np.floor_divide(local, 86_400) + 3, 7) + 1,
    "day": _day,
    "month": _month,
    "year": _year,
}
"""Of local seconds. dow: 1 Monday to 7 Sunday (ISO 8601)."""
