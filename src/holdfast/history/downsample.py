"""Rows to steps: count, bad, min, max, mean and last per series and step, in bounded memory. Pure.

A cell is one (series, step). Rows come in chunks of any size and order; of rows with equal time the later one fed is
the last. Bad rows are counted and otherwise skipped, as are values that are no number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.model.quality import is_usable

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Grid:
    """The steps of a query: `buckets` steps of `step_ns` from `start_ns`, a multiple of the step."""

    start_ns: int
    step_ns: int
    buckets: int

    @staticmethod
    def over(from_ns: int, to_ns: int, step_ns: int) -> "Grid":
        """The grid that covers [from_ns, to_ns); aligned to the epoch, so repeated questions give the same steps."""
        start = from_ns // step_ns * step_ns
        return Grid(start, step_ns, max(0, -((start - to_ns) // step_ns)))


class Cells:
    """Aggregates of `series * grid.buckets` cells; arrays are flat, series first."""

    def __init__(self, series: int, grid: Grid) -> None:
        size = series * grid.buckets
        self.grid = grid
        self.count = np.zeros(size, np.int64)
        self.bad = np.zeros(size, np.int64)
        self.low = np.full(size, np.inf)
        self.high = np.full(size, -np.inf)
        self.total = np.zeros(size)
        self.last = np.full(size, np.nan)
        self._last_ts = np.full(size, NEVER)

    def add(self, place: Int64s, ts: Int64s, value: Float64s, quality: NDArray[np.uint8]) -> None:
        """Take rows inside the grid. place: position of the row's series among the queried ones. All of shape (n,)."""
        cell = place * self.grid.buckets + (ts - self.grid.start_ns) // self.grid.step_ns
        usable = is_usable(quality) & ~np.isnan(value)
        if not usable.all():
            np.add.at(self.bad, cell[~usable], 1)
            cell, ts, value = cell[usable], ts[usable], value[usable]
        if len(cell):
            self._aggregate(cell, ts, value)

    def mean(self) -> Float64s:
        """Mean of the usable values, NaN where there are none."""
        mean = np.full(len(self.count), np.nan)
        np.divide(self.total, self.count, out=mean, where=self.count > 0)
        return mean

    def _aggregate(self, cell: Int64s, ts: Int64s, value: Float64s) -> None:
        order = np.lexsort((ts, cell))  # stable: equal times keep the order they were fed in
        cell, ts, value = cell[order], ts[order], value[order]
        starts = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1])))
        ends = np.append(starts[1:], len(cell)) - 1
        at = cell[starts]
        self.count[at] += ends - starts + 1
        self.total[at] += np.add.reduceat(value, starts)
        self.low[at] = np.minimum(self.low[at], np.minimum.reduceat(value, starts))
        self.high[at] = np.maximum(self.high[at], np.maximum.reduceat(value, starts))
        newer = ts[ends] >= self._last_ts[at]
        self._last_ts[at[newer]] = ts[ends[newer]]
        self.last[at[newer]] = value[ends[newer]]
