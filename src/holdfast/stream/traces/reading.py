"""The text of a trace to its steps; every problem at once, with its line."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

from holdfast.kernel import scalars
from holdfast.kernel.documents import Problem, SettingsInvalid
from holdfast.stream.traces.expecting import read_expected
from holdfast.stream.traces.script import Acknowledged, Action, Given, Message, Restart, Silence, Step, Trace
from holdfast.stream.traces.times import TIME_HELP, Times, read_iso, read_length
from holdfast.stream.traces.values import RAMP, read_readings

MOST_MESSAGES = 100_000
DEFAULT_START = "2026-01-01T00:00Z"
_HEAD = re.compile(r"(rules|start|zone|node)\s*:\s*(.*)")
_TOKEN = re.compile(r"""(?:[^\s'"#]|'[^']*'|"[^"]*"|(?<=\S)\#)+|\#.*""")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
LINE_HELP = (
    "a line is `TIME DEVICE metric=value …`, `late TIME DEVICE metric=value …`, `TIME silence`, "
    "`TIME acknowledge RULE DEVICE`, `restart`, a day such as 2026-05-02, or `=> raised RULE DEVICE …`"
)


class Fault(Exception):
    """What is wrong with a line."""


def parse(text: str, path: Path) -> Trace:
    """The trace in a text; `path` is what problems are reported under.

    Raises:
        SettingsInvalid: with every problem.
    """
    reader = _Reader()
    problems = list[Problem]()
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            reader.line(number, line)
        except Fault as fault:
            problems.append(Problem(str(path), number, (), str(fault)))
    if not reader.rules and not problems:
        problems.append(Problem(str(path), 1, (), "names no rules; begin with `rules: my-rules.yaml`"))
    if problems:
        raise SettingsInvalid(problems)
    return Trace(path, tuple(reader.rules), reader.node, reader.units, reader.steps, lines)


def words(line: str) -> list[str]:
    """The words of a line without its comment; what stands in quotes is one word."""
    return [word for word in _TOKEN.findall(line) if not word.startswith("#")]


class _Reader:
    def __init__(self) -> None:
        self.rules: list[str] = []
        self.node = "node"
        self.units: dict[str, str] = {}
        self.steps: list[Step] = []
        self._zone: tzinfo = UTC
        self._start = read_iso(DEFAULT_START, UTC) or 0
        self._times = self._settled()
        self._now: int | None = None
        self._count = 0

    def _settled(self) -> Times:
        local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._start // 1000)
        return Times(self._start, local.astimezone(self._zone).date(), self._zone)

    def line(self, number: int, line: str) -> None:
        found = words(line)
        if not found:
            return
        if head := _HEAD.fullmatch(" ".join(found)):
            self._head(head[1], head[2])
        elif found[0] == "=>":
            self._expect(number, line, found)
        elif _DAY.fullmatch(found[0]) and len(found) == 1:
            self._day(found[0])
        else:
            actions = self._actions(found)
            self._count += len(actions)
            if self._count > MOST_MESSAGES:
                raise Fault(f"a trace has at most {MOST_MESSAGES:,} messages")
            self.steps.append(Step(number, line.strip(), self._times, tuple(actions)))

    def _expect(self, number: int, line: str, found: list[str]) -> None:
        if not self.steps:
            raise Fault("an event is expected before any line of input")
        said = line.partition("=>")[2].partition(" #")[0].strip()
        expected = read_expected(number, said, found[1:], self.steps[-1].times)
        if isinstance(expected, str):
            raise Fault(expected)
        if expected is not None:
            self.steps[-1].expected.append(expected)

    def _day(self, text: str) -> None:
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise Fault(f"{text} is no day: {error}") from None
        self._times = Times(self._start, day, self._zone, self._times.is_relative)

    def _head(self, key: str, value: str) -> None:
        if self.steps:
            raise Fault(f"`{key}:` must stand before the first line of input")
        if not value:
            raise Fault(f"`{key}:` is empty")
        if key == "rules":
            self.rules += value.split()
        elif key == "node":
            self.node = value
        elif key == "zone":
            try:
                self._zone = scalars.zone(value)
            except ValueError as error:
                raise Fault(f"zone: {error}") from None
        else:
            start = read_iso(value, self._zone)
            if start is None:
                raise Fault(f"start: `{value}` is no time; write 2026-05-01T08:00Z")
            self._start = start
        self._times = self._settled()

    def _time(self, text: str) -> int:
        found = self._times.read(text)
        if found is None:
            raise Fault(f"`{text}` is no time: {TIME_HELP}; {LINE_HELP}")
        return found

    def _onward(self, text: str) -> int:
        at = self._time(text)
        if text.startswith("+") and not self._times.is_relative:
            self._times = Times(self._times.start, self._times.day, self._zone, is_relative=True)
        if self._now is not None and at < self._now:
            said = self._times.say(self._now)
            raise Fault(f"{text} is before {said} in the line above; a message that comes late is `late {text} …`")
        self._now = at
        return at

    def _actions(self, found: list[str]) -> Sequence[Action]:
        if found == ["restart"]:
            return [Restart()]
        if len(found) < 2:
            raise Fault(LINE_HELP)
        if found[0] == "late":
            if self._now is None:
                raise Fault("nothing can be late before the first message")
            return [self._message(self._now, self._time(found[1]), found[2:])]
        return self._at(self._onward(found[0]), found)

    def _at(self, at: int, found: list[str]) -> Sequence[Action]:
        if found[1:] in (["silence"], ["tick"]):
            return [Silence(at)]
        if found[1] == "acknowledge":
            if len(found) != 4:
                raise Fault("write `TIME acknowledge RULE DEVICE`")
            return [Acknowledged(at, found[2], *self._place(found[3]))]
        if "stamped" in found:
            i = found.index("stamped")
            if i != len(found) - 2:
                raise Fault("`stamped TIME` stands at the end of a line")
            return [self._message(at, self._time(found[-1]), found[1:i])]
        return self._several(at, found[1:])

    def _several(self, at: int, rest: list[str]) -> list[Message]:
        if rest[0] != "every":
            return [self._message(at, at, rest)]
        period = read_length(rest[1]) if len(rest) > 1 else None
        if not period:
            raise Fault("write `TIME every 10s x6 DEVICE …` or `TIME every 10s until TIME DEVICE …`")
        count, rest = None, rest[2:]
        if rest and re.fullmatch(r"x\d{1,6}", rest[0]):
            count, rest = int(rest[0][1:]), rest[1:]
        elif len(rest) > 1 and rest[0] == "until":
            count, rest = (self._time(rest[1]) - at) // period + 1, rest[2:]
        node, device, columns = self._parts(rest)
        longest = max(len(column) for column in columns.values())
        count = longest if count is None else count
        if not 0 < count <= MOST_MESSAGES:
            raise Fault("no message, or too many: look at the times")
        made = []
        filled = {metric: _filled(metric, column, count) for metric, column in columns.items()}
        for i in range(count):
            ts = at + i * period
            made.append(Message(ts, ts, node, device, tuple(column[i] for column in filled.values())))
        self._now = at + (count - 1) * period
        return made

    def _message(self, at: int, ts: int, rest: list[str]) -> Message:
        node, device, columns = self._parts(rest)
        if any(len(column) != 1 for column in columns.values()):
            raise Fault("several values need `every`, as in `08:00 every 10s press-1 t=1,2,3`")
        return Message(at, ts, node, device, tuple(column[0] for column in columns.values()))

    def _parts(self, rest: list[str]) -> tuple[str, str, dict[str, list[Given]]]:
        if len(rest) < 2:
            raise Fault("a message is `DEVICE metric=value …`")
        columns = read_readings(rest[1:], self.units)
        if isinstance(columns, str):
            raise Fault(columns)
        return *self._place(rest[0]), columns

    def _place(self, text: str) -> tuple[str, str]:
        node, slash, device = text.strip("'\"").partition("/")
        return (node, device) if slash else (self.node, node)


def _filled(metric: str, column: list[Given], count: int) -> list[Given]:
    """A column of `count` readings: as listed, the one for all, or from the first to the last in equal steps."""
    if len(column) == 1:
        return column * count
    if len(column) == count:
        return column
    first, last = column[0], column[-1]
    if len(column) == 2 and column[0].quality == RAMP and not isinstance(first.value, str):
        low, high = float(first.value), float(last.value)
        share = [i / (count - 1) if count > 1 else 0.0 for i in range(count)]
        return [Given(metric, low + (high - low) * s, last.quality) for s in share]
    raise Fault(f"{metric} has {len(column)} values for {count} messages")
