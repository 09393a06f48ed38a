"""The newest lines of the log, numbered, in memory; and how one line is written.

A line is made once: the ring keeps it as a `LogLine`, and stderr gets it as text for people or as JSON for programs.
"""

import re
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Literal

import msgspec

from holdfast.kernel.clock import NS_PER_S

Style = Literal["text", "json"]
Fact = str | int | float | bool | None
LONGEST_FACT = 4_000
"""Characters of a field that are kept: a cause may carry what a stranger wrote."""
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")


class LogLine(msgspec.Struct, frozen=True):
    """A happening as the log tells it. n: counts from 1 at each start; level: as in `Level`, by name."""

    n: int
    ts_ns: int
    level: str
    name: str
    fields: dict[str, Fact]


class _JsonLine(msgspec.Struct, frozen=True):
    ts: str
    level: str
    name: str
    fields: dict[str, Fact]


class Lines:
    """At most `keep` lines, the newest. May be read from any thread."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self._kept: deque[LogLine] = deque(maxlen=keep)
        self._last = 0
        self._lock = threading.Lock()  # lines are added on the loop, and read by questions on worker threads

    def add(self, ts_ns: int, level: str, name: str, fields: dict[str, Fact]) -> LogLine:
        """The next line."""
        with self._lock:
            self._last += 1
            line = LogLine(self._last, ts_ns, level, name, fields)
            self._kept.append(line)
        return line

    @property
    def last(self) -> int:
        """The number of the newest line; 0 = none yet."""
        return self._last

    def after(self, n: int) -> list[LogLine]:
        """The lines above a number that are still here, oldest first. When its first isn't `n + 1`, some are gone."""
        with self._lock:
            if n >= self._last:
                return []
            return [line for line in self._kept if line.n > n]


def fact(value: object) -> Fact:
    """A field's value as JSON has it: bounded, and without logins in URLs."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return without_login(str(value)[:LONGEST_FACT])


def without_login(text: str) -> str:
    """A text whose URLs name no user and no password."""
    return _LOGIN.sub("…@", text) if "@" in text and "://" in text else text


def as_text(line: LogLine) -> str:
    """One line for people: time, level, name, fields."""
    facts = " ".join(f"{name}={_plain(value)}" for name, value in line.fields.items())
    return f"{stamp(line.ts_ns)} {line.level} {line.name} {facts}".rstrip()


def as_json(line: LogLine) -> str:
    """One line for programs: an object with `ts`, `level`, `name` and `fields`."""
    return msgspec.json.encode(_JsonLine(stamp(line.ts_ns), line.level, line.name, line.fields)).decode()


WRITERS = {"text": as_text, "json": as_json}


def stamp(ts_ns: int) -> str:
    """A time in UTC with milliseconds, as the log writes it."""
    return datetime.fromtimestamp(ts_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds")


def _plain(value: Fact) -> str:
    """What has a space, a quote or a character that a terminal would obey is written as JSON."""
    text = str(value)
    needs = " " in text or '"' in text or not text.isprintable()
    return msgspec.json.encode(text).decode() if needs else text
