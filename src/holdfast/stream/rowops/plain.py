"""Columns that need no memory: expressions, the message's time, a reading's quality, whether it's new."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.quality import QUALITY_MASK
from holdfast.stream.plans import Compute
from holdfast.stream.rows import Rows
from holdfast.stream.texts import known

Array = NDArray[Any]
WORDS = ("good", "uncertain", "bad")
"""What `quality(x)` says, by `model.quality.Quality`."""


def fresh_where_known(column: Array, fresh: Array | None) -> Array | None:
    """Which messages bring a column that isn't known everywhere."""
    known_ones: Array = ~np.isnan(column)
    if known_ones.all():
        return fresh
    return known_ones if fresh is None else known_ones & fresh


class Computed:
    """An expression over other columns; anew where any of them is."""

    def __init__(self, compute: Compute, reads: Sequence[int]) -> None:
        self._compute, self._reads = compute, reads

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        column = np.array(np.broadcast_to(self._compute(rows.columns), (len(rows),)), np.float64)
        parts = [rows.fresh[i] for i in self._reads]
        anew = None if not parts or any(p is None for p in parts) else reduce(np.logical_or, parts)  # type: ignore[arg-type]  # no None in them, as was asked
        return column, fresh_where_known(column, anew)


class Condition:
    """1 where a condition holds, 0 where it doesn't or that isn't known."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def apply(self, rows: Rows) -> tuple[Array, None]:
        """See `RowOperator`."""
        return np.array(np.broadcast_to(self._compute(rows.columns), (len(rows),)), np.float64), None


class Time:
    """The message's time, s since the epoch."""

    def apply(self, rows: Rows) -> tuple[Array, None]:
        """See `RowOperator`."""
        return rows.ts / 1e9, None


class Fresh:
    """1 where a message brings a column anew, else 0."""

    def __init__(self, column: int) -> None:
        self._column = column

    def apply(self, rows: Rows) -> tuple[Array, None]:
        """See `RowOperator`."""
        fresh = rows.fresh[self._column]
        return np.ones(len(rows)) if fresh is None else fresh.astype(np.float64), None


class QualityOf:
    """A reading's quality as text: `good`, `uncertain`, `bad`."""

    def __init__(self, column: int) -> None:
        self._column = column

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        codes = np.append(known().learn(WORDS), np.nan)
        if rows.quality is None:
            return np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
        said = rows.quality[self._column]
        column = codes[np.where(said < 0, len(WORDS), np.minimum(said & QUALITY_MASK, len(WORDS) - 1))]
        return column, fresh_where_known(column, None)
