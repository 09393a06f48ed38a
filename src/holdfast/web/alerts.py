"""Routes for alerts, silences and channels: look, acknowledge, silence, try out."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.journal import alert_history, alert_labels, alerts
from holdfast.journal.alert_labels import Label, Labelled
from holdfast.journal.alerts import Alert, Silence, Wanted
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.notify.delivery import ChannelStatus
from holdfast.notify.errors import (
    AlertOver,
    AlertUnknown,
    ChannelUnknown,
    MaintenanceUnknown,
    NotifyBusy,
    RequestInvalid,
    SilenceUnknown,
    TellingFailed,
    TellingRefused,
)
from holdfast.notify.filters import Filter
from holdfast.notify.quieting import filter_of
from holdfast.sites.acts import ActsBelow, standing
from holdfast.storage.sqlite import Connection
from holdfast.web.bodies import read_body
from holdfast.web.deps import Alerting
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.parameters import only, truth, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

if TYPE_CHECKING:
    from holdfast.web.alert_acts import AlertActs

T = TypeVar("T")
MAX_BODY = 64 << 10
STALL_S = 30.0
MOST_LISTED = 1_000
RETRY_S = 1.0
LAST_ID = 1 << 36
_HINT = "see docs/reference/http-api.md, Alerts"
_STATUS: dict[type[HoldfastError], int] = {
    AlertUnknown: 404,
    SilenceUnknown: 404,
    MaintenanceUnknown: 404,
    ChannelUnknown: 404,
    AlertOver: 409,
    RequestInvalid: 400,
    NotifyBusy: 503,
}
_STATES: dict[str, Literal["open", "closed", "all"]] = {"open": "open", "closed": "closed", "all": "all"}


class AlertRow(Struct, frozen=True):
    """An alert as it stands. Times in ns UTC, 0 = not (yet); event: id of the event that raised it."""

    id: int
    node: str
    device: str
    rule: str
    severity: str
    state: str
    message: str
    event: str
    raised_ns: int
    heard_ns: int
    cleared_ns: int
    acknowledged_ns: int
    acknowledged_by: str
    comment: str
    why: dict[str, Any]
    metric: str = ""
    maintenance: int = 0
    """The planned works during which it was raised."""
    comments: int = 0
    """How many people wrote, where that was asked for."""
    below: str = ""
    """At a hub, of what people did here: `waiting` for the site, `done`, `refused` or `expired`; empty = nothing."""

    @staticmethod
    def of(one: Alert, comments: int = 0, below: str = "") -> "AlertRow":
        """As it's stored."""
        last, state = one.raised if one.cleared is None else one.cleared, "open" if one.is_open else "closed"
        return AlertRow(
            one.id, one.node, one.device, one.rule, one.severity, state, last.message, one.event, one.raised_ns,
            one.heard_ns, one.cleared_ns, one.acked_ns, one.acked_by, one.comment, last.why, one.metric,
            one.maintenance, comments, below,
        )  # fmt: skip


class AckRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Who deals with an alert. by: where nobody logs in; of a session or a person's token it's not asked."""

    by: str = ""
    comment: str = ""


class LabelRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a detector's alert was worth, and who says so."""

    label: Label
    by: str = ""
    comment: str = ""


class LabelRow(Struct, frozen=True):
    """What somebody said of a detector's alert. Times in ns UTC, 0 = not (yet); why: of the event that raised it.

    settled: the rule engine has moved the series' threshold
    """

    alert: int
    event: str
    node: str
    device: str
    metric: str
    rule: str
    label: str
    by: str
    comment: str
    labelled_ns: int
    raised_ns: int
    cleared_ns: int
    settled: bool
    message: str
    why: dict[str, Any]

    @staticmethod
    def of(one: Labelled) -> "LabelRow":
        """As it's stored."""
        event = one.raised
        return LabelRow(
            one.alert, one.event, *one.place, event.rule, one.label, one.by, one.comment, one.made_ns, event.ts,
            one.cleared_ns, one.label == one.known, event.message, event.why,
        )  # fmt: skip


class SilenceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What nobody shall be told of. until: a time, or `+2h`."""

    until: str
    by: str = ""
    why: str = ""
    match: Filter = Filter()


class SilenceRow(Struct, frozen=True):
    """A silence. Times in ns UTC; gone_ns: when it was taken back, 0 = it wasn't."""

    id: int
    match: Filter
    by: str
    why: str
    made_ns: int
    until_ns: int
    gone_ns: int

    @staticmethod
    def of(one: Silence) -> "SilenceRow":
        """As it's stored."""
        return SilenceRow(one.id, filter_of(one), one.by, one.why, one.made_ns, one.until_ns, one.gone_ns)


