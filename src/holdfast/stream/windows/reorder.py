"""Messages in order of time: those that may still be overtaken wait until their key's watermark has passed them.

The watermark of a key is its newest event time less `grace`, or what `close` says when the key is silent. A message
behind it is late, which is decided message by message: a batch's end decides nothing. What is let go is ordered by
(time, arrival) and says which row of the batch let it go. With grace 0 nothing waits.

At most `MAX_WAITING` messages of a key wait: then the oldest are dropped at the batch's end, and counted.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.clocks import NEVER
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import READINGS, StagePlan
from holdfast.stream.rows import Rows, Skipped, grouped
from holdfast.stream.state import State
from holdfast.stream.windows.regions import Regions, first_above

Array = NDArray[Any]
FAR = 1 << 62
"""No time at all."""
MAX_WAITING = 100_000


class Inner(Protocol):
    """Windows over messages that come in order of time, some of which only say what time it is."""

    needs_time: bool
    """Whether anything is due by time alone."""

    def take(self, rows: Rows) -> Evaluations | None:
        """The evaluations that these messages cause; their `row` is -1 when the clock let them go."""
        ...

    def due(self, slots: int) -> Array:
        """When each of the first `slots` keys has something due by time, `FAR` for never."""
        ...


class Ordered:
    """`Windowing` in order of time: a `Waiting` before an `Inner`.

    State per slot: `order.passed`: how far silence has moved the watermark.
    """

    def __init__(self, state: State, plan: StagePlan, inner: Inner) -> None:
        self._state, self._inner, self._plan = state, inner, plan
        self._grace = plan.window.grace
        self._waiting = Waiting(state, plan) if self._grace else None
        state.declare("order.passed", np.int64, NEVER)
        self.stirred = False

    def feed(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:
        """See `Windowing`."""
        mark = np.maximum(newest - self._grace, self._state["order.passed"][rows.slots][rows.key])
        is_late = rows.ts < mark
        skipped, at = None, None
        if is_late.any():
            at = np.flatnonzero(~is_late)
            out = np.flatnonzero(is_late if rows.live is None else is_late & rows.live)
            skipped = Skipped(rows.slots[rows.key[out]], rows.row[out]) if len(out) else None
        if self._waiting is None:
            passed = rows if at is None else rows.take(at)
        else:
            self._waiting.add(rows, at)
            passed = self._waiting.let_go(rows, mark, needs_time=self._inner.needs_time)
        return (None if passed is None else self._inner.take(passed)), skipped

    def close(self, times: Array) -> Evaluations | None:
        """See `Windowing`."""
        mark = times - self._grace
        due = self._inner.due(len(times))
        if self._waiting is not None:
            due = np.minimum(due, self._waiting.due(len(times)))
        self.stirred = False
        slots = np.flatnonzero((due <= mark) & (mark > self._state["order.passed"][: len(times)]))
        if not len(slots):
            return None
        self.stirred = True
        self._state["order.passed"][slots] = mark[slots]
        rows = self._moments(slots, mark[slots])
        if self._waiting is not None:
            gone = self._waiting.let_go(rows, mark[slots], needs_time=self._inner.needs_time)
            return None if gone is None else self._inner.take(gone)
        return self._inner.take(rows)

    def _moments(self, slots: Array, ts: Array) -> Rows:
        """Messages of no row that say what time it is, one per slot."""
        k = len(slots)
        none = np.zeros(k, np.bool_)
        columns = len(self._plan.inputs) + len(self._plan.steps)
        inputs = len(self._plan.inputs)
        rated = self._plan.wants_quality
        quality, told = ((np.full(k, -1, np.int16),) * inputs, (none,) * inputs) if rated else (None, None)
        index = np.arange(k)
        nothing = (np.full(k, np.nan),) * columns
        return Rows(np.full(k, -1), ts, index, index, slots, nothing, (none,) * columns, none, quality, told)


@dataclass(slots=True)
class _Fields:
    """What of a message waits, by name."""

    columns: int
    inputs: int

    @property
    def rated(self) -> range:
        """The inputs whose quality waits too."""
        return range(self.inputs)

    def types(self) -> dict[str, type]:
        found: dict[str, type] = {"ts": np.int64, "arrival": np.int64, "live": np.bool_}
        found |= {f"column{i}": np.float64 for i in range(self.columns)}
        found |= {f"fresh{i}": np.bool_ for i in range(self.columns)}
        found |= {f"quality{i}": np.int16 for i in self.rated}
        return found | {f"told{i}": np.bool_ for i in self.rated}

    def of(self, rows: Rows) -> dict[str, Array]:
        n = len(rows)
        found = {"ts": rows.ts, "live": _mask(rows.live, n)}
        found |= {f"column{i}": column for i, column in enumerate(rows.columns)}
        found |= {f"fresh{i}": _mask(fresh, n) for i, fresh in enumerate(rows.fresh)}
        found |= {f"quality{i}": q for i, q in enumerate(rows.quality or ())}
        return found | {f"told{i}": told for i, told in enumerate(rows.told or ())}


class Waiting:
    """The messages that may still be overtaken, as a table of the stage's state; each key's are sorted."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        rated = len(plan.inputs) if plan.wants_quality and plan.source == READINGS else 0
        self._fields = _Fields(len(plan.inputs) + len(plan.steps), rated)
        self._regions = Regions(self._fields.types())
        self._arrived = self._before = 0
        self._state = state
        state.declare("waiting.dropped", np.int64, 0)
        state.attach("waiting", self)

    def add(self, rows: Rows, at: Array | None) -> None:
        """Messages come, those at the positions `at`, or all."""
        self._regions.grow(int(rows.slots.max()) + 1)
        index = np.arange(len(rows)) if at is None else at
        self._before = self._arrived
        self._arrived += len(rows)
        if not len(index):
            return
        values = {name: column[index] for name, column in self._fields.of(rows).items()}
        values["arrival"] = index + self._before
        _, firsts, slots = grouped(rows.slots[rows.key[index]])
        before = self._regions.counts(slots)
        counts = np.diff(np.append(firsts, len(index)))
        newest = np.full(len(slots), NEVER)
        held = before > 0
        newest[held] = self._regions["ts"][(self._regions.heads(slots) + before - 1)[held]]
        self._regions.append(slots, counts, values)
        ts = values["ts"]
        behind = np.zeros(len(ts), np.bool_)
        behind[1:] = ts[1:] < ts[:-1]
        behind[firsts] = ts[firsts] < newest
        if behind.any():
            self._sort(slots[np.logical_or.reduceat(behind, firsts)])

    def let_go(self, rows: Rows, mark: Array, *, needs_time: bool) -> Rows | None:
        """What the watermark has passed in the course of these rows, of which it was `mark` at each.

        needs_time: also each moment at which the watermark moved, as a message that doesn't count.
        """
        slots, ends = rows.slots, np.append(rows.firsts[1:], len(rows))
        heads, counts = self._regions.heads(slots), self._regions.counts(slots)
        gone = first_above(self._regions["ts"], heads, heads + counts, mark[ends - 1]) - heads if len(mark) else counts
        _, at = self._regions.positions(slots)
        within = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        key = np.repeat(np.arange(len(slots)), counts)
        chosen = within < gone[key]
        at, key = at[chosen], key[chosen]
        ts = self._regions["ts"][at]
        arrived = self._regions["arrival"][at] - self._before
        by = np.maximum(first_above(mark, rows.firsts[key], ends[key], ts - 1), arrived)
        taken = self._rows(rows, at, key, by)
        self._regions.shorten(slots, gone)
        self._trim(slots)
        self._before = self._arrived
        if needs_time:
            return self._with_moments(rows, mark, taken, by)
        return taken if len(taken) else None

    def due(self, slots: int) -> Array:
        """Each key's oldest message's time."""
        self._regions.grow(slots)
        chains = np.arange(slots)
        out = np.full(slots, FAR)
        held = self._regions.counts(chains) > 0
        out[held] = self._regions["ts"][self._regions.heads(chains[held])]
        return out

    def _rows(self, rows: Rows, at: Array, key: Array, by: Array) -> Rows:
        if not len(at):
            empty = rows.key[:0]
            return replace(rows, row=empty, ts=rows.ts[:0], key=empty, firsts=empty, slots=empty)
        dense, firsts, slots = grouped(rows.slots[key])
        regions = self._regions
        columns = tuple(regions[f"column{i}"][at] for i in range(self._fields.columns))
        fresh = tuple(regions[f"fresh{i}"][at] for i in range(self._fields.columns))
        quality, told = (tuple(regions[f"{name}{i}"][at] for i in self._fields.rated) for name in ("quality", "told"))
        row, ts, live = rows.row[by], regions["ts"][at], regions["live"][at]
        return Rows(row, ts, dense, firsts, slots, columns, fresh, live, quality or None, told or None)

    def _with_moments(self, rows: Rows, mark: Array, taken: Rows, by: Array) -> Rows:
        moved = np.append(True, mark[1:] > mark[:-1])
        moved[rows.firsts] = True
        when = np.flatnonzero(moved)
        m = len(when)
        order = np.argsort(np.concatenate((2 * by, 2 * when + 1)), kind="stable")
        nothing, none = np.full(m, np.nan), np.zeros(m, np.bool_)
        by_slot = np.concatenate((taken.slots[taken.key] if len(taken) else rows.slots[:0], rows.slots[rows.key[when]]))
        key, firsts, slots = grouped(by_slot[order])

        def merged(a: Array, b: Array) -> Array:
            return np.concatenate((a[: len(taken)], b))[order]

        return Rows(
            merged(taken.row, rows.row[when]),
            merged(taken.ts, mark[when]),
            key,
            firsts,
            slots,
            tuple(merged(c, nothing) for c in taken.columns),
            tuple(merged(_mask(f, len(taken)), none) for f in taken.fresh),
            merged(_mask(taken.live, len(taken)), none),
            None if taken.quality is None else tuple(merged(q, np.full(m, -1, np.int16)) for q in taken.quality),
            None if taken.told is None else tuple(merged(t, none) for t in taken.told),
        )

    def _sort(self, slots: Array) -> None:
        owner, at = self._regions.positions(slots)
        self._regions.arrange(slots, np.lexsort((self._regions["ts"][at], owner)))

    def _trim(self, slots: Array) -> None:
        over = np.maximum(self._regions.counts(slots) - MAX_WAITING, 0)
        if over.any():
            self._regions.shorten(slots, over)
            self._state["waiting.dropped"][slots] += over

    # As a `Table`

    def export(self) -> dict[str, Array]:
        """See `Table`."""
        slot, at = self._regions.positions(np.arange(self._regions.chains))
        found = {name: self._regions[name][at] for name in self._regions.fields if name != "arrival"}
        return {"slot": slot, **found}

    def put(self, columns: dict[str, Array]) -> None:
        """See `Table`."""
        if not len(columns["slot"]):
            return
        order = np.argsort(columns["slot"], kind="stable")
        _, firsts, slots = grouped(columns["slot"][order])
        values = {name: columns[name][order] for name in self._regions.fields if name != "arrival"}
        values["arrival"] = np.full(len(order), -1)
        self._regions.append(slots.astype(np.int64), np.diff(np.append(firsts, len(order))), values)

    def clear(self, slots: Array) -> None:
        """See `Table`."""
        self._regions.clear(slots)

    @property
    def nbytes(self) -> int:
        """Memory used."""
        return self._regions.nbytes


def _mask(mask: Array | None, n: int) -> Array:
    return np.ones(n, np.bool_) if mask is None else mask[:n]
