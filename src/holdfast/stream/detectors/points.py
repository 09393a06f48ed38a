"""Detectors of single readings: one that lies far from the others (`zscore`, `mad`) or comes too fast (`rate`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.habits import DAY_S, MARGIN, STRONGEST, ByReading, Clock, Limit, Pace
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, told

Array = NDArray[Any]

_UNCLIPPED = 16  # readings that teach whole, so that there is a deviation to clip by
_LEAST_SPREAD = 0.8  # of the usual one
_KEPT = 30.0  # readings that fading leaves
_RESOLUTION = 4 * np.finfo(float).eps

LEARNING = Option("learning", 60, "readings", "of a series before its first score", 2, 1e6)
HALF_LIFE = Option(
    "half_life", 7 * DAY_S, "seconds", "after which a reading counts half; 0: all count the same for ever", 0, 1e10
)
CLIP = Option("clip", 3.0, "deviations", "a farther reading teaches as if it were this far only", 1.0, 1e9)


class FadingMoments:
    """Mean and variance of a series' past, updated as in Welford 1962, with weights that fade as in West 1979.

    Readings beyond `clip` deviations teach as if they were there (winsorised), so an outlier doesn't widen what is
    usual. With no half-life and no clipping these are the past's mean and population variance. 24 bytes.
    """

    def __init__(self, scope: Scope, half_life: float, clip: float) -> None:
        self._scope, self._half_life, self._clip = scope, half_life, clip
        for name in ("weight", "mean", "square"):
            scope.declare(name, float, 0.0)

    def look(self, slots: Array) -> tuple[Array, Array]:
        """Mean, and standard deviation: never 0, but what numbers of this size resolve."""
        weight, mean = self._scope["weight"][slots], self._scope["mean"][slots]
        deviation = np.sqrt(self._scope["square"][slots] / np.maximum(weight, 1))
        return mean, np.maximum(deviation, _RESOLUTION * np.abs(mean) + 1e-100)

    def clipped(self, off: Array, deviation: Array, seen: Array) -> Array:
        """Differences from the mean, outliers' as if they were near."""
        far = np.where(seen > _UNCLIPPED, self._clip * deviation, np.inf)
        return np.clip(off, -far, far)

    def learn(self, slots: Array, x: Array, dt: Array, seen: Array) -> None:
        """Take readings in; dt: seconds since the one before."""
        mean, deviation = self.look(slots)
        weight, square = self._scope["weight"][slots], self._scope["square"][slots]
        if self._half_life:
            # Never down to a handful: after a long silence what was usual is still the best guess.
            left = np.maximum(weight * np.exp2(-dt / self._half_life), np.minimum(weight, _KEPT))
            square = square * (left / np.maximum(weight, 1))
            weight = left
        off = np.where(seen > 1, self.clipped(x - mean, deviation, seen), x)
        weight = weight + 1
        moved = off / weight
        self._scope["weight"][slots] = weight
        self._scope["mean"][slots] = mean + moved
        self._scope["square"][slots] = np.where(seen > 1, square + off * (off - moved), 0.0)

    def restart(self, slots: Array, mean: Array, weight: Array) -> None:
        """A new mean, which counts as so many readings; the variance stays."""
        variance = self._scope["square"][slots] / np.maximum(self._scope["weight"][slots], 1)
        self._scope["mean"][slots], self._scope["weight"][slots] = mean, weight
        self._scope["square"][slots] = variance * weight


def standardised(off: Array, deviation: Array) -> Array:
    """Deviations, neither of which is out of reach."""
    return np.clip(off / deviation, -STRONGEST, STRONGEST)


class ZScore(ByReading):
    """How many of the past's deviations a reading is from the past's mean."""

    aspects: Sequence[str] = ("value",)

    def __init__(self, scope: Scope, options: Mapping[str, float]) -> None:
        self._clock = Clock(scope)
        self._moments = FadingMoments(scope, options["half_life"], options["clip"])
        self._limit = Limit(scope, options)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(self.aspects[0], scores, row)

    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores) -> None:
        seen, dt = self._clock.tick(slots, ts)
        mean, deviation = self._moments.look(slots)
        z = np.abs(standardised(x - mean, deviation)) * (seen > 1)
        out.score[at] = self._limit.judge(slots, z, ts, seen)
        out.seen[at], out.expected[at], out.deviations[at] = x, np.where(seen > 1, mean, x), z
        self._moments.learn(slots, x, dt, seen)


