"""Rows into bins of series and columns, by window. Series 0 is the deployment, the others are devices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.drift.bins import BINS, edges_of
from holdfast.model.features import FILLED, UNCERTAIN, UNUSABLE

Array = NDArray[Any]
SAMPLE = 240
"""Values of a series and column from which its bins are laid."""
ENOUGH = 50
ROWS, BAD, PATCHED, DOUBTED = range(4)
"""Columns of quality: rows, those that can't be scored, those with a filled value, those with an uncertain one."""
BYTES_EACH = 4 * BINS * 74 + 4 * SAMPLE
"""Of memory by series and column, at 24 windows a season."""


class Counts:
    """What was counted, and what it's compared with.

    ring:      (panes + 2, S, C, BINS), uint32, by number of the window modulo its length: the open one, the next, and
               as many as a season has
    quality:   (panes + 2, S, 4), likewise
    reference: (2 panes, S, C, BINS), float32: by hour of day, of workdays and then of weekends
    laid:      (S, C): whether there are bins
    """

    def __init__(self, panes: int, columns: int, random: np.random.Generator) -> None:
        self.panes, self.columns, self._random = panes, columns, random
        self.ring = np.zeros((panes + 2, 0, columns, BINS), np.uint32)
        self.quality = np.zeros((panes + 2, 0, 4), np.uint32)
        self.reference = np.zeros((2 * panes, 0, columns, BINS), np.float32)
        self.edges = np.full((BINS - 1, 0, columns), np.inf)
        self.laid = np.zeros((0, columns), bool)
        self._samples = np.empty((0, columns, SAMPLE), np.float32)
        self._seen = np.zeros(0, np.int64)

    @property
    def series(self) -> int:
        """How many there's room for."""
        return len(self.laid)

    def grow(self, series: int) -> None:
        """Room for so many."""
        more = series - self.series
        for name, axis in (("ring", 1), ("quality", 1), ("reference", 1), ("laid", 0), ("_seen", 0)):
            old = getattr(self, name)
            setattr(self, name, np.pad(old, [(0, more if at == axis else 0) for at in range(old.ndim)]))
        self.edges = np.pad(self.edges, [(0, 0), (0, more), (0, 0)], constant_values=np.inf)
        self._samples = np.pad(self._samples, [(0, more), (0, 0), (0, 0)], constant_values=np.nan)

    def open(self, number: int) -> None:
        """A window begins: what its place held a season ago goes."""
        slot = number % len(self.ring)
        self.ring[slot] = 0
        self.quality[slot] = 0

    def add(self, number: int, series: Array, values: Array, flags: Array) -> None:
        """Rows of one window. series: (n,), -1 = only as part of the deployment; values: (n, C)."""
        slot = number % len(self.ring)
        marks = np.stack([np.ones(len(flags), bool), *((flags & one) != 0 for one in (UNUSABLE, FILLED, UNCERTAIN))])
        self.quality[slot, 0] += marks.sum(1, dtype=np.uint32)
        known = series >= 0
        for kind in range(4):
            which = marks[kind] & known
            self.quality[slot, :, kind] += np.bincount(series[which], minlength=self.series).astype(np.uint32)
        fits = ~marks[BAD]
        if not fits.all():
            values, series = values[fits], series[fits]
        self._whole(slot, values)
        known = series > 0
        if not known.all():
            values, series = values[known], series[known]
        if len(series):
            self._each(slot, series, values)
        if not self.laid.all():
            self._sample(np.zeros(len(values), np.int64), values)
            self._sample(series, values)

    def _whole(self, slot: int, values: Array) -> None:
        for column in np.flatnonzero(self.laid[0]).tolist():
            edges, held = self.edges[:, 0, column], values[:, column]
            bins = np.searchsorted(edges, held[held == held], "right")  # noqa: PLR0124  # NaN isn't itself
            self.ring[slot, 0, column] += np.bincount(bins, minlength=BINS).astype(np.uint32)

    def _each(self, slot: int, series: Array, values: Array) -> None:
        laid = self.laid[series]
        if not laid.any():
            return
        bins = np.zeros(values.shape, np.int64)
        for edges in self.edges:
            bins += values >= edges[series]
        flat = (series[:, None] * self.columns + np.arange(self.columns)) * BINS + bins
        np.add.at(self.ring[slot].reshape(-1), flat[laid & (values == values)], 1)  # noqa: PLR0124  # NaN isn't itself

    def _sample(self, series: Array, values: Array) -> None:
        wanted = ~self.laid[series].all(1)
        series, values = series[wanted], values[wanted]
        if not len(series):
            return
        order = np.argsort(series, kind="stable")
        run = series[order]
        begins = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]]))
        lengths = np.diff(np.append(begins, len(run)))
        numbers = self._seen[run] + np.arange(len(run)) - np.repeat(begins, lengths)
        place = np.where(numbers < SAMPLE, numbers, (self._random.random(len(run)) * (numbers + 1)).astype(np.int64))
        stays = place < SAMPLE
        self._samples[run[stays], :, place[stays]] = values[order[stays]]
        self._seen[run[begins]] += lengths

    def enough(self) -> Array:
        """Which series have a sample to lay bins from, shape (S,)."""
        enough: Array = self._seen >= ENOUGH
        return enough

    def lay(self, series: int) -> None:
        """Lay a series' bins where they aren't yet; its sample goes."""
        for column in np.flatnonzero(~self.laid[series]).tolist():
            self.edges[:, series, column] = edges_of(self._samples[series, column].astype(np.float64))
            self.laid[series, column] = True
        self._samples[series] = np.nan
        self._seen[series] = 0

    def forget(self, series: Array) -> None:
        """Learn these anew."""
        self.ring[:, series], self.quality[:, series], self.reference[:, series] = 0, 0, 0
        self.laid[series], self.edges[:, series], self._samples[series] = False, np.inf, np.nan
        self._seen[series] = 0
