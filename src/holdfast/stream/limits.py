"""The numbers that a rule's columns are held against, for showing them."""

import re
from dataclasses import dataclass

from holdfast.stream.rules import CompiledRule

_COMPARED = re.compile(r'"?([a-z_][\w.]*)"?\s*(?:<=|>=|<|>|=)\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?!\s*[\'\w.])')


@dataclass(frozen=True, slots=True)
class Limit:
    """A selected column's position, the number, and whether it ends the alert rather than raises it."""

    column: int
    value: float
    clears: bool


def limits(rule: CompiledRule) -> list[Limit]:
    """What `when` and `clear_when` compare a selected column with; nothing for what is less plain than that."""
    if rule.threshold is not None:
        one = rule.threshold
        return list(dict.fromkeys([Limit(one.column, one.limit, False), Limit(one.column, one.clear, True)]))[
            : 1 if one.limit == one.clear else 2
        ]
    found = list[Limit]()
    for text, clears in ((rule.when_text, False), (rule.clear_text, True)):
        for name, number in _COMPARED.findall(text):
            if name in rule.names and (rule.names.index(name), float(number)) not in {
                (o.column, o.value) for o in found
            }:
                found.append(Limit(rule.names.index(name), float(number), clears))
    return found
