"""Errors against labels over time: has the relation that the model learned changed?

Labels come in runs (an operator says it of an hour), and rows of one hour err together, so an hour's rows of a device
are one observation: their mean error. A one-sided CUSUM (Page 1954; the test of Page and Hinkley with a fixed
reference) adds up how far observations lie above what the first ones were, in their standard deviations, each cut at 4
so that no single hour decides. With k = 1 and h = 20 it takes 7 hours of labels that are all wrong. Where nothing
changed, and neighbours are correlated by half, there's one false alarm in 20 series-months (simulated; what is usual
being learned from 48 such hours is what costs most).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.significance import Moments

Array = NDArray[Any]
FIRST = 48
"""Observations that say what is usual."""
DRIFT, ALARM, CUT = 1.0, 20.0, 4.0
MOST_OPEN, MOST_SERIES = 4_096, 256
_FLOOR = 0.05
"""Of the spread: a model that never erred yet isn't alarmed by its first error."""


class Chart:
    """One series' CUSUM."""

    def __init__(self) -> None:
        self.usual = Moments()
        self.sum = 0.0
        self.alarmed = False
        self.since_ns = 0
        self.last = float("nan")

    def observe(self, error: float, at_ns: int) -> bool:
        """One more observation; True when the alarm comes or goes."""
        self.last = error
        if self.usual.n < FIRST:
            self.usual.add(1, error)
            return False
        z = max(-CUT, min(CUT, (error - self.usual.mean) / self.spread))
        before = self.sum
        self.sum = min(1.5 * ALARM, max(0.0, self.sum + z - DRIFT))
        if before == 0.0 and self.sum > 0.0:
            self.since_ns = at_ns
        alarmed = self.sum > ALARM or (self.alarmed and self.sum > 0.0)
        changed, self.alarmed = alarmed != self.alarmed, alarmed
        return changed

    @property
    def spread(self) -> float:
        """Standard deviation of what is usual, never too small."""
        return max(float(np.sqrt(self.usual.variance)), _FLOOR * max(1.0, abs(self.usual.mean)), 1e-12)

    def keep(self) -> list[float]:
        """For a snapshot."""
        usual = self.usual
        return [usual.n, usual.mean, usual.m2, self.sum, float(self.alarmed), float(self.since_ns), self.last]

    def restore(self, kept: list[float]) -> None:
        """From a snapshot."""
        n, mean, m2, self.sum, alarmed, since, self.last = kept
        self.usual, self.alarmed, self.since_ns = Moments(n, mean, m2), bool(alarmed), int(since)


class ErrorWatch:
    """Of one deployment (series -1) and its devices, the first that are labelled."""

    def __init__(self, pane_ns: int) -> None:
        self._pane_ns = pane_ns
        self._open: dict[tuple[int, int], list[float]] = {}  # (pane, seat) → rows, sum of errors, last touched
        self.charts: dict[int, Chart] = {-1: Chart()}

    def add(self, seat: Array, ts: Array, error: Array, now_ns: int) -> None:
        """Labelled rows' errors, shape (n,) each."""
        pane = ts // self._pane_ns
        for one in np.unique(pane).tolist():
            mine = pane == one
            seats, at = np.unique(seat[mine], return_inverse=True)
            for place, n, total in zip(seats, np.bincount(at), np.bincount(at, weights=error[mine]), strict=True):
                found = self._open.setdefault((one, int(place)), [0.0, 0.0, 0.0])
                found[0] += float(n)
                found[1] += float(total)
                found[2] = float(now_ns)

    def tick(self, now_ns: int) -> list[tuple[int, Chart]]:
        """Observe what got no more labels for a window's length, by time; returns whose alarm came or went."""
        newest = max((pane for pane, _ in self._open), default=0)
        over = [
            place
            for place, (_, _, touched) in self._open.items()
            if now_ns - touched >= self._pane_ns or place[0] < newest - 1
        ]
        over += sorted(set(self._open) - set(over))[: max(0, len(self._open) - len(over) - MOST_OPEN)]
        changed: list[tuple[int, Chart]] = []
        by_pane: dict[int, Moments] = {}
        for place in sorted(over):
            rows, total, _ = self._open.pop(place)
            by_pane.setdefault(place[0], Moments()).add(1, total / rows)
            chart = self.charts.get(place[1])
            if chart is None and len(self.charts) <= MOST_SERIES:
                chart = self.charts[place[1]] = Chart()
            if chart is not None and chart.observe(total / rows, place[0] * self._pane_ns):
                changed.append((place[1], chart))
        for pane, moments in by_pane.items():
            if self.charts[-1].observe(moments.mean, pane * self._pane_ns):
                changed.append((-1, self.charts[-1]))
        return changed

    def keep(self) -> dict[str, Any]:
        """For a snapshot."""
        open_ = [[*place, *sums] for place, sums in self._open.items()]
        return {"open": open_, "charts": [[seat, *chart.keep()] for seat, chart in self.charts.items()]}

    def restore(self, kept: dict[str, Any]) -> None:
        """From a snapshot."""
        self._open = {(int(one[0]), int(one[1])): [float(x) for x in one[2:]] for one in kept["open"]}
        self.charts = {-1: Chart()}
        for seat, *numbers in kept["charts"]:
            self.charts.setdefault(int(seat), Chart()).restore(numbers)
