"""What a node shows of itself through its parent: some of its own GET routes, over what may be known elsewhere.

Two locks, one behind the other. First a list of paths: whatever isn't on it doesn't exist here, so a route that is
added to the node is not shown until somebody adds it to this list. Then the data: the routes get `WebDeps` made for
this purpose (`node.outlook`), in which what residency keeps at the site, or in the region, isn't there at all.
"""

import asyncio
import re
from collections.abc import Callable
from hashlib import blake2b

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from holdfast.kernel.errors import HoldfastError
from holdfast.web.alert_stories import AlertStories
from holdfast.web.alerts import Alerts
from holdfast.web.deps import WebDeps
from holdfast.web.devices import Devices
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.headers import Shell
from holdfast.web.inside import ask_app
from holdfast.web.maintenance import Maintenance
from holdfast.web.models import Models
from holdfast.web.quarantine import Quarantine
from holdfast.web.reading import Reading
from holdfast.web.reports import Reports
from holdfast.web.responses import refused, unable, unrouted
from holdfast.web.rules import Rules
from holdfast.web.series import Series
from holdfast.web.sites import Sites
from holdfast.web.state import State
from holdfast.wire.looking import MOST_HOLD_S, Call, CallHeader, CallReply

PACE_S = 1.5
_NAME = r"[^/]{1,256}"
_OPEN = rf"status|clock|series|last|query|devices|devices/{_NAME}|alerts|ledger|history"
_FREE = (
    rf"rules|rules/{_NAME}|models|models/{_NAME}|models/{_NAME}/labels|alerts/\d{{1,12}}|alerts/\d{{1,12}}/(?:timeline|comments)|silences|maintenance|adapters|"
    rf"adapters/{_NAME}/devices|"
    r"quarantine|quarantine/\d{1,12}|logs|channels|events|traces|traces/[0-9a-f]{1,64}|traces/of"
)
"""Words that people and devices chose, or raw bytes: nobody can tell which of them are about what must stay."""
_SITES = rf"(?:sites/{_NAME}/api/){{0,4}}"
_ALLOWED = re.compile(rf"{_SITES}(?:{_OPEN}|{_FREE}|sites|sites/{_NAME})")
_NEVER_FREE = re.compile(_FREE)
_NOT_SHOWN = b'{"error":"this is not shown through the parent","hint":"look at the site itself"}'
_KEPT = (
    b'{"error":"this stays at the site: it has residency rules, and here nobody could tell what is about them",'
    b'"hint":"look at the site itself"}'
)


def is_shown(path: str) -> bool:
    """Is there such a path for a parent? Without `/api/v1/`."""
    return _ALLOWED.fullmatch(path) is not None


def build_outlook(deps: WebDeps) -> Starlette:
    """The app; deps: made for it."""
    gate = Gate(running=1, waiting=8)  # the site's own people come first
    routes: list[Route] = [*State(deps).routes(), *Reading(deps, gate).routes(), *Series(deps, gate).routes()]
    if deps.devices is not None:
        routes += Devices(deps, deps.devices, gate).routes()
    if deps.alerting is not None:
        routes += Alerts(deps.alerting, deps.clock).routes()
        routes += AlertStories(deps.alerting, deps.clock, deps.catalogue).routes()
        routes += Maintenance(deps.alerting, deps.clock).routes()
    if deps.rules is not None:
        routes += Rules(deps.rules, deps.clock).routes()
    if deps.sites is not None:
        routes += Sites(deps.sites).routes()
    routes += Models(deps.models, deps.clock).routes()
    routes += [*Quarantine(deps).routes(), *Reports(deps).routes()]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Shell, telemetry=deps.telemetry)],
        exception_handlers={Refused: refused, HoldfastError: unable, HTTPException: unrouted},
    )


class Outlook:
    """Answers the parent. keeps: is there anything here that must stay somewhere?"""

    def __init__(self, app: ASGIApp, keeps: Callable[[], bool], pace_s: Callable[[], float] = lambda: PACE_S) -> None:
        """pace_s: seconds between two answers to somebody who goes on looking; the link's condition decides."""
        self._app, self._keeps, self._pace_s = app, keeps, pace_s

    async def look(self, call: Call, number: str) -> CallReply:
        """What is shown; of a call that is held, once it's another than was seen."""
        if not call.hold_s:
            return await self._once(call, number)
        left_s = min(MOST_HOLD_S, max(call.hold_s, self._pace_s())) if call.seen else 0.0  # a poor link has its pace
        while True:
            if call.seen:
                pause_s = min(left_s, self._pace_s())
                left_s -= pause_s
                await asyncio.sleep(pause_s)
            reply = await self._once(call, number)
            digest = blake2b(reply.body, digest_size=12).hexdigest()
            header = msgspec.structs.replace(reply.header, digest=digest)
            if digest != call.seen or header.status != 200:
                return CallReply(header, reply.body)
            if left_s <= 0:
                return CallReply(msgspec.structs.replace(header, status=304), b"")

    async def _once(self, call: Call, number: str) -> CallReply:
        if not is_shown(call.path):
            return CallReply(CallHeader(number, 403), _NOT_SHOWN)
        if self._keeps() and _NEVER_FREE.fullmatch(call.path):
            return CallReply(CallHeader(number, 403), _KEPT)
        return await ask_app(self._app, call, number)
