"""A node's shared documents: stored in the journal, merged when somebody asks.

An edit is on disk before anybody hears of it: each document is one queue (a lock), and what a reader is told of a
document's version, state and content is what was committed. A version names one content: `life.number.chance`. In one
life of the node numbers go up and nothing is lost; a reader that sees another life, or a number go back, compares anew.
Chance keeps two machines that run one life (a cloned image) from giving one name to two contents.
"""

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from holdfast.documents.errors import (
    DocumentError,
    DocumentTooLarge,
    TooManyDocuments,
    UpdateGap,
    UpdateMalformed,
)
from holdfast.documents.happenings import DocumentDamaged, DocumentUpdateRefused
from holdfast.documents.outline import clocks
from holdfast.documents.replica import EMPTY, NOTHING, Replica
from holdfast.documents.settings import NAME, DocumentsSettings
from holdfast.journal.documents import append_update, read_documents, read_updates, replace_updates
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.telemetry.happenings import Telemetry

# Updates that may gather beside the squashed one: so many rows, and so many bytes or half the document.
MOST_ROWS = 256
MANY_BYTES = 16 << 10
MOST_HELD = 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Content:
    """A document at one version: its state vector, and what somebody lacks of it. version "": it doesn't exist yet."""

    version: str
    state: bytes
    update: bytes


@dataclass(slots=True)
class _Entry:
    version: str
    size: int


@dataclass(slots=True)
class _Held:
    """A merged document; its log: bytes of the first, squashed update, and rows and bytes of those after it."""

    replica: Replica
    first: int = 0
    rows: int = 0
    bytes: int = 0


