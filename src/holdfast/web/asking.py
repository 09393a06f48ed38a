"""Routes for questions between a node and its children ([protocol](docs/reference/sync-protocol.md))."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.web.deps import Asking, Children
from holdfast.web.door import needs_token
from holdfast.web.gate import Gate
from holdfast.web.responses import answer
from holdfast.web.senders import Senders
from holdfast.wire.asking import MAX_BODY, Ask, Poll
from holdfast.wire.errors import WireError

MAX_QUESTION = 128 * 1024
BODY = "application/vnd.apache.arrow.stream"


class Inquiry:
    """The routes of one node."""

    def __init__(self, senders: Senders, children: Children, asking: Asking) -> None:
        self._senders, self._who, self._asking = senders, children.who, asking
        self._most = min(children.max_body, MAX_BODY)
        # As for people: each question decodes on a thread of its own.
        self._gate = Gate(running=2, waiting=16)
        self._poll = msgspec.json.Decoder(Poll)
        self._ask = msgspec.json.Decoder(Ask)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/sync/questions", self.questions, methods=["POST"]),
            Route("/api/v1/sync/answers/{number}", self.answers, methods=["POST"]),
            Route("/api/v1/sync/ask", self.ask, methods=["POST"]),
        ]

    @needs_token
    async def questions(self, request: Request) -> Response:
        """A child waits to be asked: JSON `Poll` in; JSON `Ask` out, or 204 when there was no question."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            body = await self._senders.read(request, MAX_QUESTION)
        try:
            poll = self._poll.decode(body)
        except msgspec.MsgspecError as error:
            raise self._senders.refusal("malformed", 400, f"not a poll: {error}", WireError.hint) from error
        waiting = asyncio.ensure_future(self._asking.poll(child, poll))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            found = await waiting if waiting.done() else None
        finally:
            waiting.cancel()
            gone.cancel()
        return Response(status_code=204) if found is None else answer(found)

    @needs_token
    async def answers(self, request: Request) -> Response:
        """A child's answer: Arrow stream in; 204, or 200 with `{}` when nobody waits for it (any more)."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            body = await self._senders.read(request, self._most)
            is_wanted = self._asking.answered(child, request.path_params["number"], body)
            return Response(status_code=204) if is_wanted else answer({})

    @needs_token
    async def ask(self, request: Request) -> Response:
        """A child asks: JSON `Ask` in, Arrow stream out."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            body = await self._senders.read(request, MAX_QUESTION)
            try:
                wanted = self._ask.decode(body)
            except msgspec.MsgspecError as error:
                raise self._senders.refusal("malformed", 400, f"not a question: {error}", WireError.hint) from error
            async with self._gate.enter():
                found = await self._asking.ask(child, wanted)
            return Response(found, 200, {"Cache-Control": "no-store"}, BODY)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
