"""Sliding count windows: the last N samples of each metric of a device; `none` is N = 1.

Samples count in order of arrival. A rule with one metric is evaluated at every sample. With several, neighbouring
rows of a device with the same time are one evaluation (one message), and a metric that isn't in it keeps its window.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates import Windows
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.state import State
from holdfast.stream.tapes import Ring

if TYPE_CHECKING:
    from holdfast.stream.plans import Plan

Array = NDArray[Any]


class SlidingWindows:
    """One rule's sliding windows of `width` samples."""

    def __init__(self, state: State, plan: "Plan", width: int) -> None:
        self._plan = plan
        self._width = width
        self._rings = [Ring(state, f"ring{m}", width) for m in range(len(plan.metrics))]

    def feed(self, rows: Rows) -> tuple[Evaluations | None, Skipped | None]:
        """Every sample, or every message of several metrics, is an evaluation; none is ever late."""
        if rows.metric is None:
            return self._feed_one(rows), None
        return self._feed_many(rows, rows.metric), None

    def close(self, now_ns: int) -> None:  # noqa: ARG002 - the windowing port's
        """Nothing is ever due: samples decide, not time."""
        return

    def _feed_one(self, rows: Rows) -> Evaluations:
        n = self._width
        tape = self._rings[0].splice(rows.slots, rows.firsts, rows.device, rows.ts, rows.value)
        starts = rows.device * n
        starts += np.arange(1, len(starts) + 1)
        windows = Windows(tape.values, n, starts)
        inputs = [windows.get(aggregate) for aggregate, _ in self._plan.inputs]
        return Evaluations(rows.slots, rows.firsts, rows.row, rows.ts, inputs, [tape], [starts + n], [None])

    def _feed_many(self, rows: Rows, metric: Array) -> Evaluations:
        n = self._width
        last = np.ones(len(rows.ts), np.bool_)
        last[:-1] = (rows.ts[1:] != rows.ts[:-1]) | (rows.device[1:] != rows.device[:-1])
        at = np.flatnonzero(last)
        device = rows.device[at]
        windows, tapes, ends = [], [], []
        for m, ring in enumerate(self._rings):
            mine = metric == m
            seen = np.cumsum(mine)
            firsts = seen[rows.firsts] - mine[rows.firsts]
            tape = ring.splice(rows.slots, firsts, rows.device[mine], rows.ts[mine], rows.value[mine])
            starts = device * n + seen[at]
            windows.append(Windows(tape.values, n, starts))
            tapes.append(tape)
            ends.append(starts + n)
        inputs = [windows[m].get(aggregate) for aggregate, m in self._plan.inputs]
        firsts = np.searchsorted(at, rows.firsts)
        return Evaluations(
            rows.slots, firsts, rows.row[at], rows.ts[at], inputs, tapes, ends, [None] * len(self._rings)
        )
