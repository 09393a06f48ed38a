"""Routes for deployed models: how they do, what becomes of their versions, what people know better."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.inference.lifecycle.errors import (
    ActRefused,
    DeploymentUnknown,
    LabelInvalid,
    LifecycleError,
    VersionUnknown,
)
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.states import Command, Do
from holdfast.inference.lifecycle.status import ActBody, ActDone, DeploymentStatus, LabelBody, LabelList, ModelList
from holdfast.kernel.clock import Clock
from holdfast.storage.errors import StorageUnusable
from holdfast.web.bodies import read_body
from holdfast.web.door import OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

T = TypeVar("T")
MAX_BODY = 64 << 10
STALL_S = 30.0
MOST_LABELS = 10_000
LAST_ID = 1 << 36
NOBODY = "this machine"
_HINT = "see docs/reference/http-api.md, Models"
_PATH = "/api/v1/models"
_ACTS: dict[str, Do] = {one: one for one in get_args(Do) if one != "add"}
_STATUS: tuple[tuple[type[LifecycleError], int], ...] = (
    (DeploymentUnknown, 404),
    (VersionUnknown, 404),
    (ActRefused, 409),
    (LabelInvalid, 400),
)


class ModelDesk(Protocol):
    """`inference.lifecycle.service.Lives`. Raises `LifecycleError`; then nothing has changed."""

    async def listed(self) -> ModelList:
        """Every deployment."""
        ...

    async def shown(self, deployment: str) -> DeploymentStatus:
        """One with all there is to say."""
        ...

    async def act(self, deployment: str, wish: Command) -> ActDone:
        """Do it; returns once it's on disk and so. Calls for a deployment wait for one another."""
        ...

    async def relearn(self, deployment: str) -> DeploymentStatus:
        """Take what comes from now on as the new normal."""
        ...

    async def label(self, label: Label) -> Label:
        """Store a label, then join it with predictions."""
        ...

    async def labels(self, deployment: str, limit: int = 100, below: int = 0, device: str = "") -> LabelList:
        """The newest labels."""
        ...


class Models:
    """The models' routes of one node."""

    def __init__(self, desk: ModelDesk, clock: Clock) -> None:
        self._desk, self._clock = desk, clock
        self._looks = Gate(running=2, waiting=16)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route(_PATH, self.list),
            Route(f"{_PATH}/{{deployment}}", self.show),
            Route(f"{_PATH}/{{deployment}}/labels", self.labels, methods=["GET"]),
            Route(f"{_PATH}/{{deployment}}/labels", self.label, methods=["POST"]),
            Route(f"{_PATH}/{{deployment}}/relearn", self.relearn, methods=["POST"]),
            Route(f"{_PATH}/{{deployment}}/{{act}}", self.act, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """Every deployment by name: who acts, who runs in shadow, what is alarmed."""
        only(request.query_params)
        return answer(await self._desk.listed())

    async def show(self, request: Request) -> Response:
        """One deployment: versions, history, comparisons with verdicts, drift by feature, alarms."""
        only(request.query_params)
        async with self._looks.enter():
            return await _tried(lambda: self._desk.shown(request.path_params["deployment"]))

    async def labels(self, request: Request) -> Response:
        """`?limit=100&before=&device=`: what people know of devices, newest first."""
        params = request.query_params
        only(params, "limit", "before", "device")
        limit = whole(params, "limit", 100, MOST_LABELS, 1)
        below, device = whole(params, "before", 0, LAST_ID), params.get("device", "")
        name = request.path_params["deployment"]
        async with self._looks.enter():
            return await _tried(lambda: self._desk.labels(name, limit, below, device))

    @needs(OPERATOR)
    async def label(self, request: Request) -> Response:
        """Say what state a device was in; 201 with the label once it's on disk."""
        only(request.query_params)
        said, now = await _body(request, LabelBody), self._clock.wall_ns()
        start = parse_time("start", said.start, now)
        label = Label(
            deployment=request.path_params["deployment"],
            device=said.device,
            node=said.node,
            start_ns=start,
            end_ns=parse_time("end", said.end, now) if said.end else start,
            label=said.label,
            comment=said.comment,
            by=_by(request, said.by),
        )
        return await _tried(lambda: self._desk.label(label), 201)

    @needs(OPERATOR)
    async def relearn(self, request: Request) -> Response:
        """Take what comes from now on as the new normal of every feature."""
        only(request.query_params)
        await _body(request, ActBody)
        return await _tried(lambda: self._desk.relearn(request.path_params["deployment"]))

    @needs(OPERATOR)
    async def act(self, request: Request) -> Response:
        """`shadow`, `canary`, `promote`, `rollback` or `retire` a version; 200 once it's on disk and so."""
        only(request.query_params)
        act = request.path_params["act"]
        if act not in _ACTS:
            raise Refused(404, f"there is no act {act[:60]!r}", "one of relearn, " + ", ".join(_ACTS))
        said = await _body(request, ActBody)
        wish = Command(_ACTS[act], said.version, said.percent, _by(request, said.by), said.why, said.force)
        if not said.version and act != "rollback":
            raise Refused(400, f"which version shall {act}?", 'as in {"version": "pump-anomaly@2.0.0"}')
        return await _tried(lambda: self._desk.act(request.path_params["deployment"], wish))


async def _tried(what: Callable[[], Awaitable[T]], status: int = 200) -> Response:
    """Its answer, or why not: 404 unknown, 409 it may not become that, 400 no such label, 507 nothing was stored."""
    try:
        return answer(await what(), status)
    except LifecycleError as error:
        code = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        raise Refused(code, str(error), error.hint) from error
    except StorageUnusable as error:
        raise Refused(507, str(error), "nothing has changed; is the disk full?") from error


async def _body(request: Request, kind: type[T]) -> T:
    body = await read_body(request, MAX_BODY, STALL_S)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body can't be used: {error}", _HINT) from error


def _by(request: Request, said: str) -> str:
    """Who does it: the person who is logged in, else whoever it's said to be."""
    name = name_of(request, said)
    return "".join(c for c in name.strip()[:80] if c.isprintable()) or NOBODY
