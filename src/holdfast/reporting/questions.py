"""Answers about log lines and traces. Blocking; worker threads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from msgspec import Struct

from holdfast.reporting.keeping import Kept, newest
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import ALERT, READING, Span, trace_id

MOST_LOOKED_AT = 200_000
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class LinesWanted:
    """Which lines. level: at least that; name: part of it; text: anywhere in it; since_ns: no older."""

    level: str = "debug"
    name: str = ""
    text: str = ""
    since_ns: int = 0
    limit: int = 200

    def matches(self, line: LogLine) -> bool:
        """Is this one of them?"""
        if LEVELS.get(line.level.lower(), 0) < LEVELS[self.level] or self.name.lower() not in line.name.lower():
            return False
        if line.ts_ns < self.since_ns:
            return False
        text = self.text.lower()
        return not text or text in line.name.lower() or any(text in f"{k}={v}".lower() for k, v in line.fields.items())


class TraceRow(Struct, frozen=True):
    """A trace at a glance, as this node knows it.

    what: its series, or the rule; kind: `reading` or `alert`; root: begun at this node; steps: names, in order
    """

    id: str
    kind: str
    what: str
    nodes: list[str]
    start_ns: int
    end_ns: int
    root: bool
    steps: list[str]
    alerts: str = ""


@dataclass(frozen=True, slots=True)
class TracesWanted:
    """Which traces. series: part of what it's about; least_ns: it took so long at least; ts_ns: of that reading."""

    series: str = ""
    kind: str = ""
    since_ns: int = 0
    least_ns: int = 0
    limit: int = 50


class Reports:
    """What is asked about."""

    def __init__(self, lines: Kept[LogLine], spans: Kept[Span]) -> None:
        self._lines, self._spans = lines, spans

    def log(self, wanted: LinesWanted) -> list[LogLine]:
        """The newest wanted lines, oldest first."""
        found = newest(self._lines.newest_first(), wanted.matches, wanted.limit, MOST_LOOKED_AT)
        seen = dict.fromkeys((line.ts_ns, line.n) for line in found)
        return [line for line in reversed(found) if seen.pop((line.ts_ns, line.n), 0) is None]

    def trace(self, number: str) -> list[Span]:
        """The steps of one trace at this node, in order."""
        found = newest(self._spans.newest_first(), lambda span: span.trace == number, 1_000, MOST_LOOKED_AT)
        return ordered(found)

    def traces(self, wanted: TracesWanted) -> list[TraceRow]:
        """The newest wanted traces, newest first."""
        return traces_of(self._spans.newest_first(), wanted, MOST_LOOKED_AT)

    def of_reading(self, series: str, ts_ns: int) -> str:
        """The id that a reading's trace has."""
        return trace_id(series, ts_ns)


def traces_of(newest_first: Iterable[Span], wanted: TracesWanted, most_looked_at: int) -> list[TraceRow]:
    """The newest wanted traces that these steps are of, newest first."""
    by_trace: dict[str, list[Span]] = {}
    for span in islice(newest_first, most_looked_at):
        if span.end_ns < wanted.since_ns and span.trace not in by_trace:
            continue
        by_trace.setdefault(span.trace, []).append(span)
    rows = (row_of(spans) for spans in by_trace.values())
    good = [row for row in rows if _is_wanted(row, wanted)]
    return sorted(good, key=lambda row: row.start_ns, reverse=True)[: wanted.limit]


def ordered(spans: Iterable[Span]) -> list[Span]:
    """Each step once, by its beginning; roots before what they hold."""
    once = {(span.node, span.name, span.start_ns): span for span in spans}
    return sorted(once.values(), key=lambda span: (span.start_ns, -span.end_ns))


def row_of(spans: Sequence[Span]) -> TraceRow:
    """A trace at a glance."""
    steps = ordered(spans)
    root = next((one for one in steps if one.name in (READING, ALERT)), None)
    first = root or steps[0]
    is_alert = first.name == ALERT or any(one.facts.get("kind") == ALERT for one in steps)
    known = (one.facts.get("what") or one.facts.get("series") for one in (first, *steps))
    what = str(next(filter(None, known), ""))
    if first.name == ALERT:
        what = f"{first.facts.get('rule', '')} on {first.facts.get('series', '')}"
    return TraceRow(
        id=first.trace,
        kind=ALERT if is_alert else READING,
        what=what,
        nodes=list(dict.fromkeys(one.node for one in steps)),
        start_ns=min(one.start_ns for one in steps),
        end_ns=max(one.end_ns for one in steps),
        root=root is not None,
        steps=[one.name for one in steps],
        alerts=next((str(one.facts["alerts"]) for one in steps if one.facts.get("alerts")), ""),
    )


def _is_wanted(row: TraceRow, wanted: TracesWanted) -> bool:
    return (
        wanted.series.lower() in row.what.lower()
        and (not wanted.kind or row.kind == wanted.kind)
        and row.end_ns >= wanted.since_ns
        and row.end_ns - row.start_ns >= wanted.least_ns
    )
