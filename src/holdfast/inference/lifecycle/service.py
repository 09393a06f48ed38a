"""Keeps the lives of a node's deployments: stores books before they act, labels before they're joined.

Loop thread. `start` after the deployments are known and before any rows; `tick` once a second; `keep` now and then and
before the end. An act of a person: next book → journal → adopted, one at a time by deployment. What happens by itself
acts at once (a broken model mustn't wait for a full disk) and is stored after it; after a crash in between the node
finds out again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
from msgspec.structs import replace

from holdfast.inference.lifecycle import showing
from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.inference.lifecycle.errors import ActRefused, DeploymentUnknown, LifecycleError
from holdfast.inference.lifecycle.labels import Label, require
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.ports import Books, Known
from holdfast.inference.lifecycle.states import Book, Command, State, declare
from holdfast.inference.lifecycle.status import ActDone, DeploymentStatus, LabelList, ModelList
from holdfast.journal import models
from holdfast.journal.models import StoredLabel
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock

MOST_LISTED = 10_000
_book = msgspec.json.Decoder(Book)
_label = msgspec.json.Decoder(Label)


class Lives:
    """Of one node. known: whether a version is in the store; acted: told of every new book, to load and drop models."""

    def __init__(
        self,
        lives: Mapping[str, Lifecycle],
        books: Books,
        clock: Clock,
        known: Known,
        acted: Callable[[Lifecycle], None] = lambda _: None,
    ) -> None:
        self.lives = dict(lives)
        self._books, self._clock, self._known, self._acted = books, clock, known, acted
        self._locks = {name: asyncio.Lock() for name in self.lives}
        self._labelled: Counter[str] = Counter()
        self._tallies: dict[str, tuple[int, models.Tally]] = {}

    async def start(self, configured: Mapping[str, tuple[str, str, tuple[str, float]]]) -> None:
        """Take up what was stored, then what node.yaml says that is new: (active, shadow, (canary, percent))."""
        for name, life in self.lives.items():
            await self._take_up(name, life, configured[name])

    async def begin(self, name: str, life: Lifecycle, configured: tuple[str, str, tuple[str, float]]) -> None:
        """A deployment whose model came after the start; as `start`."""
        self._locks[name] = asyncio.Lock()
        await self._take_up(name, life, configured)
        self.lives[name] = life

    async def _take_up(self, name: str, life: Lifecycle, configured: tuple[str, str, tuple[str, float]]) -> None:
        stored = await asyncio.to_thread(self._books.look, partial(models.find_book, deployment=name))
        before = Book(name) if stored is None else _decoded(name, stored[0])
        book = declare(before, *configured, self._clock.wall_ns())
        if book != before:
            await self._store(book)
        life.adopt(book)
        if stored is not None and stored[1]:
            life.restore(stored[1])
        self._acted(life)

    def find(self, deployment: str) -> Lifecycle:
        """One of them.

        Raises:
            DeploymentUnknown: when there is none.
        """
        if deployment not in self.lives:
            raise DeploymentUnknown(deployment)
        return self.lives[deployment]

    async def listed(self) -> ModelList:
        """Every deployment."""
        return ModelList([life.row() for _, life in sorted(self.lives.items())])

    async def shown(self, deployment: str) -> DeploymentStatus:
        """One with all there is to say."""
        return self.find(deployment).status()

    async def act(self, deployment: str, wish: Command) -> ActDone:
        """Do what a person wants; returns once it's on disk and so.

        Raises:
            DeploymentUnknown, VersionUnknown, ActRefused: nothing has changed.
        """
        life = self.find(deployment)
        async with self._locks[deployment]:
            before, now_ns = life.book, self._clock.wall_ns()
            if wish.version and not before.has(wish.version) and wish.do not in ("add", "rollback"):
                self._demand_known(wish.version)
                added = life.act(Command("add", wish.version, by=wish.by), now_ns)
                book = life.act(wish, now_ns, added)
            else:
                book = life.act(wish, now_ns)
            await self._store(book)
            life.adopt(book)
        self._acted(life)
        done = len(book.history) - len(before.history) if len(book.history) < 200 else 1
        return ActDone(deployment, book.active, list(book.history[-max(1, done) :]), showing.versions(life))

    def _demand_known(self, version: str) -> None:
        if not self._known(version):
            hint = "`holdfast model list` shows the store; `holdfast model add` brings one in"
            raise ActRefused(f"{version} is in no store here", hint)

    async def relearn(self, deployment: str) -> DeploymentStatus:
        """Take what comes from now on as the new normal."""
        life = self.find(deployment)
        life.relearn()
        await self.keep()
        return life.status()

    async def label(self, label: Label) -> Label:
        """Store what somebody knows, then join it; the label with its id.

        Raises:
            DeploymentUnknown, LabelInvalid: nothing has changed.
        """
        life = self.find(label.deployment)
        label = require(replace(label, made_ns=self._clock.wall_ns(), node=label.node or life.node), life.names)
        stored = StoredLabel(
            label.deployment, label.device, label.start_ns, label.end_ns, msgspec.json.encode(label), label.alert
        )
        number = await self._books.submit(lambda tx: models.put_label(tx, stored))
        self._labelled[life.deployment] += 1
        life.labelled(label)
        return replace(label, id=number)

    async def tally(self, deployment: str) -> models.Tally:
        """How many labels there are; counted again only once there's another.

        Raises:
            DeploymentUnknown: when there's no such deployment.
        """
        self.find(deployment)
        so_far = self._labelled[deployment]
        held = self._tallies.get(deployment)
        if held is None or held[0] != so_far:
            held = so_far, await asyncio.to_thread(self._books.look, partial(models.tally, deployment=deployment))
            self._tallies[deployment] = held
        return held[1]

    async def labels(self, deployment: str, limit: int = 100, below: int = 0, device: str = "") -> LabelList:
        """The newest labels."""
        self.find(deployment)
        limit = max(1, min(limit, MOST_LISTED))
        found = await asyncio.to_thread(
            self._books.look,
            lambda db: models.labels(db, deployment, limit + 1, below, device),
        )
        more = found[limit - 1].id if len(found) > limit else 0
        return LabelList([label_of(one) for one in found[:limit]], more)

    async def tick(self) -> list[Finding]:
        """What was found in all of them; stores what was done automatically."""
        now_ns, found = self._clock.wall_ns(), list[Finding]()
        for life in self.lives.values():
            found += life.tick(now_ns)
            if life.unsaved is not None:
                book, life.unsaved = life.unsaved, None
                self._acted(life)
                await self._store(book)
        return found

    async def keep(self) -> None:
        """Write what monitors have learned: every ten minutes, and before the end."""
        for name, life in self.lives.items():
            data = life.snapshot()

            def write(tx: Transaction, name: str = name, data: bytes = data) -> None:
                models.put_watched(tx, name, data)

            await self._books.submit(write)

    async def _store(self, book: Book) -> None:
        data = msgspec.json.encode(book)
        await self._books.submit(lambda tx: models.put_book(tx, book.deployment, data))


def label_of(stored: StoredLabel) -> Label:
    """A label as it's stored."""
    return replace(_label.decode(stored.body), id=stored.id)


def _decoded(name: str, data: bytes) -> Book:
    try:
        return _book.decode(data)
    except msgspec.DecodeError as error:
        said = f"the book of {name} in the journal can't be read: {error}"
        raise LifecycleError(said, "was it written by a newer program?") from error


def running(book: Book) -> list[str]:
    """Versions that must be loaded for a book, and the former active one, which must be there at once."""
    states = (State.ACTIVE, State.CANARY, State.SHADOW)
    wanted = [one.ref for one in book.versions if one.state in states]
    return wanted + [ref for ref in book.former[-1:] if ref not in wanted]
