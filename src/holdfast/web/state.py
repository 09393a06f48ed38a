"""Routes that tell how the node is: status, ledger, health, metrics."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.kernel.clock import NS_PER_S
from holdfast.web.answers import Readiness
from holdfast.web.deps import WebDeps
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.metrics import exposition
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

MOST_DEVICES = 5_000
DAY_NS = 86_400 * NS_PER_S


class State:
    """The state routes of one node."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        self._audits, self._scrapes = Gate(running=1, waiting=2), Gate(running=1, waiting=4)
        self._looks = Gate(running=2, waiting=10)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/status", self.status),
            Route("/api/v1/ledger", self.ledger),
            Route("/api/v1/flow", self.flow),
            Route("/api/v1/storage", self.storage),
            Route("/api/v1/residency", self.residency),
            Route("/api/v1/clock", self.clock),
            Route("/api/v1/history", self.history),
            Route("/api/v1/adapters", self.adapters),
            Route("/api/v1/adapters/{name}/devices", self.adapter_devices),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
        ]

    async def status(self, request: Request) -> Response:
        """The node at a glance."""
        only(request.query_params)
        return answer(self._deps.status())

    async def ledger(self, request: Request) -> Response:
        """The conservation law; `verify=1` counts the rows that are really in the file."""
        only(request.query_params, "verify")
        verify = request.query_params.get("verify", "0") not in ("", "0", "false")
        return answer(await asyncio.to_thread(self._deps.ledger, verify))

    async def flow(self, request: Request) -> Response:
        """What waits for the parent by lane, what the link does about it, and the children."""
        only(request.query_params)
        async with self._looks.enter():
            return answer(await asyncio.to_thread(self._deps.flow))

    async def storage(self, request: Request) -> Response:
        """The room that rows take: journal by lane, levels, disk, backups."""
        only(request.query_params)
        async with self._looks.enter():
            return answer(await asyncio.to_thread(self._deps.storage))

    async def residency(self, request: Request) -> Response:
        """`?from=-30d&to=now`: what stayed, what left in its place and why; reads every row of the open lanes."""
        params, now = request.query_params, self._deps.clock.wall_ns()
        only(params, "from", "to")
        first = parse_time("from", params["from"], now) // DAY_NS if "from" in params else 0
        last = parse_time("to", params.get("to", "now"), now) // DAY_NS
        async with self._audits.enter():
            return answer(await asyncio.to_thread(self._deps.residency, first, last))

    async def history(self, request: Request) -> Response:
        """What the site's memory holds, by day."""
        only(request.query_params)
        if self._deps.memory is None:
            raise Refused(404, "this node keeps no memory in files", "set `history: true` in node.yaml")
        return answer(await asyncio.to_thread(self._deps.memory))

    async def clock(self, request: Request) -> Response:
        """`?limit=100`: is the time right here, and how far are devices from it?"""
        only(request.query_params, "limit")
        return answer(self._deps.timekeeping(whole(request.query_params, "limit", 100, MOST_DEVICES)))

    async def adapters(self, request: Request) -> Response:
        """What is on at the edge, how it is, and its last error."""
        only(request.query_params)
        return answer(self._deps.adapters())

    async def adapter_devices(self, request: Request) -> Response:
        """Each device that one adapter asks: its address, whether it answers, how late polls begin, the last error."""
        only(request.query_params)
        name = request.path_params["name"]
        found = self._deps.adapter_devices(name)
        if found is None:
            raise Refused(404, f"no adapter {name[:80]!r} here asks devices", "/api/v1/adapters lists the adapters")
        return answer(found)

    async def healthz(self, _: Request) -> Response:
        """The process lives and its loop turns."""
        return answer({"alive": True})

    async def readyz(self, _: Request) -> Response:
        """May devices and children be sent here? 503 with reasons when not."""
        reasons = self._deps.readiness()
        return answer(Readiness(not reasons, reasons), 503 if reasons else 200)

    async def metrics(self, _: Request) -> Response:
        """Prometheus text format."""
        async with self._scrapes.enter():
            body, kind = await exposition(self._deps.telemetry)
        return Response(body, headers={"Cache-Control": "no-store", "Content-Type": kind})
