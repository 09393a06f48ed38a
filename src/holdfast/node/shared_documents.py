"""A node's shared documents put together. What merges them is imported here, and only with `documents:`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.documents.settings import DocumentsSettings
from holdfast.journal.journal import Journal
from holdfast.kernel.clock import Clock
from holdfast.node.parent_calls import ParentCalls, breaker_of
from holdfast.node.settings import NodePlan
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.settings import ParentSettings
from holdfast.web.answers import DocumentsStatus
from holdfast.wire.documents import MOST_BESIDE, DocumentAsk, DocumentReply, News, NewsAsk

if TYPE_CHECKING:
    from holdfast.documents.exchange import Exchanges
    from holdfast.documents.keeper import Keeper

DOCUMENT_PATH = "/api/v1/sync/document"
NEWS_PATH = "/api/v1/sync/documents"
_ABSENT = "it shares no documents: set `documents` with `children` there, and check the URL"


@dataclass(frozen=True, slots=True)
class SharedDocuments:
    """The documents of one node. exchanges: None without a parent to exchange any with."""

    settings: DocumentsSettings
    keeper: "Keeper"
    exchanges: "Exchanges | None" = None
    link: "HttpsParentDocuments | None" = None

    async def close(self) -> None:
        """Close the kept connections."""
        if self.link is not None:
            await self.link.close()


def shared_documents(plan: NodePlan, journal: Journal, clock: Clock, telemetry: Telemetry) -> SharedDocuments | None:
    """The node's documents, None when node.yaml has no `documents:`.

    Raises:
        MergingMissing: when pycrdt isn't installed.
        HoldfastError: when the parent's files can't be used.
    """
    settings, parent = plan.settings.documents, plan.settings.parent
    if settings is None:
        return None
    from holdfast.documents.exchange import Exchanges  # noqa: PLC0415  # pycrdt: 6 MiB that others needn't pay
    from holdfast.documents.keeper import Keeper  # noqa: PLC0415  # as above

    keeper = Keeper(settings, journal, telemetry)
    if parent is None or not settings.up:
        return SharedDocuments(settings, keeper)
    link = HttpsParentDocuments(parent, plan.path, settings)
    exchanges = Exchanges(settings, keeper, link, breaker_of(parent), clock, telemetry)
    return SharedDocuments(settings, keeper, exchanges, link)


def documents_status(shared: SharedDocuments) -> DocumentsStatus:
    """How a node's shared documents are."""
    keeper = shared.keeper
    count, size = len(keeper.versions(lambda _: True)), keeper.stored_bytes
    if shared.exchanges is None:
        return DocumentsStatus(count, size)
    link = shared.exchanges.status()
    return DocumentsStatus(count, size, "down" if link.trouble else "up", link.trouble, link.waiting, link.stuck)


class HttpsParentDocuments:
    """Implements `documents.ports.ParentDocuments`."""

    def __init__(self, parent: ParentSettings, path: Callable[[str], Path], settings: DocumentsSettings) -> None:
        """Connect to nothing yet. Raises like `ParentCalls`."""
        most = settings.max_bytes + MOST_BESIDE
        # Two, for their patience: silence while news are waited for is no dead link.
        self._quick = ParentCalls(parent, path, _ABSENT, most)
        self._patient = ParentCalls(parent, path, _ABSENT, most, settings.wait)

    async def document(self, ask: DocumentAsk) -> DocumentReply:
        """Exchange one document."""
        return await self._quick.ask(DOCUMENT_PATH, ask, DocumentReply)

    async def news(self, ask: NewsAsk) -> News:
        """Wait for news."""
        return await self._patient.ask(NEWS_PATH, ask, News)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._quick.close()
        await self._patient.close()
