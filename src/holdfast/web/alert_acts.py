"""What people do here about alerts of nodes below: sent down, and shown until the site has done it."""

import asyncio
from functools import partial
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.commands.errors import CommandError, CommandsBusy, CommandsCrowded, NodeUnknown
from holdfast.journal import alerts, commanded
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.notify.checks import require_length, require_text
from holdfast.notify.errors import AlertUnknown
from holdfast.notify.filters import Filter
from holdfast.notify.quieting import filter_of
from holdfast.sites.acts import ActInvalid, Sent, SiteUnable
from holdfast.web.alerts import RETRY_S, body, refusal
from holdfast.web.commands import LOCAL
from holdfast.web.deps import Alerting
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.guard import caller_of, name_of
from holdfast.web.parameters import only
from holdfast.web.responses import answer
from holdfast.web.times import parse_time
from holdfast.wire.acts import Act, Do

MOST_SITES = 50
"""That a silence is sent to."""
_MUST_SAY = frozenset({"comment", "silence"})


class ActRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is done about an alert of a site. event: the id of the event that raised it; by: where nobody logs in.

    match, until: of a silence; silence: the site's own number of one that is taken back
    """

    do: Do
    event: str = ""
    by: str = ""
    text: str = ""
    match: Filter = Filter()
    until: str = ""
    silence: int = 0


class ActRow(Struct, frozen=True):
    """What was sent to a site. Times in ns UTC; ended_ns: 0 = it waits for the site; detail: the site's reason."""

    id: str
    node: str
    do: str
    by: str
    text: str
    event: str
    state: Literal["waiting", "done", "refused", "expired"]
    made_ns: int
    ended_ns: int
    detail: str

    @staticmethod
    def of(one: Sent) -> "ActRow":
        """As it stands."""
        act = one.act
        return ActRow(
            one.id, one.node, act.do, act.by, act.text, act.event, one.state, one.made_ns, one.ended_ns, one.detail
        )


_asked = msgspec.json.Decoder(ActRequest)


class AlertActs:
    """The route for acts, and what the alerts' own routes send down. deps.below: None = nothing is below."""

    def __init__(self, deps: Alerting, clock: Clock) -> None:
        self._service, self._look, self._below, self._clock = deps.service, deps.look, deps.below, clock

    def routes(self) -> list[Route]:
        """The paths."""
        return [Route("/api/v1/sites/{name}/acts", self.act, methods=["POST"])]

    @needs(OPERATOR)
    async def act(self, request: Request) -> Response:
        """JSON `ActRequest` in, 202 `ActRow` out once it's on disk: it waits for the site."""
        only(request.query_params)
        said, node = await body(request, _asked), str(request.path_params["name"])
        by = name_of(request, said.by)
        try:
            require_text("by", by)
            (require_text if said.do in _MUST_SAY else require_length)("comment", said.text)
        except HoldfastError as error:
            raise refusal(error) from error
        is_quiet = said.do in ("silence", "unsilence")
        if is_quiet == bool(said.event):
            raise Refused(400, "an act is about one alert, a silence about none", "name `event` of the alert")
        until_ns = parse_time("until", said.until, self._clock.wall_ns()) if said.do == "silence" else 0
        match = msgspec.to_builtins(said.match) if said.do == "silence" else {}
        act = Act(said.do, by, "", said.event, said.text, match, until_ns, silence=said.silence)
        sent = await self.send(request, node, act)
        if said.do == "acknowledge":
            await self._acknowledge_here(said.event, by, said.text)
        return answer(ActRow.of(sent), 202)

    async def pass_on(self, request: Request, number: int, do: Do, by: str, text: str) -> ActRow | None:
        """Have the node do it that decided on an alert; None = it's this one, or can't take it."""
        if self._below is None:
            return None
        try:
            require_text("by", by)
            (require_text if do in _MUST_SAY else require_length)("comment", text)
        except HoldfastError as error:
            raise refusal(error) from error
        found = await asyncio.to_thread(self._look, lambda db: alerts.find(db, number))
        node = "" if found is None else self._below.place_of(found)
        if found is None or not node or (do == "acknowledge" and not found.is_open):
            return None
        if self._below.why_not(node) and do in ("acknowledge", "comment"):
            return None  # it's of use here all the same; the alert's page says that the site doesn't know
        about = found.node, found.device, found.rule, found.metric
        return ActRow.of(await self.send(request, node, Act(do, by, "", found.event, text, about=about)))

    async def send(self, request: Request, node: str, act: Act, number: str = "") -> Sent:
        """Send an act down; refuses the request when it can't be."""
        if self._below is None:
            raise Refused(404, f"there is no site {node[:80]!r} below this node", "it takes no children")
        act, caller = msgspec.structs.replace(act, at=self._below.own, by=act.by[:100]), caller_of(request)
        who = f"person:{caller.name}" if caller is not None and caller.name else LOCAL  # a name that anybody may say
        try:
            sent = await self._below.send(node, act, who, number)
        except (SiteUnable, ActInvalid, CommandError) as error:
            raise _refused(error) from error
        self._service.revision += 1
        return sent

    async def silence(self, request: Request, number: int, match: Filter, until_ns: int, by: str, why: str) -> None:
        """A silence made here that names nodes below is made there, too, where they take it."""
        for node in self._named(match.nodes):
            made_by = _id_of(number, node)
            act = Act("silence", by, "", "", why, msgspec.to_builtins(match), until_ns)
            await self.send(request, node, act, made_by)

    async def unsilence(self, request: Request, number: int) -> None:
        """What was silenced with it below isn't any more."""
        if self._below is None:
            return
        silences = await asyncio.to_thread(self._look, alerts.silences)
        match = next((filter_of(one) for one in silences if one.id == number), Filter())
        by = name_of(request, "") or LOCAL
        for node in self._named(match.nodes):
            made_by = _id_of(number, node)
            if await asyncio.to_thread(self._look, partial(commanded.find, number=made_by)) is not None:
                await self.send(request, node, Act("unsilence", by, "", made_by=made_by))

    def _named(self, nodes: tuple[str, ...]) -> list[str]:
        below = self._below
        return [] if below is None else [one for one in nodes[:MOST_SITES] if not below.why_not(one)]

    async def _acknowledge_here(self, event: str, by: str, text: str) -> None:
        """Nobody is to be reminded here either, if this node knows the alert."""
        found = await asyncio.to_thread(self._look, lambda db: alerts.raised_by(db, event))
        if found is not None and found.is_open:
            await self._service.acknowledge(found.id, by, text)


def _id_of(silence: int, node: str) -> str:
    """Of the act that makes a silence of this node at a site."""
    return f"silence-{silence}-{blake2b(node.encode(), digest_size=8).hexdigest()}"


def _refused(error: HoldfastError) -> Refused:
    if isinstance(error, CommandsCrowded):
        return Refused(507 if error.is_total else 429, str(error), error.hint, RETRY_S)
    if isinstance(error, CommandsBusy):
        return Refused(503, str(error), error.hint, RETRY_S)
    if isinstance(error, ActInvalid):
        return Refused(400, str(error), error.hint)
    return Refused(404 if isinstance(error, (NodeUnknown, AlertUnknown)) else 409, str(error), error.hint)
