"""Routes for people: log in and out, who am I, a kiosk's link, everybody, and the audit of what they did."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.identity.people.book import Book
from holdfast.identity.people.errors import (
    LoginRefused,
    LoginThrottled,
    PersonThere,
    PersonUnfit,
    PersonUnknown,
)
from holdfast.identity.people.kinds import KINDS
from holdfast.identity.people.roles import Role
from holdfast.identity.people.service import Caller, Opened, People
from holdfast.journal import audit_log
from holdfast.journal.audit_log import LAST_ID
from holdfast.kernel.clock import Clock
from holdfast.storage.sqlite import Connection
from holdfast.web.bodies import read_body
from holdfast.web.door import ADMIN, VIEWER, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import Door, caller_of
from holdfast.web.noting import address_of
from holdfast.web.parameters import only, truth, whole
from holdfast.web.people_answers import (
    AuditLine,
    AuditPage,
    KioskRequest,
    LinkRow,
    LoginRequest,
    Me,
    PasswordRequest,
    PeopleChange,
    PeopleChanged,
    PeopleList,
    PersonRow,
    SessionRow,
)
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

T = TypeVar("T")
MAX_BODY, STALL_S = 16 << 10, 10.0
MOST_LISTED, NEVER = 1_000, (1 << 63) - 1
SHOWN = 12
_login, _kiosk = msgspec.json.Decoder(LoginRequest), msgspec.json.Decoder(KioskRequest)
_password, _change = msgspec.json.Decoder(PasswordRequest), msgspec.json.Decoder(PeopleChange)
_HINT = "see docs/reference/http-api.md, People"
Look = Callable[[Callable[[Connection], Any]], Any]


def said_of(body: bytes) -> str:
    """What a change of people asks for, without its secrets."""
    try:
        wanted = _change.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return " ".join(f"people: {wanted.do} {wanted.name} {wanted.role or ''} {wanted.owner}".split())


class PeopleRoutes:
    """The routes for people of one node; they're there without `people`, too, and say that nobody logs in."""

    def __init__(self, door: Door, look: Look | None, clock: Clock) -> None:
        self._door, self._look, self._clock = door, look, clock
        self._gate = Gate(running=1, waiting=4)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/me", self.me),
            Route("/api/v1/me/password", self.password, methods=["POST"]),
            Route("/api/v1/login", self.login, methods=["POST"]),
            Route("/api/v1/logout", self.logout, methods=["POST"]),
            Route("/api/v1/kiosk", self.kiosk, methods=["POST"]),
            Route("/api/v1/people", self.list),
            Route("/api/v1/people", self.change, methods=["POST"]),
            Route("/api/v1/audit", self.audit),
        ]

    @needs(None)
    async def me(self, request: Request) -> Response:
        """Who asks, and what they may do."""
        only(request.query_params)
        return answer(self._me(caller_of(request)))

    @needs(None)
    async def login(self, request: Request) -> Response:
        """JSON `LoginRequest` in, `Me` out with the session's cookie."""
        only(request.query_params)
        people, wanted = self._people(), await _body(request, _login)
        agent = request.headers.get("user-agent", "")
        opened = await _let_in(people.login(wanted.name, wanted.password, address_of(request.scope), agent))
        return self._opened(request, opened)

    @needs(None)
    async def kiosk(self, request: Request) -> Response:
        """JSON `KioskRequest` in, `Me` out with the cookie of a session that looks and changes nothing."""
        only(request.query_params)
        people, wanted = self._people(), await _body(request, _kiosk)
        agent = request.headers.get("user-agent", "")
        opened = await _let_in(people.enter(wanted.token, address_of(request.scope), agent))
        return self._opened(request, opened)

    @needs(None)
    async def logout(self, request: Request) -> Response:
        """End the session; fine when there's none."""
        only(request.query_params)
        caller = caller_of(request)
        if caller is not None and self._door.people is not None:
            await self._door.people.logout(caller, address_of(request.scope))
        said = answer(self._me(None if self._door.people is not None else caller))
        said.set_cookie(self._door.cookie_name(request.url.scheme), "", **self._terms(request, 0))
        return said

    @needs(VIEWER, words=lambda _: "another password")
    async def password(self, request: Request) -> Response:
        """JSON `PasswordRequest` in: one's own new password. One's sessions end, this one too."""
        only(request.query_params)
        people, wanted, caller = self._people(), await _body(request, _password), caller_of(request)
        if caller is None or caller.via != "session":
            raise Refused(403, "only a person who is logged in has a password", "log in first")
        await _let_in(people.prove(caller.name, wanted.old, address_of(request.scope)))
        now_ns = people.now_ns()
        await self._changed(people, lambda book: book.change(caller.name, now_ns, password=wanted.new))
        return answer(PeopleChanged(caller.name))

    @needs(ADMIN)
    async def list(self, request: Request) -> Response:
        """Everybody, who is in, and every link."""
        only(request.query_params)
        people, caller = self._people(), caller_of(request)
        book = people.file.read()
        mine = "" if caller is None else caller.session
        return answer(
            PeopleList(
                [PersonRow(one.name, one.role, one.made_ns, one.changed_ns) for one in book.people],
                [
                    SessionRow(
                        one.digest[:SHOWN], one.name, one.kind, one.made_ns, one.seen_ns, one.until_ns, one.address,
                        one.agent, one.digest == mine,
                    )
                    for one in people.sessions()
                ],
                [LinkRow(one.name, one.kind, one.owner, one.made_ns, one.until_ns) for one in book.links],
            )
        )  # fmt: skip

    @needs(ADMIN, words=said_of)
    async def change(self, request: Request) -> Response:
        """JSON `PeopleChange` in, `PeopleChanged` out, once it's on disk."""
        only(request.query_params)
        people, wanted = self._people(), await _body(request, _change)
        token = await self._done(people, wanted)
        return answer(PeopleChanged(wanted.name, token))

    @needs(ADMIN)
    async def audit(self, request: Request) -> Response:
        """`?before=ID&limit=100&who=&from=&to=&kind=&verify=false`: what people did and tried, newest first."""
        params = request.query_params
        only(params, "before", "limit", "who", "from", "to", "kind", "verify")
        before, limit = whole(params, "before", LAST_ID, LAST_ID), whole(params, "limit", 100, MOST_LISTED, 1)
        verify, kind = truth(params, "verify", default=False), params.get("kind", "")
        if self._look is None or self._door.trail is None:
            raise Refused(404, "this node keeps no audit", "it's a part of one")
        if kind and kind not in KINDS:
            raise Refused(400, f"kind={kind[:60]!r} is not allowed", f"one of {', '.join(KINDS)}")
        now = self._clock.wall_ns()
        wanted = audit_log.Wanted(
            before,
            params.get("who", ""),
            parse_time("from", params["from"], now) if "from" in params else 0,
            parse_time("to", params["to"], now) if "to" in params else NEVER,
            KINDS[kind] if kind else (),
        )
        read, watch = partial(audit_log.page, wanted=wanted, limit=limit), self._door.chain
        async with self._gate.enter():
            found: list[audit_log.Line] = await asyncio.to_thread(self._look, read)
            if verify:
                broken = await (asyncio.to_thread(self._look, audit_log.broken_at) if watch is None else watch.turn(0))
            else:
                broken = 0 if watch is None else watch.broken_at
        checked_ns = 0 if watch is None else watch.checked_ns
        return answer(AuditPage([AuditLine.of(one) for one in found], broken, checked_ns))

    async def _done(self, people: People, wanted: PeopleChange) -> str:
        """Change it; returns a new link's text."""
        now_ns, name = people.now_ns(), wanted.name
        if wanted.do == "end":
            if await people.end(name) is None:
                raise Refused(404, f"there is no session {name[:60]}", "GET /api/v1/people lists them")
            return ""
        if wanted.do in ("kiosk", "token"):
            if (wanted.do == "token") != bool(wanted.owner):
                raise Refused(400, "a token has an `owner`, a kiosk has none", _HINT)
            token, link = people.new_link(name, wanted.do, wanted.owner, wanted.for_s)
            await self._changed(people, lambda book: book.linked(link, now_ns))
            return token.text
        await self._changed(people, partial(changed, wanted, now_ns))
        return ""

    async def _changed(self, people: People, do: Callable[[Book], Book]) -> None:
        try:
            await people.change(do)
        except PersonUnknown as error:
            raise Refused(404, str(error), error.hint) from error
        except PersonThere as error:
            raise Refused(409, str(error), error.hint) from error
        except PersonUnfit as error:
            raise Refused(400, str(error), _HINT) from error

    def _people(self) -> People:
        if self._door.people is None:
            raise Refused(404, "nobody logs in at this node", "set `people: true` in node.yaml")
        return self._door.people

    def _me(self, caller: Caller | None) -> Me:
        people = self._door.people
        role: Literal["viewer", "operator", "admin", ""] = caller.role.value if caller is not None else ""
        name, is_kiosk = ("", False) if caller is None else (caller.name, caller.via == "kiosk")
        is_empty = people is not None and not people.file.read().people
        return Me(name, role, people is not None, is_kiosk, is_empty)

    def _opened(self, request: Request, opened: Opened) -> Response:
        said = answer(self._me(opened.caller))
        name = self._door.cookie_name(request.url.scheme)
        said.set_cookie(name, opened.id, **self._terms(request, opened.lasts_s))
        return said

    def _terms(self, request: Request, lasts_s: int) -> dict[str, Any]:
        is_secure = request.url.scheme == "https"
        return {"max_age": lasts_s, "path": "/", "secure": is_secure, "httponly": True, "samesite": "strict"}


