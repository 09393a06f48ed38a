"""A node's shared documents and its parent's become the same: the asking side.

Each exchange is a whole: state vectors say what either side lacks, and merging the same bytes twice changes nothing.
So nothing about an exchange must survive a crash; what this end remembers of the parent only saves bytes. After any
doubt (a restart, a parent restored from a backup, whose versions are others) it asks afresh.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from holdfast.documents.errors import DocumentError
from holdfast.documents.happenings import (
    DocumentExchanged,
    DocumentExchangeFailed,
    DocumentLinkLost,
    DocumentLinkRestored,
    DocumentStuck,
    DocumentUnstuck,
)
from holdfast.documents.keeper import Keeper
from holdfast.documents.ports import ParentDocuments
from holdfast.documents.replica import NOTHING
from holdfast.documents.settings import DocumentsSettings, matcher
from holdfast.documents.versions import digest
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.documents import DocumentAsk, DocumentReply, NewsAsk
from holdfast.wire.errors import LinkDown, LinkRefused
from holdfast.wire.patience import Patience

# Two suffice when nobody edits meanwhile; what is edited meanwhile is the next exchange's.
ROUNDS = 4
STUCK_S = 30.0
# A parent that can't hold the question answers at once.
LEAST_PAUSE_S = 1.0
GATHER_S = 0.05


@dataclass(slots=True)
class _Peer:
    """What this end remembers of the parent's document.

    seen:  the parent's version that is merged here; state: the parent's state vector, None = not known
    given: our version that is merged there
    stuck_until: no try before it, CLOCK_MONOTONIC seconds
    """

    seen: str = ""
    state: bytes | None = None
    given: str = ""
    trouble: str = ""
    stuck_until: float = 0.0


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """How the exchange with the parent stands. waiting: documents with edits that the parent doesn't have yet."""

    trouble: str
    waiting: int
    stuck: dict[str, str] = field(default_factory=dict)


