"""`seasonal`: is this usual for this time of the day, or of the week?

A robust profile of the day (half hours) and one of the week (hours): the centre of each bin is Huber's, learned a
reading at a time (Huber 1964; the recursion: Robbins and Monro 1951), so a fault hardly teaches. Bins go by the times
of readings, so gaps and uneven spacing do no harm; Holt-Winters (Winters 1960) counts readings and would slip at every
gap. A profile speaks only after one whole cycle, in bins that it has seen, and only where it has explained a share of
the deviation: a series without a rhythm is left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.baselines import ByBaseline, Usual
from holdfast.stream.detectors.ports import Kind, Option, Scope, Scores, scored, told

Array = NDArray[Any]

_S, _DAY_S, _WEEK_S = 1_000_000_000, 86_400, 604_800
_MONDAY_S = 4 * _DAY_S  # 1970 began on a Thursday


@dataclass(frozen=True, slots=True)
class Cycle:
    """A rhythm: its length and that of its bins, in seconds."""

    name: str
    length_s: int
    bin_s: int

    @property
    def bins(self) -> int:
        """How many bins a cycle has."""
        return self.length_s // self.bin_s

    def place(self, seconds: Array) -> Array:
        """The bin of a local time."""
        place: Array = ((seconds - _MONDAY_S) % self.length_s) // self.bin_s
        return place


CYCLES = (Cycle("week", _WEEK_S, 3600), Cycle("day", _DAY_S, 1800))
"""The longer one first: where it explains more, the shorter one has nothing to say."""
_HUBER = 1.5  # deviations: a reading further off moves its bin no more than this
_REMEMBERED = 30  # readings of a bin
_HOUR_S = 3600.0  # memory of the short mean
_MEMORY = 3000.0  # readings over which the spread is taken
_VISITS = 300.0  # first readings of bins over which the profile is compared with the plain mean
_RHYTHM = 0.7  # a profile is believed where it leaves no more of the deviation than this
_CLIP = 4.0  # deviations: a greater error teaches the spread no more than this
_LEAST = 0.02  # of the usual deviation: what is left after the rhythm is no finer than this
_KNOWN = 2  # readings before a bin is believed


class Seasonal(ByBaseline):
    """The detector over many series; its memory is in the scope, by slot."""

    aspects: Sequence[str] = tuple(
        f"{what} for the {when}"
        for when in ("hour of the week", "time of day")
        for what in ("value", "last hour's mean")
    )

    def __init__(self, scope: Scope, limit: float, zone_s: int) -> None:
        super().__init__(scope)
        self._limit, self._zone_s = limit, zone_s
        scope.declare("first", np.int64, -1)
        scope.declare("before", np.int64, 0)
        scope.declare("rate", float, 0.0)
        for cycle in CYCLES:
            scope.declare(f"{cycle.name}_centre", np.float32, 0.0, cycle.bins)
            scope.declare(f"{cycle.name}_seen", np.uint8, 0, cycle.bins)
            for part in ("error", "plain", "spread", "mean", "mean_spread", "times", "visits"):
                scope.declare(f"{cycle.name}_{part}", float, 0.0)

    def explain(self, scores: Scores, row: int) -> str:
        """See `Detector`."""
        return told(self.aspects[int(scores.aspect[row])], scores, row)

    def _round(self, slots: Array, ts: Array, usual: Usual, at: Array, out: Scores) -> None:
        """One reading per series."""
        state = self._scope
        seconds = ts // _S
        state["first"][slots] = first = np.where(usual.seen == 1, seconds, state["first"][slots])
        before = np.where(usual.seen == 1, seconds, state["before"][slots])
        state["before"][slots] = seconds
        rate = self._rate(slots, np.clip(seconds - before, 0, _DAY_S))
        best, least = np.zeros(len(slots)), np.full(len(slots), np.inf)
        for place, cycle in enumerate(CYCLES):
            places = cycle.place(seconds + self._zone_s)
            fresh = places != cycle.place(before + self._zone_s)
            error, looks = self._cycle(cycle, slots, (places, fresh, rate), usual)
            speaks = (error < least) & (seconds - first >= cycle.length_s)
            least = np.where(speaks, error, least)
            for which, (off, expected, seen) in enumerate(looks):
                far = np.where(speaks, np.abs(off), 0.0)
                score = scored(far, self._limit)
                better = score > best
                best = np.where(better, score, best)
                rows = at[better]
                out.score[rows] = score[better]
                out.aspect[rows] = 2 * place + which
                out.seen[rows], out.expected[rows] = seen[better], expected[better]
                out.deviations[rows] = far[better]

    def _rate(self, slots: Array, passed: Array) -> tuple[Array, Array]:
        """What the short mean keeps and what it adds; behind a gap, one reading isn't an hour's mean."""
        state = self._scope
        rate = 1 - np.exp(-passed / _HOUR_S)
        usual = state["rate"][slots]
        add = np.where(usual > 0, np.minimum(rate, 1.5 * usual), rate)
        state["rate"][slots] = np.where(usual > 0, usual + (add - usual) / 100, rate)
        return 1 - rate, add

    def _cycle(
        self, cycle: Cycle, slots: Array, when: tuple[Array, Array, tuple[Array, Array]], usual: Usual
    ) -> tuple[Array, list[tuple[Array, Array, Array]]]:
        """The profile's error, inf if there is no such rhythm; deviations, usual, seen of value and short mean."""
        state, name = self._scope, cycle.name
        place, fresh, (keep, add) = when
        centre = state[f"{name}_centre"][slots, place].astype(float)
        known = state[f"{name}_seen"][slots, place].astype(float)
        error, plain, spread, mean, mean_spread, visits = (
            state[f"{name}_{part}"][slots] for part in ("error", "plain", "spread", "mean", "mean_spread", "visits")
        )
        residual = usual.x - centre
        believed = (known >= _KNOWN) & (visits >= cycle.bins / 2) & (error < _RHYTHM * plain)
        deviation = np.maximum(spread, _LEAST * usual.deviation)
        mean = keep * mean + add * np.where(known >= _KNOWN, residual, 0.0)
        wide = np.maximum(mean_spread, _LEAST * usual.deviation)
        self._learn_bin(cycle, slots, place, (residual, known, deviation))
        self._learn_errors(cycle, slots, usual, (residual, known, mean))
        self._compare(cycle, slots, usual, (residual, fresh & (known >= _KNOWN)))
        value, expected = usual.x + usual.origin, centre + usual.origin
        looks = [(residual / deviation, expected, value), (mean / wide, expected, expected + mean)]
        return np.where(believed, error, np.inf), looks

    def _learn_bin(self, cycle: Cycle, slots: Array, place: Array, what: tuple[Array, Array, Array]) -> None:
        """The bin's centre; its first readings count in full, for nothing is known to clip them by."""
        residual, known, deviation = what
        state, name = self._scope, cycle.name
        held = np.where(known < _KNOWN, residual, np.clip(residual, -_HUBER * deviation, _HUBER * deviation))
        state[f"{name}_centre"][slots, place] += (held / np.minimum(known + 1, _REMEMBERED)).astype(np.float32)
        state[f"{name}_seen"][slots, place] = np.minimum(known + 1, 255)

    def _learn_errors(self, cycle: Cycle, slots: Array, usual: Usual, what: tuple[Array, Array, Array]) -> None:
        """How far off the profile usually is; only where the bin was known before."""
        residual, known, mean = what
        state, name = self._scope, cycle.name
        taught = known >= _KNOWN
        times = state[f"{name}_times"][slots] + taught
        state[f"{name}_times"][slots] = times
        state[f"{name}_mean"][slots] = mean
        rate = np.where(taught, 1 / np.clip(times, 1, _MEMORY), 0.0)
        cap = np.where(times <= 2 * cycle.bins, np.inf, _CLIP)
        for part, off in (("spread", residual), ("mean_spread", mean)):
            old = state[f"{name}_{part}"][slots]
            least = np.maximum(old, _LEAST * usual.deviation)
            size = np.minimum(np.abs(off), np.where(np.isinf(cap), np.inf, cap * least))
            state[f"{name}_{part}"][slots] = np.sqrt(old * old + rate * (size * size - old * old))

    def _compare(self, cycle: Cycle, slots: Array, usual: Usual, what: tuple[Array, Array]) -> None:
        """How far off the profile is, beside the mean; by each bin's first reading, for the next ones know that one."""
        residual, fresh = what
        state, name = self._scope, cycle.name
        visits = state[f"{name}_visits"][slots] + fresh
        state[f"{name}_visits"][slots] = visits
        rate = np.where(fresh, 1 / np.clip(visits, 1, _VISITS), 0.0)
        most = _CLIP * usual.deviation
        for part, off in (("error", residual), ("plain", usual.x - usual.mean)):
            old = state[f"{name}_{part}"][slots]
            state[f"{name}_{part}"][slots] = old + rate * (np.minimum(np.abs(off), most) - old)


def _make(scope: Scope, options: Mapping[str, float], _columns: Sequence[str]) -> Seasonal:
    return Seasonal(scope, options["limit"], int(options["zone"]) * 60)


KIND = Kind(
    name="seasonal",
    make=_make,
    options=(
        Option("limit", 6.0, "deviations", "so far from what is usual at this time is an alarm", least=1.0, most=100.0),
        Option("zone", 0.0, "minutes", "how far the site's clock is ahead of UTC", least=-1440.0, most=1440.0),
    ),
    finds="a usual value at an unusual time: a missing night, a holiday's load on a workday, a shifted timetable",
    blind="anything in its first two days, unusual weekends in its first two weeks, series without a daily or weekly "
    "rhythm, summer time: after the clocks change, steep hours are off for some days",
    cost="O(1) per reading, 1,272 bytes a series",
    reference="centre: Huber 1964; instead of Holt-Winters: Winters 1960; running quantities: Robbins and Monro 1951",
)
