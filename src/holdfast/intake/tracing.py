"""Traces on the hot path: which readings of a micro-batch are followed, and what is known of their way when it's over.

Costs a few passes over the columns of each micro-batch; only the few readings that are picked are looked at one by one.
What is told of them are the times of their micro-batch: it's what was decoded, decided and committed together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.adapters.port import Arrival
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.model.lane import READING_LANES, Lane
from holdfast.model.quality import quality_of
from holdfast.residency.leaving import Sorted, SortedEvents
from holdfast.stream.engine import Engine
from holdfast.telemetry.lines import Fact
from holdfast.telemetry.spans import (
    ACK,
    ALERT,
    COMMIT,
    DECIDE,
    DECODE,
    DEVICE,
    READING,
    RECEIVE,
    Span,
    Tracer,
    span_id,
    trace_id,
    trace_of,
)

if TYPE_CHECKING:
    from holdfast.intake.prepare import Prepared

LONGEST_WAY_NS = 3_600 * NS_PER_S
"""A reading that its device stamped longer ago wasn't on its way for so long: it waited there."""
MOST_LINKS = 16
Place = tuple[Lane, int]


@dataclass(slots=True)
class Followed:
    """A picked reading. row: in its micro-batch; place: lane and seq, once it's stored."""

    trace: str
    row: int
    ts: int
    facts: dict[str, Fact]
    arrival: Arrival
    place: Place | None = None


@dataclass(slots=True)
class Course:
    """What is followed of one micro-batch, and its times (ns UTC). places: of stored alerts, by event id."""

    began: int
    decoded: int
    decided: int
    followed: list[Followed] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)


def begin(
    tracer: Tracer, engine: Engine, prepared: "Prepared", message: NDArray[np.int32], times: tuple[int, int]
) -> Course | None:
    """The course of a micro-batch that was decoded and decided just now; None = nothing of it is followed.

    message: which message each row of `prepared.batch` came from; times: when it was begun, and decoded
    """
    batch = prepared.batch
    rows = tracer.pick(batch, engine.catalogue)
    if not (rows or prepared.decisions):
        return None
    course = Course(*times, tracer.now())
    starts = np.cumsum([0, *(len(a.payloads) for a in prepared.arrivals)])
    for row in rows:
        series, ts = engine.catalogue[int(batch.series[row])], int(batch.ts[row])
        arrival = prepared.arrivals[int(np.searchsorted(starts, message[row], side="right")) - 1]
        facts: dict[str, Fact] = {
            "series": series.name,
            "ts_ns": ts,
            "quality": quality_of(int(batch.quality[row])).name.lower(),
            "rules": ", ".join(engine.readers(int(batch.series[row]))),
        }
        course.followed.append(Followed(trace_id(series.name, ts), row, ts, facts, arrival))
    return course


def note_places(tx: Transaction, work: Iterable["Prepared"], readings: Sorted) -> None:
    """Where the followed readings of a commit lie; called when they are stored, and nothing is behind them yet."""
    before = 0
    for prepared in work:
        for one in prepared.course.followed if prepared.course is not None else ():
            one.place = _place(tx, readings, before + one.row)
        before += len(prepared.batch) + sum(map(len, prepared.derived))


def note_event_places(tx: Transaction, work: Iterable["Prepared"], events: SortedEvents) -> None:
    """Where the alerts of a commit lie."""
    places = dict[str, Place]()
    for lane, some in events.by_lane.items():
        first = tx.draft.heads[lane] - len(some) + 1
        places |= {one.id: (lane, first + i) for i, one in enumerate(some)}
    for prepared in work:
        if prepared.decisions:
            prepared.course = prepared.course or Course(0, 0, 0)  # time alone decided
            prepared.course.places = {d.event.id: places[d.event.id] for d in prepared.decisions}


def _place(tx: Transaction, readings: Sorted, row: int) -> Place:
    if readings.place is None:
        return Lane.BULK, tx.draft.heads[Lane.BULK] - len(readings.parts[Lane.BULK]) + 1 + row
    number = readings.place[row]
    lane = READING_LANES[number]
    behind = len(readings.copies) if lane is Lane.BULK else 0
    rank = int(np.count_nonzero(readings.place[:row] == number))
    return lane, tx.draft.heads[lane] - behind - len(readings.parts[lane]) + 1 + rank


