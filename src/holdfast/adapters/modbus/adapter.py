"""One link of `modbus:`: its devices are polled, each block of registers by one question. Loop thread only.

Devices at one address share a connection and wait for one another; those with an address of their own don't.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from msgspec.structs import replace

from holdfast.adapters.errors import DeviceFaulted, DeviceUnreachable
from holdfast.adapters.feed import Feed
from holdfast.adapters.modbus.blocks import Block, Group, blocks, scaled
from holdfast.adapters.modbus.errors import NOT_THERE, Malformed, Refused
from holdfast.adapters.modbus.link import Link
from holdfast.adapters.modbus.maps import KIND, RegisterMap
from holdfast.adapters.modbus.settings import ModbusSettings, Placed
from holdfast.adapters.modbus.writing import Writing
from holdfast.adapters.points import Point
from holdfast.adapters.polling.planner import Poll
from holdfast.adapters.polling.poller import Polled, Poller, Reading
from holdfast.adapters.port import DeviceState, Inbox
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked, in_words
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.addresses import Address
from holdfast.transport.backoff import Backoff

_PAUSE_S = (0.5, 30.0)
_GATHER_S, _GATHER_SHARE = 0.05, 0.02
"""How long what was read may wait for other devices' readings: a batch costs the node a third less than as many polls
one by one (benchmarks.modbus, 1,000 polls a second)."""
_TRIED = 20
"""Devices that a try asks; of more, these are enough to see whether address, unit and map are right."""


@dataclass(slots=True)
class Device:
    """A device, and what was learnt about it. groups: by name, what each of its polls reads."""

    name: str
    unit: int
    link: Link
    bus: str
    map: RegisterMap
    groups: Mapping[str, Group] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """As people say it."""
        return f"{self.link.address} unit {self.unit}"


class ModbusAdapter:
    """Implements `adapters.port.EdgeAdapter`."""

    def __init__(
        self,
        name: str,
        settings: ModbusSettings,
        maps: Mapping[str, RegisterMap],
        inbox: Inbox,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
    ) -> None:
        """maps: by what `map:` of a device says."""
        self.name = f"{KIND}:{name}"
        self._settings, self._clock = settings, clock
        self._links: dict[Address, Link] = {}
        placed = settings.all()
        self._devices = {one.name: self._device(one, maps[one.settings.map]) for one in placed}
        self._feed = Feed(self.name, inbox, clock, min(_GATHER_S, settings.every * _GATHER_SHARE))
        polled = [self._polled(self._devices[one.name], one) for one in placed]
        carries = {str(address): settings.carries for address in self._links}
        self._poller = Poller(polled, self._read, self._feed, settings, clock, rng, carries)
        where = str(next(iter(self._links))) if len(self._links) == 1 else f"{len(self._links):,} addresses"
        self._supervised = Supervised((self.name, KIND, where), clock, telemetry, Backoff(*_PAUSE_S, rng))
        self._writing = Writing(self._poller.turn, settings.timeout)

    def _device(self, placed: Placed, found: RegisterMap) -> Device:
        link = self._links.get(placed.address)
        if link is None:
            link = self._links[placed.address] = Link(placed.address, self._settings.transport)
        return Device(placed.name, placed.unit, link, str(placed.address), found)

    def _polled(self, device: Device, placed: Placed) -> Polled:
        usual = placed.settings.every or self._settings.every
        by_pace: dict[float, list[str]] = {}
        for name, point in device.map.points.items():
            by_pace.setdefault(point.every_s or usual, []).append(name)
        device.groups = {
            f"{pace:g}s": Group(blocks(device.map.read_with(names), device.map)) for pace, names in by_pace.items()
        }
        priority = placed.settings.priority
        polls = [Poll(device.name, device.bus, pace, priority, f"{pace:g}s") for pace in by_pace]
        return Polled(device.name, device.where, device.map.map, polls)

    async def run(self) -> None:
        """See `EdgeAdapter`."""
        await self._supervised.run(self._attempt)

    async def _attempt(self, worked: Worked) -> None:
        self._poller.on_answer = worked
        try:
            await self._poller.run()
        finally:
            self._close()

    async def stop(self, deadline_s: float) -> None:
        """See `EdgeAdapter`."""
        del deadline_s  # nothing here waits
        self._poller.stop()
        self._close()
        self._feed.flush()

    def _close(self) -> None:
        for link in self._links.values():
            link.close()

    async def _read(self, poll: Poll, timeout_s: float) -> Reading:
        """One poll: every block of it; a refused one is split, and what's refused alone is bad.

        Raises:
            AdapterError, TimeoutError: it doesn't answer, or with nothing but rubbish.
        """
        device = self._devices[poll.device]
        try:
            return await self._read_group(device, device.groups[poll.group], timeout_s)
        except Exception:
            for group in device.groups.values():
                group.was_silent = True
            raise

    async def _read_group(self, device: Device, group: Group, timeout_s: float) -> Reading:
        now = self._clock.monotonic()
        found, bad, reading = dict[str, Scalar](), list[str](), Reading()
        is_sound, fault = False, DeviceFaulted(_NOTHING)
        todo = [*group.due(now), *reversed(group.blocks)]
        if group.was_silent:  # they were said to be offline
            bad += [name for block in group.refused for name in _names(block)]
        while todo:
            block = todo.pop()
            began = self._clock.monotonic()
            try:
                data = await device.link.ask(device.unit, block.question, timeout_s)
            except (Refused, Malformed) as error:
                reading.trouble = f"{_where(block)}: {'; '.join(filter(None, in_words(error)))}"
                is_sound, fault = is_sound or isinstance(error, Refused), error
                halves = group.refuse(block, now) if isinstance(error, Refused) and error.code in NOT_THERE else ()
                todo += reversed(halves)
                bad += () if halves else _names(block)
            else:
                if block in group.refused:
                    group.accept(block)
                is_sound = True
                found |= block.decode(data)
            reading.slowest_s = max(reading.slowest_s, self._clock.monotonic() - began)
        if not group.blocks:
            group.unlearn()
            raise DeviceFaulted(_NOTHING, reading.trouble)
        if not is_sound:
            raise fault
        group.was_silent = False
        reading.values, unscaled = scaled(found, device.map)
        reading.others = [
            Point(name, None, "bad") for name in dict.fromkeys([*bad, *unscaled]) if name in device.map.points
        ]
        return reading

    def status(self) -> AdapterStatus:
        """See `EdgeAdapter`."""
        states = self._poller.states()
        answer = sum(one.state == "working" for one in states)
        late = sum(link.late for link in self._links.values())
        points = sum(len(device.map.points) for device in self._devices.values())
        reads = sum(len(group.blocks) for device in self._devices.values() for group in device.groups.values())
        detail = f"{answer:,} of {len(states):,} devices answer; {points:,} values in {reads:,} reads"
        detail += f"; {late:,} late answers dropped" if late else ""
        status = self._supervised.status(detail, self._feed.received, self._feed.unsettled)
        failing = [one for one in states if one.state == "failing"]
        if failing and len(failing) == len(states) and status.state in ("starting", "working"):
            first = failing[0]
            return replace(status, state="failing", error=f"{first.device} at {first.where}: {first.error}")
        return status

    def devices(self) -> list[DeviceState]:
        """See `EdgeAdapter`."""
        return self._poller.states()

    async def try_once(self) -> str:
        """See `EdgeAdapter`."""
        tried = list(self._devices.values())[:_TRIED]
        by_bus: dict[str, list[Device]] = {}
        for one in tried:
            by_bus.setdefault(one.bus, []).append(one)
        try:
            lines = await asyncio.gather(*(self._try_all(some) for some in by_bus.values()))
        finally:
            self._close()
        said = {name: text for line in lines for name, text in line.items()}
        well = [text for text in said.values() if isinstance(text, str)]
        wrong = [(name, error) for name, error in said.items() if isinstance(error, Exception)]
        of = f"{len(well)} of {len(tried)} devices answer" + (f" (of {len(self._devices):,})" if self._more else "")
        if wrong:
            device = self._devices[wrong[0][0]]
            fault, hint = ("no answer", _SILENT) if isinstance(wrong[0][1], TimeoutError) else in_words(wrong[0][1])
            raise DeviceUnreachable(f"{of}; {device.name} at {device.where}: {fault}", hint)
        return f"{of}: {well[0]}"

    @property
    def _more(self) -> bool:
        return len(self._devices) > _TRIED

    async def _try_all(self, devices: Sequence[Device]) -> dict[str, str | Exception]:
        found: dict[str, str | Exception] = {}
        for device in devices:
            try:
                found[device.name] = await self._try(device)
            except Exception as error:  # noqa: BLE001  # it's what was asked for
                found[device.name] = error
        return found

    async def _try(self, device: Device) -> str:
        group = next(iter(device.groups.values()))
        reading = await self._read_group(device, group, self._settings.timeout)
        if not reading.values:
            raise DeviceUnreachable(reading.trouble or "it answers nothing of its map")
        name, value = next(iter(reading.values.items()))
        text = f"{device.name} at {device.where}: {name} = {value if isinstance(value, str | bool) else f'{value:g}'}"
        return text + (f" (and {reading.trouble})" if reading.trouble else "")

    def writes(self, device: str) -> bool:
        """See `EdgeAdapter`."""
        found = self._devices.get(device)
        return found is not None and any(point.writable for point in found.map.points.values())

    def map_of(self, device: str) -> PointMap | None:
        """See `EdgeAdapter`."""
        found = self._devices.get(device)
        return None if found is None else found.map.map

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """See `EdgeAdapter`."""
        found = self._devices[device]
        return await self._writing.write(found.link, found.unit, found.bus, found.map, values)


_NOTHING = "it refuses every register of its map"
_SILENT = "is `unit` right, the line connected, and nobody else asking?"


def _names(block: Block) -> list[str]:
    return [point.name for point in block.points]


def _where(block: Block) -> str:
    last = max(point.end for point in block.points) - 1
    return f"{block.table} {block.start}" + (f" to {last}" if last > block.start else "")
