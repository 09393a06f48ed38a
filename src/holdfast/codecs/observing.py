"""One profile whose payloads name their values themselves at work: a group of payloads becomes readings."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.announced import Announced
from holdfast.codecs.devices import Registry
from holdfast.codecs.keys import Keys, device_hash, id_words, mix
from holdfast.codecs.naming import Naming
from holdfast.codecs.parsing import MAX_BYTES, MAX_DEPTH
from holdfast.codecs.profiles import Open, Profile
from holdfast.codecs.reading import Group, Told
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import Rejection, RejectReason
from holdfast.codecs.replies import Reply
from holdfast.codecs.sink import NO_TIME, Origin, Sink
from holdfast.codecs.sources import source_of
from holdfast.codecs.stuck import Stuck
from holdfast.codecs.times import NOT_TOLD, Times, doubtful, with_doubt
from holdfast.codecs.topics import DEVICE
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.trust import Doubt
from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Catalogue

_CLOCK_AHEAD = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_AHEAD)
_OUT_OF_RANGE = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)


class OpenReader:
    """Decodes groups of one profile. Loop thread only."""

    def __init__(
        self,
        profile: Profile,
        open_: Open,
        catalogue: Catalogue,
        node: str,
        announced: Announced,
        stuck: Stuck,
        registry: Registry,
    ) -> None:
        self._profile, self._stuck = profile, stuck
        self._naming = Naming(open_, catalogue, node, registry)
        self._source = source_of(profile, open_, self._naming, announced)
        self.skipped: Counter[str] = Counter()
        self.replies: list[Reply] = []

    def forget_devices(self) -> None:
        """The registry has changed: ask it anew."""
        self._naming.forget()

    def read(
        self, group: Group, about: Told, rejected: list[Rejection], doubt: Doubt
    ) -> tuple[Batch, NDArray[np.int32]]:
        """The readings of a group and their messages' numbers; fills `about`, appends to `rejected`."""
        self._naming.forget_if_many()
        sink = Sink(self._naming)
        numbers = group.numbers()
        refused: list[Rejection] = []
        at = 0
        for run, count in enumerate(group.counts):
            origin = self._origin(group, run)
            for payload in group.payloads[at : at + count]:
                if not self._message(payload, at, origin, sink, refused):
                    about.devices[numbers[at]] = self._naming.blamed(sink.sender or origin.device, refused[-1].reason)
                at += 1
        rejected.extend(Rejection(int(numbers[r.message]), r.reason, r.detail) for r in refused)
        self.skipped.update(sink.skipped)
        self.replies += [reply._replace(message=int(numbers[reply.message])) for reply in sink.replies]
        if not sink.values:
            return Batch.empty(), np.empty(0, np.int32)
        received = np.repeat(np.array(group.received, np.int64), group.counts)
        about.devices[numbers[sink.messages]] = self._naming.numbers[sink.slots]
        return self._batch(sink, numbers, received, about, rejected, doubt)

    def series_of_device(self, name: str) -> NDArray[np.int32]:
        """The series that a device of this profile has had since the start, or since the registry changed."""
        return self._naming.series_of(np.array(self._naming.slots_of(name), np.intp))

    def learn(self, group: Group) -> None:
        """Take what a group's payloads say about others; makes no readings of them."""
        sink = Sink(self._naming)
        for run, payload in enumerate(group.payloads):
            self._message(payload, run, self._origin(group, run), sink, [])

    @staticmethod
    def _origin(group: Group, run: int) -> Origin:
        topic, captures = group.origins[run]
        context = tuple(text for name, text in captures.items() if name != DEVICE)
        return Origin(topic, group.devices[run], captures, context, group.received[run])

    def _message(self, payload: bytes, at: int, origin: Origin, sink: Sink, refused: list[Rejection]) -> bool:
        """Read one; was it taken?"""
        sink.begin(at, origin)
        try:
            _check_size(payload)
            self._source.read(payload, at, origin, sink)
        except Refused as refusal:
            sink.undo()
            refused.append(Rejection(at, refusal.reason, refusal.detail))
        except RecursionError:
            sink.undo()
            refused.append(Rejection(at, RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}"))
        except UnicodeDecodeError:
            sink.undo()
            refused.append(Rejection(at, RejectReason.MALFORMED, "not UTF-8"))
        else:
            sink.finish()
            return True
        return False

    def _batch(
        self,
        sink: Sink,
        numbers: NDArray[np.int32],
        received: Times,
        about: Told,
        rejected: list[Rejection],
        doubt: Doubt,
    ) -> tuple[Batch, NDArray[np.int32]]:
        message = np.array(sink.messages, np.intp)
        slots = np.array(sink.slots, np.intp)
        told = np.array(sink.times, np.int64)
        quality = np.array(sink.codes, np.uint8)
        latest = np.full(len(numbers), NO_TIME, np.int64)
        np.maximum.at(latest, message, told)
        has_time = latest != NO_TIME
        own = np.where(has_time, latest - np.where(has_time, received, 0), NOT_TOLD)
        about.lead[numbers] = own
        stale = self._stale(sink, own, received, doubt)
        for i in np.flatnonzero(stale).tolist():
            limit = (self._profile.stale_ns or 0) / NS_PER_S
            detail = f"{-own[i] / NS_PER_S:.1f} s old; at most {limit:g} s are taken"
            rejected.append(Rejection(int(numbers[i]), RejectReason.STALE, detail))
        about.keys[numbers] = self._keys(sink, latest, len(numbers))
        times, quality = self._times(told, own, received, message, quality, doubt)
        keep = ~stale[message]
        if not keep.all():
            message, slots, times, quality = message[keep], slots[keep], times[keep], quality[keep]
        value = np.array(sink.values)[keep] * self._naming.a[slots] + self._naming.b[slots]
        value = self._rounded(value, slots)
        outside = (value < self._naming.low[slots]) | (value > self._naming.high[slots])
        quality[outside & ((quality & 3) != Quality.BAD)] = _OUT_OF_RANGE
        series = self._naming.series_of(slots)
        limits = self._naming.stuck[slots]
        if limits.any():
            self._stuck.watch(series, limits)
        return Batch(series, times, value, quality, tuple(sink.texts)), numbers[message]

    def _stale(self, sink: Sink, own: Times, received: Times, doubt: Doubt) -> NDArray[np.bool_]:
        if self._profile.stale_ns is None:
            return np.zeros(len(own), np.bool_)
        stale: NDArray[np.bool_] = (
            (own != NOT_TOLD) & (own < -self._profile.stale_ns) & (received >= doubt.unset_before)
        )
        stale[list(sink.historical)] = False
        return stale

    def _times(
        self,
        told: Times,
        own: Times,
        received: Times,
        message: NDArray[np.intp],
        quality: NDArray[np.uint8],
        doubt: Doubt,
    ) -> tuple[Times, NDArray[np.uint8]]:
        """Each reading's time: a message that is ahead is moved back as a whole, unless our clock was unset."""
        future_ns = self._profile.future_ns
        ahead = (own != NOT_TOLD) & (own > future_ns)
        if doubt:
            ahead &= received >= doubt.unset_before
        shift = np.where(ahead, own, 0)[message]
        times = np.where(told == NO_TIME, received[message], told - shift)
        quality[(shift != 0) & (quality == 0)] = _CLOCK_AHEAD
        if doubt:
            codes = doubtful(received, own, doubt, future_ns)
            unset = own == NOT_TOLD
            codes[unset] = doubtful(received, None, doubt, future_ns)[unset]
            quality = with_doubt(quality, codes[message])
        return times, quality

    def _rounded(self, value: NDArray[np.float64], slots: NDArray[np.intp]) -> NDArray[np.float64]:
        decimals = self._naming.decimals[slots]
        for places in np.unique(decimals[decimals >= 0]).tolist():
            at = decimals == places
            value[at] = np.round(value[at], places)
        return value

    def _keys(self, sink: Sink, latest: Times, n: int) -> Keys:
        keys = np.zeros(n, np.uint64)
        if self._profile.id_is_time:
            for i, slot in dict(zip(reversed(sink.messages), reversed(sink.slots), strict=True)).items():
                device = np.array([device_hash(self._naming.device(slot))], np.uint64)
                keys[i] = mix(device, latest[i : i + 1].view(np.uint64))[0]
        for i, (name, ident) in sink.ids.items():
            device = np.array([device_hash(name)], np.uint64)
            keys[i] = mix(device, id_words([ident if isinstance(ident, str) else ident & (2**63 - 1)]))[0]
        return keys


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_BYTES:
        raise Refused(RejectReason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_BYTES} are taken")