def finished(tracer: Tracer, work: Sequence["Prepared"], took_s: float) -> None:
    """A commit is over, and its receipts are settled; it took so long."""
    if not any(one.course for one in work):
        return
    ended, rows = tracer.now(), sum(len(one.batch) for one in work)
    began_ns = ended - round(took_s * NS_PER_S)
    spans = list[Span]()
    for prepared in work:
        course = prepared.course
        if course is None:
            continue
        for one in course.followed:
            spans += _of_reading(tracer, prepared, course, one, (began_ns, ended), rows)
        events = [decision.event for decision in prepared.decisions]
        for event in events[: tracer.room(len(events), ALERT)] if events else ():
            spans += _of_alert(tracer, prepared, course, event, (began_ns, ended), rows)
    tracer.keep(spans)


def _of_reading(
    tracer: Tracer, prepared: "Prepared", course: Course, one: Followed, commit: tuple[int, int], rows: int
) -> list[Span]:
    received = one.arrival.received_ns
    was_under_way = 0 < received - one.ts < LONGEST_WAY_NS
    start = one.ts if was_under_way else received
    root = tracer.span(one.trace, READING, (start, commit[1]), "", one.facts)
    batch: dict[str, Fact] = {"messages": sum(len(a.payloads) for a in prepared.arrivals), "rows": len(prepared.batch)}
    source: dict[str, Fact] = {"source": one.arrival.source, "topic": one.arrival.topic}
    alerts = ", ".join(d.event.id for d in prepared.decisions[:MOST_LINKS])
    decided: dict[str, Fact] = {"rules": one.facts["rules"], "decisions": len(prepared.decisions), "alerts": alerts}
    steps = [
        (RECEIVE, (received, course.began), source),
        (DECODE, (course.began, course.decoded), batch),
        (DECIDE, (course.decoded, course.decided), decided),
        (COMMIT, commit, {**_told(one.place), "rows": rows}),
        (ACK, (commit[1], commit[1]), {}),
    ]
    if was_under_way:
        steps.insert(0, (DEVICE, (one.ts, received), {}))
    return [root, *(tracer.span(one.trace, name, times, root.id, facts) for name, times, facts in steps)]


def _of_alert(
    tracer: Tracer, prepared: "Prepared", course: Course, event: Event, commit: tuple[int, int], rows: int
) -> list[Span]:
    trace, place = trace_of(event), course.places.get(event.id)
    if place is not None and place[0].is_secret:
        return []
    start = min((a.received_ns for a in prepared.arrivals), default=course.began or commit[0])
    facts: dict[str, Fact] = {
        "event": event.kind,
        "rule": event.rule,
        "series": f"{event.node}/{event.device}" + (f"/{event.metric}" if event.metric else ""),
        "ts_ns": event.ts,
        "severity": event.severity,
    }
    root = Span(
        trace, span_id(trace, tracer.node, ALERT), tracer.node, ALERT, start, commit[1], "", facts, _inputs(event)
    )
    steps: list[tuple[str, tuple[int, int], dict[str, Fact]]] = [(COMMIT, commit, {**_told(place), "rows": rows})]
    if prepared.arrivals and course.began:
        steps = [
            (RECEIVE, (start, course.began), {"arrivals": len(prepared.arrivals)}),
            (DECODE, (course.began, course.decoded), {"rows": len(prepared.batch)}),
            (DECIDE, (course.decoded, course.decided), {"rules": event.rule}),
            *steps,
        ]
    return [root, *(tracer.span(trace, name, times, root.id, more) for name, times, more in steps)]


def _inputs(event: Event) -> tuple[str, ...]:
    """The traces of the readings that an alert was decided on, the newest of each metric; they may not be followed."""
    inputs = event.why.get("inputs")
    found = list[str]()
    for metric, samples in inputs.items() if isinstance(inputs, dict) else ():
        times = samples.get("ts") if isinstance(samples, dict) else None
        if times:
            found.append(trace_id(f"{event.node}/{event.device}/{metric}", int(times[-1])))
    return tuple(found[:MOST_LINKS])


def _told(place: Place | None) -> dict[str, Fact]:
    return {} if place is None else {"lane": int(place[0]), "seq": place[1]}
