"""One link to a BACnet/IP network: a socket, its devices, and what they send by themselves."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.device import PROCESS, SWEEP, Device, Ways
from holdfast.adapters.bacnet.directory import Directory
from holdfast.adapters.bacnet.frames import Heard, Station, simple_ack, unconfirmed
from holdfast.adapters.bacnet.limits import Limits
from holdfast.adapters.bacnet.link import Ears, Link
from holdfast.adapters.bacnet.objects import Ref
from holdfast.adapters.bacnet.places import address, place
from holdfast.adapters.bacnet.settings import BacnetSettings, ObjectSettings
from holdfast.adapters.bacnet.writing import write
from holdfast.adapters.errors import DeviceFaulted, DeviceUnreachable
from holdfast.adapters.feed import Feed
from holdfast.adapters.points import points_payload, values_payload
from holdfast.adapters.polling.planner import Poll
from holdfast.adapters.polling.poller import Polled, Poller, Reading
from holdfast.adapters.port import Arrival, DeviceState, Inbox
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

_GOODBYE_S = 0.5
_MOST_WAITING = 1_000
"""Confirmed notifications whose commit isn't over; what comes beyond isn't answered, so the device says it again."""


class Mapped(NamedTuple):
    """A device's points as read from its settings."""

    map: PointMap
    points: Mapping[str, ObjectSettings]


