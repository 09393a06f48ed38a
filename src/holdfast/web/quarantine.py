"""Routes for refused messages: list, one with today's verdict, and replay."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.journal.quarantine import LAST_ID, QuarantineFilter
from holdfast.journal.records import QuarantineRow
from holdfast.web.answers import QuarantinedDetail, QuarantinedMessage, ReplayRequest
from holdfast.web.bodies import read_body
from holdfast.web.deps import WebDeps
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

MOST_LISTED = 200
MAX_BODY = 1 << 20
"""Bytes of a replay's body: some 100,000 ids, which is all that a quarantine holds by default."""
STALL_S = 10.0
_request = msgspec.json.Decoder(ReplayRequest)


class Quarantine:
    """The quarantine's routes of one node."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        self._gate = Gate(running=2, waiting=8)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/quarantine", self.list),
            Route("/api/v1/quarantine/{id:int}", self.show),
            Route("/api/v1/quarantine/replay", self.replay, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """`?limit=50&before=ID&reason=&source=&topic=&since=`: the latest refused messages, newest first."""
        params = request.query_params
        only(params, "limit", "before", "reason", "source", "topic", "since")
        limit = whole(params, "limit", 50, MOST_LISTED, 1)
        before = whole(params, "before", 0, 10**11) or LAST_ID
        since = parse_time("since", params["since"], self._deps.clock.wall_ns()) if "since" in params else 0
        wanted = QuarantineFilter(
            reason=params.get("reason", ""),
            source=params.get("source", ""),
            topic=params.get("topic", ""),
            since_ns=since,
        )
        async with self._gate.enter():
            rows = await asyncio.to_thread(self._deps.quarantine.page, wanted, limit, before)
        return answer([told(row) for row in rows])

    async def show(self, request: Request) -> Response:
        """One message with its raw bytes, and what the loaded profiles say about it."""
        only(request.query_params)
        number = min(request.path_params["id"], LAST_ID)
        async with self._gate.enter():
            row = await asyncio.to_thread(self._deps.quarantine.message, number)
            if row is None:
                raise Refused(404, f"no refused message has the id {number}", "it was replayed, or the list is older")
            verdict = await asyncio.to_thread(self._deps.quarantine.verdict, row)
        return answer(QuarantinedDetail(told(row), verdict))

    @needs(OPERATOR)
    async def replay(self, request: Request) -> Response:
        """JSON `ReplayRequest` in, JSON `Replayed` out."""
        only(request.query_params)
        try:
            wanted = _request.decode(
                await read_body(request, MAX_BODY, STALL_S, "replay by filter, or fewer ids at once")
            )
        except msgspec.MsgspecError as error:
            raise Refused(
                400, f"not a replay: {error}", "send JSON: ids, reason, source, topic, since_ns, dry_run; {} means all"
            ) from error
        chosen = QuarantineFilter(wanted.ids, wanted.reason, wanted.source, wanted.topic, wanted.since_ns)
        async with self._gate.enter():
            return answer(await self._deps.quarantine.replay(chosen, dry_run=wanted.dry_run))


def told(row: QuarantineRow) -> QuarantinedMessage:
    """A refused message as the API tells it."""
    return QuarantinedMessage(row.id, row.received_ns, row.source, row.topic, row.reason, row.detail, row.payload)
