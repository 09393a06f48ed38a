"""What `auto` looks at: nine numbers per reading, each of which leaves its usual range when its kind of thing is wrong.

All are taken from the past and the reading itself in O(1), over offsets from a series' first value, so that single
precision is enough for the profiles even of a counter at 1e9. Complexity O(1) per reading; memory as declared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import Scope

Array = NDArray[Any]

SHORT, LONG = 7.0, 60.0
"""Memory of the averages, in readings."""
DAY_BINS, WEEK_BINS = 48, 168
_DAY_S, _HOUR_S, _NS = 86_400, 3_600, 1_000_000_000
_PROFILE_READINGS = 30.0  # how many readings a place of a profile remembers
_MEMORY = 5000.0  # readings of the long-run mean and deviation
_CLIP = 8.0  # deviations: a reading farther out moves them no more than this
_UNCLIPPED = 20  # readings before it's known what is far
_UNIT_SHARE = 1e-2  # of the long-run deviation, added to short ones before their logarithms
_TINY = 1e-12
_SPAN = 4.0  # deviations that the levels share among them, in which the order of values is counted
LAG = 5  # readings from the level that is the context to the one that follows
_UNSEEN = 0.1  # how often a level counts as seen that never followed
_FULL = 255
_FINE, _COARSE = 16, 8  # levels: the one tells more, the other sooner

NAMES: Sequence[str] = (
    "value",
    "short mean",
    "value beside its long mean",
    "short mean for the time of day",
    "value for the hour of the week",
    "spread",
    "jitter",
    "order of values",
    "order of coarse values",
)
BESIDE, SPREAD, JITTER, ORDERS = slice(2, 5), 5, 6, slice(7, 9)


@dataclass(frozen=True, slots=True)
class Look:
    """views: shape (n, views); base: what to add to the first five for the value's own terms; deviation: long-run."""

    views: Array
    base: Array
    deviation: Array


def declare(state: Scope) -> None:
    """The arrays that `look` keeps."""
    for name in ("origin", "last", "centre", "variance", "short_mean", "long_mean", "long_square", "step_square"):
        state.declare(name, float, 0.0)
    state.declare("by_day", float, 0.0)
    for name, bins in (("day", DAY_BINS), ("week", WEEK_BINS)):
        state.declare(name, np.float32, 0.0, bins)
        state.declare(f"{name}_seen", np.uint8, 0, bins)
    for name, levels in (("fine", _FINE), ("coarse", _COARSE)):
        state.declare(f"{name}_surprise", float, 0.0)
        state.declare(f"{name}_lately", np.uint8, 0, LAG)
        state.declare(f"{name}_followed", np.uint8, 0, levels * levels)