class Keeper:
    """The documents of one node. Loop thread only."""

    def __init__(self, settings: DocumentsSettings, journal: Journal, telemetry: Telemetry) -> None:
        """Read what is stored; merge nothing yet."""
        self._settings, self._journal, self._telemetry = settings, journal, telemetry
        self._cache, self._count = settings.cache, 0
        self._known = {one.name: _Entry(one.version, one.bytes) for one in read_documents(journal)}
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}  # of documents that somebody has or waits for
        self._users: Counter[str] = Counter()
        self._turn = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()
        telemetry.gauge("documents", "Shared documents on this node.", lambda: len(self._known))
        telemetry.gauge("document_bytes", "Size of what is stored for shared documents.", lambda: self.stored_bytes)

    @property
    def stored_bytes(self) -> int:
        """Bytes stored for all documents."""
        return sum(entry.size for entry in self._known.values())

    def versions(self, may: Callable[[str], bool]) -> dict[str, str]:
        """Name and version of every document that `may` is true for, by name."""
        return {name: self._known[name].version for name in sorted(self._known) if may(name)}

    def version(self, name: str) -> str:
        """A document's version, empty when it doesn't exist."""
        return self._known[name].version if name in self._known else ""

    def size(self, name: str) -> int:
        """Bytes stored for a document."""
        return self._known[name].size if name in self._known else 0

    async def news(self, is_news: Callable[[], bool], wait_s: float) -> bool:
        """Wait until `is_news` is true, at most `wait_s`; is it?"""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not is_news():
                    await self._turn.wait()
        return is_news()

    async def merge(self, name: str, update: bytes) -> bool:
        """Merge an update and commit it; False = everything in it was here before.

        Raises:
            UpdateMalformed, UpdateGap, DocumentTooLarge, TooManyDocuments: nothing of it was kept.
        """
        self._require_name(name)
        try:
            return await self._alone(name, lambda: self._merge(name, update))
        except DocumentError as error:
            self._refused(name, error)
            raise

    async def content(self, name: str, state: bytes = NOTHING) -> Content:
        """The document, and what somebody at `state` lacks of it.

        Raises:
            UpdateMalformed: when `state` is no state vector.
        """
        clocks(state)
        if name not in self._known:
            return Content("", NOTHING, EMPTY)
        return await self._alone(name, lambda: self._content(name, state))

    async def swap(self, name: str, state: bytes, update: bytes, seen: str) -> tuple[Content, bool]:
        """One exchange as its answering side: take `update`, tell what somebody at `state` lacks.

        seen: the version that the asker knew; where it still is ours, nothing is lacking, and nothing is sent
        Returns the content and whether the update was taken; it isn't when it builds on edits that are missing here.

        Raises:
            UpdateMalformed, DocumentTooLarge, TooManyDocuments: nothing was kept.
        """
        self._require_name(name)
        clocks(state)

        async def turn() -> tuple[Content, bool]:
            before, is_taken = self.version(name), True
            try:
                await self._merge(name, update)
            except UpdateGap:
                is_taken = False
            if name not in self._known:
                return Content("", NOTHING, EMPTY), is_taken
            if seen == before and is_taken:
                return Content(self.version(name), (await self._replica(name)).replica.state(), b""), True
            return await self._content(name, state), is_taken

        try:
            return await self._alone(name, turn)
        except DocumentError as error:
            self._refused(name, error)
            raise

    async def lacks(self, name: str, theirs: bytes, state: bytes) -> tuple[str, bool]:
        """This document's version, and whether somebody who sent `theirs` and is at `state` lacks anything of it.

        Raises:
            UpdateMalformed: when the bytes are no update and state vector.
        """

        async def turn() -> tuple[str, bool]:
            replica = (await self._replica(name)).replica
            return self.version(name), await asyncio.to_thread(replica.lacks, theirs, state)

        return await self._alone(name, turn)

    async def _alone(self, name: str, turn: Callable[[], Awaitable[T]]) -> T:
        """Run `turn` while nobody else has the document. A caller that goes away doesn't stop it half way."""

        async def locked() -> T:
            self._users[name] += 1
            try:
                async with self._locks.setdefault(name, asyncio.Lock()):
                    return await turn()
            finally:
                self._users[name] -= 1
                if not self._users[name]:
                    del self._users[name], self._locks[name]

        task = asyncio.ensure_future(locked())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _merge(self, name: str, update: bytes) -> bool:
        if update in (b"", EMPTY):
            return False
        if name not in self._known and len(self._known) >= self._settings.max_documents:
            raise TooManyDocuments(f"this node holds {len(self._known)} documents already")
        held = await self._replica(name)
        try:
            if not await asyncio.to_thread(held.replica.apply, update):
                return False
            await self._store(name, held, update)
        except BaseException:
            self._held.pop(name, None)  # it may hold what isn't stored
            raise
        return True

    async def _content(self, name: str, state: bytes) -> Content:
        replica = (await self._replica(name)).replica
        update = await asyncio.to_thread(replica.diff, state)
        return Content(self.version(name), replica.state(), update)

    async def _store(self, name: str, held: _Held, update: bytes) -> None:
        version = self._new_version()
        held.rows, held.bytes = held.rows + 1, held.bytes + len(update)
        if held.rows <= MOST_ROWS and held.bytes <= max(MANY_BYTES, held.first // 2):
            await self._journal.submit(lambda tx: append_update(tx, name, version, update))
        else:
            await self._squash(name, held, version)
        self._tell(name, version, held.first + held.bytes)

    async def _squash(self, name: str, held: _Held, version: str) -> None:
        whole = await asyncio.to_thread(held.replica.diff)

        def write(tx: Transaction) -> None:
            replace_updates(tx, name, version, whole)

        await self._journal.submit(write)
        held.first, held.rows, held.bytes = len(whole), 0, 0
        held.replica.bound = len(whole)

    def _new_version(self) -> str:
        self._count += 1
        return f"{self._journal.incarnation[:12]}.{self._count}.{secrets.token_hex(4)}"

    def _tell(self, name: str, version: str, size: int) -> None:
        self._known[name] = _Entry(version, size)
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def _replica(self, name: str) -> _Held:
        """The merged document; read from the journal when it isn't in memory."""
        held = self._held.get(name)
        if held is None:
            updates = await asyncio.to_thread(read_updates, self._journal, name)
            sound = [update for update in updates if update is not None]
            if len(sound) == len(updates):
                replica = await asyncio.to_thread(Replica, sound, self._settings.max_bytes)
                first, *rest = [len(update) for update in sound] or [0]
                held = _Held(replica, first, len(rest), sum(rest))
            else:
                held = await self._rescue(name, sound, len(updates) - len(sound))
            self._held[name] = held
        self._held.move_to_end(name)
        self._let_go()
        return held

    def _let_go(self) -> None:
        """Forget what was asked for longest ago; the newest stays. It's in the journal."""
        held = self._held
        while len(held) > 1 and (len(held) > MOST_HELD or sum(h.replica.bound for h in held.values()) > self._cache):
            held.popitem(last=False)

    async def _rescue(self, name: str, sound: list[bytes], damaged: int) -> _Held:
        """What still fits together is kept, under a new version: every neighbour then compares, and brings the rest."""
        replica = Replica((), self._settings.max_bytes)
        for update in sound:
            with suppress(DocumentError):
                await asyncio.to_thread(replica.apply, update)
        held = _Held(replica)
        await self._squash(name, held, version := self._new_version())
        self._telemetry.emit(DocumentDamaged(document=name, updates=damaged))
        self._tell(name, version, held.first)
        return held

    def _require_name(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise UpdateMalformed("a document's name has letters, digits and ._/- and is at most 127 long")

    def _refused(self, name: str, error: DocumentError) -> None:
        if isinstance(error, UpdateGap):
            self._telemetry.emit(DocumentUpdateRefused(reason="gap", document=name))
        elif isinstance(error, DocumentTooLarge):
            self._telemetry.emit(DocumentUpdateRefused(reason="too_large", document=name))
        elif isinstance(error, TooManyDocuments):
            self._telemetry.emit(DocumentUpdateRefused(reason="too_many", document=name))
        elif isinstance(error, UpdateMalformed):
            self._telemetry.emit(DocumentUpdateRefused(reason="malformed", document=name[:127]))
