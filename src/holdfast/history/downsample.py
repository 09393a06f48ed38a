"""Rows to steps: count, uncertain, bad, min, max, mean, last and percentiles, in bounded memory. Pure.

A cell is one (series, step). Rows come in chunks of any size and order; of rows with equal time the later one fed is
the last. Bad rows are counted and otherwise skipped, as are values that are no number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import QueryInvalid
from holdfast.history.lake.rollup import Steps
from holdfast.model.quality import QUALITY_MASK, Quality, is_usable

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
NEVER = np.iinfo(np.int64).min
MOST_VALUES = 2_000_000
"""Values that a percentile may need in memory, 16 bytes each."""


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

    def __init__(self, series: int, grid: Grid, *, keeps_values: bool = False) -> None:
        """keeps_values: also take what percentiles need; then `merge` makes those of its cells unknown."""
        size = series * grid.buckets
        self.grid = grid
        self.count = np.zeros(size, np.int64)
        self.uncertain = np.zeros(size, np.int64)
        self.bad = np.zeros(size, np.int64)
        self.low = np.full(size, np.inf)
        self.high = np.full(size, -np.inf)
        self.total = np.zeros(size)
        self.last = np.full(size, np.nan)
        self._last_ts = np.full(size, NEVER)
        self._values: list[tuple[Int64s, Float64s]] | None = [] if keeps_values else None
        self._held = 0
        self._unknown = np.zeros(size if keeps_values else 0, np.bool_)

    def add(self, place: Int64s, ts: Int64s, value: Float64s, quality: NDArray[np.uint8]) -> None:
        """Take rows inside the grid. place: position of the row's series among the queried ones. All of shape (n,)."""
        cell = place * self.grid.buckets + (ts - self.grid.start_ns) // self.grid.step_ns
        usable = is_usable(quality) & ~np.isnan(value)
        if not usable.all():
            np.add.at(self.bad, cell[~usable], 1)
            cell, ts, value, quality = cell[usable], ts[usable], value[usable], quality[usable]
        if len(cell):
            unsure = (quality & QUALITY_MASK) == Quality.UNCERTAIN
            if unsure.any():
                np.add.at(self.uncertain, cell[unsure], 1)
            self._keep(cell, value)
            self._aggregate(cell, ts, value)

    def merge(self, place: Int64s, steps: Steps) -> None:
        """Take stored steps that lie inside the grid and don't cross its steps. place: as for `add`."""
        cell = place * self.grid.buckets + (steps.ts - self.grid.start_ns) // self.grid.step_ns
        np.add.at(self.bad, cell, steps.bad)
        np.add.at(self.uncertain, cell, steps.uncertain)
        held = steps.count > 0
        if not held.any():
            return
        cell, count = cell[held], steps.count[held]
        if self._values is not None:
            self._unknown[cell] = True
        np.add.at(self.count, cell, count)
        np.add.at(self.total, cell, np.nan_to_num(steps.mean[held]) * count)
        np.fmin.at(self.low, cell, steps.low[held])
        np.fmax.at(self.high, cell, steps.high[held])
        self._take_last(cell, steps.last_ts[held], steps.last[held])

    def grow(self, series: int) -> None:
        """Take `series` more series, numbered after the others."""
        size = series * self.grid.buckets
        for name in ("count", "uncertain", "bad"):
            setattr(self, name, np.concatenate([getattr(self, name), np.zeros(size, np.int64)]))
        self.low = np.concatenate([self.low, np.full(size, np.inf)])
        self.high = np.concatenate([self.high, np.full(size, -np.inf)])
        self.total = np.concatenate([self.total, np.zeros(size)])
        self.last = np.concatenate([self.last, np.full(size, np.nan)])
        self._last_ts = np.concatenate([self._last_ts, np.full(size, NEVER)])
        if self._values is not None:
            self._unknown = np.concatenate([self._unknown, np.zeros(size, np.bool_)])

    def steps(self) -> Steps:
        """What `merge` would take elsewhere: a row a cell that holds any; `series` are places."""
        held = np.flatnonzero((self.count > 0) | (self.bad > 0))
        usable = self.count[held] > 0
        series, bucket = np.divmod(held, max(1, self.grid.buckets))
        begin = self.grid.start_ns + bucket * self.grid.step_ns
        return Steps(
            series.astype(np.int32),
            begin,
            self.count[held],
            self.uncertain[held],
            self.bad[held],
            np.where(usable, self.low[held], np.nan),
            np.where(usable, self.high[held], np.nan),
            self.mean()[held],
            self.last[held],
            np.where(usable, self._last_ts[held], begin),
            np.zeros(len(held)),
        )

    def percentile(self, share: float) -> Float64s:
        """The value below which `share` of a cell's usable values lie, between neighbours in proportion; NaN = unknown.

        The same as SQL's percentile_cont and numpy's default.
        """
        found = np.full(len(self.count), np.nan)
        if not self._values:
            return found
        cell = np.concatenate([c for c, _ in self._values])
        value = np.concatenate([v for _, v in self._values])
        order = np.lexsort((value, cell))
        cell, value = cell[order], value[order]
        starts = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1])))
        size = np.diff(np.append(starts, len(cell)))
        rank = (size - 1) * share
        low = starts + np.floor(rank).astype(np.int64)
        high = starts + np.ceil(rank).astype(np.int64)
        found[cell[starts]] = value[low] + (value[high] - value[low]) * (rank - np.floor(rank))
        found[self._unknown] = np.nan
        return found

    def mean(self) -> Float64s:
        """Mean of the usable values, NaN where there are none."""
        mean = np.full(len(self.count), np.nan)
        np.divide(self.total, self.count, out=mean, where=self.count > 0)
        return mean

    def _keep(self, cell: Int64s, value: Float64s) -> None:
        if self._values is None:
            return
        self._held += len(cell)
        if self._held > MOST_VALUES:
            hint = "ask for a shorter time or fewer series, or without percentiles"
            raise QueryInvalid(f"percentiles of more than {MOST_VALUES} values", hint)
        self._values.append((cell, value))

    def _aggregate(self, cell: Int64s, ts: Int64s, value: Float64s) -> None:
        if not _is_sorted(cell, ts):
            order = np.lexsort((ts, cell))  # stable: equal times keep the order they were fed in
            cell, ts, value = cell[order], ts[order], value[order]
        starts = np.flatnonzero(np.concatenate(([True], cell[1:] != cell[:-1])))
        ends = np.append(starts[1:], len(cell)) - 1
        at = cell[starts]
        self.count[at] += ends - starts + 1
        self.total[at] += np.add.reduceat(value, starts)
        self.low[at] = np.minimum(self.low[at], np.minimum.reduceat(value, starts))
        self.high[at] = np.maximum(self.high[at], np.maximum.reduceat(value, starts))
        self._take_last(at, ts[ends], value[ends])

    def _take_last(self, cell: Int64s, ts: Int64s, value: Float64s) -> None:
        """Of what is given the newest counts, the later one among equals; cells may repeat in order of time."""
        if len(cell) > 1 and not (cell[1:] > cell[:-1]).all():
            order = np.lexsort((ts, cell))
            cell, ts, value = cell[order], ts[order], value[order]
            final = np.append(cell[1:] != cell[:-1], True)  # the last row ends its cell
            cell, ts, value = cell[final], ts[final], value[final]
        newer = ts >= self._last_ts[cell]
        self._last_ts[cell[newer]] = ts[newer]
        self.last[cell[newer]] = value[newer]


def _is_sorted(cell: Int64s, ts: Int64s) -> bool:
    ahead = cell[1:] > cell[:-1]
    return bool((ahead | ((cell[1:] == cell[:-1]) & (ts[1:] >= ts[:-1]))).all())
