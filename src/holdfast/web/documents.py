"""Routes for applications' shared documents: list, read or wait for changes, edit. The bytes are Yjs', encoding v1."""

import asyncio
import base64
import binascii
from collections import Counter

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.documents.errors import DocumentTooLarge, TooManyDocuments, UpdateGap, UpdateMalformed
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.deps import AppDocuments
from holdfast.web.door import needs_token
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.happenings import WebAppRefused
from holdfast.web.parameters import only, whole
from holdfast.web.responses import answer
from holdfast.web.senders import Senders

LONGEST_WAIT_S = 60
# Answers held back at once, each a connection; beyond it the answer comes at once.
HELD_PER_APP, HELD_TOGETHER = 16, 128
STORE_S = 30.0
NO_STATE = b"\x00"
BYTES = "application/octet-stream"


class DocumentRow(Struct, frozen=True):
    """A shared document. bytes: stored for it."""

    name: str
    version: str
    bytes: int


class Edited(Struct, frozen=True):
    """An update was merged and is on disk. is_new: False = everything in it was there before."""

    version: str
    is_new: bool


class Missing(Struct, frozen=True):
    """An update built on edits that this node lacks. state: its state vector, base64."""

    error: str
    hint: str
    state: str


class Documents:
    """The document routes of one node, for applications."""

    def __init__(self, shared: AppDocuments, telemetry: Telemetry) -> None:
        self._shared, self._keeper = shared, shared.keeper
        self._senders = Senders(lambda reason: telemetry.emit(WebAppRefused(reason=reason)))
        self._held: Counter[str] = Counter()
        # Each reader has a document's difference in memory until it's sent.
        self._gate = Gate(running=4, waiting=64)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/documents", self.names),
            Route("/api/v1/documents/{name:path}", self.read),
            Route("/api/v1/documents/{name:path}", self.edit, methods=["POST"]),
        ]

    @needs_token
    async def names(self, request: Request) -> Response:
        """Every document that the application may use."""
        app = self._senders.sender(request, self._shared.who)
        only(request.query_params)
        versions = self._keeper.versions(lambda name: self._shared.may(app, name))
        return answer([DocumentRow(name, version, self._keeper.size(name)) for name, version in versions.items()])

    @needs_token
    async def read(self, request: Request) -> Response:
        """`?state=base64url&wait=30`: what somebody at `state` lacks; If-None-Match waits for another version.

        `?of=state`: the node's own state vector instead.
        """
        app, name = self._may(request)
        only(request.query_params, "of", "state", "wait")
        of = request.query_params.get("of", "update")
        if of not in ("update", "state"):
            raise Refused(400, f"of={of[:60]!r} is not allowed", "`update` or `state`")
        known = request.headers.get("if-none-match", "")
        state, wait_s = _state(request), whole(request.query_params, "wait", 0, LONGEST_WAIT_S)
        if known and not await self._changes(app, name, known, wait_s):
            return Response(None, 304, {"ETag": known, "Cache-Control": "no-store"})
        async with self._gate.enter():
            try:
                here = await self._keeper.content(name, state)
            except UpdateMalformed as error:
                raise self._senders.refusal("malformed", 400, f"`state`: {error}", error.hint) from error
        body = here.state if of == "state" else here.update
        return Response(body, 200, {"ETag": _tag(here.version), "Cache-Control": "no-store"}, BYTES)

    @needs_token
    async def edit(self, request: Request) -> Response:
        """Merge an update; answered when it's on disk. 409: it builds on edits that this node lacks."""
        app, name = self._may(request)
        only(request.query_params)
        with self._senders.slot(app):
            update = await self._senders.read(request, self._shared.settings.max_bytes)
            try:
                async with asyncio.timeout(STORE_S):
                    is_new = await self._keeper.merge(name, update)
            except UpdateGap as error:
                return answer(Missing(str(error), error.hint, base64.b64encode(error.state).decode()), 409)
            except UpdateMalformed as error:
                raise self._senders.refusal("malformed", 400, str(error), error.hint) from error
            except DocumentTooLarge as error:
                raise self._senders.refusal("too_large", 413, str(error), error.hint) from error
            except TooManyDocuments as error:
                raise Refused(507, str(error), error.hint) from error
            except TimeoutError as error:
                raise Refused(
                    503, "the journal takes no writes now", "send it again: twice is harmless", 5.0
                ) from error
        return answer(Edited(self._keeper.version(name), is_new))

    def _may(self, request: Request) -> tuple[str, str]:
        app, name = self._senders.sender(request, self._shared.who), request.path_params["name"]
        if not self._shared.may(app, name):
            raise Refused(403, "this application may not use this document", "name it in `apps` in node.yaml")
        return app, name

    async def _changes(self, app: str, name: str, known: str, wait_s: int) -> bool:
        """Is the version another one, at once or after a wait?"""
        is_full = self._held[app] >= HELD_PER_APP or self._held.total() >= HELD_TOGETHER
        self._held[app] += 1
        try:
            return await self._keeper.news(lambda: _tag(self._keeper.version(name)) != known, 0 if is_full else wait_s)
        finally:
            self._held[app] -= 1


def _tag(version: str) -> str:
    return f'"{version or "none"}"'


def _state(request: Request) -> bytes:
    text = request.query_params.get("state", "")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True) or NO_STATE
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"state={text[:60]!r} is not base64url", "the bytes of a Yjs state vector") from error