class ChannelRow(Struct, frozen=True):
    """oldest_ns: since when the oldest waits that no silence holds; last_told_ns: in this life of the node."""

    name: str
    kind: str
    where: str
    state: str
    detail: str
    waiting: int
    held: int
    oldest_ns: int
    told: int
    given_up: int
    settled: int
    dropped: int
    last_told_ns: int
    rests_until_ns: int = 0
    """Outside its hours, when they begin; else 0."""
    instead: str = ""
    """The channel that tells then; empty = what is to be told waits."""

    @staticmethod
    def of(one: ChannelStatus) -> "ChannelRow":
        """As its service says."""
        waits = one.backlog
        return ChannelRow(
            one.name, one.kind, one.where, one.state, one.detail, waits.waiting, waits.held, waits.oldest_ns, one.told,
            one.given_up, one.settled, one.dropped, one.last_told_ns, one.rests_until_ns, one.instead,
        )  # fmt: skip


class TestReply(Struct, frozen=True):
    """What came of a test message. detail: what went wrong, or was odd."""

    __test__ = False  # no test, whatever its name makes pytest think
    told: bool
    detail: str = ""
    hint: str = ""
    took_s: float = 0.0


class Gone(Struct, frozen=True):
    """A silence that was taken back."""

    id: int


_ack = msgspec.json.Decoder(AckRequest)
_label = msgspec.json.Decoder(LabelRequest)
_silence = msgspec.json.Decoder(SilenceRequest)


