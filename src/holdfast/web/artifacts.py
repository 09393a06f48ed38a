"""Routes for artifacts: files named by their SHA-256, for children, people and the CLI; read in ranges, with resume.

Bytes never change under a digest, so the ETag is the digest and an answer may be kept for ever. What isn't here is
fetched from the parent while it's read. Everybody needs a token or a role: what passes here may be a customer's model.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from holdfast.artifacts.digests import digest_of
from holdfast.artifacts.entries import Entry
from holdfast.artifacts.errors import (
    ArtifactAbsent,
    ArtifactError,
    ArtifactLate,
    ArtifactPinned,
    ArtifactsFull,
    ArtifactTooLarge,
    ArtifactWrong,
    DigestInvalid,
    ParentLied,
)
from holdfast.artifacts.putting import Putting
from holdfast.artifacts.ranges import Span, Unsatisfiable, wanted
from holdfast.artifacts.service import Source
from holdfast.artifacts.status import FetchStatus
from holdfast.identity.people.roles import Role
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.alerts import body
from holdfast.web.answers import Failure
from holdfast.web.deps import ArtifactDoor
from holdfast.web.door import needs
from holdfast.web.errors import AnswerCut, Refused
from holdfast.web.guard import caller_of
from holdfast.web.parameters import only, truth
from holdfast.web.responses import answer

T = TypeVar("T")
BYTES = "application/octet-stream"
PIECE = 256 << 10
NAME = "Holdfast-Name"
"""The header with what an artifact is called, percent-encoded."""
STALL_S = 60.0
"""How long somebody may take no byte, or send none."""
UPLOADS = 2
BUSY_S = 2.0
_FOR_EVER = "private, max-age=31536000, immutable"
_WHO_HINT = "send `Authorization: Bearer <token>`: a child's of this node, or a person's"
_STATUS: dict[type[ArtifactError], int] = {
    DigestInvalid: 400,
    ArtifactAbsent: 404,
    ArtifactPinned: 409,
    ArtifactTooLarge: 413,
    ArtifactWrong: 422,
    ParentLied: 502,
    ArtifactsFull: 507,
}


class ArtifactList(Struct, frozen=True):
    """Artifacts of a node, the ones used last first, and those on their way to it."""

    artifacts: list[Entry]
    fetches: list[FetchStatus]
    bytes: int
    max_bytes: int


class ArtifactPin(Struct, frozen=True, forbid_unknown_fields=True):
    """on: keep it whatever else comes."""

    on: bool = True


_pin = msgspec.json.Decoder(ArtifactPin)


class ArtifactWanted(Struct, frozen=True):
    """What came of wanting an artifact here. artifact: it's here; fetch: it's on its way."""

    artifact: Entry | None = None
    fetch: FetchStatus | None = None


class ArtifactRoutes:
    """The artifact routes of one node."""

    def __init__(self, door: ArtifactDoor, telemetry: Telemetry) -> None:
        self._room, self._who = door.artifacts, door.who
        self._reading: Counter[str] = Counter()
        self._uploads = 0
        self._served = 0
        telemetry.counter("artifact_served_bytes", "Bytes of artifacts sent to children and people.", self._sent)
        telemetry.gauge("artifact_downloads_now", "Answers with an artifact's bytes.", self._reading.total)

    def routes(self) -> list[Route]:
        """The paths."""
        one = "/api/v1/artifacts/{digest}"
        return [
            Route("/api/v1/artifacts", self.list),
            Route(one, self.read),
            Route(one, self.put, methods=["PUT"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/pin", self.pin, methods=["POST"]),
            Route(f"{one}/fetch", self.fetch, methods=["POST"]),
        ]

    @needs(Role.VIEWER, tokens=True)
    async def list(self, request: Request) -> Response:
        """What is here, and what is on its way."""
        only(request.query_params)
        self._sender(request)
        store = self._room.store
        return answer(ArtifactList(store.entries(), self._room.status(), store.size, store.settings.max_bytes))

    @needs(Role.VIEWER, tokens=True)
    async def read(self, request: Request) -> Response:
        """The bytes, or a range of them; what isn't here is fetched from the parent meanwhile."""
        only(request.query_params)
        sender = self._sender(request)
        digest = _digest(request)
        tag = f'"{digest}"'
        common = {"ETag": tag, "Cache-Control": _FOR_EVER, "Accept-Ranges": "bytes"}
        if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
            return Response(None, 304, common)
        self._let_in(sender)
        try:
            source = await _plainly(self._room.source(digest))
        except BaseException:
            self._reading[sender] -= 1
            raise
        leave = partial(self._leave, sender, source)
        try:
            span = wanted(request.headers.get("range"), request.headers.get("if-range"), tag, source.size)
        except Unsatisfiable:
            leave()
            said = Failure("no byte of that range exists", f"the artifact has {source.size} bytes")
            return answer(said, 416, {**common, "Content-Range": f"bytes */{source.size}"})
        headers = {**common, "Repr-Digest": f"sha-256=:{_base64(digest)}:", NAME: quote(source.name)}
        if span is not None:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{source.size}"
        return _Bytes(source, span, headers, leave, self._count, is_head=request.method == "HEAD")

    @needs(Role.ADMIN, any_kind=True, words=lambda _: "")
    async def put(self, request: Request) -> Response:
        """`?name=&pin=`: publish a file; the body is its bytes. Taken if it's what the digest names."""
        only(request.query_params, "name", "pin")
        digest, params = _digest(request), request.query_params
        name, pinned = params.get("name", ""), truth(params, "pin", default=True)
        if not name.isprintable():
            raise Refused(400, "the name isn't printable", "letters, digits and signs")
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdigit() and len(declared) < 19 else None
        if self._uploads >= UPLOADS:
            raise Refused(429, "too many uploads at once", "send the next after an answer", BUSY_S)
        self._uploads += 1
        try:
            store = self._room.store
            putting = await _plainly(asyncio.to_thread(store.putting, size, name, pinned=pinned))
            try:
                await _plainly(_received(request, putting))
                return answer(await _plainly(asyncio.to_thread(putting.keep, digest)), 201)
            finally:
                await asyncio.to_thread(putting.__exit__)
        finally:
            self._uploads -= 1

    @needs(Role.ADMIN)
    async def remove(self, request: Request) -> Response:
        """Remove an artifact that isn't pinned."""
        return answer(await _plainly(asyncio.to_thread(self._room.store.remove, _digest(request))))

    @needs(Role.ADMIN)
    async def pin(self, request: Request) -> Response:
        """Keep it whatever else comes, or don't."""
        wish = await body(request, _pin)
        return answer(await _plainly(asyncio.to_thread(partial(self._room.store.pin, _digest(request), on=wish.on))))

    @needs(Role.ADMIN)
    async def fetch(self, request: Request) -> Response:
        """Have this node fetch it from its parent: 202 while it's on its way, 200 once it's here."""
        digest = _digest(request)
        status = await _plainly(_at_once(partial(self._room.want, digest)))
        return answer(ArtifactWanted(self._room.store.entry(digest), status), 200 if status is None else 202)

    def _sender(self, request: Request) -> str:
        """Whose download it is.

        Raises:
            Refused: 401, 403 when nobody's who may.
        """
        caller = caller_of(request)
        if caller is None:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            child = self._who(token.strip()) if scheme.lower() == "bearer" else None
            if child is None:
                raise Refused(401, "the token is missing, unknown or over", _WHO_HINT)
            return f"child {child}"
        if caller.via == "open":
            raise Refused(403, "artifacts aren't shown to everybody on the network", _WHO_HINT)
        return f"person {caller.name}"

    def _let_in(self, sender: str) -> None:
        settings = self._room.settings
        if self._reading[sender] >= settings.per_child:
            raise Refused(429, "too many downloads at once for you", "ask again after one ended", BUSY_S)
        if self._reading.total() >= settings.downloads:
            raise Refused(503, "too many downloads at once", "ask again in a moment", BUSY_S)
        self._reading[sender] += 1

    def _leave(self, sender: str, source: Source) -> None:
        self._reading[sender] -= 1
        self._reading += Counter()
        source.close()

    def _count(self, size: int) -> None:
        self._served += size

    def _sent(self) -> float:
        return self._served


