"""Detectors of what doesn't happen: a value that doesn't change (`stuck`), readings that don't come (`missing`).

Both compare a length of time with how long the same has lasted in this series before, so a valve that rests for days or
a door that reports when it opens is no alarm. Habits longer than the time watched can't be known: a length counts up to
a third of the time before it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.habits import NS, ByReading, Clock, Habit, Pace
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, scored

Array = NDArray[Any]

_WATCHED = 3.0
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

TIMES = Option("times", 3.0, "times", "as long as is usual at most for this series", 1.0, 1e6)


def lasting(seconds: float) -> str:
    """A length of time in its two largest units, as in `3 h 12 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    rest, said = round(seconds), list[str]()
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or said:
            said.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in said[:2] if part)


class Stuck(ByReading):
    """How long a value has been the same, against how long it usually is.

    The same: within `tolerance` of the series' usual step from the value that the run began with, so that noise in a
    converter's last digits doesn't hide that the sensor is dead.
    """

    aspects: Sequence[str] = ("time without a change",)
    _MEMORY, _FURTHEST = 1000.0, 1.0

    def __init__(self, scope: Scope, options: Mapping[str, float]) -> None:
        self._scope = scope
        self._times, self._tolerance = options["times"], options["tolerance"]
        self._readings, self._changes = options["readings"], options["changes"]
        self._clock, self._habit, self._pace = Clock(scope), Habit(scope), Pace(scope)
        for name, of in (("first", np.int64), ("began", np.int64), ("run", np.int32), ("changed", np.int32)):
            scope.declare(name, of, 0)
        scope.declare("anchor", float, 0.0)
        scope.declare("step", float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        seen, expected = scores.seen[row], scores.expected[row]
        return f"the value hasn't changed for {lasting(seen)}; up to {lasting(expected)} is usual"

    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores) -> None:
        state = self._scope
        before = state["at"][slots]
        seen, dt = self._clock.tick(slots, ts)
        now, new = state["at"][slots], seen == 1
        state["first"][slots] = first = np.where(new, now, state["first"][slots])
        anchor, changed = state["anchor"][slots], state["changed"][slots]
        step = np.abs(x - anchor)
        usual_step = np.where(changed > 0, np.exp(state["step"][slots]), 0.0)
        same = ~new & (step <= self._tolerance * usual_step)
        moved = ~new & ~same
        self._learn_step(slots, step, moved)
        began = np.where(new, now, state["began"][slots])
        ended = np.where(moved, (before - began) / NS, 0.0)
        state["began"][slots] = began = np.where(same, began, now)
        state["run"][slots] = run = np.where(same, np.minimum(state["run"][slots] + 1, 2**30), 1)
        state["anchor"][slots] = np.where(same, anchor, x)
        lasted = (now - began) / NS
        habit = self._habit.usual(slots)
        usual = np.maximum(habit, self._pace.learn(slots, dt))
        known = (run >= self._readings) & (changed >= self._changes) & np.isfinite(usual)
        out.score[at] = _long(lasted, (began - first) / NS, usual, self._times, known)
        out.seen[at], out.expected[at] = lasted, np.where(np.isfinite(usual), usual, lasted)
        # A run that goes on confirms the habit, but doesn't lengthen it before it has ended: who is stuck stays stuck.
        self._habit.learn(slots, np.maximum(ended, np.minimum(lasted, habit)), ts)

    def _learn_step(self, slots: Array, step: Array, moved: Array) -> None:
        """The geometric mean of the changes, which single jumps hardly move."""
        state = self._scope
        changed, usual = state["changed"][slots], state["step"][slots]
        changed = np.minimum(changed + moved, 2**30)
        now = np.log(np.where(moved, step, 1.0))
        off = np.clip(now - usual, -self._FURTHEST, self._FURTHEST) / np.clip(changed, 1, self._MEMORY)
        state["step"][slots] = np.where(moved, np.where(changed == 1, now, usual + off), usual)
        state["changed"][slots] = changed


class Missing(ByReading):
    """How long no reading came, against how long that usually lasts; said when the next one comes."""

    aspects: Sequence[str] = ("time without a reading",)

    def __init__(self, scope: Scope, options: Mapping[str, float]) -> None:
        self._scope, self._times = scope, options["times"]
        self._clock, self._habit, self._pace = Clock(scope), Habit(scope), Pace(scope)
        scope.declare("first", np.int64, 0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        seen, expected = scores.seen[row], scores.expected[row]
        return f"no reading came for {lasting(seen)}; up to {lasting(expected)} is usual"

    def _round(self, slots: Array, ts: Array, _x: Array, at: Array, out: Scores) -> None:
        seen, dt = self._clock.tick(slots, ts)
        now = self._scope["at"][slots]
        self._scope["first"][slots] = first = np.where(seen == 1, now, self._scope["first"][slots])
        pace = self._pace.learn(slots, dt)
        usual = np.maximum(self._habit.usual(slots), pace)
        before = np.maximum((now - first) / NS - dt, 0.0)
        out.score[at] = _long(dt, before, usual, self._times, np.isfinite(usual))
        out.seen[at], out.expected[at] = dt, np.where(np.isfinite(usual), usual, dt)
        self._habit.learn(slots, dt, ts)


def _long(lasted: Array, before: Array, usual: Array, times: float, known: Array) -> Array:
    """Scores of lengths of time; before: how long the series had been watched."""
    counted = np.minimum(lasted, before / _WATCHED)
    judged = known & (counted > 0)
    return np.where(judged, scored(counted, np.where(judged, times * usual, 1.0)), 0.0)


STUCK = Kind(
    name="stuck",
    make=lambda scope, options, _columns: Stuck(scope, options),
    options=(
        TIMES,
        Option("readings", 8, "readings", "that must be the same, however fast they come", 2, 1e6),
        Option("changes", 16, "changes", "that a series must have shown before it can be stuck", 1, 1e6),
        Option("tolerance", 0.01, "share", "of the series' usual change: smaller ones don't count", 0.0, 1.0),
    ),
    finds="a value that stays the same for longer than this series' values do",
    blind="a series that was stuck from its beginning; a silent device (see `missing`); noise around a dead value",
    cost="O(1) per reading, 168 bytes a series",
    reference="flat-line test: QARTOD (US IOOS 2020); the learned length is ours (block maxima: Gumbel 1958)",
)

MISSING = Kind(
    name="missing",
    make=lambda scope, options, _columns: Missing(scope, options),
    options=(TIMES,),
    finds="gaps longer than this series' own, told by the reading that ends them",
    blind="a device that never comes back (an absence rule or the node's watch on devices sees that); values",
    cost="O(1) per reading, 136 bytes a series",
    reference="gap test: QARTOD (US IOOS 2020); the learned length is ours (block maxima: Gumbel 1958)",
)
