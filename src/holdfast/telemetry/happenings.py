"""Named happenings: one frozen struct is one log line and one metric (STYLE habit 20).

Subclass `Happening` beside the code that emits it, name it `<Room><Noun><PastVerb>`, give it `level` and `metric`.
Fields typed as `Literal` become labels of the counter (closed sets); all fields go into the log line. No secrets.
Speak on change: log entering and leaving a condition, not each retry.
"""

import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import ClassVar, Literal, get_origin, get_type_hints

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from holdfast.kernel.clock import Clock
from holdfast.telemetry.lines import WRITERS, Lines, Style, fact
from holdfast.telemetry.spans import Tracer

KEPT_LINES = 2_000


class Level(IntEnum):
    """How loudly a happening speaks."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


class Happening(msgspec.Struct, frozen=True):
    """Something that happened, for the log and the metrics."""

    level: ClassVar[Level] = Level.INFO
    metric: ClassVar[str] = ""
    """Name of the counter without the `holdfast_` prefix and `_total` suffix; empty for no metric."""


def write_stderr(line: str) -> None:
    """The default log sink: one line on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class Telemetry:
    """One node's log, metrics and traces. Receives happenings; owns the Prometheus registry that `/metrics` shows."""

    def __init__(
        self,
        clock: Clock,
        write: Callable[[str], None] = write_stderr,
        level: Level = Level.INFO,
        style: Style = "text",
        tracer: Tracer | None = None,
    ) -> None:
        """style: how `write` gets its lines; tracer: None = nothing is traced."""
        self.registry = CollectorRegistry()
        self.lines = Lines(KEPT_LINES)
        """The newest lines; whoever follows the log reads them by number."""
        self.tracer = tracer
        self._clock = clock
        self._write, self._written = write, WRITERS[style]
        self._level = level
        self._counters: dict[type[Happening], tuple[Counter, tuple[str, ...]]] = {}

    def emit(self, happening: Happening) -> None:
        """Write the log line and count the happening. Never called per message."""
        kind = type(happening)
        if kind.metric:
            counter, labels = self._counter(kind)
            (counter.labels(*(getattr(happening, name) for name in labels)) if labels else counter).inc()
        if kind.level >= self._level:
            fields = {name: fact(getattr(happening, name)) for name in kind.__struct_fields__}
            line = self.lines.add(self._clock.wall_ns(), kind.level.name, kind.__name__, fields)
            self._write(self._written(line))

    def gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """A gauge `holdfast_<name>` read at scrape time; `read` must be cheap and safe from another thread."""
        Gauge(f"holdfast_{name}", description, registry=self.registry).set_function(read)

    def histogram(self, name: str, description: str, bounds: Sequence[float]) -> Callable[[float], None]:
        """A histogram `holdfast_<name>` with these upper bounds; returns what takes a value in."""
        return Histogram(f"holdfast_{name}", description, registry=self.registry, buckets=bounds).observe

    def _counter(self, kind: type[Happening]) -> tuple[Counter, tuple[str, ...]]:
        if kind not in self._counters:
            hints = get_type_hints(kind)
            labels = tuple(f for f in kind.__struct_fields__ if get_origin(hints[f]) is Literal)
            summary = (kind.__doc__ or kind.__name__).strip().splitlines()[0]
            counter = Counter(f"holdfast_{kind.metric}", summary, labels, registry=self.registry)
            self._counters[kind] = counter, labels
        return self._counters[kind]
