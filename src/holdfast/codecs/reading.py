"""One profile at work: a group of payloads becomes readings with series, time and quality."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.columns import Cells, Limits, RecordList, Rectangle
from holdfast.codecs.devices import UNNAMED, DeviceSlots, Registry
from holdfast.codecs.few import FEW, few_reader
from holdfast.codecs.keys import Keys, id_words, mix
from holdfast.codecs.parsing import PayloadParser
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reject import Fault, Rejection, RejectReason
from holdfast.codecs.sampled import SampleArrays
from holdfast.codecs.structs import Getter, Shape, shape_of
from holdfast.codecs.stuck import Stuck
from holdfast.codecs.times import Times, doubtful, event_times, with_doubt
from holdfast.codecs.topics import name_fault
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.trust import Doubt
from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Catalogue, Series

_CLOCK_AHEAD = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_AHEAD)
_DEVICES_REMEMBERED = 100_000


@dataclass(slots=True)
class Group:
    """The payloads of one profile in a micro-batch, run by run."""

    payloads: list[bytes] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    origins: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Topic and what its captures hold, of each run; only for readers that name values by them."""

    def add(self, payloads: Sequence[bytes], device: str, received_ns: int, first: int) -> None:
        """Take a run whose first message has the number `first`."""
        self.payloads.extend(payloads)
        self.counts.append(len(payloads))
        self.devices.append(device)
        self.received.append(received_ns)
        self.firsts.append(first)

    def numbers(self) -> NDArray[np.int32]:
        """The number of each message, shape (n,)."""
        n, first = len(self.payloads), self.firsts[0]
        if self.firsts[-1] + self.counts[-1] - first == n:  # nothing of another profile in between
            return np.arange(first, first + n, dtype=np.int32)
        counts = np.array(self.counts)
        starts = counts.cumsum() - counts
        shifts = (np.array(self.firsts) - starts).repeat(counts)
        numbers: NDArray[np.int32] = np.add(np.arange(n), shifts).astype(np.int32)
        return numbers


@dataclass(frozen=True, slots=True)
class Told:
    """What each message says of itself, shape (messages,), filled group by group; see `decoder.Decoded`."""

    keys: Keys
    lead: Times
    devices: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Stamps:
    """Each message's time, and what is wrong with it. ahead: took ours for it; codes: doubt in ours. None = none."""

    times: Times
    ahead: NDArray[np.bool_] | None
    codes: NDArray[np.uint8] | None


