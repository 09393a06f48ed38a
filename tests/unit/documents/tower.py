"""Nodes with shared documents on one loop: real journals, keepers and exchanges; the link is a call that may fail."""

from pathlib import Path
from random import Random
from typing import Any, TypeVar

from pycrdt import Doc, Map

from holdfast.documents.exchange import Exchanges
from holdfast.documents.keeper import Keeper
from holdfast.documents.settings import DocumentsSettings, matcher
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access
from holdfast.journal.settings import JournalSettings
from holdfast.journal.writer import InlineWriter
from holdfast.kernel.clock import ManualClock
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.web.child_documents import answer_ask, answer_news
from holdfast.wire.documents import DocumentAsk, DocumentReply, News, NewsAsk
from holdfast.wire.errors import LinkDown

T = TypeVar("T")
ALL = DocumentsSettings(up=("*",), children=("*",))


class Link:
    """The way to a parent's documents. cut: no call arrives; is_deaf: the answers are lost."""

    def __init__(self, parent: "Node") -> None:
        self.parent, self.cut, self.is_deaf = parent, False, False
        self.asked = self.sent = self.received = 0

    async def document(self, ask: DocumentAsk) -> DocumentReply:
        self._may_pass()
        reply = await answer_ask(self.parent.keeper, ask)
        self.asked, self.sent, self.received = (
            self.asked + 1,
            self.sent + len(ask.update),
            self.received + len(reply.update),
        )
        return self._back(reply)

    async def news(self, ask: NewsAsk) -> News:
        self._may_pass()
        return self._back(await answer_news(self.parent.keeper, matcher(ask.patterns), ask))

    def _may_pass(self) -> None:
        if self.cut:
            raise LinkDown("cut")

    def _back(self, answer: T) -> T:
        if self.is_deaf:
            raise LinkDown("cut before the answer")
        return answer


class Node:
    """A node's documents. `kill` leaves what a killed process leaves."""

    def __init__(self, folder: Path, name: str, settings: DocumentsSettings = ALL) -> None:
        self.folder, self.name, self.settings = folder, name, settings
        self.clock = ManualClock()
        self.log: list[str] = []
        self.link: Link | None = None
        self.start()

    def start(self) -> None:
        self.journal = Journal(
            Access(self.folder / self.name / FILE_NAME), self.name, JournalSettings(), self.clock, writer=InlineWriter
        )
        self.telemetry = Telemetry(self.clock, self.log.append)
        self.keeper = Keeper(self.settings, self.journal, self.telemetry)
        if self.link is not None:
            self.attach(self.link)

    def attach(self, link: Link) -> None:
        self.link = link
        breaker = Breaker(3, 0.01, 0.02, Random(1))
        self.exchanges = Exchanges(self.settings, self.keeper, link, breaker, self.clock, self.telemetry)

    def kill(self) -> None:
        self.journal.abandon()

    async def sync(self) -> None:
        """One turn: take the parent's news, give own."""
        await self.exchanges.listen_once(0.0)
        for name in self.exchanges.due():
            await self.exchanges.exchange(name)

    async def read(self, name: str) -> dict[str, Any]:
        doc: Doc[Any] = Doc()
        doc.apply_update((await self.keeper.content(name)).update)
        return dict(doc.get("m", type=Map).to_py() or {})

    async def edit(self, name: str, **values: Any) -> None:
        """As an application would: on a replica of its own, from what the node has."""
        doc: Doc[Any] = Doc()
        doc.apply_update((await self.keeper.content(name)).update)
        await self.keeper.merge(name, edited(doc, **values))


def edited(doc: "Doc[Any]", **values: Any) -> bytes:
    """Set or (None) delete keys of the map `m`; returns the update."""
    before, fields = doc.get_state(), doc.get("m", type=Map)
    with doc.transaction():
        for key, value in values.items():
            if value is None:
                fields.pop(key, None)
            else:
                fields[key] = value
    return doc.get_update(before)
