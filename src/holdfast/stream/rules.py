"""A compiled rule: everything the engine needs, nothing that changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from holdfast.model.event import EventKind, Severity
from holdfast.model.lane import Lane
from holdfast.model.series import Kind
from holdfast.stream.detecting import Watch
from holdfast.stream.features.plan import FeaturePlan
from holdfast.stream.plans import AlarmSpec, Compute, StagePlan, Threshold

if TYPE_CHECKING:  # importing them loads sqlglot: 8 MiB that a node without rules needn't pay
    from holdfast.stream.language.devices import Matches
    from holdfast.stream.language.notifying import CompiledNotice
    from holdfast.stream.language.orders import CompiledOrder
    from holdfast.stream.language.templates import Template

BUILTIN = Path(__file__).parent / "builtin"
"""Rule files that ship with Holdfast."""
PAYLOAD_FACTS = ("id", "ts", "ts_ms", "ts_s", "node", "device", "metric", "rule", "severity", "kind", "message")
"""What a published object may hold besides the selected columns. ts: ns UTC."""

ActionKind = EventKind | Literal["result"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule stands, from line 1."""

    file: Path
    line: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rules with where each of them stands, by name."""

    rules: list["CompiledRule"]
    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Action:
    """One `publish`. kinds: of the events sent, `result` for every evaluation; payload: empty = all of it."""

    topic: "Template"
    kinds: frozenset[ActionKind]
    payload: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stored:
    """A selected column that becomes a series of the key: column's position, metric, unit and kind.

    at: the column that says when (s since the epoch); -1: the evaluation's own time
    """

    column: int
    metric: str
    unit: str
    kind: Kind
    at: int = -1


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule, checked and compiled.

    version:  hash of the rule's canonical text
    shape:    hash of what its alarm state depends on; an edit that leaves it alone keeps alarms and timers
    part:     which of several windows, "" for a rule with one
    document: the rule's text as JSON, from which it can be compiled again
    stage:    what turns readings into evaluations
    names, values: the selected columns, over the stage's calls
    when, clear, then: conditions over the selected columns; without `when` every evaluation is a result
    threshold: `when` and `clear` once more, when they're that simple
    message:  None means the engine's own sentence
    actions:  where events and results are published locally, and as what
    orders:   commands that its events send
    notices:  whom its events are told
    stores:   columns that become series
    budget:   CPU share of one core that the rule may use, 0 = the node's default
    most_keys: devices that it may keep apart, 0 = the node's default
    """

    name: str
    version: str
    severity: Severity
    matches: "Matches"
    stage: StagePlan
    names: tuple[str, ...]
    values: tuple[Compute, ...]
    shape: str = ""
    part: str = ""
    document: bytes = b""
    when: Compute | None = None
    clear: Compute | None = None
    then: Compute | None = None
    when_text: str = ""
    clear_text: str = ""
    then_text: str = ""
    alarm: AlarmSpec = field(default_factory=AlarmSpec)
    threshold: Threshold | None = None
    message: "Template | None" = None
    actions: tuple[Action, ...] = ()
    orders: "tuple[CompiledOrder, ...]" = ()
    notices: "tuple[CompiledNotice, ...]" = ()
    stores: tuple[Stored, ...] = ()
    budget: float = 0.0
    texts: frozenset[int] = frozenset()
    """Selected columns whose numbers are codes of texts."""
    truths: frozenset[int] = frozenset()
    """Selected columns that are true (1) or false (0)."""
    units: tuple[str, ...] = ()
    """Of the selected columns, SenML or vendors' names, "" where it isn't known."""
    most_keys: int = 0
    """Keys that the rule may keep apart, 0 = the node's default."""
    most_samples: int = 0
    """Samples that the rule may keep per key, 0 = the node's default."""
    watch: Watch | None = None
    """Its detector, and the threshold that a series begins with; `when` says the same of that."""
    features: FeaturePlan | None = None
    """It's no rule but a feature line: its evaluations are rows for a model."""

    @property
    def lane(self) -> Lane:
        """Alerts that need a person go first; mere information doesn't."""
        return Lane.NORMAL if self.severity == "info" else Lane.CRITICAL

    @property
    def key(self) -> tuple[str, str]:
        """What its alarm state is kept under."""
        return self.name, self.part