def look(state: Scope, slots: Array, ts: Array, x: Array, seen: Array) -> Look:
    """The views of one reading per series, and the reading taken in.

    slots:  all different
    ts:     ns UTC
    x:      values less their origins
    seen:   how many readings of each series there were, this one included
    """
    short, long = np.maximum(1 / SHORT, 1 / seen), np.maximum(1 / LONG, 1 / seen)
    centre, deviation = state["centre"][slots], np.sqrt(state["variance"][slots])
    origin, seconds = state["origin"][slots], ts // _NS
    mean, far = _towards(state, "short_mean", slots, x, short), x - state["long_mean"][slots]
    slow = _towards(state, "long_mean", slots, x, long)
    off_day = _against(state, "day", slots, (seconds % _DAY_S) * DAY_BINS // _DAY_S, x, x - centre)
    # an hour of the week that wasn't there yet has nothing to be beside: a first weekend is no news
    off_week = _against(state, "week", slots, (seconds // _HOUR_S) % WEEK_BINS, x, np.zeros(len(x)))
    views, base = np.empty((len(slots), len(NAMES))), np.zeros((len(slots), len(NAMES)))
    views[:, 0], views[:, 1], views[:, 2] = x, mean, x - slow
    views[:, 3], views[:, 4] = _towards(state, "by_day", slots, off_day, short), off_week
    base[:, 0], base[:, 1], base[:, 2] = origin, origin, slow + origin
    base[:, 3], base[:, 4] = x - off_day + origin, x - off_week + origin
    views[:, SPREAD], views[:, JITTER] = _spreads(state, slots, (x, far), (seen, long), deviation)
    z = np.clip((x - centre) / np.maximum(deviation, _TINY), -_SPAN, _SPAN)
    for view, name, levels in ((ORDERS.start, "fine", _FINE), (ORDERS.start + 1, "coarse", _COARSE)):
        surprise = order(state, name, slots, (z / _SPAN + 0.5, seen), levels)
        views[:, view] = _towards(state, f"{name}_surprise", slots, surprise, short)
    _learn(state, slots, x - centre, seen, deviation)
    return Look(views, base, deviation)


def _towards(state: Scope, name: str, slots: Array, x: Array, rate: Array) -> Array:
    """The exponentially weighted mean of that name, x taken in."""
    mean: Array = state[name][slots]
    mean += rate * (x - mean)
    state[name][slots] = mean
    return mean


def _against(state: Scope, name: str, slots: Array, place: Array, x: Array, instead: Array) -> Array:
    """What the profile doesn't explain of x, or `instead` at places of the cycle not seen yet; and x taken in."""
    profile, times = state[name], state[f"{name}_seen"]
    held, known = profile[slots, place].astype(float), times[slots, place].astype(float)
    residual = x - held
    profile[slots, place] = held + residual / np.minimum(known + 1, _PROFILE_READINGS)
    times[slots, place] = np.minimum(known + 1, 255)
    return np.where(known > 0, residual, instead)


def _spreads(
    state: Scope, slots: Array, reading: tuple[Array, Array], pace: tuple[Array, Array], deviation: Array
) -> tuple[Array, Array]:
    """Logarithms of the recent deviation, and of the steps' size as a share of it."""
    (x, far), (seen, rate) = reading, pace
    square = state["long_square"][slots]
    square = (1 - rate) * (square + rate * far * far)
    state["long_square"][slots] = square
    step = np.where(seen > 1, x - state["last"][slots], 0.0)
    state["last"][slots] = x
    least = _UNIT_SHARE * deviation + _TINY
    spread = np.log(np.sqrt(square) + least)
    return spread, np.log(np.sqrt(_towards(state, "step_square", slots, step * step, rate)) + least) - spread


def order(state: Scope, name: str, slots: Array, reading: tuple[Array, Array], levels: int) -> Array:
    """How surprising the value's level is some readings after the level that was, in nats; and the pair counted."""
    share, seen = reading
    level = np.clip(np.floor(share * levels), 0, levels - 1).astype(np.int64)
    ring, counts, place = state[f"{name}_lately"], state[f"{name}_followed"], seen.astype(np.int64) % LAG
    start = ring[slots, place].astype(np.int64) * levels
    ring[slots, place] = level
    row = counts[slots[:, None], start[:, None] + np.arange(levels)]
    known, times = seen > LAG, row[np.arange(len(slots)), level]
    total = row.sum(axis=1, dtype=float)
    full = (known & (times == _FULL)).nonzero()[0]
    if len(full):
        counts[slots[full, None], start[full, None] + np.arange(levels)] = row[full] // 2
    counts[slots, start + level] += known
    return np.where(known, np.log((total + levels * _UNSEEN) / (times + _UNSEEN)), 0.0)


def _learn(state: Scope, slots: Array, off: Array, seen: Array, deviation: Array) -> None:
    """Long-run mean and variance, to which a far outlier counts as a near one."""
    rate, most = 1 / np.minimum(seen, _MEMORY), _CLIP * deviation
    held = np.where(seen <= _UNCLIPPED, off, np.clip(off, -most, most))
    variance = state["variance"][slots]
    state["centre"][slots] += rate * held
    state["variance"][slots] = (1 - rate) * (variance + rate * held * held)
