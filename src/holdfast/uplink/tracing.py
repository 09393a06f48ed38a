"""Which traces a batch for the parent carries, and the step that they are told of when the parent has answered.

Picked anew from the rows that are read: nothing has to be remembered from their commit to their way up, which may be a
week and a restart later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.journal.records import Group
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue
from holdfast.telemetry.lines import Fact
from holdfast.telemetry.spans import ALERT, INGEST, READING, UPLINK, Tracer, about, span_id, trace_id, trace_of


@dataclass(frozen=True, slots=True)
class Passing:
    """A trace that goes up. above: the step at this node that it comes from; what: its series, or its rule."""

    trace: str
    seq: int
    above: str
    what: str
    kind: str = READING


@dataclass(slots=True)
class Follow:
    """Finds the traces of one batch. found: filled while the batch is packed, on a worker thread."""

    tracer: Tracer
    catalogue: Catalogue
    began: int
    found: list[Passing] = field(default_factory=list)

    def readings(self, groups: Sequence[Group], batches: Sequence[Batch]) -> None:
        """Look at groups of readings."""
        for group, batch in zip(groups, batches, strict=True):
            for row in self.tracer.pick(batch, self.catalogue, UPLINK):
                name = self.catalogue[int(batch.series[row])].name
                trace = trace_id(name, int(batch.ts[row]))
                self.found.append(Passing(trace, group.first + row, self._above(group, READING), name))

    def events(self, groups: Sequence[Group], events: Sequence[Sequence[Event]]) -> None:
        """Look at groups of events."""
        for group, some in zip(groups, events, strict=True):
            if group.lane.is_secret:
                continue
            for i, event in enumerate(some[: self.tracer.room(len(some), f"{UPLINK} {ALERT}")]):
                self.found.append(
                    Passing(trace_of(event), group.first + i, self._above(group, ALERT), about(event), ALERT)
                )

    def _above(self, group: Group, root: str) -> str:
        """A child's rows have a number there; ours, and what we made of them, begin here."""
        return INGEST if group.branch or (group.origin and not group.origin.startswith("!")) else root

    def answered(self, lane: Lane, sent: int, facts: dict[str, Fact]) -> None:
        """The parent has taken the batch, which left at `sent`."""
        ended = self.tracer.now()
        node = self.tracer.node
        self.tracer.keep(
            self.tracer.span(
                one.trace,
                UPLINK,
                (self.began, ended),
                span_id(one.trace, node, one.above),
                {
                    "what": one.what,
                    "kind": one.kind,
                    "lane": int(lane),
                    "seq": one.seq,
                    "packed_ms": round((sent - self.began) / 1e6, 3),
                    "rtt_ms": round((ended - sent) / 1e6, 3),
                    **facts,
                },
            )
            for one in self.found
        )


def follow(tracer: Tracer | None, catalogue: Catalogue) -> Follow | None:
    """What finds the traces of the next batch; None where nothing is traced."""
    return None if tracer is None else Follow(tracer, catalogue, tracer.now())
