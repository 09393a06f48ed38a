"""What a stage keeps of each key's panes: a ring of them in its `State`, and the same for a moment in a sheet.

Pane p of a slot is at place `slot * places + p % places` of the flat arrays; `pane` says which pane is there. A ring
has as many places as panes may be needed at once, so what a new pane displaces no window needs any more.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates.parts import MERGEABLE, Parts, View, finish
from holdfast.stream.clocks import NEVER
from holdfast.stream.plans import Call, StagePlan
from holdfast.stream.rows import Rows
from holdfast.stream.state import State

Array = NDArray[Any]


class Panes:
    """The panes of one stage."""

    def __init__(self, state: State, plan: StagePlan, places: int) -> None:
        """places: of each slot's ring."""
        self.places = places
        self._state, self._plan = state, plan
        calls = [c for c in plan.calls if c.column >= 0 and c.kind in MERGEABLE]
        kinds: dict[int, set[str]] = {}
        for call in calls:
            kinds.setdefault(call.column, set()).add(call.kind)
        self._parts = {column: Parts(f"pane{column}", of) for column, of in sorted(kinds.items())}
        self._fills: dict[str, tuple[type, float, int]] = {"pane.messages": (np.float64, 0.0, 0)}
        for parts in self._parts.values():
            self._fills |= parts.fills
        state.declare("pane", np.int64, NEVER, places)
        for name, (dtype, fill, width) in self._fills.items():
            state.declare(name, dtype, fill, places * max(width, 1))
        self._qualities = [i for i, parts in self._parts.items() if parts.counts_quality]

    def knows(self, call: Call) -> bool:
        """Whether panes give this aggregate."""
        return call.kind in MERGEABLE

    def ring(self) -> View:
        """The state's arrays, flat: what is written to them stays."""
        return {
            name: self._state[name].reshape(-1, width) if width else self._state[name].reshape(-1)
            for name, (_, _, width) in self._fills.items()
        }

    def numbers(self) -> Array:
        """Which pane is where in the ring, flat."""
        return self._state["pane"].reshape(-1)

    def held(self, slots: Array, lowest: Array) -> tuple[Array, Array, Array]:
        """The panes of these slots from `lowest` (K,) on: (place in `slots`, pane, place in the ring)."""
        numbers = self._state["pane"][slots]
        owner, place = (numbers >= lowest[:, None]).nonzero()
        return owner, numbers[owner, place], slots[owner] * self.places + place

    def enter(self, slots: Array, panes: Array) -> Array:
        """Where these panes are in the ring, each beginning empty when another was there."""
        at = slots * self.places + panes % self.places
        numbers = self.numbers()
        stale = (numbers[at] != panes).nonzero()[0]
        if len(stale):
            place = at[stale]
            numbers[place] = panes[stale]
            for (_, fill, _), array in zip(self._fills.values(), self.ring().values(), strict=True):
                array[place] = fill
        return np.asarray(at)

    def sheet(self, count: int) -> dict[str, Array]:
        """Empty panes outside the ring."""
        return {
            name: np.full((count, width) if width else count, fill, dtype)
            for name, (dtype, fill, width) in self._fills.items()
        }

    def add(self, view: View, at: Array, rows: Rows) -> None:
        """Take messages in; at: the place of each one's pane."""
        counted = at if rows.live is None else at[rows.live]
        np.add.at(view["pane.messages"], counted, 1.0)
        for i, parts in self._parts.items():
            mine = samples_of(rows, i, self._plan)
            if mine is None:
                parts.add(view, at, rows.ts, rows.columns[i])
            elif len(mine):
                parts.add(view, at[mine], rows.ts[mine], rows.columns[i][mine])
        for i in self._qualities:
            if rows.quality is not None and rows.told is not None:
                told = rows.told[i]
                self._parts[i].rate(view, at[told], rows.quality[i][told])

    def keep(self, sheet: View, slots: Array, panes: Array, at: Array) -> None:
        """Put the sheet's panes at places `at` into the ring."""
        place = slots * self.places + panes % self.places
        self.numbers()[place] = panes
        for name, array in self.ring().items():
            array[place] = sheet[name][at]

    def combine(self, view: View, at: Array, firsts: Array) -> "Combined":
        """Windows put together of panes at[firsts[w]:firsts[w + 1]], in order of time, at least one each."""
        messages = view["pane.messages"][at]
        if len(at) != len(firsts):
            messages = np.add.reduceat(messages, firsts)
        return Combined(messages, {i: parts.combine(view, at, firsts) for i, parts in self._parts.items()})


class Combined:
    """Windows' aggregates."""

    def __init__(self, messages: Array, columns: dict[int, dict[str, Array]]) -> None:
        self.messages = messages
        self._columns = columns

    def get(self, call: Call) -> Array:
        """One number per window; NaN where SQL says NULL."""
        return finish(self._columns[call.column], call)


def samples_of(rows: Rows, column: int, plan: StagePlan) -> Array | None:
    """Which messages brought a value of a column; None: all did."""
    fresh = rows.fresh[column]
    if column >= len(plan.inputs) or plan.inputs[column].kind != "own":  # a computed number may be unknown
        known = ~np.isnan(rows.columns[column])
        fresh = known if fresh is None else fresh & known
    if fresh is None and rows.live is not None:
        fresh = rows.live
    return None if fresh is None else fresh.nonzero()[0]


def columns_needing_samples(calls: Sequence[Call]) -> list[int]:
    """The columns of which something is computed that panes can't give."""
    return sorted({c.column for c in calls if c.column >= 0 and c.kind not in MERGEABLE})
