"""Routes for models: how they are, what is tried beside them, and changes of what acts."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.kernel.clock import Clock
from holdfast.storage.errors import StorageUnusable
from holdfast.web.bodies import read_body
from holdfast.web.door import ADMIN, OPERATOR, needs
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import name_of
from holdfast.web.model_answers import Deed, ModelList, ModelWish, Truth, TruthWish
from holdfast.web.model_port import ModelRefused, ModelsPort
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.times import parse_time

T = TypeVar("T")
PATH = "/api/v1/models"
MAX_BODY = 16 << 10
STALL_S = 30.0
MOST_LISTED = 1_000
LAST_ID = 1 << 36
LONGEST_WHY, LONGEST_NAME = 500, 256
NOBODY = "this machine"
_HINT = "see docs/reference/http-api.md, Models"
_NONE = "there are no models at this node"
_NONE_HINT = "`models: deploy:` in node.yaml names them; see docs/how-to/models.md"


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
        return await _tried(lambda: port.detail(name))

    async def labels(self, request: Request) -> Response:
        """`?before=ID&limit=100`: what people said of its devices, newest first."""
        params = request.query_params
        only(params, "before", "limit")
        limit, before = whole(params, "limit", 100, MOST_LISTED, 1), whole(params, "before", LAST_ID, LAST_ID)
        port, name = self._of(request)
        return await _tried(lambda: port.labels(name, limit, before))

    @needs(OPERATOR)
    async def label(self, request: Request) -> Response:
        """Say what a device was in a time; 201 once it's on disk."""
        only(request.query_params)
        port, name = self._of(request)
        said = await _body(request, TruthWish)
        now = self._clock.wall_ns()
        start, end = parse_time("from", said.start, now), min(parse_time("to", said.end, now), now)
        if start >= end:
            raise Refused(400, "`from` is not before `to`", "as in -2h and now; a time to come isn't known")
        node, device, label = (_short(key, getattr(said, key), LONGEST_NAME) for key in ("node", "device", "label"))
        for key, text in (("device", device), ("label", label)):
            if not text:
                raise Refused(400, f"`{key}` is empty", _HINT)
        why = _short("why", said.why, LONGEST_WHY)
        truth = Truth(node, device, start, end, label, why, _by(request, said.by))
        return await _tried(lambda: port.label(name, truth), 201)

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

    async def _act(self, request: Request, deed: Deed) -> Response:
        only(request.query_params)
        port, name = self._of(request)
        wish = await _body(request, ModelWish)
        _demand_sense(deed, wish)
        async with self._gate.enter():
            return await _tried(lambda: port.act(name, deed, wish, _by(request, wish.by)))

    def _of(self, request: Request) -> tuple[ModelsPort, str]:
        if self._port is None:
            raise Refused(404, _NONE, _NONE_HINT)
        return self._port, str(request.path_params["deployment"])[:LONGEST_NAME]


def _demand_sense(deed: Deed, wish: ModelWish) -> None:
    _short("model", wish.model, LONGEST_NAME)
    _short("why", wish.why, LONGEST_WHY)
    if not wish.model and deed != "rollback":
        raise Refused(400, f"which model is to {deed}?", 'as in {"model": "pump-anomaly@2.0.0"}')
    if (wish.percent is None) != (deed != "canary"):
        said = "`percent` is missing" if wish.percent is None else f"`percent` means nothing to a {deed}"
        raise Refused(400, said, 'a canary takes it, as in {"model": "pump-anomaly@2.0.0", "percent": 10}')
    if wish.percent is not None and not 0 < wish.percent <= 100:  # NaN, too
        raise Refused(400, f"percent={wish.percent:g} is not allowed", "above 0, at most 100")


async def _tried(what: Callable[[], Awaitable[T]], status: int = 200) -> Response:
    """Its answer, or why not: 400 can't be meant, 404 unknown, 409 refused, 507 the disk is full."""
    try:
        return answer(await what(), status)
    except ModelRefused as error:
        raise Refused(error.status, str(error), error.hint) from error
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
