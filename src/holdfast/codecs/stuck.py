"""Stuck detection: a value that didn't change for `stuck_after` is uncertain. Vectorised.

State per series, in memory: since when (event time) its value is what it is. A restart begins anew.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, Reason, encode_quality

_STUCK = encode_quality(Quality.UNCERTAIN, Reason.STUCK)
_UNSEEN = -1


class Stuck:
    """Judges the batches of one decoder. Loop thread only."""

    def __init__(self) -> None:
        self._limit = np.zeros(64, np.int64)
        self._value = np.full(64, np.nan)
        self._since = np.full(64, _UNSEEN, np.int64)
        self._any = False

    def watch(self, series: NDArray[np.int32], limit_ns: NDArray[np.int64]) -> None:
        """These series are stuck when they don't change for so long; 0 = never. Shapes (n,)."""
        top = int(series.max(initial=0))
        while top >= len(self._limit):
            self._grow()
        self._limit[series] = limit_ns
        self._any = self._any or bool(limit_ns.any())

    def judge(self, batch: Batch) -> Batch:
        """The batch, with good values of stuck series made uncertain."""
        if not self._any or not len(batch):
            return batch
        series = np.minimum(batch.series, len(self._limit) - 1)
        known = batch.series < len(self._limit)
        rows = np.flatnonzero(known & (self._limit[series] > 0) & np.isfinite(batch.value))
        if not len(rows):
            return batch
        rows = rows[np.argsort(batch.series[rows], kind="stable")]
        ids, value, ts = batch.series[rows], batch.value[rows], batch.ts[rows]
        first = np.r_[True, ids[1:] != ids[:-1]]
        before = np.where(first, self._value[ids], np.r_[np.nan, value[:-1]])
        changed = (value != before) | (first & (self._since[ids] == _UNSEEN))
        mark = np.maximum.accumulate(np.where(changed | first, np.arange(len(rows)), 0))
        since = np.where(changed[mark], ts[mark], self._since[ids])
        last = np.r_[first[1:], True]
        self._value[ids[last]], self._since[ids[last]] = value[last], since[last]
        stuck = rows[(ts - since >= self._limit[ids]) & (batch.quality[rows] == 0)]
        if not len(stuck):
            return batch
        quality = batch.quality.copy()
        quality[stuck] = _STUCK
        return replace(batch, quality=quality)

    def _grow(self) -> None:
        n = len(self._limit)
        self._limit = np.r_[self._limit, np.zeros(n, np.int64)]
        self._value = np.r_[self._value, np.full(n, np.nan)]
        self._since = np.r_[self._since, np.full(n, _UNSEEN, np.int64)]
