"""Tumbling windows: event time per device, aligned to the epoch.

A window is evaluated when a sample of a later one arrives from the same device, or on `close` when its end and a grace
have passed. A sample of a window that was closed, or of one before the open one, is late: counted, not used. So each
device has at most one open window. A window without samples is no evaluation.

State per slot: `window`, the number of the last window opened; `open`, whether it still is.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.evaluations import EVIDENCE, Evaluations
from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.state import State
from holdfast.stream.tapes import Ring, Tape
from holdfast.stream.totals import Totals, finish
from holdfast.stream.windows import Window

if TYPE_CHECKING:
    from holdfast.stream.plans import Plan

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

    def __init__(self, state: State, plan: "Plan", window: Window) -> None:
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
        number = rows.ts // self._width
        old, still = self._state["window"][rows.slots], self._state["open"][rows.slots]
        if still.all() and (number == old[rows.device]).all():
            self._stay(rows)
            return None, None
        cut = _cut(rows, number, old, still)
        made, tapes = self._take(rows, cut)
        groups = len(cut.number)
        lasts = np.append(cut.carried[1:], groups) - 1
        for totals, parts in zip(self._totals, made, strict=True):
            totals.write(rows.slots, parts, lasts)
        self._state["window"][rows.slots] = cut.number[lasts]
        self._state["open"][rows.slots] = still | (cut.opener[lasts] >= 0)
        closed = np.ones(groups, np.bool_)
        closed[cut.carried] = still
        closed[lasts] = False
        return self._closed(rows, cut, np.flatnonzero(closed), made, tapes), _late(rows, cut.accepted)

    def _stay(self, rows: Rows) -> None:
        """All rows fall in their devices' open windows, as most batches do: nothing to cut, nothing to evaluate."""
        order = np.arange(len(rows.slots))
        for m, totals in enumerate(self._totals):
            device, ts, value, firsts = rows.device, rows.ts, rows.value, rows.firsts
            if rows.metric is not None:
                mine = rows.metric == m
                device, ts, value, firsts = device[mine], ts[mine], value[mine], _before(mine, firsts)
            totals.write(rows.slots, totals.extend(rows.slots, order, len(order), device, value), order)
            self._rings[m].splice(rows.slots, firsts, device, ts, value)

    def _take(self, rows: Rows, cut: _Cut) -> tuple[list[dict[str, Array]], list[tuple[Tape, Array]]]:
        """Every window's totals and, per metric, the tape and where on it each window ends."""
        made, tapes = [], []
        groups = len(cut.number)
        owner = np.repeat(np.arange(len(rows.slots)), np.diff(cut.carried, append=groups))
        for m, totals in enumerate(self._totals):
            mine = cut.accepted if rows.metric is None else cut.accepted & (rows.metric == m)
            group, device, value = cut.group[mine], rows.device[mine], rows.value[mine]
            made.append(totals.extend(rows.slots, cut.carried, groups, group, value))
            tape = self._rings[m].splice(rows.slots, _before(mine, rows.firsts), device, rows.ts[mine], value)
            tapes.append((tape, (owner + 1) * EVIDENCE + np.cumsum(np.bincount(group, minlength=groups))))
        return made, tapes

    def _closed(
        self, rows: Rows, cut: _Cut, at: Array, made: list[dict[str, Array]], tapes: list[tuple[Tape, Array]]
    ) -> Evaluations | None:
        if not len(at):
            return None
        owner = np.searchsorted(cut.carried, at, side="right") - 1
        firsts = np.flatnonzero(np.diff(owner, prepend=-1))
        parts = [{part: column[at] for part, column in totals.items()} for totals in made]
        ends = [(tape, end[at]) for tape, end in tapes]
        row = rows.row[cut.opener[at + 1]]  # a window is closed by the row that opens the next one
        return self._evaluations(rows.slots[owner[firsts]], firsts, row, cut.number[at], parts, ends)

    def close(self, now_ns: int) -> Evaluations | None:
        """The open windows whose end and grace have passed."""
        window, is_open = self._state["window"], self._state["open"]
        due = is_open & (window < (now_ns - self._grace) // self._width)
        slots = np.flatnonzero(due)
        if not len(slots):
            return None
        order = np.arange(len(slots))
        parts = [totals.read(slots) for totals in self._totals]
        tapes = [(ring.read(slots), (order + 1) * EVIDENCE) for ring in self._rings]
        number = window[slots]
        is_open[slots] = False
        for totals in self._totals:
            totals.reset(slots)
        return self._evaluations(slots, order, np.full(len(slots), -1), number, parts, tapes)

    def _evaluations(
        self,
        slots: Array,
        firsts: Array,
        row: Array,
        number: Array,
        parts: list[dict[str, Array]],
        tapes: list[tuple[Tape, Array]],
    ) -> Evaluations:
        return Evaluations(
            slots,
            firsts,
            row,
            (number + 1) * self._width,
            [finish(aggregate, parts[m]) for aggregate, m in self._plan.inputs],
            [tape for tape, _ in tapes],
            [ends for _, ends in tapes],
            [p["n"] for p in parts],
        )


def _before(mine: Array, firsts: Array) -> Array:
    """How many rows of `mine` (a mask) come before each device's first row."""
    return np.asarray(np.cumsum(mine)[firsts] - mine[firsts])


def _cut(rows: Rows, number: Array, old: Array, still: Array) -> _Cut:
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
    accepted = (here == top) & ((here != before[rows.device]) | still[rows.device])
    opened = np.cumsum(opens)
    group = rows.device + opened
    carried = np.arange(len(rows.slots)) + opened[rows.firsts] - opens[rows.firsts]
    opener = np.full(len(rows.slots) + int(opened[-1]), -1, np.intp)
    opener[group[opens]] = np.flatnonzero(opens)
    numbers = np.empty(len(opener), np.int64)
    numbers[carried] = old
    numbers[group[opens]] = number[opens]
    return _Cut(accepted, group, carried, numbers, opener)


def _late(rows: Rows, accepted: Array) -> Skipped | None:
    late = np.flatnonzero(~accepted)
    return Skipped(rows.slots[rows.device[late]], rows.row[late]) if len(late) else None
