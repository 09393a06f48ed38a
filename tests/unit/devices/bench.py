"""A registry on a real journal, fed by a real decoder, with time in hand."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import load_profiles
from holdfast.devices.service import DeviceService
from holdfast.devices.settings import DevicesSettings
from holdfast.intake.prepare import Prepared, Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.journal.journal import Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import ManualClock
from holdfast.stream.engine import Engine
from holdfast.telemetry.happenings import Telemetry

PROFILES = """profiles:
  press:
    topic: plant/{device}/up
    version: 1
    id: n
    fields:
      t: {metric: temperature, unit: Cel, max: 100}
  room:
    topic: rooms/up
    device: who
    version: 1
    time: {field: ts, unit: s}
    fields:
      t: {metric: temperature, unit: Cel}
  lines:
    topic: lines/#
    format: influx
    device: host
    unknown: name
    version: 1
"""


class Receipt:
    def settle(self) -> None: ...

    def refuse(self) -> None: ...


class Bench:
    """One process' life of a node's registry."""

    def __init__(self, folder: Path, clock: ManualClock, **settings: Any) -> None:
        file = folder / "profiles.yaml"
        file.write_text(PROFILES)
        self.clock, self.log = clock, list[str]()
        self.journal = Journal(folder / "j.db", "gw", JournalSettings(), clock)
        self.telemetry = Telemetry(clock, self.log.append)
        self.devices = DeviceService(DevicesSettings(**settings), self.journal, clock, self.telemetry)
        self.decoder = Decoder(load_profiles([file]), self.journal.catalogue, "gw", registry=self.devices.ruling)
        self.devices.on_change(self.decoder.forget_devices)
        engine = Engine((), self.journal.catalogue, "gw")
        self.preparer = Preparer(self.decoder, SeenKeys(1000), engine, watcher=self.devices)

    def send(self, *messages: tuple[str, bytes]) -> Prepared:
        now = self.clock.wall_ns()
        return self.preparer.prepare([Arrival("c", topic, [body], now, Receipt()) for topic, body in messages])

    def press(self, name: str, n: int, t: float = 20.0) -> Prepared:
        return self.send((f"plant/{name}/up", b'{"n":%d,"t":%g}' % (n, t)))

    def stored_under(self, prepared: Prepared) -> list[str]:
        return [self.journal.catalogue[i].device for i in prepared.batch.series.tolist()]

    def names(self) -> list[str]:
        return sorted(row.name for row in self.devices.roster)

    def close(self) -> None:
        self.journal.close()


def live(folder: Path, clock: ManualClock, body: Callable[[Bench], Awaitable[None]], **settings: Any) -> None:
    """Run `body` on a registry that is stopped cleanly."""

    async def run() -> None:
        bench = Bench(folder, clock, **settings)
        try:
            await body(bench)
        finally:
            bench.close()

    asyncio.run(run())
