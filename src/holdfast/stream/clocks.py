"""What time it is for each key: by its own clock, which may be wrong or hours behind.

A key's time is its newest event time plus how long ago that was heard. So silence is measured by the node's clock, and
event times by the device's, and a device whose clock is an hour slow is judged like any other.

State per slot: `clock.newest`, ns; `clock.behind`: the node's wall clock minus the newest event time when it came, ns;
`clock.first`: the event time of its first message.
After a restart rows are replayed with the time at which they came (`steps`), so every clock goes on as it was.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rows import Rows
from holdfast.stream.state import State

Array = NDArray[Any]
NEVER = -(1 << 62)


class Clocks:
    """One stage's keys' clocks."""

    def __init__(self, state: State) -> None:
        self._state = state
        state.declare("clock.newest", np.int64, NEVER)
        state.declare("clock.behind", np.int64, 0)
        state.declare("clock.first", np.int64, NEVER)

    def behind(self, slots: Array) -> Array:
        """How far these keys' times are behind the node's."""
        return np.asarray(self._state["clock.behind"][slots])

    def is_heard(self, slot: int) -> bool:
        """Whether the key was heard already; a catalogue may know series that are yet to come, as in a replay."""
        return slot < len(self._state["clock.newest"]) and int(self._state["clock.newest"][slot]) != NEVER

    def hear(self, rows: Rows, now_ns: int, behind: Array | None = None) -> None:
        """Messages came; now_ns 0: nobody knows when. behind: what is known of it otherwise, shape (K,)."""
        first = self._state["clock.first"]
        if (unheard := first[rows.slots] == NEVER).any():
            first[rows.slots[unheard]] = rows.ts[rows.firsts[unheard]]
        latest = rows.ts if len(rows.ts) == len(rows.firsts) else np.maximum.reduceat(rows.ts, rows.firsts)
        newest = np.maximum(self._state["clock.newest"][rows.slots], latest)
        self._state["clock.newest"][rows.slots] = newest
        if behind is not None:
            self._state["clock.behind"][rows.slots] = behind
        elif now_ns:
            self._state["clock.behind"][rows.slots] = now_ns - newest

    def before(self, rows: Rows) -> Array:
        """The newest time of each message's key so far, that message included, shape (M,). Call before `hear`."""
        return newest_so_far(rows.ts, rows.key, rows.firsts, self._state["clock.newest"][rows.slots])

    def shift(self, offset_ns: int, from_ns: int, to_ns: int) -> None:
        """The node's clock jumped by so much; those heard between these times by it go on as before."""
        behind = self._state["clock.behind"]
        heard = self._state["clock.newest"] + behind
        behind[(self._state["clock.newest"] != NEVER) & (heard >= from_ns) & (heard <= to_ns)] += offset_ns

    def silent(self, now_ns: int, longer_ns: int, slots: int) -> Array:
        """The keys heard once, but not for so long by the node's clock."""
        newest = self._state["clock.newest"][:slots]
        return np.flatnonzero((newest != NEVER) & (self.times(now_ns, slots) - newest > longer_ns))

    def times(self, now_ns: int, slots: int) -> Array:
        """The time of each of the first `slots` keys; `NEVER` for one not heard yet. Shape (slots,)."""
        newest, behind = self._state["clock.newest"][:slots], self._state["clock.behind"][:slots]
        return np.where(newest == NEVER, NEVER, np.maximum(newest, now_ns - behind))

    def site_times(self, node: Array) -> Array:
        """As `times`, for keys of many nodes: the newest time heard of the key's node. node: its number, (slots,)."""
        newest = self._state["clock.newest"][: len(node)]
        if not len(node):
            return np.asarray(newest)
        site = np.full(int(node.max()) + 1, NEVER)
        np.maximum.at(site, node, newest)
        return np.where(newest == NEVER, NEVER, site[node])


def newest_so_far(ts: Array, key: Array, firsts: Array, before: Array) -> Array:
    """The newest time of each row's key so far, it included, shape (M,). before: each key's newest, shape (K,)."""
    span = int(ts.max()) - int(ts.min()) + 1
    if len(firsts) * span < 1 << 62:  # one running maximum for all keys: each key's times above the one before
        lift = key * span - int(ts.min())
        raised = np.maximum.accumulate(ts + lift) - lift
    else:
        raised = np.concatenate([np.maximum.accumulate(part) for part in np.split(ts, firsts[1:])])
    return np.asarray(np.maximum(raised, before[key]))
