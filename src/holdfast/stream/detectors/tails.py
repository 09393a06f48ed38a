"""How rare a number is among a series' own earlier ones, where nobody knows their distribution.

Peaks over a threshold (Siffer et al. 2017, SPOT): a running quantile, and above it an exponential tail whose mean is
learned. The tail's predictive distribution is Lomax, so little experience makes for caution.
O(1), four numbers a series.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import Option, Scope, scored

Array = NDArray[Any]

_SHARE = 0.05  # of the numbers lie above the threshold
_START = 40.0  # numbers from which the first threshold is made
_MEMORY = 5000.0
_CLIP = 6.0  # mean excesses: a greater one teaches no more than this
_SURE = 20.0  # excesses: experience beyond it doesn't make the tail thinner, for tails are rarely quite exponential

ONE_IN = Option(
    "one_in",
    20_000.0,
    "readings",
    "an alarm is what usual behaviour would bring about once in so many readings",
    least=100.0,
    most=1e9,
)


class Tail:
    """Scores numbers by their rarity, upwards: 0.5 is once in `one_in`. least: the smallest difference that counts."""

    def __init__(self, scope: Scope, one_in: float, least: float, name: str = "tail") -> None:
        self._scope, self._name = scope, name
        self._alarm, self._least = np.log(one_in), least
        for part in ("seen", "level", "excess", "over"):
            scope.declare(f"{name}_{part}", float, 0.0)

    def score(self, slots: Array, numbers: Array) -> Array:
        """Scores against what was learned before; 0 until there is a threshold. numbers: 0 or more."""
        level, over = self._of("level")[slots], self._of("over")[slots]
        excess = np.maximum(self._of("excess")[slots], self._least)
        sure = np.minimum(over + 1, _SURE)
        above = np.maximum(numbers - level, 0.0)
        below = np.minimum(numbers / np.maximum(level, self._least), 1.0)
        surprise = -np.log(_SHARE) * below + sure * np.log1p(above / (sure * excess))
        known = self._of("seen")[slots] > _START
        return np.where(known, scored(surprise, self._alarm), 0.0)

    def learn(self, slots: Array, numbers: Array) -> None:
        """Take numbers in; slots all different."""
        seen = self._of("seen")[slots] + 1
        level, excess, over = (self._of(part)[slots] for part in ("level", "excess", "over"))
        first = seen <= _START
        off = numbers - level
        # Until the start, level and excess are mean and mean deviation; then the level goes where a share lies above.
        early_level = level + off / seen
        early_excess = excess + (np.abs(off) * (1 - 1 / seen) - excess) / seen
        early_level = np.where(seen == _START, early_level + 2 * early_excess, early_level)
        above = off > 0
        wide = np.maximum(excess, self._least)
        step = wide / (_SHARE * np.minimum(seen, _MEMORY)) * (above - _SHARE)
        held = np.minimum(off, _CLIP * wide)
        rate = 1 / (np.minimum(over, _SHARE * _MEMORY) + 3)
        self._of("level")[slots] = np.where(first, early_level, level + step)
        self._of("excess")[slots] = np.where(
            first, early_excess, np.where(above, excess + rate * (held - excess), excess)
        )
        self._of("over")[slots] = over + (above & ~first)
        self._of("seen")[slots] = seen

    def _of(self, part: str) -> Array:
        return self._scope[f"{self._name}_{part}"]
