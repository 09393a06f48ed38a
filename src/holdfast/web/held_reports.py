"""Log lines and traces of the nodes below as this node holds them: they came up as readings, and are read as such.

Blocking; worker threads. Newest first, an hour, a day, a week at a time, until there is enough or the time is over.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from holdfast.history.errors import QueryInvalid, QueryTooLong
from holdfast.history.query import MAX_POINTS
from holdfast.history.question import Deadline
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.names import NameInvalid
from holdfast.reporting.questions import LinesWanted, TraceRow, TracesWanted, traces_of
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import ALERT, INGEST, READING, Span, span_id
from holdfast.web.deps import Past
from holdfast.wire.reports import DEVICE, LOG, TRACES, decode_line, decode_step, series_of

MOST_LOOKED_AT = 50_000
"""Rows, for one question."""
_HOUR = 3_600 * NS_PER_S
_SPANS = (_HOUR, 24 * _HOUR, 7 * 24 * _HOUR, 31 * 24 * _HOUR, 366 * 24 * _HOUR)
_SHORTEST = 60 * NS_PER_S
_AHEAD = 24 * _HOUR
"""A node whose clock is ahead of this one's by so much is heard all the same."""
MOST_NODES = 32
"""Nodes that one trace is looked for at."""


class _Row(NamedTuple):
    node: str
    ts_ns: int
    text: str


class HeldReports:
    """Of one node."""

    def __init__(self, past: Past, clock: Clock) -> None:
        self._past, self._clock = past, clock

    def lines(self, node: str, wanted: LinesWanted) -> list[LogLine]:
        """The newest wanted lines of a node, oldest first."""
        found = (_line(row) for row in islice(self._newest([_name(node, LOG)], wanted.since_ns), MOST_LOOKED_AT))
        fitting = (line for line in found if line is not None and wanted.matches(line))
        return sorted(islice(fitting, wanted.limit), key=lambda line: (line.ts_ns, line.n))

    def traces(self, node: str, wanted: TracesWanted) -> list[TraceRow]:
        """The newest wanted traces that a node followed, newest first."""
        rows = self._newest([_name(node, TRACES)], wanted.since_ns)
        return traces_of(filter(None, map(_step, rows)), wanted, MOST_LOOKED_AT)

    def trace(self, number: str, here: Sequence[Span], series: str = "") -> list[Span]:
        """The steps of one trace at the nodes below, some perhaps twice.

        here: those at this one; series: of the reading, where known. Without either all nodes are looked through.
        """
        asked, found = set[str](), list[Span]()
        wanted = _nodes(here) | ({series.partition("/")[0]} if series else set())
        if not wanted:
            found = self._steps(number, [f"*/{DEVICE}/{TRACES}"], 1)
            wanted = _nodes(found)
        while wanted and len(asked) < MOST_NODES:
            asked |= wanted
            found += self._steps(number, [_name(node, TRACES) for node in sorted(wanted)], len(wanted))
            wanted = _nodes(found) - asked
        return found

    def _steps(self, number: str, patterns: Sequence[str], nodes: int) -> list[Span]:
        """Steps of a trace; all are found once as many nodes as are asked have told how it began or came to them."""
        found, begun = list[Span](), set[str]()
        for row in islice(self._newest(patterns, 0), MOST_LOOKED_AT):
            if len(begun) >= nodes and row.ts_ns < min(one.start_ns for one in found) - _HOUR:
                break
            step = _step(row) if number in row.text else None
            if step is not None and step.trace == number:
                found.append(step)
                begun |= {step.node} if step.name in (READING, ALERT, INGEST) else set()
        return found

    def _newest(self, patterns: Sequence[str], since_ns: int) -> Iterator[_Row]:
        deadline = Deadline(self._clock, self._past.patience_s)
        now_ns = self._clock.wall_ns()
        ends = [now_ns + _AHEAD, *(max(since_ns, now_ns - span) for span in _SPANS)]
        parts = [(low, high) for high, low in pairwise(ends) if low < high][::-1]
        while parts:
            low, high = parts.pop()
            try:
                answer = self._past.history.query(
                    patterns, low, high, limit=MAX_POINTS, check=deadline.check, ask=False
                )
            except (QueryInvalid, NameInvalid, QueryTooLong):
                return  # no such node; or the newest are what there was time for
            if answer.truncated and high - low > _SHORTEST:  # the oldest were given
                middle = (low + high) // 2
                parts += [(low, middle), (middle, high)]
                continue
            rows = [
                _Row(column.series.partition("/")[0], ts, text)
                for column in answer.series
                for ts, text in zip(column.ts, column.value or (), strict=True)
                if isinstance(text, str)
            ]
            yield from sorted(rows, key=lambda row: -row.ts_ns)


def _name(node: str, metric: str) -> str:
    return series_of(node, metric).name


def _nodes(spans: Sequence[Span]) -> set[str]:
    """Where a trace was before it came to where these steps are: the children that brought it, and its own node."""
    brought = {str(one.facts["child"]) for one in spans if one.name == INGEST and "child" in one.facts}
    # a series' name, or of an alert its rule, ` on ` and what it is about
    about = {str(one.facts.get("what", "")).rpartition(" on ")[2] for one in spans}
    return brought | {what.partition("/")[0] for what in about if "/" in what}


def _line(row: _Row) -> LogLine | None:
    sent = decode_line(row.text)
    return None if sent is None else LogLine(sent.n, row.ts_ns, sent.level, sent.name, sent.fields)


def _step(row: _Row) -> Span | None:
    sent = decode_step(row.text)
    if sent is None:
        return None
    number = span_id(sent.trace, row.node, sent.name)
    start_ns = row.ts_ns - max(0, sent.took_ns)
    return Span(sent.trace, number, row.node, sent.name, start_ns, row.ts_ns, sent.parent, sent.facts, sent.links)
