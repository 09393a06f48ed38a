"""`auto`: how unusual a reading is, for any series, without settings.

Each view (see `views`) has the range it has ever been in. A reading is as unusual as the share of its range by which a
view leaves it, a whole one at most, times a power of the series' age: of n readings that differ only by chance the
last is outside the others' range once in n/2, so records are rare by themselves, and rarer the longer a series is
known, whatever its distribution. A record moves the range's end nearly to itself, so a spike every night is news twice
and then this series' way; ends recede slowly, so what happened a year ago is news again. Scores of 0.5 and more are
alarms; then only what is stronger is one, until some hours have passed.

Time counts in ticks: at most one per reading and one per five minutes. What comes every second isn't known after five
minutes, and what comes once an hour has no more to say than its readings. The first day is silent.

Sees the past only. O(1) per reading, `State.nbytes` per series whatever the history's length. It can't see: what was
there from the beginning, what comes back within the old range at its usual time and order, dates (public holidays).
Records of exchangeable readings: Renyi 1962; order as transitions between levels, as in CAD-OSE (Smirnov 2016).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors import views
from holdfast.stream.detectors.ports import Kind, Scope, Scores, rounds, told

Array = NDArray[Any]
_MOST = 1e30  # so that squares stay finite, and profiles in single precision


@dataclass(frozen=True, slots=True)
class Constants:
    """What `auto` was built with; one set for every series, not settings for users."""

    tick_ns: float = 300e9
    patience: float = 150.0  # ticks before the first score
    first: int = 86_400_000_000_000  # ns before the first score: a day, as most things that are measured know days
    alarm: float = 0.095  # share of the range, after 1000 ticks, at which the score is 0.5
    growth: float = 0.6  # power of the ticks: how much more a record counts in a long-known series
    rest: float = 60.0  # ticks in which what was reached falls to 1/e
    more: float = 1.25  # how many times as strong as that the next one must be to be news
    learn: float = 0.9  # of the way to a new record that a range's end goes at once: the second time is news, too
    fade: float = 0.35 / 105_120  # of a range per tick: how fast each end recedes; half of it in a year
    least: float = 1e-6  # of the value's range: views' ranges count as this wide at least, against rounding


class Auto:
    """The detector over many series; everything it remembers is in `state`, by slot."""

    aspects = views.NAMES

    def __init__(self, state: Scope, constants: Constants | None = None) -> None:
        self._state = state
        self._is = constants or Constants()
        views.declare(state)
        for name in ("seen", "age", "held"):
            state.declare(name, float, 0.0)
        state.declare("begun", np.int64, 0)
        state.declare("latest", np.int64, 0)
        state.declare("low", float, np.inf, len(views.NAMES))
        state.declare("high", float, -np.inf, len(views.NAMES))

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """See `Detector`."""
        out = Scores.none(len(slots))
        for at in rounds(slots, np.isfinite(values)):
            self._round(slots[at], ts[at], np.clip(values[at], -_MOST, _MOST), at, out)
        return out

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        view, seen, expected = int(scores.aspect[row]), scores.seen[row], scores.expected[row]
        if views.BESIDE.start <= view < views.BESIDE.stop:
            return told(views.NAMES[view], scores, row)
        how, most = ("above", "most") if seen > expected else ("below", "least")
        far = f", {scores.deviations[row]:.1f} deviations {how}" if scores.deviations[row] else ""
        return f"the {views.NAMES[view]} is {seen:.6g}{far}: {expected:.6g} was about the {most} so far"

    def _round(self, slots: Array, ts: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        state = self._state
        seen = state["seen"][slots] + 1
        state["seen"][slots] = seen
        state["origin"][slots] = origin = np.where(seen == 1, values, state["origin"][slots])
        tick, known = self._ticks(slots, ts, seen)
        age = state["age"][slots] + tick
        state["age"][slots] = age
        look = views.look(state, slots, ts, values - origin, seen)
        excess, end = self._beyond(slots, look.views, tick)
        view = excess.argmax(axis=1)
        strength = excess[np.arange(len(at)), view] * (age / 1000) ** self._is.growth
        heard = np.where(known & (age > self._is.patience), np.maximum(strength, 0.0), 0.0)
        out.score[at] = self._quiet(slots, heard, tick)
        self._show(out, at, view, look, end)

    def _ticks(self, slots: Array, ts: Array, seen: Array) -> tuple[Array, Array]:
        """The time since the last reading: one tick at most, none of a late reading; and if the first is long ago."""
        state, k = self._state, self._is
        latest = np.where(seen > 1, state["latest"][slots], ts)
        state["latest"][slots] = np.maximum(latest, ts)
        state["begun"][slots] = begun = np.where(seen > 1, state["begun"][slots], ts)
        tick = np.where(seen > 1, np.clip((ts - latest) / k.tick_ns, 0.0, 1.0), 1.0)
        return tick, ts - begun >= k.first

    def _beyond(self, slots: Array, seen: Array, tick: Array) -> tuple[Array, Array]:
        """How far views are beyond their ranges, as shares of them, and the nearer end; and the views taken in."""
        state, k = self._state, self._is
        low, high = state["low"][slots], state["high"][slots]
        width = np.where(high >= low, high - low, 0.0)
        off = np.maximum(seen - high, low - seen)
        end = np.where(seen - high >= low - seen, high, low)
        wide = np.maximum(width, (k.least * width[:, 0])[:, None])
        # what never moved and moves now is off by a whole range; the very first reading is off by nothing
        excess = np.where(wide > 0, np.minimum(off, wide) / np.where(wide > 0, wide, 1.0), 1.0 * (off > 0))
        excess[high[:, 0] < low[:, 0]] = 0.0
        back = (k.fade * tick)[:, None] * width
        kept = np.where((width > 0) & (off > 0), (1 - k.learn) * off, 0.0)
        state["low"][slots] = np.where(seen < low, seen + kept, np.minimum(low + back, seen))
        state["high"][slots] = np.where(seen > high, seen - kept, np.maximum(high - back, seen))
        return excess, end

    def _quiet(self, slots: Array, strength: Array, tick: Array) -> Array:
        """The score in [0, 1], 0 where as much was reached not long ago."""
        state, k = self._state, self._is
        held = state["held"][slots] * (1 - tick / k.rest)
        state["held"][slots] = np.maximum(held, strength)
        return np.where(strength > k.more * held, strength / (strength + k.alarm), 0.0)

    def _show(self, out: Scores, at: Array, view: Array, look: views.Look, end: Array) -> None:
        """The evidence, in the value's own terms."""
        rows = np.arange(len(view))
        seen, bound, base = look.views[rows, view], end[rows, view], look.base[rows, view]
        bound = np.where(np.isfinite(bound), bound, seen)
        # what is looked at beside something is told beside it: no reader knows how far off it may be
        bound = np.where((view >= views.BESIDE.start) & (view < views.BESIDE.stop), 0.0, bound)
        spread = (view == views.SPREAD) | (view == views.JITTER)
        seen = np.where(spread, np.exp(np.where(spread, seen, 0.0)), seen + base)
        bound = np.where(spread, np.exp(np.where(spread, bound, 0.0)), bound + base)
        out.aspect[at], out.seen[at], out.expected[at] = view, seen, bound
        known = (view < views.JITTER) & (look.deviation > 0)
        out.deviations[at] = np.where(known, np.abs(seen - bound) / np.where(known, look.deviation, 1.0), 0.0)


KIND = Kind(
    name="auto",
    make=lambda scope, _options, _columns: Auto(scope),
    options=(),
    finds="what a series didn't do before: spikes, shifts, drifts, changed noise, a missing rhythm, an unusual order",
    blind="what was there from the beginning, what comes back within the old range at its usual time and order",
    cost="O(1) per reading, 1,682 bytes a series",
    reference="records of exchangeable readings: Renyi 1962; order of values as in CAD-OSE: Smirnov 2016",
)
