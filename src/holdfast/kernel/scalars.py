"""Scalars that people write in settings with a unit: durations, byte sizes, rates, hours of the day, time zones."""

import re
from collections.abc import Callable
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_BITS = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_HOURS = re.compile(r"^\s*(\d{1,2}):([0-5]\d)\s*-\s*(\d{1,2}):([0-5]\d)\s*$")
_OFFSET = re.compile(r"^([+-])(\d{2}):([0-5]\d)$")
_PERCENT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*%\s*$")
_DAY_MINUTES = 24 * 60
_QUANTITY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$")

DURATION_HELP = "a duration such as 250ms, 30s, 5m, 1h or 7d"
SIZE_HELP = "a size such as 256kB, 64MiB or 2GB"
RATE_HELP = "a rate in bits per second such as 64kbit, 1Mbit or 2.5Mbit/s"
HOURS_HELP = "two different times of the day such as 22:00-06:00"
SHARE_HELP = "a share such as 80%"
ZONE_HELP = "a time zone such as Europe/Berlin, +02:00 or UTC"


def parse_duration(text: str) -> float:
    """Seconds in `text`.

    Raises:
        ValueError: when it is not a number with a unit.
    """
    number, unit = _split(text, DURATION_HELP)
    if unit not in _SECONDS:
        msg = f"expected {DURATION_HELP}"
        raise ValueError(msg)
    return number * _SECONDS[unit]


def parse_size(text: str) -> int:
    """Bytes in `text`.

    Raises:
        ValueError: when it is not a number with a unit.
    """
    number, unit = _split(text, SIZE_HELP)
    if unit.lower() not in _BYTES:
        msg = f"expected {SIZE_HELP}"
        raise ValueError(msg)
    return round(number * _BYTES[unit.lower()])


def parse_rate(text: str) -> float:
    """Bits per second in `text`; `/s` may follow the unit.

    Raises:
        ValueError: when it is not a number with a unit.
    """
    number, unit = _split(text.strip().removesuffix("/s"), RATE_HELP)
    if unit.lower() not in _BITS:
        msg = f"expected {RATE_HELP}"
        raise ValueError(msg)
    return number * _BITS[unit.lower()]


def parse_share(text: str) -> float:
    """The fraction behind `80%`: 0.8.

    Raises:
        ValueError: when it is no percentage.
    """
    found = _PERCENT.match(text)
    if found is None:
        msg = f"expected {SHARE_HELP}"
        raise ValueError(msg)
    return float(found[1]) / 100


def parse_hours(text: str) -> tuple[int, int]:
    """The span `HH:MM-HH:MM` as minutes of the day, from (inclusive) and to (exclusive); it may pass midnight.

    Raises:
        ValueError: when it is not such a span; a span of no length is none.
    """
    found = _HOURS.match(text)
    if found is not None:
        start, end = (60 * int(found[i]) + int(found[i + 1]) for i in (1, 3))
        if start < _DAY_MINUTES and end <= _DAY_MINUTES and start != end % _DAY_MINUTES:
            return start, end % _DAY_MINUTES
        if (start, end) == (0, _DAY_MINUTES):
            return start, end
    msg = f"expected {HOURS_HELP}"
    raise ValueError(msg)


def zone(text: str) -> tzinfo:
    """The time zone called `text`: `UTC`, an offset (`+02:00`) or a name of the system's tz database.

    Raises:
        ValueError: when there is no such zone here.
    """
    found = _OFFSET.match(text)
    if text == "UTC":
        return UTC
    try:
        if found is not None:
            offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
            return timezone(-offset if found[1] == "-" else offset)
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder's name gives an OSError
        msg = f"expected {ZONE_HELP} that this system's tz database knows"
        raise ValueError(msg) from None


def _zone_name(text: str) -> str:
    zone(text)
    return text


def _split(text: str, wanted: str) -> tuple[float, str]:
    found = _QUANTITY.match(text)
    if found is None:
        msg = f"expected {wanted}"
        raise ValueError(msg)
    return float(found[1]), found[2]


PARSERS: dict[str, Callable[[str], Any]] = {
    "duration": parse_duration,
    "size": parse_size,
    "rate": parse_rate,
    "hours": parse_hours,
    "share": parse_share,
    "zone": _zone_name,
}
HELP = {
    "duration": DURATION_HELP,
    "size": SIZE_HELP,
    "rate": RATE_HELP,
    "hours": HOURS_HELP,
    "share": SHARE_HELP,
    "zone": ZONE_HELP,
}

Duration = Annotated[float, Meta(ge=0, extra={"parse": "duration"})]
"""Seconds; written `30s`, `5m` … in YAML."""

Size = Annotated[int, Meta(ge=0, extra={"parse": "size"})]
"""Bytes; written `256kB`, `64MiB` … in YAML."""

Rate = Annotated[float, Meta(ge=0, extra={"parse": "rate"})]
"""Bits per second; written `100kbit`, `1Mbit` … in YAML."""

Hours = Annotated[tuple[int, int], Meta(extra={"parse": "hours"})]
"""Minutes of the day from, to; written `22:00-06:00` in YAML."""

Percent = Annotated[float, Meta(gt=0, le=1, extra={"parse": "share"})]
"""A fraction of 1; written `80%` in YAML."""

Zone = Annotated[str, Meta(extra={"parse": "zone"})]
"""A time zone's name, checked; `zone` makes a `tzinfo` of it."""
