"""`holdfast tail`: readings, events, alerts and log lines of a running node as they come."""

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from holdfast.cli.live_channel import Frame, LiveChannel
from holdfast.cli.node_api import Api, Declined
from holdfast.cli.words import many, plain, when
from holdfast.kernel.clock import Clock
from holdfast.model.quality import words_of
from holdfast.web.answers import SeriesList
from holdfast.web.live.messages import MOST_EXACT, Topic, Watch

MOST_SERIES = 1_000
LOOK_EVERY_S = 5.0
"""For series that are new."""
_TOPICS: tuple[Topic, ...] = ("events", "alerts", "logs")


class Wanted(msgspec.Struct, frozen=True):
    """What is to be shown. series: patterns; device: a pattern, also of alerts and events; topics: beside readings."""

    series: tuple[str, ...] = ()
    device: str = ""
    readings: bool = True
    topics: frozenset[str] = frozenset()


class Line(msgspec.Struct, frozen=True):
    """Something that came. what: reading, event, alert, log, skipped; facts: as the node told it."""

    what: str
    ts_ns: int
    text: str
    facts: dict[str, Any]

    def said(self) -> str:
        """As a person reads it."""
        return f"{when(self.ts_ns)[:-1]}.{self.ts_ns // 10**6 % 1000:03d}Z  {self.text}"

    def as_json(self) -> str:
        """As a program reads it: one object a line."""
        return msgspec.json.encode({"what": self.what, "ts_ns": self.ts_ns, **self.facts}).decode()


def show_tail(api: Api, wanted: Wanted, clock: Clock, *, count: int = 0, json: bool = False) -> int:
    """Print what comes until Ctrl-C, or so many lines."""
    lines = tail(api, wanted, clock)
    try:
        for line in islice(lines, count) if count else lines:
            sys.stdout.write((line.as_json() if json else line.said()) + "\n")
            sys.stdout.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()  # a reader that went away isn't worth a trace
    return 0


def tail(api: Api, wanted: Wanted, clock: Clock) -> Iterator[Line]:
    """What comes, for ever.

    Raises:
        Unanswered, Declined: when the node is gone, or refuses.
    """
    channel = LiveChannel(api)
    units, due, is_first = dict[str, str](), clock.monotonic() + LOOK_EVERY_S, set[str]()
    try:
        for topic in _TOPICS:
            if topic in wanted.topics:
                channel.say(Watch(id=topic, topic=topic))
                is_first.add(topic)
        if wanted.readings:
            _watch_new(api, channel, wanted, units)
        for frame in channel.frames():
            if wanted.readings and clock.monotonic() >= due:
                due = clock.monotonic() + LOOK_EVERY_S
                _watch_new(api, channel, wanted, units)
            for number, trouble in frame.errors.items():
                raise Declined(f"{number}: {trouble['error']}", trouble.get("hint", ""))
            yield from lines_of(frame, wanted, units, is_first)
    finally:
        channel.close()


def _watch_new(api: Api, channel: LiveChannel, wanted: Wanted, units: dict[str, str]) -> None:
    """Watch the series that aren't watched yet."""
    params: dict[str, str | list[str]] = {"match": list(wanted.series) or ["*"], "limit": str(MOST_SERIES)}
    if wanted.device:
        params["device"] = wanted.device
    found = api.get("series", SeriesList, params)
    new = [row.name for row in found.series if row.name not in units][: MOST_SERIES - len(units)]
    for at in range(0, len(new), MOST_EXACT):
        part = tuple(new[at : at + MOST_EXACT])
        channel.say(Watch(id=f"r{len(units)}", topic="readings", series=part))
        units.update(dict.fromkeys(part, ""))
    units.update({row.name: row.unit for row in found.series if row.name in units})


def lines_of(frame: Frame, wanted: Wanted, units: dict[str, str], is_first: set[str]) -> Iterator[Line]:
    """What a frame holds, by time. is_first: topics that have told nothing yet; what is old by then isn't shown."""
    lines: list[Line] = []
    for number, told in frame.data.items():
        if number in ("events", "alerts"):
            if number in is_first and number == "events":
                is_first.discard(number)
                continue
            rows = [row for row in told.get("events", told.get("changed", [])) if _fits(row, wanted.device)]
            lines += map(partial(_alert, number[:-1]), rows)
        elif number == "logs":
            lines += map(_log, told["lines"])
        else:
            lines += _readings(told, units)
            if told["skipped"]:
                text = f"… {many(told['skipped'], 'reading')} left out: they came faster than they can be shown"
                lines.append(Line("skipped", frame.now_ns, text, {"skipped": told["skipped"]}))
    yield from sorted(lines, key=lambda line: line.ts_ns)


def _fits(row: dict[str, Any], device: str) -> bool:
    return not device or fnmatchcase(row["device"], device)


def _readings(told: dict[str, Any], units: dict[str, str]) -> Iterator[Line]:
    for name, piece in told["series"].items():
        unit = units.get(name, "")
        for ts, value, code in zip(piece["ts"], piece["value"], piece["quality"], strict=True):
            quality, reason = words_of(code)
            doubt = "" if quality == "good" else f"  ({quality}{'' if reason is None else f': {reason}'})"
            text = f"{plain(name)}  {_spoken(value)}{f' {plain(unit)}' if unit else ''}{doubt}"
            facts = {"series": name, "value": value, "unit": unit, "quality": quality, "reason": reason or "none"}
            yield Line("reading", ts, text, facts)


def _spoken(value: object) -> str:
    if value is None:
        return "no value"
    return plain(value) if isinstance(value, str) else msgspec.json.encode(value).decode()


def _alert(what: str, row: dict[str, Any]) -> Line:
    if what == "event":
        kind, ts = row["kind"], row["ts"]
    else:
        kind = "closed" if row["state"] != "open" else "acknowledged" if row["acknowledged_ns"] else "open"
        ts = max(row["raised_ns"], row["cleared_ns"], row["acknowledged_ns"])
    where = plain(f"{row['node']}/{row['device']}")
    return Line(
        what, ts, f"{plain(kind)}  {row['severity']}  {where}  {plain(row['rule'])}: {plain(row['message'])}", row
    )


def _log(row: dict[str, Any]) -> Line:
    facts = " ".join(f"{name}={plain(str(value))}" for name, value in row["fields"].items())
    return Line("log", row["ts_ns"], f"{row['level']}  {row['name']}  {facts}".rstrip(), row)
