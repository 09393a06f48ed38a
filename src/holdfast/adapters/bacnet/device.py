"""One BACnet device: found, subscribed to, read, and what it says made points."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.directory import Directory
from holdfast.adapters.bacnet.errors import Refused
from holdfast.adapters.bacnet.frames import Station, unconfirmed
from holdfast.adapters.bacnet.link import Link
from holdfast.adapters.bacnet.objects import (
    ACTIVE_TEXT,
    BINARY,
    DEVICE,
    INACTIVE_TEXT,
    MULTI_STATE,
    PRESENT_VALUE,
    RELIABILITY,
    STATE_TEXT,
    STATUS_FLAGS,
    TEXT,
    TIME_OF_RESTART,
    WHOLE,
    Ref,
    ref,
)
from holdfast.adapters.bacnet.reading import Reader, by_object
from holdfast.adapters.bacnet.services import Notice, Read
from holdfast.adapters.bacnet.settings import BacnetSettings, DeviceSettings, ObjectSettings
from holdfast.adapters.bacnet.values import Value, quality, raw
from holdfast.adapters.bacnet.watching import Watch
from holdfast.adapters.errors import DeviceUnreachable
from holdfast.adapters.points import Point
from holdfast.adapters.polling.poller import Reading
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar

SWEEP = "sweep"
PROCESS = 1
"""Ours, of subscriptions: always the same, so that one made before a restart is replaced, not doubled."""
_NEVER = {"unrecognized-service", "optional-functionality-not-supported", "service-request-denied"}
_GONE = {"unknown-property", "unknown-object", "read-access-denied"}
_FIND_S = 1.0
_DISCRETE = BINARY | MULTI_STATE | WHOLE | TEXT


class Seen(NamedTuple):
    """The last of an object. flags: of status-flags; reliability: 0 = no fault known."""

    value: Value
    flags: int = 0
    reliability: int = 0


class Ways(NamedTuple):
    """What a device shares with the others of its link."""

    link: Link
    directory: Directory
    clock: Clock
    settings: BacnetSettings
    who_is: tuple[tuple[str, int], ...]


class Device:
    """One. Its questions wait for one another: the poller's bus is the device."""

    def __init__(
        self, name: str, settings: DeviceSettings, points: Mapping[str, ObjectSettings], map_: PointMap, ways: Ways
    ) -> None:
        self.name, self.settings, self.points, self.map, self._ways = name, settings, points, map_, ways
        self.refs = {key: ref(point.object) for key, point in points.items()}
        self._names: dict[tuple[int, int], list[str]] = {}
        for key, one in self.refs.items():
            self._names.setdefault(one.object, []).append(key)
        self.reader = Reader(ways.link.ask, ways.clock)
        by_device = settings.cov if settings.cov is not None else ways.settings.cov
        wanted = [self.refs[key].object for key, one in points.items() if (by_device if one.cov is None else one.cov)]
        self.every_s = settings.every or ways.settings.every
        self.watch = Watch(wanted, ways.settings.lifetime, self.every_s)
        self.wants_changes = bool(wanted)
        self._seen: dict[tuple[int, int], Seen] = {}
        self.texts: dict[tuple[int, int], dict[int, str]] = {}
        self._absent: set[Ref] = set()
        self._restarted: bytes | None = None
        self._has_restart_time = True
        self._is_doubtful = True
        self.found = asyncio.Event()
        self.wrong: dict[str, str] = {}
        """Points that the device gives no value of, and why."""
        self.notices = 0
        self._told: dict[tuple[int, int], float] = {}

    @property
    def instance(self) -> int:
        """Its number."""
        return self.settings.device

    @property
    def where(self) -> str:
        """In words."""
        station = self._ways.directory.entries[self.instance].station
        return f"device {self.instance}" + (f" at {station}" if station else ", not found yet")

    async def read(self, group: str, timeout_s: float) -> Reading:
        """One poll. Raises what goes wrong."""
        self.reader.slowest_s = 0.0
        try:
            found = await self._read(group, timeout_s)
        except BaseException:
            self._is_doubtful = True
            self._ways.directory.worked(self.instance, works=False)
            raise
        self._ways.directory.worked(self.instance, works=True)
        found.slowest_s = self.reader.slowest_s
        return found

    async def _read(self, group: str, timeout_s: float) -> Reading:
        station = await self.station(timeout_s)
        if self._is_doubtful:
            self.begin_anew()
            self._ask_what_it_takes(station)
            await self._learn_texts(station, timeout_s)
            self._is_doubtful = False
        self.reader.max_apdu = self._ways.directory.entries[self.instance].max_apdu
        now = self._ways.clock.monotonic()
        if len(self.watch) and group != SWEEP and await self._beat(station, timeout_s):
            self.watch.lost()
        await self._subscribe(station, timeout_s)
        is_sweep = group == SWEEP
        objects = [one for one in self._names if is_sweep or not self.watch.holds(one, now)]
        began = self._ways.clock.monotonic()
        reads = await self.reader.read(station, self._properties(objects), timeout_s) if objects else []
        # what a device tells of its own accord while it's asked is newer than its answer
        reads = [one for one in reads if self._told.get(one.ref.object, 0.0) < began]
        if is_sweep:
            self._compare(reads)
        return self._reading(by_object(reads))

    def begin_anew(self) -> None:
        """It was away, or has said that it's there again: what it was told it may have forgotten."""
        self.watch.lost()
        self.reader.begin_anew()
        self._absent.clear()
        self._has_restart_time = True

    def _ask_what_it_takes(self, station: Station) -> None:
        """Nobody asks a device with a fixed address who it is, and only its I-Am says how long its answers may be."""
        if self._ways.directory.entries[self.instance].fixed:
            self.found.clear()
            asked = unconfirmed(services.WHO_IS, services.who_is(self.instance, self.instance))
            self._ways.link.say(station, asked)

    def doubt(self) -> None:
        """Begin anew at the next poll."""
        self._is_doubtful = True

    async def station(self, timeout_s: float) -> Station:
        """Where it is; asked for when it isn't known or fails.

        Raises:
            DeviceUnreachable: nobody says to be it.
        """
        entry = self._ways.directory.entries[self.instance]
        if not entry.fixed and (entry.station is None or not entry.works):
            await self._find(timeout_s if entry.station is None else min(timeout_s, _FIND_S))
        if entry.station is None:
            hint = "is it on, in this subnet, and its instance right? `holdfast bacnet discover` asks everybody"
            raise DeviceUnreachable(f"nobody says to be device {self.instance}", hint)
        return entry.station

    async def _find(self, wait_s: float) -> None:
        self.found.clear()
        asked = self._ways.link.shout(services.WHO_IS, services.who_is(self.instance, self.instance), self._ways.who_is)
        if not asked:
            if self._ways.directory.entries[self.instance].station is None:
                hint = "write it with its subnet (10.0.0.5/24), use `who_is`, or give the device's `address`"
                raise DeviceUnreachable("there's no subnet to ask in", hint)
            return
        try:
            async with asyncio.timeout(wait_s):
                await self.found.wait()
        except TimeoutError:
            return

    async def _learn_texts(self, station: Station, timeout_s: float) -> None:
        """Names of states, for points that are text."""
        for key, point in self.points.items():
            one = self.refs[key]
            if point.type != "text" or one.object in self.texts:
                continue
            if one.type in MULTI_STATE:
                found = await self.reader.one(station, one.of(STATE_TEXT), timeout_s)
                self.texts[one.object] = {i: str(said.value) for i, said in enumerate(found.values, 1)}
            elif one.type in BINARY:
                pair = [await self.reader.one(station, one.of(p), timeout_s) for p in (INACTIVE_TEXT, ACTIVE_TEXT)]
                said = [str(read.values[0].value) if read.values else "" for read in pair]
                self.texts[one.object] = {0: said[0] or "inactive", 1: said[1] or "active"}

    async def _beat(self, station: Station, timeout_s: float) -> bool:
        """Is it still there, and has it restarted meanwhile? Time_Of_Device_Restart (12.11.42) changes then."""
        if self._has_restart_time:
            asked = services.read_property(Ref(DEVICE, self.instance, TIME_OF_RESTART))
            try:
                told = await self.reader.ask(station, services.READ_PROPERTY, asked, timeout_s)
            except Refused:
                self._has_restart_time = False
                return False
            before, self._restarted = self._restarted, told
            return before is not None and before != told
        await self.reader.one(station, next(iter(self.refs.values())), timeout_s)
        return False

    async def _subscribe(self, station: Station, timeout_s: float) -> None:
        settings, clock = self._ways.settings, self._ways.clock
        for one in self.watch.due(clock.monotonic()):
            asked = services.subscribe(
                PROCESS, Ref(*one), confirmed=settings.confirmed, lifetime_s=int(settings.lifetime)
            )
            try:
                await self.reader.ask(station, services.SUBSCRIBE_COV, asked, timeout_s)
            except Refused as refused:
                is_all = refused.code in _NEVER or refused.kind == "reject"
                self.watch.refuse(one, refused.code, clock.monotonic(), all_of_them=is_all)
                if is_all:
                    break
            else:
                self.watch.subscribed(one, clock.monotonic())

    def _properties(self, objects: Iterable[tuple[int, int]]) -> list[Ref]:
        wanted = [Ref(*one, prop) for one in objects for prop in (PRESENT_VALUE, STATUS_FLAGS, RELIABILITY)]
        return [one for one in wanted if one not in self._absent]

    def _compare(self, reads: Iterable[Read]) -> None:
        """A change that wasn't told: the subscription isn't what it seems."""
        now = self._ways.clock.monotonic()
        for one in reads:
            seen = self._seen.get(one.ref.object)
            if one.ref.prop != PRESENT_VALUE or one.ref.type not in _DISCRETE or not one.values or seen is None:
                continue
            if self.watch.holds(one.ref.object, now) and seen.value.value != one.values[0].value:
                self.watch.lost(one.ref.object)

    def heard(self, notice: Notice) -> Reading:
        """A notification: of an object of ours, or nothing."""
        found = by_object(notice.reads)
        self.notices += 1
        now = self._ways.clock.monotonic()
        self._told |= {about: now for about in found if about in self._names}
        return self._reading({about: props for about, props in found.items() if about in self._names})

    def learned(self, read: Read) -> Reading:
        """What a write's read-back says: not every device tells of changes that it was asked for."""
        return self._reading(by_object([read]))

    def _reading(self, found: Mapping[tuple[int, int], Mapping[int, Read]]) -> Reading:
        values: dict[str, Scalar] = {}
        others: list[Point] = []
        for about, props in found.items():
            self._note_absent(props.values())
            for name in self._names.get(about, ()):
                self._point(name, self._see(about, props), props, values, others)
        return Reading(values, others)

    def _note_absent(self, reads: Iterable[Read]) -> None:
        self._absent |= {one.ref for one in reads if one.error in _GONE and one.ref.prop != PRESENT_VALUE}

    def _see(self, about: tuple[int, int], props: Mapping[int, Read]) -> Seen | None:
        """What is known of an object now; None = its value isn't."""
        before = self._seen.get(about)
        present = props.get(PRESENT_VALUE)
        if present is not None and (present.error or len(present.values) != 1):
            return None
        if present is None and before is None:
            return None
        value = present.values[0] if present is not None else before.value  # type: ignore[union-attr]  # see above
        flags = _bits(props.get(STATUS_FLAGS), before.flags if before else 0)
        fault = _bits(props.get(RELIABILITY), before.reliability if before and flags & 4 else 0)
        seen = self._seen[about] = Seen(value, flags, fault)
        return seen

    def _point(
        self,
        name: str,
        seen: Seen | None,
        props: Mapping[int, Read],
        values: dict[str, Scalar],
        others: list[Point],
    ) -> None:
        if seen is None:
            present = props.get(PRESENT_VALUE)
            self.wrong[name] = (present.error if present else "") or "no single value"
            others.append(Point(name, None, "bad"))
            return
        one = self.refs[name]
        found = raw(seen.value, self.points[name].type, self.texts.get(one.object, {}))
        said = "bad" if found is None else quality(seen.flags, seen.reliability)
        if found is None:
            self.wrong[name] = "its value isn't of the point's `type`"
        else:
            self.wrong.pop(name, None)
        if said == "good" and found is not None:
            values[name] = found
        else:
            others.append(Point(name, found, said))


def _bits(read: Read | None, otherwise: int) -> int:
    if read is None:
        return otherwise
    found = read.values[0].value if read.values else 0
    return found if isinstance(found, int) else 0
