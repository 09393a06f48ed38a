"""Looks on at rules: every evaluation's selected columns, as whole columns, without taking part."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.engine import Engine
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Judge, column
from holdfast.stream.relays import Relay
from holdfast.stream.rules import CompiledRule

Take = Callable[[Judge, Evaluations, list[Any]], None]
"""(rule at work, evaluations, its selected columns)."""


class Onlooker(Relay):
    """Stands where a rule that reads another's results would, and reads none."""

    def __init__(self, take: Take) -> None:
        self._take = take

    def rows(self, evaluations: Evaluations, selected: list[Any], judge: Judge) -> None:
        """See `Relay`: no messages."""
        self._take(judge, evaluations, selected)


def look_on(engine: Engine, take: Take, wanted: Callable[[CompiledRule], bool] = lambda _: True) -> None:
    """Tell `take` of all that the wanted rules select from now on."""
    for line in engine.lines:
        line.relays += [(judge, Onlooker(take), line) for judge in line.judges if wanted(judge.rule)]
        line.seat()  # rules that are looked at aren't judged in a panel


def gives_results(rule: CompiledRule) -> bool:
    """Whether every evaluation of a rule is a result, for want of a condition."""
    return rule.when is None and rule.alarm.kind == "condition"


def slots_of(evaluations: Evaluations, judge: Judge) -> tuple[NDArray[Any], NDArray[Any]]:
    """The evaluations that are the rule's own, ascending, and their slots; others share its stage."""
    slot = np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, len(evaluations.row))))
    at = np.flatnonzero(judge.mine[slot]) if judge.is_mixed else np.arange(len(slot))
    return at, slot[at]


def shown(judge: Judge, selected: list[Any], at: NDArray[Any], total: int, engine: Engine) -> list[list[Any]]:
    """The selected columns at some evaluations, as people read them: numbers, texts, None where unknown."""
    columns = []
    for i, one in enumerate(selected):
        values = column(one, total, np.float64)[at].tolist()
        is_text = i in judge.rule.texts
        columns.append([engine.texts.text(v) if is_text else v if v - v == 0 else None for v in values])
    return columns
