"""What the API answers about the log and traces. Append only: fields keep name, type and meaning."""

from msgspec import Struct

from holdfast.reporting.questions import TraceRow
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span


class LogAnswer(Struct, frozen=True):
    """Lines of the log, oldest first. last: number of the newest line there is, for `after`; level: what is logged."""

    lines: list[LogLine]
    last: int


class TraceList(Struct, frozen=True):
    """Traces, newest first. sample: the share of readings that is followed here; let_go: beyond what is taken."""

    traces: list[TraceRow]
    sample: float
    let_go: int


class TraceAnswer(Struct, frozen=True):
    """One trace: its steps in order. notes: of nodes that were asked and didn't answer."""

    id: str
    spans: list[Span]
    notes: list[str] = []
