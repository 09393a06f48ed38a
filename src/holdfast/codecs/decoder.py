"""Payloads in, columns out: a micro-batch of runs becomes one batch of readings. Never raises on payloads.

Runs are grouped by profile (topic -> profile and device through a bounded cache); each group is parsed into typed
structs (`parsing`), turned into columns (`columns`), given times, series and dedupe keys (`reading`), or, where
payloads name their values themselves, read one by one into columns (`observing`); groups are merged in message order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, starmap
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.announced import Announced
from holdfast.codecs.devices import NOT_FOLLOWED, Registry, as_named
from holdfast.codecs.keys import Keys
from holdfast.codecs.observing import OpenReader
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reading import Group, ProfileReader, Told
from holdfast.codecs.reject import Rejection, RejectReason
from holdfast.codecs.replies import Reply
from holdfast.codecs.sink import OFFLINE
from holdfast.codecs.stuck import Stuck
from holdfast.codecs.times import NOT_TOLD, Times
from holdfast.codecs.topics import DEVICE, joined, name_fault
from holdfast.kernel.trust import NO_DOUBT, Doubt
from holdfast.model.batch import Batch, concatenate
from holdfast.model.gone import MARK, topic_gone
from holdfast.model.series import Catalogue

_TOPICS_REMEMBERED = 20_000
_NO_PROFILE = (RejectReason.NO_PROFILE, "no profile has a topic pattern that matches")
_LEARNERS = frozenset(("announcement", "homie"))


class Run(NamedTuple):
    """Messages of one source on one topic, in order; `received_ns` is when they came, ns UTC.

    refusals: by place in `payloads`, why a translation gave nothing (`codecs.lorawan`): they are rejected for that
    """

    topic: str
    payloads: Sequence[bytes]
    received_ns: int
    refusals: Mapping[int, tuple[RejectReason, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a micro-batch of runs held.

    batch:         all good readings, rows in message order
    message:       shape (len(batch),): which message each row came from, ascending; messages count over all runs
    keys:          shape (messages,): dedupe key of each message, 0 = it carries no id
    lead:          shape (messages,): the device's time minus the time of receipt, ns; NOT_TOLD where it told none
    rejected:      the messages refused, ascending
    payload_bytes: of all messages
    skipped:       parts of good messages that no reading can hold, by why (`dataset`, `empty_message` …)
    replies:  what protocols have us answer, as Sparkplug's rebirth requests
    device:   shape (messages,): the registry's number of the device that sent it, NOT_FOLLOWED where it is unknown
    size:     shape (messages,): bytes of its payload
    """

    batch: Batch
    message: NDArray[np.int32]
    keys: Keys
    lead: Times
    rejected: list[Rejection]
    payload_bytes: int
    skipped: Counter[str] = field(default_factory=Counter)
    device: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    size: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    replies: Sequence[Reply] = ()


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a topic's messages go: a reader and the device named by the topic ("" when the payload names it).

    captures: of the topic, for readers that name values by them
    has_gone: it's told on this topic that the device has gone; anything else on it has the fault
    """

    reader: int
    device: str
    fault: tuple[RejectReason, str] | None = None
    captures: Mapping[str, str] | None = None
    has_gone: bool = False

    def tells(self, run: Run) -> bool:
        """Is this run the news that the device has gone?"""
        return self.has_gone and run.payloads[0] is MARK


def _rejections(route: _Route, run: Run, first: int) -> list[Rejection]:
    """Of messages that no reader takes, by their route's fault."""
    fault = route.fault or _NO_PROFILE
    return [Rejection(first + i, *fault) for i in range(len(run.payloads))]


