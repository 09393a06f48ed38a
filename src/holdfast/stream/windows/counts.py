"""Windows of N messages, a new one every S, in order of arrival: none is ever late.

The first window is full with message N, the next ones S, 2S … later. Samples in a window are taken by time, as
everywhere. A value that isn't usable counts, by its quality, with the message after it.

State per slot: `count.seen`, how many messages there were; `count.last`, the last row's time; `count.fell`, the number
of the last message that was older than the row before it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates.segments import Arrivals
from holdfast.stream.clocks import NEVER
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import Call, StagePlan
from holdfast.stream.rows import Rows, Skipped, grouped
from holdfast.stream.state import State
from holdfast.stream.windows.pool import Pool
from holdfast.stream.windows.regions import first_above
from holdfast.stream.windows.spans import MESSAGES, Span, SpanEvidence, column_of, fact, samples_of

Array = NDArray[Any]
_OF_TIME = frozenset({"window_start", "window_end", "window_seconds"})


class Counts:
    """`Windowing`. The pool `count.numbers` says which message brought each sample of `count.pool`."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._state, self._plan = state, plan
        self._size, self._step = plan.window.samples, plan.window.step
        columns = {i for i, one in enumerate(plan.inputs) if one.kind == "own"}
        columns |= {column_of(c) for c in plan.calls if c.column >= 0 or c.kind in _OF_TIME}
        self._places = {column: place for place, column in enumerate(sorted(columns))}
        self._pool = Pool(state, "count.pool", len(self._places))
        self._numbers = Pool(state, "count.numbers", len(self._places))
        state.declare("count.seen", np.int64, 0)
        state.declare("count.last", np.int64, NEVER)
        state.declare("count.fell", np.int64, -1)

    def feed(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:  # noqa: ARG002 - the port's
        """See `Windowing`."""
        live = np.ones(len(rows), np.bool_) if rows.live is None else rows.live
        seen = self._state["count.seen"]
        so_far = np.cumsum(live)
        before = so_far - live
        number = (seen[rows.slots] - before[rows.firsts])[rows.key] + before
        seen[rows.slots] += np.add.reduceat(live, rows.firsts, dtype=np.int64)
        over = number + 1 - self._size
        at = np.flatnonzero(live & (over >= 0) & (over % self._step == 0))
        after = {column: self._add(rows, column, number) for column in self._places}
        fell = self._fell(rows, number)
        found = self._evaluate(rows, after, at, number[at] - self._size, fell[at]) if len(at) else None
        self._forget(rows)
        return found, None

    stirred = False

    def close(self, times: Array) -> None:  # noqa: ARG002 - the port's
        """Nothing is ever due: messages decide, not time."""
        return

    def _fell(self, rows: Rows, number: Array) -> Array:
        """The number of the last message up to each that was older than the one before it."""
        last, fell = self._state["count.last"], self._state["count.fell"]
        before = np.empty(len(rows), np.int64)
        before[1:] = rows.ts[:-1]
        before[rows.firsts] = last[rows.slots]
        at = np.maximum.accumulate(np.where(rows.ts < before, np.arange(len(rows)), -1))
        found = np.where(at >= rows.firsts[rows.key], number[at], fell[rows.slots][rows.key])
        ends = np.append(rows.firsts[1:], len(rows)) - 1
        last[rows.slots], fell[rows.slots] = rows.ts[ends], found[ends]
        return np.asarray(found)

    def _add(self, rows: Rows, column: int, number: Array) -> Array:
        """Add samples; how many of its key's there are after each message."""
        mine, value = samples_of(rows, column)
        place = self._places[column]
        so_far = np.cumsum(mine)
        before = self._pool.counts(rows.slots, place) - (so_far - mine)[rows.firsts]
        if mine.any():
            slot, ts = rows.slots[rows.key[mine]], rows.ts[mine]
            self._pool.extend(slot, ts, value, place)
            self._numbers.extend(slot, number[mine], np.zeros(len(slot)), place)
        return np.asarray(before[rows.key] + so_far)

    def _evaluate(self, rows: Rows, after: dict[int, Array], at: Array, before: Array, fell: Array) -> Evaluations:
        """The windows that messages `at` complete; before: the number of the last message that isn't in them."""
        key = rows.key[at]
        spans, found = dict[int, Span](), dict[Call, Any]()
        for column, place in self._places.items():
            ts, value = self._pool.flat()
            heads, numbers = (pool.heads(rows.slots, place)[key] for pool in (self._pool, self._numbers))
            count = after[column][at]
            gone = first_above(self._numbers.flat()[0], numbers, numbers + count, before) - numbers
            hi = heads + count
            spans[column] = Span(ts, value, np.maximum(heads + gone, hi - self._pool.limit), hi)
            calls = [call for call in self._plan.calls if call.column >= 0 and column_of(call) == column]
            if calls:
                windows = Arrivals(ts, value, spans[column].lo, hi, fell <= before + 1)
                found |= {call: windows.get(call) for call in calls}
        end = rows.ts[at]
        start = spans[MESSAGES].ts[spans[MESSAGES].lo] if MESSAGES in spans else end
        facts = start, end, np.full(len(at), self._size)
        _, firsts, slots = grouped(rows.slots[key])
        inputs = [found[c] if c.column >= 0 else fact(c.kind, *facts) for c in self._plan.calls]
        return Evaluations(slots, firsts, rows.row[at], end, inputs, SpanEvidence(spans))

    def _forget(self, rows: Rows) -> None:
        """What the next window of each key won't see."""
        seen = self._state["count.seen"][rows.slots]
        whole = np.maximum((seen - self._size) // self._step + 1, 0)  # the next window's number
        for place in self._places.values():
            heads, counts = self._numbers.heads(rows.slots, place), self._numbers.counts(rows.slots, place)
            gone = first_above(self._numbers.flat()[0], heads, heads + counts, whole * self._step - 1) - heads
            for pool in (self._pool, self._numbers):
                pool.forget_oldest(rows.slots, gone, place)
                pool.trim(rows.slots, place)
