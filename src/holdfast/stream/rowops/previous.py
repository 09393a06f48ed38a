"""Columns that look back: `lag`, `delta`, `changed`, `elapsed`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rowops.plain import fresh_where_known
from holdfast.stream.rows import Rows, filled
from holdfast.stream.state import State
from holdfast.stream.windows.tapes import Ring

Array = NDArray[Any]
_NEVER = -(1 << 62)


class Lag:
    """The sample that came `back` samples before a column's newest one; it stands until the next sample."""

    def __init__(self, state: State, name: str, column: int, back: int) -> None:
        self._column = column
        self._ring = Ring(state, name, back + 1)

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        fresh, values = rows.fresh[self._column], rows.columns[self._column]
        width = self._ring.width
        if fresh is None:
            tape = self._ring.splice(rows.slots, rows.firsts, rows.key, rows.ts, values)
            at = rows.key * width + np.arange(1, len(rows) + 1)
        else:
            seen = np.cumsum(fresh)
            firsts = seen[rows.firsts] - fresh[rows.firsts]
            tape = self._ring.splice(rows.slots, firsts, rows.key[fresh], rows.ts[fresh], values[fresh])
            at = rows.key * width + seen
        column = tape.values[at]
        return column, fresh_where_known(column, fresh)


class Delta:
    """A column's newest sample minus the one before it; it stands until the next sample."""

    def __init__(self, state: State, name: str, column: int) -> None:
        self._column = column
        self._lag = Lag(state, name, column, 1)
        self._name, self._state = f"{name}.value", state
        state.declare(self._name, np.float64, np.nan)

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        before, _ = self._lag.apply(rows)
        fresh, values = rows.fresh[self._column], rows.columns[self._column]
        column = values - before
        if fresh is not None:
            column = filled(column, fresh, rows.firsts, rows.key, self._state[self._name][rows.slots])
        self._state[self._name][rows.slots] = column[np.append(rows.firsts[1:], len(rows)) - 1]
        return column, fresh_where_known(column, fresh)


class Changed:
    """1 where a message brings a sample that differs from the one before, 0 where not, unknown at the first."""

    def __init__(self, state: State, name: str, columns: tuple[int, ...]) -> None:
        """columns: any of which may have changed."""
        self._columns = columns
        self._lags = [Lag(state, f"{name}.{i}", column, 1) for i, column in enumerate(columns)]

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        differs, is_known = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        for column, lag in zip(self._columns, self._lags, strict=True):
            before, _ = lag.apply(rows)
            value, fresh = rows.columns[column], rows.fresh[column]
            apart = (value < before) | (value > before)
            differs |= apart if fresh is None else apart & fresh
            is_known |= before == before  # noqa: PLR0124 - NaN
        made = np.where(is_known, differs, np.nan)
        return made, fresh_where_known(made, None)


class Elapsed:
    """Seconds from the message before this one that brought the column; negative when this one is older."""

    def __init__(self, state: State, name: str, column: int) -> None:
        self._column, self._state, self._name = column, state, f"{name}.ts"
        state.declare(self._name, np.int64, _NEVER)

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        fresh = rows.fresh[self._column]
        fresh = np.ones(len(rows), np.bool_) if fresh is None else fresh
        before = self._state[self._name][rows.slots]
        newest = filled(rows.ts, fresh, rows.firsts, rows.key, before)
        previous = np.empty_like(newest)
        previous[1:] = newest[:-1]
        previous[rows.firsts] = before
        self._state[self._name][rows.slots] = newest[np.append(rows.firsts[1:], len(rows)) - 1]
        is_first: Array = np.equal(previous, _NEVER)
        column = np.where(is_first, np.nan, (rows.ts - previous) / 1e9)
        return column, fresh_where_known(column, None)
