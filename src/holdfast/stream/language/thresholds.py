"""Finds rules that are nothing but a threshold: `when: t > 80`, cleared by nothing, or by a limit the other way.

The shape is read from the text; the limits are read from the compiled conditions, by bisection over all numbers. So
whatever may be written beside the number (a unit that is converted) is in them, and they are exact to the last bit.
"""

import re
from dataclasses import replace
from typing import Any

import numpy as np

from holdfast.stream.language import parsing
from holdfast.stream.plans import Compute, Threshold
from holdfast.stream.rules import CompiledRule

_NUMBER = r"[-+]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:\s*'[^']*')?"
_RIGHT = re.compile(rf"([a-z_][a-z0-9_.]*)\s*(<=|>=|<|>)\s*{_NUMBER}")
_LEFT = re.compile(rf"{_NUMBER}\s*(<=|>=|<|>)\s*([a-z_][a-z0-9_.]*)")
_ROUND = 1 << 10


def with_threshold(rule: CompiledRule, select: str, clear_when: str | None) -> CompiledRule:
    """The rule, with its threshold if it is one. select, clear_when: as written."""
    shape = _shape(rule.when_text)
    if shape is None or rule.when is None or rule.clear is None or rule.alarm.kind != "condition":
        return rule
    name, above = shape
    if name not in rule.names or name in {rule.names[i] for i in rule.texts}:
        return rule
    if clear_when is not None and _shape(clear_when) != (name, not above):
        return rule
    column, text = rule.names.index(name), _expression(select, name)
    limit, clear = _edge(rule, rule.when, column, above=above), _edge(rule, rule.clear, column, above=not above)
    if text is None or limit is None or clear is None:
        return rule
    return replace(rule, threshold=Threshold(text, column, above, limit, clear))


def _shape(text: str) -> tuple[str, bool] | None:
    """The column that is compared with a number, and whether values above it are meant."""
    if found := _RIGHT.fullmatch(text.strip()):
        return found[1], found[2].startswith(">")
    if found := _LEFT.fullmatch(text.strip()):
        return found[2], found[1].startswith("<")
    return None


def _expression(select: str, name: str) -> str | None:
    """What is selected under a name, in canonical form."""
    for part in parsing.columns(select, []) or []:
        if part.alias == name:
            return str(part.this.sql(comments=False))
        if not part.alias and parsing.dotted(part) == name:
            return str(part.sql(comments=False))
    return None


def _edge(rule: CompiledRule, condition: Compute, column: int, *, above: bool) -> float | None:
    """The number beyond which the condition holds, itself excluded; None when there is none."""
    low, high = _ordinal(-np.inf), _ordinal(np.inf)
    while high - low > 1:  # narrowed a thousandfold in each round
        step = max((high - low) // _ROUND, 1)
        tried = np.array([*range(low, high, step), high], np.int64)
        holds = _ask(rule, condition, column, _number(tried))
        if holds[0] == holds[-1] or holds[-1] != above:
            return None
        first = int(np.argmax(holds == above))
        low, high = int(tried[first - 1]), int(tried[first])
    return float(_number(np.array([low if above else high], np.int64))[0])


def _ask(rule: CompiledRule, condition: Compute, column: int, values: Any) -> Any:
    columns = [np.full(len(values), np.nan) for _ in rule.names]
    columns[column] = values
    with np.errstate(all="ignore"):
        return np.broadcast_to(condition(columns), (len(values),)).astype(np.bool_)


def _ordinal(number: float) -> int:
    """A float's place among all floats."""
    bits = int(np.float64(number).view(np.int64))
    return bits if bits >= 0 else -(bits & ((1 << 63) - 1))


def _number(ordinals: Any) -> Any:
    """The floats at these places."""
    return np.where(ordinals >= 0, ordinals, np.int64(-(1 << 63)) - ordinals).view(np.float64)
