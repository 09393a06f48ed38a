"""Routes that tell what the node holds: series, their past, alerts."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.history.errors import QueryInvalid
from holdfast.history.names import select
from holdfast.model.quality import quality_of, reason_of
from holdfast.web.answers import SeriesList, SeriesRow
from holdfast.web.deps import WebDeps
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.parameters import aggregates, only, truth, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_step, parse_time

MOST_POINTS = 100_000
MOST_LISTED = 5_000
_MOST_PATTERNS = 100


class Reading:
    """The reading routes of one node."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        # Each question decodes on a thread of its own; two leave a core to the hot path on the smallest machines.
        self._gate = Gate(running=2, waiting=16)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/series", self.series),
            Route("/api/v1/query", self.query),
            Route("/api/v1/events", self.events),
        ]

    async def series(self, request: Request) -> Response:
        """`?match=pattern&limit=1000&offset=0`: series with their newest reading, by name."""
        params = request.query_params
        only(params, "match", "limit", "offset")
        limit, offset = whole(params, "limit", 1000, MOST_LISTED), whole(params, "offset", 0, 10**9)
        catalogue = self._deps.catalogue
        try:
            chosen = select(catalogue, params.getlist("match") or ["*"]).tolist()
        except QueryInvalid as error:
            raise Refused(400, str(error), error.hint) from error
        chosen.sort(key=lambda i: catalogue[i].name)
        rows = [self._row(i) for i in chosen[offset : offset + limit]]
        return answer(SeriesList(len(chosen), rows))

    async def query(self, request: Request) -> Response:
        """`?series=…&from=-1h&to=now&step=…&aggregates=…&limit=…&site=…`: points, or aggregates a step."""
        params = request.query_params
        only(params, "series", "from", "to", "step", "aggregates", "limit", "site")
        patterns = params.getlist("series")
        if not 0 < len(patterns) <= _MOST_PATTERNS:
            hint = f"series=node/device/metric, device/metric or a pattern with *; up to {_MOST_PATTERNS} times"
            raise Refused(400, "`series` is missing" if not patterns else "too many `series`", hint)
        now = self._deps.clock.wall_ns()
        from_ns = parse_time("from", params.get("from", "-1h"), now)
        to_ns = parse_time("to", params.get("to", "now"), now)
        step_ns = parse_step(params["step"]) if "step" in params else None
        limit = whole(params, "limit", 10_000, MOST_POINTS)
        wanted = aggregates(params)
        ask = truth(params, "site", default=True)
        async with self._gate.enter():
            try:
                found = await asyncio.to_thread(
                    self._deps.query, patterns, from_ns, to_ns, step_ns, wanted, limit, ask=ask
                )
                return await asyncio.to_thread(answer, found)
            except QueryInvalid as error:
                raise Refused(400, str(error), error.hint) from error

    async def events(self, request: Request) -> Response:
        """`?limit=50`: the latest alerts, newest first."""
        only(request.query_params, "limit")
        limit = whole(request.query_params, "limit", 50, 1000, 1)
        async with self._gate.enter():
            return answer(await asyncio.to_thread(self._deps.events, limit))

    def _row(self, series_id: int) -> SeriesRow:
        series, last = self._deps.catalogue[series_id], self._deps.last(series_id)
        about = (series.name, series.node, series.device, series.metric, series.unit, series.kind.name.lower())
        if last is None:
            return SeriesRow(*about)
        quality, reason = quality_of(last.quality).name.lower(), reason_of(last.quality).name.lower()
        return SeriesRow(*about, last.ts, last.value, quality, None if reason == "none" else reason, last.rows)
