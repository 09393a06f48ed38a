"""Listens to advertisements and offers those that are wanted, each once.

    radio or recording ──▶ kind? ──▶ repeat? ──▶ KIND/NAME/MAC ──offer──▶ inbox

Nobody sends an advertisement again: while the inbox is full those of a radio are skipped and counted, and a recording
waits.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from random import Random

from holdfast.adapters.ble.advertisements import Heard, Kinds, Repeats, payload_of
from holdfast.adapters.ble.happenings import BleRecordingPlayed
from holdfast.adapters.ble.recorded import Player, look
from holdfast.adapters.ble.scanning import scan
from holdfast.adapters.ble.settings import BleSettings
from holdfast.adapters.errors import WriteRefused
from holdfast.adapters.port import Arrival, DeviceState, Inbox
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

_COUNTS = {
    "heard": "Advertisements that were heard, whatever they were.",
    "repeated": "Advertisements of wanted kinds that were their device's last one once more.",
    "skipped": "Advertisements that weren't taken, since the inbox was full.",
}
_FIRST_S, _LONGEST_S = 1.0, 60.0
_TRY_S = 5.0


class BleListener:
    """One radio or recording. `run` is its only task's body; everything happens on the loop's thread."""

    def __init__(
        self, name: str, settings: BleSettings, file: Path | None, inbox: Inbox, clock: Clock, telemetry: Telemetry
    ) -> None:
        """file: the recording, absolute; None = a radio."""
        self.name, self._short = f"ble:{name}", name
        self._settings, self._file = settings, file
        self._inbox, self._clock, self._telemetry = inbox, clock, telemetry
        self._kinds, self._repeats = Kinds(settings), Repeats(settings.repeats)
        where = settings.source if file is None else str(file)
        self._health = Supervised((self.name, "ble", where), clock, telemetry, Backoff(_FIRST_S, _LONGEST_S, Random()))
        self._pending: dict[str, list[bytes]] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._worked: Worked = _nothing
        self._is_stopping = False
        self.heard = self.others = self.repeated = self.skipped = 0
        self.received = self.settled = self.refused = 0
        self._measure(telemetry)

    def _measure(self, telemetry: Telemetry) -> None:
        for name, said in _COUNTS.items():
            telemetry.counter(f"ble_advertisements_{name}", said, partial(getattr, self, name), adapter=self._short)

    async def run(self) -> None:
        """Listen for ever; to a recording until its end, and then do nothing for ever."""
        await self._health.run(self._once)
        await asyncio.Event().wait()

    async def stop(self, deadline_s: float) -> None:
        """Take no more; what was taken is with the inbox. Cancel `run` afterwards."""
        del deadline_s
        self._is_stopping = True
        self._flush()

    def status(self) -> AdapterStatus:
        """The listener as an operator sees it."""
        said = [f"{self.received} advertisements", f"{self.repeated} repeats", f"{self.others} of other kinds"]
        if self.skipped:
            said.append(f"{self.skipped} skipped: the journal didn't keep up")
        return self._health.status(", ".join(said), self.received, self.received - self.settled)

    def devices(self) -> list[DeviceState]:
        """None of its own: whoever advertises is a device, as the registry has it."""
        return []

    async def try_once(self) -> str:
        """Read the recording's beginning, or listen to the radio for a moment. See `EdgeAdapter`."""
        if self._file is not None:
            advertisements, devices = await asyncio.to_thread(look, self._file)
            return f"{self._file}: {advertisements} advertisements of {devices} devices at its beginning"
        found = list[Heard]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TRY_S):
                await scan(self._settings, self._clock, found.append, _nothing)
        return f"{self._settings.source} listens; {len(found)} advertisements of these kinds in {_TRY_S:g} s"

    def writes(self, device: str) -> bool:
        """Nothing can be written: advertisements go one way."""
        del device
        return False

    def map_of(self, device: str) -> PointMap | None:
        """None: profiles say what advertisements mean."""
        del device
        return None  # mypy wants it said

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Nothing can be written."""
        del values
        raise WriteRefused(f"{device} only advertises")

    async def _once(self, worked: Worked) -> None:
        if self._file is None:
            await scan(self._settings, self._clock, self._of_radio, worked)
            return
        self._worked = worked
        settings = self._settings
        await Player(self._file, settings.speed, self._clock, follow=settings.follow).play(self._of_recording)
        self._telemetry.emit(BleRecordingPlayed(adapter=self.name, advertisements=self.heard))

    def _of_radio(self, heard: Heard) -> None:
        """Called by the radio for each; those of one turn of the loop are offered together."""
        if not self._room.is_set():
            self.skipped += 1
            return
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._take(heard)

    async def _of_recording(self, heard: list[Heard]) -> None:
        await self._room.wait()
        for one in heard:
            self._take(one)
        self._flush()
        self._worked()

    def _take(self, heard: Heard) -> None:
        self.heard += 1
        kind = self._kinds.of(heard.data)
        if kind is None:
            self.others += 1
        elif self._repeats.has(heard):
            self.repeated += 1
        else:
            self._pending.setdefault(f"{kind}/{self._short}/{heard.mac}", []).append(payload_of(heard))

    def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        now, room = self._clock.wall_ns(), True
        for topic, payloads in pending.items():
            self.received += len(payloads)
            room = self._inbox.offer(Arrival(self.name, topic, payloads, now, _Receipt(self, len(payloads)))) and room
        if not room:
            self._room.clear()
            self._inbox.when_drained(self._room.set)


class _Receipt:
    """Of the advertisements of one device."""

    __slots__ = ("_owner", "_size")

    def __init__(self, owner: BleListener, size: int) -> None:
        self._owner, self._size = owner, size

    def settle(self) -> None:
        """They're on disk."""
        self._owner.settled += self._size

    def refuse(self) -> None:
        """They aren't, and are gone."""
        self._owner.settled += self._size
        self._owner.refused += self._size


def _nothing() -> None:
    """Nobody wants to know yet."""
