"""Aggregates of windows that follow one another, kept up sample by sample: no sample is remembered.

What is added is added in order of the samples, one after the other, so a window's numbers have the same bits however
its samples were batched. `var` and `stddev` sum deviations from the window's first value, which loses
(mean - first)² / var of the 16 digits; `sum` loses what adding one after the other loses: n · 1e-16.

State per slot and column: see `_BASE`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.plans import Call
from holdfast.stream.rows import grouped
from holdfast.stream.state import State

Array = NDArray[Any]
NS = 1e9

_BASE: dict[str, tuple[type, float]] = {
    "n": (np.int64, 0),
    "first": (np.float64, 0.0),
    "first_ts": (np.int64, 0),
    "last": (np.float64, 0.0),
    "last_ts": (np.int64, 0),
    "sum": (np.float64, 0.0),
    "low": (np.float64, np.inf),
    "high": (np.float64, -np.inf),
    "off": (np.float64, 0.0),  # Σ(v - first)
    "off2": (np.float64, 0.0),  # Σ(v - first)²
    "area": (np.float64, 0.0),  # of the trapezoids
    "held": (np.float64, 0.0),  # Σ(v[i] - first)·(t[i+1] - t[i])
    "rise": (np.float64, 0.0),  # of a counter
}
_ALWAYS = ("n", "first", "first_ts", "last", "last_ts")
_NEEDS: dict[str, tuple[str, ...]] = {
    "sum": ("sum",),
    "avg": ("sum",),
    "min": ("low",),
    "max": ("high",),
    "range": ("low", "high"),
    "var": ("off", "off2"),
    "stddev": ("off", "off2"),
    "integral": ("area",),
    "time_avg": ("held",),
    "increase": ("rise",),
    "rate": ("rise",),
}
KINDS = frozenset(_NEEDS) | {"count", "first", "last", "derivative", "completeness"}
"""The aggregates that can be kept up without the samples."""


class Carried:
    """The accumulators of one column of a stage whose keys have one open window each."""

    def __init__(self, state: State, name: str, calls: Iterable[Call]) -> None:
        """calls: of kinds in `KINDS`."""
        needed = {part for call in calls for part in _NEEDS.get(call.kind, ())}
        self._state = state
        self._names = {part: f"{name}.{part}" for part in (*_ALWAYS, *sorted(needed))}
        for part, full in self._names.items():
            dtype, fill = _BASE[part]
            state.declare(full, dtype, fill)

    def add(self, slots: Array, carried: Array, part: Array, ts: Array, value: Array) -> "Sums":
        """Add samples to windows.

        slots, carried (W,): each window's slot, and whether it was open before; part (n,): the window of each sample,
        ascending; ts, value (n,): in order of time.
        """
        work = dict[str, Array]()
        for name, full in self._names.items():
            dtype, fill = _BASE[name]
            work[name] = np.full(len(slots), fill, dtype)
            work[name][carried] = self._state[full][slots[carried]]
        if len(part):
            _add(work, part, ts, value)
        return Sums(work)

    def keep(self, sums: "Sums", slots: Array, at: Array) -> None:
        """Remember windows `at`, which stay open, of these slots."""
        for name, full in self._names.items():
            self._state[full][slots] = sums.work[name][at]

    def reset(self, slots: Array) -> None:
        """These slots have no open window."""
        self._state.clear(slots, *self._names.values())


def _add(work: dict[str, Array], part: Array, ts: Array, value: Array) -> None:
    _, starts, windows = grouped(part)
    new = work["n"][windows] == 0
    before, before_ts = work["last"][windows], work["last_ts"][windows]
    work["first"][windows[new]] = value[starts[new]]
    work["first_ts"][windows[new]] = ts[starts[new]]
    ends = np.append(starts[1:], len(part)) - 1
    work["last"][windows], work["last_ts"][windows] = value[ends], ts[ends]
    work["n"] += np.bincount(part, minlength=len(work["n"]))
    if "sum" in work:
        np.add.at(work["sum"], part, value)
    if "low" in work:
        np.minimum.at(work["low"], part, value)
    if "high" in work:
        np.maximum.at(work["high"], part, value)
    if "off" in work:
        off = value - work["first"][part]
        np.add.at(work["off"], part, off)
        np.add.at(work["off2"], part, off * off)
    if work.keys() & {"area", "held", "rise"}:
        former, former_ts = np.empty(len(value)), np.empty(len(ts), np.int64)
        former[1:], former_ts[1:] = value[:-1], ts[:-1]
        former[starts] = np.where(new, value[starts], before)
        former_ts[starts] = np.where(new, ts[starts], before_ts)
        passed = (ts - former_ts) / NS
        _add_pairs(work, part, former, value, passed)


def _add_pairs(work: dict[str, Array], part: Array, former: Array, value: Array, passed: Array) -> None:
    if "area" in work:
        np.add.at(work["area"], part, (former + value) / 2 * passed)
    if "held" in work:
        np.add.at(work["held"], part, (former - work["first"][part]) * passed)
    if "rise" in work:
        step = value - former
        np.add.at(work["rise"], part, np.where(step < 0, value, step))


class Sums:
    """What came of W windows; formulas as in `Segments`."""

    def __init__(self, work: dict[str, Array]) -> None:
        self.work = work

    def get(self, call: Call, at: Array, start: Array | None, end: Array | None) -> Array:
        """One number for each of the windows `at`, which run from start to end, ns; None: from sample to sample."""
        w = {name: column[at] for name, column in self.work.items()}
        n = w["n"]
        if call.kind == "count":
            return np.asarray(n.astype(np.float64))
        if call.kind == "completeness":
            passed = (w["last_ts"] - w["first_ts"]) / NS
            every = call.args[0]
            expected = passed / every + 1.0 if start is None or end is None else (end - start) / NS / every
            return np.asarray(np.minimum(n / np.maximum(expected, np.finfo(np.float64).tiny), 1.0))
        if call.kind == "time_avg":
            until = w["last_ts"] if end is None else np.maximum(end, w["last_ts"])
            return np.where(n > 0, _time_average(w, until), np.nan)
        least, formula = _FORMULAS[call.kind]
        return np.where(n >= least, formula(w), np.nan)


def _time_average(w: dict[str, Array], until: Array) -> Array:
    passed = (until - w["first_ts"]) / NS
    held = w["held"] + (w["last"] - w["first"]) * ((until - w["last_ts"]) / NS)
    return np.where(passed > 0, w["first"] + held / np.where(passed > 0, passed, 1.0), w["last"])


def _per_second(number: Array, w: dict[str, Array]) -> Array:
    passed = (w["last_ts"] - w["first_ts"]) / NS
    return np.asarray(np.divide(number, passed, out=np.full(len(number), np.nan), where=passed > 0))


def _variance(w: dict[str, Array]) -> Array:
    n = w["n"]
    return np.asarray(np.maximum(w["off2"] - w["off"] * w["off"] / np.maximum(n, 1), 0.0) / np.maximum(n - 1, 1))


_FORMULAS: dict[str, tuple[int, Callable[[dict[str, Array]], Array]]] = {
    "sum": (1, lambda w: w["sum"]),
    "avg": (1, lambda w: w["sum"] / np.maximum(w["n"], 1)),
    "min": (1, lambda w: w["low"]),
    "max": (1, lambda w: w["high"]),
    "range": (1, lambda w: w["high"] - w["low"]),
    "first": (1, lambda w: w["first"]),
    "last": (1, lambda w: w["last"]),
    "var": (2, _variance),
    "stddev": (2, lambda w: np.sqrt(_variance(w))),
    "integral": (2, lambda w: w["area"]),
    "increase": (2, lambda w: w["rise"]),
    "rate": (2, lambda w: _per_second(w["rise"], w)),
    "derivative": (1, lambda w: _per_second(w["last"] - w["first"], w)),
}
"""Fewest samples, and the number."""
