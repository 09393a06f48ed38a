"""`either`: `auto` and `novelty` as one: an alarm of either of them, one per incident.

They see different things: `auto` how far a series leaves what it was, `novelty` where it has not been in between, so
each makes up for what the other misses, and as an incident is told once, what both see costs no second alarm.
"""

from collections.abc import Sequence

import numpy as np

from holdfast.stream.detectors.auto import Auto
from holdfast.stream.detectors.incidents import Incidents, score_of, strength_of
from holdfast.stream.detectors.novelty import Novelty
from holdfast.stream.detectors.ports import Array, Detector, Kind, Option, Scope, Scores, rounds

STRANGE = 0.75
"""Deviations of novelty that raise an alarm: more than for `novelty` alone, which must find everything by itself."""


class Either:
    """Both detectors over many series, each with its own memory."""

    def __init__(self, state: Scope, strange: float = STRANGE, quiet_h: float = 6.0) -> None:
        self._state = state
        self._parts: tuple[Detector, Detector] = (Auto(state.part("auto.")), Novelty(state.part("novelty."), strange))
        self._incidents = Incidents(state, quiet_h)
        self._first = len(self._parts[0].aspects)  # of the second's aspects
        self.aspects: Sequence[str] = (*self._parts[0].aspects, *self._parts[1].aspects)
        state.declare("seen", float, 0.0)

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """See `Detector`."""
        one, other = (part.update(slots, ts, values) for part in self._parts)
        mine = one.score >= other.score
        strength = strength_of(np.maximum(one.score, other.score))
        for at in rounds(slots, np.isfinite(values)):
            seen = self._state["seen"][slots[at]] + 1
            self._state["seen"][slots[at]] = seen
            strength[at] = self._incidents.once(slots[at], ts[at], seen, strength[at])
        return Scores(
            score_of(strength),
            np.where(mine, one.aspect, other.aspect + self._first),
            np.where(mine, one.seen, other.seen),
            np.where(mine, one.expected, other.expected),
            np.where(mine, one.deviations, other.deviations),
        )

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        aspect = int(scores.aspect[row])
        if aspect < self._first:
            return self._parts[0].explain(scores, row)
        own = Scores(scores.score, scores.aspect - self._first, scores.seen, scores.expected, scores.deviations)
        return self._parts[1].explain(own, row)


KIND = Kind(
    name="either",
    make=lambda scope, options, _columns: Either(scope, options["strange"], options["quiet"]),
    options=(
        Option("strange", STRANGE, "deviations", "of novelty from the usual, where its alarm begins", 0.05, 100),
        Option("quiet", 6, "hours", "without a strange reading, which end an incident: it's told once", 0, 8_760),
    ),
    finds="what `auto` or `novelty` find",
    blind="what neither sees; and it remembers twice as much as one of them",
    cost="O(1) per reading, 3,526 bytes a series",
    reference="see `auto` and `novelty`; one alarm of several detectors: Kittler et al. 1998 (maximum rule)",
)
