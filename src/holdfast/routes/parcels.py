"""From the journal's groups to messages: what is read at once becomes one parcel. Blocking, any thread."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.journal import blobs
from holdfast.journal.journal import Journal
from holdfast.journal.records import GapReason, Group, GroupKind
from holdfast.journal.transaction import EXCERPT, REPORTS
from holdfast.model.batch import concatenate
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.routes.formats import encoder
from holdfast.routes.settings import RouteSettings, RowsSettings
from holdfast.routes.spoken import Objects
from holdfast.routes.topics import TopicTemplate

LANES = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK, Lane.LOCAL)
"""What a route may take: what a filter keeps from the parent, too. What residency keeps lies in lanes of its own."""
RAW = (Lane.BULK, Lane.LOCAL)
"""Where a node's readings lie."""
_FOR_THE_PARENT = (EXCERPT.peer, REPORTS.peer)
"""Copies, whose originals lie in lane LOCAL; and the node's own log."""
Packet = tuple[bytes, bytes]
"""Topic, with its length before it, and payload."""
Messages = list[Any]
_json = msgspec.json.Encoder()


@dataclass(slots=True)
class Parcel:
    """Rows after+1..upto of a lane as messages, in order. missed: rows that are gone, by why."""

    lane: Lane
    upto: int
    messages: list[Packet] = field(default_factory=list)
    rows: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    unsent: int = 0
    """Place of the next message to send."""
    acked: int = 0
    """Messages that the broker has."""

    @property
    def is_done(self) -> bool:
        """Has the broker all of it?"""
        return self.acked == len(self.messages)


class Packer:
    """Makes parcels for one route."""

    def __init__(self, settings: RouteSettings, journal: Journal) -> None:
        self._settings, self._journal = settings, journal
        raw = None if settings.readings is None else RowPacker(settings.readings, settings, journal)
        self._rows = {
            **dict.fromkeys(RAW, raw),
            Lane.NORMAL: None if settings.summaries is None else RowPacker(settings.summaries, settings, journal),
        }
        self._event_topic = None if settings.events is None else TopicTemplate(settings.events.topic)
        wants = {**dict.fromkeys(RAW, settings.readings), Lane.NORMAL: settings.summaries or settings.events}
        self.lanes = tuple(lane for lane in LANES if wants.get(lane, settings.events) is not None)
        """The lanes with rows for this route."""

    def pack(self, lane: Lane, after: int, max_payload: int) -> Parcel | None:
        """The next parcel of a lane; None when there is nothing above `after`.

        Raises:
            GroupCorrupt: when the first group is damaged; the scrub will make it a gap.
        """
        groups = self._journal.read(lane, after, self._settings.max_rows)
        parcel = Parcel(lane, groups[-1].last if groups else after)
        first = groups[0].first if groups else self._journal.head(lane) + 1
        if first > after + 1:
            parcel.missed["dropped"] = first - after - 1
            parcel.upto = max(parcel.upto, first - 1)
        if parcel.upto == after:
            return None
        readings = []
        for group in groups:
            if group.kind is GroupKind.READINGS:
                if group.origin not in _FOR_THE_PARENT:
                    readings.append(group)
                continue
            self._put_rows(parcel, readings, max_payload)
            readings = []
            self._put_other(parcel, group, max_payload)
        self._put_rows(parcel, readings, max_payload)
        return parcel

    def _put_rows(self, parcel: Parcel, groups: Sequence[Group], max_payload: int) -> None:
        packer = self._rows.get(parcel.lane)
        if packer is None or not groups:
            return
        parcel.rows += sum(map(len, groups))
        for message in packer.messages(groups, max_payload):
            _put(parcel, message, max_payload)

    def _put_other(self, parcel: Parcel, group: Group, max_payload: int) -> None:
        if group.kind is GroupKind.GAP:
            gap = blobs.decode_gap(group)
            if gap.reason is not GapReason.CONSUMED:
                parcel.missed[str(gap.reason)] += len(group)
        elif group.kind is GroupKind.EVENTS and self._event_topic is not None:
            parcel.rows += len(group)
            for event in blobs.decode_events(group.blob):
                _put(parcel, (self._topic_of(event), _json.encode(event)), max_payload)

    def _topic_of(self, event: Event) -> bytes:
        if self._event_topic is None:
            return b""
        facts = {"rule": event.rule, "severity": event.severity, "kind": event.kind}
        return self._event_topic.field({"node": event.node, "device": event.device, **facts})


class RowPacker:
    """Readings to messages, by topic."""

    def __init__(self, rows: RowsSettings, route: RouteSettings, journal: Journal) -> None:
        self._rows, self._catalogue, self._route = rows, journal.catalogue, route
        self._encode: Callable[..., Objects] = encoder(rows, journal.catalogue)
        self._topic = TopicTemplate(rows.topic)
        self._topics: dict[int, bytes] = {}

    def messages(self, groups: Sequence[Group], max_payload: int) -> Iterator[Packet]:
        """The rows of these groups, a topic's in order."""
        batch = concatenate([blobs.decode_readings(g.blob) for g in groups], self._catalogue.is_text)
        objects, series = self._encode(batch)
        is_pack = self._rows.format == "senml"
        for topic, chosen in self._by_topic(objects, series):
            if self._rows.array:
                yield from ((topic, payload) for payload in arrays(chosen, max_payload))
            else:
                yield from ((topic, _json.encode([one] if is_pack else one)) for one in chosen)

    def _by_topic(self, objects: Messages, series: NDArray[np.int32]) -> Iterator[tuple[bytes, Messages]]:
        if not objects:
            return
        if not self._topic.places:
            yield self._topic.field({}), objects
            return
        numbers = series.tolist()
        if len(distinct := set(map(self._field, set(numbers)))) == 1:
            yield distinct.pop(), objects
            return
        fields = map(self._field, numbers)
        if not self._rows.array:  # order over all topics, as they were committed
            for topic, one in zip(fields, objects, strict=True):
                yield topic, [one]
            return
        chosen: dict[bytes, Messages] = {}
        for topic, one in zip(fields, objects, strict=True):
            chosen.setdefault(topic, []).append(one)
        yield from chosen.items()

    def _field(self, number: int) -> bytes:
        known = self._topics.get(number)
        if known is None:
            series = self._catalogue[number]
            known = self._topic.field({"node": series.node, "device": series.device, "metric": series.metric})
            self._topics[number] = known
        return known


def arrays(objects: Messages, max_payload: int) -> Iterator[bytes]:
    """JSON arrays of all objects in order, cut so that each has at most `max_payload` bytes where that is possible."""
    whole = _json.encode(objects)
    if len(whole) <= max_payload or len(objects) == 1:
        yield whole
        return
    step = max(1, len(objects) * max_payload * 9 // (10 * len(whole)))
    for start in range(0, len(objects), step):
        yield from arrays(objects[start : start + step], max_payload)


def _put(parcel: Parcel, message: Packet, max_payload: int) -> None:
    if len(message[1]) > max_payload:
        parcel.left_out += 1
    else:
        parcel.messages.append(message)
