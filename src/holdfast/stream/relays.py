"""Rules that read other rules' results: a rule's selected columns as messages of another stage."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Judge, column
from holdfast.stream.rows import Rows
from holdfast.stream.stages import Stage

Array = NDArray[Any]
_UNKNOWN = -2
_CUT = {"tumbling", "hopping", "calendar"}


class Relay:
    """From one rule's results to the messages of a stage that reads them."""

    def __init__(self, judge: Judge, stage: Stage) -> None:
        names = judge.rule.names
        self._judge, self._stage = judge, stage
        self._columns = [names.index(one.metric) if one.kind == "own" else -1 for one in stage.plan.inputs]
        self._slot_of: NDArray[np.int32] = np.empty(0, np.int32)
        # A window's result bears its end, which is no part of it: within a longer window it belongs before that.
        self._inward = int({judge.stage.plan.window.kind, stage.plan.window.kind} <= _CUT)

    def rows(self, evaluations: Evaluations, selected: list[Any], judge: Judge) -> tuple[Rows, Array | None] | None:
        """The messages that these results are, None when the stage wants none of them; how far their keys are behind.

        A key below goes by the clock of the one whose results it reads, less what those wait for. None: by its own, as
        results of windows without a time are no sign of what time it is.
        """
        total = len(evaluations.row)
        above = np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, total)))
        self._grow(above)
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
        ts = evaluations.ts[order] - self._inward
        rows = Rows(evaluations.row[order], ts, key, firsts, slots, tuple(columns), tuple(fresh))
        wait = self._judge.stage.wait
        return rows, None if wait is None else np.minimum.reduceat(
            self._judge.stage.clocks.behind(above[order]), firsts
        ) + wait

    def _grow(self, above: Array) -> None:
        """Know the keys that these results are of; others, of which there's none yet, aren't keys below."""
        keys, route = self._judge.stage.route.keys, self._stage.route
        more = len(keys) - len(self._slot_of)
        if more:
            self._slot_of = np.append(self._slot_of, np.full(more, _UNKNOWN, np.int32))
        new = above[self._slot_of[above] == _UNKNOWN]
        for slot in dict.fromkeys(new.tolist()):
            self._slot_of[slot] = route.slot_for(*keys[slot]) if route.is_meant(*keys[slot]) else -1
