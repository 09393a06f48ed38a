"""Columns that let through only what matters: `deadband` and `swinging_door`.

Both depend on what they let through last, sample after sample, so they go through a key's samples in a loop of plain
numbers; `deadband` only through those keys of which any sample leaves the band.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rowops.plain import fresh_where_known
from holdfast.stream.rows import Rows, filled
from holdfast.stream.state import State

Array = NDArray[Any]


def _passed(state: State, name: str, rows: Rows, values: Array, fresh: Array) -> tuple[Array, Array | None]:
    column = filled(values, fresh, rows.firsts, rows.key, state[name][rows.slots])
    state[name][rows.slots] = column[np.append(rows.firsts[1:], len(rows)) - 1]
    return column, fresh_where_known(column, fresh)


class Deadband:
    """The newest sample that was more than `band` away from the one let through before it; the first is let through."""

    def __init__(self, state: State, name: str, column: int, band: float) -> None:
        self._column, self._band, self._state, self._name = column, band, state, f"{name}.kept"
        state.declare(self._name, np.float64, np.nan)

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        fresh, values = rows.fresh[self._column], rows.columns[self._column]
        kept = self._state[self._name][rows.slots]
        at = np.arange(len(rows)) if fresh is None else np.flatnonzero(fresh)
        passes = np.zeros(len(rows), np.bool_)
        key = rows.key[at]
        leaves = ~(np.abs(values[at] - kept[key]) <= self._band)  # nothing kept yet: it does
        if leaves.any():
            is_walked = np.zeros(len(rows.slots), np.bool_)
            is_walked[key[leaves]] = True
            walked = is_walked[key]
            mine = at[walked]
            passes[mine] = self._walk(key[walked].tolist(), values[mine].tolist(), kept.tolist())
        return _passed(self._state, self._name, rows, values, passes)

    def _walk(self, keys: list[int], values: list[float], kept: list[float]) -> list[bool]:
        band, found = self._band, []
        for key, value in zip(keys, values, strict=True):
            leaves = not abs(value - kept[key]) <= band
            if leaves:
                kept[key] = value
            found.append(leaves)
        return found


class SwingingDoor:
    """The points that a line within ±`band` needs (swinging door trending; Bristol, US patent 4,669,097, 1987).

    A point is let through by the first sample that no line from the last such point, passing every sample between
    within the band, can also pass: it's the sample before that one. So it comes one sample late, with its own time in
    the companion column. The first sample is let through at once; one not newer than the sample before it is left out.
    """

    def __init__(self, state: State, name: str, column: int, band: float, *, time: bool) -> None:
        """time: make the time of the point let through (s since the epoch) instead of its value."""
        self._column, self._band, self._time, self._state = column, band, time, state
        self._door, self._name = f"{name}.door", f"{name}.kept"
        state.declare(self._door, np.float64, np.nan, 4)
        state.declare(f"{name}.t", np.int64, 0, 2)
        self._times = f"{name}.t"
        state.declare(self._name, np.float64, np.nan)

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        fresh, values = rows.fresh[self._column], rows.columns[self._column]
        at = np.arange(len(rows)) if fresh is None else np.flatnonzero(fresh)
        out, passes = np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
        doors, times = self._state[self._door][rows.slots].tolist(), self._state[self._times][rows.slots].tolist()
        place, found = 0, list[tuple[int, float]]()
        for key, count in enumerate(np.bincount(rows.key[at], minlength=len(rows.slots)).tolist()):
            mine = at[place : place + count]
            place += count
            if count:
                found += self._walk(doors, times, key, rows.ts[mine].tolist(), values[mine].tolist(), place - count)
        if found:
            through = at[[i for i, _ in found]]
            out[through], passes[through] = [point for _, point in found], True
        self._state[self._door][rows.slots] = doors
        self._state[self._times][rows.slots] = times
        return _passed(self._state, self._name, rows, out, passes)

    def _walk(
        self,
        doors: list[list[float]],
        moments: list[list[int]],
        key: int,
        times: list[int],
        values: list[float],
        place: int,
    ) -> list[tuple[int, float]]:
        """The points let through: (which sample did it, the point's value or time)."""
        (v0, v1, low, high), (t0, t1) = doors[key], moments[key]
        band, found = self._band, []
        for i, (t, v) in enumerate(zip(times, values, strict=True), place):
            if math.isnan(v0):
                t0, v0, t1, v1, low, high = t, v, t, v, -math.inf, math.inf
                found.append((i, t / 1e9 if self._time else v))
                continue
            if t <= t1:
                continue
            up, down = (v + band - v0) / (t - t0), (v - band - v0) / (t - t0)
            low, high = max(low, down), min(high, up)
            if low > high:
                found.append((i, t1 / 1e9 if self._time else v1))
                t0, v0 = t1, v1
                low, high = (v - band - v0) / (t - t0), (v + band - v0) / (t - t0)
            t1, v1 = t, v
        doors[key], moments[key] = [v0, v1, low, high], [t0, t1]
        return found
