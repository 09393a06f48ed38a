"""sqlglot trees to closures over numpy columns, compiled once at load.

A number that isn't known (nothing read yet, 0/0) is NaN, SQL's NULL. Conditions follow SQL: one that depends on an
unknown number holds neither as it stands nor under `not`. That costs nothing at run time: `not` is pushed down to the
comparisons while compiling, each comparison becomes its opposite, and numpy compares false with NaN.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from sqlglot import exp

from holdfast.stream.plans import Compute

Resolve = Callable[[Any, list[str]], int | None]
"""The position of the column that a name or an aggregate call stands for; None, and the fault told, for any other."""

FUNCTIONS = "abs, coalesce, case when … then … else … end"
OPERATORS = "+ - * / %, = <> < <= > >=, and, or, not, between, in (…), is null"


def _divide(a: Any, b: Any) -> Any:
    return np.where(np.equal(b, 0.0), np.nan, np.divide(a, b))


def _differs(a: Any, b: Any) -> Any:
    return np.less(a, b) | np.greater(a, b)  # unlike !=, false when either is NaN


_BINARY: dict[type, Callable[..., Any]] = {
    exp.Add: np.add,
    exp.Sub: np.subtract,
    exp.Mul: np.multiply,
    exp.Div: _divide,
    exp.Mod: np.fmod,
}
_OPPOSITE: dict[type, tuple[Callable[..., Any], Callable[..., Any]]] = {
    exp.GT: (np.greater, np.less_equal),
    exp.GTE: (np.greater_equal, np.less),
    exp.LT: (np.less, np.greater_equal),
    exp.LTE: (np.less_equal, np.greater),
    exp.EQ: (np.equal, _differs),
    exp.NEQ: (_differs, np.equal),
}
_CONDITIONS = (exp.And, exp.Or, exp.Not, exp.Between, exp.In, exp.Is, *_OPPOSITE)


def is_condition(node: Any) -> bool:
    """Whether the expression is true or false rather than a number."""
    return isinstance(node.unnest(), (*_CONDITIONS, exp.Boolean))


class Compiler:
    """Compiles expressions whose names `resolve` knows; collects every fault instead of the first."""

    def __init__(self, resolve: Resolve, faults: list[str]) -> None:
        self._resolve = resolve
        self._faults = faults

    def number(self, node: Any) -> Compute:
        """The closure that computes a number per row."""
        if isinstance(node, exp.Paren):
            return self.number(node.this)
        if type(node) in _BINARY:
            return _lift(_BINARY[type(node)], self.number(node.left), self.number(node.right))
        if isinstance(node, exp.Neg):
            return _lift(np.negative, self.number(node.this))
        if isinstance(node, exp.Abs):
            return _lift(np.abs, self.number(node.this))
        if isinstance(node, exp.Coalesce):
            return reduce(_either, [self.number(part) for part in (node.this, *node.expressions)])
        if isinstance(node, exp.Case | exp.If):
            return self._case(node)
        return self._leaf(node)

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
            operator = _OPPOSITE[type(node)][0 if wanted else 1]
            return _lift(operator, self._compared(node.left), self._compared(node.right))
        return self._membership(node, wanted)

    def _membership(self, node: Any, wanted: bool) -> Compute:  # noqa: FBT001 - as in `truth`
        if isinstance(node, exp.Between):
            low, high = (
                exp.GTE(this=node.this, expression=node.args["low"]),
                exp.LTE(this=node.this, expression=node.args["high"]),
            )
            return self.truth(exp.And(this=low, expression=high), wanted)
        if isinstance(node, exp.In) and node.expressions:
            parts = [self.truth(exp.EQ(this=node.this, expression=v), wanted) for v in node.expressions]
            joined = np.logical_or if wanted else np.logical_and
            return reduce(lambda a, b: _lift(joined, a, b), parts)
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            value = self.number(node.this)
            return _lift(np.isnan, value) if wanted else _lift(np.logical_not, _lift(np.isnan, value))
        self._faults.append(f"`{_sql(node)}` is not a condition; write one such as `{_sql(node)} > 0`")
        return _constant(np.False_)

    def _compared(self, node: Any) -> Compute:
        if isinstance(node.unnest(), _CONDITIONS):
            self._faults.append(f"`{_sql(node)}` is a condition and can't be compared; use and, or, not")
            return _constant(np.nan)
        return self.number(node)

    def _case(self, node: Any) -> Compute:
        branches = [node] if isinstance(node, exp.If) else node.args["ifs"]
        subject = None if isinstance(node, exp.If) else node.this
        fallback = node.args.get("false" if isinstance(node, exp.If) else "default")
        value = _constant(np.nan) if fallback is None else self.number(fallback)
        for branch in reversed(branches):
            test = branch.this if subject is None else exp.EQ(this=subject, expression=branch.this)
            value = _lift(np.where, self.truth(test), self.number(branch.args["true"]), value)
        return value

    def _leaf(self, node: Any) -> Compute:
        if isinstance(node, exp.Literal) and not node.is_string:
            return _constant(np.float64(node.this))
        if isinstance(node, exp.Boolean):
            return _constant(np.float64(bool(node.this)))
        if isinstance(node, exp.Null):
            return _constant(np.nan)
        if isinstance(node, _CONDITIONS):
            self._faults.append(f"`{_sql(node)}` is a condition where a number is wanted; use case when … end")
            return _constant(np.nan)
        found = self._resolve(node, self._faults)
        if found is None:
            return _constant(np.nan)
        return lambda columns: columns[found]


def describe(node: Any) -> str:
    """The fault for an expression that isn't available."""
    if isinstance(node, exp.Literal):
        return f"{_sql(node)} is text; only numbers can be computed with"
    return f"`{_sql(node)}` isn't available"


def _sql(node: Any) -> str:
    text = str(node.sql())
    return text if len(text) <= 80 else text[:77] + "..."


def _constant(value: Any) -> Compute:
    return lambda _columns: value


def _lift(operator: Callable[..., Any], *parts: Compute) -> Compute:
    if len(parts) == 1:
        (one,) = parts
        return lambda c: operator(one(c))
    if len(parts) == 2:
        left, right = parts
        return lambda c: operator(left(c), right(c))
    return lambda c: operator(*(part(c) for part in parts))


def _either(first: Compute, second: Compute) -> Compute:
    def pick(columns: Sequence[Any]) -> Any:
        value = first(columns)
        return np.where(np.isnan(value), second(columns), value)

    return pick
