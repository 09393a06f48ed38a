"""Windows around every message: (ts - behind, ts + ahead].

With `ahead` 0 a message is evaluated at once and sees what came before it, itself included. Else it is due when the
watermark reaches ts + ahead, by the message that moved it there, and sees what came until then.

What no window will see any more is forgotten every `_OFTEN` messages, of all keys at once: it would cost as much as the
evaluation of a few. State per slot: `slide.newest`, the last message's time.

A key's column holds at most `Pool.limit` samples, a window the newest of them; as many messages may wait for `ahead`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates.segments import Segments
from holdfast.stream.clocks import NEVER
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import Call, StagePlan
from holdfast.stream.rows import Rows, grouped
from holdfast.stream.state import State
from holdfast.stream.windows.pool import Pool
from holdfast.stream.windows.regions import first_above, steps
from holdfast.stream.windows.reorder import FAR
from holdfast.stream.windows.spans import MESSAGES, Span, SpanEvidence, column_of, fact, samples_of

Array = NDArray[Any]


_OFTEN = 1024


class Sliding:
    """`Inner`."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._state, self._taken = state, 0
        self._plan, self._behind, self._ahead = plan, plan.window.behind, plan.window.ahead
        self.needs_time = self._ahead > 0
        columns = {i for i, one in enumerate(plan.inputs) if one.kind == "own"}
        columns |= {column_of(c) for c in plan.calls if c.column >= 0 or c.kind in {"messages", "count"}}
        self._places = {column: place for place, column in enumerate(sorted(columns))}
        state.declare("slide.newest", np.int64, NEVER)
        self._pool = Pool(state, "slide.pool", len(self._places))
        self._pending = Pool(state, "slide.pending") if self._ahead else None

    def take(self, rows: Rows) -> Evaluations | None:
        """See `Inner`."""
        live = np.ones(len(rows), np.bool_) if rows.live is None else rows.live
        after = {column: self._add(rows, column) for column in self._places}
        key, anchor, by = self._anchors(rows, live)
        found, spans = self._evaluate(rows, after, key, anchor, by) if len(key) else (None, {})
        self._newest[rows.slots] = rows.ts[np.append(rows.firsts[1:], len(rows)) - 1]
        self._taken += len(rows)
        if self._taken >= max(_OFTEN, self._state.capacity):
            self._forget()
        if found is None:
            return None
        _, firsts, slots = grouped(rows.slots[key])
        start, end = anchor - self._behind, anchor + self._ahead
        inputs = [found[call] for call in self._plan.calls]
        return Evaluations(slots, firsts, rows.row[by], end, inputs, SpanEvidence(spans), start)

    def due(self, slots: int) -> Array:
        """See `Inner`."""
        out = np.full(slots, FAR)
        if self._pending is not None:
            every = np.arange(slots)
            waits = np.flatnonzero(self._pending.counts(every))
            out[waits] = self._pending.flat()[0][self._pending.heads(waits)] + self._ahead
        return out

    def _add(self, rows: Rows, column: int) -> Array:
        """Add samples; how many of its key's there are after each message."""
        mine, value = samples_of(rows, column)
        place = self._places[column]
        so_far = np.cumsum(mine)
        before = self._pool.counts(rows.slots, place) - (so_far - mine)[rows.firsts]
        if mine.any():
            self._pool.extend(rows.slots[rows.key[mine]], rows.ts[mine], value, place)
        return np.asarray(before[rows.key] + so_far)

    def _anchors(self, rows: Rows, live: Array) -> tuple[Array, Array, Array]:
        """The messages that are due, by key and time: key, time, and the position of the message that says so."""
        at = np.flatnonzero(live)
        if self._pending is None:
            return rows.key[at], rows.ts[at], at
        pending = self._pending
        if len(at):
            pending.append(rows.slots[rows.key[at]], rows.ts[at], np.zeros(len(at)))
        last = rows.ts[np.append(rows.firsts[1:], len(rows)) - 1]
        heads, counts = pending.heads(rows.slots), pending.counts(rows.slots)
        due = first_above(pending.flat()[0], heads, heads + counts, last - self._ahead) - heads
        key = np.repeat(np.arange(len(heads)), due)
        anchor = pending.flat()[0][heads[key] + steps(due)]
        pending.forget_oldest(rows.slots, due)
        ends = np.append(rows.firsts[1:], len(rows))
        by = first_above(rows.ts, rows.firsts[key], ends[key], anchor + self._ahead - 1)
        return key, anchor, by

    def _evaluate(
        self, rows: Rows, after: dict[int, Array], key: Array, anchor: Array, by: Array
    ) -> tuple[dict[Call, Array], dict[int, Span]]:
        spans, found = dict[int, Span](), dict[Call, Array]()
        start, end = anchor - self._behind, anchor + self._ahead
        for column, place in self._places.items():
            ts, value = self._pool.flat()
            heads = self._pool.heads(rows.slots, place)[key]
            hi = heads + after[column][by]
            if self._ahead:
                hi = first_above(ts, heads, hi, end)
            lo = np.maximum(first_above(ts, heads, hi, start), hi - self._pool.limit)
            spans[column] = Span(ts, value, lo, hi)
            windows = Segments(ts, value, lo, hi, start, end)
            found |= {
                call: windows.get(call) for call in self._plan.calls if call.column >= 0 and column_of(call) == column
            }
        count = spans[MESSAGES].hi - spans[MESSAGES].lo if MESSAGES in spans else 0
        found |= {call: fact(call.kind, start, end, count) for call in self._plan.calls if call.column < 0}
        return found, spans

    @property
    def _newest(self) -> Array:
        return self._state["slide.newest"]

    def _forget(self) -> None:
        """What no message to come and none that waits will see."""
        self._taken = 0
        slots = np.flatnonzero(self._newest != NEVER)
        oldest = self._newest[slots]
        if self._pending is not None:
            waits = self._pending.counts(slots) > 0
            oldest[waits] = self._pending.flat()[0][self._pending.heads(slots[waits])]
        for place in self._places.values():
            heads, counts = self._pool.heads(slots, place), self._pool.counts(slots, place)
            gone = first_above(self._pool.flat()[0], heads, heads + counts, oldest - self._behind) - heads
            self._pool.forget_oldest(slots, gone, place)
            self._pool.trim(slots, place)
