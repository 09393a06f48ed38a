"""Routes for planned works: look, plan, end."""

import asyncio

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.journal import maintenance
from holdfast.journal.maintenance import Planned
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.notify.filters import Filter
from holdfast.notify.hours import Hours
from holdfast.notify.planned import Works, hours_of, match_of
from holdfast.web.alerts import LAST_ID, MOST_LISTED, Gone, body, refusal
from holdfast.web.deps import Alerting
from holdfast.web.door import OPERATOR, needs
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.parameters import only, truth
from holdfast.web.responses import answer
from holdfast.web.times import parse_time


class MaintenanceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Works to be planned. begin, end: a time, or `+2h`; empty = now, or with `hours` for ever."""

    by: str = ""
    why: str = ""
    match: Filter = Filter()
    begin: str = msgspec.field(name="from", default="")
    end: str = msgspec.field(name="to", default="")
    hours: Hours | None = None


class MaintenanceRow(Struct, frozen=True):
    """Planned works. Times in ns UTC; gone_ns: when they were ended, 0 = they weren't.

    name:   in node.yaml; empty = made by people
    hours:  when they come again; null = once
    state:  `now`, `planned` or `over`
    next_from_ns, next_to_ns: the span that it is, or else the next; 0 = there's none
    """

    id: int
    name: str
    match: Filter
    hours: Hours | None
    from_ns: int
    to_ns: int
    by: str
    why: str
    made_ns: int
    gone_ns: int
    state: str
    next_from_ns: int
    next_to_ns: int

    @staticmethod
    def of(one: Planned, now_ns: int) -> "MaintenanceRow":
        """As it's stored, seen at a time."""
        span = Works.of(one).next(now_ns)
        state = "over" if span is None else "now" if span[0] <= now_ns else "planned"
        return MaintenanceRow(
            one.id, one.name, match_of(one), hours_of(one), one.from_ns, one.to_ns, one.by, one.why, one.made_ns,
            one.gone_ns, state, *(span or (0, 0)),
        )  # fmt: skip


_wanted = msgspec.json.Decoder(MaintenanceRequest)


class Maintenance:
    """The routes for planned works of one node."""

    def __init__(self, deps: Alerting, clock: Clock) -> None:
        self._quieting, self._look, self._clock = deps.service.quieting, deps.look, clock
        self._gate = Gate(running=2, waiting=16)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/maintenance", self.page),
            Route("/api/v1/maintenance", self.plan, methods=["POST"]),
            Route("/api/v1/maintenance/{id:int}", self.end, methods=["DELETE"]),
        ]

    async def page(self, request: Request) -> Response:
        """`?all=false`: works that aren't over, or all that are remembered; newest first."""
        only(request.query_params, "all")
        now_ns = self._clock.wall_ns()
        after_ns = 0 if truth(request.query_params, "all", default=False) else now_ns
        async with self._gate.enter():
            found = await asyncio.to_thread(self._look, lambda db: maintenance.page(db, after_ns))
        return answer([MaintenanceRow.of(one, now_ns) for one in found[:MOST_LISTED]])

    @needs(OPERATOR)
    async def plan(self, request: Request) -> Response:
        """JSON `MaintenanceRequest` in, `MaintenanceRow` out once it's on disk."""
        only(request.query_params)
        wanted, now_ns = await body(request, _wanted), self._clock.wall_ns()
        begin_ns = parse_time("from", wanted.begin, now_ns) if wanted.begin else now_ns
        end_ns = parse_time("to", wanted.end, now_ns) if wanted.end else 0
        try:
            by = name_of(request, wanted.by)
            made = await self._quieting.plan(wanted.match, begin_ns, end_ns, wanted.hours, by, wanted.why)
        except HoldfastError as error:
            raise refusal(error) from error
        return answer(MaintenanceRow.of(made, now_ns), 201)

    @needs(OPERATOR)
    async def end(self, request: Request) -> Response:
        """End works that last, or take back what is planned."""
        only(request.query_params)
        number = min(int(request.path_params["id"]), LAST_ID)
        try:
            await self._quieting.end(number)
        except HoldfastError as error:
            raise refusal(error) from error
        return answer(Gone(number))
