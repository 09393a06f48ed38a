"""What a rule's `select`, `when` and `clear_when` compute, as closures over the aggregates of its metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal, get_args

from sqlglot import exp

from holdfast.stream.language import parsing
from holdfast.stream.language.expressions import FUNCTIONS, OPERATORS, Compiler, describe, is_condition
from holdfast.stream.plans import Call, Compute, Input, StagePlan, WindowSpec

Aggregate = Literal["avg", "min", "max", "sum", "count", "stddev", "var", "first", "last", "latest"]
"""`latest` is a bare metric: its last value, whatever the window."""

AGGREGATES = tuple(a for a in get_args(Aggregate) if a != "latest")
_CALLS: dict[type, Aggregate] = {
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Sum: "sum",
    exp.Count: "count",
    exp.Stddev: "stddev",
    exp.Variance: "var",
    exp.First: "first",
    exp.Last: "last",
}


@dataclass(slots=True)
class Plan:
    """A rule's computation.

    metrics:  the metrics it reads; their positions are what `inputs` refers to
    inputs:   the (aggregate, metric) columns to be made per evaluation, in this order
    names:    the selected columns' names, computed by `values` from the inputs
    when, clear: conditions over the selected columns
    """

    metrics: list[str] = field(default_factory=list)
    inputs: list[tuple[Aggregate, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    values: list[Compute] = field(default_factory=list)
    when: Compute = bool
    clear: Compute = bool

    def stage(self, window: WindowSpec) -> StagePlan:
        """The stage that makes the inputs."""
        calls = tuple(Call("last" if a == "latest" else a, m) for a, m in self.inputs)
        facts = repr((self.metrics, calls, window))
        signature = blake2b(facts.encode(), digest_size=8).hexdigest()
        return StagePlan(signature, tuple(Input(metric) for metric in self.metrics), calls, window)

    def column(self, aggregate: Aggregate, metric: str) -> int:
        """The position of an input column, added when it is new."""
        if metric not in self.metrics:
            self.metrics.append(metric)
        wanted = (aggregate, self.metrics.index(metric))
        if wanted not in self.inputs:
            self.inputs.append(wanted)
        return self.inputs.index(wanted)


def plan_select(text: str, plan: Plan, faults: list[str]) -> bool:
    """Fill `plan` from the text of `select`; False when the columns' names can't be known."""
    parts = parsing.columns(text, faults)
    if parts is None:
        return False
    compiler = Compiler(lambda node, into: _input(node, plan, into), faults)
    for part in parts:
        if parsing.dotted(part) == "device":
            continue
        name, expression = _named(part, plan, faults)
        plan.names.append(name)
        if is_condition(expression):
            faults.append(f"`{expression.sql()}` is a condition; select numbers and put conditions in `when`")
        elif name:
            plan.values.append(compiler.number(expression))
    if not plan.metrics and not faults:
        faults.append("reads no metric; select one, such as `avg(air.temperature) as avg_temp`")
    return True


def plan_condition(text: str, known: Sequence[str] | None, faults: list[str]) -> tuple[Compute, Compute] | None:
    """The closures of the condition in `text` and of its opposite; `known` columns, or None to take any name."""
    node = parsing.condition(text, faults)
    if node is None:
        return None
    if not is_condition(node):
        faults.append(f"`{node.sql()}` is no condition; write one such as `avg_temp > 26.0`")
        return None
    compiler = Compiler(lambda leaf, into: _selected(leaf, known, into), faults)
    holds = compiler.truth(node)
    return holds, Compiler(lambda leaf, _: _selected(leaf, known, []), []).truth(node, wanted=False)


def _named(part: Any, plan: Plan, faults: list[str]) -> tuple[str, Any]:
    if isinstance(part, exp.Alias):
        name, expression = part.alias, part.this
        if not parsing.is_column_name(name):
            faults.append(f"`{name}` is no column name: lower-case letters, digits and _")
    else:
        name, expression = parsing.dotted(part) or "", part
        if not name:
            faults.append(f"`{part.sql()}` needs a name: `{part.sql()} as some_name`")
    if name in {*plan.names, "device", "node", "rule", "severity"}:
        faults.append(f"`{name}` stands for something else already; choose another name")
    return name, expression


def _input(node: Any, plan: Plan, faults: list[str]) -> int | None:
    name = parsing.dotted(node)
    if name is not None:
        return plan.column("latest", name) if _is_metric(node, name, faults) else None
    aggregate = _aggregate(node)
    if aggregate is None:
        faults.append(
            f"{describe(node)}; allowed: metrics, {', '.join(f'{a}(metric)' for a in AGGREGATES)}, "
            f"{FUNCTIONS}, {OPERATORS}"
        )
        return None
    argument = _argument(node)
    metric = None if argument is None else parsing.dotted(argument)
    if metric is None:
        faults.append(f"`{node.sql()}`: {aggregate} takes one metric, such as `{aggregate}(air.temperature)`")
        return None
    return plan.column(aggregate, metric) if _is_metric(argument, metric, faults) else None


def _is_metric(node: Any, name: str, faults: list[str]) -> bool:
    if parsing.is_metric(node, name):
        return True
    faults.append(f"`{name}` is no metric name: dotted lower-case words, such as `air.temperature`")
    return False


def _aggregate(node: Any) -> Aggregate | None:
    if isinstance(node, exp.Anonymous) and str(node.this).lower() == "var":
        return "var"
    return _CALLS.get(type(node))


def _argument(node: Any) -> Any:
    if isinstance(node, exp.Anonymous):
        return node.expressions[0] if len(node.expressions) == 1 else None
    return None if node.expressions else node.this


def _selected(node: Any, known: Sequence[str] | None, faults: list[str]) -> int | None:
    name = parsing.dotted(node)
    if name is not None and known is None:
        return None
    if name is not None and known is not None and name in known:
        return known.index(name)
    columns = ", ".join(known) if known else "none"
    said = f"`{name}` is unknown" if name is not None else describe(node)
    faults.append(f"{said}; allowed: the selected columns ({columns}), {FUNCTIONS}, {OPERATORS}")
    return None
