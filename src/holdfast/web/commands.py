"""Routes for commands: ask, look, look back. For operators, and for applications with `commands` in `apps`."""

import asyncio
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.commands.asking import CommandBody, asked
from holdfast.commands.errors import (
    CommandConflicts,
    CommandInvalid,
    CommandsBusy,
    CommandsCrowded,
    DeviceRenamed,
    NodeUnknown,
)
from holdfast.journal import commanded
from holdfast.journal.commanded import Stored
from holdfast.model.command import MAX_PARAMS
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.bodies import read_body
from holdfast.web.deps import Commands
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import caller_of
from holdfast.web.happenings import WebAppRefused
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer

MAX_BODY = 4 * MAX_PARAMS
STALL_S = 30.0
MOST_LISTED, MOST_WAIT_S = 1_000, 30
WAITERS = 64
RETRY_S = 1.0
LOCAL = "local"
_HINT = "see docs/reference/http-api.md, Commands"
_body = msgspec.json.Decoder(CommandBody)


class CommandRow(Struct, frozen=True):
    """A command as it stands. Times in ns UTC, 0 = not (yet); result, late: as the device answered."""

    id: str
    node: str
    device: str
    name: str
    params: msgspec.Raw
    origin: str
    state: str
    made_ns: int
    deadline_ns: int
    sent_ns: int
    delivered_ns: int
    ended_ns: int
    doubt: bool
    detail: str
    result: Any
    late: Any
    place: int

    @staticmethod
    def of(one: Stored) -> "CommandRow":
        """As it's stored."""
        command, end = one.command, one.answer
        return CommandRow(
            command.id,
            command.node,
            command.device,
            command.name,
            msgspec.Raw(command.params),
            command.origin,
            one.state.value,
            command.made_ns,
            command.deadline_ns,
            one.sent_ns,
            one.delivered_ns,
            one.ended_ns,
            end.doubt,
            end.detail,
            msgspec.json.decode(end.result) if end.result else None,
            msgspec.json.decode(one.late) if one.late else None,
            one.place,
        )


