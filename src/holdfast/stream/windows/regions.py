"""Memory for queues of very different lengths: each chain of rows lies in one piece, whose size is a power of two.

A chain that outgrows its piece moves to a larger one, and the old piece waits for another chain of that size; when a
quarter of the memory waits, the pieces move together. So appending costs O(rows) on average, reading a chain is one
slice, and any number of chains is read or written by a handful of vector operations. A chain that is as long as ever
takes 2 to 5 times its rows; one that got shorter keeps its piece until that is full or the chain is empty.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_SMALLEST = 2
"""log2 of the smallest piece."""
_FEW = 1024
"""Rows that may wait unused in any case."""
_ONE_BY_ONE = 8
"""Pieces up to which a search in each is quicker than a step of all at once."""


def steps(counts: Array) -> Array:
    """Count up anew for each: 0, 1, … counts[0]-1, 0, 1, … counts[1]-1, and so on."""
    ends = counts.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.arange(total) - np.repeat(ends - counts, counts))


class Regions:
    """Rows of several fields in chains that are numbered from 0; rows are added behind and taken away in front."""

    def __init__(self, fields: dict[str, type]) -> None:
        """fields: names and types."""
        self._flat: dict[str, Array] = {name: np.empty(0, dtype) for name, dtype in fields.items()}
        self._top = 0
        self._free: dict[int, list[int]] = {}
        self._idle = 0
        self._start = np.empty(0, np.int64)
        self._size = np.empty(0, np.int8)
        self._skip = np.empty(0, np.int64)
        self._count = np.empty(0, np.int64)

    def __getitem__(self, field: str) -> Array:
        """A field of all rows; `positions` says which are whose."""
        return self._flat[field]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields' names."""
        return tuple(self._flat)

    @property
    def chains(self) -> int:
        """How many chains there may be rows of."""
        return len(self._count)

    @property
    def nbytes(self) -> int:
        """Memory used."""
        arrays = (*self._flat.values(), self._start, self._size, self._skip, self._count)
        return sum(a.nbytes for a in arrays) + 64 * sum(map(len, self._free.values()))

    def grow(self, chains: int) -> None:
        """Make room for at least so many chains."""
        more = max(chains, 2 * len(self._count)) - len(self._count)
        if chains > len(self._count):
            self._start = np.append(self._start, np.zeros(more, np.int64))
            self._size = np.append(self._size, np.full(more, -1, np.int8))
            self._skip = np.append(self._skip, np.zeros(more, np.int64))
            self._count = np.append(self._count, np.zeros(more, np.int64))

    def counts(self, chains: Array) -> Array:
        """How many rows each of these chains has."""
        return np.asarray(self._count[chains])

    def positions(self, chains: Array) -> tuple[Array, Array]:
        """Rows of these chains, one chain after the other, oldest first: place in `chains`, and position."""
        counts = self._count[chains]
        within = steps(counts)
        owner = np.repeat(np.arange(len(chains)), counts)
        return owner, within + (self._start + self._skip)[chains][owner]

    def heads(self, chains: Array) -> Array:
        """Position of each chain's oldest row."""
        return np.asarray(self._start[chains] + self._skip[chains])

    def append(self, chains: Array, counts: Array, values: dict[str, Array]) -> None:
        """Add counts[i] rows to chains[i], no chain twice. values: by field, of all chains one after the other."""
        self.grow(int(chains.max()) + 1)
        held = self._count[chains]
        room = np.where(self._size[chains] < 0, 0, 1 << self._size[chains].astype(np.int64)) - self._skip[chains]
        short = held + counts > room
        if short.any():
            self._move(chains[short], (held + counts)[short])
        at = np.repeat(self._start[chains] + self._skip[chains] + held, counts) + steps(counts)
        for name, flat in self._flat.items():
            flat[at] = values[name]
        self._count[chains] = held + counts
        if self._idle > max(self._top >> 2, _FEW):
            self._pack()

    def shorten(self, chains: Array, counts: Array) -> None:
        """Take the oldest counts[i] rows of chains[i] away."""
        self._skip[chains] += counts
        self._count[chains] -= counts
        empty = chains[self._count[chains] == 0]
        self.clear(empty)

    def keep(self, chains: Array, owner: Array, at: Array) -> None:
        """Of these chains only the rows at these positions, which belong to chains[owner], ascending."""
        counts = np.bincount(owner, minlength=len(chains))
        to = np.repeat(self._start[chains] + self._skip[chains], counts) + steps(counts)
        for flat in self._flat.values():
            flat[to] = flat[at]
        self._count[chains] = counts
        self.clear(chains[counts == 0])

    def arrange(self, chains: Array, order: Array) -> None:
        """Put the rows of these chains in another order: `order` holds places in what `positions` says."""
        _, at = self.positions(chains)
        for flat in self._flat.values():
            flat[at] = flat[at[order]]

    def clear(self, chains: Array) -> None:
        """Take all rows of these chains away."""
        chains = chains[chains < len(self._count)]
        used = chains[self._size[chains] >= 0]
        if not len(used):
            return
        self._release(self._start[used], self._size[used])
        self._size[used] = -1
        self._start[used] = self._skip[used] = self._count[used] = 0

    def _move(self, chains: Array, wanted: Array) -> None:
        """Give these chains pieces with room for `wanted` rows and a quarter more."""
        owner, at = self.positions(chains)
        kept = {name: flat[at] for name, flat in self._flat.items()}
        used = self._size[chains] >= 0
        self._release(self._start[chains[used]], self._size[chains[used]])
        exact = np.ceil(np.log2(wanted + wanted // 4)).astype(np.int8)
        size = np.maximum(exact, _SMALLEST)
        start = self._take(size)
        self._start[chains], self._size[chains], self._skip[chains] = start, size, 0
        to = start[owner] + steps(self._count[chains])
        for name, flat in self._flat.items():
            flat[to] = kept[name]

    def _pack(self) -> None:
        """Move all pieces together."""
        chains = np.flatnonzero(self._size >= 0)
        owner, at = self.positions(chains)
        wide = 1 << self._size[chains].astype(np.int64)
        self._start[chains] = np.cumsum(wide) - wide
        to = self.heads(chains)[owner] + steps(self._count[chains])
        self._top, self._idle, self._free = int(wide.sum()), 0, {}
        for name, old in self._flat.items():
            new = np.empty(self._top + (self._top >> 2) + 1, old.dtype)
            new[to] = old[at]
            self._flat[name] = new

    def _release(self, start: Array, size: Array) -> None:
        self._idle += int((1 << size.astype(np.int64)).sum())
        for s in np.unique(size).tolist():
            self._free.setdefault(s, []).extend(start[size == s].tolist())

    def _take(self, size: Array) -> Array:
        start = np.empty(len(size), np.int64)
        for s in np.unique(size).tolist():
            at = np.flatnonzero(size == s)
            free = self._free.get(s, [])
            reused = min(len(free), len(at))
            if reused:
                start[at[:reused]] = free[-reused:]
                del free[-reused:]
                self._idle -= reused << s
            new = len(at) - reused
            start[at[reused:]] = self._top + (np.arange(new) << s)
            self._top += new << s
        if self._top >= len(next(iter(self._flat.values()))):
            self._widen()
        return start

    def _widen(self) -> None:
        size = self._top + (self._top >> 1) + 1  # one to spare: a slice may be reduced up to the one after its end
        for name, old in self._flat.items():
            new = np.empty(size, old.dtype)
            new[: len(old)] = old
            self._flat[name] = new


def first_above(column: Array, lo: Array, hi: Array, limit: Any) -> Array:
    """The first place in lo[i]:hi[i] whose number is above limit[i], else hi[i]; each of these pieces is sorted."""
    if len(lo) <= _ONE_BY_ONE:
        limits = np.broadcast_to(limit, lo.shape).tolist()
        pieces = zip(lo.tolist(), hi.tolist(), limits, strict=True)
        return np.array(
            [a + column[a:b].searchsorted(over, "right") if a < b else a for a, b, over in pieces], lo.dtype
        )
    lo, hi = lo.copy(), hi.copy()
    longest = int((hi - lo).max(initial=0))
    for _ in range(longest.bit_length()):
        mid = (lo + hi) >> 1
        open_ = lo < hi
        above = column[np.minimum(mid, len(column) - 1)] > limit
        hi = np.where(open_ & above, mid, hi)
        lo = np.where(open_ & ~above, mid + 1, lo)
    return lo
