"""Sessions: messages no more than `gap` apart, at most `most` from the first to the last.

A session ends when the watermark is later than the last message by more than `gap`, or than the first by more than
`most`; or with the next message, if that is. Its end is its last message's time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Rows
from holdfast.stream.state import State
from holdfast.stream.windows.regions import first_above
from holdfast.stream.windows.reorder import FAR
from holdfast.stream.windows.runs import Runs

Array = NDArray[Any]


class Sessions:
    """`Inner`."""

    needs_time = True

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._runs = Runs(state, plan)
        self._gap, self._most = plan.window.gap, plan.window.most or FAR

    def take(self, rows: Rows) -> Evaluations | None:
        """See `Inner`."""
        live = np.ones(len(rows), np.bool_) if rows.live is None else rows.live
        begins = np.zeros(len(rows), np.bool_)
        at = np.flatnonzero(live)
        if len(at):
            begins[at] = self._begins(rows, rows.ts[at], rows.key[at])
        cut = self._runs.cut(rows, begins, live)
        if not len(cut.key):
            return None
        due = self._due(cut.start, cut.last)
        upto = np.append(rows.firsts[1:], len(rows))[cut.key]
        closes = first_above(rows.ts, np.maximum(cut.ends + 1, rows.firsts[cut.key]), upto, due)
        return self._runs.settle(rows, cut, np.where(closes < upto, closes, -1), cut.last)

    def due(self, slots: int) -> Array:
        """See `Inner`."""
        every = np.arange(slots)
        due = self._due(self._runs.start(every), self._runs.last(every)) + 1
        return np.where(self._runs.is_open(every), due, FAR)

    def _due(self, start: Array, last: Array) -> Array:
        """The last moment at which a message would still be in the session."""
        return np.asarray(np.minimum(last + self._gap, start + self._most))

    def _begins(self, rows: Rows, ts: Array, key: Array) -> Array:
        """Which of the messages that count begin a session."""
        first = np.append(True, key[1:] != key[:-1])
        begins = np.empty(len(ts), np.bool_)
        begins[1:] = ts[1:] - ts[:-1] > self._gap
        slots = rows.slots[key[first]]
        is_open = self._runs.is_open(slots)
        begins[first] = ~is_open | (ts[first] - self._runs.last(slots) > self._gap)
        if self._most < FAR:
            begun = np.where(begins[first], ts[first], self._runs.start(slots))
            self._split(ts, begins, first, begun)
        return begins

    def _split(self, ts: Array, begins: Array, first: Array, begun: Array) -> None:
        """Split the stretches that take longer than `most`: one search for all stretches per session of the longest."""
        lo = np.flatnonzero(begins | first)
        hi = np.append(lo[1:], len(ts))
        since = ts[lo]
        since[first[lo]] = begun
        while len(lo):
            at = first_above(ts, lo, hi, since + self._most)
            more = at < hi
            lo, hi = at[more], hi[more]
            since = ts[lo]
            begins[lo] = True
