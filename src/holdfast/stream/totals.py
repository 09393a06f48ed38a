"""Running totals of one metric in each device's open tumbling window, brought forward batch by batch.

Sums are added one sample after the other, so how rows were batched never changes a bit of the result.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.state import State

if TYPE_CHECKING:
    from holdfast.stream.plans import Aggregate

Array = NDArray[Any]

_NEUTRAL = {"n": 0.0, "sum": 0.0, "min": np.inf, "max": -np.inf, "first": np.nan, "last": np.nan, "d1": 0.0, "d2": 0.0}
_NEEDS: "dict[Aggregate, tuple[str, ...]]" = {
    "avg": ("sum",),
    "sum": ("sum",),
    "min": ("min",),
    "max": ("max",),
    "count": (),
    "first": ("first",),
    "last": ("last",),
    "latest": ("last",),
    "var": ("first", "d1", "d2"),
    "stddev": ("first", "d1", "d2"),
}


class Totals:
    """One metric's totals. d1, d2: sums of the deviations from the window's first sample, and of their squares."""

    def __init__(self, state: State, name: str, aggregates: "list[Aggregate]") -> None:
        needed = {"n", *(part for a in aggregates for part in _NEEDS[a])}
        self._state = state
        self._parts = {part: f"{name}.{part}" for part in _NEUTRAL if part in needed}
        self._latest = f"{name}.latest" if "latest" in aggregates else None
        for part, key in self._parts.items():
            state.declare(key, np.float64, _NEUTRAL[part])
        if self._latest:
            state.declare(self._latest, np.float64, np.nan)

    def read(self, slots: Array) -> dict[str, Array]:
        """The open windows' totals."""
        parts = {part: self._state[key][slots] for part, key in self._parts.items()}
        if self._latest:
            parts["latest"] = self._state[self._latest][slots]
        return parts

    def extend(self, slots: Array, carried: Array, groups: int, group: Array, value: Array) -> dict[str, Array]:
        """Totals of `groups` windows: `carried[d]` goes on from device d's state, sample k falls in `group[k]`."""
        old = self.read(slots)
        out: dict[str, Array] = {"n": np.bincount(group, minlength=groups).astype(np.float64)}
        out["n"][carried] += old["n"]
        both = np.concatenate((carried, group))
        for part in self._parts:
            if part in {"sum", "d1", "d2"}:
                add = value if part == "sum" else (value - out["first"][group]) ** (1 if part == "d1" else 2)
                out[part] = np.bincount(both, np.concatenate((old[part], add)), groups)
            elif part != "n":
                out[part] = _pick(part, old[part], carried, groups, group, value)
        if self._latest:
            out["latest"] = _fill_forward(out["last"], old["latest"], carried)
        return out

    def write(self, slots: Array, parts: dict[str, Array], at: Array) -> None:
        """Keep the totals of the windows `at` as the devices' open ones."""
        for part, key in self._parts.items():
            self._state[key][slots] = parts[part][at]
        if self._latest:
            self._state[self._latest][slots] = parts["latest"][at]

    def reset(self, slots: Array) -> None:
        """Start new windows."""
        self._state.clear(slots, *self._parts.values())


def finish(aggregate: "Aggregate", parts: dict[str, Array]) -> Array:
    """The aggregate of windows with these totals; NaN where SQL says NULL."""
    n = parts["n"]
    match aggregate:
        case "count":
            return n
        case "avg":
            return parts["sum"] / n
        case "sum" | "min" | "max":
            return np.where(n > 0, parts[aggregate], np.nan)
        case "first" | "last" | "latest":
            return parts[aggregate]
        case "var" | "stddev":
            squares = np.maximum(parts["d2"] - parts["d1"] ** 2 / n, 0.0)
            variance = squares / np.where(n > 1, n - 1.0, np.nan)
            return np.sqrt(variance) if aggregate == "stddev" else variance


def _pick(part: str, old: Array, carried: Array, groups: int, group: Array, value: Array) -> Array:
    out = np.full(groups, _NEUTRAL[part])
    if part == "first":
        out[group[::-1]] = value[::-1]  # of several, the last assignment stays
        out[carried] = np.where(np.isnan(old), out[carried], old)
        return out
    out[carried] = old
    if part == "last":
        out[group] = value
    else:
        (np.minimum if part == "min" else np.maximum).at(out, group, value)
    return out


def _fill_forward(last: Array, known: Array, carried: Array) -> Array:
    """Each window's last sample, or the device's last one before it."""
    out = last.copy()
    out[carried] = np.where(np.isnan(last[carried]), known, last[carried])
    filled = ~np.isnan(out)
    filled[carried] = True  # never look into the device before
    return out[np.maximum.accumulate(np.where(filled, np.arange(len(out)), 0))]
