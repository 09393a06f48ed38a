"""Routes for the log and for traces. A viewer may read both."""

import asyncio
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.kernel.clock import NS_PER_MS
from holdfast.reporting.questions import LEVELS, LinesWanted, TracesWanted, ordered
from holdfast.reporting.service import ReportService
from holdfast.telemetry.spans import ALERT, READING, trace_id
from holdfast.web.deps import WebDeps
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.held_reports import HeldReports
from holdfast.web.parameters import only, truth, whole
from holdfast.web.report_answers import LogAnswer, TraceAnswer, TraceList
from holdfast.web.responses import answer
from holdfast.web.times import parse_time
from holdfast.wire.reports import LOG, TRACES, series_of

MOST_LINES = 5_000
MOST_TRACES = 500
LONGEST_TEXT = 200
_NS = re.compile(r"-?[0-9]{1,19}")
_ID = re.compile(r"[0-9a-f]{32}")


class Reports:
    """The routes of one node."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        self._gate = Gate(running=1, waiting=8)
        self._held = HeldReports(deps.past, deps.clock)

    def routes(self) -> list[Route]:
        """The paths; none where nothing is kept, as in a part's test."""
        if self._deps.reporting is None:
            return []
        return [
            Route("/api/v1/logs", self.logs),
            Route("/api/v1/traces", self.traces),
            Route("/api/v1/traces/{id}", self.trace),
        ]

    @property
    def _service(self) -> ReportService:
        assert self._deps.reporting is not None  # noqa: S101  # else there is no path that leads here
        return self._deps.reporting

    async def logs(self, request: Request) -> Response:
        """`?level=info&name=&text=&since=&after=&limit=200&node=`: the newest lines that match, oldest first.

        `after` follows: lines above that number, of those in memory. `node`: of a node below, as they came up.
        """
        params = request.query_params
        only(params, "level", "name", "text", "since", "after", "limit", "node")
        wanted = LinesWanted(
            level=_one_of("level", params.get("level", "debug"), tuple(LEVELS)),
            name=_short("name", params.get("name", "")),
            text=_short("text", params.get("text", "")),
            since_ns=parse_time("since", params["since"], self._deps.clock.wall_ns()) if "since" in params else 0,
            limit=whole(params, "limit", 200, MOST_LINES, 1),
        )
        node = self._below(params, LOG)
        if node:
            async with self._gate.enter():
                return answer(LogAnswer(await asyncio.to_thread(self._held.lines, node, wanted), 0))
        ring = self._deps.telemetry.lines
        if "after" in params:
            newer = ring.after(whole(params, "after", 0, 10**11))
            return answer(LogAnswer([line for line in newer if wanted.matches(line)][-wanted.limit :], ring.last))
        service = self._service
        service.fresh()
        last = ring.last
        async with self._gate.enter():
            return answer(LogAnswer(await asyncio.to_thread(service.reports.log, wanted), last))

    async def traces(self, request: Request) -> Response:
        """`?series=&kind=&since=&min_ms=&limit=50&node=`: the newest traces that match, newest first.

        `node`: those that a node below followed, as its steps came up.
        """
        params = request.query_params
        only(params, "series", "kind", "since", "min_ms", "limit", "node")
        wanted = TracesWanted(
            series=_short("series", params.get("series", "")),
            kind=_one_of("kind", params.get("kind", ""), ("", "reading", "alert")),
            since_ns=parse_time("since", params["since"], self._deps.clock.wall_ns()) if "since" in params else 0,
            least_ns=whole(params, "min_ms", 0, 10**10) * NS_PER_MS,
            limit=whole(params, "limit", 50, MOST_TRACES, 1),
        )
        tracer, node = self._deps.telemetry.tracer, self._below(params, TRACES)
        async with self._gate.enter():
            if node:
                rows = await asyncio.to_thread(self._held.traces, node, wanted)
            else:
                rows = await asyncio.to_thread(self._service.reports.traces, wanted)
        share, let_go = (0.0, 0) if tracer is None else (tracer.sampler.share, tracer.let_go)
        return answer(TraceList(rows, share, let_go))

    async def trace(self, request: Request) -> Response:
        """One trace by its id, or by its reading: `/api/v1/traces/of?series=NODE/DEVICE/METRIC&ts=NS`.

        `below=true`: the child that brought it is asked for its steps, too, and what came up by itself is looked for.
        """
        params, number = request.query_params, request.path_params["id"]
        if number == "of":
            only(params, "series", "ts", "below")
            ts = params.get("ts", "")
            if not _NS.fullmatch(ts):
                raise Refused(400, f"ts={ts[:60]!r} is not allowed", "the reading's time in ns since 1970")
            number = trace_id(params.get("series", ""), int(ts))
        else:
            only(params, "below")
        if not _ID.fullmatch(number):
            raise Refused(400, f"{number[:60]!r} is no trace's id", "32 hex digits; an alert's is its event's id")
        async with self._gate.enter():
            spans = await asyncio.to_thread(self._service.reports.trace, number)
        notes = list[str]()
        if truth(params, "below", default=False) and self._service.below is not None:
            below, notes = await self._service.below(number, spans)
            if notes or not any(one.name in (READING, ALERT) for one in (*spans, *below)):  # somebody didn't answer
                async with self._gate.enter():
                    below = [
                        *below,
                        *await asyncio.to_thread(self._held.trace, number, spans, params.get("series", "")),
                    ]
            spans = ordered([*spans, *below])
        if not spans:
            raise Refused(404, f"nothing is known here of trace {number}", "it wasn't followed, or is too old by now")
        return answer(TraceAnswer(number, spans, notes))

    def _below(self, params: Mapping[str, str], metric: str) -> str:
        """The node below that is asked about; empty = this one."""
        node = _short("node", params.get("node", ""))
        if node in ("", self._service.node):
            return ""
        if "after" in params:
            raise Refused(400, "`after` follows this node's own log", "leave out `after` or `node`")
        if self._deps.catalogue.find(series_of(node, metric)) is None:
            key = "log" if metric == LOG else "traces"
            hint = f"`telemetry.{key}.send` in its node.yaml makes it come up"
            raise Refused(404, f"nothing of that kind came here from {node[:80]!r}", hint)
        return node


def _one_of(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise Refused(400, f"{name}={text[:60]!r} is not allowed", "one of " + ", ".join(filter(None, allowed)))
    return text


def _short(name: str, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise Refused(400, f"{name} is too long", f"at most {LONGEST_TEXT} characters")
    return text
