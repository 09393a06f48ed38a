"""Many values over a time as few bins: lowest, highest and last of each, for a picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Bins:
    """One column of several keys. Arrays of shape (keys, count), NaN where nothing was."""

    def __init__(self, from_ns: int, to_ns: int, count: int) -> None:
        self.from_ns, self.to_ns, self.count = from_ns, max(to_ns, from_ns + 1), count
        self.low, self.high, self.last = (np.full((0, count), np.nan) for _ in range(3))

    def add(self, key: Array, ts: Array, value: Array) -> None:
        """Values of keys, in order of time in a key; all of shape (n,)."""
        place = (ts - self.from_ns) * self.count // (self.to_ns - self.from_ns)
        kept = (place >= 0) & (place <= self.count) & np.isfinite(value)
        if not kept.any():
            return
        key, place, value = key[kept], np.minimum(place[kept], self.count - 1), value[kept]
        self._grow(int(key.max()) + 1)
        flat = key.astype(np.int64) * self.count + place
        np.fmin.at(self.low.reshape(-1), flat, value)
        np.fmax.at(self.high.reshape(-1), flat, value)
        self.last.reshape(-1)[flat] = value

    def _grow(self, keys: int) -> None:
        more = keys - len(self.low)
        if more > 0:
            empty = np.full((more, self.count), np.nan)
            self.low, self.high, self.last = (np.concatenate([old, empty]) for old in (self.low, self.high, self.last))
