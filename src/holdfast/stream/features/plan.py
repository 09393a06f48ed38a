"""A feature set compiled: plain facts and closures over a stage's calls, no SQL, no state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from holdfast.stream.plans import Compute

Missing = Literal["last", "skip", "zero", "fill"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One selected feature.

    columns:  what its numbers are called, one for each
    computes: of numbers, one for each column
    calls:    of raw windows: the stage's calls of `samples`, one for each of the metrics side by side
    """

    name: str
    columns: tuple[str, ...]
    computes: tuple[Compute, ...] = ()
    calls: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """How many numbers it is."""
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """What a feature line makes of its stage's evaluations.

    ref:        name@hash of the set
    deployment: whom the rows are for
    fill:       of `missing` zero and fill: what stands for each column, NaN = nothing does; shape (f,)
    every_ns:   at least so long between two rows of a key, 0 = any
    doubted:    calls that count uncertain readings in the window; spoilt: those that count bad ones
    newest:     calls that say the newest reading's quality as text, where a bad one in the window alone spoils nothing
    is_strict:  whether one uncertain or bad reading in the window makes the row unusable
    """

    ref: str
    deployment: str
    features: tuple[Feature, ...]
    missing: Missing
    fill: tuple[float, ...]
    every_ns: int
    doubted: tuple[int, ...]
    spoilt: tuple[int, ...]
    newest: tuple[int, ...]
    is_strict: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """All numbers of a row by name."""
        return tuple(column for feature in self.features for column in feature.columns)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return sum(feature.width for feature in self.features)


def fill_of(names: Sequence[str], fill: float | Mapping[str, float], columns: Sequence[Sequence[str]]) -> list[float]:
    """What stands for each column. names, columns: of the features."""
    found = list[float]()
    for name, some in zip(names, columns, strict=True):
        one = fill.get(name, np.nan) if isinstance(fill, Mapping) else fill
        found += [float(one)] * len(some)
    return found
