"""What a rule's stage consists of: input columns, steps that compute more of them, calls over the window."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlglot import exp

from holdfast.stream.language import parsing
from holdfast.stream.language.detecting import detector_of
from holdfast.stream.language.expressions import OPERATORS, Compiler, Kind, Leaf, constant
from holdfast.stream.language.naming import FACTS, TIME, Kinds, Tree, calls_in, names_in
from holdfast.stream.language.nearness import near
from holdfast.stream.language.parsing import call, canonical, shown, text_of
from holdfast.stream.language.quantities import Quantities
from holdfast.stream.language.tables import TableUnusable, table_at
from holdfast.stream.plans import (
    READINGS,
    VALUE,
    By,
    Call,
    Compute,
    Input,
    RowOperator,
    StagePlan,
    Step,
    WideOperator,
    WindowSpec,
)
from holdfast.stream.rowops.anomalies import PARTS, Anomaly
from holdfast.stream.rowops.plain import Computed, Condition, Fresh, QualityOf, Time
from holdfast.stream.rowops.previous import Changed, Delta, Elapsed, Lag
from holdfast.stream.rowops.thinning import Deadband, SwingingDoor
from holdfast.stream.state import State

ROW_FUNCTIONS = {
    "lag": "lag(x[, n])",
    "delta": "delta(x)",
    "changed": "changed(x)",
    "had_changed": "had_changed(x, y, …)",
    "elapsed": "elapsed(x)",
    "deadband": "deadband(x, d)",
    "swinging_door": "swinging_door(x, d)",
    "swinging_door_time": "swinging_door_time(x, d)",
    "fresh": "fresh(x)",
    "quality": "quality(metric)",
    "latest": "latest('device', 'metric')",
    "lookup": "lookup('table.csv', 'column'[, key])",
    **{name: f"{name}(x[, y, …][, 'detector'[, option, …]])" for name in PARTS},
}
MOST_LAG = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule's messages come from.

    name:      `readings`, or another rule
    columns:   that rule's, by name; None for readings
    signature: equal for equal messages
    """

    name: str = READINGS
    columns: dict[str, Kind] | None = None
    signature: str = ""


