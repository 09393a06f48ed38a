"""Samples of many keys and columns, for what can't be computed without them.

A key's column holds at most `limit` samples: then the one that came first is dropped, and counted.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rows import grouped
from holdfast.stream.state import State
from holdfast.stream.windows.regions import Regions

Array = NDArray[Any]
MAX_SAMPLES = 100_000
"""Samples held of a key's column unless the rule says otherwise."""


class Pool:
    """A table of a stage's state: (slot, column) to samples in order of arrival."""

    def __init__(self, state: State, name: str, columns: int = 1, limit: int = MAX_SAMPLES) -> None:
        """columns: how many are kept apart; limit: of each."""
        self._columns, self.limit = columns, limit
        self._regions = Regions({"ts": np.int64, "value": np.float64})
        self._state, self._dropped = state, f"{name}.dropped"
        state.declare(self._dropped, np.int64, 0)
        state.attach(name, self)

    def append(self, slot: Array, ts: Array, value: Array, column: int = 0) -> None:
        """Add samples of a column; slot: of each, equal ones being neighbours. Cost O(samples)."""
        if len(slot):
            self.extend(slot, ts, value, column)
            self.trim(slot[np.append(True, slot[1:] != slot[:-1])], column)

    def extend(self, slot: Array, ts: Array, value: Array, column: int = 0) -> None:
        """As `append`, of at least one sample, with no limit until `trim`."""
        _, firsts, slots = grouped(slot)
        chains = slots.astype(np.int64) * self._columns + column
        counts = np.diff(np.append(firsts, len(slot)))
        self._regions.append(chains, counts, {"ts": ts, "value": value})

    def trim(self, slots: Array, column: int = 0) -> None:
        """Drop what is beyond the limit."""
        chains = self._chains(slots, column)
        over = self._regions.counts(chains) - self.limit
        if over.max(initial=0) > 0:
            full = over > 0
            self._regions.shorten(chains[full], over[full])
            self._state[self._dropped][slots[full]] += over[full]

    def gather(self, slots: Array, column: int = 0, since: Any = None) -> tuple[Array, Array, Array]:
        """Samples of a column of these slots, sorted by slot, time and arrival: (place in `slots`, ts, value).

        since: none older, one time for all or one per slot. Cost O(samples of these slots), sorting only what isn't.
        """
        owner, at = self._regions.positions(self._chains(slots, column))
        ts, value = self._regions["ts"][at], self._regions["value"][at]
        if since is not None:
            kept = ts >= (since if np.ndim(since) == 0 else np.asarray(since)[owner])
            owner, ts, value = owner[kept], ts[kept], value[kept]
        if len(ts) > 1 and ((ts[1:] < ts[:-1]) & (owner[1:] == owner[:-1])).any():
            order = np.lexsort((ts, owner))
            ts, value = ts[order], value[order]
        return owner, ts, value

    def counts(self, slots: Array, column: int = 0) -> Array:
        """How many samples of a column each of these slots has."""
        return self._regions.counts(self._chains(slots, column))

    def flat(self) -> tuple[Array, Array]:
        """Times and values of all samples, good until the next is added; `heads` and `counts` say which are whose."""
        return self._regions["ts"], self._regions["value"]

    def heads(self, slots: Array, column: int = 0) -> Array:
        """Where each slot's samples of a column begin, in order of arrival."""
        return self._regions.heads(self._chains(slots, column))

    def drop(self, slots: Array, before: Any) -> None:
        """Forget samples of these slots, of all columns, that are older than `before` (ns, one or one per slot).

        Cost O(samples of these slots).
        """
        limits = np.broadcast_to(np.asarray(before), (len(slots),))
        for column in range(self._columns):
            chains = self._chains(slots, column)
            owner, at = self._regions.positions(chains)
            kept = self._regions["ts"][at] >= limits[owner]
            if not kept.all():
                self._regions.keep(chains, owner[kept], at[kept])

    def forget_oldest(self, slots: Array, counts: Array, column: int = 0) -> None:
        """Forget the samples of these slots that came first, counts[i] of slots[i]. Cost O(slots)."""
        self._regions.shorten(self._chains(slots, column), counts)

    def dropped(self, slots: Array) -> Array:
        """How many samples of each slot fell to the limit."""
        return np.asarray(self._state[self._dropped][slots])

    def _chains(self, slots: Array, column: int) -> Array:
        chains = slots.astype(np.int64) * self._columns + column
        self._regions.grow(int(chains.max(initial=-1)) + 1)
        return chains

    # As a `Table`

    def export(self) -> dict[str, Array]:
        """See `Table`."""
        chains = np.arange(self._regions.chains)
        owner, at = self._regions.positions(chains)
        slot, column = np.divmod(owner, self._columns)
        return {"slot": slot, "column": column, "ts": self._regions["ts"][at], "value": self._regions["value"][at]}

    def put(self, columns: dict[str, Array]) -> None:
        """See `Table`."""
        if not len(columns["slot"]):
            return
        chain = columns["slot"].astype(np.int64) * self._columns + columns["column"]
        order = np.argsort(chain, kind="stable")
        _, firsts, chains = grouped(chain[order])
        counts = np.diff(np.append(firsts, len(chain)))
        self._regions.append(chains, counts, {name: columns[name][order] for name in ("ts", "value")})

    def clear(self, slots: Array) -> None:
        """See `Table`."""
        for column in range(self._columns):
            self._regions.clear(slots.astype(np.int64) * self._columns + column)

    @property
    def nbytes(self) -> int:
        """Memory used."""
        return self._regions.nbytes
