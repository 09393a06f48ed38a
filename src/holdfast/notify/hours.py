"""Hours of the week in a time zone: when a channel tells, when works are planned. Pure; wall time is handed in.

A span belongs to the day on which it begins, and may pass midnight. Where clocks change it's as long as clocks on the
wall make it; of a time that comes twice the first counts, and one that is skipped is as much later.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct, field

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import Zone, zone

Finding = tuple[tuple[str | int, ...], str]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAYS_HELP = "write days as in [mon-fri] or [sat, sun]"
HOURS_HELP = "days, a span and a time zone, as in `mon-fri 06:00-22:00 Europe/Berlin`; days and zone may be left out"
_TIME = r"^(?:[01]?\d|2[0-3]):[0-5]\d$|^24:00$"
_SPAN = re.compile(r"(\d{1,2}:\d\d)-(\d{1,2}:\d\d)")
TimeOfDay = Annotated[str, Meta(pattern=_TIME)]
_FAR = 8
"""Days in which a span of the week begins again."""


class Hours(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`{days: [mon-fri], from: "06:00", to: "22:00", zone: Europe/Berlin}`."""

    days: tuple[str, ...] = ()
    """`mon` to `sun`, or `mon-fri`; absent = every day."""
    begin: TimeOfDay = field(name="from", default="00:00")
    end: TimeOfDay = field(name="to", default="24:00")
    """Not above `from`: of the next day."""
    zone: Zone = "UTC"

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        for i, text in enumerate(self.days):
            if not _days_of(text):
                yield ("days", i), f"`{text[:20]}` is no day: {DAYS_HELP}"
        if self.begin == self.end:
            yield ("to",), "a span that ends when it begins is none: leave both away for whole days"

    def is_in(self, now_ns: int) -> bool:
        """Is it one of these hours?"""
        return self.now(now_ns) is not None

    def now(self, now_ns: int) -> tuple[int, int] | None:
        """The span that it is (from, to), ns UTC; None = it's outside."""
        return next((one for one in self._spans(now_ns) if one[0] <= now_ns < one[1]), None)

    def next(self, now_ns: int) -> tuple[int, int]:
        """The span that it is, or else the next one."""
        return next(one for one in self._spans(now_ns) if now_ns < one[1])

    def __str__(self) -> str:
        """In one line, as `parse_line` reads it."""
        return f"{','.join(self.days) or 'mon-sun'} {self.begin}-{self.end} {self.zone}"

    def _spans(self, now_ns: int) -> Iterator[tuple[int, int]]:
        """Those that begin from yesterday on, in order."""
        where = _zone(self.zone)
        begin, end = _minutes(self.begin), _minutes(self.end)
        end += 0 if end > begin else 24 * 60
        wanted = frozenset().union(*(_days_of(one) for one in self.days)) or frozenset(range(7))
        today = datetime.fromtimestamp(now_ns // NS_PER_S, where).date()
        for day in (today + timedelta(days=n) for n in range(-2, _FAR + 1)):
            if day.weekday() in wanted:
                yield _moment(day, begin, where), _moment(day, end, where)


def parse_line(text: str) -> Hours:
    """Hours as typed in one line.

    Raises:
        ValueError: says how to write it.
    """
    words = text.split()
    at = next((i for i, word in enumerate(words) if _SPAN.fullmatch(word)), None)
    if at is None or at > 1 or len(words) > at + 2:
        msg = f"expected {HOURS_HELP}"
        raise ValueError(msg)
    begin, _, end = words[at].partition("-")
    days = tuple(words[0].split(",")) if at else ()
    made = Hours(days, begin, end, words[at + 1] if len(words) > at + 1 else "UTC")
    require(made)
    return made


def require(hours: Hours) -> None:
    """Refuse what contradicts itself; what YAML and JSON have checked already is checked again.

    Raises:
        ValueError: says what is wrong.
    """
    for text in (hours.begin, hours.end):
        if re.search(_TIME, text) is None:
            msg = f"`{text[:20]}` is no time of the day: expected {HOURS_HELP}"
            raise ValueError(msg)
    zone(hours.zone)
    for _, said in hours.findings():
        raise ValueError(said)


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    return zone(name)


@lru_cache(maxsize=256)
def _days_of(text: str) -> frozenset[int]:
    """The days that a word means, Monday = 0; empty: it's none."""
    first, _, last = text.strip().lower().partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        return frozenset()
    low, high = DAYS.index(first), DAYS.index(last or first)
    return frozenset((low + n) % 7 for n in range((high - low) % 7 + 1))


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return 60 * int(hour) + int(minute)


def _moment(day: date, minutes: int, where: tzinfo) -> int:
    day += timedelta(days=minutes // (24 * 60))
    hour, minute = divmod(minutes % (24 * 60), 60)
    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=where)
    return int(local.astimezone(UTC).timestamp()) * NS_PER_S
