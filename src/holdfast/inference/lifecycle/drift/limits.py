"""When a distance is a drift: limits that each series and column learns of itself.

A PSI of 0.2 is no news of a room's temperature, whose every day differs from the week before, and much of a pump's
vibration. So each distance is first watched where it's taken to be clean, and its limit is what its own mean and spread
there make improbable, by Student's t with as many degrees of freedom as there were independent windows, and never less
than the settings' floor. It must be passed several times running, and be left as often before the alarm is over.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.settings import DriftSettings
from holdfast.inference.lifecycle.tails import t_quantile

Array = NDArray[Any]
SHORT, LONG = 0, 1
PSI, KS = 0, 1
SHORT_RUNS = 3
"""Short windows running that must be above."""
BACK = 0.8
"""Of the limit: below it, it's over."""
_LEAST = (20.0, 5.0)
"""Independent windows before anything is alarmed."""
_ALIKE = 3.0
"""Short windows that count as one: neighbours resemble each other."""
_CAP = 400
_KNOTS = (5, 6, 7, 8, 10, 13, 17, 25, 40, 80, 160, 400)
_MONTH_S = 30 * 86_400.0
_USUAL = 4.0
"""Standard deviations, for learning on while it's watched."""
_WINSOR = 3.0
"""Standard deviations: one odd window widens a limit by so much at most."""


class Limits:
    """Of (2 windows, 2 statistics, S series, C columns). Distances are square roots of PSI, and KS."""

    def __init__(self, settings: DriftSettings, columns: int) -> None:
        self._settings, self._columns, self._panes = settings, columns, settings.panes
        shape = (2, 2, 0, columns)
        self.n, self.mean, self.m2 = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.above, self.below = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self.alarmed = np.zeros(shape, bool)
        self.runs = (SHORT_RUNS, max(2, self._panes // 4))
        self._factors = [self._table(window) for window in (SHORT, LONG)]

    def any(self) -> Array:
        """Which series and columns are alarmed, shape (S, C)."""
        alarmed: Array = np.asarray(self.alarmed.any((0, 1)))
        return alarmed

    def grow(self, series: int) -> None:
        """Room for so many."""
        for name in ("n", "mean", "m2", "above", "below", "alarmed"):
            old = getattr(self, name)
            wide = [(0, 0), (0, 0), (0, series - old.shape[2]), (0, 0)]
            setattr(self, name, np.pad(old, wide))

    def reset(self, series: Array) -> None:
        """Learn these anew."""
        for name in ("n", "mean", "m2", "above", "below", "alarmed"):
            getattr(self, name)[:, :, series] = 0

    def _table(self, window: int) -> Array:
        # one season's windows are as good as one look at the long one; rolling on by hours makes it about four
        looks = _MONTH_S / self._settings.window_s if window == SHORT else 4 * _MONTH_S / self._settings.season_s
        tail = self._settings.false_alarms / 2 / looks / (2 * max(1, self._columns))
        known = [t_quantile(tail, n - 1.0) for n in _KNOTS]
        n = np.arange(_KNOTS[0], _CAP + 1)
        factors = np.interp(-1.0 / n, [-1.0 / one for one in _KNOTS], known)  # nearly straight over 1/n
        return np.concatenate([np.full(_KNOTS[0], np.inf), factors])

    def independent(self, window: int) -> Array:
        """Windows learned from, as if they were independent, shape (2, S, C)."""
        alone: Array = self.n[window] / (_ALIKE if window == SHORT else self._panes)
        return alone

    def limit(self, window: int) -> Array:
        """Shape (2, S, C); infinite before it's known."""
        alone = self.independent(window)
        spread = np.sqrt(self.m2[window] / np.maximum(self.n[window] - 1, 1) * (1 + 1 / np.maximum(alone, 1)))
        factor = self._factors[window][np.minimum(alone, _CAP).astype(np.int64)]
        with np.errstate(invalid="ignore"):
            learned = self.mean[window] + np.where(spread > 0, factor * spread, 0.0)
        floors = np.array([math.sqrt(self._settings.psi), self._settings.ks])[:, None, None]
        found: Array = np.where(alone >= _LEAST[window], np.maximum(learned, floors), np.inf)
        return found

    def usual(self, window: int) -> Array:
        """Distances beyond it aren't learned from any more: what isn't clean mustn't widen the limit, (2, S, C)."""
        alone = self.independent(window)
        spread = np.sqrt(self.m2[window] / np.maximum(self.n[window] - 1, 1) * (1 + 1 / np.maximum(alone, 1)))
        bound: Array = self.mean[window] + _USUAL * spread
        return bound

    def learn(self, window: int, distance: Array, where: Array) -> None:
        """Distances of clean windows, shape (2, S, C); where: shape (S, C), which there are."""
        n, mean, m2 = self.n[window], self.mean[window], self.m2[window]
        spread = np.sqrt(m2 / np.maximum(n - 1, 1))
        enough = n >= 3 * (_ALIKE if window == SHORT else self._panes)
        held = np.where(enough, np.minimum(distance, mean + _WINSOR * np.maximum(spread, 0.05)), distance)
        delta = np.where(where, held - mean, 0.0)
        n += where
        mean += delta / np.maximum(n, 1)
        m2 += delta * np.where(where, held - mean, 0.0)

    def judge(self, window: int, distance: Array, where: Array, limit: Array) -> None:
        """Count how long distances have been above or below, and alarm."""
        runs = self.runs[window]
        over, back = where & (distance > limit), where & (distance < BACK * limit)
        self.above[window] = np.where(where, np.where(over, self.above[window] + 1, 0), self.above[window])
        self.below[window] = np.where(where, np.where(back, self.below[window] + 1, 0), self.below[window])
        raised, over_now = self.above[window] >= runs, self.below[window] >= runs
        self.alarmed[window] = (self.alarmed[window] | raised) & ~over_now
