"""Routes for models: how they are, what is tried beside them, and changes of what acts."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.inference.errors import InferenceError, ModelUnknown
from holdfast.inference.lifecycle.errors import DeploymentUnknown, LabelInvalid, LifecycleError, VersionUnknown
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.states import NEXT, UNTRIED, Command, Do, State
from holdfast.inference.lifecycle.status import ActBody, LabelBody, VersionStatus
from holdfast.kernel.clock import Clock
from holdfast.storage.errors import StorageUnusable
from holdfast.web.bodies import read_body
from holdfast.web.door import ADMIN, OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.model_answers import Deed, ModelDetail, ModelList, Offer
from holdfast.web.model_port import ModelsPort
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

T = TypeVar("T")
PATH = "/api/v1/models"
MAX_BODY = 16 << 10
STALL_S = 30.0
MOST_LISTED = 10_000
LAST_ID = 1 << 36
LONGEST_WHY, LONGEST_NAME = 500, 256
NOBODY = "this machine"
_HINT = "see docs/reference/http-api.md, Models"
_NONE = "there are no models at this node"
_NONE_HINT = "`models: deploy:` in node.yaml names them; see docs/how-to/models.md"
_ABSENT = (DeploymentUnknown, VersionUnknown, ModelUnknown)
_ACTS: tuple[Do, ...] = ("canary", "promote")
"""Those after which a version acts."""


class Models:
    """The models' routes of one node. port: None = it has no models, and the list is empty."""

    def __init__(self, port: ModelsPort | None, clock: Clock) -> None:
        self._port, self._clock = port, clock
        # loading a model takes a second: changes wait in line, as one depends on the other
        self._gate = Gate(running=1, waiting=8)

    def routes(self) -> list[Route]:
        """The paths."""
        one = f"{PATH}/{{deployment}}"
        changes = {
            "load": self.load,
            "shadow": self.shadow,
            "canary": self.canary,
            "promote": self.promote,
            "rollback": self.rollback,
            "retire": self.retire,
            "relearn": self.relearn,
        }
        return [
            Route(PATH, self.list),
            Route(one, self.detail),
            Route(f"{one}/labels", self.labels),
            Route(f"{one}/labels", self.label, methods=["POST"]),
            *(Route(f"{one}/{deed}", handler, methods=["POST"]) for deed, handler in changes.items()),
        ]

    async def list(self, request: Request) -> Response:
        """Every deployment by name, and what is loaded."""
        only(request.query_params)
        return answer(ModelList() if self._port is None else await self._port.listed())

    async def detail(self, request: Request) -> Response:
        """One deployment: card, features, versions, drift, comparisons, history, newest results."""
        only(request.query_params)
        port, name = self._of(request)

        async def find() -> ModelDetail:
            found = await port.detail(name)
            return replace(found, offers={one.ref: offer_of(one) for one in found.versions})

        return await _tried(find)

    async def labels(self, request: Request) -> Response:
        """`?device=&before=ID&limit=100`: what people said of its devices, newest first."""
        params = request.query_params
        only(params, "device", "before", "limit")
        limit, before = whole(params, "limit", 100, MOST_LISTED, 1), whole(params, "before", 0, LAST_ID)
        port, name = self._of(request)
        return await _tried(lambda: port.labels(name, limit, before, params.get("device", "")))

    @needs(OPERATOR)
    async def label(self, request: Request) -> Response:
        """Say what a device was in a time; 201 once it's on disk."""
        only(request.query_params)
        port, name = self._of(request)
        said = await _body(request, LabelBody)
        now = self._clock.wall_ns()
        start = parse_time("start", said.start, now)
        end = min(parse_time("end", said.end, now), now) if said.end else start
        if start > end:
            raise Refused(400, "`start` is after `end`, or not yet", "as in -2h and now; what will be isn't known")
        label = Label(
            deployment=name,
            device=_short("device", said.device, LONGEST_NAME),
            start_ns=start,
            end_ns=end,
            label=_short("label", said.label, LONGEST_NAME),
            node=_short("node", said.node, LONGEST_NAME),
            by=_by(request, said.by),
            comment=_short("comment", said.comment, LONGEST_WHY),
        )
        return await _tried(lambda: port.label(label), 201)

    @needs(ADMIN)
    async def load(self, request: Request) -> Response:
        """Make a model a candidate: verified and tried, not at work yet."""
        return await self._act(request, "load")

    @needs(OPERATOR)
    async def shadow(self, request: Request) -> Response:
        """Let a version run beside the active one; nothing follows from what it says."""
        return await self._act(request, "shadow")

    @needs(ADMIN)
    async def canary(self, request: Request) -> Response:
        """Let a version answer for a part of the devices."""
        return await self._act(request, "canary")

    @needs(ADMIN)
    async def promote(self, request: Request) -> Response:
        """Make a version the active one."""
        return await self._act(request, "promote")

    @needs(OPERATOR)
    async def rollback(self, request: Request) -> Response:
        """Take canaries back, or else return to the version that was active before."""
        return await self._act(request, "rollback")

    @needs(ADMIN)
    async def retire(self, request: Request) -> Response:
        """Let a version run no more."""
        return await self._act(request, "retire")

    @needs(ADMIN)
    async def relearn(self, request: Request) -> Response:
        """Take what comes from now on as usual: drift is measured against that. Answers as the detail does."""
        only(request.query_params)
        port, name = self._of(request)
        _short("why", (await _body(request, ActBody)).why, LONGEST_WHY)
        async with self._gate.enter():
            await _tried(lambda: port.relearn(name))
        return await self.detail(request)

    async def _act(self, request: Request, deed: Deed) -> Response:
        only(request.query_params)
        port, name = self._of(request)
        wish = await _body(request, ActBody)
        _demand_sense(deed, wish)
        do: Do = "add" if deed == "load" else deed  # type: ignore[assignment]  # `relearn` has a handler of its own
        by = _by(request, wish.by)
        command = Command(do, wish.version.strip(), wish.percent, by, wish.why.strip(), wish.force)
        async with self._gate.enter():
            return await _tried(lambda: port.act(name, command))

    def _of(self, request: Request) -> tuple[ModelsPort, str]:
        if self._port is None:
            raise Refused(404, _NONE, _NONE_HINT)
        return self._port, str(request.path_params["deployment"])[:LONGEST_NAME]


