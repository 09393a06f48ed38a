"""Payloads in, columns out: a micro-batch of runs becomes one batch of readings. Never raises on payloads.

Runs are grouped by profile (topic -> profile and device through a bounded cache); each group is parsed into typed
structs (`parsing`), turned into columns (`columns`), given times, series and dedupe keys (`reading`); groups are merged
in message order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.devices import NOT_FOLLOWED, Registry, as_named
from holdfast.codecs.keys import Keys
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reading import Group, ProfileReader, Told
from holdfast.codecs.reject import Rejection, RejectReason
from holdfast.codecs.times import NOT_TOLD, Times
from holdfast.codecs.topics import name_fault
from holdfast.kernel.trust import NO_DOUBT, Doubt
from holdfast.model.batch import Batch, concatenate
from holdfast.model.series import Catalogue

_TOPICS_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Run:
    """Messages of one source on one topic, in order; `received_ns` is when they came, ns UTC.

    refusals: by place in `payloads`, why a translation gave nothing (`codecs.lorawan`): they are rejected for that
    """

    topic: str
    payloads: Sequence[bytes]
    received_ns: int
    refusals: Mapping[int, tuple[RejectReason, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a micro-batch of runs held.

    batch:         all good readings, rows in message order
    message:       shape (len(batch),): which message each row came from, ascending; messages count over all runs
    keys:          shape (messages,): dedupe key of each message, 0 = it carries no id
    lead:          shape (messages,): the device's time minus the time of receipt, ns; NOT_TOLD where it told none
    rejected:      the messages refused, ascending
    payload_bytes: of all messages
    device:   shape (messages,): the registry's number of the device that sent it, NOT_FOLLOWED where it is unknown
    size:     shape (messages,): bytes of its payload
    """

    batch: Batch
    message: NDArray[np.int32]
    keys: Keys
    lead: Times
    rejected: list[Rejection]
    payload_bytes: int
    device: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    size: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a topic's messages go: a reader and the device named by the topic ("" when the payload names it)."""

    reader: int
    device: str
    fault: tuple[RejectReason, str] | None = None


class Decoder:
    """Decodes by profile. Loop thread only; names new series in the catalogue."""

    def __init__(
        self, profiles: Sequence[Profile], catalogue: Catalogue, node: str, registry: Registry = as_named
    ) -> None:
        """registry: what is known of devices, and under which names their readings are stored."""
        ranked = sorted(profiles, key=lambda p: p.pattern.rank)
        self._profiles = ranked
        self._readers = [ProfileReader(profile, catalogue, node, registry) for profile in ranked]
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
        first = 0
        for run in runs:
            route = self._routes.get(run.topic) or self._route(run.topic)
            n = len(run.payloads)
            if route.fault is None:
                group = groups.get(route.reader)
                if group is None:
                    group = groups[route.reader] = Group()
                group.add(run.payloads, route.device, run.received_ns, first)
            else:
                rejected.extend(Rejection(first + i, *route.fault) for i in range(n))
            refused.update((first + i, why) for i, why in run.refusals.items())
            first += n
        keys, lead = np.zeros(first, np.uint64), np.full(first, NOT_TOLD)
        about = Told(keys, lead, np.full(first, NOT_FOLLOWED, np.int32))
        parts = [self._readers[r].read(group, about, rejected, doubt) for r, group in groups.items()]
        if refused:
            rejected = [Rejection(r.message, *refused.get(r.message, (r.reason, r.detail))) for r in rejected]
        if len(rejected) > 1:
            rejected.sort(key=lambda r: r.message)
        batch, message = self._merge(parts)
        payloads = chain.from_iterable([run.payloads for run in runs])
        size = np.fromiter(map(len, payloads), np.int32, first)
        return Decoded(batch, message, keys, lead, rejected, int(size.sum()), about.devices, size)

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
        for i, profile in enumerate(self._profiles):
            device = profile.pattern.device(topic)
            if device is None:
                continue
            fault = name_fault(device) if profile.device_path is None else ""
            return _Route(i, device, (RejectReason.UNKNOWN_DEVICE, fault) if fault else None)
        return _Route(-1, "", (RejectReason.NO_PROFILE, "no profile has a topic pattern that matches"))
