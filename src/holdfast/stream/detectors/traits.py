"""What a series is like, and which detectors that speaks for: advice with reasons, from its readings alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_DAY_NS = 86_400 * 1_000_000_000
_DAYS = 3  # of data, before a daily rhythm is said to be one
_PLACES = 48  # of a day
_FEW_VALUES = 12
_RHYTHM = 0.3  # share of the variance that the time of day explains
_STEADY = 0.5  # share of readings that repeat the one before
_REGULAR = 0.8  # share of usual intervals; below it silence says little
_WALKS = 0.7  # share of the variance that lies between neighbouring stretches


@dataclass(frozen=True, slots=True)
class Traits:
    """Times in s. Shares from 0 to 1.

    interval:  the usual one; longest: the longest gap
    regular:   share of intervals within half of the usual one
    same:      share of readings equal to the one before
    distinct:  how many different values, at most a thousand counted
    rising:    share of steps that go up, of those that go anywhere
    rhythm:    share of the variance that the time of day explains; 0 where it can't be known yet
    walks:     share of the variance that lies between stretches of a hundred readings
    """

    readings: int
    span: float
    interval: float
    longest: float
    regular: float
    same: float
    distinct: int
    rising: float
    rhythm: float
    walks: float


@dataclass(frozen=True, slots=True)
class Advice:
    """A detector, and why."""

    detector: str
    reason: str


def traits(ts: Array, values: Array) -> Traits:
    """Of one series, in order of time; ts in ns."""
    known = np.isfinite(values)
    ts, values = ts[known], values[known].astype(np.float64)
    n = len(ts)
    if n < 2:
        return Traits(n, 0.0, 0.0, 0.0, 0.0, 0.0, n, 0.0, 0.0, 0.0)
    gaps, steps = np.diff(ts) / 1e9, np.diff(values)
    usual = float(np.median(gaps))
    moving = steps[steps != 0]
    return Traits(
        readings=n,
        span=float(ts[-1] - ts[0]) / 1e9,
        interval=usual,
        longest=float(gaps.max()),
        regular=float(np.mean(np.abs(gaps - usual) <= usual / 2)),
        same=float(np.mean(steps == 0)),
        distinct=len(np.unique(values[:: max(1, n // 100_000)])[:1000]),
        rising=float(np.mean(moving > 0)) if len(moving) else 0.0,
        rhythm=_explained(values, ts // (_DAY_NS // _PLACES) % _PLACES) if ts[-1] - ts[0] >= _DAYS * _DAY_NS else 0.0,
        walks=_explained(values, np.arange(n) // 100),
    )


def _explained(values: Array, group: Array) -> float:
    """Share of the variance that lies between groups, less what chance alone would explain."""
    total = float(values.var())
    if total <= 0:
        return 0.0
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    means = np.bincount(place, values) / count
    between = float(np.average((means - values.mean()) ** 2, weights=count)) / total
    chance = (len(count) - 1) / max(len(values) - 1, 1)
    return max(0.0, (between - chance) / max(1 - chance, 1e-9))


def advise(found: Traits, known: Mapping[str, object]) -> list[Advice]:
    """Detectors of `known` names for such a series, the first one first; `auto` is always among them."""
    said = [
        Advice("auto", "needs no settings and learns this series' own ways"),
        *_of_rhythm(found),
        *_of_values(found),
        *_of_times(found),
    ]
    return [one for one in said if one.detector in known]


def _of_rhythm(found: Traits) -> list[Advice]:
    if found.rhythm >= _RHYTHM:
        return [Advice("seasonal", f"the time of day explains {found.rhythm:.0%} of its variance")]
    if found.walks >= _WALKS and found.rising not in (0.0, 1.0):
        return [Advice("bocpd", f"it moves between levels: {found.walks:.0%} of its variance is between stretches")]
    return []


def _of_values(found: Traits) -> list[Advice]:
    if found.distinct <= 1:
        return []
    said = []
    if found.distinct <= _FEW_VALUES:
        said.append(Advice("stuck", f"it has {found.distinct} values only: deviations mean little, durations do"))
    elif found.same < _STEADY:
        said.append(Advice("stuck", f"only {found.same:.0%} of its readings repeat the one before: a repeat is news"))
    if found.walks < _WALKS and found.rhythm < _RHYTHM and found.distinct > _FEW_VALUES:
        said.append(Advice("mad", "it stays around one level: single readings far from it stand out"))
        said.append(Advice("cusum", "it stays around one level: a small shift that lasts adds up"))
    return said


def _of_times(found: Traits) -> list[Advice]:
    if found.regular < _REGULAR:
        return []
    return [Advice("missing", f"it comes every {found.interval:g} s, {found.regular:.0%} of the time: a gap is news")]
