"""Rows as independent observations: rows of a device within a few minutes err together, so they count as one.

A block's observation is the mean over its rows. Open blocks take rows that come late; beyond `MOST_OPEN` the oldest
are folded into the moments for good. Vectorised: rows wait until there are some thousands, or somebody asks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.significance import Moments

Array = NDArray[Any]
MOST_OPEN, BUFFER = 20_000, 8_192
_SEATS = 1 << 22
"""Seats that a key has room for, beside a block's number."""
Kept = tuple[tuple[float, ...], list[int], list[float], list[float]]


class Blocks:
    """Of one quantity. width_ns: of a block."""

    def __init__(self, width_ns: int) -> None:
        self._width_ns = width_ns
        self._keys: Array = np.empty(0, np.int64)
        self._n: Array = np.empty(0)
        self._sums: Array = np.empty(0)
        self._waiting: list[tuple[Array, Array]] = []
        self._held = 0
        self._folded = Moments()
        self._ups = self._downs = 0
        self.rows = 0
        self.total = 0.0

    def add(self, seat: Array, ts: Array, value: Array) -> None:
        """Rows' values, shape (n,) each."""
        if not len(ts):
            return
        self.rows += len(ts)
        self.total += float(value.sum())
        # a block's number first: keys are in order of time
        keys = ts.astype(np.int64) // self._width_ns * _SEATS + seat.astype(np.int64)
        self._waiting.append((keys, value))
        self._held += len(ts)
        if self._held >= BUFFER:
            self._settle()

    def _settle(self) -> None:
        if not self._waiting:
            return
        keys = np.concatenate([self._keys, *(one for one, _ in self._waiting)])
        fresh = np.concatenate([value for _, value in self._waiting])
        counts = np.concatenate([self._n, np.ones(len(fresh))])
        sums = np.concatenate([self._sums, fresh])
        self._waiting, self._held = [], 0
        self._keys, at = np.unique(keys, return_inverse=True)
        self._n, self._sums = np.bincount(at, weights=counts), np.bincount(at, weights=sums)
        over = len(self._keys) - MOST_OPEN
        if over > 0:
            means = self._sums[:over] / self._n[:over]
            self._folded.add(over, float(means.mean()), float(((means - means.mean()) ** 2).sum()))
            self._ups += int((means > 0).sum())
            self._downs += int((means < 0).sum())
            self._keys, self._n, self._sums = self._keys[over:], self._n[over:], self._sums[over:]

    def moments(self) -> tuple[Moments, int, int]:
        """Observations, and how many are above and below 0."""
        self._settle()
        out = Moments(self._folded.n, self._folded.mean, self._folded.m2)
        means = self._sums / np.maximum(self._n, 1)
        if len(means):
            out.add(len(means), float(means.mean()), float(((means - means.mean()) ** 2).sum()))
        return out, self._ups + int((means > 0).sum()), self._downs + int((means < 0).sum())

    @property
    def mean(self) -> float:
        """Over rows; NaN of none."""
        return self.total / self.rows if self.rows else float("nan")

    def keep(self) -> Kept:
        """For a snapshot."""
        self._settle()
        folded = self._folded
        numbers = (folded.n, folded.mean, folded.m2, float(self._ups), float(self._downs), float(self.rows), self.total)
        return numbers, self._keys.tolist(), self._n.tolist(), self._sums.tolist()

    def restore(self, kept: Kept) -> None:
        """From a snapshot."""
        (n, mean, m2, ups, downs, rows, total), keys, counts, sums = kept
        self._folded, self._ups, self._downs = Moments(n, mean, m2), int(ups), int(downs)
        self.rows, self.total = int(rows), total
        self._keys, self._n, self._sums = np.array(keys, np.int64), np.array(counts, float), np.array(sums, float)
