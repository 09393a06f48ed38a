"""Tumbling windows: event time per device, aligned to the epoch.

A window is evaluated when a sample of a later one arrives from the same device, or on `close` when its end and a grace
have passed. A sample of a window that was closed, or of one before the open one, is late: counted, not used. So each
device has at most one open window. A window without samples is no evaluation.

State per slot: `window`, the number of the last window opened; `open`, whether it still is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import EVIDENCE, Evaluations
from holdfast.stream.plans import Plan
from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.state import State
from holdfast.stream.tapes import Ring, Tape
from holdfast.stream.totals import Totals, finish
from holdfast.stream.windows import Window

Array = NDArray[Any]
_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True)
class _Cut:
    """A batch's rows cut into windows ("groups"), in order of device and time.

    accepted: rows that aren't late, shape (n,)
    group:    the rows' window, shape (n,)
    carried:  the window that each device's state holds, shape (D,); empty when none is open
    number:   each window's number since the epoch, shape (G,)
    opener:   the row that opened each window, shape (G,); -1 for carried ones
    """

    accepted: Array
    group: Array
    carried: Array
    number: Array
    opener: Array


class TumblingWindows:
    """One rule's tumbling windows."""

    def __init__(self, state: State, plan: Plan, window: Window) -> None:
        self._state = state
        self._plan = plan
        self._width = window.width_ns
        self._grace = window.grace_ns
        metrics = range(len(plan.metrics))
        state.declare("window", np.int64, _NEVER)
        state.declare("open", np.bool_, 0)
        self._totals = [Totals(state, f"totals{m}", [a for a, of in plan.inputs if of == m]) for m in metrics]
        self._rings = [Ring(state, f"ring{m}", EVIDENCE) for m in metrics]

    def feed(self, rows: Rows) -> tuple[Evaluations | None, Skipped | None]:
        """The windows that these rows close."""
        cut = self._cut(rows)
        groups = len(cut.number)
        closed = np.ones(groups, np.bool_)
        closed[cut.carried] = self._state["open"][rows.slots]
        lasts = np.append(cut.carried[1:], groups) - 1
        closed[lasts] = False
        at = np.flatnonzero(closed)
        owner = np.repeat(np.arange(len(rows.slots)), np.diff(cut.carried, append=groups))
        parts, tapes, ends = [], [], []
        for m, totals in enumerate(self._totals):
            mine = cut.accepted if rows.metric is None else cut.accepted & (rows.metric == m)
            group = cut.group[mine]
            made = totals.extend(rows.slots, cut.carried, groups, group, rows.value[mine])
            totals.write(rows.slots, made, lasts)
            seen = np.cumsum(np.bincount(group, minlength=groups))
            before = np.cumsum(mine)[rows.firsts] - mine[rows.firsts]
            tapes.append(self._rings[m].splice(rows.slots, before, rows.device[mine], rows.ts[mine], rows.value[mine]))
            ends.append((owner[at] + 1) * EVIDENCE + seen[at])
            parts.append({part: column[at] for part, column in made.items()})
        self._state["window"][rows.slots] = cut.number[lasts]
        self._state["open"][rows.slots] |= cut.opener[lasts] >= 0
        late = None if cut.accepted.all() else _late(rows, cut.accepted)
        if not len(at):
            return None, late
        firsts = np.flatnonzero(np.diff(owner[at], prepend=-1))
        slots = rows.slots[owner[at][firsts]]
        row = rows.row[cut.opener[at + 1]]
        return self._evaluations(slots, firsts, row, cut.number[at], parts, tapes, ends), late

    def close(self, now_ns: int) -> Evaluations | None:
        """The open windows whose end and grace have passed."""
        window, is_open = self._state["window"], self._state["open"]
        due = is_open & (window < (now_ns - self._grace) // self._width)
        slots = np.flatnonzero(due)
        if not len(slots):
            return None
        order = np.arange(len(slots))
        parts = [totals.read(slots) for totals in self._totals]
        tapes = [ring.read(slots) for ring in self._rings]
        ends = [(order + 1) * EVIDENCE for _ in self._rings]
        number = window[slots]
        is_open[slots] = False
        for totals in self._totals:
            totals.reset(slots)
        return self._evaluations(slots, order, np.full(len(slots), -1), number, parts, tapes, ends)

    def _cut(self, rows: Rows) -> _Cut:
        old = self._state["window"][rows.slots]
        number = rows.ts // self._width
        base = number.min() - 1
        here, before = number - base, np.maximum(old - base, 0)  # all >= 0, and 0 only before every row
        span = int(max(here.max(), before.max())) + 1
        lane = rows.device * span
        top = lane + here
        top[rows.firsts] = np.maximum(top[rows.firsts], lane[rows.firsts] + before)
        top = np.maximum.accumulate(top) - lane  # the latest window of the device so far
        previous = np.empty_like(top)
        previous[1:] = top[:-1]
        previous[rows.firsts] = before
        opens = top > previous
        still = self._state["open"][rows.slots][rows.device]
        accepted = (here == top) & ((here != before[rows.device]) | still)
        opened = np.cumsum(opens)
        group = rows.device + opened
        carried = np.arange(len(rows.slots)) + opened[rows.firsts] - opens[rows.firsts]
        opener = np.full(len(rows.slots) + int(opened[-1]), -1, np.intp)
        opener[group[opens]] = np.flatnonzero(opens)
        numbers = np.empty(len(opener), np.int64)
        numbers[carried] = old
        numbers[group[opens]] = number[opens]
        return _Cut(accepted, group, carried, numbers, opener)

    def _evaluations(
        self,
        slots: Array,
        firsts: Array,
        row: Array,
        number: Array,
        parts: list[dict[str, Array]],
        tapes: list[Tape],
        ends: list[Array],
    ) -> Evaluations:
        inputs = [finish(aggregate, parts[m]) for aggregate, m in self._plan.inputs]
        sizes: list[Array | None] = [p["n"] for p in parts]
        return Evaluations(slots, firsts, row, (number + 1) * self._width, inputs, tapes, ends, sizes)


def _late(rows: Rows, accepted: Array) -> Skipped:
    late = np.flatnonzero(~accepted)
    return Skipped(rows.slots[rows.device[late]], rows.row[late])
