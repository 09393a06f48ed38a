"""Clean series made from a seed, and faults planted into them.

Four shapes, of two columns each that show the same thing with noise of their own: faults go into the first. Readings
come every five minutes, give or take ten seconds. Sizes are in units of what the shape does anyway.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

STEP_S = 300
DAY = 86_400 // STEP_S
CLEAN = 21 * DAY
"""Rows before a fault begins."""
LASTING = 2 * DAY
"""Rows of a fault that lasts."""
ROWS = CLEAN + LASTING
_START_S = 1_767_571_200  # Monday 5 January 2026, midnight UTC
_NS = 1_000_000_000
_BEHIND = 6  # readings by which a column comes to lag


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of series. own: standard deviation of each column's noise; unit: what faults are measured in."""

    name: str
    signal: Callable[[np.random.Generator], Array]
    own: float
    unit: float
    resting: float | None = None
    """Where it stays when its rhythm is missing; None: it has none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong from row `CLEAN` on.

    plant:  (pair of columns, shape, generator) → changes the rows from CLEAN on, in place
    rows:   how long it lasts; within: rows after `told` in which it counts as found
    begins: rows after CLEAN; told: rows after that before anything can be seen
    """

    name: str
    plant: Callable[[Array, Shape, np.random.Generator], None]
    rows: int = LASTING
    within: int = LASTING
    begins: int = 0
    told: int = 0
    columns: int = 1
    rhythm: bool = False


def _wave(_: np.random.Generator) -> Array:
    return 20 + 5 * np.sin(2 * np.pi * np.arange(ROWS) / DAY)


def _noise(rng: np.random.Generator) -> Array:
    return 20 + rng.normal(size=ROWS)


def _duty(rng: np.random.Generator) -> Array:
    """On for 20 to 40 minutes, off for 30 to 60."""
    lengths = np.stack([rng.integers(4, 9, ROWS // 10), rng.integers(6, 13, ROWS // 10)], axis=1).ravel()
    return np.repeat(np.tile([60.0, 10.0], ROWS // 10), lengths)[:ROWS]


def _walk(rng: np.random.Generator) -> Array:
    return 100 + np.cumsum(0.3 * rng.normal(size=ROWS))


SHAPES: Sequence[Shape] = (
    Shape("daily wave", _wave, 0.5, 3.6, 20.0),
    Shape("noise", _noise, 0.3, 1.0),
    Shape("duty cycle", _duty, 0.5, 25.0, 10.0),
    Shape("random walk", _walk, 0.1, 3.0),
)


def _spike(pair: Array, shape: Shape, _: np.random.Generator) -> None:
    pair[CLEAN, 0] += 8 * shape.unit


def _spike_inside(pair: Array, shape: Shape, _: np.random.Generator) -> None:
    pair[CLEAN + DAY // 4, 0] -= 2.5 * shape.unit  # at the wave's crest, down to what it has at its foot


def _shift(pair: Array, shape: Shape, _: np.random.Generator) -> None:
    pair[CLEAN:, 0] += 4 * shape.unit


def _drift(pair: Array, shape: Shape, _: np.random.Generator) -> None:
    pair[CLEAN:, 0] += 4 * shape.unit * np.arange(LASTING) / DAY


def _stuck(pair: Array, _: Shape, __: np.random.Generator) -> None:
    pair[CLEAN:, 0] = pair[CLEAN, 0]


def _noisier(pair: Array, shape: Shape, rng: np.random.Generator) -> None:
    pair[CLEAN:, 0] += 2 * shape.unit * rng.normal(size=LASTING)


def _no_rhythm(pair: Array, shape: Shape, rng: np.random.Generator) -> None:
    resting = np.nan if shape.resting is None else shape.resting
    pair[CLEAN:, 0] = resting + shape.own * rng.normal(size=LASTING)


def _gap(pair: Array, _: Shape, __: np.random.Generator) -> None:
    pair[CLEAN : CLEAN + DAY // 4] = np.nan


def _lag(pair: Array, shape: Shape, rng: np.random.Generator) -> None:
    pair[CLEAN:, 0] = pair[CLEAN - _BEHIND : ROWS - _BEHIND, 1] + shape.own * rng.normal(size=LASTING)


FAULTS: Sequence[Fault] = (
    Fault("spike", _spike, rows=1, within=3),
    Fault("spike inside", _spike_inside, rows=1, within=3, begins=DAY // 4, rhythm=True),
    Fault("level shift", _shift),
    Fault("drift", _drift),
    Fault("stuck", _stuck),
    Fault("variance", _noisier),
    Fault("no rhythm", _no_rhythm, rhythm=True),
    Fault("gap", _gap, rows=DAY // 4, within=3, told=DAY // 4),
    Fault("lag", _lag, columns=2),
)

EXPLAINED: Mapping[str, str] = {
    "spike": "one reading off by 8 units",
    "spike inside": "one reading off by 2.5 units, within the range that the rhythm has anyway",
    "level shift": "4 units up, for good",
    "drift": "4 units up a day",
    "stuck": "the value stays",
    "variance": "noise of 2 units on top",
    "no rhythm": "the cycle stays away, its noise goes on",
    "gap": "six hours without a reading",
    "lag": "one column follows the other half an hour later",
}


def clean(shape: Shape, seeds: int) -> Array:
    """Columns of clean series, shape (ROWS, seeds, 2)."""
    made = np.empty((ROWS, seeds, 2))
    for seed in range(seeds):
        rng = np.random.default_rng([seed, SHAPES.index(shape)])
        signal = shape.signal(rng)
        made[:, seed] = signal[:, None] + shape.own * rng.normal(size=(ROWS, 2))
    return made


def planted(shape: Shape, fault: Fault, values: Array) -> Array:
    """A copy of clean series with a fault in each one's first column."""
    copy = values.copy()
    for seed in range(values.shape[1]):
        fault.plant(copy[:, seed], shape, np.random.default_rng([seed, 1000]))
    return copy


def times(series: int) -> Array:
    """When each row of each series was read, ns UTC, shape (ROWS, series)."""
    jitter = np.random.default_rng(5).integers(-10_000, 10_000, (ROWS, series)) * 1_000_000
    at: Array = (_START_S + np.arange(ROWS)[:, None] * STEP_S) * _NS + jitter
    return at