@dataclass(slots=True)
class Stage:
    """A stage while it's being put together. keys: what each step's columns are, as text; by_series: over readings."""

    source: Source
    kinds: Kinds
    quantities: Quantities
    folder: Path
    by_series: bool = False
    inputs: list[Input] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    of_step: list[Kind] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    wants_quality: bool = False

    def take_names(self, trees: Sequence[Tree]) -> None:
        """Make an input of every metric, other device's series and table that these expressions name."""
        message = [tree.node for tree in trees if tree.level == "message"]
        for node in message:
            for place, name in names_in(node):
                if (name in FACTS or name == TIME) and not parsing.is_quoted(place):
                    continue
                if self._is_known(place, name):
                    self._add(Input(name, is_text=self._is_text(name), unit=self._unit("metric", name)))
        for node in message:
            self._take_others(node)
            self._take_tables(node)

    def _take_others(self, node: Any) -> None:
        for arguments in calls_in(node, "latest"):
            device, metric = (*(text_of(one) or "" for one in arguments), "", "")[:2]
            if len(arguments) == 2 and device and metric and self.source.columns is None:
                is_text = (device, metric) in self.kinds.others
                self._add(
                    Input(metric, "other", device, is_text=is_text, unit=self._unit("other", f"{device}/{metric}"))
                )

    def _take_tables(self, node: Any) -> None:
        for arguments in calls_in(node, "lookup"):
            texts = [text_of(one) for one in arguments]
            if len(texts) == 2 and texts[0] and texts[1]:
                with suppress(TableUnusable):  # told where it's compiled
                    self.add_fact(texts[0], texts[1])

    def _unit(self, kind: str, name: str) -> str:
        return self.quantities.of(kind, name) if self.source.columns is None else ""

    def _add(self, one: Input) -> int:
        if one not in self.inputs:
            self.inputs.append(one)
        return self.inputs.index(one)

    def add_fact(self, file: str, column: str) -> tuple[int, Kind]:
        """The input that a table's column is.

        Raises:
            TableUnusable: when there is no such table or column.
        """
        found = table_at(self.folder, file).column(column)
        kind: Kind = "text" if found.is_text else "number"
        name = f"{self.folder / file}:{column}"
        for i, one in enumerate(self.inputs):
            if one.kind == "fact" and one.metric == name:
                return i, kind
        return self._add(Input(name, "fact", is_text=found.is_text, of=found)), kind

    def _is_known(self, node: Any, name: str) -> bool:
        if self.by_series:
            return name == VALUE
        return parsing.is_metric(node, name) if self.source.columns is None else name in self.source.columns

    def _is_text(self, name: str) -> bool:
        return name in self.kinds.metrics if self.source.columns is None else self.source.columns[name] == "text"

    def metric(self, node: Any, name: str, faults: list[str]) -> Leaf | None:
        """The input that a name stands for; None, and the fault told, for none."""
        if name in {"device", "node"} and not parsing.is_quoted(node):
            faults.append(f"`{name}` can't be computed with; choose devices in `from: readings where {name} = '…'`")
            return None
        if not self._is_known(node, name):
            if self.by_series:
                faults.append(
                    f"`{name}` isn't known by series: `{VALUE}` is every series' own; choose series in "
                    f"`from: readings where metric like '{name}'`"
                )
            elif self.source.columns is None:
                faults.append(f"`{name}` is no metric name: dotted lower-case words, such as `air.temperature`")
            else:
                known = ", ".join(self.source.columns)
                faults.append(
                    f"rule `{self.source.name}` selects no `{name}`{near(name, self.source.columns)}; it has {known}"
                )
            return None
        for i, one in enumerate(self.inputs):
            if one.kind == "own" and one.metric == name:
                kind: Kind = "number" if self.source.columns is None else self.source.columns[name]
                return Leaf(i, "text" if one.is_text else kind)
        return None

    def step(
        self, key: str, make: "Callable[[State, str], RowOperator | WideOperator]", kind: Kind, columns: int = 1
    ) -> Leaf:
        """The column of a step, added when it's new; of several the first."""
        if key not in self.keys:
            self.keys += [key, *(f"{key} {i}" for i in range(1, columns))]
            self.steps.append(Step(make, columns))
            self.of_step += [kind] * columns
        return Leaf(len(self.inputs) + self.keys.index(key), kind)

    def time(self) -> Leaf:
        """The column of the message's time."""
        return self.step(TIME, lambda _state, _name: Time(), "number")

    def condition(self, node: Any, faults: list[str]) -> int:
        """The column that says where a condition holds."""
        compute = Compiler(Messages(self), faults, self.folder).truth(node)
        key = f"holds {parsing.canonical(node)}"
        return self.step(key, lambda _state, _name: Condition(compute), "truth").position

    def column(self, node: Any, faults: list[str]) -> Leaf | None:
        """The column of an expression over messages."""
        node = node.unnest()
        scope = Messages(self)
        if parsing.dotted(node) is not None or is_row_function(node):
            return scope.leaf(node, faults)
        before = len(faults)
        value = Compiler(scope, faults, self.folder).value(node)
        if len(faults) > before:
            return None
        reads = tuple(scope.reads)
        return self.step(
            parsing.canonical(node), lambda _state, _name: Computed(value.compute, reads), value.kind or "number"
        )

    def call(self, kind: str, column: int = -1, arguments: tuple[float, ...] = ()) -> int:
        """The position of an aggregate, added when it's new."""
        wanted = Call(kind, column, arguments)
        if wanted not in self.calls:
            self.calls.append(wanted)
        return self.calls.index(wanted)

    def plan(self, window: WindowSpec, by: By, chosen: str, where: Compute | None, where_text: str) -> StagePlan:
        """The stage. chosen: which devices, as text; where_text: equal for equal conditions."""
        files = str(self.folder) if any("lookup(" in k or "inside(" in k for k in (*self.keys, where_text)) else ""
        inputs = [(i.metric, i.kind, i.device, i.is_text, i.unit) for i in self.inputs]
        work = (
            self.source.name, self.source.signature, by, "" if by in ("device", "series") else chosen, inputs,
            self.keys, where_text, files, replace(window, text=""), self.calls, self.wants_quality,
            *([window.shown] if window.shown else []),
        )  # fmt: skip
        signature = blake2b(repr(work).encode(), digest_size=12).hexdigest()
        return StagePlan(
            signature, tuple(self.inputs), tuple(self.calls), window, self.source.name, by, tuple(self.steps), where,
            self.wants_quality,
        )  # fmt: skip


