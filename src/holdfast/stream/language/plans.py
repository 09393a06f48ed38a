"""What a rule's `select` and conditions compute, as closures over the aggregates of its window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlglot import exp

from holdfast.kernel.scalars import parse_duration
from holdfast.stream.language import parsing
from holdfast.stream.language.expressions import CONDITIONS, OPERATORS, Compiler, Kind, Leaf, constant
from holdfast.stream.language.functions import FUNCTIONS
from holdfast.stream.language.naming import FACTS, Tree
from holdfast.stream.language.nearness import near
from holdfast.stream.language.parsing import call, shown, text_of
from holdfast.stream.language.staging import (
    FACTS_OF,
    ROW_FUNCTIONS,
    Stage,
    describe,
    has_quality,
    is_row_function,
)
from holdfast.stream.language.vibrating import USAGES, vibration_call
from holdfast.stream.plans import Compute, Threshold, WindowSpec

AGGREGATES: dict[str, str] = {
    "count": "count(x)", "sum": "sum(x)", "avg": "avg(x)", "min": "min(x)", "max": "max(x)", "stddev": "stddev(x)",
    "var": "var(x)", "first": "first(x)", "last": "last(x)", "range": "range(x)", "median": "median(x)",
    "percentile": "percentile(x, 0.95)", "approx_percentile": "approx_percentile(x, 0.95)", "time_avg": "time_avg(x)",
    "integral": "integral(x)", "derivative": "derivative(x)", "slope": "slope(x)", "rate": "rate(x)",
    "increase": "increase(x)", "completeness": "completeness(x, '1s')", "distinct": "distinct(x)", "mode": "mode(x)",
    "top": "top(x, k)", "good": "good(x)", "uncertain": "uncertain(x)", "bad": "bad(x)", "rms": "rms(x)",
    "crest_factor": "crest_factor(x)", "kurtosis": "kurtosis(x)", "skewness": "skewness(x)", **USAGES,
}  # fmt: skip
"""By name, how each is written."""
ALIASES = {
    "mean": "avg",
    "average": "avg",
    "stdev": "stddev",
    "variance": "var",
    "last_value": "last",
    "first_value": "first",
}
_OF_TEXTS = frozenset({"count", "first", "last", "distinct", "mode", "good", "uncertain", "bad"})
_KEEPING = frozenset({"first", "last", "mode", "min", "max"})
"""Aggregates of which the result is one of the samples."""
MOST_TOP = 100


@dataclass(frozen=True, slots=True)
class Selected:
    """A selected column, compiled. kind: None where it couldn't be."""

    name: str
    kind: Kind | None
    compute: Compute


class Windows:
    """Names in `select`: metrics (their last value), aggregates over the window, facts of the window."""

    def __init__(self, stage: Stage, window: WindowSpec) -> None:
        self._stage, self._window = stage, window

    def leaf(self, node: Any, faults: list[str]) -> Leaf | None:
        """See `Scope`."""
        name = parsing.dotted(node)
        if name in FACTS and not parsing.is_quoted(node):
            return self._fact(name, faults)
        if parsing.shown(node).lower() == "system.timestamp()":  # what Stream Analytics calls it
            return self._fact("window_end", faults)
        found = call(node)
        if found is not None and ALIASES.get(found[0], found[0]) in AGGREGATES:
            return self._aggregate(ALIASES.get(found[0], found[0]), found[1], node, faults)
        if found is not None and found[0] in FACTS and not found[1]:
            return self._fact(found[0], faults)
        if name is None and not is_row_function(node):
            names = ", ".join(f"{a}(metric)" for a in AGGREGATES)
            known = [*AGGREGATES, *ROW_FUNCTIONS, *FUNCTIONS]
            guess = "" if found is None else near(found[0], known)
            faults.append(
                f"{describe(node)}{guess}; allowed: metrics, {names}, {', '.join(ROW_FUNCTIONS)}, {OPERATORS}"
            )
            return None
        column = self._stage.column(node, faults)
        return None if column is None else Leaf(self._stage.call("last", column.position), column.kind)

    def _fact(self, name: str, faults: list[str]) -> Leaf | None:
        if name not in FACTS_OF.get(self._window.kind, FACTS):
            faults.append(
                f"`{name}` isn't known of `window: {self._window.text}`; it is of windows cut by time or count"
            )
            return None
        return Leaf(self._stage.call(name), "truth" if name == "final" else "number")

    def _aggregate(  # noqa: C901, PLR0911  # one check after the other
        self, name: str, arguments: list[Any], node: Any, faults: list[str]
    ) -> Leaf | None:
        if arguments and isinstance(arguments[0], exp.Distinct):
            arguments = [*arguments[0].expressions, *arguments[1:]]
            if name != "count":
                faults.append(f"`{shown(node)}`: only count takes `distinct`")
                return None
            name = "distinct"
        if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
            return self._fact("messages", faults)
        if name in USAGES:
            return vibration_call(self._stage, self._window, name, arguments, node, faults)
        takes = 2 if "," in AGGREGATES[name] else 1
        if len(arguments) != takes or isinstance(arguments[0], exp.Star):
            usage = AGGREGATES[name].replace("(x", "(air.temperature")
            faults.append(
                f"`{shown(node)}`: {name} takes {'one column' if takes == 1 else 'two arguments'}, as in `{usage}`"
            )
            return None
        column = self._stage.column(arguments[0], faults)
        if column is None:
            return None
        if name in ("good", "uncertain", "bad") and not has_quality(self._stage, column, faults, node):
            return None
        if column.kind == "text" and name not in _OF_TEXTS:
            faults.append(f"`{shown(node)}`: {name} of a text; texts have {', '.join(sorted(_OF_TEXTS))}")
            return None
        second = _second(name, arguments[1], node, faults) if takes == 2 else 0.0
        if second is None:
            return None
        kind: Kind | None = column.kind if name in _KEEPING else "number"
        return Leaf(self._stage.call(name, column.position, (second,) if takes == 2 else ()), kind)


