"""A sample and the speed of the machine at it, as one number: 32 bits each.

Windows hold columns of numbers, and a bearing's aggregate needs two of one window. A float32 keeps 24 bits of each,
which no accelerometer's converter exceeds. A finite sample never makes a pair that is NaN.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rowops.plain import fresh_where_known
from holdfast.stream.rows import Rows

Array = NDArray[Any]
_PAIR = np.dtype("<f8")
_PARTS = np.dtype([("speed", "<f4"), ("sample", "<f4")])
"""The sample has the bits in which a float64 has its exponent."""


class WithSpeed:
    """A column's samples, each with the speed as known when it came; new where the sample is."""

    def __init__(self, sample: int, speed: int) -> None:
        self._sample, self._speed = sample, speed

    def apply(self, rows: Rows) -> tuple[Array, Array | None]:
        """See `RowOperator`."""
        sample = rows.columns[self._sample]
        return together(sample, rows.columns[self._speed]), fresh_where_known(sample, rows.fresh[self._sample])


def together(sample: Array, speed: Array) -> Array:
    """Pairs, shape (n,); NaN where the sample is none or beyond float32."""
    parts = np.empty(len(sample), _PARTS)
    with np.errstate(over="ignore", invalid="ignore"):
        parts["sample"], parts["speed"] = sample, speed
    pairs = parts.view(_PAIR)
    pairs[~np.isfinite(parts["sample"])] = np.nan
    return pairs.astype(np.float64, copy=False)


def apart(pairs: Array) -> tuple[Array, Array]:
    """(samples, speeds) as float64, both shape (n,)."""
    parts = np.ascontiguousarray(pairs, _PAIR).view(_PARTS)
    return parts["sample"].astype(np.float64), parts["speed"].astype(np.float64)
