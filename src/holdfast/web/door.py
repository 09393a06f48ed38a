"""The one door for people: what a request must be for its route to hear it. `judge` decides and is pure.

A route says what it needs with `@needs(...)` on its handler; one that says nothing needs an admin for a change and a
viewer for a look. Children and applications have tokens of their own, which their routes check (`needs_token`).

What is defended, and how:
- Another site's page (CSRF): browsers send `Origin` with every change, and it must be this node's own; a cookie without
  `Origin` changes nothing; a body must be declared as JSON, which no form can; the cookie is SameSite=Strict.
- Another site's name that points here (DNS rebinding): over plain HTTP, which is loopback only, the `Host` must be an
  address, `localhost`, or one of `api.names`; over TLS the certificate sees to it.
- Somebody on the network: without `people` only this machine changes anything; with it everybody logs in. A request
  that says it was forwarded is not from this machine.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from holdfast.identity.people.roles import Role
from holdfast.identity.people.service import Caller

F = TypeVar("F", bound=Callable[..., Any])
VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN
_LOOKS = ("GET", "HEAD", "OPTIONS")
_BODIES = ("POST", "PUT", "PATCH")
MARK = "__need__"
"""Where a handler carries what it needs."""
_LOGIN_HINT = "log in at `/login`, or send `Authorization: Bearer <token>`"
Reason = Literal["host", "origin", "kind", "login", "role"]


@dataclass(frozen=True, slots=True)
class Need:
    """What a route needs.

    role:   None = nobody has to be known: pages, health, login
    tokens: an application's token will do, too; the route checks it
    foreign: only tokens of children or applications; the route checks them
    words:  its body holds secrets: says what it asks for without them, for the audit; empty = it can't be read
    noted:  False: it changes nothing, and the audit has no line of it
    any_kind: its body may be of any kind, as a device's message: another site's page is known by `Origin`
    """

    role: Role | None
    tokens: bool = False
    foreign: bool = False
    words: Callable[[bytes], str] | None = None
    noted: bool = True
    any_kind: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as the door looks at it. is_here: from this machine, through nobody; headers: '' = absent."""

    method: str
    scheme: str
    is_here: bool
    host: str = ""
    origin: str = ""
    fetch_site: str = ""
    kind: str = ""

    @property
    def is_change(self) -> bool:
        """May it change something? A socket stays open, so it's looked at as hard."""
        return self.method not in _LOOKS or self.scheme in ("ws", "wss")


class Verdict(NamedTuple):
    """A refusal."""

    reason: Reason
    status: int
    sentence: str
    hint: str


def needs(
    role: Role | None,
    *,
    tokens: bool = False,
    words: Callable[[bytes], str] | None = None,
    noted: bool = True,
    any_kind: bool = False,
) -> Callable[[F], F]:
    """Mark a handler with the role that it needs."""

    def mark(handler: F) -> F:
        setattr(handler, MARK, Need(role, tokens=tokens, words=words, noted=noted, any_kind=any_kind))
        return handler

    return mark


def needs_token(handler: F) -> F:
    """Mark a handler that checks the token of a child or an application itself."""
    setattr(handler, MARK, Need(None, foreign=True))
    return handler


def need_of(path: str, methods: set[str], handler: object) -> Need:
    """What a route needs; where it doesn't say, as much as it could."""
    marked: Need | None = getattr(handler, MARK, None)
    if marked is not None:
        return marked
    if not path.startswith("/api/") and path != "/metrics":
        return Need(None)
    return Need(VIEWER if methods <= set(_LOOKS) else ADMIN)


def judge(asked: Asked, need: Need, caller: Caller | None, names: frozenset[str], *, has_login: bool) -> Verdict | None:
    """Why the request isn't heard; None = it is. caller: who is known to ask; names: what this node is called."""
    if need.foreign or (need.role is None and not asked.is_change):
        return None
    is_token = caller is not None and caller.via in ("token", "local") and has_login
    if not is_token and asked.scheme in ("http", "ws") and not _is_own(asked.host, names):
        hint = "use its address, or name it under `api.names` in node.yaml"
        return Verdict("host", 403, f"this node isn't known as {asked.host[:60]!r}", hint)
    if asked.is_change and (found := _strange(asked, need, caller)) is not None:
        return found
    if need.role is None:
        return None
    if caller is None:
        return Verdict("login", 401, "this node wants to know who you are", _LOGIN_HINT)
    if caller.role.covers(need.role):
        return None
    if not has_login:
        hint = "do it on the node itself, or set `people` in node.yaml: then people log in"
        return Verdict("role", 403, "without a login this is only taken from this machine", hint)
    return Verdict("role", 403, f"this needs the role {need.role}; yours is {caller.role}", "ask an admin of this node")


def _strange(asked: Asked, need: Need, caller: Caller | None) -> Verdict | None:
    """A change that a page of another site may have sent."""
    hint = "use the node's own pages, or a token"
    if asked.origin and not _is_same(asked.origin, asked.host, asked.scheme):
        return Verdict("origin", 403, "this is not taken from a web page of another site", hint)
    if asked.fetch_site not in ("", "same-origin", "none"):
        return Verdict("origin", 403, "this is not taken from a web page of another site", hint)
    if not asked.origin and caller is not None and caller.via in ("session", "kiosk"):
        return Verdict("origin", 403, "a session changes nothing without the header `Origin`", hint)
    if asked.method in _BODIES and asked.kind != "application/json" and not need.any_kind:
        return Verdict("kind", 415, "the body is not declared as JSON", "send `Content-Type: application/json`")
    return None


def _is_same(origin: str, host: str, scheme: str) -> bool:
    """Is the page's origin the one that the request went to? Behind a proxy that ends TLS it says https."""
    try:
        parts = urlsplit(origin)
        said, meant = (parts.hostname, parts.port), _split(host)
    except ValueError:
        return False
    secure = scheme in ("https", "wss")
    if parts.scheme not in ("http", "https") or (secure and parts.scheme != "https"):
        return False
    port = 443 if parts.scheme == "https" else 80
    return bool(said[0]) and (said[0], said[1] or port) == (meant[0], meant[1] or port)


def _is_own(host: str, names: frozenset[str]) -> bool:
    """Could a page only have come here under this name if it came from here? No `Host`: no browser."""
    try:
        name = _split(host)[0]
    except ValueError:
        return False
    if not host or name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _split(host: str) -> tuple[str, int | None]:
    parts = urlsplit(f"//{host}")
    return (parts.hostname or "").lower(), parts.port