def changed(wanted: PeopleChange, now_ns: int, book: Book) -> Book:
    """The book with a change made; never one without an admin when there was one.

    Raises:
        PeopleError: when it can't be made.
    """
    name = wanted.name
    match wanted.do:
        case "add":
            found = book.add(name, wanted.role or Role.VIEWER, wanted.password, now_ns)
        case "role" if wanted.role is not None:
            found = book.change(name, now_ns, role=wanted.role)
        case "password" if wanted.password:
            found = book.change(name, now_ns, password=wanted.password)
        case "remove":
            found = book.without(name)
        case "revoke":
            found = book.unlinked(name)
        case _:
            raise PersonUnfit(f"{wanted.do} lacks what it is to be")
    had = any(one.role is Role.ADMIN for one in book.people)
    if had and not any(one.role is Role.ADMIN for one in found.people):
        raise PersonUnfit("nobody would be an admin any more; make somebody else one first")
    return found


async def _let_in(opening: Awaitable[T]) -> T:
    try:
        return await opening
    except LoginThrottled as error:
        raise Refused(429, str(error), error.hint, error.retry_after_s) from error
    except LoginRefused as error:
        raise Refused(401, str(error), "check them; a password is case-sensitive") from error


async def _body(request: Request, decoder: "msgspec.json.Decoder[T]") -> T:
    try:
        return decoder.decode(await read_body(request, MAX_BODY, STALL_S))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(400, "the body can't be read", _HINT) from error  # without its words: they may hold a password
