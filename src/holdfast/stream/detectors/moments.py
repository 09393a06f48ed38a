"""Running mean and covariance of several columns, learnt in O(columns²) per reading, robust against its own outliers.

Welford 1962 with a limited memory; a reading far off teaches as one that is near would (Huber's weight); the covariance
is shrunk to its diagonal while readings are few (the idea of Ledoit and Wolf 2004, with a weight by count). A pair of
columns learns from readings that have both.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.columns import TINY
from holdfast.stream.detectors.ports import MOST, Scope

Array = NDArray[Any]

_CLIP = 4.0  # deviations of a column
_RIDGE = 1e-3  # of a column's variance: columns that are copies of others stay invertible
_TRUST = 20.0  # readings before outliers are held


class Moments:
    """Per slot the mean and covariance of columns; a column's values are taken from its first one."""

    def __init__(self, scope: Scope, columns: int, memory: float) -> None:
        self._state, self._k, self._memory = scope, columns, memory
        scope.declare("seen", float, 0.0)
        for name in ("known", "origin", "mean"):
            scope.declare(name, float, 0.0, columns)
        scope.declare("covariance", float, 0.0, columns * columns)

    def centred(self, slots: Array, values: Array) -> tuple[Array, Array]:
        """Values less their means, 0 where there's none; and which are there."""
        there = np.isfinite(values)
        values = np.clip(values, -MOST, MOST)
        first = there & (self._state["known"][slots] == 0)
        origin = np.where(first, values, self._state["origin"][slots])
        self._state["origin"][slots] = origin
        off = np.where(there, values, origin) - origin - self._state["mean"][slots]
        return np.where(there, off, 0.0), there

    def usual(self, slots: Array) -> Array:
        """The means, in the columns' units."""
        usual: Array = self._state["mean"][slots] + self._state["origin"][slots]
        return usual

    def deviation(self, slots: Array) -> Array:
        """Of each column; never 0."""
        tiny = TINY * (1 + np.abs(self._state["origin"][slots]))
        diagonal = self._state["covariance"][slots].reshape(-1, self._k, self._k).diagonal(axis1=1, axis2=2)
        return np.maximum(np.sqrt(np.maximum(diagonal, 0.0)), tiny)

    def correlation(self, slots: Array) -> Array:
        """Shrunk, shape (n, columns, columns): 1 on the diagonal and a ridge; invertible."""
        deviation = self.deviation(slots)
        covariance = self._state["covariance"][slots].reshape(-1, self._k, self._k)
        correlation: Array = covariance / (deviation[:, :, None] * deviation[:, None, :])
        keep = self._state["seen"][slots] / (self._state["seen"][slots] + self._k)
        correlation = correlation * (keep * (1 - _RIDGE))[:, None, None]
        correlation[:, np.arange(self._k), np.arange(self._k)] = 1.0
        return correlation

    def learn(self, slots: Array, off: Array, there: Array) -> None:
        """Take in what `centred` gave."""
        state = self._state
        seen, known = state["seen"][slots] + 1, state["known"][slots] + there
        far = np.where(known > _TRUST, _CLIP * self.deviation(slots), np.inf)
        held = np.where(there, np.clip(off, -far, far), 0.0)
        rate = 1 / np.clip(known, 1, self._memory)
        state["mean"][slots] += rate * held
        pair = 1 / np.clip(np.minimum(known[:, :, None], known[:, None, :]), 1, self._memory)
        old = state["covariance"][slots].reshape(-1, self._k, self._k)
        both = there[:, :, None] & there[:, None, :]
        outer = held[:, :, None] * held[:, None, :]
        new = np.where(both, old + pair * (outer * (1 - pair) - old), old)
        state["covariance"][slots] = new.reshape(len(slots), -1)
        state["seen"][slots], state["known"][slots] = seen, known

    def seen(self, slots: Array) -> Array:
        """Readings learnt from."""
        seen: Array = self._state["seen"][slots]
        return seen


def normal(squares: Array, freedom: Array) -> Array:
    """A chi-squared sum as deviations of a normal one (Wilson and Hilferty 1931)."""
    freedom = np.maximum(freedom, 1.0)
    part = 2 / (9 * freedom)
    out: Array = (np.cbrt(squares / freedom) - (1 - part)) / np.sqrt(part)
    return out
