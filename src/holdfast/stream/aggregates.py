"""Aggregates of all windows of a tape at once, exact: no running sum that drifts.

A window of N is put together from windows of 1, 2, 4, 8 … samples, each made by adding two halves: log2(N) vector
operations for any number of windows. The order of additions depends on N alone, never on how rows were batched, so a
replay in other batches gives the same bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.plans import Aggregate

Array = NDArray[Any]


def fold(column: Array, width: int, operator: Callable[..., Any]) -> Array:
    """`operator` over every `width` neighbours: shape (n,) in, (n - width + 1,) out."""
    return _fold(column, width, lambda a, b, length: operator(a[:length], b[-length:] if length else b))


class Windows:
    """The windows of `width` samples that start at `starts` of a column; NaN means no sample there."""

    def __init__(self, column: Array, width: int, starts: Array) -> None:
        self._column = column
        self._width = width
        self._starts = starts
        valid = ~np.isnan(column)
        self._valid: Array | None = None if valid.all() else valid
        self._count: Any = None

    def get(self, aggregate: Aggregate) -> Any:
        """One number per window; NaN where SQL says NULL."""
        match aggregate:
            case "count":
                return self.count()
            case "avg":
                return self._sum() / self.count()
            case "sum":
                return self._known(self._sum())
            case "min":
                return self._known(self._fold(np.minimum, np.inf))
            case "max":
                return self._known(self._fold(np.maximum, -np.inf))
            case "first":
                return self._column[self._starts + self._width - np.maximum(self.count(), 1).astype(np.int64)]
            case "last" | "latest":
                return self._column[self._starts + (self._width - 1)]
            case "var":
                return self._variance()
            case "stddev":
                return np.sqrt(self._variance())

    def count(self) -> Any:
        """How many samples each window has; one number when all are full."""
        if self._count is None:
            self._count = (
                np.float64(self._width)
                if self._valid is None
                else fold(self._valid.astype(np.float64), self._width, np.add)[self._starts]
            )
        return self._count

    def _fold(self, operator: Callable[..., Any], neutral: float) -> Array:
        column = self._column if self._valid is None else np.where(self._valid, self._column, neutral)
        return fold(column, self._width, operator)[self._starts]

    def _sum(self) -> Array:
        return self._fold(np.add, 0.0)

    def _known(self, numbers: Array) -> Array:
        return numbers if self._valid is None else np.where(self.count() > 0, numbers, np.nan)

    def _variance(self) -> Array:
        ones = np.ones(len(self._column)) if self._valid is None else self._valid.astype(np.float64)
        means = self._column if self._valid is None else np.where(self._valid, self._column, 0.0)
        _, _, squares = _fold_moments((ones, means, np.zeros(len(ones))), self._width)
        return squares[self._starts] / np.where(self.count() > 1, self.count() - 1.0, np.nan)


Moments = tuple[Array, Array, Array]


def _from(moments: Moments, start: int) -> Moments:
    return moments[0][start:], moments[1][start:], moments[2][start:]


def _upto(moments: Moments, end: int) -> Moments:
    return moments[0][:end], moments[1][:end], moments[2][:end]


def _merge(a: Moments, b: Moments) -> Moments:
    count = a[0] + b[0]
    share = b[0] / np.maximum(count, 1.0)
    delta = b[1] - a[1]
    return count, a[1] + delta * share, a[2] + b[2] + delta * delta * a[0] * share


def in_order(inputs: Sequence[tuple[Aggregate, int]], windows: Sequence[Windows]) -> list[Any]:
    """The plan's input columns."""
    return [windows[metric].get(aggregate) for aggregate, metric in inputs]
