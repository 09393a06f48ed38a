"""Times and durations as people write them in a URL. Pure."""

import re
from datetime import UTC, datetime, timedelta

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import DURATION_HELP, parse_duration
from holdfast.web.errors import Refused

TIME_HELP = (
    "ISO 8601 (2026-05-01T12:00:00Z; UTC when no zone is given), seconds or milliseconds since 1970, "
    "now, or relative to now, as in -1h or -30m"
)
# Numbers this long are milliseconds: as seconds they'd be after the year 5138, as milliseconds before 1973.
_MS_FROM = 10**11
_NUMBER = re.compile(r"-?\d{1,14}(\.\d{1,9})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What fits into 64-bit nanoseconds, with room to subtract.
_EARLIEST_NS, _LATEST_NS = -(2**62), 2**63 - 2**56


def parse_time(name: str, text: str, now_ns: int) -> int:
    """Nanoseconds since 1970.

    Raises:
        Refused: 400, saying what is allowed for parameter `name`.
    """
    ns = _parse(text.strip(), now_ns)
    if ns is None:
        raise Refused(400, f"{name}={text[:60]!r} is no time", TIME_HELP)
    if not _EARLIEST_NS < ns < _LATEST_NS:
        raise Refused(400, f"{name}={text[:60]!r} is out of range", "years 1824 to 2260")
    return ns


def parse_step(text: str) -> int:
    """Nanoseconds of a duration; a bare number is seconds.

    Raises:
        Refused: 400, saying what is allowed.
    """
    try:
        seconds = float(text) if _NUMBER.fullmatch(text) else parse_duration(text)
    except ValueError:
        raise Refused(400, f"step={text[:60]!r} is no duration", f"{DURATION_HELP}, or a number of seconds") from None
    ns = round(seconds * NS_PER_S)
    if not 0 < ns < _LATEST_NS:
        raise Refused(400, f"step={text[:60]!r} is out of range", "above zero, and below a century")
    return ns


def _parse(text: str, now_ns: int) -> int | None:
    if _NUMBER.fullmatch(text):
        return _number(text)
    relative = text.removeprefix("now")
    if relative == "" and text:
        return now_ns
    if relative[:1] in ("-", "+") and not relative[1:2].isspace():
        return _relative(relative, now_ns)
    return _iso(text)


def _number(text: str) -> int:
    whole, _, fraction = text.lstrip("-").partition(".")
    unit = NS_PER_S // 1000 if int(whole) >= _MS_FROM else NS_PER_S
    ns = int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
    return -ns if text.startswith("-") else ns


def _relative(text: str, now_ns: int) -> int | None:
    try:
        ns = round(parse_duration(text[1:]) * NS_PER_S)
    except ValueError:
        return None
    return now_ns - ns if text[0] == "-" else now_ns + ns


def _iso(text: str) -> int | None:
    # A `+` in a query string arrives as a space unless it was escaped.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    since = (when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1) * 1000