class BacnetAdapter:
    """Implements `EdgeAdapter`."""

    kind = "bacnet"

    def __init__(
        self,
        name: str,
        settings: BacnetSettings,
        maps: Mapping[str, Mapped],
        inbox: Inbox,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
    ) -> None:
        """maps: by device."""
        self.name, self._settings, self._clock, self._inbox = f"bacnet:{name}", settings, clock, inbox
        bbmd = address(settings.foreign.bbmd) if settings.foreign else None
        self.link = Link(place(settings.address), bbmd, Limits(settings.most_per_s), clock, services.name_of)
        self.link.ears = Ears(self._unconfirmed, self._confirmed)
        fixed = {
            one.device: Station(*address(one.address)) if one.address else None for one in settings.devices.values()
        }
        self.directory = Directory(fixed)
        ways = Ways(self.link, self.directory, clock, settings, tuple(address(one) for one in settings.who_is))
        self._devices = {
            key: Device(key, one, maps[key].points, maps[key].map, ways) for key, one in settings.devices.items()
        }
        self._by_instance = {one.instance: one for one in self._devices.values()}
        self._feed = Feed(self.name, inbox, clock)
        self._poller = Poller(
            [_polled(one, settings) for one in self._devices.values()], self._read, self._feed, settings, clock, rng
        )
        about = (self.name, self.kind, str(self.link.place))
        self._supervised = Supervised(about, clock, telemetry, Backoff(0.5, settings.retry_max, rng))
        self._waiting: set[tuple[Station, int]] = set()
        self._is_full = False
        self.settled = 0
        self._know()

    async def run(self) -> None:
        """See `EdgeAdapter`."""
        await self._supervised.run(self._attempt)

    async def _attempt(self, worked: Worked) -> None:
        self._poller.on_answer = worked
        await self.link.open()
        try:
            async with asyncio.TaskGroup() as group:
                if self._settings.foreign is not None:
                    group.create_task(self._stay_registered(self._settings.foreign.ttl))
                group.create_task(self._poller.run())
        finally:
            self.link.close()

    async def _stay_registered(self, ttl_s: float) -> None:
        while True:
            self.link.register(int(ttl_s))
            await asyncio.sleep(ttl_s / 2 if self.link.registration == 0 else min(5.0, ttl_s / 2))

    async def stop(self, deadline_s: float) -> None:
        """See `EdgeAdapter`: subscriptions are given back, as far as time allows."""
        self._poller.stop()
        now = self._clock.monotonic()
        try:
            async with asyncio.timeout(min(deadline_s, _GOODBYE_S)):
                await asyncio.gather(*(self._unsubscribe(one, now) for one in self._devices.values()))
        except (TimeoutError, DeviceUnreachable):
            return

    async def _unsubscribe(self, device: Device, now: float) -> None:
        station = self.directory.entries[device.instance].station
        if station is None:
            return
        for one in device.watch.held(now):
            asked = services.unsubscribe(PROCESS, Ref(*one))
            try:
                await self.link.ask(station, services.SUBSCRIBE_COV, asked, _GOODBYE_S)
            except (TimeoutError, DeviceFaulted):
                return

    async def _read(self, poll: Poll, timeout_s: float) -> Reading:
        found = await self._devices[poll.device].read(poll.group, timeout_s)
        self._know()
        return found

    def _know(self) -> None:
        extra = [self.link.bbmd] if self.link.bbmd else []
        self.link.limits.know([*self.directory.addresses(), *extra])

    def _unconfirmed(self, heard: Heard) -> None:
        try:
            if heard.choice == services.I_AM:
                self._introduced(heard)
            elif heard.choice == services.UNCONFIRMED_COV:
                self._notified(heard, confirmed=False)
            elif heard.choice == services.WHO_IS and self._settings.instance is not None:
                low, high = services.asked_who(heard.payload)
                if low <= self._settings.instance <= high:
                    self.link.say(heard.source, unconfirmed(services.I_AM, services.i_am(self._settings.instance)))
        except DeviceFaulted:
            self.link.counts.invalid += 1

    def _introduced(self, heard: Heard) -> None:
        said = services.introduction(heard.payload)
        device = self._by_instance.get(said.instance)
        if device is None:
            return
        was_looking = not device.found.is_set()
        news = self.directory.heard(said, heard.source, self._clock.monotonic())
        if news in ("found", "moved"):
            self._know()
            device.doubt()
        elif news == "again" and not was_looking:
            device.doubt()  # nobody asked: it may have just begun
        if news != "duplicate":
            device.found.set()

    def _confirmed(self, heard: Heard) -> bool:
        if heard.choice != services.CONFIRMED_COV:
            return False
        try:
            self._notified(heard, confirmed=True)
        except DeviceFaulted:
            self.link.counts.invalid += 1
            return False
        return True

    def _notified(self, heard: Heard, *, confirmed: bool) -> None:
        said = services.notice(heard.payload, confirmed=confirmed)
        device = self._by_instance.get(said.device)
        if device is None or self.directory.entries[said.device].station != heard.source:
            self.link.counts.unwanted += 1
            if confirmed:
                self.link.say(heard.source, simple_ack(heard.invoke, heard.choice))
            return
        key = (heard.source, heard.invoke)
        if not confirmed:
            self._hand_on(device, device.heard(said), None)
        elif key not in self._waiting and not self._is_full and len(self._waiting) < _MOST_WAITING:
            self._waiting.add(key)
            self._hand_on(device, device.heard(said), _Acknowledged(self, heard))

    def _hand_on(self, device: Device, reading: Reading, receipt: "_Acknowledged | None") -> None:
        now, topic = self._clock.wall_ns(), device.map.topic
        payloads = []
        if reading.values:
            payloads.append((topic, values_payload(device.name, now, reading.values)))
        if reading.others:
            others = [one._replace(ts_ns=now) for one in reading.others]
            payloads.append((f"{topic}/q", points_payload(device.name, others)))
        if receipt is None:
            for place_, payload in payloads:
                self._feed.put(place_, payload)
            return
        receipt.owed = len(payloads)
        if not payloads:
            receipt.done()
        for place_, payload in payloads:
            if not self._inbox.offer(Arrival(self.name, place_, [payload], now, receipt)) and not self._is_full:
                self._is_full = True
                self._inbox.when_drained(self._drained)

    def _drained(self) -> None:
        self._is_full = False

    def acknowledge(self, heard: Heard, *, is_stored: bool) -> None:
        """A confirmed notification's commit is over: the device hears so, or says it again."""
        self._waiting.discard((heard.source, heard.invoke))
        if is_stored:
            self.settled += 1
            try:
                self.link.say(heard.source, simple_ack(heard.invoke, heard.choice))
            except DeviceUnreachable:
                return  # the socket is closed: the device says it again to whoever comes next

    def status(self) -> AdapterStatus:
        """See `EdgeAdapter`."""
        now, counts = self._clock.monotonic(), self.link.counts
        held = sum(len(one.watch.held(now)) for one in self._devices.values())
        told = sum(one.notices for one in self._devices.values())
        said = [f"{len(self._devices)} devices, {held} subscriptions, {told} notifications"]
        if self.link.bbmd is not None:
            said.append(_registration(self.link.registration))
        said += [
            f"{count} {what}"
            for count, what in (
                (counts.invalid, "invalid datagrams"),
                (counts.unwanted, "unwanted messages"),
                (self.link.limits.dropped, "datagrams over the limit"),
            )
            if count
        ]
        received = self._feed.received + self.settled
        return self._supervised.status("; ".join(said), received, self._feed.unsettled + len(self._waiting))

    def counts(self) -> dict[str, int]:
        """Datagrams since the start, by what became of them."""
        counts = self.link.counts
        return {
            "read": counts.received - counts.invalid,
            "sent": counts.sent,
            "invalid": counts.invalid,
            "unwanted": counts.unwanted,
            "over_limit": self.link.limits.dropped,
        }

    def devices(self) -> list[DeviceState]:
        """See `EdgeAdapter`."""
        now = self._clock.monotonic()
        found = []
        for state in self._poller.states():
            device = self._devices[state.device]
            notes = [state.error, self.directory.duplicate(device.instance, now), _wrong(device)]
            found.append(replace(state, where=device.where, error="; ".join(filter(None, notes))))
        return found

    async def try_once(self) -> str:
        """See `EdgeAdapter`."""
        await self.link.open()
        try:
            if self._settings.foreign is not None:
                self.link.register(int(self._settings.foreign.ttl))
            devices = self._devices.values()
            tried = await asyncio.gather(*(self._try(one) for one in devices), return_exceptions=True)
        finally:
            self.link.close()
        silent = [one for one in tried if isinstance(one, BaseException)]
        if len(silent) == len(tried):
            first = silent[0]
            raise (
                first
                if isinstance(first, DeviceFaulted | DeviceUnreachable)
                else DeviceUnreachable(
                    "no device answers", "are the addresses right, and does a firewall let UDP 47808 through?"
                )
            )
        said = [one for one in tried if isinstance(one, str)]
        return f"{len(said)} of {len(tried)} devices answer: {'; '.join(said[:3])}"

    async def _try(self, device: Device) -> str:
        timeout = self._settings.timeout
        station = await device.station(timeout)
        name, one = next(iter(device.refs.items()))
        read = await device.reader.one(station, one, timeout)
        value = read.error or (read.values[0].value if read.values else "nothing")
        return f"{device.name} at {station}: {name} = {value}"

    def writes(self, device: str) -> bool:
        """See `EdgeAdapter`."""
        return device in self._devices and any(one.writable for one in self._devices[device].points.values())

    def map_of(self, device: str) -> PointMap | None:
        """See `EdgeAdapter`."""
        return self._devices[device].map if device in self._devices else None

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """See `EdgeAdapter`; `POINT.relinquish: true` takes back what was written."""
        one = self._devices[device]
        async with self._poller.turn(device):
            return await write(
                one, values, self._settings.timeout, lambda read: self._hand_on(one, one.learned(read), None)
            )


