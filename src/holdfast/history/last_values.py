"""The last value of every series, in memory: what a page shows at once. Fed with whole batches on the loop's thread.

About 26 bytes a series. Bounded by the catalogue: a series past `limit` is not shown, and `missed` counts its rows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.history.answers import Value
from holdfast.history.latest import TIERS, Found, Known
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Kind

_NEVER = np.iinfo(np.int64).min
_LONGEST_TEXT = 200
_FEW = 8


class Last(NamedTuple):
    """A series' newest reading by event time, and how many have come since the start."""

    ts: int
    value: Value
    quality: int
    rows: int


class LastValues:
    """Newest reading a series. Rows older than what's known don't replace it; of equal times the later one counts."""

    def __init__(self, catalogue: Catalogue, limit: int = 200_000, heads: Mapping[Lane, int] | None = None) -> None:
        """heads: how far the lanes were when this began to be fed; None = nobody knows."""
        self.missed = 0
        self.listener: Callable[[Batch], None] | None = None
        """Told of every batch, once it's taken: whoever shows readings as they come."""
        self._catalogue, self._limit, self._heads = catalogue, limit, heads
        self._ts = np.full(256, _NEVER)
        self._value = np.zeros(256)
        self._quality = np.zeros(256, np.uint8)
        self._count = np.zeros(256, np.int64)
        self._looked = np.zeros(256, np.bool_)
        self._texts: dict[int, str] = {}

    def update(self, batch: Batch) -> None:
        """Take a batch's rows."""
        if not len(batch):
            return
        highest = int(batch.series.max())
        if highest >= self._limit:
            inside = batch.series < self._limit
            self.missed += int(len(batch) - inside.sum())
            self.update(batch.take(inside))
        else:
            self._take(batch, highest)
            if self.listener is not None:
                self.listener(batch)

    def get(self, series: int) -> Last | None:
        """A series' newest reading since the start, or as recalled; None when there's none."""
        return self.of([series])[0]

    def of(self, ids: Sequence[int]) -> list[Last | None]:
        """As `get`, of each of these series."""
        inside = np.array([i if i < len(self._ts) else -1 for i in ids], np.int64)
        columns = (column[inside].tolist() for column in (self._ts, self._value, self._quality, self._count))
        is_known = ((inside >= 0) & (self._ts[inside] != _NEVER)).tolist()
        return [
            Last(ts, self._spoken(i, value), quality, count) if known else None
            for i, known, ts, value, quality, count in zip(ids, is_known, *columns, strict=True)
        ]

    def counts(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many readings of each of these series have come since the start."""
        inside = np.minimum(ids, len(self._count) - 1)
        return np.where(ids == inside, self._count[inside], 0)

    def found(self, ids: NDArray[np.int32]) -> Found:
        """As `of`, in columns. ids: ascending."""
        inside = np.minimum(ids, len(self._ts) - 1)
        found = Found(ids)
        found.ts, found.quality = np.where(ids == inside, self._ts[inside], _NEVER), self._quality[inside]
        is_text = self._catalogue.is_text[ids]
        found.value = np.where(is_text, np.nan, self._value[inside])
        found.tier = np.where(found.is_known, TIERS.index("memory"), TIERS.index("")).astype(np.uint8)
        for place in np.flatnonzero(is_text).tolist():
            text = self._texts.get(int(ids[place]))
            if text is not None and math.isfinite(self._value[inside[place]]):
                found.texts[place] = text
        return found

    def _spoken(self, series: int, value: float) -> Value:
        kind = self._catalogue[series].kind
        if kind is Kind.FLOAT:
            return value if math.isfinite(value) else None
        if kind is Kind.TEXT:
            return self._texts.get(series) if math.isfinite(value) else None
        if not math.isfinite(value):
            return None
        return bool(value) if kind is Kind.BOOL else int(value)

    def by_device(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(newest time in ns UTC, 0 = none is known; rows since the start) by the catalogue's device numbers."""
        n = min(len(self._ts), len(self._catalogue))
        device = self._catalogue.device_of[:n]
        newest = np.full(len(self._catalogue.device_names), _NEVER)
        np.maximum.at(newest, device, self._ts[:n])
        rows = np.bincount(device, self._count[:n], len(newest)).astype(np.int64)
        return np.where(newest == _NEVER, 0, newest), rows

    def unsure(self, ids: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
        """Which of these series may have a newer stored reading from before the start; ascending."""
        asked = np.unique(np.asarray(ids, np.int32))
        asked = asked[asked < self._limit]
        if len(asked):
            self._make_room(int(asked[-1]))
        unsure: NDArray[np.int32] = asked[~self._looked[asked]]
        return unsure

    def known(self, unsure: NDArray[np.int32]) -> Known | None:
        """What needn't be looked for in store; of series that residency makes nothing is told here."""
        if self._heads is None:
            return None
        made = np.array(sorted(self._catalogue.made), np.int32)
        return Known(self._heads, unsure[self._ts[unsure] == _NEVER], made)

    def recall(self, looked: NDArray[np.int32], found: Found) -> None:
        """Take what was found in store for the series that were looked up."""
        if not len(looked):
            return
        self._make_room(int(looked[-1]))
        self._looked[looked] = True
        newer = found.ts > self._ts[found.ids]  # of equal times the one that came since the start is the later
        ids = found.ids[newer]
        self._ts[ids], self._value[ids], self._quality[ids] = found.ts[newer], found.value[newer], found.quality[newer]
        for place, text in found.texts.items():
            if newer[place]:
                series = int(found.ids[place])
                self._texts[series], self._value[series] = text[:_LONGEST_TEXT], 0.0  # some number: there is a text

    def _take(self, batch: Batch, highest: int) -> None:
        self._make_room(highest)
        if len(batch) <= _FEW and not batch.texts:
            self._take_few(batch)
            return
        np.add.at(self._count, batch.series, 1)  # its cost is the batch's, not the catalogue's
        rows = (batch.ts >= self._ts[batch.series]).nonzero()[0]
        ts = batch.ts[rows]
        if len(ts) > 1 and np.count_nonzero(ts[1:] < ts[:-1]):
            order = ts.argsort(kind="stable")
            rows, ts = rows[order], ts[order]
        series = batch.series[rows]  # numpy assigns in order: of several rows of a series the last one stays
        self._ts[series] = ts
        self._value[series] = batch.value[rows]
        self._quality[series] = batch.quality[rows]
        if batch.texts:
            self._keep_texts(batch, rows)

    def _take_few(self, batch: Batch) -> None:
        """As `_take`, row by row: a dozen column operations cost more than a few rows."""
        known, count = self._ts, self._count
        columns = batch.series.tolist(), batch.ts.tolist(), batch.value.tolist(), batch.quality.tolist()
        for series, ts, value, quality in zip(*columns, strict=True):
            count[series] += 1
            if ts >= known[series]:
                known[series], self._value[series], self._quality[series] = ts, value, quality

    def _keep_texts(self, batch: Batch, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        speaks = self._catalogue.is_text[batch.series[rows]] & np.isfinite(batch.value[rows])
        for row in rows[speaks].tolist():
            self._texts[int(batch.series[row])] = batch.texts[int(batch.value[row])][:_LONGEST_TEXT]

    def _make_room(self, highest: int) -> None:
        have = len(self._ts)
        if highest < have:
            return
        more = max(highest + 1, 2 * have) - have
        self._ts = np.concatenate([self._ts, np.full(more, _NEVER)])
        self._value = np.concatenate([self._value, np.zeros(more)])
        self._quality = np.concatenate([self._quality, np.zeros(more, np.uint8)])
        self._count = np.concatenate([self._count, np.zeros(more, np.int64)])
        self._looked = np.concatenate([self._looked, np.zeros(more, np.bool_)])