class Exchanges:
    """Keeps the shared documents and the parent's alike. `run` is its only task's body. Loop thread only."""

    def __init__(
        self,
        settings: DocumentsSettings,
        keeper: Keeper,
        parent: ParentDocuments,
        patience: Patience,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Ask nothing yet."""
        self._settings, self._keeper, self._parent = settings, keeper, parent
        self._patience, self._clock, self._telemetry = patience, clock, telemetry
        self._may = matcher(settings.up)
        self._peers: dict[str, _Peer] = {}  # of documents that are here or that the parent told: bounded on both sides
        self._told: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._trouble = "not asked yet"
        self._is_up: bool | None = None
        telemetry.gauge(
            "documents_waiting", "Documents with edits that the parent doesn't have.", lambda: self.status().waiting
        )
        telemetry.gauge(
            "documents_stuck_now",
            "Documents that can't be exchanged with the parent.",
            lambda: len(self.status().stuck),
        )

    async def run(self) -> None:
        """Exchange for ever; cancel to stop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._push(), name="documents-push")
            tasks.create_task(self._listen(), name="documents-listen")

    def status(self) -> ExchangeStatus:
        """How things stand."""
        mine = self._keeper.versions(self._may)
        waiting = sum(1 for name, version in mine.items() if self._peer(name).given != version)
        return ExchangeStatus(self._trouble, waiting, {n: p.trouble for n, p in self._peers.items() if p.trouble})

    async def exchange(self, name: str) -> None:
        """Bring one document to the same edits on both sides.

        Raises:
            LinkError: the parent wasn't reached, or doesn't serve us.
        """
        async with self._one_at_a_time:
            peer = self._peer(name)
            try:
                rounds = await self._rounds(name, peer)
            except DocumentError as error:
                self._stick(name, peer, str(error))
                return
            if rounds:
                self._telemetry.emit(DocumentExchanged(document=name, rounds=rounds))
                if peer.trouble:
                    peer.trouble = ""
                    self._telemetry.emit(DocumentUnstuck(document=name))

    async def listen_once(self, wait_s: float) -> None:
        """Ask for news, and exchange what has any. Raises like `exchange`."""
        news = await self._parent.news(NewsAsk(self._settings.up, digest(self._told), wait_s))
        if news.versions is not None:
            self._told = {name: version for name, version in news.versions.items() if self._may(name)}
        for name, version in dict(self._told).items():
            peer = self._peer(name)
            if peer.seen != version and not self._is_stuck(peer):
                await self.exchange(name)

    def due(self) -> list[str]:
        """Documents with edits that the parent may lack, and that may be tried now."""
        mine = self._keeper.versions(self._may)
        return [n for n, version in mine.items() if (p := self._peer(n)).given != version and not self._is_stuck(p)]

    async def _rounds(self, name: str, peer: _Peer) -> int:
        """How many it took; 0: the document is stuck."""
        reply = DocumentReply("merged")
        for number in range(1, ROUNDS + 1):
            here = await self._keeper.content(name, peer.state or NOTHING)
            is_new = here.version != peer.given and peer.state is not None
            reply = await self._parent.document(
                DocumentAsk(name, here.state, here.update if is_new else b"", peer.seen)
            )
            if reply.status == "refused":
                self._stick(name, peer, reply.detail)
                return 0
            if await self._learn(name, peer, reply, here.version, is_new=is_new):
                return number
        if reply.status == "gap":
            self._stick(name, peer, "the parent finds edits missing whatever is sent; it may run another version")
            return 0
        return ROUNDS  # somebody edits all the time: it's due again

    async def _learn(self, name: str, peer: _Peer, reply: DocumentReply, mine: str, *, is_new: bool) -> bool:
        """Merge what the parent gave; is all done?"""
        if reply.update:
            await self._keeper.merge(name, reply.update)
            here, is_lacking = await self._keeper.lacks(name, reply.update, reply.state)
        else:
            here, is_lacking = mine, not is_new and peer.given != mine
        peer.state, peer.seen = reply.state, reply.version
        if reply.version:
            self._told[name] = reply.version
        if not is_lacking and reply.status == "merged":
            peer.given = here
            return True
        peer.given = ""  # also when it was given once: the parent came back from an older image
        return False

    async def _push(self) -> None:
        while True:
            await self._turn()
            await self._keeper.news(lambda: bool(self.due()), STUCK_S)
            for name in self.due():
                if not await self._try(self.exchange(name)):
                    break

    async def _try(self, call: Awaitable[None]) -> bool:
        try:
            await call
        except HoldfastError as error:  # the link, or a journal that takes no writes now
            self._failed(error)
            return False
        except Exception as bug:  # noqa: BLE001  # a fault of ours here must not end a node that stores readings
            self._failed(LinkDown(f"unexpected: {bug!r}"))
            return False
        self._reached()
        return True

    async def _listen(self) -> None:
        while True:
            await self._turn()
            began, told = self._clock.monotonic(), self._told
            await self._try(self.listen_once(self._settings.wait))
            if self._told is told:  # no news, perhaps at once
                await asyncio.sleep(max(0.0, began + LEAST_PAUSE_S - self._clock.monotonic()))
            else:  # what follows at once is one question, not many
                await asyncio.sleep(GATHER_S)

    async def _turn(self) -> None:
        """Wait until the parent may be called."""
        while not self._patience.may_call(now := self._clock.monotonic()):  # noqa: ASYNC110  # the time is known
            await asyncio.sleep(max(0.01, self._patience.quiet_until - now))

    def _reached(self) -> None:
        self._patience.succeeded()
        self._trouble = ""
        if self._is_up is False:
            self._telemetry.emit(DocumentLinkRestored())
        self._is_up = True

    def _failed(self, error: HoldfastError) -> None:
        self._patience.failed(self._clock.monotonic(), error.retry_after_s if isinstance(error, LinkRefused) else 0.0)
        self._telemetry.emit(DocumentExchangeFailed(detail=str(error)))
        if self._is_up is not False:
            self._telemetry.emit(DocumentLinkLost(detail=str(error)))
        self._is_up, self._trouble = False, str(error)

    def _stick(self, name: str, peer: _Peer, why: str) -> None:
        """This document alone waits, and starts afresh then."""
        if not peer.trouble:
            self._telemetry.emit(DocumentStuck(document=name, detail=why))
        self._peers[name] = _Peer(trouble=why, stuck_until=self._clock.monotonic() + STUCK_S)

    def _is_stuck(self, peer: _Peer) -> bool:
        return peer.stuck_until > self._clock.monotonic()

    def _peer(self, name: str) -> _Peer:
        return self._peers.setdefault(name, _Peer())
