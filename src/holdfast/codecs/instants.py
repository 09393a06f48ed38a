"""One time as devices write it, to ns UTC, exact for whole numbers and for decimal fractions of ISO 8601."""

import math
import re
from datetime import datetime, tzinfo
from fractions import Fraction
from typing import Any

from holdfast.codecs.refused import wrong
from holdfast.codecs.settings import TimeUnit
from holdfast.codecs.times import LATEST_US

_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_NUMBER = re.compile(r"\A\s*\d{1,19}(\.\d{1,12})?\s*\Z", re.ASCII)
_AUTO: tuple[tuple[TimeUnit, float], ...] = (("s", 1e11), ("ms", 1e14), ("us", 1e17))
_LATEST_NS = int(LATEST_US) * 1000
_ISO = re.compile(
    r"\A(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,12}))?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?\Z", re.ASCII
)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def to_ns(value: Any, unit: TimeUnit, zone: tzinfo | None = None) -> int:
    """The time `value` in ns UTC; a number may come as text. `zone` is that of ISO 8601 times that name none.

    Raises:
        Refused: when it's no time, before 1970 or after 2100.
    """
    if isinstance(value, datetime):
        ns = _of_datetime(value if value.tzinfo is not None else value.replace(tzinfo=zone), 0)
    elif unit == "iso8601" or (unit == "auto" and isinstance(value, str) and not _NUMBER.match(value)):
        ns = _of_iso(value, zone)
    elif unit == "auto":
        ns = _of_any(value)
    else:
        ns = _of_number(value, unit)
    if not 0 <= ns < _LATEST_NS:
        wrong("the time is before 1970 or after 2100: is its unit right?")
    return ns


def _of_any(value: Any) -> int:
    """A number in the one unit that makes it a time between 1973 and 2100: they don't overlap."""
    number = float(value) if isinstance(value, str) else value
    if isinstance(number, int | float) and not isinstance(number, bool):
        for unit, most in _AUTO:
            if abs(number) < most:
                return _of_number(value, unit)
    return _of_number(value, "ns")


def _of_number(value: Any, unit: TimeUnit) -> int:
    if isinstance(value, str):
        try:
            value.encode("ascii")  # digits of other scripts are no time
            value = int(value) if value.isdigit() and len(value) < 25 else float(value)
        except ValueError:
            wrong(f"`{value[:40]}` is no time in {unit}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        wrong("the time is no number")
    if isinstance(value, int):
        return value * _NS[unit]
    if not math.isfinite(value) or abs(value) > 1e19:
        wrong("the time is before 1970 or after 2100: is its unit right?")
    return round(value * _NS[unit] / 1000) * 1000  # a double holds no more than about a microsecond


def _of_iso(value: Any, zone: tzinfo | None) -> int:
    if not isinstance(value, str):
        wrong("the time is no ISO 8601 text")
    found = _ISO.match(value)
    if found is None:
        wrong(f"`{value[:40]}` is no ISO 8601 time")
    day, clock, fraction, offset = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if offset in ('Z', 'z') else offset or ''}")
    except ValueError:
        wrong(f"`{value[:40]}` is no ISO 8601 time")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return _of_datetime(moment, int(Fraction(f"0.{fraction}") * 1_000_000_000) if fraction else 0)


def _of_datetime(moment: datetime, ns: int) -> int:
    if moment.tzinfo is None:
        wrong("the time names no zone: write `zone` beside `unit` in the profile's `time`")
    try:
        since = moment - _EPOCH
    except OverflowError:
        wrong("the time is before 1970 or after 2100: is its unit right?")
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000 + ns