class ProfileReader:
    """Decodes groups of one profile. Loop thread only."""

    def __init__(self, profile: Profile, catalogue: Catalogue, node: str, stuck: Stuck, registry: Registry) -> None:
        shape = shape_of(profile)
        self._stuck = stuck
        self._profile = profile
        self._catalogue = catalogue
        self._node = node
        self._meanings = profile.meanings
        self._limits = Limits(self._meanings)
        self._parser = PayloadParser(shape.payload, profile.format, profile.decode)
        self._columns = _columns_of(profile, shape)
        self._device = None if profile.device_path is None else shape.getters[profile.device_path]
        self._time = None if profile.time_path is None else shape.getters[profile.time_path]
        self._id = None if profile.id_path is None else shape.getters[profile.id_path]
        self._few = few_reader(profile, shape)
        self._registry = registry
        self._devices = DeviceSlots(len(self._meanings), registry)

    def forget_devices(self) -> None:
        """The registry has changed: ask it anew."""
        self._devices = DeviceSlots(len(self._meanings), self._registry)

    def read(
        self, group: Group, about: Told, rejected: list[Rejection], doubt: Doubt
    ) -> tuple[Batch, NDArray[np.int32]]:
        """The readings of a group and their messages' numbers; fills `about`, appends to `rejected`."""
        if len(self._devices.names) >= _DEVICES_REMEMBERED:
            self.forget_devices()
        if not doubt and len(group.payloads) <= FEW and (few := self._read_few(group, about)) is not None:
            return few
        return self._read_columns(group, about, rejected, doubt)

    def series_of_device(self, name: str) -> NDArray[np.int32]:
        """The series that a device of this profile has by now."""
        if not name:
            return np.empty(0, np.int32)
        slot = self._devices.slot(name)
        if slot in self._devices.refused:
            return np.empty(0, np.int32)
        own = (Series(self._node, self._devices.names[slot], m.metric, m.unit, m.kind) for m in self._meanings)
        found = [number for one in own if (number := self._catalogue.find(one)) is not None]
        return np.array(found, np.int32)

    def _read_columns(
        self, group: Group, about: Told, rejected: list[Rejection], doubt: Doubt
    ) -> tuple[Batch, NDArray[np.int32]]:
        """As `read`, of any messages."""
        numbers = group.numbers()
        by_run = self._slots_of_runs(group)
        if by_run is not None:  # then also those are known whose payload says nothing
            about.devices[numbers] = self._devices.numbers[by_run]
        items, positions, faults = self._parser.parse(group.payloads)
        rejected.extend(Rejection(int(numbers[f.at]), f.reason, f.detail) for f in faults)
        if not items:
            return Batch.empty(), np.empty(0, np.int32)
        if len(items) == len(numbers):
            own = numbers
            received = np.array(group.received, np.int64).repeat(group.counts)
        else:
            own = numbers[positions]
            received = np.repeat(np.array(group.received, np.int64), group.counts)[positions]
        found: list[Fault] = []
        slots = self._named(items, found) if by_run is None else by_run
        if len(slots) != len(items):
            slots = slots[positions]
        if by_run is None:
            about.devices[own] = self._devices.numbers[slots]
        found.extend(Fault(*fault) for fault in self._devices.faults(slots))
        told, ours = received, None
        if self._time is not None:
            told = self._told(self._time, items, received, found, doubt)
            about.lead[own] = ours = told - received
        stamps = self._judge(told, received, ours, doubt)
        cells = self._columns.cells(items)
        good = self._refuse(found + cells.faults, own, rejected)
        about.keys[own] = self._keys(items, slots, told)
        return self._batch(cells, good, slots, stamps, own)

    def _read_few(self, group: Group, about: Told) -> tuple[Batch, NDArray[np.int32]] | None:
        """As `read`, of a few messages that neighbour each other; None = they aren't, or something isn't plain."""
        n, first = len(group.payloads), group.firsts[0]
        if self._few is None or group.firsts[-1] + group.counts[-1] - first != n:
            return None
        names, received = group.devices, group.received
        if len(names) != n:
            names = [name for name, count in zip(names, group.counts, strict=True) for _ in range(count)]
            received = [ns for ns, count in zip(received, group.counts, strict=True) for _ in range(count)]
        found = self._few.read(group.payloads, names, received, first, self._devices)
        if found is None:
            return None
        mine = slice(first, first + n)
        about.keys[mine], about.devices[mine] = found.keys, found.devices
        if found.lead is not None:
            about.lead[mine] = found.lead
        return found.batch, found.message

    def _slots_of_runs(self, group: Group) -> NDArray[np.intp] | None:
        """The slot of every message, when topics name the devices."""
        if self._device is not None:
            return None
        slots = np.fromiter(map(self._devices.slot, group.devices), np.intp, len(group.devices))
        return slots.repeat(group.counts)

    def _named(self, items: Sequence[Any], found: list[Fault]) -> NDArray[np.intp]:
        """The slot of every item, when payloads name the devices."""
        assert self._device is not None  # noqa: S101  # else the runs have the slots
        names = list(map(self._device, items))
        bad: dict[str, str] = {name: fault for name in set(names) if (fault := name_fault(name))}
        if bad:
            at = [i for i, name in enumerate(names) if name in bad]
            found.extend(Fault(i, RejectReason.UNKNOWN_DEVICE, bad[names[i]]) for i in at)
            names = ["" if name in bad else name for name in names]
        return np.fromiter(map(self._devices.slot, names), np.intp, len(names))

    def _judge(self, told: Times, received: Times, lead: Times | None, doubt: Doubt) -> "_Stamps":
        """Which time each message gets: a device that is ahead gets ours, unless ours was unset."""
        future_ns = self._profile.future_ns
        codes = doubtful(received, lead, doubt, future_ns) if doubt else None
        if lead is None or lead.max(initial=0) <= future_ns:
            return _Stamps(told, None, codes)
        ahead = lead > future_ns
        if doubt:
            ahead &= received >= doubt.unset_before
        return _Stamps(np.where(ahead, received, told), ahead, codes)

    def _told(self, time: Getter, items: Sequence[Any], received: Times, found: list[Fault], doubt: Doubt) -> Times:
        """The time that each device told, ns UTC; what is no time or too old is a fault."""
        told, sane = event_times(list(map(time, items)), self._profile.time_unit)
        if sane is not None:
            detail = "the time is before 1970 or after 2100: is its unit right?"
            found.extend(Fault(int(i), RejectReason.WRONG_TYPE, detail) for i in np.flatnonzero(~sane))
        stale_ns = self._profile.stale_ns
        if stale_ns is not None:
            age = received - told
            if age.max(initial=0) > stale_ns:
                is_stale = (age > stale_ns) & (received >= doubt.unset_before)
                found.extend(_stale(is_stale if sane is None else is_stale & sane, age, stale_ns))
        return told

    def _keys(self, items: Sequence[Any], slots: NDArray[np.intp], told: Times) -> Keys:
        if self._profile.id_is_time:
            return mix(self._devices.hashes[slots], told.view(np.uint64))
        if self._id is None:
            return np.zeros(len(items), np.uint64)
        return mix(self._devices.hashes[slots], id_words(list(map(self._id, items))))

    def _refuse(
        self, faults: list[Fault], own: NDArray[np.int32], rejected: list[Rejection]
    ) -> NDArray[np.bool_] | None:
        """Which messages are good, None when all are; each bad one is rejected once, for its first fault."""
        if not faults:
            return None
        good = np.ones(len(own), np.bool_)
        for f in faults:
            if good[f.at]:
                good[f.at] = False
                rejected.append(Rejection(int(own[f.at]), f.reason, f.detail))
        return good

    def _batch(
        self,
        cells: Cells,
        good: NDArray[np.bool_] | None,
        slots: NDArray[np.intp],
        stamps: "_Stamps",
        own: NDArray[np.int32],
    ) -> tuple[Batch, NDArray[np.int32]]:
        message, meaning, value, times = cells.message, cells.meaning, cells.value, stamps.times[cells.message]
        if cells.shift is not None:
            times = times + cells.shift
        quality = self._limits.quality(cells)
        if stamps.ahead is not None:
            quality[stamps.ahead[message] & (quality == 0)] = _CLOCK_AHEAD
        if stamps.codes is not None:
            quality = with_doubt(quality, stamps.codes[message])
        if good is not None:
            keep = good[message]
            message, meaning, value = message[keep], meaning[keep], value[keep]
            quality, times = quality[keep], times[keep]
        series = self._series(slots[message], meaning)
        return Batch(series, times, value, quality, tuple(cells.texts)), own[message]

    def _series(self, slots: NDArray[np.intp], meaning: NDArray[np.intp]) -> NDArray[np.int32]:
        series = self._devices.series[slots, meaning]
        if series.min(initial=0) < 0:
            new = (series == UNNAMED).nonzero()[0]
            for slot, column in set(zip(slots[new].tolist(), meaning[new].tolist(), strict=True)):
                m = self._meanings[column]
                name = Series(self._node, self._devices.names[slot], m.metric, m.unit, m.kind)
                self._devices.series[slot, column] = number = self._catalogue.intern(name)
                if m.stuck_ns:
                    self._stuck.watch(np.array([number], np.int32), np.array([m.stuck_ns]))
            series = self._devices.series[slots, meaning]
        return series


def _columns_of(profile: Profile, shape: Shape) -> Rectangle | RecordList | SampleArrays:
    if profile.samples is not None:
        return SampleArrays(profile, profile.samples, shape)
    return Rectangle(profile, shape) if profile.records is None else RecordList(profile.records, shape)


def _stale(which: NDArray[np.bool_], age: Times, stale_ns: int) -> Iterator[Fault]:
    most = stale_ns / NS_PER_S
    for i in which.nonzero()[0].tolist():
        yield Fault(i, RejectReason.STALE, f"{age[i] / NS_PER_S:.1f} s old; at most {most:g} s are taken")
