"""What several detectors need to know of a series first: its origin, its usual value and its usual deviation.

Values become offsets from a series' first one, so that 1e12 ± 1 keeps its ± 1. Running mean and variance: Welford 1962.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import Scope, Scores, rounds

Array = NDArray[Any]

MOST = 1e30
"""Greater values are no readings: nothing that is measured is so great, and single precision ends soon after."""
_CLIP = 6.0  # deviations: a reading further off teaches no more than this
_FREE = 20.0  # readings before anything is clipped
_FAR = 1e6  # deviations: further off is as far
_RESOLUTION = 4e-15  # of the value, and of the range seen: differences below it are rounding
_SMALLEST = 1e-60
_NEIGHBOURS = 500.0  # readings over which the noise is taken
_LEAST_NOISE = 1e-3  # of the usual deviation


@dataclass(frozen=True, slots=True)
class Usual:
    """Of one reading per series, what was known before it.

    x:         the value less its origin
    mean:      of x so far
    deviation: its standard deviation so far, never 0
    off:       x - mean in deviations, within ± 1e6
    noise:     what is left of the deviation between neighbours, this reading included: a shift of level and a slow
               wave hardly touch it; never 0
    seen:      readings so far, this one included
    """

    x: Array
    mean: Array
    deviation: Array
    off: Array
    noise: Array
    seen: Array
    origin: Array


def usable(values: Array) -> Array:
    """Which values are readings: finite, and no greater than a reading may be."""
    finite: Array = np.abs(values) <= MOST
    return finite


class Baseline:
    """Mean and deviation of each series over its last `memory` readings, fading."""

    def __init__(self, scope: Scope, name: str = "base", memory: float = 5000.0) -> None:
        self._scope, self._name, self._memory = scope, name, memory
        for part in ("seen", "origin", "mean", "variance", "reach", "last", "noise"):
            scope.declare(f"{name}_{part}", float, 0.0)

    def take(self, slots: Array, values: Array) -> Usual:
        """What was usual before these readings, which are then learned. slots: all different."""
        seen = self._of("seen")[slots] + 1
        self._of("seen")[slots] = seen
        self._of("origin")[slots] = origin = np.where(seen == 1, values, self._of("origin")[slots])
        x = values - origin
        mean, variance, reach = (self._of(part)[slots] for part in ("mean", "variance", "reach"))
        reach = np.maximum(reach, np.abs(x))
        least = _RESOLUTION * (np.abs(origin) + reach) + _SMALLEST
        deviation = np.maximum(np.sqrt(variance), least)
        off = (x - mean) / deviation
        kept = np.where(seen <= _FREE, x - mean, np.clip(off, -_CLIP, _CLIP) * deviation)
        rate = 1 / np.minimum(seen, self._memory)
        self._of("mean")[slots] = mean + rate * kept
        self._of("variance")[slots] = variance + rate * (kept * kept * (1 - rate) - variance)
        self._of("reach")[slots] = reach
        noise = self._noise(slots, x, seen, deviation)
        return Usual(x, mean, deviation, np.clip(off, -_FAR, _FAR), noise, seen, origin)

    def _noise(self, slots: Array, x: Array, seen: Array, deviation: Array) -> Array:
        step = np.where(seen > 1, np.abs(x - self._of("last")[slots]), 0.0)
        self._of("last")[slots] = x
        noise = self._of("noise")[slots]
        most = np.where(seen <= _FREE, np.inf, np.maximum(_CLIP * np.sqrt(noise), _LEAST_NOISE * deviation))
        held = np.minimum(step, most) ** 2 / 2
        noise = noise + (held - noise) / np.minimum(np.maximum(seen - 1, 1), _NEIGHBOURS)
        self._of("noise")[slots] = noise
        kept: Array = np.maximum(np.sqrt(noise), _LEAST_NOISE * deviation)
        return kept

    def _of(self, part: str) -> Array:
        return self._scope[f"{self._name}_{part}"]


class ByBaseline(ABC):
    """A detector of one column that takes readings one per series at a time, beside what was usual before."""

    aspects: Sequence[str]

    def __init__(self, scope: Scope) -> None:
        self._scope, self._baseline = scope, Baseline(scope)

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """See `Detector`."""
        out = Scores.none(len(slots))
        for at in rounds(slots, usable(values)):
            self._round(slots[at], ts[at], self._baseline.take(slots[at], values[at]), at, out)
        return out

    @abstractmethod
    def _round(self, slots: Array, ts: Array, usual: Usual, at: Array, out: Scores, /) -> None:
        """One reading of each of these different slots; their results go to `out` at `at`."""
