"""What the classical detectors share: a clock per series, its usual pace, and how far its own statistic usually goes.

A textbook limit holds for independent normal readings. Real series swing daily, wander and have long tails, so each
detector's statistic is also compared with what it reached before in this very series: with the second greatest of the
maxima of sixteen stretches. The greatest isn't counted, so one fault doesn't teach itself; what comes back does. The
stretches begin short and double until each lasts a day, so that a daily and a weekly rhythm have been seen whole.
Block maxima: Gumbel 1958.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import MOST, Option, Scope, Scores, rounds, scored

Array = NDArray[Any]

NS = 1_000_000_000
DAY_S = 86_400.0
STRONGEST = 1e9
"""No statistic goes further: ratios and single precision stay finite."""
_BLOCKS = 16
_FIRST_BLOCK = 64
_LONGEST_BLOCK = 2**24
_DOUBT = 1.0

MARGIN = Option(
    "margin",
    1.5,
    "times",
    "how far beyond what is usual for this series an alarm is; 0: the limit alone counts, as in textbooks",
    0.0,
    100.0,
)


class ByReading(ABC):
    """A detector of one column that takes readings one per series at a time."""

    aspects: Sequence[str]

    def update(self, slots: Array, ts: Array, values: Array) -> Scores:
        """See `Detector`."""
        out = Scores.none(len(slots))
        for at in rounds(slots, np.isfinite(values)):
            self._round(slots[at], ts[at], np.clip(values[at].astype(float), -MOST, MOST), at, out)
        return out

    @abstractmethod
    def _round(self, slots: Array, ts: Array, x: Array, at: Array, out: Scores, /) -> None:
        """One finite reading of each of these different slots; their results go to `out` at `at`."""


class Clock:
    """How many readings a series had, and how long after the one before each comes. 16 bytes."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        scope.declare("seen", np.int64, 0)
        scope.declare("at", np.int64, 0)

    def tick(self, slots: Array, ts: Array) -> tuple[Array, Array]:
        """Readings so far, this one included; seconds since the latest before it: 0 for the first and for late ones."""
        seen = self._scope["seen"][slots] + 1
        before = np.where(seen > 1, self._scope["at"][slots], ts)
        self._scope["seen"][slots] = seen
        self._scope["at"][slots] = np.maximum(ts, before)
        return seen, np.maximum(ts - before, 0) / NS


class Pace:
    """The usual time between readings: their geometric mean, which single gaps hardly move. 16 bytes."""

    _MEMORY, _FURTHEST = 100.0, 0.5

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        scope.declare("gaps", float, 0.0)
        scope.declare("pace", float, 0.0)

    def learn(self, slots: Array, dt: Array) -> Array:
        """Seconds that were usual before this reading; 0 where no two readings were apart."""
        gaps, pace = self._scope["gaps"][slots], self._scope["pace"][slots]
        usual = np.where(gaps > 0, np.exp(pace), 0.0)
        apart = dt > 0
        now = np.log(np.where(apart, dt, 1.0))
        gaps = gaps + apart
        off = np.clip(now - pace, -self._FURTHEST, self._FURTHEST) / np.clip(gaps, 1, self._MEMORY)
        self._scope["pace"][slots] = np.where(gaps == 1, np.where(apart, now, pace), pace + off * apart)
        self._scope["gaps"][slots] = gaps
        return usual


class Habit:
    """How far a statistic goes in the stretches of a series. 100 bytes."""

    def __init__(self, scope: Scope, prefix: str = "") -> None:
        self._scope, self._prefix = scope, prefix
        for name, of, fill in (
            ("blocks", np.int32, 0.0),  # ended so far, as they lie in `peaks`
            ("count", np.int32, 0.0),  # readings of this block
            ("length", np.int32, _FIRST_BLOCK),
            ("since", np.int64, 0.0),  # this block's first time
            ("peak", np.float32, 0.0),
            ("own", np.float64, np.inf),
        ):
            scope.declare(prefix + name, of, fill)
        scope.declare(prefix + "peaks", np.float32, 0.0, _BLOCKS)

    def usual(self, slots: Array) -> Array:
        """What the statistic usually reaches at most; infinite while that isn't known."""
        return self._at("own")[slots]

    def learn(self, slots: Array, statistic: Array, ts: Array) -> None:
        """Take in what it reached; to be asked `usual` before."""
        count = self._at("count")[slots] + 1
        self._at("since")[slots] = np.where(count == 1, ts, self._at("since")[slots])
        self._at("count")[slots] = count
        peak = np.maximum(self._at("peak")[slots], np.minimum(statistic, STRONGEST))
        self._at("peak")[slots] = peak
        ended = count >= self._at("length")[slots]
        if ended.any():
            self._end(slots[ended], ts[ended])

    def _end(self, slots: Array, ts: Array) -> None:
        """Blocks are over: keep their maxima, and double the length where sixteen lasted less than a day each."""
        blocks, peaks = self._at("blocks")[slots], self._at("peaks")[slots]
        peaks[np.arange(len(slots)), blocks % _BLOCKS] = self._at("peak")[slots]
        blocks += 1
        length = self._at("length")[slots]
        short = (ts - self._at("since")[slots]) / NS < DAY_S
        double = short & (blocks % _BLOCKS == 0) & (length < _LONGEST_BLOCK)
        peaks[double, : _BLOCKS // 2] = np.maximum(peaks[double, 0::2], peaks[double, 1::2])
        peaks[double, _BLOCKS // 2 :] = 0
        blocks[double] = _BLOCKS // 2
        length[double] *= 2
        known = np.minimum(blocks, _BLOCKS)
        ordered = np.sort(peaks, axis=1)
        usual = np.where(known < 4, ordered[:, -1], ordered[:, -2]).astype(float)
        self._at("own")[slots] = usual * (1 + _DOUBT / known)
        self._at("peaks")[slots], self._at("blocks")[slots], self._at("length")[slots] = peaks, blocks, length
        self._at("count")[slots] = 0
        self._at("peak")[slots] = 0

    def _at(self, name: str) -> Array:
        return self._scope[self._prefix + name]


class Limit:
    """Where a statistic's alarm is: at the textbook's limit, or beyond what this series does anyway."""

    def __init__(self, scope: Scope, options: Mapping[str, float], learning: float = 0.0) -> None:
        self._scope, self._habit = scope, Habit(scope)
        self._least, self._margin = options["limit"], options["margin"]
        self._learning, self._settling = max(options["learning"], learning), options.get("settling", 0.0)
        if self._settling:
            scope.declare("began", np.int64, 0)

    def judge(self, slots: Array, statistic: Array, ts: Array, seen: Array, cut: float = 1.0) -> Array:
        """Scores of one reading per series, and the statistic taken in.

        cut: how many times a statistic counts that reached its alarm and, starting anew, won't show how far it would go
        """
        limit = np.where(self.known(slots, ts, seen), self._least, np.inf)
        if self._margin:
            limit = np.maximum(limit, self._margin * self._habit.usual(slots))
            learned = (seen > self._learning).nonzero()[0]
            reached = statistic * np.where(statistic >= limit, cut, 1.0)
            self._habit.learn(slots[learned], reached[learned], ts[learned])
        return scored(statistic, limit)

    def known(self, slots: Array, ts: Array, seen: Array) -> Array:
        """Which series have been watched for long enough."""
        enough: Array = seen > self._learning
        if not self._settling:
            return enough
        began = np.where(seen == 1, ts, self._scope["began"][slots])
        self._scope["began"][slots] = began
        return enough & ((ts - began) / NS >= self._settling)
