"""Reads the machine every so often and offers it to the inbox, as any device would."""

import asyncio
import contextlib

import psutil

from holdfast.adapters.host.periodic import PeriodicAdapter, Read
from holdfast.adapters.host.sample import Sample, payload, pick_temperature
from holdfast.adapters.host.settings import HostSettings
from holdfast.adapters.port import Inbox
from holdfast.adapters.supervised import Worked
from holdfast.kernel.clock import NS_PER_S, Clock


class HostAdapter(PeriodicAdapter):
    """This machine as a device called `settings.device`."""

    def __init__(self, settings: HostSettings, inbox: Inbox, clock: Clock) -> None:
        what = Read(
            settings.device,
            f"host/{settings.device}",
            settings.every,
            lambda: payload(read_machine(clock, settings.disk)),
        )
        super().__init__(what, inbox, clock)

    async def run(self, worked: Worked) -> None:
        """As `PeriodicAdapter.run`."""
        await asyncio.to_thread(psutil.cpu_percent)  # the first call only starts the measurement
        await super().run(worked)


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
