"""One profile at work: a group of payloads becomes readings with series, time and quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.columns import Cells, Limits, RecordList, Rectangle
from holdfast.codecs.keys import Keys, device_hash, id_words, mix
from holdfast.codecs.parsing import PayloadParser
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reject import Fault, Rejection, RejectReason
from holdfast.codecs.structs import Getter, shape_of
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
_UNNAMED = -1


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
        counts = np.array(self.counts)
        starts = np.cumsum(counts) - counts
        shifts = np.repeat(np.array(self.firsts) - starts, counts)
        numbers: NDArray[np.int32] = np.add(np.arange(len(self.payloads)), shifts).astype(np.int32)
        return numbers


@dataclass(frozen=True, slots=True)
class _Stamps:
    """Each message's time, and what is wrong with it. ahead: took ours for it; codes: doubt in ours. None = none."""

    times: Times
    ahead: NDArray[np.bool_] | None
    codes: NDArray[np.uint8] | None


class _Devices:
    """Device names of one profile as slots, with their hash and the series ids of their metrics."""

    def __init__(self, width: int) -> None:
        self.slots: dict[str, int] = {}
        self.names: list[str] = []
        self.hashes = np.empty(64, np.uint64)
        self.series = np.full((64, width), _UNNAMED, np.int32)

    def slot(self, name: str) -> int:
        known = self.slots.get(name)
        if known is not None:
            return known
        new = len(self.names)
        if new == len(self.hashes):
            self.hashes = np.resize(self.hashes, 2 * new)
            grown = np.full((2 * new, self.series.shape[1]), _UNNAMED, np.int32)
            grown[:new] = self.series
            self.series = grown
        self.slots[name] = new
        self.names.append(name)
        self.hashes[new] = device_hash(name)
        return new


class ProfileReader:
    """Decodes groups of one profile. Loop thread only."""

    def __init__(self, profile: Profile, catalogue: Catalogue, node: str, stuck: Stuck) -> None:
        shape = shape_of(profile)
        self._stuck = stuck
        self._profile = profile
        self._catalogue = catalogue
        self._node = node
        self._meanings = profile.meanings
        self._limits = Limits(self._meanings)
        self._parser = PayloadParser(shape.payload, profile.format, profile.decode)
        self._columns = Rectangle(profile, shape) if profile.records is None else RecordList(profile.records, shape)
        self._device = None if profile.device_path is None else shape.getters[profile.device_path]
        self._time = None if profile.time_path is None else shape.getters[profile.time_path]
        self._id = None if profile.id_path is None else shape.getters[profile.id_path]
        self._devices = _Devices(len(self._meanings))

    def read(
        self, group: Group, keys: Keys, lead: Times, rejected: list[Rejection], doubt: Doubt
    ) -> tuple[Batch, NDArray[np.int32]]:
        """The readings of a group and their messages' numbers; fills `keys` and `lead`, appends to `rejected`."""
        numbers = group.numbers()
        items, positions, faults = self._parser.parse(group.payloads)
        rejected.extend(Rejection(int(numbers[f.at]), f.reason, f.detail) for f in faults)
        if not items:
            return Batch.empty(), np.empty(0, np.int32)
        if len(items) == len(numbers):
            own = numbers
            received = np.repeat(np.array(group.received, np.int64), group.counts)
        else:
            own = numbers[positions]
            received = np.repeat(np.array(group.received, np.int64), group.counts)[positions]
        found: list[Fault] = []
        slots = self._slots(group, items, positions, found)
        told, ours = received, None
        if self._time is not None:
            told = self._told(self._time, items, received, found, doubt)
            lead[own] = ours = told - received
        stamps = self._judge(told, received, ours, doubt)
        cells = self._columns.cells(items)
        good = self._refuse(found + cells.faults, own, rejected)
        keys[own] = self._keys(items, slots, told)
        return self._batch(cells, good, slots, stamps, own)

    def _slots(self, group: Group, items: Sequence[Any], positions: list[int], found: list[Fault]) -> NDArray[np.intp]:
        slot = self._devices.slot
        if self._device is None:
            per_run = np.fromiter(map(slot, group.devices), np.intp, len(group.devices))
            slots = np.repeat(per_run, group.counts)
            return slots if len(items) == len(slots) else slots[positions]
        names = list(map(self._device, items))
        bad: dict[str, str] = {name: fault for name in set(names) if (fault := name_fault(name))}
        if bad:
            at = [i for i, name in enumerate(names) if name in bad]
            found.extend(Fault(i, RejectReason.UNKNOWN_DEVICE, bad[names[i]]) for i in at)
            names = ["" if name in bad else name for name in names]
        if len(self._devices.names) >= _DEVICES_REMEMBERED:
            self._devices = _Devices(len(self._meanings))
            slot = self._devices.slot
        return np.fromiter(map(slot, names), np.intp, len(names))

    def _judge(self, told: Times, received: Times, lead: Times | None, doubt: Doubt) -> "_Stamps":
        """Which time each message gets: a device that is ahead gets ours, unless ours was unset."""
        future_ns = self._profile.future_ns
        ahead = None if lead is None else lead > future_ns
        if doubt and ahead is not None:
            ahead &= received >= doubt.unset_before
        codes = doubtful(received, lead, doubt, future_ns) if doubt else None
        if ahead is None or not ahead.any():
            return _Stamps(told, None, codes)
        return _Stamps(np.where(ahead, received, told), ahead, codes)

    def _told(self, time: Getter, items: Sequence[Any], received: Times, found: list[Fault], doubt: Doubt) -> Times:
        """The time that each device told, ns UTC; what is no time or too old is a fault."""
        told, sane = event_times(list(map(time, items)), self._profile.time_unit)
        if not sane.all():
            detail = "the time is before 1970 or after 2100: is its unit right?"
            found.extend(Fault(int(i), RejectReason.WRONG_TYPE, detail) for i in np.flatnonzero(~sane))
        stale_ns = self._profile.stale_ns
        if stale_ns is not None:
            age = received - told
            for i in np.flatnonzero(sane & (age > stale_ns) & (received >= doubt.unset_before)):
                seconds = age[i] / NS_PER_S
                found.append(
                    Fault(
                        int(i), RejectReason.STALE, f"{seconds:.1f} s old; at most {stale_ns / NS_PER_S:g} s are taken"
                    )
                )
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
        message, meaning, value = cells.message, cells.meaning, cells.value
        quality = self._limits.quality(cells)
        if stamps.ahead is not None:
            quality[stamps.ahead[message] & (quality == 0)] = _CLOCK_AHEAD
        if stamps.codes is not None:
            quality = with_doubt(quality, stamps.codes[message])
        if good is not None:
            keep = good[message]
            message, meaning, value, quality = message[keep], meaning[keep], value[keep], quality[keep]
        series = self._series(slots[message], meaning)
        return Batch(series, stamps.times[message], value, quality, tuple(cells.texts)), own[message]

    def _series(self, slots: NDArray[np.intp], meaning: NDArray[np.intp]) -> NDArray[np.int32]:
        series = self._devices.series[slots, meaning]
        new = np.flatnonzero(series == _UNNAMED)
        if len(new):
            for slot, column in set(zip(slots[new].tolist(), meaning[new].tolist(), strict=True)):
                m = self._meanings[column]
                name = Series(self._node, self._devices.names[slot], m.metric, m.unit, m.kind)
                self._devices.series[slot, column] = number = self._catalogue.intern(name)
                if m.stuck_ns:
                    self._stuck.watch(np.array([number], np.int32), np.array([m.stuck_ns]))
            series = self._devices.series[slots, meaning]
        return series