class Decoder:
    """Decodes by profile. Loop thread only; names new series in the catalogue."""

    def __init__(
        self,
        profiles: Sequence[Profile],
        catalogue: Catalogue,
        node: str,
        announced: Announced | None = None,
        registry: Registry = as_named,
    ) -> None:
        """Take the parts.

        announced: units and types that devices told apart from their values; None = begin with none
        registry:  what is known of devices, and under which names their readings are stored
        """
        ranked = sorted(profiles, key=lambda p: p.pattern.rank)
        self._profiles = ranked
        self.announced = announced if announced is not None else Announced()
        self._stuck = Stuck()
        self._readers = [
            ProfileReader(p, catalogue, node, self._stuck, registry)
            if p.open is None
            else OpenReader(p, p.open, catalogue, node, self.announced, self._stuck, registry)
            for p in ranked
        ]
        self._open = [reader for reader in self._readers if isinstance(reader, OpenReader)]
        self._catalogue = catalogue
        self._routes: dict[str, _Route] = {}

    def forget_devices(self) -> None:
        """The registry has changed: ask it anew about every device."""
        for reader in self._readers:
            reader.forget_devices()

    def decode(self, runs: Sequence[Run], doubt: Doubt = NO_DOUBT) -> Decoded:
        """Decode all messages of `runs`; messages are numbered over all runs in order.

        doubt: which times of receipt this node isn't sure of
        """
        groups: dict[int, Group] = {}
        rejected: list[Rejection] = []
        refused: dict[int, tuple[RejectReason, str]] = {}
        gone: list[tuple[_Route, Run, int]] = []
        faulty: list[tuple[_Route, Run, int]] = []
        first = 0
        for run in runs:
            route = self._routes.get(run.topic) or self._route(run.topic)
            n = len(run.payloads)
            if route.fault is None:
                group = groups.get(route.reader)
                if group is None:
                    group = groups[route.reader] = Group()
                group.add(run.payloads, route.device, run.received_ns, first)
                if route.captures is not None:
                    group.origins.append((run.topic, route.captures))
            else:
                (gone if route.tells(run) else faulty).append((route, run, first))
            if run.refusals:
                refused.update((first + i, why) for i, why in run.refusals.items())
            first += n
        rejected += chain.from_iterable(starmap(_rejections, faulty))
        about = Told(np.zeros(first, np.uint64), np.empty(first, np.int64), np.empty(first, np.int32))
        about.lead.fill(NOT_TOLD)
        about.devices.fill(NOT_FOLLOWED)
        parts = [self._readers[r].read(group, about, rejected, doubt) for r, group in groups.items()]
        parts += [self._gone(*one) for one in gone]
        if refused:
            rejected = [Rejection(r.message, *refused.get(r.message, (r.reason, r.detail))) for r in rejected]
        if len(rejected) > 1:
            rejected.sort(key=lambda r: r.message)
        batch, message = self._merge(parts)
        sizes = list(map(len, chain.from_iterable([run.payloads for run in runs])))
        batch, size = self._stuck.judge(batch), np.array(sizes, np.int32)
        told = about.keys, about.lead, rejected, sum(sizes), self._skipped(), about.devices, size, self._replies()
        return Decoded(batch, message, *told)

    def learn(self, retained: Mapping[str, bytes]) -> None:
        """Take what retained messages by topic say about others, as after a restart; makes no readings of them."""
        if not any(p.format in _LEARNERS for p in self._profiles):
            return
        for topic, payload in retained.items():
            route = self._routes.get(topic) or self._route(topic)
            reader = self._readers[route.reader] if route.fault is None else None
            if isinstance(reader, OpenReader) and self._profiles[route.reader].format in _LEARNERS:
                group = Group()
                group.add([payload], route.device, 0, 0)
                group.origins.append((topic, route.captures or {}))
                reader.learn(group)

    def _gone(self, route: _Route, run: Run, message: int) -> tuple[Batch, NDArray[np.int32]]:
        """What is known of a device that has gone has no value any more."""
        series = self._readers[route.reader].series_of_device(route.device)
        n = len(series)
        values, codes = np.full(n, np.nan), np.full(n, OFFLINE, np.uint8)
        return Batch(series, np.full(n, run.received_ns, np.int64), values, codes, ()), np.full(n, message, np.int32)

    def _skipped(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for reader in self._open:
            if reader.skipped:
                total.update(reader.skipped)
                reader.skipped.clear()
        return total

    def _replies(self) -> Sequence[Reply]:
        total: list[Reply] = []
        for reader in self._open:
            if reader.replies:
                total += reader.replies
                reader.replies = []
        return total

    def _merge(self, parts: list[tuple[Batch, NDArray[np.int32]]]) -> tuple[Batch, NDArray[np.int32]]:
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Batch.empty(), np.empty(0, np.int32)
        batch = concatenate([batch for batch, _ in parts], self._catalogue.is_text)
        message = np.concatenate([message for _, message in parts])
        order = np.argsort(message, kind="stable")
        return batch.take(order), message[order]

    def _route(self, topic: str) -> _Route:
        route = self._find(topic)
        if len(self._routes) >= _TOPICS_REMEMBERED:
            self._routes.clear()  # hostile topics can't grow it; honest ones come back at once
        self._routes[topic] = route
        return route

    def profile_of(self, topic: str) -> Profile | None:
        """The profile that claims a topic."""
        route = self._routes.get(topic) or self._route(topic)
        return None if route.reader < 0 or route.fault is not None else self._profiles[route.reader]

    def _find(self, topic: str) -> _Route:
        left = topic_gone(topic)
        if left is not None:
            route = self._find(left)
            return replace(route, fault=_NO_PROFILE, has_gone=route.fault is None)
        for i, profile in enumerate(self._profiles):
            captures = profile.pattern.captured(topic)
            if captures is None:
                continue
            device = captures.get(DEVICE, "")
            if profile.open is not None:
                return _Route(i, joined(*device.split("/")), None, captures)  # the reader judges the names
            fault = name_fault(device) if profile.device_path is None else ""
            return _Route(i, device, (RejectReason.UNKNOWN_DEVICE, fault) if fault else None)
        return _Route(-1, "", _NO_PROFILE)