class _Acknowledged:
    """The receipt of a confirmed notification. owed: arrivals that it's on."""

    __slots__ = ("_adapter", "_heard", "_is_stored", "owed")

    def __init__(self, adapter: BacnetAdapter, heard: Heard) -> None:
        self._adapter, self._heard, self._is_stored, self.owed = adapter, heard, True, 1

    def settle(self) -> None:
        self._one(is_stored=True)

    def refuse(self) -> None:
        self._one(is_stored=False)

    def _one(self, *, is_stored: bool) -> None:
        self._is_stored = self._is_stored and is_stored
        self.owed -= 1
        if not self.owed:
            self.done()

    def done(self) -> None:
        self._adapter.acknowledge(self._heard, is_stored=self._is_stored)


def _polled(device: Device, settings: BacnetSettings) -> Polled:
    polls = [Poll(device.name, device.name, device.every_s)]
    if device.wants_changes:
        polls.append(Poll(device.name, device.name, max(settings.sweep, device.every_s), 2, SWEEP))
    return Polled(device.name, device.where, device.map, polls)


def _wrong(device: Device) -> str:
    said: Sequence[str] = [f"{name}: {why}" for name, why in device.wrong.items()]
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return ", ".join(said[:3]) + more


def _registration(code: int | None) -> str:
    if code is None:
        return "the BBMD hasn't answered"
    return "registered with the BBMD" if code == 0 else f"the BBMD refuses us (0x{code:04x})"