class Mad(ByReading):
    """How far a reading is from the median of the latest ones, in their median absolute deviations (Hampel 1974)."""

    aspects: Sequence[str] = ("value",)
    _NORMAL = 1.4826  # a normal series' standard deviation, in median absolute deviations

    def __init__(self, scope: Scope, options: Mapping[str, float]) -> None:
        self._scope, self._window = scope, int(options["window"])
        self._clock = Clock(scope)
        self._limit = Limit(scope, options, self._window)
        scope.declare("ring", float, np.inf, self._window)
        scope.declare("usual_spread", float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(self.aspects[0], scores, row)

    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores) -> None:
        seen, _ = self._clock.tick(slots, ts)
        ring = self._scope["ring"][slots]
        full = seen > self._window
        median = np.where(full, _middle(ring), x)
        spread = np.where(full, self._NORMAL * _middle(np.abs(ring - median[:, None])), 0.0)
        usual = self._scope["usual_spread"][slots]
        counted = seen - self._window
        # A window of equal values has no spread: then what such windows usually have counts, or what is resolved.
        least = np.maximum(_LEAST_SPREAD * usual, _RESOLUTION * np.abs(median) + 1e-100)
        z = np.abs(standardised(x - median, np.maximum(spread, least)))
        out.score[at] = self._limit.judge(slots, z, ts, seen)
        out.seen[at], out.expected[at], out.deviations[at] = x, median, z
        self._scope["usual_spread"][slots] = usual + full * (spread - usual) / np.clip(counted, 1, 5000)
        self._scope["ring"][slots, (seen - 1) % self._window] = x


def _middle(rows: Array) -> Array:
    """The median of each row; of an even number the upper one, so that it's a value that was there."""
    place = rows.shape[1] // 2
    middle: Array = np.partition(rows, place, axis=1)[:, place]
    return middle


class Rate(ByReading):
    """How fast a value changes, against how fast it usually does. Time between readings counts, a burst's as usual."""

    aspects: Sequence[str] = ("change per second",)

    def __init__(self, scope: Scope, options: Mapping[str, float]) -> None:
        self._scope = scope
        self._clock, self._pace = Clock(scope), Pace(scope)
        self._moments = FadingMoments(scope, options["half_life"], options["clip"])
        self._limit = Limit(scope, options)
        scope.declare("last", float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        seen, expected = scores.seen[row], scores.expected[row]
        how = "up" if seen > 0 else "down"
        return (
            f"the value goes {how} by {abs(seen):.6g} per second, {scores.deviations[row]:.1f} deviations from "
            f"the usual {expected:.6g}"
        )

    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores) -> None:
        seen, dt = self._clock.tick(slots, ts)
        usual = self._pace.learn(slots, dt)
        lasted = np.maximum(dt, usual)
        known = (seen > 1) & (lasted > 0)
        speed = np.where(known, x - self._scope["last"][slots], 0.0) / np.where(known, lasted, 1.0)
        self._scope["last"][slots] = x
        mean, deviation = self._moments.look(slots)
        # What numbers of this size resolve shows in the speed, too.
        deviation = np.maximum(deviation, _RESOLUTION * np.abs(x) / np.where(known, lasted, 1.0))
        z = np.abs(standardised(speed - mean, deviation)) * known
        out.score[at] = self._limit.judge(slots, z, ts, seen)
        out.seen[at], out.expected[at], out.deviations[at] = speed, mean, z
        self._moments.learn(slots, speed, dt, seen)


ZSCORE = Kind(
    name="zscore",
    make=lambda scope, options, _columns: ZScore(scope, options),
    options=(
        Option("limit", 4.5, "deviations", "from the mean: nearer than this is never an alarm", 0.5, 1e6),
        MARGIN,
        HALF_LIFE,
        CLIP,
        LEARNING,
    ),
    finds="spikes and shifts beyond the range that the series has had",
    blind="whatever stays within that range: a missing rhythm, a stuck value; a slow drift widens it",
    cost="O(1) per reading, 136 bytes a series",
    reference="control limits: Shewhart 1931; running variance: Welford 1962, weighted: West 1979",
)

MAD = Kind(
    name="mad",
    make=lambda scope, options, _columns: Mad(scope, options),
    options=(
        Option("limit", 5.0, "deviations", "from the median: nearer than this is never an alarm", 0.5, 1e6),
        MARGIN,
        Option("window", 61, "readings", "that median and spread are taken of, exactly", 5, 501),
        LEARNING,
    ),
    finds="spikes, also inside the range of a slow swing, beside many other outliers (up to half of the window)",
    blind="whatever lasts longer than half of the window: shifts show at their beginning only, drift not at all",
    cost="O(window) per reading, no matter how long the history; 608 bytes a series with a window of 61",
    reference="Hampel 1974, The influence curve; as a filter: Davies and Gather 1993",
)

RATE = Kind(
    name="rate",
    make=lambda scope, options, _columns: Rate(scope, options),
    options=(
        Option("limit", 6.0, "deviations", "from the usual change: a slower one is never an alarm", 0.5, 1e6),
        MARGIN,
        HALF_LIFE,
        CLIP,
        LEARNING,
    ),
    finds="steps that are faster than the series' own, wherever in its range they happen",
    blind="slow changes; in series that jump all the time (duty cycles, noise) anything smaller than those jumps",
    cost="O(1) per reading, 160 bytes a series",
    reference="rate-of-change alarms: ISA-18.2, IEC 62682; deviation: Welford 1962, West 1979",
)
