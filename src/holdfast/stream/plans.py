"""What a rule computes, as the language's compiler hands it over: plain facts and closures, no SQL, no state.

A stage turns readings into evaluations: messages → row steps → `where` → window → aggregate calls. Rules whose stages
have the same signature share one stage and its memory; so an edit that leaves the stage alone loses no window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from holdfast.stream.rows import Rows
    from holdfast.stream.state import State

Array = NDArray[Any]

Compute = Callable[[Sequence[Any]], Any]
"""Columns in, a column (or one number for all rows) out."""

By = Literal["device", "node", "all", "series"]
"""What a rule keeps apart: every device, every node, nothing, or every series of every device."""

VALUE = "value"
"""What a series' own value is called in rules by series."""

READINGS = "readings"


class Fact(Protocol):
    """One number per key, from outside. generation: counts its versions; of a new one it's asked again."""

    @property
    def generation(self) -> int:
        """See the class."""
        ...

    def __call__(self, node: str, device: str) -> float:
        """NaN where nothing is known."""
        ...


@dataclass(frozen=True, slots=True)
class Input:
    """One column that a stage's messages begin with.

    metric:    of the key's own devices ("own"), or the selected column's name of the rule that is the source;
               `VALUE` in a stage by series over readings: whatever metric the key is of
    kind:      own · other: the series `metric` of the device called `device`, as last known when the message came ·
               fact: one number per key, from `of(node, device)`, looked up when the key is first seen
    is_text:   the column holds codes of texts (`texts.code`)
    unit:      what a series' values are converted to, "" = they're taken as they come; the source rule's own for relays
    """

    metric: str = ""
    kind: Literal["own", "other", "fact"] = "own"
    device: str = ""
    is_text: bool = False
    of: "Fact | None" = None
    unit: str = ""


class RowOperator(Protocol):
    """A computed column of messages; keeps what it must remember in the stage's `State`, by slot."""

    def apply(self, rows: "Rows") -> tuple[Array, Array | None]:
        """The column, shape (M,), and which messages bring it anew (None: all)."""
        ...


class WideOperator(Protocol):
    """Several computed columns at once."""

    def apply(self, rows: "Rows") -> list[tuple[Array, Array | None]]:
        """Each as of a `RowOperator`."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """How to make a `RowOperator`; its column follows those of the inputs and of the steps before it."""

    make: "Callable[[State, str], RowOperator | WideOperator]"
    """(state, a name unique in the stage)."""
    columns: int = 1
    """How many it makes; of several it's a `WideOperator`."""


@dataclass(frozen=True, slots=True)
class Call:
    """One aggregate over a window: of a message column, or with column -1 of the window itself (`window_start` …)."""

    kind: str
    column: int = -1
    args: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Which messages one evaluation looks at. Times in ns.

    each:      every message by itself
    last:      the last `samples` samples of each column, in order of arrival
    tumbling, hopping: [k * hop, k * hop + width) since the epoch; hop = width for tumbling
    calendar:  the `unit` of the clock in `zone`, cut at `starts` (seconds after midnight)
    sliding:   (ts - behind, ts + ahead] around every message
    session:   messages no more than `gap` apart, at most `most` long
    count:     `samples` messages, a new window every `step`
    state:     from a message where column `begin` is true to one where column `end` is, that one included;
               end -1: while `begin` is true
    grace:     how far a message may be behind its device's newest one and still be in time
    late:      how long after a window was evaluated a late message still revises it (tumbling, hopping, calendar)
    """

    kind: Literal["each", "last", "tumbling", "hopping", "calendar", "sliding", "session", "count", "state"]
    text: str
    samples: int = 1
    step: int = 1
    width: int = 0
    hop: int = 0
    behind: int = 0
    ahead: int = 0
    gap: int = 0
    most: int = 0
    unit: Literal["", "hour", "day", "week", "month", "year"] = ""
    zone: str = "UTC"
    starts: tuple[int, ...] = (0,)
    begin: int = -1
    end: int = -1
    grace: int = 0
    late: int = 0
    shown: int = field(default=0, repr=False)
    """Of `each`: samples before the message's own that alerts show."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """See the module. where: which messages count, over all columns; signature: equal for equal work."""

    signature: str
    inputs: tuple[Input, ...]
    calls: tuple[Call, ...]
    window: WindowSpec
    source: str = READINGS
    by: By = "device"
    steps: tuple[Step, ...] = ()
    where: Compute | None = None
    wants_quality: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """The own metrics, by input."""
        return tuple(i.metric for i in self.inputs if i.kind == "own")

    @property
    def reads_every(self) -> bool:
        """Whether it reads every series there is, each by itself."""
        return self.by == "series" and self.source == READINGS

    @property
    def read(self) -> tuple[str, ...]:
        """All metrics, those of other devices too."""
        return tuple(i.metric for i in self.inputs if i.kind != "fact")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition of the shape `column > limit` (or <), cleared by one of the opposite shape.

    Rules on one stage that differ in nothing but limits, holds and devices are judged together.

    text:   the column's expression in canonical form: equal for equal work on one stage
    column: its position among the rule's selected columns
    above:  > rather than <
    limit, clear: `value > limit` raises, `value < clear` clears (not above: < and >). `>=` and `<=` are these with the
        next number: `x >= 80` is `x > 79.99999999999999`
    """

    text: str
    column: int
    above: bool
    limit: float
    clear: float


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """When an alert is raised and cleared. Times in ns.

    condition: `when` held for `hold` evaluations in a row and for `hold_ns`
    absence:   the key was silent for `hold_ns`
    sequence:  `then` held at a later evaluation, at most `within` after `when` did;
               not expected: it didn't hold from the evaluation at which `when` did until `within` after it
    clear_hold, clear_ns: how long `clear_when` must hold; for absence: messages come; a missed sequence also ends with
               `then`
    cooldown:  how long after it was cleared it isn't raised again; a condition that still holds then is raised then,
               a sequence that was complete before isn't
    latch:     once raised it stays until somebody acknowledges it, and the condition has ended
    """

    kind: Literal["condition", "absence", "sequence"] = "condition"
    hold: int = 1
    hold_ns: int = 0
    clear_hold: int = 1
    clear_ns: int = 0
    cooldown: int = 0
    latch: bool = False
    within: int = 0
    expected: bool = True

    @property
    def has_timers(self) -> bool:
        """Whether time alone may raise or clear it."""
        return bool(self.hold_ns or self.clear_ns or self.cooldown or self.kind != "condition")

    @property
    def looks_back(self) -> bool:
        """Whether it may change without an evaluation, so that what the last one saw must be known."""
        return self.has_timers or self.latch
