"""Routes for children: hello, batch and fetch. Nothing of a body is read before the token is known."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.telemetry.happenings import Telemetry
from holdfast.web.deps import Children
from holdfast.web.door import needs_token
from holdfast.web.happenings import WebChildRefused
from holdfast.web.responses import answer
from holdfast.web.senders import Senders
from holdfast.wire.errors import WireError
from holdfast.wire.messages import Fetch, Hello

MAX_HELLO = 64 * 1024
BODY = "application/octet-stream"


class Sync:
    """The sync routes of one node."""

    def __init__(self, children: Children, telemetry: Telemetry) -> None:
        self._children = children
        self.senders = Senders(lambda reason: telemetry.emit(WebChildRefused(reason=reason)))
        self._hello = msgspec.json.Decoder(Hello)
        self._fetch = msgspec.json.Decoder(Fetch)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/sync/hello", self.hello, methods=["POST"]),
            Route("/api/v1/sync/batch", self.batch, methods=["POST"]),
            Route("/api/v1/sync/fetch", self.fetch, methods=["POST"]),
        ]

    @needs_token
    async def hello(self, request: Request) -> Response:
        """Open a session: JSON `Hello` in, JSON `Welcome` out."""
        child = self.senders.sender(request, self._children.who)
        with self.senders.slot(child):
            body = await self.senders.read(request, MAX_HELLO)
            try:
                hello = self._hello.decode(body)
            except msgspec.MsgspecError as error:
                raise self.senders.refusal("malformed", 400, f"not a hello: {error}", WireError.hint) from error
            return answer(await self._children.ingest.hello(child, hello))

    @needs_token
    async def batch(self, request: Request) -> Response:
        """Apply a batch: Arrow stream in, JSON `BatchReply` out."""
        child = self.senders.sender(request, self._children.who)
        with self.senders.slot(child):
            body = await self.senders.read(request, self._children.max_body)
            try:
                return answer(await self._children.ingest.batch(child, body))
            except WireError as error:
                raise self.senders.refusal("malformed", 400, str(error), error.hint) from error

    @needs_token
    async def fetch(self, request: Request) -> Response:
        """Give a child rows of its own back: JSON `Fetch` in, a batch's body out; 204 when not all are here."""
        child = self.senders.sender(request, self._children.who)
        with self.senders.slot(child):
            body = await self.senders.read(request, MAX_HELLO)
            try:
                wanted = self._fetch.decode(body)
            except msgspec.MsgspecError as error:
                raise self.senders.refusal(
                    "malformed", 400, f"not a question for rows: {error}", WireError.hint
                ) from error
            found = await self._children.ingest.fetch(child, wanted)
            return Response(found, 204 if found is None else 200, {"Cache-Control": "no-store"}, BODY)
