"""One alarm per incident: what was told is silent until it has been calm for a while, unless it gets far worse."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import Scope, scored

Array = NDArray[Any]

PAUSE = 30.0
"""Readings that must not be strange before an incident is over, besides the hours."""
STRONGER = 4.0
"""So many times as strange as what was told: it's told once more."""
_NS_PER_HOUR = 3_600 * 1_000_000_000


def score_of(strength: Array) -> Array:
    """Strengths from 0, with 1 where an alarm begins, as scores in [0, 1], with 0.5 there."""
    return scored(strength, 1.0)


def strength_of(score: Array) -> Array:
    """The other way round; scores of 1 are as strong as 0.999."""
    held = np.minimum(score, 0.999)
    strength: Array = held / (1 - held)
    return strength


class Incidents:
    """What was told, by slot. A reading is strange where its strength is 1 and more."""

    def __init__(self, state: Scope, quiet_h: float) -> None:
        self._state, self._quiet_ns = state, int(quiet_h * _NS_PER_HOUR)
        for name in ("told", "strange_seen"):
            state.declare(name, float, 0.0)
        state.declare("strange_ts", np.int64, 0)

    def once(self, slots: Array, ts: Array, seen: Array, strength: Array) -> Array:
        """The strengths, 0 for those that belong to an incident that was told; one reading per series.

        seen: how many readings of each series there were, this one included
        """
        state = self._state
        calm = np.abs(ts - state["strange_ts"][slots]) >= self._quiet_ns
        calm &= seen - state["strange_seen"][slots] >= PAUSE
        told = np.where(calm, 0.0, state["told"][slots])
        strange = strength >= 1
        state["told"][slots] = np.where(strange, np.maximum(told, strength), told)
        which = slots[strange]
        state["strange_ts"][which], state["strange_seen"][which] = ts[strange], seen[strange]
        return np.where(strange & (strength <= STRONGER * told), 0.0, strength)
