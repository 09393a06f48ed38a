"""Nodes above one another on one loop, all real but the network: journals, lakes, ingest, questions both ways."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from holdfast.history.answering import Answering
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.service import Keeper
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.view import view
from holdfast.history.lake.workshop import LocalWorkshop
from holdfast.history.lake.writing import Target
from holdfast.history.query import History
from holdfast.ingest.questions import Questions
from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.parent import CONSUMER
from holdfast.journal.records import Bound
from holdfast.journal.settings import JournalSettings
from holdfast.journal.shedding import drop_delivered
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import InlineWriter
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.node.asking import Around, AskingDoor, Upward
from holdfast.storage.folder import DiskFolder
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.greeting import greeting
from holdfast.uplink.offers import encode
from holdfast.uplink.pacing import Pacing
from holdfast.uplink.plan import Offer
from holdfast.uplink.questions import Inquiries
from holdfast.uplink.settings import ParentSettings, QuestionSettings
from holdfast.wire.asking import Ask, Poll
from holdfast.wire.errors import LinkDown
from holdfast.wire.messages import BatchReply, Welcome

WITHIN_S = 5.0


class Rope:
    """Implements `uplink.questions.QuestionLink`, and asks the parent, through the wire's bytes; can be cut."""

    def __init__(self, child: str, parent: "Place") -> None:
        self.child, self.parent, self.is_cut = child, parent, False

    async def questions(self, poll: Poll) -> bytes | None:
        self._pass()
        ask = await self.parent.door.poll(self.child, msgspec.json.decode(msgspec.json.encode(poll), type=Poll))
        return None if ask is None else msgspec.json.encode(ask)

    async def answer(self, number: str, body: bytes) -> bool:
        self._pass()
        return self.parent.door.answered(self.child, number, body)

    async def ask(self, ask: Ask) -> bytes:
        self._pass()
        return await self.parent.door.ask(self.child, msgspec.json.decode(msgspec.json.encode(ask), type=Ask))

    def _pass(self) -> None:
        if self.is_cut:
            raise LinkDown("cut")


class Place:
    """One node. `up` is set by `join`."""

    def __init__(self, name: str, folder: Path, clock: ManualClock, settings: HistorySettings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock, self.lines = clock, list[str]()
        self.telemetry = Telemetry(clock, self.lines.append)
        self.journal = Journal(folder / FILE_NAME, name, JournalSettings(), clock, writer=InlineWriter)
        self.lake = Lake(DiskFolder(folder / "lake"))
        target = Target(self.lake.folder, self.journal.catalogue, lambda: uuid.uuid4().hex)
        workshop = LocalWorkshop(settings, self.journal, self.lake, target)
        self.keeper = Keeper(settings, self.journal, self.lake, workshop, clock, self.telemetry)
        self.ingest = IngestService(self.journal, self.telemetry, ChildrenSettings(), clock)
        self.around = Around(self.journal, clock, self.telemetry)
        self.questions = Questions(clock)
        self.around.with_children(self.questions, WITHIN_S)
        catalogue = self.journal.catalogue
        self.history = History(
            self.journal,
            catalogue,
            lambda low, high: view(self.lake, self.journal, catalogue.is_text.copy(), low, high),
            self.around,
        )
        self.answering = Answering(self.history.tiers, catalogue)
        self.door = AskingDoor(self.journal, self.questions, self.answering, self.telemetry)
        self.welcome: Welcome | None = None
        self.rope: Rope | None = None
        self.bounds: dict[Lane, Bound] = {}
        self.known = 0
        self.task: asyncio.Task[None] | None = None

    async def join(self, parent: "Place") -> None:
        """Open a session, and let the parent ask."""
        hello = greeting(self.journal, self.journal.node, len(self.journal.catalogue), (0, 0, 0))
        self.welcome = await parent.ingest.hello(self.journal.node, hello)
        assert self.welcome.status == "welcome"
        self.bounds = {lane: Bound(m.wm, m.chain) for lane, m in zip(Lane, self.welcome.marks, strict=False)}
        self.known = self.welcome.series_known
        self.rope = Rope(self.journal.node, parent)
        session = (self.welcome.branch, self.welcome.session)
        pacing = Pacing(ParentSettings("https://parent", "ca", "token"))
        settings = QuestionSettings(within=WITHIN_S, per_minute=6_000)
        up = Upward(self.rope.ask, lambda: session[0], lambda: "", pacing.budget, settings)
        self.around.with_parent(up)
        self.inquiries = Inquiries(
            settings, self.rope, self.answering.below, lambda: session, pacing, self.clock, self.telemetry, Random(1)
        )
        self.task = asyncio.create_task(self.inquiries.run())
        while not parent.questions.polls:  # noqa: ASYNC110  # its first poll has no event
            await asyncio.sleep(0)

    async def ship(self, rows: int, lane: Lane = Lane.BULK) -> bool:
        """Deliver about so many rows; False when there is nothing to deliver."""
        assert self.welcome is not None
        assert self.rope is not None
        bound = self.bounds[lane]
        if self.journal.head(lane) <= bound.seq:
            return False
        offer = Offer(lane, bound.seq, rows, self.welcome.session, self.known)
        encoded = encode(self.journal, self.journal.catalogue, offer, bound, self.welcome.branch)
        reply: BatchReply = await self.rope.parent.ingest.batch(self.journal.node, encoded.body)
        assert reply.status == "applied", reply
        self.bounds[lane], self.known = encoded.end, reply.series_known
        end = encoded.end.seq
        await self.journal.submit(lambda tx: tx.set_cursor(CONSUMER, lane, end))
        return True

    async def drop(self, groups: int, lane: Lane = Lane.BULK) -> int:
        """Free what the parent has, as under disk pressure."""
        upto = self.bounds[lane].seq

        def write(tx: Transaction) -> int:
            return drop_delivered(tx, lane, upto, groups)

        return await self.journal.submit(write)

    async def ask(self, patterns: Sequence[str], low: int, high: int, step_ns: int | None, *wanted: Any) -> Any:
        return await asyncio.to_thread(self.history.query, list(patterns), low, high, step_ns, *wanted)

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.questions.close()
        self.keeper.close()
        self.journal.close()
