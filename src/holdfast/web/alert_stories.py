"""Routes for one alert: all that is known of it, what became of it, and what people write about it."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.journal import alert_history, alert_labels, alerts, dispatches
from holdfast.journal.alert_history import Line
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert
from holdfast.journal.dispatches import Step
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.series import Catalogue
from holdfast.notify.errors import AlertUnknown
from holdfast.sites.acts import ActsBelow, Sent, standing
from holdfast.storage.sqlite import Connection
from holdfast.web.alert_acts import AlertActs
from holdfast.web.alerts import LAST_ID, AlertRow, body, refusal
from holdfast.web.deps import Alerting
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.parameters import only
from holdfast.web.responses import answer

T = TypeVar("T")
_MARGIN_NS = 300 * NS_PER_S
_MOST_SERIES = 20
_LIMIT = re.compile(r"^([\w.:/-]+)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$", re.IGNORECASE)
_OF = re.compile(r"\b(?:avg|min|max|last|first|median)\(\s*\"?([\w.:/-]+)\"?\s*\)\s+as\s+\"?(\w+)\"?", re.IGNORECASE)


class CommentRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody has to say about an alert. by: where nobody logs in."""

    by: str = ""
    comment: str = ""


class TimelineRow(Struct, frozen=True):
    """Something that became of an alert, at a time, ns UTC.

    kind:   raised, renewed, silenced, planned, told, reminded, escalated, elsewhere, given_up, acknowledged,
            commented, labelled, cleared, ended (a channel told of the end); at a hub, of what people did here:
            sent (it waits for the site), arrived (the site has done it), turned_away (it won't; `detail` says why)
    who:    a person for what people do, a channel for what is told, a node for what was decided
    detail: words, or what belongs to the kind: a silence's number, an escalation's step
    """

    at_ns: int
    kind: str
    who: str
    detail: str


class Threshold(Struct, frozen=True):
    """A limit that a rule's condition names. series: in whose unit it is, empty = of something computed."""

    text: str
    value: float
    above: bool
    series: str


class Around(Struct, frozen=True):
    """What to ask `GET /api/v1/query` for to see an alert's inputs around it."""

    series: list[str]
    from_ns: int
    to_ns: int
    thresholds: list[Threshold]


class StepRow(Struct, frozen=True):
    """What an escalation does next, unless somebody acknowledges."""

    escalation: str
    step: int
    due_ns: int


class AlertDetail(AlertRow, frozen=True, kw_only=True):
    """An alert with all that a page shows of it.

    rule_text: as it was when it was raised, as JSON; null where that isn't known, as of a child's rules
    cleared_why: of the event that cleared it; `why` is that of the one that raised it
    label: `confirmed` or `rejected`, of a detector's
    unable: at a hub, why the site takes nothing that people do about it here; empty = it does, or it's this node's
    """

    around: Around
    rule_text: msgspec.Raw
    cleared_why: dict[str, Any] | None
    label: str
    label_by: str
    unable: str
    next_steps: list[StepRow]


@dataclass(frozen=True, slots=True)
class _Found:
    alert: Alert
    text: str
    label: Labelled | None
    lines: list[Line]
    steps: list[Step]
    sent: list[Sent]


_said = msgspec.json.Decoder(CommentRequest)


