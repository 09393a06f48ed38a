"""Uplink and ingest, real services on real journals, over a link that loses, repeats and refuses; against a list."""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.events import alert

from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.service import UplinkService
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.errors import LinkDown, LinkRefused
from holdfast.wire.messages import BatchReply, Hello, Welcome

FAULTS = ("request lost", "answer lost", "twice", "refused")
SETTINGS = ParentSettings(
    "https://hub", "ca", "t", linger=0.0, min_rows=1, max_rows=7, backoff_min=0.001, backoff_max=0.003
)


class FaultyLink:
    """Delivers to the parent of the moment, with the next fault of its list."""

    def __init__(self, faults: list[str | None]) -> None:
        self.faults = faults
        self.parent: IngestService | None = None
        self.sent_bytes = 0

    async def hello(self, hello: Hello) -> Welcome:
        self._before()
        assert self.parent is not None
        return await self.parent.hello("gw", hello)

    async def batch(self, body: bytes) -> BatchReply:
        fault = self._before()
        assert self.parent is not None
        reply = await self.parent.batch("gw", body)
        if fault == "twice":
            await self.parent.batch("gw", body)
        if fault == "answer lost":
            raise LinkDown("the answer was lost")
        return reply

    async def close(self) -> None: ...

    def _before(self) -> str | None:
        fault = self.faults.pop(0) if self.faults else None
        if self.parent is None or fault == "request lost":
            raise LinkDown("the request was lost")
        if fault == "refused":
            raise LinkRefused("HTTP 503", 0.001)
        return fault


class World:
    """A child and a parent that can be restarted, and the list of what the child wrote."""

    def __init__(self, folder: Path, faults: list[str | None]) -> None:
        self.folder = folder
        self.link = FaultyLink(faults)
        self.telemetry = Telemetry(SystemClock(), lambda _: None)
        self.values: list[float] = []
        self.events: list[str] = []
        self.child = self.open("child")
        self.uplink: asyncio.Task[None] | None = None
        self.parent: Journal | None = None

    def open(self, name: str) -> Journal:
        node = "gw" if name == "child" else "hub"
        return Journal(self.folder / name / FILE_NAME, node, JournalSettings(), SystemClock())

    def start_uplink(self) -> None:
        service = UplinkService(
            SETTINGS, self.child, self.link, SystemClock(), Telemetry(SystemClock(), lambda _: None), Random(1)
        )
        self.uplink = asyncio.ensure_future(service.run())

    async def stop_uplink(self) -> None:
        if self.uplink is not None:
            self.uplink.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.uplink
            self.uplink = None

    def start_parent(self) -> None:
        self.parent = self.open("parent")
        self.link.parent = IngestService(self.parent, self.telemetry, ChildrenSettings(), SystemClock())

    def stop_parent(self) -> None:
        self.link.parent = None
        if self.parent is not None:
            self.parent.close()
            self.parent = None

    async def write(self, rows: int) -> None:
        start = len(self.values)
        self.values += [float(v) for v in range(start, start + rows)]
        ids = [
            self.child.catalogue.intern(Series("gw", f"d{v % 9}", "m", "Cel", Kind.FLOAT))
            for v in range(start, start + rows)
        ]
        batch = Batch(
            np.array(ids, np.int32),
            np.arange(start, start + rows, dtype=np.int64),
            np.array(self.values[start:]),
            np.zeros(rows, np.uint8),
        )
        event = alert(len(self.events), ts=start)
        self.events.append(event.id)

        def commit(transaction: Transaction) -> None:
            transaction.append_readings(Lane.BULK, batch)
            transaction.append_events(Lane.CRITICAL, [event])

        await self.child.submit(commit)

    async def step(self, action: str) -> None:
        if action == "restart child":
            await self.stop_uplink()
            self.child.close()
            self.child = self.open("child")
            self.start_uplink()
        elif action == "restart parent":
            self.stop_parent()
            self.start_parent()
        elif action == "cut":
            self.link.faults[:0] = ["request lost"] * 3
        else:
            await self.write(int(action))
        await asyncio.sleep(0)

    async def heal(self) -> None:
        async with asyncio.timeout(10):
            while not (self.parent and self.held(self.parent) == (self.values, self.events)):  # noqa: ASYNC110  # a poll is the point: an outside look
                await asyncio.sleep(0.002)

    @staticmethod
    def held(parent: Journal) -> tuple[list[float], list[str]]:
        readings = [decode_readings(g.blob) for g in parent.read(Lane.BULK, 0, 10**6) if g.origin == "gw"]
        events = [e.id for g in parent.read(Lane.CRITICAL, 0, 10**6) for e in decode_events(g.blob)]
        return [float(v) for b in readings for v in b.value], events


async def live(folder: Path, actions: list[str], faults: list[str | None]) -> None:
    world = World(folder, faults)
    world.start_parent()
    world.start_uplink()
    try:
        for action in actions:
            await world.step(action)
            if world.parent is not None:
                values, events = world.held(world.parent)
                assert values == world.values[: len(values)]  # a prefix, in order, nothing twice
                assert events == world.events[: len(events)]
        await world.heal()
        assert world.parent is not None
        names = {s.name for s in world.parent.catalogue.since(0)}
        assert names == {s.name for s in world.child.catalogue.since(0)}
    finally:
        await world.stop_uplink()
        world.stop_parent()
        world.child.close()


ACTIONS = st.one_of(st.integers(1, 20).map(str), st.sampled_from(["restart child", "restart parent", "cut"]))


@settings(max_examples=25, deadline=None)
@given(
    actions=st.lists(ACTIONS, min_size=1, max_size=12),
    faults=st.lists(st.one_of(st.none(), st.sampled_from(FAULTS)), max_size=20),
)
def test_the_parent_always_holds_a_prefix_and_in_the_end_everything_once(
    actions: list[str], faults: list[str | None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), actions, list(faults)))
