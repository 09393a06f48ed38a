"""Times in a trace: `08:00:30` of the day, `+5m` since the start, or ISO 8601."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from holdfast.kernel.clock import NS_PER_S

TIME_HELP = "a time is 08:00:30, +1h30m since the start, or 2026-05-01T08:00:30Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(\.\d{1,9})?)?")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|min|s|m|h|d)")
_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": NS_PER_S, "m": 60 * NS_PER_S, "min": 60 * NS_PER_S,
       "h": 3600 * NS_PER_S, "d": 86_400 * NS_PER_S}  # fmt: skip
_SAID = (("d", 86_400 * NS_PER_S), ("h", 3600 * NS_PER_S), ("m", 60 * NS_PER_S))


@dataclass(frozen=True, slots=True)
class Times:
    """How times are read and said at a place of a trace: start (ns), the day that clock times are of, its zone."""

    start: int
    day: date
    zone: tzinfo
    is_relative: bool = False

    def read(self, text: str) -> int | None:
        """Ns UTC, None when it is no time."""
        if text.startswith("+"):
            length = read_length(text[1:])
            return None if length is None else self.start + length
        if found := _CLOCK.fullmatch(text):
            hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
            if hour > 23 or minute > 59 or second > 59:
                return None
            fraction = round(float(found[4] or 0) * NS_PER_S)
            return ns_of(datetime.combine(self.day, time(hour, minute, second), self.zone)) + fraction
        return read_iso(text, self.zone)

    def say(self, ns: int) -> str:
        """A time as this place of the trace would write it."""
        if self.is_relative and ns >= self.start:
            return "+" + _length(ns - self.start)
        seconds, rest = divmod(ns, NS_PER_S)
        local = (_EPOCH + timedelta(seconds=seconds)).astimezone(self.zone)
        fraction = f"{rest:09d}".rstrip("0")
        tail = f".{fraction}" if fraction else ""
        if local.date() == self.day and self.read(f"{local:%H:%M:%S}") == ns - rest:
            short = f"{local:%H:%M}" if not local.second and not rest else f"{local:%H:%M:%S}"
            return short + tail
        utc = _EPOCH + timedelta(seconds=seconds)
        return f"{utc:%Y-%m-%dT%H:%M:%S}{tail}Z"


def read_length(text: str) -> int | None:
    """Ns of `1h30m`, `10s` …; None when it is no length."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(round(float(number) * _NS[unit]) for number, unit in parts)


def read_iso(text: str, zone: tzinfo) -> int | None:
    """Ns UTC of ISO 8601 with a date; in `zone` when it names none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return ns_of(found if found.tzinfo else found.replace(tzinfo=zone))


def ns_of(when: datetime) -> int:
    """Ns UTC of a time with a zone."""
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000


def _length(ns: int) -> str:
    said = ""
    for unit, size in _SAID:
        count, ns = divmod(ns, size)
        said += f"{count}{unit}" if count else ""
    seconds = f"{ns / NS_PER_S:.9f}".rstrip("0").rstrip(".")
    return said if said and not ns else f"{said}{seconds}s"
