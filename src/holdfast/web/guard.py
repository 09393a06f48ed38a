"""Puts the door before every route: finds out who asks, lets `judge` decide, and writes changes into the audit."""

from collections.abc import Callable, Iterable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.crypto.tokens import digest
from holdfast.identity.people.roles import Role
from holdfast.identity.people.service import Caller, People
from holdfast.identity.people.trail import Trail
from holdfast.identity.people.watch import ChainWatch
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.addresses import is_loopback
from holdfast.web.door import Asked, Need, Verdict, judge, need_of
from holdfast.web.errors import Refused
from holdfast.web.happenings import WebDoorRefused
from holdfast.web.noting import address_of, noted, what_of

LOOK_S = 2.0
"""How often an open socket's session is looked at again."""
POLICY = 1008  # RFC 6455, 7.4.1: the peer may not do this
_CALLER = "holdfast.caller"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_HERE = Caller("", Role.ADMIN, "local")
_ANYBODY = Caller("", Role.VIEWER, "open")


class Door:
    """Who may do what at one node. people: None = nobody logs in here; trail: None = nothing is written down."""

    def __init__(
        self,
        node: str,
        telemetry: Telemetry,
        people: People | None = None,
        trail: Trail | None = None,
        names: Iterable[str] = (),
        metrics: str = "",
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """monotonic: how long sockets are open; without it they're only looked at when they open."""
        self.monotonic = monotonic
        self.people, self.trail, self._telemetry = people, trail, telemetry
        self.chain: ChainWatch | None = None
        """What looks over the trail's chain, where something does."""
        self._names = frozenset(name.lower() for name in names)
        self._metrics = metrics
        # Cookies know hosts, not ports: nodes on one machine would log each other out.
        self.cookie = f"holdfast-{digest(node).hex()[:8]}"

    def before(self, routes: Iterable[BaseRoute]) -> None:
        """Stand before these routes."""
        for route in routes:
            if isinstance(route, Route | WebSocketRoute):
                methods = (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
                route.app = Guard(route.app, self, self._need(route.path, methods, route.endpoint))

    def decide(self, scope: Scope, need: Need) -> tuple[Caller | None, Verdict | None]:
        """Who asks, and why the request isn't heard."""
        request = HTTPConnection(scope)
        asked = self._asked(request)
        caller = None if need.foreign else self._caller(request, is_here=asked.is_here)
        if need.tokens and "authorization" in request.headers and (self.people is None or caller is None):
            return None, None
        if scope["path"] == "/metrics" and self.people is not None and self._metrics != "login":
            need = Need(None) if self._metrics == "open" or asked.is_here else need
        verdict = judge(asked, need, caller, self._names, has_login=self.people is not None)
        if verdict is not None:
            self._telemetry.emit(WebDoorRefused(reason=verdict.reason))
        return caller, verdict

    def _need(self, path: str, methods: set[str], handler: object) -> Need:
        return need_of(path, methods, handler)

    def _asked(self, request: HTTPConnection) -> Asked:
        headers = request.headers
        return Asked(
            method=request.scope.get("method", "GET"),
            scheme=request.scope["scheme"],
            is_here=_is_here(request),
            host=headers.get("host", ""),
            origin=headers.get("origin", ""),
            fetch_site=headers.get("sec-fetch-site", ""),
            kind=headers.get("content-type", "").partition(";")[0].strip().lower(),
        )

    def _caller(self, request: HTTPConnection, *, is_here: bool) -> Caller | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        if self.people is None:
            return _HERE if is_here else _ANYBODY
        if bearer:
            return self.people.by_token(bearer, is_here=is_here)
        kept = request.cookies.get(self.cookie_name(request.scope["scheme"]), "")
        return self.people.by_session(kept) if kept else None

    def cookie_name(self, scheme: str) -> str:
        """Over TLS a name that browsers only take with Secure and Path=/ (RFC 6265bis, 4.1.3.2)."""
        return f"__Host-{self.cookie}" if scheme in ("https", "wss") else self.cookie


class Guard:
    """Stands before one route."""

    def __init__(self, app: ASGIApp, door: Door, need: Need) -> None:
        self._app, self._door, self.need = app, door, need

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hear the request, or refuse it."""
        caller, verdict = self._door.decide(scope, self.need)
        if verdict is not None and scope["type"] == "websocket":
            await receive()  # its `connect`
            await send({"type": "websocket.close", "code": POLICY, "reason": verdict.sentence})
            return
        is_change = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if verdict is not None:
            if is_change and caller is not None and caller.name and self._door.trail is not None:
                said = {"role": caller.role, "via": caller.via}
                what, address = what_of(scope), address_of(scope)
                await self._door.trail.failed(caller.name, what, address, verdict.status, **said)
            raise Refused(verdict.status, verdict.sentence, verdict.hint)
        scope[_CALLER] = caller
        is_noted = is_change and self.need.noted and self.need.role is not None
        if scope["type"] == "websocket":
            watched = Watched(self._door, self.need, scope, send)
            await self._app(scope, receive, watched.send)
        elif is_noted and caller is not None and self._door.trail is not None:
            await noted(self._app, self._door.trail, caller, self.need.words, scope, receive, send)
        else:
            await self._app(scope, receive, send)
        if self._door.people is not None and caller is not None:
            await self._door.people.keep()


class Watched:
    """An open socket: who was let in must still be somebody who would be, or nothing more is sent."""

    def __init__(self, door: Door, need: Need, scope: Scope, send: Send) -> None:
        self._door, self._need, self._scope, self._send = door, need, scope, send
        self._looked = door.monotonic()
        self._is_over = False

    async def send(self, message: Message) -> None:
        """Send it, or close."""
        if self._is_over:
            return
        now = self._door.monotonic()
        if now - self._looked >= LOOK_S and message["type"] == "websocket.send":
            self._looked = now
            _, verdict = self._door.decide(self._scope, self._need)
            if verdict is not None:
                self._is_over = True
                message = {"type": "websocket.close", "code": POLICY, "reason": verdict.sentence}
        await self._send(message)


def caller_of(request: HTTPConnection) -> Caller | None:
    """Who asks; None: an application or a child, which the route knows itself."""
    found: Caller | None = request.scope.get(_CALLER)
    return found


def require_role(request: HTTPConnection, role: Role) -> None:
    """For a route where what is asked decides what it needs.

    Raises:
        Refused: 403 when the caller may not.
    """
    caller = caller_of(request)
    if caller is None or not caller.role.covers(role):
        mine = "none" if caller is None else caller.role
        raise Refused(403, f"this needs the role {role}; yours is {mine}", "ask an admin of this node")


def name_of(request: HTTPConnection, said: str) -> str:
    """Whose doing it is: who logged in, else who the request says."""
    caller = caller_of(request)
    return caller.name if caller is not None and caller.name else said


def _is_here(request: HTTPConnection) -> bool:
    """From this machine, and through no proxy that says so."""
    headers: Headers = request.headers
    return is_loopback(address_of(request.scope)) and not any(name in headers for name in _FORWARDED)
