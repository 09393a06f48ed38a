"""Which evaluations alarms go by, in what order and at what time; and what each key's last one saw.

Only a key's newest window drives its alarms: a revision of an older one is a result, not a decision. Evaluations that
aren't cut by time come in order of arrival; one with an older time than its key's newest counts as if it came then.

State per slot, in the stage's: `latest.ts`, the newest evaluation's time; `latest.inputs`, its columns. They are kept
up only where alarms ask for it: timers need to know what was seen last.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from holdfast.stream.clocks import newest_so_far
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import Array, StagePlan
from holdfast.stream.rows import grouped
from holdfast.stream.state import State

_NEVER = -(1 << 62)


@dataclass(frozen=True)
class Order:
    """The evaluations that alarms judge, grouped by key. slots, firsts: (K,); the others (E,).

    at:    their positions among the stage's evaluations; None: all of them
    times: the key's newest time so far; `ts` where nobody asks
    again: whether it's the newest window's revision; None: none is
    """

    slots: Array
    firsts: Array
    ts: Array
    times: Array
    at: Array | None = None
    again: Array | None = None

    @cached_property
    def counts(self) -> Array:
        """Evaluations of each key."""
        return np.diff(np.append(self.firsts, len(self.ts)))

    @cached_property
    def keys(self) -> Array:
        """Each evaluation's position in `slots`."""
        if len(self.slots) == len(self.ts):
            return np.arange(len(self.ts))
        return np.repeat(np.arange(len(self.slots)), self.counts)

    def of(self, mine: Array) -> "Order | None":
        """Only keys whose slot is in the mask `mine`; None when there are none."""
        wanted = mine[self.slots]
        found = np.count_nonzero(wanted)
        if found == len(wanted):
            return self
        return self.take(np.flatnonzero(wanted[self.keys])) if found else None

    def take(self, at: Array) -> "Order":
        """Only these evaluations, ascending and not none."""
        _, firsts, slots = grouped(self.slots[self.keys[at]])
        again = None if self.again is None else self.again[at]
        return Order(slots, firsts, self.ts[at], self.times[at], at if self.at is None else self.at[at], again)

    def pick(self, value: Any, dtype: type) -> Array:
        """These evaluations' part of a column, which may be one number."""
        if not isinstance(value, np.ndarray) or not value.ndim:
            return np.full(len(self.ts), value, dtype)
        return (value if self.at is None else value[self.at]).astype(dtype, copy=False)

    def place(self, at: int) -> int:
        """The position among the stage's evaluations of one of these; -1 for -1."""
        return at if at < 0 or self.at is None else int(self.at[at])


class Latest:
    """One stage's keys' newest evaluations. wanted: whether an alarm asks."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._state = state
        self.wanted = False
        state.declare("latest.ts", np.int64, _NEVER)
        state.declare("latest.inputs", np.float64, np.nan, len(plan.calls))

    def order(self, evaluations: Evaluations) -> Order | None:
        """The evaluations that decide; None when none does."""
        e = evaluations
        if not self.wanted and e.start is None:
            return Order(e.slots, e.firsts, e.ts, e.ts)
        everything = Order(e.slots, e.firsts, e.ts, e.ts)
        before = self._state["latest.ts"][e.slots]
        times = newest_so_far(e.ts, everything.keys, e.firsts, before)
        order = Order(e.slots, e.firsts, e.ts, times)
        if e.start is None:
            return order
        again = None if e.revision is None else (e.revision > 0) & (e.ts == times)
        if again is not None and np.count_nonzero(again):
            order = Order(e.slots, e.firsts, e.ts, times, again=again)
        current = e.ts >= times
        if np.count_nonzero(current) == len(current):
            return order
        at = np.flatnonzero(current)
        return order.take(at) if len(at) else None

    def remember(self, evaluations: Evaluations, order: Order) -> None:
        """The batch was judged."""
        if not self.wanted and evaluations.start is None:
            return
        last = np.append(order.firsts[1:], len(order.ts)) - 1
        self._state["latest.ts"][order.slots] = order.times[last]
        if self.wanted and evaluations.inputs:
            at = last if order.at is None else order.at[last]
            kept = self._state["latest.inputs"]
            for i, value in enumerate(evaluations.inputs):
                kept[order.slots, i] = value[at] if isinstance(value, np.ndarray) and value.ndim else value

    def inputs(self, slot: int) -> list[Array]:
        """The columns of a key's last evaluation, each of one number."""
        return [v[None] for v in self._state["latest.inputs"][slot]]
