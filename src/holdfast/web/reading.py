"""Routes that tell the past: readings, steps of them, alerts."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.history.answers import Answer
from holdfast.history.errors import QueryInvalid, QueryTooLong
from holdfast.history.question import Deadline, is_large
from holdfast.history.streaming import MOST_ROWS, Asked, Emit, Told, stream
from holdfast.kernel.memory import give_back
from holdfast.web.arrow import MEDIA_TYPE, ArrowAnswer
from holdfast.web.deps import WebDeps
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.parameters import aggregates, only, truth, whole
from holdfast.web.responses import answer, given_up
from holdfast.web.times import parse_step, parse_time

MOST_POINTS = 100_000
_MOST_PATTERNS = 100


class Reading:
    """The reading routes of one node."""

    def __init__(self, deps: WebDeps, gate: Gate) -> None:
        """gate: shared by all questions about the past."""
        self._deps, self._gate = deps, gate

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/query", self.query),
            Route("/api/v1/events", self.events),
        ]

    async def query(self, request: Request) -> Response:
        """`?series=…&from=-1h&to=now&step=…&aggregates=…&limit=…&site=…`: points, or aggregates a step."""
        params = request.query_params
        only(params, "series", "from", "to", "step", "aggregates", "limit", "site")
        patterns = params.getlist("series")
        if not 0 < len(patterns) <= _MOST_PATTERNS:
            hint = f"series=node/device/metric, device/metric or a pattern with *; up to {_MOST_PATTERNS} times"
            raise Refused(400, "`series` is missing" if not patterns else "too many `series`", hint)
        wants_arrow = MEDIA_TYPE in request.headers.get("accept", "")
        now = self._deps.clock.wall_ns()
        asked = Asked(
            patterns,
            parse_time("from", params.get("from", "-1h"), now),
            parse_time("to", params.get("to", "now"), now),
            parse_step(params["step"]) if "step" in params else None,
            aggregates(params),
            whole(params, "limit", MOST_ROWS, MOST_ROWS)
            if wants_arrow
            else whole(params, "limit", 10_000, MOST_POINTS),
            truth(params, "site", default=True),
        )
        return await (self._in_batches(asked) if wants_arrow else self._whole(asked))

    async def _whole(self, asked: Asked) -> Response:
        history = self._deps.past.history
        async with self._gate.enter():
            with self._judged(asked) as deadline:
                found = await asyncio.to_thread(
                    history.query,
                    asked.patterns,
                    asked.from_ns,
                    asked.to_ns,
                    asked.step_ns,
                    asked.aggregates,
                    asked.limit,
                    deadline.check,
                    ask=asked.ask,
                )
                return await asyncio.to_thread(_answered, found)

    async def _in_batches(self, asked: Asked) -> Response:
        history, gate = self._deps.past.history, self._gate

        def work(emit: Emit) -> Told:
            with self._judged(asked) as deadline:
                return stream(history, asked, emit, deadline.check)

        return ArrowAnswer(asked, work, gate)

    @contextmanager
    def _judged(self, asked: Asked) -> Iterator[Deadline]:
        """The time the question has; what is wrong with it becomes a refusal."""
        try:
            yield Deadline(self._deps.clock, self._deps.past.patience_s)
        except QueryInvalid as error:
            raise Refused(400, str(error), error.hint) from error
        except QueryTooLong as error:
            raise given_up(self._deps.telemetry, asked.patterns, error) from error

    async def events(self, request: Request) -> Response:
        """`?limit=50`: the latest alerts, newest first."""
        only(request.query_params, "limit")
        limit = whole(request.query_params, "limit", 50, 1000, 1)
        async with self._gate.enter():
            return answer(await asyncio.to_thread(self._deps.events, limit))


def _answered(found: Answer) -> Response:
    response = answer(found)
    if is_large(found.sources):
        give_back()
    return response