def _second(name: str, node: Any, whole: Any, faults: list[str]) -> float | None:
    if name == "completeness":
        try:
            every = parse_duration(text_of(node) or "")
        except ValueError:
            every = 0.0
        if not every > 0:
            faults.append(f"`{shown(whole)}`: how often samples come is a duration in single quotes, as in `'10s'`")
        return every or None
    number = constant(node)
    if name == "top" and number is not None and number.is_integer() and 1 <= number <= MOST_TOP:
        return number
    if name != "top" and number is not None and 0 <= number <= 1:
        return number
    wanted = f"a whole number, 1 to {MOST_TOP}" if name == "top" else "a number from 0 to 1"
    faults.append(f"`{shown(whole)}`: the second argument is {wanted}")
    return None


class Columns:
    """Names in conditions: the selected columns."""

    def __init__(self, known: Sequence[tuple[str, Kind | None]]) -> None:
        self._names = [name for name, _ in known]
        self._kinds = [kind for _, kind in known]

    def leaf(self, node: Any, faults: list[str]) -> Leaf | None:
        """See `Scope`."""
        name = parsing.dotted(node)
        if name is not None and name in self._names:
            at = self._names.index(name)
            return Leaf(at, self._kinds[at])
        said = f"`{name}` is unknown{near(name, self._names)}" if name is not None else describe(node)
        if call(node) is not None:
            said += "; give it a name in `select`"
        faults.append(
            f"{said}; allowed: the selected columns ({', '.join(self._names) or 'none'}), functions of values, "
            f"{OPERATORS}"
        )
        return None


def compile_select(trees: Sequence[Tree], stage: Stage, window: WindowSpec, faults: list[str]) -> list[Selected]:
    """The selected columns."""
    compiler = Compiler(Windows(stage, window), faults, stage.folder)
    selected = []
    for tree in trees:
        before = len(faults)
        value = compiler.value(tree.node)
        selected.append(Selected(tree.name, value.kind or "number" if len(faults) == before else None, value.compute))
    if not any(one.kind == "own" for one in stage.inputs) and not faults:
        faults.append("reads no metric; select one, such as `avg(air.temperature) as avg_temp`")
    return selected


def compile_condition(
    node: Any, known: Sequence[tuple[str, Kind | None]], folder: Any, faults: list[str]
) -> tuple[Compute, Compute] | None:
    """The closures of a condition over selected columns, and of its opposite."""
    before = len(faults)
    compiler = Compiler(Columns(known), faults, folder)
    if not isinstance(node.unnest(), (*CONDITIONS, exp.Boolean)):
        value = compiler.value(node)
        if len(faults) > before:
            return None
        if value.kind is None:
            return None
        if value.kind != "truth":
            faults.append(f"`{shown(node.unnest())}` is no condition; write one such as `avg_temp > 26.0`")
            return None
    holds = compiler.truth(node)
    if len(faults) > before:
        return None
    return holds, Compiler(Columns(known), [], folder).truth(node, wanted=False)


@dataclass(frozen=True, slots=True)
class _Limit:
    column: int
    above: bool
    or_equal: bool
    limit: float

    @property
    def edge(self) -> float:
        """The number beyond which it holds, itself excluded."""
        inward = -np.inf if self.above else np.inf
        return float(np.nextafter(self.limit, inward)) if self.or_equal else self.limit


def threshold(when: Any, clear: Any | None, names: Sequence[str], works: Mapping[str, str]) -> Threshold | None:
    """`when` and `clear` as limits of one column, where they're no more than that. works: columns' texts by name."""
    holds = _limit(when, names)
    if holds is None:
        return None
    ends = (
        _Limit(holds.column, not holds.above, not holds.or_equal, holds.limit)
        if clear is None
        else _limit(clear, names)
    )
    if ends is None or ends.column != holds.column or ends.above == holds.above:
        return None
    text = works.get(names[holds.column])
    return None if text is None else Threshold(text, holds.column, holds.above, holds.edge, ends.edge)


def _limit(node: Any, names: Sequence[str]) -> _Limit | None:
    node = node.unnest()
    if not isinstance(node, exp.GT | exp.GTE | exp.LT | exp.LTE):
        return None
    name, limit = parsing.dotted(node.left.unnest()), constant(node.right)
    above, or_equal = isinstance(node, exp.GT | exp.GTE), isinstance(node, exp.GTE | exp.LTE)
    if name is None or limit is None:
        name, limit, above = parsing.dotted(node.right.unnest()), constant(node.left), not above
    if name is None or name not in names or limit is None or not np.isfinite(limit):
        return None
    return _Limit(list(names).index(name), above, or_equal, limit)
