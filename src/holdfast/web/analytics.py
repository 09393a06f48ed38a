"""Questions over everything that is held here: by a form, with our own steps, or in SQL where DuckDB is installed.

Read only and bounded: one question at a time and a few in line, `api.question_time`, 10,000 rows, and for SQL a process
of its own with a bound on memory. Whoever goes away ends the question.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.history.errors import QueryInvalid, QueryTooLong
from holdfast.history.grouping import MOST_ROWS, Aggregate, Column, Key, Table, Wish, grouped
from holdfast.history.question import Deadline, Source, summed
from holdfast.history.sql_desk import SqlFailed
from holdfast.kernel.memory import give_back
from holdfast.kernel.scalars import zone
from holdfast.web.bodies import read_body
from holdfast.web.deps import WebDeps
from holdfast.web.door import VIEWER, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.parameters import only
from holdfast.web.responses import answer, given_up
from holdfast.web.times import parse_time

T = TypeVar("T")
MAX_BODY, STALL_S = 64 << 10, 10.0
MOST_PATTERNS = 100
GONE = 499
"""What nobody reads any more is answered with: as nginx has it."""
_HINT = "see docs/reference/http-api.md, Analytics"
Pattern = Annotated[str, Meta(min_length=1, max_length=512)]


class AnalyticsQuestion(Struct, frozen=True, forbid_unknown_fields=True):
    """Either `sql`, or the rest. Times as in `/api/v1/query`; zone: of hours and days."""

    sql: Annotated[str, Meta(max_length=20_000)] = ""
    series: Annotated[tuple[Pattern, ...], Meta(max_length=MOST_PATTERNS)] = ()
    aggregate: Aggregate = "mean"
    by: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=4)] = ("site",)
    begin: str = field(name="from", default="-24h")
    end: str = field(name="to", default="now")
    top: Annotated[int, Meta(ge=0, le=MOST_ROWS)] = 0
    ascending: bool = False
    zone: Annotated[str, Meta(max_length=64)] = "UTC"


class AnalyticsAnswer(Struct, frozen=True):
    """A table. engine: `steps` or `sql`; total: groups before `top`; notes: what is to be known about it."""

    engine: str
    columns: list[Column]
    rows: list[list[float | int | str | bool | None]]
    total: int
    truncated: bool
    took_s: float
    from_ns: int | None = None
    to_ns: int | None = None
    sources: list[Source] = []
    notes: list[str] = []


class AnalyticsAbout(Struct, frozen=True):
    """What may be asked. sql: is DuckDB installed?"""

    sql: bool
    most_rows: int
    seconds: float
    tables: dict[str, list[str]]


_SERIES = ["node", "device", "metric", "unit", "ts"]
_SUMMED = [*_SERIES, "count", "uncertain", "bad", "min", "max", "mean", "last", "day"]
_TABLES = {
    "readings": [*_SERIES, "value", "text", "quality", "reason", "day"],
    "minutes": _SUMMED,
    "hours": _SUMMED,
}
_question = msgspec.json.Decoder(AnalyticsQuestion)


@dataclass(slots=True)
class _Interest:
    """Does anybody still wait? Looked at from the working thread."""

    is_over: bool = False


class Analytics:
    """The routes of one node."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        self._gate = Gate(running=1, waiting=4)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/analytics", self.about),
            Route("/api/v1/analytics", self.ask, methods=["POST"]),
        ]

    async def about(self, request: Request) -> Response:
        """What may be asked."""
        only(request.query_params)
        sql = self._deps.sql is not None and self._deps.sql.is_there
        return answer(AnalyticsAbout(sql, MOST_ROWS, self._deps.past.patience_s, _TABLES))

    @needs(VIEWER, noted=False)
    async def ask(self, request: Request) -> Response:
        """JSON `AnalyticsQuestion` in, JSON `AnalyticsAnswer` out. It changes nothing."""
        only(request.query_params)
        try:
            wanted = _question.decode(await read_body(request, MAX_BODY, STALL_S))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(400, f"no question: {error}", _HINT) from error
        if bool(wanted.sql) == bool(wanted.series):
            raise Refused(400, "give either `sql` or `series`", _HINT)
        interest = _Interest()
        async with self._gate.enter():
            work = self._in_sql(wanted) if wanted.sql else self._in_steps(wanted, interest)
            found = await _while_wanted(request, work, interest)
        return Response(status_code=GONE) if found is None else answer(found)

    async def _in_sql(self, wanted: AnalyticsQuestion) -> AnalyticsAnswer:
        desk = self._deps.sql
        if desk is None or not desk.is_there:
            raise Refused(
                501, "SQL needs DuckDB, which isn't installed here", "`pip install 'holdfast[query]'`, or use the form"
            )
        clock = self._deps.clock
        began = clock.monotonic()
        try:
            told = await desk.run(wanted.sql, self._deps.past.patience_s, MOST_ROWS)
        except SqlFailed as error:
            raise Refused(400, str(error), error.hint) from error
        found = told.table or Table([], [], 0)
        notes = [f"{told.elsewhere} files are not on this disk, and not part of this"] if told.elsewhere else []
        took_s = round(clock.monotonic() - began, 3)
        return AnalyticsAnswer("sql", found.columns, found.rows, found.total, found.truncated, took_s, notes=notes)

    async def _in_steps(self, wanted: AnalyticsQuestion, interest: _Interest) -> AnalyticsAnswer:
        clock, now = self._deps.clock, self._deps.clock.wall_ns()
        low, high = parse_time("from", wanted.begin, now), parse_time("to", wanted.end, now)
        try:
            zone(wanted.zone)
        except ValueError as error:
            raise Refused(400, f"zone={wanted.zone[:40]!r}: {error}", _HINT) from error
        wish = Wish(wanted.aggregate, wanted.by, wanted.top, wanted.ascending, wanted.zone)
        began, deadline = clock.monotonic(), Deadline(clock, self._deps.past.patience_s)

        def check() -> None:
            deadline.check()
            if interest.is_over:
                raise QueryTooLong(0.0)

        try:
            table, sources = await asyncio.to_thread(self._grouped, wanted, wish, (low, high), check)
        except QueryInvalid as error:
            raise Refused(400, str(error), error.hint) from error
        except QueryTooLong as error:
            raise given_up(self._deps.telemetry, wanted.series, error) from error
        took_s = round(clock.monotonic() - began, 3)
        rows = [list(row) for row in table.rows]
        return AnalyticsAnswer("steps", table.columns, rows, table.total, table.truncated, took_s, low, high, sources)

    def _grouped(
        self, wanted: AnalyticsQuestion, wish: Wish, span: tuple[int, int], check: Callable[[], None]
    ) -> tuple[Table, list[Source]]:
        """Blocking."""
        low, high = span
        history, step_ns = self._deps.past.history, wish.step_ns(high - low)
        series, cells, _, got = history.steps(
            wanted.series, low, high, step_ns, ("count", "bad", "min", "max", "mean", "last"), check, ask=False
        )
        try:
            return grouped(series, cells, wish), summed(got.sources)
        finally:
            give_back()


async def _while_wanted(request: Request, work: Coroutine[Any, Any, T], interest: _Interest) -> T | None:
    """The answer; None = nobody waits for it any more, and the work has ended."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        interest.is_over = True
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
