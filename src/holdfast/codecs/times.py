"""Devices' timestamps as ns UTC, exact to the microsecond, and what to think of them."""

from collections.abc import Sequence
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.settings import TimeUnit

Times = NDArray[np.int64]
_PER_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "iso8601": 1e6}
_NS_PER_US = 1000
LATEST_US = 4_102_444_800 * 1e6
"""2100-01-01. Beyond it, or before 1970, a number is no time, whatever its unit was meant to be."""
_timestamp = methodcaller("timestamp")


def event_times(values: Sequence[Any], unit: TimeUnit) -> tuple[Times, NDArray[np.bool_]]:
    """(ns UTC, is it a time at all) of each value, both shape (n,). 0 where it is none."""
    if unit == "iso8601":
        values = list(map(_timestamp, values))
    us = np.fromiter(values, np.float64, len(values)) * _PER_US[unit]
    sane = (us >= 0) & (us < LATEST_US)
    whole = np.rint(np.where(sane, us, 0.0)).astype(np.int64)
    return whole * _NS_PER_US, sane
