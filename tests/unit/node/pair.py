"""A gateway below a hub that keeps backups: real journals, ingest and uplink, on one loop."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import numpy as np

from holdfast.ingest.service import IngestService
from holdfast.ingest.settings import ChildrenSettings
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access
from holdfast.journal.parent import CONSUMER, SAFE
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.node.backup import Backups, BackupSettings
from holdfast.sim.tree.link import SimLink, Weather
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.service import UplinkService
from holdfast.uplink.settings import ParentSettings

CALM = Weather(latency=0.0)
SETTINGS = JournalSettings(quota=100_000_000)


class Pair:
    """A hub that keeps backups, and a gateway below it, both real, on one loop."""

    def __init__(self, folder: Path, hub_key: bytes | None = None) -> None:
        self.folder, self.hub_key = folder, hub_key
        self.log: list[str] = []
        self.gateway = Journal(folder / "gw" / FILE_NAME, "gw", SETTINGS, SystemClock())
        self.link = SimLink("gw", CALM, Random(1))
        self.start_hub()
        parent = ParentSettings("https://hub", "ca", "token", linger=0.0, backoff_max=0.2, check_in=0.2)
        self.uplink = UplinkService(
            parent, self.gateway, self.link, SystemClock(), Telemetry(SystemClock(), self.log.append), Random(1)
        )
        self.task = asyncio.create_task(self.uplink.run())

    def start_hub(self) -> None:
        telemetry = Telemetry(SystemClock(), self.log.append)
        self.hub = Journal(Access(self.folder / "hub" / FILE_NAME, self.hub_key), "hub", SETTINGS, SystemClock())
        self.link.parent = IngestService(self.hub, telemetry, ChildrenSettings(), SystemClock(), keeps_backups=True)
        settings = BackupSettings("unused", keep=2)
        self.backups = Backups(settings, self.folder / "copies", self.hub, SystemClock(), telemetry)

    async def publish(self, values: range) -> None:
        def write(tx: Transaction) -> None:
            series = tx.catalogue.intern(Series("gw", "d", "m", "Cel", Kind.FLOAT))
            n = len(values)
            ts = np.full(n, 1, np.int64)
            batch = Batch(np.full(n, series, np.int32), ts, np.array(values, np.float64), np.zeros(n, np.uint8))
            tx.append_readings(Lane.BULK, batch)
            tx.count("readings_accepted", n)

        await self.gateway.submit(write)

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not what():  # noqa: ASYNC110  # the journals have no event for this
                await asyncio.sleep(0.01)

    def safe(self) -> tuple[int, int]:
        return self.gateway.cursor(CONSUMER, Lane.BULK), self.gateway.cursor(SAFE, Lane.BULK)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.gateway.close()
        self.hub.close()


def with_pair(folder: Path, body: Callable[[Pair], Awaitable[None]], hub_key: bytes | None = None) -> None:
    async def run() -> None:
        pair = Pair(folder, hub_key)
        try:
            await body(pair)
        finally:
            await pair.close()

    asyncio.run(run())


def values(reader: JournalReader) -> list[float]:
    groups = reader.read(Lane.BULK, 0, 10**9)
    return [v for g in groups if g.kind is GroupKind.READINGS for v in decode_readings(g.blob).value.tolist()]
