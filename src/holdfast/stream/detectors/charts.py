"""Control charts: small, lasting changes of the mean, which no single reading shows (`ewma`, `cusum`, `page_hinkley`).

All stand on the series' own mean and deviation, learned with outliers clipped, and on its own habit: a chart that goes
up and down every day has a limit beyond that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.habits import DAY_S, MARGIN, ByReading, Clock, Limit, Pace
from holdfast.stream.detectors.points import CLIP, HALF_LIFE, LEARNING, FadingMoments, standardised
from holdfast.stream.detectors.ports import THRESHOLD, Kind, Option, Scope, Scores, told

Array = NDArray[Any]

_CUT = 4.0
SETTLING = Option(
    "settling",
    DAY_S,
    "seconds",
    "of a series before its first score: until a day has been seen, each morning looks like a change of the mean",
    0.0,
    1e9,
)


class Ewma(ByReading):
    """An exponentially weighted mean against the long-run one.

    Roberts 1959: z = w·x + (1-w)·z. Its variance in those of a reading is v = w² + (1-w)²·v, from 0 at the start, which
    is the exact, widening limit for equal weights and holds for unequal ones. Here w follows the time between readings:
    1 - (1-weight)^(dt / usual dt).
    """

    aspects: Sequence[str] = ("smoothed mean",)
    _SHORTEST = 0.1  # of the usual time: readings of one moment count this much

    def __init__(self, scope: Scope, options: Mapping[str, float]) -> None:
        self._scope, self._keep = scope, np.log1p(-options["weight"]) if options["weight"] < 1 else -np.inf
        self._clock, self._pace = Clock(scope), Pace(scope)
        self._moments = FadingMoments(scope, options["half_life"], options["clip"])
        self._limit = Limit(scope, options)
        scope.declare("smooth", float, 0.0)
        scope.declare("share", float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(self.aspects[0], scores, row)

    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores) -> None:
        seen, dt = self._clock.tick(slots, ts)
        usual = self._pace.learn(slots, dt)
        steps = np.where(usual > 0, np.maximum(dt / np.where(usual > 0, usual, 1.0), self._SHORTEST), 1.0)
        keep = np.exp(self._keep * steps)
        mean, deviation = self._moments.look(slots)
        # A single outlier is no change of the mean: it counts as a near one.
        held = np.where(seen > 1, mean + self._moments.clipped(x - mean, deviation, seen), x)
        started = np.where(seen > 1, self._scope["smooth"][slots], x)
        smooth = started + (1 - keep) * (held - started)
        share = (1 - keep) ** 2 + keep**2 * self._scope["share"][slots]
        self._scope["smooth"][slots], self._scope["share"][slots] = smooth, share
        z = np.abs(standardised(smooth - mean, deviation * np.sqrt(share))) * (seen > 1)
        out.score[at] = self._limit.judge(slots, z, ts, seen)
        out.seen[at], out.expected[at], out.deviations[at] = smooth, np.where(seen > 1, mean, x), z
        self._moments.learn(slots, x, dt, seen)


class Sums(ByReading):
    """Page's sums (1954) of standardised deviations, up and down, each less an allowance and never below 0.

    Around a mean that fades they are a CUSUM chart; around that of all since the last change, the Page-Hinkley test.
    After an alarm they begin anew, around the mean that the sum itself tells: the old one, the allowance, and the sum's
    mean per reading (Montgomery 2009, eq. 9.6).
    """

    aspects: Sequence[str] = ("mean, going up", "mean, going down")
    _SUPPORT = 30  # readings that a new mean counts as at least, until there are more

    def __init__(self, scope: Scope, options: Mapping[str, float], half_life: float) -> None:
        self._scope = scope
        self._allowance, self._clip, self._learning = options["allowance"], options["clip"], options["learning"]
        self._clock = Clock(scope)
        self._moments = FadingMoments(scope, half_life, options["clip"])
        self._limit = Limit(scope, options)
        scope.declare("sums", float, 0.0, 2)
        scope.declare("run", np.int32, 0, 2)
        scope.declare("known", np.bool_, 0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        seen, expected = scores.seen[row], scores.expected[row]
        how = "up" if seen > expected else "down"
        return (
            f"the mean has gone {how} to about {seen:.6g}, {scores.deviations[row]:.1f} deviations from "
            f"{expected:.6g}, which is usual"
        )

    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores) -> None:
        seen, dt = self._clock.tick(slots, ts)
        mean, deviation = self._moments.look(slots)
        z = np.clip(standardised(x - mean, deviation), -self._clip, self._clip) * (seen > self._learning)
        known = self._limit.known(slots, ts, seen)
        sums = self._scope["sums"][slots]
        sums[known & ~self._scope["known"][slots]] = 0  # what they gathered around a mean that wasn't known yet
        self._scope["known"][slots] = known
        sums[:, 0] = np.maximum(sums[:, 0] + z - self._allowance, 0)
        sums[:, 1] = np.maximum(sums[:, 1] - z - self._allowance, 0)
        run = np.where(sums > 0, np.minimum(self._scope["run"][slots] + 1, 2**30), 0)
        side = (sums[:, 1] > sums[:, 0]).astype(np.int64)
        rows = np.arange(len(slots))
        strongest, lasted = sums[rows, side], run[rows, side]
        score = self._limit.judge(slots, strongest, ts, seen, _CUT)
        shift = np.where(lasted > 0, self._allowance + strongest / np.maximum(lasted, 1), 0.0)
        level = mean + np.where(side == 0, shift, -shift) * deviation
        out.score[at], out.aspect[at] = score, side
        out.seen[at], out.expected[at], out.deviations[at] = level, np.where(seen > 1, mean, x), shift
        self._moments.learn(slots, x, dt, seen)
        alarm = score >= THRESHOLD
        sums[alarm], run[alarm] = 0, 0
        self._scope["sums"][slots], self._scope["run"][slots] = sums, run
        if alarm.any():
            self._moments.restart(slots[alarm], level[alarm], np.maximum(lasted[alarm], self._SUPPORT).astype(float))


EWMA = Kind(
    name="ewma",
    make=lambda scope, options, _columns: Ewma(scope, options),
    options=(
        Option("limit", 6.0, "deviations", "of the smoothed mean from the long-run one, in its own", 0.5, 1e6),
        MARGIN,
        Option("weight", 0.2, "share", "of the newest reading in the smoothed mean, at the usual pace", 0.001, 1.0),
        HALF_LIFE,
        replace(CLIP, default=5.0),
        LEARNING,
        SETTLING,
    ),
    finds="shifts of one deviation or more that last, and drift, sooner than single readings show them",
    blind="single spikes (clipped on purpose), changed noise, a missing rhythm, what is slower than the half-life",
    cost="O(1) per reading, 176 bytes a series",
    reference="Roberts 1959, Control chart tests based on geometric moving averages",
)

CUSUM = Kind(
    name="cusum",
    make=lambda scope, options, _columns: Sums(scope, options, options["half_life"]),
    options=(
        Option("limit", 12.0, "deviations", "that the sum reaches before it is an alarm", 0.5, 1e6),
        Option("allowance", 0.5, "deviations", "taken off each reading: half of the shift to be found", 0.0, 10.0),
        MARGIN,
        HALF_LIFE,
        CLIP,
        LEARNING,
        SETTLING,
    ),
    finds="small shifts of the mean that last: one deviation in about 25 readings; says how far the mean has gone",
    blind="single spikes, changed noise, a missing rhythm; on series with slow swings only what exceeds them",
    cost="O(1) per reading, 169 bytes a series",
    reference="Page 1954, Continuous inspection schemes; new mean after an alarm: Montgomery 2009",
)

PAGE_HINKLEY = Kind(
    name="page_hinkley",
    make=lambda scope, options, _columns: Sums(scope, options, 0.0),
    options=(
        Option("limit", 25.0, "deviations", "that the sum reaches before it is an alarm", 0.5, 1e6),
        Option("allowance", 0.25, "deviations", "taken off each reading: changes below aren't looked for", 0.0, 10.0),
        MARGIN,
        CLIP,
        LEARNING,
        SETTLING,
    ),
    finds="drift and small shifts against the mean of everything since the last change",
    blind="single spikes, changed noise, a missing rhythm; on series with slow swings only what exceeds them",
    cost="O(1) per reading, 169 bytes a series",
    reference="Page 1954; Hinkley 1971, Inference about the change-point from cumulative sum tests",
)