class Alerts:
    """The routes for alerts of one node."""

    def __init__(self, deps: Alerting, clock: Clock, acts: "AlertActs | None" = None) -> None:
        """acts: passes on what is said of alerts of nodes below."""
        self._service, self._look, self._clock = deps.service, deps.look, clock
        self._below, self._acts = deps.below, acts
        self._gate, self._trials = Gate(running=2, waiting=16), Gate(running=2, waiting=4)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/alerts", self.page),
            Route("/api/v1/alerts/{id:int}/acknowledge", self.acknowledge, methods=["POST"]),
            Route("/api/v1/alerts/{id:int}/label", self.label, methods=["POST"]),
            Route("/api/v1/alert-labels", self.labels),
            Route("/api/v1/silences", self.silences),
            Route("/api/v1/silences", self.silence, methods=["POST"]),
            Route("/api/v1/silences/{id:int}", self.unsilence, methods=["DELETE"]),
            Route("/api/v1/channels", self.channels),
            Route("/api/v1/channels/{name}/test", self.test, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """`?state=open|closed|all&severity=&node=&device=&rule=&acknowledged=&before=ID&limit=100`, newest first."""
        params = request.query_params
        only(params, "state", "severity", "node", "device", "rule", "acknowledged", "before", "limit")
        state = _STATES.get(params.get("state", "open"))
        if state is None:
            raise Refused(400, f"state={params['state'][:60]!r} is not allowed", "open, closed or all")
        wanted = Wanted(
            state,
            params.get("severity", ""),
            params.get("node", ""),
            params.get("device", ""),
            params.get("rule", ""),
            truth(params, "acknowledged", default=False) if "acknowledged" in params else None,
            whole(params, "before", LAST_ID, LAST_ID),
        )
        limit = whole(params, "limit", 100, MOST_LISTED, 1)
        return answer(await self._read(partial(rows_of, below=self._below, wanted=wanted, limit=limit)))

    @needs(OPERATOR)
    async def acknowledge(self, request: Request) -> Response:
        """JSON `AckRequest` in, `AlertRow` out once it's on disk; who was first stays."""
        only(request.query_params)
        said = await body(request, _ack)
        number, by = min(int(request.path_params["id"]), LAST_ID), name_of(request, said.by)
        sent = (
            None if self._acts is None else await self._acts.pass_on(request, number, "acknowledge", by, said.comment)
        )
        try:
            found = await self._service.acknowledge(number, by, said.comment)
        except HoldfastError as error:
            raise refusal(error) from error
        return answer(AlertRow.of(found, below="" if sent is None else sent.state))

    @needs(OPERATOR)
    async def label(self, request: Request) -> Response:
        """JSON `LabelRequest` in, `LabelRow` out once it's on disk; the last word counts. 202 `ActRow`: it's sent."""
        only(request.query_params)
        said = await body(request, _label)
        number, by = min(int(request.path_params["id"]), LAST_ID), name_of(request, said.by)
        sent = None if self._acts is None else await self._acts.pass_on(request, number, said.label, by, said.comment)
        if sent is not None:
            return answer(sent, 202)
        try:
            found = await self._service.label(number, said.label, by, said.comment)
        except HoldfastError as error:
            raise refusal(error) from error
        return answer(LabelRow.of(found))

    async def labels(self, request: Request) -> Response:
        """`?rule=&limit=100`: what people said of detectors' alerts, newest first."""
        only(request.query_params, "rule", "limit")
        rule, limit = request.query_params.get("rule", ""), whole(request.query_params, "limit", 100, MOST_LISTED, 1)
        found: list[Labelled] = await self._read(partial(alert_labels.page, rule=rule, limit=limit))
        return answer([LabelRow.of(one) for one in found])

    async def silences(self, request: Request) -> Response:
        """`?all=false`: the silences that last, or all that are remembered; newest first."""
        only(request.query_params, "all")
        now_ns = 0 if truth(request.query_params, "all", default=False) else self._clock.wall_ns()
        found: list[Silence] = await self._read(partial(alerts.silences, now_ns=now_ns))
        return answer([SilenceRow.of(one) for one in found[:MOST_LISTED]])

    @needs(OPERATOR)
    async def silence(self, request: Request) -> Response:
        """JSON `SilenceRequest` in, `SilenceRow` out once it's on disk."""
        only(request.query_params)
        said = await body(request, _silence)
        until_ns = parse_time("until", said.until, self._clock.wall_ns())
        try:
            by = name_of(request, said.by)
            made = await self._service.silence(said.match, until_ns, by, said.why)
        except HoldfastError as error:
            raise refusal(error) from error
        if self._acts is not None:
            await self._acts.silence(request, made.id, said.match, until_ns, by, said.why)
        return answer(SilenceRow.of(made), 201)

    @needs(OPERATOR)
    async def unsilence(self, request: Request) -> Response:
        """Take a silence back."""
        only(request.query_params)
        number = min(int(request.path_params["id"]), LAST_ID)
        try:
            await self._service.unsilence(number)
        except HoldfastError as error:
            raise refusal(error) from error
        if self._acts is not None:
            await self._acts.unsilence(request, number)
        return answer(Gone(number))

    async def channels(self, request: Request) -> Response:
        """How the channels are, with what waits and the last error."""
        only(request.query_params)
        async with self._gate.enter():
            found = await asyncio.to_thread(self._service.statuses)
        return answer([ChannelRow.of(one) for one in found])

    @needs(OPERATOR)
    async def test(self, request: Request) -> Response:
        """Tell a test message through a channel; 200 whatever came of it."""
        only(request.query_params)
        began = self._clock.monotonic()
        async with self._trials.enter():
            try:
                reply = TestReply(told=True, detail=await self._service.test(str(request.path_params["name"])))
            except (TellingFailed, TellingRefused) as error:
                reply = TestReply(told=False, detail=str(error), hint=error.hint)
            except HoldfastError as error:
                raise refusal(error) from error
        return answer(msgspec.structs.replace(reply, took_s=round(self._clock.monotonic() - began, 3)))

    async def _read(self, read: Callable[..., T]) -> T:
        async with self._gate.enter():
            found: T = await asyncio.to_thread(self._look, read)
            return found


def rows_of(db: Connection, below: ActsBelow | None, wanted: Wanted, limit: int) -> list[AlertRow]:
    """A page of alerts as it's shown."""
    return shown(db, below, alerts.page(db, wanted, limit))


def shown(db: Connection, below: ActsBelow | None, found: Sequence[Alert]) -> list[AlertRow]:
    """Alerts with what is known of each."""
    comments = alert_history.comments(db, (one.id for one in found))
    sent = {} if below is None else below.of_alerts(db, found)
    return [AlertRow.of(one, comments.get(one.id, 0), standing(sent.get(one.id, ()))) for one in found]


async def body(request: Request, decoder: "msgspec.json.Decoder[T]") -> T:
    """A request's body, decoded; refused with 400 when it isn't what is expected."""
    try:
        return decoder.decode(await read_body(request, MAX_BODY, STALL_S))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body can't be read: {error}", _HINT) from error


def refusal(error: HoldfastError) -> Refused:
    """What a change that didn't happen is answered with."""
    status = _STATUS.get(type(error))
    if status is None:
        raise error
    return Refused(status, str(error), error.hint, RETRY_S if status == 503 else None)
