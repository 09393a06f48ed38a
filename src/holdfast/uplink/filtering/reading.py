"""What the filter reads of the journal: kept readings in order, alerts, readings of before one. Blocking."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.journal import Journal
from holdfast.journal.records import OWN, GroupKind
from holdfast.model.batch import Batch, concatenate
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue
from holdfast.uplink.filtering.rules import NONE, SendPolicy
from holdfast.uplink.filtering.windows import Span, Windows

ROWS_A_TURN = 50_000
EVENT_GROUPS_A_TURN = 200
EVENT_LANES = (Lane.CRITICAL, Lane.NORMAL)
_NS = 10**9


@dataclass(slots=True)
class Chunk:
    """Readings of lane LOCAL above where the last chunk ended. gone: rows of it that were shed before."""

    end: int
    batches: list[Batch] = field(default_factory=list)
    gone: int = 0


def read_rows(journal: Journal, after: int) -> Chunk:
    """The next readings. A damaged group is waited for: the scrub gets it back or makes it a gap."""
    chunk = Chunk(after)
    try:
        groups = journal.read(Lane.LOCAL, after, ROWS_A_TURN)
    except GroupCorrupt:
        return chunk
    for group in groups:
        chunk.gone += group.first - chunk.end - 1
        chunk.end = group.last
        if group.kind is GroupKind.READINGS:
            chunk.batches.append(decode_readings(group.blob))
        else:
            chunk.gone += len(group)
    return chunk


def read_events(journal: Journal, after: Mapping[Lane, int]) -> tuple[list[Event], dict[Lane, int]]:
    """Own events above `after`, and how far that is."""
    events, ends = list[Event](), dict(after)
    for lane in EVENT_LANES:
        head = journal.head(lane)
        if head <= ends[lane]:
            continue
        groups = journal.events_after(lane, ends[lane], EVENT_GROUPS_A_TURN)
        events += [one for group in groups if group.origin == OWN for one in decode_events(group.blob)]
        ends[lane] = groups[-1].last if groups else head
    return events, ends


def open_windows(
    events: Sequence[Event], policy: SendPolicy, catalogue: Catalogue, windows: Windows
) -> dict[int, list[Span]]:
    """Open the windows of these events; returns what is new of them, by series."""
    places = policy.place_of(catalogue)
    new: dict[int, list[Span]] = {}
    for event in events:
        if event.node != policy.node or not event.device:
            continue
        device = catalogue.device_id(event.node, event.device)
        its = np.flatnonzero(catalogue.device_of[: len(places)] == device)
        mine = its[places[its] != NONE].tolist()
        metrics = {one: catalogue[one].metric for one in its.tolist()}
        about = _about(event, {one: metric for one, metric in metrics.items() if not policy.is_result(metric)}, mine)
        for series in mine:
            around = policy.rules[places[series]].around
            if around is None or event.kind not in around.of or (around.scope == "series" and series not in about):
                continue
            low, high = event.ts - round(around.before * _NS), event.ts + round(around.after * _NS)
            new.setdefault(series, []).extend(windows.add(series, low, high))
    return {series: spans for series, spans in new.items() if spans}


def _about(event: Event, metrics: Mapping[int, str], mine: Sequence[int]) -> set[int]:
    """Those of `mine` that an event names; all where it names no reading of its device (a rule's result, silence).

    One about a series goes by that alone, whatever else was looked at. metrics: of all readings of the device.
    """
    inputs = event.why.get("inputs")
    names = {event.metric} if event.metric else set(inputs) if isinstance(inputs, dict) else set()
    if names.isdisjoint(metrics.values()):
        return set(mine)
    return {one for one in mine if metrics.get(one) in names}


def read_back(journal: Journal, upto: int, spans: Mapping[int, Sequence[Span]]) -> Batch:
    """The kept readings up to row `upto` that are in these spans."""
    if not spans:
        return Batch.empty()
    wanted = Windows({series: sorted(found) for series, found in spans.items()})
    low, high = min(s[0] for f in spans.values() for s in f), max(s[1] for f in spans.values() for s in f)
    return concatenate(list(_inside(journal, upto, low, high, wanted)), journal.catalogue.is_text)


def _inside(journal: Journal, upto: int, low: int, high: int, wanted: Windows) -> Iterator[Batch]:
    try:
        for group in journal.between(low, high, Lane.LOCAL):
            if group.last > upto:
                return
            if group.kind is GroupKind.READINGS:
                batch = decode_readings(group.blob)
                rows = wanted.covers(batch)
                if rows.any():
                    yield batch.take(rows)
    except GroupCorrupt:  # what follows it isn't looked at: the alert goes up all the same
        return