class AlertStories:
    """The routes for single alerts of one node."""

    def __init__(self, deps: Alerting, clock: Clock, catalogue: Catalogue, acts: AlertActs | None = None) -> None:
        self._below, self._acts = deps.below, acts
        self._service, self._look, self._clock, self._catalogue = deps.service, deps.look, clock, catalogue
        self._gate = Gate(running=2, waiting=16)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/alerts/{id:int}", self.one),
            Route("/api/v1/alerts/{id:int}/timeline", self.timeline),
            Route("/api/v1/alerts/{id:int}/comments", self.comments),
            Route("/api/v1/alerts/{id:int}/comments", self.comment, methods=["POST"]),
        ]

    async def one(self, request: Request) -> Response:
        """One alert, with its rule's text and what to look at around it."""
        found = await self._found(request)
        return answer(await asyncio.to_thread(self._detail, found))

    async def timeline(self, request: Request) -> Response:
        """What became of an alert, oldest first."""
        found = await self._found(request)
        return answer(story(found.alert, found.lines, found.label, found.sent))

    async def comments(self, request: Request) -> Response:
        """What people wrote about an alert, oldest first."""
        found = await self._found(request)
        return answer([one for one in map(_row, found.lines) if one.kind == "commented"])

    @needs(OPERATOR)
    async def comment(self, request: Request) -> Response:
        """JSON `CommentRequest` in, `TimelineRow` out once it's on disk. 202 `ActRow`: it's sent to the site."""
        only(request.query_params)
        said = await body(request, _said)
        number, by = min(int(request.path_params["id"]), LAST_ID), name_of(request, said.by)
        sent = None if self._acts is None else await self._acts.pass_on(request, number, "comment", by, said.comment)
        if sent is not None:
            return answer(sent, 202)
        try:
            made = await self._service.comment(number, by, said.comment)
        except HoldfastError as error:
            raise refusal(error) from error
        return answer(_row(made), 201)

    async def _found(self, request: Request) -> _Found:
        only(request.query_params)
        number = int(request.path_params["id"])
        found: _Found | None = await self._read(partial(_find, number=min(number, LAST_ID), below=self._below))
        if found is None:
            raise Refused(404, f"there is no alert {number}", AlertUnknown.hint)
        return found

    def _detail(self, found: _Found) -> AlertDetail:
        alert, label, below = found.alert, found.label, self._below
        row = AlertRow.of(alert, sum(one.kind == "commented" for one in found.lines), standing(found.sent))
        site = "" if below is None else below.place_of(alert)
        facts = asdict(row) | {"why": alert.raised.why}
        return AlertDetail(
            **facts,
            around=self._around(alert, found.text),
            rule_text=msgspec.Raw(found.text.encode() or b"null"),
            cleared_why=None if alert.cleared is None else alert.cleared.why,
            label="" if label is None else label.label,
            label_by="" if label is None else label.by,
            unable=below.why_not(site) if below is not None and site else "",
            next_steps=[StepRow(one.name, one.step + 1, one.due_ns) for one in found.steps],
        )

    def _around(self, alert: Alert, text: str) -> Around:
        of_device = (one for one in self._catalogue.since(0) if one[:2] == (alert.node, alert.device))
        names = {one.metric: one.name for one in of_device}
        known = {metric: names[metric] for metric in _metrics(alert) if metric in names}
        since = alert.raised.why.get("since")
        window = alert.raised.why.get("window")
        began = [alert.raised_ns, *([since] if isinstance(since, int) and since > 0 else [])]
        if isinstance(window, dict) and isinstance(window.get("from"), int):
            began.append(window["from"])
        end_ns = alert.cleared_ns or self._clock.wall_ns()
        margin_ns = max(_MARGIN_NS, min((end_ns - min(began)) // 4, 24 * 3600 * NS_PER_S))
        series = list(known.values())[:_MOST_SERIES]
        return Around(series, min(began) - margin_ns, end_ns + margin_ns, _thresholds(alert, known, text))

    async def _read(self, read: Callable[..., T]) -> T:
        async with self._gate.enter():
            found: T = await asyncio.to_thread(self._look, read)
            return found


def story(alert: Alert, lines: list[Line], label: Labelled | None, sent: Sequence[Sent] = ()) -> list[TimelineRow]:
    """All that became of an alert, oldest first."""
    decided = str(alert.raised.why.get("decided_on", alert.node))
    rows = [TimelineRow(alert.raised_ns, "raised", decided, alert.raised.message), *map(_row, lines)]
    if alert.acked_ns:
        rows.append(TimelineRow(alert.acked_ns, "acknowledged", alert.acked_by, alert.comment))
    if alert.maintenance:
        rows.append(TimelineRow(alert.heard_ns, "planned", "", str(alert.maintenance)))
    if label is not None:
        rows.append(TimelineRow(label.made_ns, "labelled", label.by, f"{label.label}: {label.comment}".strip(": ")))
    if alert.cleared is not None:
        rows.append(TimelineRow(alert.cleared_ns, "cleared", decided, alert.cleared.message))
    for one in sent:
        said = f"{one.act.do}: {one.act.text}" if one.act.text else one.act.do
        rows.append(TimelineRow(one.made_ns, "sent", one.act.by, said))
        if one.ended_ns:
            kind = "arrived" if one.state == "done" else "turned_away"
            rows.append(
                TimelineRow(one.ended_ns, kind, one.node, f"{one.act.do}: {one.detail}" if one.detail else said)
            )
    return sorted(rows, key=lambda one: one.at_ns)


def _row(one: Line) -> TimelineRow:
    return TimelineRow(one.at_ns, one.kind, one.who, one.detail)


def _find(db: Connection, number: int, below: ActsBelow | None) -> _Found | None:
    alert = alerts.find(db, number)
    if alert is None:
        return None
    text = alert_history.rule_text(db, str(alert.raised.why.get("rule_version", "")))
    label, lines = alert_labels.find(db, number), alert_history.of_alert(db, number)
    sent = [] if below is None else below.of_alerts(db, [alert]).get(number, [])
    return _Found(alert, text, label, lines, dispatches.steps_of(db, number), sent)


def _metrics(alert: Alert) -> list[str]:
    """The metrics that the rule read, as far as the event says so."""
    why = alert.raised.why
    reads, values = why.get("reads"), why.get("values")
    names = [str(one) for one in reads] if isinstance(reads, list) else []
    names += [alert.metric] if alert.metric else []
    names += list(values) if isinstance(values, dict) else []
    return list(dict.fromkeys(names))


def _thresholds(alert: Alert, known: dict[str, str], text: str) -> list[Threshold]:
    """The limits in a condition that is no more than limits."""
    columns = {column: metric for metric, column in _OF.findall(text)}
    found = []
    for part in re.split(r"\s+(?:and|or)\s+", str(alert.raised.why.get("condition", "")), flags=re.IGNORECASE)[:8]:
        if (limit := _LIMIT.match(part.strip("() "))) is not None:
            column, compared, number = limit.groups()
            series = known.get(column) or known.get(columns.get(column, ""), "")
            found.append(Threshold(part, float(number), compared.startswith(">"), series))
    return found
