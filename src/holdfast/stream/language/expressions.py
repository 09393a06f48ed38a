"""sqlglot trees to closures over numpy columns, compiled once at load.

A number that isn't known (nothing read yet, 0/0) is NaN, SQL's NULL. Conditions follow SQL: one that depends on an
unknown number holds neither as it stands nor under `not`. That costs nothing at run time: `not` is pushed down to the
comparisons while compiling, each comparison becomes its opposite, and numpy compares false with NaN.
Texts are codes (`stream.texts`): they can be compared for equality, and handed to functions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from sqlglot import exp

from holdfast.stream.language import parsing
from holdfast.stream.language.functions import FUNCTIONS, Arguments
from holdfast.stream.language.parsing import shown
from holdfast.stream.language.texting import like
from holdfast.stream.plans import Compute
from holdfast.stream.texts import known

Kind = Literal["number", "text", "truth"]
"""Of an expression's values; a truth is 1, 0 or, unknown, NaN."""

OPERATORS = "+ - * / %, = <> < <= > >=, and, or, not, between, in (…), like, is null, case when … then … else … end"


@dataclass(frozen=True, slots=True)
class Leaf:
    """The column that a name or a call stands for. kind: None where it's wrong elsewhere."""

    position: int
    kind: Kind | None


class Scope(Protocol):
    """What the names in an expression mean."""

    def leaf(self, node: Any, faults: list[str]) -> Leaf | None:
        """The column; None, and the fault told, for what isn't there."""
        ...


@dataclass(frozen=True, slots=True)
class Value:
    """An expression compiled. kind None: it's null, which is of any kind."""

    kind: Kind | None
    compute: Compute


def _divide(a: Any, b: Any) -> Any:
    return np.where(np.equal(b, 0.0), np.nan, np.divide(a, b))


def _modulo(a: Any, b: Any) -> Any:
    return np.where(np.equal(b, 0.0), np.nan, np.fmod(a, b))


def _differs(a: Any, b: Any) -> Any:
    return np.less(a, b) | np.greater(a, b)  # unlike !=, false when either is NaN


_BINARY: dict[type, Callable[..., Any]] = {
    exp.Add: np.add,
    exp.Sub: np.subtract,
    exp.Mul: np.multiply,
    exp.Div: _divide,
    exp.Mod: _modulo,
}
_OPPOSITE: dict[type, tuple[Callable[..., Any], Callable[..., Any]]] = {
    exp.GT: (np.greater, np.less_equal),
    exp.GTE: (np.greater_equal, np.less),
    exp.LT: (np.less, np.greater_equal),
    exp.LTE: (np.less_equal, np.greater),
    exp.EQ: (np.equal, _differs),
    exp.NEQ: (_differs, np.equal),
}
CONDITIONS = (exp.And, exp.Or, exp.Not, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike, *_OPPOSITE)
_UNKNOWN = Value(None, lambda _columns: np.nan)


