"""Routes for children's shared documents: one exchange, and the question for news, which waits for some."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.documents.errors import DocumentError, DocumentTooLarge, TooManyDocuments, UpdateMalformed
from holdfast.documents.settings import DocumentsSettings, matcher
from holdfast.documents.versions import digest
from holdfast.web.door import needs_token
from holdfast.web.errors import Refused
from holdfast.web.senders import Senders
from holdfast.wire.documents import MOST_BESIDE, DocumentAsk, DocumentReply, News, NewsAsk, packed, unpacked
from holdfast.wire.errors import WireError

if TYPE_CHECKING:  # importing it loads pycrdt, which a node without documents has no need for
    from holdfast.documents.keeper import Keeper

MAX_NEWS = 64 * 1024
STORE_S = 30.0
M = TypeVar("M")
# Questions held at once, each a connection; a child has one. Beyond it they are answered at once.
HELD_PER_CHILD, HELD_TOGETHER = 2, 512
PACKED = "application/vnd.msgpack"


class ChildDocuments:
    """The document routes of one node, for its children."""

    def __init__(
        self, senders: Senders, who: Callable[[str], str | None], keeper: "Keeper", settings: DocumentsSettings
    ) -> None:
        self._senders, self._who, self._keeper, self._settings = senders, who, keeper, settings
        self._held: Counter[str] = Counter()

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/api/v1/sync/document", self.document, methods=["POST"]),
            Route("/api/v1/sync/documents", self.news, methods=["POST"]),
        ]

    @needs_token
    async def document(self, request: Request) -> Response:
        """Exchange one document: `DocumentAsk` in, `DocumentReply` out."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            ask = self._unpacked(await self._senders.read(request, self._settings.max_bytes + MOST_BESIDE), DocumentAsk)
            if not matcher(self._settings.children, child)(ask.name):
                refusal = DocumentReply("refused", detail="the parent's `documents.children` does not name it")
                return Response(packed(refusal), 200, {"Cache-Control": "no-store"}, PACKED)
            try:
                async with asyncio.timeout(STORE_S):
                    reply = await answer_ask(self._keeper, ask)
            except TimeoutError as error:
                raise Refused(
                    503, "the journal takes no writes now", "send it again: twice is harmless", 5.0
                ) from error
        return Response(packed(reply), 200, {"Cache-Control": "no-store"}, PACKED)

    @needs_token
    async def news(self, request: Request) -> Response:
        """Wait for news: `NewsAsk` in, `News` out."""
        child = self._senders.sender(request, self._who)
        with self._senders.slot(child):
            ask = self._unpacked(await self._senders.read(request, MAX_NEWS), NewsAsk)
        theirs, ours = matcher(ask.patterns), matcher(self._settings.children, child)
        is_full = self._held[child] >= HELD_PER_CHILD or self._held.total() >= HELD_TOGETHER
        self._held[child] += 1
        try:
            wait = NewsAsk(ask.patterns, ask.known, 0.0 if is_full else ask.wait_s)
            news = await answer_news(self._keeper, lambda name: theirs(name) and ours(name), wait)
        finally:
            self._held[child] -= 1
        return Response(packed(news), 200, {"Cache-Control": "no-store"}, PACKED)

    def _unpacked(self, body: bytes, into: type[M]) -> M:
        try:
            return unpacked(body, into)
        except WireError as error:
            raise self._senders.refusal("malformed", 400, str(error), error.hint) from error


async def answer_ask(keeper: "Keeper", ask: DocumentAsk) -> DocumentReply:
    """The parent's side of an exchange."""
    try:
        here, is_taken = await keeper.swap(ask.name, ask.state, ask.update, ask.seen)
    except (UpdateMalformed, DocumentTooLarge, TooManyDocuments) as error:
        return DocumentReply("refused", detail=_why(error))
    return DocumentReply("merged" if is_taken else "gap", here.version, here.state, here.update)


async def answer_news(keeper: "Keeper", may: Callable[[str], bool], ask: NewsAsk) -> News:
    """The parent's side of the question for news."""
    is_new = await keeper.news(lambda: digest(keeper.versions(may)) != ask.known, ask.wait_s)
    return News(keeper.versions(may) if is_new else None)


def _why(error: DocumentError) -> str:
    return f"the parent refuses it: {error}; {error.hint}"