class CommandRoutes:
    """The routes for commands of one node."""

    def __init__(self, deps: Commands, telemetry: Telemetry) -> None:
        self._deps, self._telemetry = deps, telemetry
        self._gate = Gate(running=2, waiting=16)
        self._waiting = 0

    def routes(self) -> list[Route]:
        """The paths."""
        base = "/api/v1/devices/{device}/commands"
        return [
            Route("/api/v1/commands", self.all),
            Route("/api/v1/commands/{id}", self.any),
            Route(base, self.past),
            Route(base, self.send, methods=["POST"]),
            Route(f"{base}/{{id}}", self.one),
        ]

    @needs(OPERATOR, tokens=True)
    async def send(self, request: Request) -> Response:
        """JSON `CommandBody` in, `CommandRow` out: 202 when it's new and on disk, 200 when this id was taken before."""
        only(request.query_params)
        device = str(request.path_params["device"])
        who = self._who(request)
        try:
            body = _body.decode(await read_body(request, MAX_BODY, STALL_S))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused(400, f"the body can't be read: {error}", _HINT) from error
        self._allow(who, body.node, device)
        service = self._deps.service
        try:
            stored, is_new = await service.ask(asked(body, device, who, service.settings.longest))
        except (CommandInvalid, NodeUnknown, CommandConflicts, DeviceRenamed) as error:
            status = {CommandInvalid: 400, NodeUnknown: 404}.get(type(error), 409)
            raise Refused(status, str(error), error.hint) from error
        except CommandsCrowded as error:
            raise Refused(507 if error.is_total else 429, str(error), error.hint, RETRY_S) from error
        except CommandsBusy as error:
            raise Refused(503, str(error), error.hint, RETRY_S) from error
        return answer(CommandRow.of(stored), 202 if is_new else 200)

    @needs(OPERATOR, tokens=True)
    async def one(self, request: Request) -> Response:
        """One command; `?wait=20` waits so many seconds for its end."""
        only(request.query_params, "wait")
        who, number = self._who(request), str(request.path_params["id"])
        wait_s = whole(request.query_params, "wait", 0, MOST_WAIT_S)
        found = await self._found(request, who, number)
        if wait_s and not found.ended_ns:
            if self._waiting >= WAITERS:
                raise Refused(429, f"{WAITERS} wait for commands already", "ask without `wait`", RETRY_S)
            self._waiting += 1
            try:
                await self._deps.service.wait(number, wait_s)
            finally:
                self._waiting -= 1
            found = await self._found(request, who, number)
        return answer(CommandRow.of(found))

    @needs(OPERATOR, tokens=True)
    async def past(self, request: Request) -> Response:
        """`?node=&before=PLACE&limit=50`: a device's commands, newest first."""
        only(request.query_params, "node", "before", "limit")
        device, node = str(request.path_params["device"]), request.query_params.get("node", "")
        self._allow(self._who(request), node, device)
        return await self._listed(request, node or self._deps.node, self._names(node, device))

    @needs(OPERATOR)
    async def all(self, request: Request) -> Response:
        """`?before=PLACE&limit=50`: everybody's commands, newest first."""
        only(request.query_params, "before", "limit")
        return await self._listed(request, "", ())

    @needs(OPERATOR)
    async def any(self, request: Request) -> Response:
        """One command by its id alone."""
        only(request.query_params)
        number = str(request.path_params["id"])
        async with self._gate.enter():
            found = await asyncio.to_thread(self._deps.look, lambda db: commanded.find(db, number))
        if found is None:
            raise Refused(404, f"there is no command {number[:64]}", "GET /api/v1/commands lists them")
        return answer(CommandRow.of(found))

    def _names(self, node: str, device: str) -> tuple[str, ...]:
        """Every name that a device had while it was commanded; of a child's only its own node knows others."""
        return self._deps.service.names(device).known_as if node in ("", self._deps.node) else (device,)

    async def _listed(self, request: Request, node: str, devices: tuple[str, ...]) -> Response:
        before = whole(request.query_params, "before", 1 << 36, 1 << 36)
        limit = whole(request.query_params, "limit", 50, MOST_LISTED, 1)
        async with self._gate.enter():
            read = partial(commanded.past, node=node, devices=devices, before=before, limit=limit)
            found = await asyncio.to_thread(self._deps.look, read)
        return answer([CommandRow.of(one) for one in found])

    async def _found(self, request: Request, who: str, number: str) -> Stored:
        async with self._gate.enter():
            found: Stored | None = await asyncio.to_thread(self._deps.look, lambda db: commanded.find(db, number))
        device = str(request.path_params["device"])
        if found is None or found.command.device not in self._names(found.command.node, device):
            raise Refused(404, f"{device[:60]} has no command {number[:64]}", "GET the path above it lists them")
        self._allow(who, found.command.node, device)
        return found

    def _who(self, request: Request) -> str:
        """Who asks, for the record."""
        caller = caller_of(request)
        if caller is not None:
            return f"person:{caller.name}" if caller.name else LOCAL
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        app = self._deps.who(token.strip()) if scheme.lower() == "bearer" else None
        if app is None:
            hint = "send `Authorization: Bearer <token>` with the token of an application in `apps`"
            raise self._refusal("token", 401, "the token is unknown or over", hint)
        return f"app:{app}"

    def _allow(self, who: str, node: str, device: str) -> None:
        if not who.startswith("app:"):
            return
        app = who.removeprefix("app:")
        name = device if node in ("", self._deps.node) else f"{node}/{device}"
        if not self._deps.may(app, name):
            hint = f"name it under `apps.{app}.commands` in node.yaml"
            raise self._refusal("device", 403, f"{app} may not command {name[:100]}", hint)

    def _refusal(self, reason: Literal["token", "device"], status: int, sentence: str, hint: str) -> Refused:
        self._telemetry.emit(WebAppRefused(reason=reason))
        return Refused(status, sentence, hint)
