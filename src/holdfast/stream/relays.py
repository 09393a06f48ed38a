"""Rules that read other rules' results: a rule's selected columns as messages of another stage."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Judge, column
from holdfast.stream.rows import Rows
from holdfast.stream.stages import Stage

Array = NDArray[Any]


class Relay:
    """From one rule's results to the messages of a stage that reads them."""

    def __init__(self, judge: Judge, stage: Stage) -> None:
        names = judge.rule.names
        self._judge, self._stage = judge, stage
        self._columns = [names.index(one.metric) if one.kind == "own" else -1 for one in stage.plan.inputs]
        self._slot_of: NDArray[np.int32] = np.empty(0, np.int32)

    def rows(self, evaluations: Evaluations, selected: list[Any], judge: Judge) -> Rows | None:
        """The messages that these results are, None when the stage wants none of them."""
        self._grow()
        total = len(evaluations.row)
        above = np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, total)))
        slot = self._slot_of[above]
        if judge.is_mixed:
            slot = np.where(judge.mine[above], slot, -1)
        at = np.flatnonzero(slot >= 0)
        if not len(at):
            return None
        order = at[np.argsort(slot[at], kind="stable")]
        starts = np.append(True, np.diff(slot[order]) != 0)
        firsts = np.flatnonzero(starts)
        slots = slot[order][firsts]
        key = np.cumsum(starts) - 1
        columns, fresh = list[Array](), list[Array | None]()
        for i, c in enumerate(self._columns):
            value = self._stage.route.facts(i)[slots][key] if c < 0 else column(selected[c], total, np.float64)[order]
            known = ~np.isnan(value)
            columns.append(value)
            fresh.append(None if known.all() else known)
        return Rows(evaluations.row[order], evaluations.ts[order], key, firsts, slots, tuple(columns), tuple(fresh))

    def _grow(self) -> None:
        keys = self._judge.stage.route.keys
        route = self._stage.route
        new = [route.slot_for(*key) if route.is_meant(*key) else -1 for key in keys[len(self._slot_of) :]]
        self._slot_of = np.append(self._slot_of, np.array(new, np.int32))
