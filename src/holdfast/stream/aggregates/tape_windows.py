"""Aggregates of all windows of a tape at once, exact: no running sum that drifts.

A window of N is put together from windows of 1, 2, 4, 8 … samples, each made by adding two halves: log2(N) vector
operations for any number of windows. The order of additions depends on N alone, never on how rows were batched, so a
replay in other batches gives the same bits.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates import raw
from holdfast.stream.plans import Call

Array = NDArray[Any]


def fold(column: Array, width: int, operator: Callable[[Array, Array], Array]) -> Array:
    """`operator` over every `width` neighbours of the last axis: n places in, n - width + 1 out."""
    power, size, offset = column, 1, 0
    result: Array | None = None
    while size <= width:
        if width & size:
            part = power[..., offset:]
            result = part if result is None else operator(result[..., : part.shape[-1]], part)
            offset += size
        if 2 * size <= width:
            power = operator(power[..., :-size], power[..., size:])
        size *= 2
    return column if result is None else result


class TapeWindows:
    """The windows of `width` samples that start at `starts` of a column; NaN means no sample there."""

    def __init__(self, column: Array, ts: Array, width: int, starts: Array) -> None:
        self._column = column
        self._ts = ts
        self._width = width
        self._starts = starts
        self._count: Any = None

    def get(self, call: Call) -> Any:
        """One number per window; NaN where SQL says NULL. Of `samples` what lays them out."""
        if call.kind == raw.KIND:
            return raw.TapeSamples(self._column, self._starts, self._width, int(call.args[0]))
        return _MAKERS[call.kind](self)

    @cached_property
    def _valid(self) -> Array | None:
        """Where there is a sample; None: everywhere."""
        unknown = np.isnan(self._column)
        return ~unknown if np.count_nonzero(unknown) else None

    def count(self) -> Any:
        """How many samples each window has; one number when all are full."""
        if self._count is None:
            self._count = (
                np.float64(self._width)
                if self._valid is None
                else fold(self._valid.astype(np.float64), self._width, np.add)[self._starts]
            )
        return self._count

    def average(self) -> Array:
        """The mean."""
        return np.asarray(self._fold(np.add, 0.0) / self.count())

    def total(self) -> Array:
        """The sum."""
        return self._known(self._fold(np.add, 0.0))

    def smallest(self) -> Array:
        """The minimum."""
        return self._known(self._fold(np.minimum, np.inf))

    def largest(self) -> Array:
        """The maximum."""
        return self._known(self._fold(np.maximum, -np.inf))

    def spread(self) -> Array:
        """The largest minus the smallest."""
        return self.largest() - self.smallest()

    def oldest(self) -> Array:
        """The first sample."""
        count = np.asarray(self.count(), np.int64)
        return np.asarray(self._column[self._starts + self._width - np.maximum(count, 1)])

    def newest(self) -> Array:
        """The last sample."""
        return np.asarray(self._column[self._starts + (self._width - 1)])

    def variance(self) -> Array:
        """The sample variance."""
        ones = np.ones(len(self._column)) if self._valid is None else self._valid.astype(np.float64)
        means = self._column if self._valid is None else np.where(self._valid, self._column, 0.0)
        squares = fold(np.stack((ones, means, np.zeros(len(ones)))), self._width, _merge)[2]
        return np.asarray(squares[self._starts] / np.where(self.count() > 1, self.count() - 1.0, np.nan))

    def deviation(self) -> Array:
        """The sample standard deviation."""
        return np.sqrt(self.variance())

    def _fold(self, operator: Callable[..., Any], neutral: float) -> Array:
        column = self._column if self._valid is None else np.where(self._valid, self._column, neutral)
        return fold(column, self._width, operator)[self._starts]

    def _known(self, numbers: Array) -> Array:
        return numbers if self._valid is None else np.where(self.count() > 0, numbers, np.nan)


_MAKERS: dict[str, Callable[[TapeWindows], Any]] = {
    "avg": TapeWindows.average,
    "min": TapeWindows.smallest,
    "max": TapeWindows.largest,
    "sum": TapeWindows.total,
    "count": TapeWindows.count,
    "stddev": TapeWindows.deviation,
    "var": TapeWindows.variance,
    "first": TapeWindows.oldest,
    "last": TapeWindows.newest,
    "range": TapeWindows.spread,
}
KINDS = frozenset(_MAKERS) | {raw.KIND}
"""The aggregates that `TapeWindows` knows."""


def _merge(a: Array, b: Array) -> Array:
    """Rows (count, mean, sum of squared deviations) of two samples as one, without cancellation (Chan et al., 1979)."""
    count = a[0] + b[0]
    share = b[0] / np.maximum(count, 1.0)
    delta = b[1] - a[1]
    return np.stack((count, a[1] + delta * share, a[2] + b[2] + delta * delta * a[0] * share))
