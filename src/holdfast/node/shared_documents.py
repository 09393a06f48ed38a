"""A node's shared documents put together. What merges them is imported here, and only with `documents:`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from holdfast.documents.settings import DocumentsSettings
from holdfast.identity.errors import TokenUnusable
from holdfast.identity.tokens import read_token
from holdfast.journal.journal import Journal
from holdfast.kernel.clock import Clock
from holdfast.node.parent_link import SLOW_S, STRANGER, call
from holdfast.node.settings import NodePlan
from holdfast.storage.errors import StorageError
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.https import HttpsClient
from holdfast.transport.tls import client_context
from holdfast.uplink.breaker import Breaker
from holdfast.uplink.settings import ParentSettings
from holdfast.web.answers import DocumentsStatus
from holdfast.wire.documents import MOST_BESIDE, DocumentAsk, DocumentReply, News, NewsAsk, packed, unpacked
from holdfast.wire.errors import LinkRefused, WireError

if TYPE_CHECKING:
    from holdfast.documents.exchange import Exchanges
    from holdfast.documents.keeper import Keeper

M = TypeVar("M")
DOCUMENT_PATH = "/api/v1/sync/document"
NEWS_PATH = "/api/v1/sync/documents"
PACKED = "application/vnd.msgpack"
_SENTENCES = {**STRANGER, 404: "it shares no documents: set `documents` with `children` there, and check the URL"}


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
    breaker = Breaker(parent.trip_after, parent.backoff_min, parent.backoff_max, Random())
    return SharedDocuments(settings, keeper, Exchanges(settings, keeper, link, breaker, clock, telemetry), link)


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
        """Read the CA and the token; connect to nothing yet. Raises like `HttpsParentLink`."""
        ca = path(parent.ca)
        self._token_file = path(parent.token_file)
        self._token = read_token(self._token_file)

        def client(timeout_s: float) -> HttpsClient:
            tls, most = client_context(ca), settings.max_bytes + MOST_BESIDE
            return HttpsClient(parent.url, tls, ca=str(ca), timeout_s=timeout_s, connections=1, max_reply=most)

        # Two, for their patience: silence while news are waited for is no dead link.
        self._quick, self._patient = client(parent.timeout), client(settings.wait + parent.timeout)

    async def document(self, ask: DocumentAsk) -> DocumentReply:
        """Exchange one document."""
        return await self._call(self._quick, DOCUMENT_PATH, packed(ask), DocumentReply)

    async def news(self, ask: NewsAsk) -> News:
        """Wait for news; reads the token file again, so a new token needs no restart."""
        try:
            self._token = read_token(self._token_file)
        except (StorageError, TokenUnusable) as error:
            raise LinkRefused(str(error), SLOW_S) from error
        return await self._call(self._patient, NEWS_PATH, packed(ask), News)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._quick.close()
        await self._patient.close()

    async def _call(self, client: HttpsClient, path: str, body: bytes, into: type[M]) -> M:
        answer = await call(client, self._token, path, body, PACKED, _SENTENCES)
        try:
            return unpacked(answer.body, into)
        except WireError as error:
            raise LinkRefused(
                f"what answers there is no Holdfast node of a fitting version ({error})", SLOW_S
            ) from error
