"""Devices' timestamps as ns UTC, exact to the microsecond, and what to think of them."""

from collections.abc import Sequence
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.settings import TimeUnit
from holdfast.kernel.trust import Doubt
from holdfast.model.quality import Quality, Reason, encode_quality

Times = NDArray[np.int64]
_PER_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3, "iso8601": 1e6}
_NS_PER_US = 1000
_UNSET = encode_quality(Quality.UNCERTAIN, Reason.CLOCK_UNSET)
_UNVERIFIED = encode_quality(Quality.GOOD, Reason.CLOCK_UNVERIFIED)
_OUT_OF_RANGE = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)
_DOUBTFUL_TOO = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE_CLOCK_UNSET)
LATEST_US = 4_102_444_800 * 1e6
"""2100-01-01. Beyond it, or before 1970, a number is no time, whatever its unit was meant to be."""
NOT_TOLD = np.int64(-(1 << 63))
"""The lead of a message whose device told no time."""
_timestamp = methodcaller("timestamp")


def event_times(values: Sequence[Any], unit: TimeUnit) -> tuple[Times, NDArray[np.bool_] | None]:
    """(ns UTC, is it a time at all) of each value, both shape (n,). 0 where it is none; None = all are times."""
    if unit == "iso8601":
        values = list(map(_timestamp, values))
    us = np.fromiter(values, np.float64, len(values)) * _PER_US[unit]
    if len(us) and us.min() >= 0 and us.max() < LATEST_US:
        return np.rint(us).astype(np.int64) * _NS_PER_US, None
    sane = (us >= 0) & (us < LATEST_US)
    whole = np.rint(np.where(sane, us, 0.0)).astype(np.int64)
    return whole * _NS_PER_US, sane


def ns_one(value: Any, unit: TimeUnit) -> int | None:
    """As `event_times`, for one; None where it is no time."""
    us = float(value.timestamp() if unit == "iso8601" else value) * _PER_US[unit]
    return round(us) * _NS_PER_US if 0 <= us < LATEST_US else None


def doubtful(received: Times, lead: Times | None, doubt: Doubt, near_ns: int) -> NDArray[np.uint8]:
    """What to think of each message's time when this node's own clock is in doubt: a quality byte or 0, shape (n,).

    A device's own time is left alone, unless it agrees with ours to `near_ns`: then it is ours (the host,
    devices that are set by this node).
    """
    unset = received < doubt.unset_before
    codes = np.where(unset, np.uint8(_UNSET), np.uint8(0))
    codes[(received < doubt.unverified_before) & ~unset] = _UNVERIFIED
    if lead is not None:
        codes[np.abs(lead) > near_ns] = 0
    return codes


def with_doubt(quality: NDArray[np.uint8], codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Qualities with the doubt about their times, both shape (n,); a value that is bad stays bad."""
    out = np.where((quality == 0) & (codes != 0), codes, quality)
    out[(quality == _OUT_OF_RANGE) & (codes != 0)] = _DOUBTFUL_TOO
    return out
