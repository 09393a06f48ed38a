"""What `auto` looks at: twelve numbers per reading, each of which is unusual in its own way when something is wrong.

All are taken from the past and the reading itself in O(1), over offsets from a series' first value, so that single
precision is enough for the profiles even of a counter at 1e9. Complexity O(1) per reading; memory as declared.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.ports import Scope

Array = NDArray[Any]

SPANS = (5.0, 40.0)
"""Memory of the short averages, in readings."""
DAY_BINS, WEEK_BINS = 48, 168
_DAY_S, _HOUR_S, _NS = 86_400, 3_600, 1_000_000_000
_PROFILE_READINGS = 30.0  # how many readings a place of a profile remembers
_UNIT_SHARE = 1e-2  # of the usual deviation, added before the logarithm of a variance

NAMES: Sequence[str] = (
    "value",
    "step",
    "short mean",
    "long mean",
    "short variance",
    "long variance",
    "value for the time of day",
    "short mean for the time of day",
    "long mean for the time of day",
    "value for the hour of the week",
    "short mean for the hour of the week",
    "long mean for the hour of the week",
)
VARIANCES = slice(4, 6)
DAY, WEEK = slice(6, 9), slice(9, 12)


def declare(state: Scope) -> None:
    """The arrays that `look` keeps."""
    for name in ("origin", "last"):
        state.declare(name, float, 0.0)
    for name in ("mean", "square", "by_day", "by_week"):
        state.declare(name, float, 0.0, len(SPANS))
    for name, bins in (("day", DAY_BINS), ("week", WEEK_BINS)):
        state.declare(name, np.float32, 0.0, bins)
        state.declare(f"{name}_seen", np.uint8, 0, bins)


def look(state: Scope, slots: Array, ts: Array, x: Array, seen: Array, usual: tuple[Array, Array]) -> Array:
    """The views of one reading per series, shape (n, views), and the reading taken in.

    slots:  all different
    ts:     ns UTC
    x:      values less their origins
    seen:   how many readings of each series there were, this one included
    usual:  mean and standard deviation of x so far
    """
    rate = np.maximum(1 / np.array(SPANS), 1 / seen[:, None])
    step = np.where(seen > 1, x - state["last"][slots], 0.0)
    state["last"][slots] = x
    mean = state["mean"][slots]
    off = x[:, None] - mean
    mean += rate * off
    state["mean"][slots] = mean
    square = state["square"][slots]
    square += rate * (off * off - square)
    state["square"][slots] = square
    seconds = ts // _NS
    by_day = _against(state, "day", slots, (seconds % _DAY_S) * DAY_BINS // _DAY_S, x, x - usual[0])
    by_week = _against(state, "week", slots, (seconds // _HOUR_S) % WEEK_BINS, x, by_day)
    views = np.empty((len(slots), len(NAMES)))
    views[:, 0], views[:, 1], views[:, 2:4] = x, step, mean
    views[:, VARIANCES] = np.log(square + ((_UNIT_SHARE * usual[1]) ** 2)[:, None] + 1e-30)
    for place, name, residual in ((DAY, "by_day", by_day), (WEEK, "by_week", by_week)):
        smooth = state[name][slots]
        smooth += rate * (residual[:, None] - smooth)
        state[name][slots] = smooth
        views[:, place.start] = residual
        views[:, place.start + 1 : place.stop] = smooth
    return views


def _against(state: Scope, name: str, slots: Array, place: Array, x: Array, instead: Array) -> Array:
    """What the profile doesn't explain of x, or `instead` at places of the cycle not seen yet; and x taken in."""
    profile, times = state[name], state[f"{name}_seen"]
    held, known = profile[slots, place].astype(float), times[slots, place].astype(float)
    residual = x - held
    profile[slots, place] = held + residual / np.minimum(known + 1, _PROFILE_READINGS)
    times[slots, place] = np.minimum(known + 1, 255)
    return np.where(known > 0, residual, instead)