def offer_of(one: VersionStatus) -> Offer:
    """What may be done with a version, as `inference.lifecycle.states` will have it."""
    state = State(one.state)
    can = list(NEXT[state])
    untried = not one.shadowed and any((state, do) in UNTRIED for do in _ACTS)
    caution = f"it was taken back: {one.mark}" if one.mark else "it never ran in shadow" if untried else ""
    if state is State.CANARY or not caution:
        return Offer(can)
    return Offer(can, [do for do in can if do in _ACTS], caution)


def _demand_sense(deed: Deed, wish: ActBody) -> None:
    _short("version", wish.version, LONGEST_NAME)
    _short("why", wish.why, LONGEST_WHY)
    if not wish.version.strip() and deed != "rollback":
        raise Refused(400, f"which version is to {deed}?", 'as in {"version": "pump-anomaly@2.0.0"}')
    if deed == "canary" and not 0 < wish.percent <= 100:  # NaN, too
        hint = 'above 0, at most 100, as in {"version": "pump-anomaly@2.0.0", "percent": 10}'
        raise Refused(400, f"percent={wish.percent:g} is not allowed", hint)
    if deed != "canary" and wish.percent:
        raise Refused(400, f"`percent` means nothing to a {deed}", "only a canary has one")


async def _tried(what: Callable[[], Awaitable[T]], status: int = 200) -> Response:
    """Its answer, or why not: 400 can't be meant, 404 unknown, 409 refused, 507 the disk is full."""
    try:
        return answer(await what(), status)
    except _ABSENT as error:
        raise Refused(404, str(error), error.hint) from error
    except LabelInvalid as error:
        raise Refused(400, str(error), error.hint) from error
    except (LifecycleError, InferenceError) as error:
        raise Refused(409, str(error), error.hint) from error
    except StorageUnusable as error:
        raise Refused(507, str(error), "nothing has changed; is the disk full?") from error


async def _body(request: Request, kind: type[T]) -> T:
    body = await read_body(request, MAX_BODY, STALL_S)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body can't be used: {error}", _HINT) from error


def _short(name: str, text: str, most: int) -> str:
    if len(text) > most or not text.isprintable():
        raise Refused(400, f"`{name}` is too long, or has characters that can't be printed", f"up to {most} characters")
    return text.strip()


def _by(request: Request, said: str) -> str:
    """Who does it: the person who is logged in, else whoever it's said to be."""
    name = name_of(request, said)
    return "".join(c for c in name.strip()[:80] if c.isprintable()) or NOBODY
