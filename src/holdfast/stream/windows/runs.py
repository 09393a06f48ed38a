"""Windows that follow one another in each key, of which at most one is open: sessions and states.

A column whose calls are all of `carried.KINDS` keeps sums; any other keeps the open window's samples in a pool.

State per slot: `run.messages`, 0 when no window is open; `run.start`, `run.last`: the first and last message's time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates import carried
from holdfast.stream.aggregates.carried import Carried, Sums
from holdfast.stream.aggregates.segments import Segments
from holdfast.stream.evaluations import EVIDENCE, Evaluations
from holdfast.stream.plans import Call, StagePlan
from holdfast.stream.rows import Rows, grouped
from holdfast.stream.state import State
from holdfast.stream.windows.pool import Pool
from holdfast.stream.windows.spans import Span, SpanEvidence, column_of, fact, samples_of
from holdfast.stream.windows.tapes import Ring

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Cut:
    """W windows that were open before or began with these messages, in order of key and time.

    part:    the window each message is in, -1 for none, shape (M,)
    around:  the window each message, counting or not, would be in, -1 for none, were no window closed; shape (M,)
    key:     each window's place among the rows' keys, shape (W,)
    carried: whether it was open before, shape (W,)
    start, last: times of its first and last message so far, shape (W,)
    ends:    position of its last message, -1 where these bring none, shape (W,)
    """

    part: Array
    around: Array
    key: Array
    carried: Array
    start: Array
    last: Array
    ends: Array


class Runs:
    """The samples and sums of a stage's open windows."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._state, self._plan = state, plan
        self._calls: dict[int, list[Call]] = {i: [] for i in range(len(plan.inputs)) if plan.inputs[i].kind == "own"}
        for call in plan.calls:
            if call.column >= 0:
                self._calls.setdefault(column_of(call), []).append(call)
        is_kept = {i: any(c.kind not in carried.KINDS for c in calls) for i, calls in self._calls.items()}
        self._pooled = {column: place for place, column in enumerate(sorted(i for i, kept in is_kept.items() if kept))}
        self._pool = Pool(state, "run.pool", max(len(self._pooled), 1))
        self._sums = {i: Carried(state, f"run.sums{i}", self._calls[i]) for i, kept in is_kept.items() if not kept}
        self._rings = {i: Ring(state, f"run.ring{i}", EVIDENCE) for i in self._sums}
        for name in ("run.messages", "run.start", "run.last"):
            state.declare(name, np.int64, 0)

    def is_open(self, slots: Array) -> Array:
        """Which of these slots have an open window."""
        return np.asarray(self._state["run.messages"][slots] > 0)

    def start(self, slots: Array) -> Array:
        """Time of the open windows' first message."""
        return np.asarray(self._state["run.start"][slots])

    def last(self, slots: Array) -> Array:
        """Time of the open windows' last message."""
        return np.asarray(self._state["run.last"][slots])

    def cut(self, rows: Rows, begins: Array, member: Array) -> Cut:
        """The windows, when those messages begin one and these are in one."""
        was_open = self.is_open(rows.slots)
        known = np.cumsum(was_open)
        around = known[rows.key] + np.cumsum(begins) - 1
        around[around < (known - was_open + np.append(0, np.cumsum(begins))[rows.firsts])[rows.key]] = -1
        part = np.where(member, around, -1)
        total = int(known[-1]) + int(np.count_nonzero(begins))
        first = np.flatnonzero(begins)
        is_old = np.ones(total, np.bool_)
        is_old[part[first]] = False
        key = np.empty(total, np.int64)
        key[is_old], key[~is_old] = np.flatnonzero(was_open), rows.key[first]
        start, last, ends = np.empty(total, np.int64), np.empty(total, np.int64), np.full(total, -1)
        slots = rows.slots[key[is_old]]
        start[is_old], start[~is_old] = self.start(slots), rows.ts[first]
        last[is_old] = self.last(slots)
        at = np.flatnonzero(member)
        if len(at):
            _, firsts, windows = grouped(part[at])
            ends[windows] = at[np.append(firsts[1:], len(at)) - 1]
            last[windows] = rows.ts[ends[windows]]
        return Cut(part, around, key, is_old, start, last, ends)

    def settle(self, rows: Rows, cut: Cut, closes: Array, end: Array) -> Evaluations | None:
        """Take the messages in. closes: the position that ended each window, -1: it stays open; end: when it ended."""
        slots = rows.slots[cut.key]
        if any(column < 0 for column in self._calls):
            over = (closes >= 0)[cut.around] & (np.arange(len(rows)) >= closes[cut.around])
            cut.around[over & (cut.part < 0)] = -1
        messages = np.bincount(cut.part[cut.part >= 0], minlength=len(slots))
        messages[cut.carried] += self._state["run.messages"][slots[cut.carried]]
        closed, open_ = np.flatnonzero(closes >= 0), np.flatnonzero(closes < 0)
        spans, found = dict[int, Span](), dict[Call, Array]()
        counts = {column: self._pour(rows, cut, slots, column) for column in self._pooled}
        for column, held in counts.items():
            spans[column] = span = self._span(slots, column, held, closed)
            windows = Segments(span.ts, span.value, span.lo, span.hi, cut.start[closed], end[closed])
            found |= {call: windows.get(call) for call in self._calls[column]}
        for column, held in counts.items():
            self._drop(slots, column, held, closed)
        for column, sums in self._sums.items():
            added, spans[column] = self._add(rows, cut, slots, column, closed)
            sums.reset(slots[closed])
            sums.keep(added, slots[open_], open_)
            for call in self._calls[column]:
                found[call] = added.get(call, closed, cut.start[closed], end[closed])
        self._state.clear(slots[closed], "run.messages", "run.start", "run.last")
        for name, kept in (("run.messages", messages), ("run.start", cut.start), ("run.last", cut.last)):
            self._state[name][slots[open_]] = kept[open_]
        if not len(closed):
            return None
        _, firsts, keys = grouped(slots[closed])
        facts = cut.start[closed], end[closed], messages[closed]
        inputs = [found[c] if c.column >= 0 else fact(c.kind, *facts) for c in self._plan.calls]
        row, evidence = rows.row[closes[closed]], SpanEvidence(spans)
        return Evaluations(keys, firsts, row, end[closed], inputs, evidence, cut.start[closed])

    def _pour(self, rows: Rows, cut: Cut, slots: Array, column: int) -> Array:
        """Add samples of a column to the pool; how many each window has."""
        place = self._pooled[column]
        part = cut.part if column >= 0 else cut.around
        mine, value = samples_of(rows, column, part >= 0)
        counts = np.bincount(part[mine], minlength=len(slots))
        counts[cut.carried] += self._pool.counts(slots[cut.carried], place)
        if mine.any():
            self._pool.extend(rows.slots[rows.key[mine]], rows.ts[mine], value, place)
        return counts

    def _span(self, slots: Array, column: int, counts: Array, closed: Array) -> Span:
        """Where the samples of the closed windows are."""
        _, firsts, of = grouped(slots)
        ends = np.cumsum(counts)
        base = ends[firsts] - counts[firsts]
        heads = self._pool.heads(of, self._pooled[column])
        hi = ends + np.repeat(heads - base, np.diff(np.append(firsts, len(slots))))
        lo = hi - np.minimum(counts, self._pool.limit)
        return Span(*self._pool.flat(), lo[closed], hi[closed])

    def _drop(self, slots: Array, column: int, counts: Array, closed: Array) -> None:
        """The closed windows' samples leave the pool, and those beyond the limit."""
        _, firsts, of = grouped(slots)
        gone = np.zeros(len(slots), np.int64)
        gone[closed] = counts[closed]
        self._pool.forget_oldest(of, np.add.reduceat(gone, firsts), self._pooled[column])
        self._pool.trim(of, self._pooled[column])

    def _add(self, rows: Rows, cut: Cut, slots: Array, column: int, closed: Array) -> tuple[Sums, Span]:
        """Add samples to the sums, and to the ring of what is shown."""
        mine, value = samples_of(rows, column, cut.part >= 0)
        part, ts = cut.part[mine], rows.ts[mine]
        added = self._sums[column].add(slots, cut.carried, part, ts, value)
        so_far = np.cumsum(mine)
        firsts = so_far[rows.firsts] - mine[rows.firsts]
        tape = self._rings[column].splice(rows.slots, firsts, rows.key[mine], ts, value)
        ends = np.cumsum(np.bincount(part, minlength=len(slots)))  # of all keys: see `tapes`
        hi = (cut.key * EVIDENCE + EVIDENCE + ends)[closed]
        return added, Span(tape.ts, tape.values, hi - np.minimum(added.work["n"][closed], EVIDENCE), hi)
