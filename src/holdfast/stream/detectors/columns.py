"""What detectors of several columns share: how each column behaves, learnt in O(1) per reading.

A column that wanders by itself (a temperature) says less by its level than one that is mostly noise about a level (a
flow). Von Neumann's ratio, half the mean squared step over the variance, tells them apart: near 1 for independent
readings, near 0 for a smooth curve (von Neumann 1941). Lengths are in readings.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import MOST, Scope, Scores, rounds

Array = NDArray[Any]

_BLOCK = 20.0
TINY = 1e-12
"""Of a column's first value: less is rounding, not a deviation."""
_CLIP = 4.0  # deviations: a farther value teaches no more than this
_TRUST = 30.0  # readings before values are clipped
_NAMES = ("seen", "origin", "last", "centre", "variance", "step", "sum", "blocks", "block_centre", "block_variance")


class ByRow(ABC):
    """A detector of several columns that takes readings one per series at a time and counts them."""

    aspects: Sequence[str]

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:  # noqa: ARG002  # it counts readings
        """See `Detector`. A reading of which all columns are missing isn't one."""
        out = Scores.none(len(slots))
        for at in rounds(slots, np.asarray(np.isfinite(values).any(axis=1))):
            self._round(slots[at], values[at], at, out)
        return out

    @abstractmethod
    def _round(self, slots: Array, values: Array, at: Array, out: Scores, /) -> None:
        """One reading of each of these different slots, with a number in some column; results go to `out` at `at`."""


class Columns:
    """Usual deviation, smoothness and the deviation of means of `_BLOCK` readings, per column."""

    def __init__(self, state: Scope, columns: int, memory: float) -> None:
        self._state, self._memory = state, memory
        for name in _NAMES:
            state.declare(name, float, 0.0, columns)

    def offsets(self, slots: Array, values: Array) -> tuple[Array, Array]:
        """Values less the column's first one, NaN where there's none; and which are there."""
        there = np.isfinite(values)
        values = np.clip(values, -MOST, MOST)
        first = there & (self._state["seen"][slots] == 0)
        origin = np.where(first, values, self._state["origin"][slots])
        self._state["origin"][slots] = origin
        return np.where(there, np.where(there, values, 0.0) - origin, np.nan), there

    def learn(self, slots: Array, x: Array, at: Array) -> None:
        """Take offsets in where `at` says so, shape (n, columns)."""
        some = at.any(axis=1)
        if not some.all():  # once they're learnt, mostly none
            slots, x, at = slots[some], x[some], at[some]
            if not len(slots):
                return
        held = {name: self._state[name][slots] for name in _NAMES}
        new, x = dict(held), np.where(at, x, 0.0)
        new["seen"] = seen = held["seen"] + 1
        rate = 1 / np.minimum(seen, self._memory)
        off = x - held["centre"]
        far = _CLIP * np.sqrt(held["variance"])
        off = np.where((seen > _TRUST) & (far > 0), np.clip(off, -far, far), off)
        new["centre"] = held["centre"] + rate * off
        new["variance"] = held["variance"] + rate * (off * off * (1 - rate) - held["variance"])
        step = np.where(seen > 1, x - held["last"], 0.0)
        step = np.where((seen > _TRUST) & (far > 0), np.clip(step, -2 * far, 2 * far), step)
        new["last"] = x
        new["step"] = held["step"] + rate * (step * step / 2 - held["step"])
        new["sum"] = held["sum"] + held["centre"] + off
        self._close_blocks(held, new)
        for name, array in new.items():
            self._state[name][slots] = np.where(at, array, held[name])

    def _close_blocks(self, held: dict[str, Array], new: dict[str, Array]) -> None:
        ended = new["seen"] % _BLOCK == 0
        blocks = held["blocks"] + 1
        rate = 1 / np.minimum(blocks, self._memory / _BLOCK)
        off = new["sum"] / _BLOCK - held["block_centre"]
        new["blocks"] = np.where(ended, blocks, held["blocks"])
        new["block_centre"] = np.where(ended, held["block_centre"] + rate * off, held["block_centre"])
        spread = held["block_variance"] + rate * (off * off * (1 - rate) - held["block_variance"])
        new["block_variance"] = np.where(ended, spread, held["block_variance"])
        new["sum"] = np.where(ended, 0.0, new["sum"])

    def smoothness(self, slots: Array) -> Array:
        """Von Neumann's ratio in [0.001, 1]: 1 is noise about a level, 0.001 a curve."""
        step, variance = self._state["step"][slots], self._state["variance"][slots]
        ratio: Array = np.clip(step / np.maximum(variance, 1e-300), 1e-3, 1.0)
        return ratio

    def deviation(self, slots: Array) -> Array:
        """The usual deviation of a reading; never 0."""
        tiny = TINY * (1 + np.abs(self._state["origin"][slots]))
        return np.maximum(np.sqrt(self._state["variance"][slots]), tiny)

    def block_deviation(self, slots: Array) -> Array:
        """The usual deviation of a mean of `_BLOCK` readings, at least what noise alone would give."""
        least = self.deviation(slots) / np.sqrt(_BLOCK)
        deviation: Array = np.maximum(np.sqrt(self._state["block_variance"][slots]), least)
        return deviation