class _Bytes(Response):
    """Sends bytes of a source as they can be had. Whoever takes none for STALL_S is cut off."""

    def __init__(
        self,
        source: Source,
        span: Span | None,
        headers: dict[str, str],
        leave: Callable[[], None],
        count: Callable[[int], None],
        *,
        is_head: bool,
    ) -> None:
        super().__init__(None, 200 if span is None else 206, headers, BYTES)
        self._source, self._span = source, span or Span(0, source.size)
        self._leave, self._count, self._is_head = leave, count, is_head
        self.headers["content-length"] = str(len(self._span))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the answer.

        Raises:
            AnswerCut: when the bytes can't be had any more; the connection is cut.
        """
        del scope
        listener = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if not self._is_head:
                await self._send_all(send, listener)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            listener.cancel()
            self._leave()

    async def _send_all(self, send: Send, listener: asyncio.Future[None]) -> None:
        at, end = self._span
        while at < end and not listener.done():
            try:
                piece = await self._source.read(at, min(PIECE, end - at))
            except ArtifactError as error:
                raise AnswerCut(str(error)) from error
            try:
                async with asyncio.timeout(STALL_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except TimeoutError as error:
                raise AnswerCut(f"nobody took a byte for {STALL_S:g} s") from error
            self._count(len(piece))
            at += len(piece)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _received(request: Request, putting: Putting) -> None:
    """Write a body as it comes.

    Raises:
        Refused: when it stalls, or ends early.
        ArtifactError, StorageError: see `Putting.write`.
    """
    waiting, pieces = bytearray(), request.stream()
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise Refused(408, f"no byte for {STALL_S:g} s", "send it again") from error
        except ClientDisconnect as error:
            raise Refused(400, "the connection ended before the body", "send it again") from error
        waiting += piece or b""
        if waiting and (piece is None or len(waiting) >= PIECE):
            await asyncio.to_thread(putting.write, bytes(waiting))
            waiting.clear()
        if piece is None:
            return


async def _at_once(what: Callable[[], T]) -> T:
    return what()


async def _plainly(work: Awaitable[T]) -> T:
    """Its outcome; what the artifacts room says, as an answer."""
    try:
        return await work
    except ArtifactLate as error:
        raise Refused(503, str(error), error.hint, error.retry_after_s) from error
    except ArtifactError as error:
        raise Refused(_STATUS.get(type(error), 500), str(error), error.hint) from error


def _digest(request: Request) -> str:
    try:
        return digest_of(request.path_params["digest"])
    except DigestInvalid as error:
        raise Refused(400, str(error), error.hint) from error


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
