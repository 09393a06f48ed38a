"""What the documents room needs of the world."""

from typing import Protocol

from holdfast.wire.documents import DocumentAsk, DocumentReply, News, NewsAsk


class ParentDocuments(Protocol):
    """The parent's documents. One exchange and one question for news may be under way at once; none after the end."""

    async def document(self, ask: DocumentAsk) -> DocumentReply:
        """Exchange one document.

        Raises:
            LinkDown: no answer came; whether the parent took the update is unknown, and sending it again is harmless.
            LinkRefused: the answer is not the protocol's (429, 503, wrong token).
        """
        ...

    async def news(self, ask: NewsAsk) -> News:
        """Ask for news; returns late when there are none. Raises like `document`."""
        ...
