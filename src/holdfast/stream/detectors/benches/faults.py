"""Every detector on planted faults: found or not, how soon, and how many false alarms before.

A series is learned clean for three weeks; each fault then begins from a copy of what was learned. An alarm is a reading
whose score reaches the threshold after one that didn't. A fault is found by the first alarm that begins within it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.benches.planted import (
    CLEAN,
    DAY,
    FAULTS,
    ROWS,
    SHAPES,
    Fault,
    Shape,
    clean,
    planted,
    times,
)
from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Kind, Scope
from holdfast.stream.state import State

Array = NDArray[Any]
SEEDS = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault in one shape. delays: readings from where it could be seen to the alarm, of those found."""

    fault: str
    shape: str
    series: int
    delays: Sequence[int]
    rows: int

    @property
    def found(self) -> int:
        """In how many series."""
        return len(self.delays)


@dataclass(frozen=True, slots=True)
class Report:
    """One detector. false_per_week: alarms a series and week on clean series, by shape."""

    detector: str
    columns: int
    findings: Sequence[Finding]
    false_per_week: Mapping[str, float]
    us_per_reading: float

    def of(self, fault: str) -> list[Finding]:
        """This fault, in every shape it was planted into."""
        return [finding for finding in self.findings if finding.fault == fault]


def run(name: str, seeds: int = SEEDS, planted_faults: Sequence[Fault] = FAULTS) -> Report:
    """A detector of the catalogue with its default options, on the fewest columns that it takes; lags on two."""
    kind = KINDS[name]
    columns = kind.columns[0]
    series = {shape: clean(shape, seeds) for shape in SHAPES}
    began = process_time()
    alone = _Run(kind, columns, series)
    findings = [
        alone.finding(fault, shape) for fault in planted_faults if fault.columns == 1 for shape in _suited(fault)
    ]
    together = _together(kind, alone, series)
    if together is not None:
        findings += [
            together.finding(fault, shape) for fault in planted_faults if fault.columns == 2 for shape in SHAPES
        ]
    spent = process_time() - began
    fed = alone.fed + (together.fed if together is not None and together is not alone else 0)
    return Report(name, columns, findings, alone.false_per_week(), 1e6 * spent / fed)


def onsets(scores: Array) -> Array:
    """Where an alarm begins, of rows x series."""
    alarm = scores >= THRESHOLD
    began: Array = alarm & ~np.vstack([np.zeros((1, alarm.shape[1]), bool), alarm[:-1]])
    return began


def _together(kind: Kind, alone: "_Run", series: Mapping[Shape, Array]) -> "_Run | None":
    """The run on two columns, for what is about both."""
    least, most = kind.columns
    if not least <= 2 <= most:
        return None
    return alone if least == 2 else _Run(kind, 2, series)


def _suited(fault: Fault) -> list[Shape]:
    return [shape for shape in SHAPES if not fault.rhythm or shape.resting is not None]


class _Run:
    """A detector that has learned all clean series, side by side."""

    def __init__(self, kind: Kind, columns: int, series: Mapping[Shape, Array]) -> None:
        self._kind, self._columns, self._series = kind, columns, series
        self._all = np.concatenate(list(series.values()), axis=1)
        self._ts = times(self._all.shape[1])
        self.fed = 0
        self._state, detector = self._new()
        self._scores = self._feed(detector, self._all, range(CLEAN))

    def false_per_week(self) -> dict[str, float]:
        """Alarms a series and week before the faults."""
        counts, seeds = onsets(self._scores).sum(axis=0), self._all.shape[1] // len(SHAPES)
        per_shape = counts.reshape(len(SHAPES), seeds).sum(axis=1) / (seeds * CLEAN / (7 * DAY))
        return {shape.name: float(rate) for shape, rate in zip(SHAPES, per_shape, strict=True)}

    def finding(self, fault: Fault, shape: Shape) -> Finding:
        """The fault in this shape's series, on from what was learned."""
        values = self._all.copy()
        place, seeds = SHAPES.index(shape), self._series[shape].shape[1]
        mine = slice(place * seeds, (place + 1) * seeds)
        values[:, mine] = planted(shape, fault, self._series[shape])
        state, detector = self._new()
        slots = np.arange(values.shape[1])
        learned = (self._state.export(len(slots)), self._state.export_shared(), self._state.export_tables())
        state.put(slots, *learned)
        began = fault.begins + fault.told
        scores = self._feed(detector, values, range(CLEAN, min(CLEAN + began + fault.within, ROWS)), mine)
        new = onsets(np.vstack([self._scores[-1:, mine], scores]))[1 + began :]
        delays = [int(np.argmax(one)) for one in new.T if one.any()]
        return Finding(fault.name, shape.name, seeds, delays, fault.rows)

    def _new(self) -> tuple[State, Detector]:
        state = State()
        detector = make(self._kind.name, Scope(state), None, self._columns)
        state.grow(self._all.shape[1])
        return state, detector

    def _feed(self, detector: Detector, values: Array, rows: range, which: slice = slice(None)) -> Array:
        """Scores, rows x series; a row in which a series has no reading scores 0."""
        slots = np.arange(values.shape[1])[which]
        scores = np.zeros((len(rows), len(slots)))
        for to, row in enumerate(rows):
            now = values[row, which, 0] if self._columns == 1 else values[row, which, : self._columns]
            come = np.isfinite(now) if now.ndim == 1 else np.isfinite(now).any(axis=1)
            self.fed += int(come.sum())
            if come.any():
                scores[to, come] = detector.update(slots[come], self._ts[row, which][come], now[come]).score
        return scores
