"""Named happenings: one frozen struct is one log line and one metric (STYLE habit 20).

Subclass `Happening` beside the code that emits it, name it `<Room><Noun><PastVerb>`, give it `level` and `metric`.
Fields typed as `Literal` become labels of the counter (closed sets); all fields go into the log line. No secrets.
Speak on change: log entering and leaving a condition, not each retry.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from itertools import product
from typing import ClassVar, Literal, get_args, get_origin, get_type_hints

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from holdfast.kernel.clock import Clock
from holdfast.telemetry.lines import WRITERS, Lines, Style, fact
from holdfast.telemetry.numbers import Kind, Numbers, Rows
from holdfast.telemetry.spans import Tracer

# A series beside each counter and histogram that nobody reads; the library forgot its type.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the client's own

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
    """One node's log, metrics and traces. Receives happenings; owns the Prometheus registries that `/metrics` shows.

    registry: read on the loop's thread; slow: what reads the disk, read on another one
    """

    def __init__(
        self,
        clock: Clock,
        write: Callable[[str], None] = write_stderr,
        level: Level = Level.INFO,
        style: Style = "text",
        tracer: Tracer | None = None,
    ) -> None:
        """style: how `write` gets its lines; tracer: None = nothing is traced."""
        self.registry, self.slow = CollectorRegistry(auto_describe=False), CollectorRegistry(auto_describe=False)
        self._numbers, self._slow = Numbers(), Numbers()
        self.registry.register(self._numbers)
        self.slow.register(self._slow)
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

    def gauge(
        self, name: str, description: str, read: Callable[[], float], *, slow: bool = False, **labels: str
    ) -> None:
        """A gauge `holdfast_<name>{labels}` read at each scrape: on the loop's thread and cheap, or `slow` on another.

        The name ends with its unit; several calls with other labels' values make one family.
        """
        self.table("gauge", name, description, tuple(labels), lambda: [(tuple(labels.values()), read())], slow=slow)

    def counter(
        self, name: str, description: str, read: Callable[[], float], *, slow: bool = False, **labels: str
    ) -> None:
        """A counter `holdfast_<name>_total{labels}`, as `gauge`; what it reads never falls while the node runs."""
        self.table("counter", name, description, tuple(labels), lambda: [(tuple(labels.values()), read())], slow=slow)

    def table(
        self,
        kind: Kind,
        name: str,
        description: str,
        labels: Sequence[str],
        read: Callable[[], Rows],
        *,
        slow: bool = False,
    ) -> None:
        """A family whose rows are known only when it's read: label values and the number."""
        (self._slow if slow else self._numbers).add(kind, name, description, labels, read)

    def histogram(self, name: str, description: str, bounds: Sequence[float]) -> Callable[[float], None]:
        """A histogram `holdfast_<name>` with these upper bounds; returns what takes a value in, from any thread.

        For batches and commits, never for each message.
        """
        return Histogram(f"holdfast_{name}", description, registry=self.registry, buckets=bounds).observe

    @property
    def unreadable(self) -> int:
        """Numbers that couldn't be read at a scrape, since the start."""
        return self._numbers.unreadable + self._slow.unreadable

    def declare(self) -> None:
        """Show the counter of every happening this program knows at 0, so that its first one is an increase, too."""
        for kind in kinds():
            counter, labels = self._counter(kind)
            hints = get_type_hints(kind)
            for values in product(*(get_args(hints[name]) for name in labels)) if labels else ():
                counter.labels(*values)

    def _counter(self, kind: type[Happening]) -> tuple[Counter, tuple[str, ...]]:
        if kind not in self._counters:
            labels, summary = labels_of(kind), told(kind)
            counter = Counter(f"holdfast_{kind.metric}", summary, labels, registry=self.registry)
            self._counters[kind] = counter, labels
        return self._counters[kind]


def kinds(of: type[Happening] = Happening) -> Iterator[type[Happening]]:
    """Every kind of happening with a metric that is imported now."""
    for kind in of.__subclasses__():
        if kind.metric and kind.__module__.startswith("holdfast."):
            yield kind
        yield from kinds(kind)


def labels_of(kind: type[Happening]) -> tuple[str, ...]:
    """The labels of its counter: the fields from closed sets."""
    hints = get_type_hints(kind)
    return tuple(name for name in kind.__struct_fields__ if get_origin(hints[name]) is Literal)


def told(kind: type[Happening]) -> str:
    """The counter's help: what one such happening is."""
    said = (kind.__doc__ or kind.__name__).strip().splitlines()[0].partition(". ")[0].rstrip(".")
    return f"Times that this happened: {said}."
