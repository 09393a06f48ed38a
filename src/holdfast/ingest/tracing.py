"""The step of a trace at the parent: a child's batch, from its last byte to the commit that holds its rows."""

from collections.abc import Iterator

from holdfast.ingest.applying import Applied
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue
from holdfast.telemetry.lines import Fact
from holdfast.telemetry.spans import (
    ALERT,
    APPLY,
    INGEST,
    READING,
    UPLINK,
    Span,
    Tracer,
    about,
    span_id,
    trace_id,
    trace_of,
)
from holdfast.wire.messages import BatchHeader


def ingested(
    tracer: Tracer,
    catalogue: Catalogue,
    child: str,
    header: BatchHeader,
    applied: Applied,
    began: int,
    opened: int,
    size: int,
) -> None:
    """A child's batch is committed. began, opened: when its bytes were here, and decoded (ns UTC)."""
    ended = tracer.now()
    facts: dict[str, Fact] = {"child": child, "lane": int(header.lane), "bytes": size, "rows": len(header)}
    spans = list[Span]()
    for trace, what, kind, seq in _found(tracer, catalogue, applied, Lane(header.lane)):
        above = span_id(trace, child, UPLINK)
        here = tracer.span(trace, INGEST, (began, ended), above, {"what": what, "kind": kind, **facts})
        spans += [here, tracer.span(trace, APPLY, (opened, ended), here.id, {"lane": int(header.lane), "seq": seq})]
    tracer.keep(spans)


def _found(tracer: Tracer, catalogue: Catalogue, applied: Applied, lane: Lane) -> Iterator[tuple[str, str, str, int]]:
    """(trace, what it is, its kind, its seq in the lane here)."""
    for batch in applied.readings:
        for row in tracer.pick(batch, catalogue, INGEST):
            name = catalogue[int(batch.series[row])].name
            yield trace_id(name, int(batch.ts[row])), name, READING, applied.last - len(batch) + 1 + row
    some = [] if lane.is_secret else applied.events
    for i, event in enumerate(some[: tracer.room(len(some), f"{INGEST} {ALERT}")] if some else ()):
        yield trace_of(event), about(event), ALERT, applied.last - len(some) + 1 + i
