"""Routes for children: hello, batch and fetch. Nothing of a body is read before the token is known."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.telemetry.happenings import Telemetry
from holdfast.web.deps import Children
from holdfast.web.errors import Refused
from holdfast.web.happenings import WebChildRefused
from holdfast.web.responses import answer
from holdfast.wire.errors import WireError
from holdfast.wire.messages import Fetch, Hello

MAX_HELLO = 64 * 1024
# Bodies in memory at once: one child may not shut out the others (G12), and all together stay bounded (G10).
PER_CHILD, TOGETHER = 4, 16
STALL_S = 30.0
BODY = "application/octet-stream"
Reason = Literal["token", "too_large", "busy", "stalled", "malformed"]


class Sync:
    """The sync routes of one node."""

    def __init__(self, children: Children, telemetry: Telemetry) -> None:
        self._children, self._telemetry = children, telemetry
        self._inside: Counter[str] = Counter()
        self._hello = msgspec.json.Decoder(Hello)
        self._fetch = msgspec.json.Decoder(Fetch)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/sync/hello", self.hello, methods=["POST"]),
            Route("/api/v1/sync/batch", self.batch, methods=["POST"]),
            Route("/api/v1/sync/fetch", self.fetch, methods=["POST"]),
        ]

    async def hello(self, request: Request) -> Response:
        """Open a session: JSON `Hello` in, JSON `Welcome` out."""
        child = self._child(request)
        with self._slot(child):
            body = await self._body(request, MAX_HELLO)
            try:
                hello = self._hello.decode(body)
            except msgspec.MsgspecError as error:
                raise self._refusal("malformed", 400, f"not a hello: {error}", WireError.hint) from error
            return answer(await self._children.ingest.hello(child, hello))

    async def batch(self, request: Request) -> Response:
        """Apply a batch: Arrow stream in, JSON `BatchReply` out."""
        child = self._child(request)
        with self._slot(child):
            body = await self._body(request, self._children.max_body)
            try:
                return answer(await self._children.ingest.batch(child, body))
            except WireError as error:
                raise self._refusal("malformed", 400, str(error), error.hint) from error

    async def fetch(self, request: Request) -> Response:
        """Give a child rows of its own back: JSON `Fetch` in, a batch's body out; 204 when not all are here."""
        child = self._child(request)
        with self._slot(child):
            body = await self._body(request, MAX_HELLO)
            try:
                wanted = self._fetch.decode(body)
            except msgspec.MsgspecError as error:
                raise self._refusal("malformed", 400, f"not a question for rows: {error}", WireError.hint) from error
            found = await self._children.ingest.fetch(child, wanted)
            return Response(found, 204 if found is None else 200, {"Cache-Control": "no-store"}, BODY)

    def _child(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        child = self._children.who(token.strip()) if scheme.lower() == "bearer" else None
        if child is None:
            hint = "send `Authorization: Bearer <token>` with the token this parent knows the child by"
            raise self._refusal("token", 401, "the token is missing, unknown or over", hint)
        return child

    @contextmanager
    def _slot(self, child: str) -> Iterator[None]:
        if self._inside[child] >= PER_CHILD or self._inside.total() >= TOGETHER:
            raise self._refusal("busy", 429, "too many bodies at once", "send the next after an answer", 1.0)
        self._inside[child] += 1
        try:
            yield
        finally:
            self._inside[child] -= 1

    async def _body(self, request: Request, most: int) -> bytes:
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise self._too_large(most)
        body = bytearray()
        pieces = request.stream()
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    body += await anext(pieces)
            except StopAsyncIteration:
                return bytes(body)
            except TimeoutError as error:
                raise self._refusal("stalled", 408, f"no byte for {STALL_S:g} s", "send it again") from error
            except ClientDisconnect as error:
                raise self._refusal("stalled", 400, "the connection ended before the body", "send it again") from error
            if len(body) > most:
                raise self._too_large(most)

    def _too_large(self, most: int) -> Refused:
        return self._refusal("too_large", 413, f"the body is larger than {most} bytes", "send smaller batches")

    def _refusal(
        self, reason: Reason, status: int, sentence: str, hint: str, retry_after_s: float | None = None
    ) -> Refused:
        self._telemetry.emit(WebChildRefused(reason=reason))
        return Refused(status, sentence, hint, retry_after_s)
