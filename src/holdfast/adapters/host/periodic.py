"""Something that is read every so often and offered to the inbox, as any device would."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.adapters.port import Arrival, Inbox
from holdfast.adapters.supervised import Worked
from holdfast.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Read:
    """What is read. device: its name as a device; read: makes the payload, blocking, on a thread."""

    device: str
    topic: str
    every_s: float
    read: Callable[[], bytes]


class ReadingReceipt:
    """Nobody can send such a reading again: the next one comes soon. Refusals are counted."""

    def __init__(self, adapter: "PeriodicAdapter") -> None:
        self._adapter = adapter

    def settle(self) -> None:
        """It's on disk."""
        self._adapter.settled += 1

    def refuse(self) -> None:
        """It isn't, and is gone."""
        self._adapter.refused += 1


class PeriodicAdapter:
    """Reads and offers. While the inbox is full nothing is read: readings are skipped, not queued, and counted."""

    def __init__(self, what: Read, inbox: Inbox, clock: Clock) -> None:
        self.settled = 0
        self.refused = 0
        self.skipped = 0
        self._what, self._inbox, self._clock = what, inbox, clock
        self._full = False

    async def run(self, worked: Worked) -> None:
        """Read and offer until cancelled; `worked` is told after each reading.

        Raises:
            OSError: when it can't be read, as when the disk to look at isn't there.
        """
        every = max(self._what.every_s, 0.1)
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
        content = await asyncio.to_thread(self._what.read)
        arrival = Arrival(
            source=self._what.device,
            topic=self._what.topic,
            payloads=(content,),
            received_ns=self._clock.wall_ns(),
            receipt=ReadingReceipt(self),
        )
        if not self._inbox.offer(arrival):
            self._full = True
            self._inbox.when_drained(self._drained)

    def _drained(self) -> None:
        self._full = False
