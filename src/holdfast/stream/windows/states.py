"""States: the messages while a condition holds, or from one condition to another, as a machine's cycles.

`while c`: from the first message with c to the first without (or unknown), which is not in the window but its end.
`from b to e`: from a message with b to the next later one with e, which is in the window and its end.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Rows
from holdfast.stream.state import State
from holdfast.stream.windows.reorder import FAR
from holdfast.stream.windows.runs import Runs

Array = NDArray[Any]


class States:
    """`Inner`."""

    needs_time = False

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._runs = Runs(state, plan)
        self._begin, self._end = plan.window.begin, plan.window.end

    def take(self, rows: Rows) -> Evaluations | None:
        """See `Inner`."""
        live = np.ones(len(rows), np.bool_) if rows.live is None else rows.live
        begin = live & (rows.columns[self._begin] == 1)
        end = live & (~begin if self._end < 0 else rows.columns[self._end] == 1)
        before, after = _states(begin, end, rows, self._runs.is_open(rows.slots))
        begins, ended = after & ~before, before & ~after
        cut = self._runs.cut(rows, begins, live & (after if self._end < 0 else before | after))
        if not len(cut.key):
            return None
        closes = np.full(len(cut.key), -1)
        at = np.flatnonzero(ended)
        known = np.cumsum(self._runs.is_open(rows.slots))
        closes[known[rows.key[at]] + np.cumsum(begins)[at] - 1] = at
        return self._runs.settle(rows, cut, closes, np.where(closes < 0, cut.last, rows.ts[closes]))

    def due(self, slots: int) -> Array:
        """See `Inner`: time ends no state."""
        return np.full(slots, FAR)


def _states(begin: Array, end: Array, rows: Rows, is_open: Array) -> tuple[Array, Array]:
    """Whether a window is open before and after each message.

    A message with b alone opens it, one with e alone ends it, one with both turns it about, one with neither leaves it.
    """
    n = len(begin)
    turns = np.cumsum(begin & end)
    settled = np.maximum.accumulate(np.where(begin != end, np.arange(n), -1))
    own = settled >= rows.firsts[rows.key]
    since = np.where(own, turns[settled], (turns - (begin & end))[rows.firsts][rows.key])
    after = np.where(own, begin[settled], is_open[rows.key]) ^ ((turns - since) % 2 == 1)
    before = np.empty(n, np.bool_)
    before[1:] = after[:-1]
    before[rows.firsts] = is_open
    return before, after
