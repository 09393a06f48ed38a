"""Sends log lines and steps of traces up: as rows of the journal, in the lane that goes last (ADR 28).

What comes is only remembered, within a bound; once in a while it's made rows in one commit. From there on it's as safe
and as orderly as readings are: it waits for the link in the journal, is shed before anything else, and every node above
has it once. A crash takes the seconds since the last commit, as it does of the files here.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.reporting.allowance import Allowance
from holdfast.reporting.happenings import ReportsHeldBack, ReportsLost, ReportsSentAgain
from holdfast.reporting.leaving import leaving_line, leaving_step
from holdfast.reporting.questions import LEVELS
from holdfast.reporting.redacting import Redactor
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span
from holdfast.wire.reports import LOG, TRACES, encode_report

MOST_WAITING = 2_000
MOST_AT_ONCE = 500
"""Rows of one commit."""
LOOK_EVERY_S, SEND_EVERY_S = 1.0, 5.0
"""A warning waits for the next look, everything else for some company."""
CALM_S = 60.0
"""Left out nothing for so long: then it's over."""


class Row(Struct, frozen=True):
    """What becomes a row. metric: `LOG` or `TRACES`."""

    metric: str
    ts_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What goes up. level: lines of at least that; empty = none; per_day: bytes of texts."""

    level: str
    traces: bool
    per_day: int

    def __bool__(self) -> bool:
        """Is it anything?"""
        return bool(self.level) or self.traces


@dataclass(frozen=True, slots=True)
class Ways:
    """What a node gives to it.

    store:  makes rows of them in one commit, with the allowance as it's then; which metrics must stay and weren't
    recall: the allowance as it was stored last
    keeps:  is there anything here that must stay?
    """

    store: Callable[[Sequence[Row], str], Awaitable[frozenset[str]]]
    recall: Callable[[], Awaitable[str]]
    keeps: Callable[[], bool]


class Sender:
    """One node's. Loop thread only; `run` is its task's body."""

    def __init__(self, wanted: Wanted, ways: Ways, redactor: Redactor, clock: Clock, telemetry: Telemetry) -> None:
        """Send nothing yet."""
        self._wanted, self._ways, self._redactor = wanted, ways, redactor
        self._clock, self._telemetry = clock, telemetry
        self._least = LEVELS.get(wanted.level, 100)
        self._waiting: deque[LogLine | Span] = deque()
        self._allowance: Allowance | None = None
        self._sending = asyncio.Lock()
        self._has_urgent = self._is_failing = False
        self._due = self._left_out_at = 0.0
        self._since: Counter[str] = Counter()
        """Left out since it was said."""
        self.sent, self.left_out = Counter[str](logs=0, traces=0), Counter[str](logs=0, traces=0)
        self._count("reports_sent", "Log lines and steps of traces that were stored for the parent.", self.sent)
        self._count("reports_left_out", "Those that weren't: over `send_per_day`, kept, or not stored.", self.left_out)

    def _count(self, name: str, what: str, counts: Counter[str]) -> None:
        self._telemetry.table("counter", name, what, ("kind",), lambda: [((kind,), n) for kind, n in counts.items()])

    def take_line(self, line: LogLine) -> None:
        """A line was written."""
        rank = LEVELS.get(line.level.lower(), 0)
        if rank >= self._least:
            self._has_urgent = self._has_urgent or rank >= LEVELS["warning"]
            self._take(line)

    def take_spans(self, spans: Sequence[Span]) -> None:
        """Steps are over."""
        for span in spans if self._wanted.traces else ():
            self._take(span)

    async def run(self, fresh: Callable[[], None]) -> None:
        """Send for ever; cancel to stop. fresh: brings what was written since it was called last."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            fresh()
            if self._has_urgent or self._clock.monotonic() >= self._due:
                await self.send()

    async def send(self) -> None:
        """Make rows of all that waits; returns when they are safe on disk. What can't be done is said, never raised."""
        async with self._sending:
            self._due, self._has_urgent = self._clock.monotonic() + SEND_EVERY_S, False
            try:
                await self._send_all()
            except Exception as bug:  # noqa: BLE001  # a node must serve and stop whatever becomes of its log
                if not self._is_failing:
                    self._telemetry.emit(ReportsLost(kind="logs", cause=f"not sent: {bug!r}"))
                self._is_failing = True
            else:
                self._is_failing = False

    async def _send_all(self) -> None:
        if self._allowance is None:
            self._allowance = Allowance(self._wanted.per_day, self._clock.wall_ns(), await self._ways.recall())
        while self._waiting:
            await self._send_some(self._allowance)
        self._tell()

    async def _send_some(self, allowance: Allowance) -> None:
        some = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
        # on a thread: looking for secrets in a flood of lines must not hold up the loop
        made = await asyncio.to_thread(self._made, some, keeps=self._ways.keeps())
        now_ns, rows = self._clock.wall_ns(), list[Row]()
        for one, row in zip(some, made, strict=True):
            is_urgent = isinstance(one, LogLine) and LEVELS.get(one.level.lower(), 0) >= LEVELS["warning"]
            if allowance.take(len(row.text), now_ns, is_urgent=is_urgent):
                rows.append(row)
            else:
                self._leave_out(one)
        if not rows:
            return
        try:
            stay = await self._ways.store(rows, allowance.stored)
        except HoldfastError:
            stay = frozenset((LOG, TRACES))  # the journal's trouble is told of elsewhere; the files here have them
        for row in rows:
            (self.left_out if row.metric in stay else self.sent)["logs" if row.metric == LOG else "traces"] += 1

    def _made(self, some: Sequence[LogLine | Span], *, keeps: bool) -> list[Row]:
        return [
            Row(TRACES, one.end_ns, encode_report(leaving_step(one, self._redactor, keeps=keeps)))
            if isinstance(one, Span)
            else Row(LOG, one.ts_ns, encode_report(leaving_line(one, self._redactor, keeps=keeps)))
            for one in some
        ]

    def _take(self, one: LogLine | Span) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._leave_out(self._waiting.popleft())
        self._waiting.append(one)

    def _leave_out(self, one: LogLine | Span) -> None:
        kind = "traces" if isinstance(one, Span) else "logs"
        self.left_out[kind] += 1
        self._left_out_at = self._clock.monotonic()
        self._since[kind] += 1
        if self._since.total() == 1:
            self._telemetry.emit(ReportsHeldBack(per_day=self._wanted.per_day))

    def _tell(self) -> None:
        """A flood is over: say how much of it is missing above."""
        if self._since and self._clock.monotonic() - self._left_out_at >= CALM_S:
            self._telemetry.emit(ReportsSentAgain(lines=self._since["logs"], steps=self._since["traces"]))
            self._since.clear()
