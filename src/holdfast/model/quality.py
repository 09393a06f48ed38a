"""Quality of a reading, as OPC UA means it (Part 8, StatusCode severity), with a reason.

One byte a reading: the low two bits are the quality, the upper six the reason.
"""

from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

QUALITY_MASK = 0b11
_REASON_SHIFT = 2


class Quality(IntEnum):
    """May this value be used?"""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Reason(IntEnum):
    """Why a quality is not good, or what was done to the row. Append only: the numbers are stored.

    CLOCK_UNSET: stamped by this node's clock before anyone had set it
    CLOCK_RESTAMPED: such a row, moved to the right time once the clock was set
    CLOCK_UNVERIFIED: stamped soon after a boot, while nobody had confirmed the clock; good unless it is set later
    OUT_OF_RANGE_CLOCK_UNSET: out of range, and its time as doubtful as that of the former two
    STUCK: unchanged for longer than the profile's `stuck_after`
    INEXACT: a whole number beyond 2**53, which is stored as the nearest float64
    OFFLINE: no value: who would know it is gone, as its death certificate says
    FALLBACK: a model's result that something else stood in for: a smaller model, a rule, the last value
    INPUT_DOUBTFUL: a model's result of an input that was uncertain, or missing and filled in
    """

    NONE = 0
    OUT_OF_RANGE = 1
    CLOCK_AHEAD = 2
    DEVICE_SAID_SO = 3
    NOT_A_NUMBER = 4
    SUMMARY = 5
    """A step of many readings, not a reading."""
    CLOCK_UNSET = 6
    CLOCK_RESTAMPED = 7
    CLOCK_UNVERIFIED = 8
    OUT_OF_RANGE_CLOCK_UNSET = 9
    STUCK = 10
    INEXACT = 11
    OFFLINE = 12
    FALLBACK = 13
    INPUT_DOUBTFUL = 14


_BAD = int(Quality.BAD)  # numpy takes its time over members of an enum


def encode_quality(quality: Quality, reason: Reason = Reason.NONE) -> int:
    """The stored byte for a quality and its reason."""
    return int(quality) | int(reason) << _REASON_SHIFT


def quality_of(code: int) -> Quality:
    """The quality in a stored byte."""
    return Quality(code & QUALITY_MASK)


def reason_of(code: int) -> Reason:
    """The reason in a stored byte."""
    return Reason(code >> _REASON_SHIFT)


@cache
def words_of(code: int) -> tuple[str, str | None]:
    """A stored byte in words: the quality, and the reason if there is one."""
    reason = reason_of(code)
    return quality_of(code).name.lower(), None if reason is Reason.NONE else reason.name.lower()


def is_usable(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which rows are not bad; aggregates skip the others. Shape (n,) in, (n,) out."""
    usable: NDArray[np.bool_] = (codes & QUALITY_MASK) != _BAD
    return usable