class Compiler:
    """Compiles expressions whose names `scope` knows; collects every fault instead of the first."""

    def __init__(self, scope: Scope, faults: list[str], folder: Path = Path()) -> None:
        """folder: where the files lie that an expression names."""
        self._scope = scope
        self._faults = faults
        self.folder = folder

    def value(self, node: Any) -> Value:  # noqa: C901, PLR0911  # one case per kind of node
        """The closure that computes the expression per row, of whatever kind it is."""
        if isinstance(node, exp.Paren):
            return self.value(node.this)
        if isinstance(node, CONDITIONS):
            return Value("truth", _known_truth(self.truth(node), self.truth(node, wanted=False)))
        if isinstance(node, exp.Boolean):
            return Value("truth", _constant(np.float64(bool(node.this))))
        if isinstance(node, exp.Case):
            return self._case(node)
        if isinstance(node, exp.Literal):
            text = parsing.text_of(node)
            if text is not None:
                return Value("text", _text(text))
            number = constant(node)
            if number is None:
                self._faults.append(f"`{shown(node)}` is no number")
                return _UNKNOWN
            return Value("number", _constant(np.float64(number)))
        if isinstance(node, exp.Null):
            return _UNKNOWN
        if type(node) in _BINARY or isinstance(node, exp.Neg):
            return Value("number", self.number(node))
        if isinstance(node, exp.DPipe):
            return self._call("concat", [node.left, node.right], node)
        found = parsing.call(node)
        if found is not None and found[0] in FUNCTIONS and not (found[0] == "lookup" and len(found[1]) == 2):
            return self._call(*found, node)
        leaf = self._scope.leaf(node, self._faults)
        return _UNKNOWN if leaf is None else Value(leaf.kind, _column(leaf.position))

    def number(self, node: Any) -> Compute:
        """The closure that computes a number per row."""
        if isinstance(node, exp.Paren):
            return self.number(node.this)
        if type(node) in _BINARY:
            return _lift(_BINARY[type(node)], self.number(node.left), self.number(node.right))
        if isinstance(node, exp.Neg):
            return _lift(np.negative, self.number(node.this))
        if isinstance(node, CONDITIONS):
            self._faults.append(f"`{shown(node)}` is a condition where a number is wanted; use case when … end")
            return _UNKNOWN.compute
        return self._of_kind(node, "number")

    def truth(self, node: Any, wanted: bool = True) -> Compute:  # noqa: FBT001, FBT002 - the polarity of SQL's `not`
        """The closure that says per row whether the condition holds (or, not `wanted`, whether its opposite does)."""
        if isinstance(node, exp.Paren):
            return self.truth(node.this, wanted)
        if isinstance(node, exp.Not):
            return self.truth(node.this, not wanted)
        if isinstance(node, exp.And | exp.Or):
            both = isinstance(node, exp.And) is wanted
            joined = np.logical_and if both else np.logical_or
            return _lift(joined, self.truth(node.left, wanted), self.truth(node.right, wanted))
        if isinstance(node, exp.Boolean):
            return _constant(np.bool_(bool(node.this) is wanted))
        if type(node) in _OPPOSITE:
            return self._compared(node, wanted)
        if isinstance(node, exp.Like | exp.ILike):
            return self._like(node, wanted)
        return self._membership(node, wanted)

    def _compared(self, node: Any, wanted: bool) -> Compute:  # noqa: FBT001 - as in `truth`
        sides = [self._operand(node.left), self._operand(node.right)]
        kinds = {side.kind for side in sides} - {None}
        if "text" in kinds and not isinstance(node, exp.EQ | exp.NEQ):
            self._faults.append(f"`{shown(node)}`: texts have no order here; compare them with =, <>, in (…) or like")
        elif "text" in kinds and len(kinds) > 1:
            self._faults.append(
                f"`{shown(node)}` compares a text with a number; a text stands in single quotes, and a metric is read "
                "as text where it's compared with one, or as `text(metric)`"
            )
        operator = _OPPOSITE[type(node)][0 if wanted else 1]
        return _lift(operator, sides[0].compute, sides[1].compute)

    def _operand(self, node: Any) -> Value:
        if isinstance(node.unnest(), CONDITIONS):
            self._faults.append(f"`{shown(node)}` is a condition and can't be compared; use and, or, not")
            return _UNKNOWN
        return self.value(node)

    def _like(self, node: Any, wanted: bool) -> Compute:  # noqa: FBT001 - as in `truth`
        pattern = parsing.text_of(node.expression)
        if pattern is None:
            self._faults.append(f"`{shown(node)}`: like takes a text in single quotes, with % and _ as wildcards")
            return _UNKNOWN.compute
        found = like(pattern, ignores_case=isinstance(node, exp.ILike))
        text = self._of_kind(node.this, "text")
        expected = 1.0 if wanted is not bool(node.args.get("negate")) else 0.0
        return lambda columns: np.equal(found(text(columns)), expected)

    def _membership(self, node: Any, wanted: bool) -> Compute:  # noqa: FBT001 - as in `truth`
        if isinstance(node, exp.Between):
            low, high = (
                exp.GTE(this=node.this, expression=node.args["low"]),
                exp.LTE(this=node.this, expression=node.args["high"]),
            )
            return self.truth(exp.And(this=low, expression=high), wanted)
        if isinstance(node, exp.In) and node.expressions:
            parts = [self.truth(exp.EQ(this=node.this, expression=v), wanted) for v in node.expressions]
            return _joined(np.logical_or if wanted else np.logical_and, parts)
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            value = self.value(node.this).compute
            return _lift(np.isnan, value) if wanted else _lift(np.logical_not, _lift(np.isnan, value))
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Boolean):
            meant = self.truth(node.this, wanted=bool(node.expression.this))
            return meant if wanted else _lift(np.logical_not, meant)
        if not isinstance(node, CONDITIONS):
            before = len(self._faults)
            said = self.value(node)
            if said.kind == "truth":
                expected = np.float64(wanted)
                return lambda columns: np.equal(said.compute(columns), expected)
            if said.kind is None or len(self._faults) > before:
                return _UNKNOWN.compute
        self._faults.append(f"`{shown(node)}` is not a condition; write one such as `{shown(node)} > 0`")
        return _constant(np.False_)

    def _case(self, node: Any) -> Value:
        tests, values = [], []
        for branch in node.args["ifs"]:
            meant = branch.this if node.this is None else exp.EQ(this=node.this, expression=branch.this)
            tests.append(self.truth(meant))
            values.append(self.value(branch.args["true"]))
        default = node.args.get("default")
        values.append(_UNKNOWN if default is None else self.value(default))
        return Value(self._common(values, node), _choice(tests, [v.compute for v in values]))

    def _call(self, name: str, arguments: Sequence[Any], node: Any) -> Value:
        function = FUNCTIONS[name]
        if not function.least <= len(arguments) <= function.most:
            self._faults.append(f"`{shown(node)}`: write `{function.usage}`")
            return _UNKNOWN
        made = function.make(_Given(self, list(arguments), node, self._faults))
        return _UNKNOWN if made is None else Value(made[0], made[1])

    def _common(self, values: Sequence[Value], node: Any) -> Kind | None:
        kinds = sorted({v.kind for v in values if v.kind is not None})
        if "text" in kinds and len(kinds) > 1:
            self._faults.append(f"`{shown(node)}` is text here and a number there; make it one of them")
        return kinds[0] if kinds else None

    def _of_kind(self, node: Any, kind: Kind) -> Compute:
        value = self.value(node)
        if kind == "text" and value.kind not in ("text", None):
            self._faults.append(
                f"`{shown(node)}` is a number, and a text is wanted; a metric is text as `text(metric)`"
            )
        elif kind == "number" and value.kind == "text":
            self._faults.append(f"`{shown(node)}` is text; only numbers can be computed with")
        return value.compute


