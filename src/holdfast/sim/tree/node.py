"""One simulated node: the real journal, uplink, ingest and upkeep, on virtual time and a folder that can be copied."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.parent import CONSUMER
from holdfast.journal.relief import Delivered, Level, relieve
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import InlineWriter
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import READING_LANES, Lane, Stay
from holdfast.model.series import Kind, Series
from holdfast.sim.tree.link import SimLink, Weather
from holdfast.sim.tree.virtual import VirtualClock
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.service import UplinkService
from holdfast.uplink.settings import ParentSettings

JOURNAL = JournalSettings(quota=1_000_000_000)


class SimNode:
    """A node that can be started, killed, cut off, copied and set back. Its files lie in `folder`."""

    def __init__(
        self, name: str, folder: Path, epoch_ns: int, seed: int, log: Callable[[str], None], place: str = ""
    ) -> None:
        """place: the node's `region`."""
        self.name = name
        self.place = place
        self.folder = folder
        self.rng = Random(f"{seed}/{folder.name}")
        self.clock = VirtualClock(asyncio.get_running_loop(), epoch_ns)
        self.weather = Weather()
        self.link: SimLink | None = None
        self.journal: Journal | None = None
        self.ingest: IngestService | None = None
        self.service: UplinkService | None = None
        self.parent: SimNode | None = None
        self.children: list[SimNode] = []
        self._telemetry_log = log
        self._uplink: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Does it run?"""
        return self.journal is not None

    @property
    def open(self) -> Journal:
        """The journal of a running node."""
        if self.journal is None:
            raise RuntimeError(f"{self.name} is down")
        return self.journal

    def start(self) -> None:
        """Open the journal and connect both ways."""
        telemetry = Telemetry(self.clock, lambda line: self._telemetry_log(f"{self.folder.name} {line}"))
        self.journal = Journal(
            self.folder / FILE_NAME, self.name, JOURNAL, self.clock, writer=InlineWriter, new_id=self._new_id
        )
        self.journal.catalogue.rule_by(self._stay)
        children = ChildrenSettings()
        self.ingest = IngestService(self.journal, telemetry, children, self.clock, self._is_settled, region=self.place)
        for child in self.children:
            if child.link is not None:
                child.link.parent = self.ingest
        if self.parent is not None:
            self.link = SimLink(self.name, self.weather, self.rng)
            self.link.parent = self.parent.ingest
            settings = ParentSettings("https://parent", "ca", "token", backoff_max=600.0)
            self.service = UplinkService(
                settings, self.journal, self.link, self.clock, telemetry, self.rng, region=self.place
            )
            self._uplink = asyncio.get_running_loop().create_task(self.service.run())

    async def kill(self) -> None:
        """End as kill -9 does: what was not committed is gone."""
        for child in self.children:
            if child.link is not None:
                child.link.parent = None
        if self._uplink is not None:
            self._uplink.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._uplink
            self._uplink = None
        if self.journal is not None:
            self.journal.abandon()
        self.journal = self.ingest = self.link = self.service = None

    async def restart(self) -> None:
        """Kill and start."""
        await self.kill()
        self.start()

    def image(self, into: Path) -> Path:
        """Copy the disk as it is now; the node may run."""
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(self.folder, into, ignore=shutil.ignore_patterns("*-shm"))
        return into

    def put_back(self, image: Path) -> None:
        """Replace the disk of a stopped node by an image."""
        shutil.rmtree(self.folder)
        shutil.copytree(image, self.folder)

    async def publish(self, first: int, count: int, alert: bool) -> None:  # noqa: FBT001  # one word at the call
        """Commit `count` readings with the values first, first + 1, …, and an alert; returns when they're acked.

        Every fourth is kept in the region, every fifth of the others at the site.
        """
        journal = self.open
        batch = self._readings(journal, first, count)
        stay = journal.catalogue.stay_of[batch.series]
        parts = [(lane, batch.take(stay == place)) for place, lane in enumerate(READING_LANES)]

        def write(tx: Transaction) -> None:
            for lane, part in parts:
                if len(part):
                    tx.append_readings(lane, part)
            tx.count("readings_accepted", count)
            if alert:
                tx.append_events(Lane.CRITICAL, [self._event(first)])
                tx.count("events_accepted")

        await journal.submit(write)

    async def shed(self, level: Level, steps: int) -> None:
        """Free space as upkeep would at `level`, in a few steps."""
        journal, now_ns = self.open, self.clock.wall_ns()
        applied = {lane: journal.cursor(CONSUMER, lane) for lane in Lane}
        delivered = Delivered(applied, applied)
        for _ in range(steps):
            await journal.submit(lambda tx: relieve(tx, level, JOURNAL, delivered, now_ns))

    def _readings(self, journal: Journal, first: int, count: int) -> Batch:
        ids = [
            journal.catalogue.intern(Series(self.name, f"{kept(n).word}-{n % 7}", "m", "Cel", Kind.FLOAT))
            for n in range(first, first + count)
        ]
        ts = np.full(count, self.clock.wall_ns(), np.int64)
        value = np.arange(first, first + count, dtype=np.float64)
        return Batch(np.array(ids, np.int32), ts, value, np.zeros(count, np.uint8))

    def _stay(self, series: Series) -> Stay:
        """The gateway's residency rules: each device's name says how far it may go."""
        return Stay[series.device.partition("-")[0].upper()] if series.node == self.name else Stay.ANYWHERE

    def _event(self, number: int) -> Event:
        return Event(
            id=f"{self.name}-{number}",
            ts=self.clock.wall_ns(),
            kind="alert.raised",
            severity="critical",
            node=self.name,
            device="d0",
            rule="r",
            message="m",
            why={},
        )

    def _is_settled(self) -> bool:
        return self.parent is None or (self.service is not None and self.service.is_settled)

    def _new_id(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"


def kept(value: int) -> Stay:
    """How far a reading may go, by its value."""
    return Stay.REGION if value % 4 == 0 else Stay.SITE if value % 5 == 0 else Stay.ANYWHERE