class Messages:
    """Names in expressions over messages: metrics, the time, and functions that look at messages before."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.reads: dict[int, None] = {}
        """Positions of the columns read, in order."""

    def leaf(self, node: Any, faults: list[str]) -> Leaf | None:
        """See `Scope`."""
        found = self._found(node, faults)
        if found is not None:
            self.reads[found.position] = None
        return found

    def _found(self, node: Any, faults: list[str]) -> Leaf | None:
        name = parsing.dotted(node)
        if name is not None:
            if name == TIME and not parsing.is_quoted(node):
                return self._stage.time()
            return self._stage.metric(node, name, faults)
        if is_row_function(node):
            return row_function(self._stage, node, faults)
        faults.append(
            f"{describe(node)}; allowed: metrics, {', '.join(ROW_FUNCTIONS)}, functions of values, {OPERATORS}"
        )
        return None


def is_row_function(node: Any) -> bool:
    """Whether the node calls one of `ROW_FUNCTIONS`."""
    found = call(node)
    return found is not None and found[0] in ROW_FUNCTIONS and (found[0] != "lookup" or len(found[1]) == 2)


def row_function(stage: Stage, node: Any, faults: list[str]) -> Leaf | None:
    """The column of a call of one of `ROW_FUNCTIONS`; None, and the fault told, when it isn't as it should be."""
    name, arguments = call(node)  # type: ignore[misc]  # the caller knows it to be one
    if name in ("latest", "lookup"):
        return _known_elsewhere(stage, name, arguments, node, faults)
    if name in PARTS:
        return _anomaly(stage, name, arguments, node, faults)
    columns = arguments if name == "had_changed" else arguments[:1]
    rest = arguments[len(columns) :]
    least = 1 if name in ("deadband", "swinging_door", "swinging_door_time") else 0
    if not columns or not least <= len(rest) <= max(least, name == "lag"):
        faults.append(f"`{shown(node)}`: write `{ROW_FUNCTIONS[name]}`")
        return None
    leaves = [stage.column(one, faults) for one in columns]
    if any(leaf is None for leaf in leaves):
        return None
    leaf = leaves[0] or Leaf(0, None)
    if leaf.kind == "text" and name in ("delta", "deadband", "swinging_door", "swinging_door_time"):
        faults.append(f"`{shown(node)}`: {name} takes a number, and that is text")
        return None
    number = constant(rest[0]) if rest else 1.0
    if number is None or (name == "lag" and not (number.is_integer() and 1 <= number <= MOST_LAG)) or number < 0:
        wanted = f"a whole number, 1 to {MOST_LAG}" if name == "lag" else "a number of at least 0"
        faults.append(f"`{shown(node)}`: the second argument is {wanted}, as written: it can't be computed")
        return None
    if name == "quality":
        return _quality(stage, leaf, node, faults)
    return _remembering(
        stage, name, tuple(one.position for one in leaves if one is not None), leaf.kind or "number", number, node
    )