class _Given:
    """A function's arguments: `functions.Arguments`."""

    def __init__(self, compiler: Compiler, nodes: list[Any], node: Any, faults: list[str]) -> None:
        self._compiler, self._nodes, self._node, self._faults = compiler, nodes, node, faults

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def folder(self) -> Path:
        return self._compiler.folder

    def number(self, i: int) -> Compute:
        return self._compiler.number(self._nodes[i])

    def text(self, i: int) -> Compute:
        return self._compiler._of_kind(self._nodes[i], "text")  # noqa: SLF001 - its own helper

    def truth(self, i: int) -> Compute:
        return self._compiler.truth(self._nodes[i])

    def same(self, first: int = 0) -> tuple[Kind | None, list[Compute]]:
        values = [self._compiler.value(node) for node in self._nodes[first:]]
        return self._compiler._common(values, self._node), [v.compute for v in values]  # noqa: SLF001 - as above

    def any(self, i: int) -> tuple[Kind | None, Compute]:
        value = self._compiler.value(self._nodes[i])
        return value.kind, value.compute

    def literal(self, i: int) -> str | None:
        return parsing.text_of(self._nodes[i])

    def constant(self, i: int) -> float | None:
        return constant(self._nodes[i])

    def refuse(self, why: str) -> None:
        self._faults.append(f"`{shown(self._node)}`: {why}")


def constant(node: Any) -> float | None:
    """The number that a literal is."""
    node = node.unnest()
    if isinstance(node, exp.Neg):
        inner = constant(node.this)
        return None if inner is None else -inner
    if not isinstance(node, exp.Literal) or node.is_string:
        return None
    try:
        return float(node.this)
    except ValueError:  # sqlglot takes `8a` and `0x1` for numbers
        return None


_CHECKED: type[Arguments] = _Given


def _column(position: int) -> Compute:
    return lambda columns: columns[position]


def _constant(value: Any) -> Compute:
    return lambda _columns: value


def _text(text: str) -> Compute:
    return lambda _columns: known().number(text)


def _known_truth(holds: Compute, fails: Compute) -> Compute:
    return lambda c: np.where(holds(c), 1.0, np.where(fails(c), 0.0, np.nan))


def _choice(tests: Sequence[Compute], values: Sequence[Compute]) -> Compute:
    def choose(columns: Sequence[Any]) -> Any:
        result = values[-1](columns)
        for test, value in zip(reversed(tests), reversed(values[:-1]), strict=True):
            result = np.where(test(columns), value(columns), result)
        return result

    return choose


def _joined(operator: Callable[..., Any], parts: Sequence[Compute]) -> Compute:
    def join(columns: Sequence[Any]) -> Any:
        result = parts[0](columns)
        for part in parts[1:]:
            result = operator(result, part(columns))
        return result

    return join


def _lift(operator: Callable[..., Any], *parts: Compute) -> Compute:
    if len(parts) == 1:
        (one,) = parts
        return lambda c: operator(one(c))
    left, right = parts
    return lambda c: operator(left(c), right(c))
