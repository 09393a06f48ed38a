"""`novelty`: how far a series is from anything that it has done before, for any series, without settings.

Nine numbers are taken of each reading: the value, its short and its long mean, each as it is, less what is usual at
this time of day, and less what is usual at this hour of the week. Each of the nine keeps a few leaders: places of its
range where it has been, at least a share of the range apart. How far it is from the nearest of them is how new it is.
The mean of the nine is then compared with its own long-run mean and deviation: in a series that always does new things
one more is nothing strange. One alarm per incident: then silence until no reading has been strange for some hours.

Sees the past only; O(1) per reading. It is new in its parts' arrangement, not in its parts: contexts not seen before
(CAD-OSE, Smirnov 2016), prototypes with vigilance (adaptive resonance: Carpenter, Grossberg and Rosen 1991; for series
ARTime, Hampton 2022), novelty against its own history (Ahmad, Lavin, Purdy and Agha 2017), leaders (Hartigan 1975).
Other than these it is told no range beforehand, and its memory is bounded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.incidents import Incidents, score_of
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, rounds

Array = NDArray[Any]

NAMES = (
    "value",
    "short mean",
    "long mean",
    "value for the time of day",
    "short mean for the time of day",
    "long mean for the time of day",
    "value for the hour of the week",
    "short mean for the hour of the week",
    "long mean for the hour of the week",
)
_VIEWS, _LEADERS = len(NAMES), 15
_PLAIN = 3  # the first views are of values; each three after them are less what is usual at a time
_DAY_BINS, _WEEK_BINS = 48, 168
_ABOUT = 0.5
_TICK_NS = 300 * 1_000_000_000
_NS, _HOUR_S, _DAY_S = 1_000_000_000, 3_600, 86_400
_NONE = np.float32(np.inf)  # no leader here yet
_GREATEST = 1e37  # values beyond are taken as this: leaders are of single precision
_ROUNDING = 1e-5  # of the value's range: what a view does within this is rounding


STRANGE = 0.65
"""Deviations from which a reading is an alarm, where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What `novelty` was built with; one set for every series.

    Lengths in ticks where nothing else is said: a tick is a reading, but five minutes where readings come faster, so
    that what comes every second isn't known after an hour.
    """

    short: float = 5.0  # memory of the short mean
    long: float = 40.0  # memory of the long mean
    apart: float = 0.08  # of a view's range: leaders are further than this from each other
    memory: float = 5000.0  # of the mean and deviation of what is new
    floor: float = 0.22  # of `apart`: the smallest deviation that counts
    profile: float = 30.0  # how many readings a place of a profile remembers
    patience: float = 150.0  # readings before the first alarm
    crowd: float = 0.1  # how much stranger a reading must be, per logarithm of the readings in a tick: more chances


class Novelty:
    """The detector over many series; everything it remembers is in its scope, by slot.

    strange:  deviations above the usual novelty from which a reading is an alarm, in a series that has long been known
    quiet_h:  hours without a strange reading that end an incident
    learning_h: hours of a series before its first alarm; twice as strange is needed then, and ever less later
    """

    aspects: Sequence[str] = NAMES

    def __init__(
        self,
        state: Scope,
        strange: float = STRANGE,
        quiet_h: float = 6.0,
        learning_h: float = 24.0,
        constants: Constants | None = None,
    ) -> None:
        self._state, self._is, self._strange = state, constants or Constants(), strange
        self._learning_ns, self._incidents = int(learning_h * _HOUR_S * _NS), Incidents(state, quiet_h)
        self._spans = np.array([self._is.short, self._is.long])
        for name in ("seen", "origin", "centre", "usual", "variance"):
            state.declare(name, float, 0.0)
        state.declare("since", np.int64, 0)
        state.declare("means", float, 0.0, 6)
        state.declare("low", np.float32, np.inf, _VIEWS)
        state.declare("high", np.float32, -np.inf, _VIEWS)
        state.declare("leaders", np.float32, np.inf, _VIEWS * _LEADERS)
        for name, bins in (("day", _DAY_BINS), ("week", _WEEK_BINS)):
            state.declare(name, np.float32, 0.0, bins)
            state.declare(f"{name}_seen", np.uint8, 0, bins)

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """See `Detector`."""
        out = Scores.none(len(slots))
        for at in rounds(slots, np.isfinite(values)):
            self._round(slots[at], ts[at], np.clip(values[at], -_GREATEST, _GREATEST), at, out)
        return out

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        seen, nearest = scores.seen[row], scores.expected[row]
        name, how = NAMES[int(scores.aspect[row])], "above" if seen > nearest else "below"
        return (
            f"the {name} is {seen:.6g}, which is new: {abs(seen - nearest):.6g} {how} {nearest:.6g}, the nearest so far"
        )

    def _round(self, slots: Array, ts: Array, values: Array, at: Array, out: Scores) -> None:
        """One reading per series."""
        state = self._state
        seen = state["seen"][slots] + 1
        state["seen"][slots] = seen
        state["since"][slots] = np.where(seen == 1, ts, state["since"][slots])
        state["origin"][slots] = origin = np.where(seen == 1, values, state["origin"][slots])
        known = np.abs(ts - state["since"][slots])
        tick = np.maximum(1.0, _TICK_NS * (seen - 1) / np.maximum(known, 1))  # in readings
        views = self._look(slots, ts, values - origin, (seen, tick))
        away, nearest = self._away(slots, views)
        deviations = self._unusual(slots, away.mean(axis=1), (seen, tick))
        enough = self._strange * (1 + self._is.crowd * np.log(tick))
        out.score[at] = self._quiet(slots, ts, np.maximum(deviations, 0.0) / enough, (seen, known))
        # the first, so the simplest, of those that are about as new as the newest
        view, rows = (away >= _ABOUT * away.max(axis=1)[:, None]).argmax(axis=1), np.arange(len(at))
        # views are less the origin, or less what is usual at that time; with it they are in the series' own terms
        offset = values - views[rows, view // _PLAIN * _PLAIN]
        out.aspect[at] = view
        out.seen[at] = views[rows, view] + offset
        out.expected[at] = nearest[rows, view] + offset
        out.deviations[at] = deviations

    def _look(self, slots: Array, ts: Array, x: Array, age: tuple[Array, Array]) -> Array:
        """The views of one reading per series, shape (n, views), which is taken in."""
        state, k, (seen, tick) = self._state, self._is, age
        centre = state["centre"][slots]
        seconds = ts // _NS
        by_day = self._against("day", slots, (seconds % _DAY_S * _DAY_BINS // _DAY_S, tick), x, x - centre)
        by_week = self._against("week", slots, (seconds // _HOUR_S % _WEEK_BINS, tick), x, by_day)
        state["centre"][slots] = centre + (x - centre) / np.minimum(seen, k.memory * tick)
        now = np.stack((x, by_day, by_week), axis=1)
        means = state["means"][slots].reshape(-1, 3, 2)
        rate = np.maximum(1 / (self._spans * tick[:, None]), 1 / seen[:, None])
        means += rate[:, None] * (now[:, :, None] - means)
        state["means"][slots] = means.reshape(-1, 6)
        return np.concatenate((now[:, :, None], means), axis=2).reshape(-1, _VIEWS)

    def _against(self, name: str, slots: Array, at: tuple[Array, Array], x: Array, instead: Array) -> Array:
        """What the profile doesn't explain of x, or `instead` where it knows nothing; and x taken in."""
        profile, times, (place, tick) = self._state[name], self._state[f"{name}_seen"], at
        held, known = profile[slots, place].astype(float), times[slots, place].astype(float)
        left = x - held
        profile[slots, place] = held + left / np.minimum(known + 1, self._is.profile * tick)
        times[slots, place] = np.minimum(known + 1, 255)
        return np.where(known > 0, left, instead)

    def _away(self, slots: Array, views: Array) -> tuple[Array, Array]:
        """How far each view is from where it has been, in distances that leaders are apart, and its nearest leader."""
        state = self._state
        low, high = np.minimum(state["low"][slots], views), np.maximum(state["high"][slots], views)
        state["low"][slots], state["high"][slots] = low, high
        leaders = state["leaders"][slots].reshape(-1, _VIEWS, _LEADERS)
        gaps = np.abs(leaders - views[:, :, None].astype(np.float32))
        which = gaps.argmin(axis=2)[:, :, None]
        nearest = np.take_along_axis(leaders, which, axis=2)[:, :, 0].astype(float)
        first = np.isinf(nearest)
        nearest = np.where(first, views, nearest)
        width = np.maximum(high - low, _ROUNDING * (high - low)[:, :1])
        away = np.abs(views - nearest) / (self._is.apart * np.where(width > 0, width, 1.0))
        row, view = np.nonzero(first | (away > 1))
        if len(row):
            self._follow(slots[row], view, leaders[row, view], views[row, view])
        return away, nearest

    def _follow(self, slots: Array, view: Array, leaders: Array, value: Array) -> None:
        """New leaders: in free places, else in that of the one that is nearest to another."""
        leaders.sort(axis=1)  # free places come last
        place = (leaders < _NONE).sum(axis=1)
        full = place == _LEADERS
        if full.any():
            place[full] = np.diff(leaders[full], axis=1).argmin(axis=1) + 1
        rows = np.arange(len(leaders))
        leaders[rows, place] = value
        self._state["leaders"].reshape(-1, _VIEWS, _LEADERS)[slots, view] = leaders

    def _unusual(self, slots: Array, novelty: Array, age: tuple[Array, Array]) -> Array:
        """Deviations above the series' own usual novelty, which learns this one."""
        state, k, (seen, tick) = self._state, self._is, age
        usual, variance = state["usual"][slots], state["variance"][slots]
        off, rate = novelty - usual, 1 / np.minimum(seen, k.memory * tick)
        state["usual"][slots] = usual + rate * off
        state["variance"][slots] = variance + rate * (off * off * (1 - rate) - variance)
        deviations: Array = off / np.sqrt(variance + k.floor**2)
        return deviations

    def _quiet(self, slots: Array, ts: Array, strength: Array, age: tuple[Array, Array]) -> Array:
        """The score in [0, 1]; 0 while learning and in an incident that was told."""
        seen, known = age
        # known for d times the learning, a series needs to be 1 + 1/d times as strange
        strength = strength * (known / np.maximum(known + self._learning_ns, 1))
        strength = np.where((seen > self._is.patience) & (known >= self._learning_ns), strength, 0.0)
        return score_of(self._incidents.once(slots, ts, seen, strength))


def _make(scope: Scope, options: Mapping[str, float], _columns: Sequence[str]) -> Novelty:
    return Novelty(scope, options["strange"], options["quiet"], options["learning"])


KIND = Kind(
    name="novelty",
    make=_make,
    options=(
        Option("strange", STRANGE, "deviations", "from a series' usual novelty, where an alarm begins", 0.05, 100),
        Option("quiet", 6, "hours", "without a strange reading, which end an incident: it's told once", 0, 8_760),
        Option("learning", 24, "hours", "of a series before its first alarm, which must be twice as strange", 0, 8_760),
    ),
    finds="values, levels and times of day where a series has not been: spikes, gaps between usual levels, shifts, "
    "drifts, stuck values, a missing or moved daily or weekly rhythm",
    blind="what was there from the beginning, a fault that came before, an unusual order of usual values, other noise "
    "within the usual range; a counter that only grows is always new: give it the counter's rate",
    cost="O(1) per reading, 1,812 bytes a series",
    reference="leaders: Hartigan 1975; unseen contexts: Smirnov 2016 (CAD-OSE); likelihood: Ahmad et al. 2017",
)