def _remembering(stage: Stage, name: str, at: tuple[int, ...], kind: Kind, number: float, node: Any) -> Leaf:
    key, first = parsing.canonical(node), at[0]
    makers: dict[str, tuple[Callable[[State, str], RowOperator], Kind]] = {
        "lag": (lambda state, called: Lag(state, called, first, int(number)), kind),
        "delta": (lambda state, called: Delta(state, called, first), "number"),
        "changed": (lambda state, called: Changed(state, called, at), "truth"),
        "had_changed": (lambda state, called: Changed(state, called, at), "truth"),
        "elapsed": (lambda state, called: Elapsed(state, called, first), "number"),
        "deadband": (lambda state, called: Deadband(state, called, first, number), "number"),
        "swinging_door": (lambda state, called: SwingingDoor(state, called, first, number, time=False), "number"),
        "swinging_door_time": (lambda state, called: SwingingDoor(state, called, first, number, time=True), "number"),
        "fresh": (lambda _state, _called: Fresh(first), "truth"),
    }
    return stage.step(key, *makers[name])


def _anomaly(stage: Stage, name: str, arguments: list[Any], node: Any, faults: list[str]) -> Leaf | None:
    """A detector's column: one step for all that is asked of one."""
    columns, detector, options = detector_of(arguments, node, faults)
    leaves = [stage.column(one, faults) for one in columns]
    if detector is None or any(leaf is None for leaf in leaves):
        return None
    named = [(shown(one), leaf.position) for one, leaf in zip(columns, leaves, strict=True) if leaf is not None]
    if any(leaf is not None and leaf.kind == "text" for leaf in leaves):
        faults.append(f"`{shown(node)}`: a detector watches numbers, and that is text")
        return None
    key = f"anomaly {[canonical(one) for one in columns]} {detector} {sorted(options.items())}"
    made = stage.step(key, lambda state, step: Anomaly(state, {step: named}, detector, options), "number", len(PARTS))
    return Leaf(made.position + PARTS.index(name), "text" if name == "anomaly_aspect" else "number")


def _quality(stage: Stage, leaf: Leaf, node: Any, faults: list[str]) -> Leaf | None:
    if not has_quality(stage, leaf, faults, node):
        return None
    position = leaf.position
    return stage.step(parsing.canonical(node), lambda _state, _name: QualityOf(position), "text")


def has_quality(stage: Stage, leaf: Leaf, faults: list[str], node: Any) -> bool:
    """Whether the column is a metric read from readings: only those have a quality."""
    if (
        leaf.position >= len(stage.inputs)
        or stage.inputs[leaf.position].kind != "own"
        or stage.source.columns is not None
    ):
        faults.append(f"`{shown(node)}`: only a metric of `readings` has a quality")
        return False
    stage.wants_quality = True
    return True


def _known_elsewhere(stage: Stage, name: str, arguments: list[Any], node: Any, faults: list[str]) -> Leaf | None:
    texts = [text_of(one) for one in arguments]
    if len(texts) != 2 or not all(texts):
        faults.append(f"`{shown(node)}`: write `{ROW_FUNCTIONS[name]}`, each in single quotes")
        return None
    first, second = str(texts[0]), str(texts[1])
    if name == "lookup":
        try:
            return Leaf(*stage.add_fact(first, second))
        except TableUnusable as error:
            faults.append(str(error))
            return None
    if stage.source.columns is not None:
        faults.append(
            f"`{shown(node)}`: a rule that reads another rule can't read other devices' series; let that one do it"
        )
        return None
    for i, one in enumerate(stage.inputs):
        if (one.kind, one.device, one.metric) == ("other", first, second):
            return Leaf(i, "text" if one.is_text else "number")
    return None


def describe(node: Any) -> str:
    """The fault for an expression that isn't available."""
    if isinstance(node, exp.Literal):
        return f"{shown(node)} is text; only numbers can be computed with"
    return f"`{shown(node)}` isn't available"


FACTS_OF: dict[str, frozenset[str]] = {
    "each": frozenset({"window_end", "revision", "final"}),
    "last": frozenset({"window_end", "revision", "final"}),
}
"""Facts that a window hasn't all of."""
