"""Columns of feature sets in plain NumPy, as `docs/reference/rules.md` defines them, for windows (t - width, t].

The engine computes the same numbers at the edge; `tests/unit/training` holds the two against each other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def slope(ts: Array, x: Array, width: float) -> Array:
    """Least squares, per second; NaN where one sample is all there is."""
    found = np.full(len(x), np.nan)
    for end, begin in enumerate(np.searchsorted(ts, ts - width, side="right")):
        t, part = ts[begin : end + 1] - ts[end], x[begin : end + 1]
        if len(part) > 1:
            t = t - t.mean()
            found[end] = (t * (part - part.mean())).sum() / (t * t).sum()
    return found


def spread(ts: Array, x: Array, width: float) -> Array:
    """The largest sample minus the smallest: `range`."""
    begins = np.searchsorted(ts, ts - width, side="right")
    return np.array([np.ptp(x[begin : end + 1]) for end, begin in enumerate(begins)])
