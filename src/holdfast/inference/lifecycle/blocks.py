"""Rows as independent observations: rows of a device within a few minutes err together, so they count as one.

A block's observation is the mean over its rows. Open blocks take rows that come late; beyond `MOST_OPEN` the oldest
are folded into the moments for good.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.significance import Moments

Array = NDArray[Any]
MOST_OPEN = 4_096
Kept = tuple[tuple[float, ...], list[tuple[int, int, float, float]]]


class Blocks:
    """Of one quantity. width_ns: of a block."""

    def __init__(self, width_ns: int) -> None:
        self._width_ns = width_ns
        self._open: dict[tuple[int, int], list[float]] = {}
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
        block = ts // self._width_ns
        first = int(block.min())
        wide = int(block.max()) - first + 1
        both = seat.astype(np.int64) * wide + (block - first)
        marks, at = np.unique(both, return_inverse=True)
        counts, sums = np.bincount(at), np.bincount(at, weights=value)
        for mark, n, total in zip(marks.tolist(), counts.tolist(), sums.tolist(), strict=True):
            found = self._open.setdefault((mark // wide, mark % wide + first), [0.0, 0.0])
            found[0] += n
            found[1] += total
        while len(self._open) > MOST_OPEN:
            self._fold(min(self._open, key=lambda one: one[1]))

    def moments(self) -> tuple[Moments, int, int]:
        """Observations, and how many are above and below 0."""
        out = Moments(self._folded.n, self._folded.mean, self._folded.m2)
        means = np.array([total / n for n, total in self._open.values()])
        if len(means):
            out.add(len(means), float(means.mean()), float(((means - means.mean()) ** 2).sum()))
        return out, self._ups + int((means > 0).sum()), self._downs + int((means < 0).sum())

    @property
    def mean(self) -> float:
        """Over rows; NaN of none."""
        return self.total / self.rows if self.rows else float("nan")

    def keep(self) -> Kept:
        """For a snapshot."""
        folded = self._folded
        numbers = (folded.n, folded.mean, folded.m2, float(self._ups), float(self._downs), float(self.rows), self.total)
        return numbers, [(*place, *sums) for place, sums in self._open.items()]  # type: ignore[misc]  # 2 + 2

    def restore(self, kept: Kept) -> None:
        """From a snapshot."""
        n, mean, m2, ups, downs, rows, total = kept[0]
        self._folded, self._ups, self._downs = Moments(n, mean, m2), int(ups), int(downs)
        self.rows, self.total = int(rows), total
        self._open = {(seat, block): [count, sums] for seat, block, count, sums in kept[1]}

    def _fold(self, place: tuple[int, int]) -> None:
        n, total = self._open.pop(place)
        mean = total / n
        self._folded.add(1, mean)
        self._ups += mean > 0
        self._downs += mean < 0
