"""Reads the machine every so often and offers it to the inbox, as any device would."""

import asyncio
import contextlib

import psutil

from holdfast.adapters.host.sample import Sample, payload, pick_temperature
from holdfast.adapters.host.settings import HostSettings
from holdfast.adapters.port import Arrival, Inbox
from holdfast.adapters.supervised import Worked
from holdfast.kernel.clock import NS_PER_S, Clock


class ReadingReceipt:
    """Nobody can send a reading of the machine again: the next one comes soon. Refusals are counted."""

    def __init__(self, adapter: "HostAdapter") -> None:
        self._adapter = adapter

    def settle(self) -> None:
        """It's on disk."""
        self._adapter.settled += 1

    def refuse(self) -> None:
        """It isn't, and is gone."""
        self._adapter.refused += 1


class HostAdapter:
    """This machine as a device called `settings.device`.

    While the inbox is full no reading is taken: they are skipped, not queued, and counted in `skipped`.
    """

    def __init__(self, settings: HostSettings, inbox: Inbox, clock: Clock) -> None:
        self.settled = 0
        self.refused = 0
        self.skipped = 0
        self._settings = settings
        self._inbox = inbox
        self._clock = clock
        self._full = False

    async def run(self, worked: Worked) -> None:
        """Read and offer until cancelled; `worked` is told after each reading.

        Raises:
            OSError: when the machine can't be read, as when `disk` isn't there.
        """
        await asyncio.to_thread(psutil.cpu_percent)  # the first call only starts the measurement
        every = max(self._settings.every, 0.1)
        due = self._clock.monotonic() + every
        while True:
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            due = max(due + every, self._clock.monotonic())  # after a suspend: once, not once for each missed time
            if self._full:
                self.skipped += 1
            else:
                await self._read()
                worked()

    async def _read(self) -> None:
        sample = await asyncio.to_thread(read_machine, self._clock, self._settings.disk)
        arrival = Arrival(
            source=self._settings.device,
            topic=f"host/{self._settings.device}",
            payloads=(payload(sample),),
            received_ns=self._clock.wall_ns(),
            receipt=ReadingReceipt(self),
        )
        if not self._inbox.offer(arrival):
            self._full = True
            self._inbox.when_drained(self._drained)

    def _drained(self) -> None:
        self._full = False


def read_machine(clock: Clock, disk: str) -> Sample:
    """One reading; blocks for a moment, so it runs in a thread."""
    temperature = load1 = None
    with contextlib.suppress(AttributeError, OSError, RuntimeError):  # not every platform has sensors
        temperature = pick_temperature(psutil.sensors_temperatures())
    with contextlib.suppress(AttributeError, OSError):
        load1 = round(psutil.getloadavg()[0], 3)
    return Sample(
        ts=clock.wall_ns() / NS_PER_S,
        cpu=psutil.cpu_percent(),
        memory=psutil.virtual_memory().percent,
        disk=psutil.disk_usage(disk).percent,
        temperature=temperature,
        load1=load1,
    )
