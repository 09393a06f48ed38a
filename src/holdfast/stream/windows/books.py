"""The panes of several keys in order, from which windows are looked up and put together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates.parts import View
from holdfast.stream.windows.grids import Grid

Array = NDArray[Any]
_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
class Book:
    """Panes that hold something.

    owner: a key's number, ascending; pane: ascending within a key; at: its place in `view`
    view:  the state's own arrays, or a sheet beside them
    """

    owner: Array
    pane: Array
    at: Array
    view: View
    is_sheet: bool = False

    def windows(self, grid: Grid, low: Array, high: Array) -> tuple[Array, Array]:
        """All windows k, low[key] <= k < high[key], that hold any of these panes: (owner, window), in order."""
        if grid.single:
            found = (self.pane >= low[self.owner]) & (self.pane < high[self.owner])
            return self.owner[found], self.pane[found]
        first = np.maximum(grid.first(self.pane), low[self.owner])
        counts = np.maximum(np.minimum(grid.last(self.pane), high[self.owner] - 1) - first + 1, 0)
        owner, window = np.repeat(self.owner, counts), spread(first, counts)
        if len(owner) < 2:
            return owner, window
        order = np.lexsort((window, owner))
        owner, window = owner[order], window[order]
        new = np.append(True, (owner[1:] != owner[:-1]) | (window[1:] != window[:-1]))
        return owner[new], window[new]

    def places(self, grid: Grid, owner: Array, window: Array) -> tuple[Array, Array]:
        """The places in `view` of these windows' panes, and where each window's begin among them."""
        begins = find(self.owner, self.pane, owner, grid.lowest(window))
        if grid.single:
            return self.at[begins], np.arange(len(window))
        counts = find(self.owner, self.pane, owner, grid.past(window)) - begins
        return self.at[spread(begins, counts)], counts.cumsum() - counts


def spread(first: Array, counts: Array) -> Array:
    """The numbers first[0], first[0] + 1 … (counts[0] of them), first[1] …, in one column."""
    starts = counts.cumsum() - counts
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(first - starts, counts))


def codes(owner: Array, number: Array, base: int, span: int) -> Array:
    """One ascending column for two, numbers being within [base, base + span]."""
    return np.asarray(owner * (span + 1) + np.clip(number - base, 0, span))


def find(owner: Array, number: Array, of: Array, wanted: Array) -> Array:
    """Where in (owner, number), both ascending, the first is that isn't less than (of, wanted)."""
    if not len(number):
        return np.zeros(len(of), np.intp)
    base = int(number.min())
    span = int(number.max()) + 1 - base
    if (int(owner[-1]) + 2) * (span + 1) < _MOST:
        return np.searchsorted(codes(owner, number, base, span), codes(of, wanted, base, span))
    bounds = np.searchsorted(owner, np.arange(int(of.max(initial=0)) + 2))
    pairs = zip(of.tolist(), wanted.tolist(), strict=True)
    return np.array([bounds[o] + np.searchsorted(number[bounds[o] : bounds[o + 1]], w) for o, w in pairs], np.intp)
