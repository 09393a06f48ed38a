"""What rows are to be learned from: a metric's value at or next after each, or what people said of alerts then."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.journal.alert_labels import Labelled
from holdfast.model.batch import Batch
from holdfast.model.features import FeatureRows
from holdfast.model.quality import is_usable
from holdfast.model.series import Catalogue, Kind

Array = NDArray[Any]
Place = tuple[str, str]
MOST_WAITING = 200_000
"""Rows that wait for a label; of more, the oldest go without."""
FOREVER = 1 << 62


class Labeller(Protocol):
    """Gives rows their labels."""

    is_text: bool

    def learn(self, batch: Batch) -> None:
        """These readings come next."""
        ...

    def label(self, rows: FeatureRows) -> Iterator[tuple[FeatureRows, Array]]:
        """Rows that can be given theirs now, these or former ones, in order: NaN or None where there is none."""
        ...

    def rest(self) -> Iterator[tuple[FeatureRows, Array]]:
        """Nothing comes any more: all others."""
        ...


class NextValue:
    """A metric of the same device, at the row's time or the next one after."""

    def __init__(self, catalogue: Catalogue, metric: str) -> None:
        self._catalogue, self._metric = catalogue, metric
        kinds = {one.kind for one in catalogue.since(0) if one.metric == metric}
        self.is_text = Kind.TEXT in kinds
        self.is_known = bool(kinds)
        self._times: dict[Place, list[Array]] = defaultdict(list)
        self._values: dict[Place, list[Array]] = defaultdict(list)
        self._waiting: deque[tuple[FeatureRows, Array, Array]] = deque()
        self._count = 0

    def learn(self, batch: Batch) -> None:
        """See `Labeller`."""
        for i in np.unique(batch.series).tolist():
            one = self._catalogue[i]
            if one.metric != self._metric or (one.kind == Kind.TEXT) != self.is_text:
                continue
            mine = np.flatnonzero((batch.series == i) & is_usable(batch.quality) & np.isfinite(batch.value))
            values: Array = batch.value[mine]
            if self.is_text:
                values = np.array([batch.texts[int(v)] for v in values.tolist()], object)
            self._times[one.node, one.device].append(batch.ts[mine])
            self._values[one.node, one.device].append(values)

    def label(self, rows: FeatureRows) -> Iterator[tuple[FeatureRows, Array]]:
        """See `Labeller`."""
        blank: Array = np.full(len(rows), None) if self.is_text else np.full(len(rows), np.nan)
        self._waiting.append((rows, blank, np.zeros(len(rows), np.bool_)))
        self._count += len(rows)
        self._settle()
        yield from self._ready()

    def rest(self) -> Iterator[tuple[FeatureRows, Array]]:
        """See `Labeller`."""
        self._settle()
        while self._waiting:
            rows, labels, _ = self._waiting.popleft()
            yield rows, labels

    def _ready(self) -> Iterator[tuple[FeatureRows, Array]]:
        while self._waiting and (self._waiting[0][2].all() or self._count > MOST_WAITING):
            rows, labels, _ = self._waiting.popleft()
            self._count -= len(rows)
            yield rows, labels

    def _settle(self) -> None:
        """Look for labels of those who wait, and forget those that nobody waits for."""
        for rows, labels, done in self._waiting:
            for k in np.unique(rows.key[~done]).tolist():
                place = rows.places[k]
                if place not in self._times:
                    continue
                times, values = self._of(place)
                at = np.flatnonzero((rows.key == k) & ~done)
                found = np.searchsorted(times, rows.ts[at])
                there = found < len(times)
                labels[at[there]] = values[found[there]]
                done[at[there]] = True
        oldest = min((int(rows.ts.min()) for rows, _, done in self._waiting if not done.all()), default=None)
        for place in list(self._times):
            times, values = self._of(place)
            low = max(len(times) - 1, 0) if oldest is None else int(np.searchsorted(times, oldest))
            self._times[place], self._values[place] = [times[low:]], [values[low:]]

    def _of(self, place: Place) -> tuple[Array, Array]:
        for held in (self._times, self._values):
            if len(held[place]) > 1:
                held[place] = [np.concatenate(held[place])]
        return self._times[place][0], self._values[place][0]


class Said:
    """1 where a row lies in an alert that somebody confirmed, 0 in one that somebody rejected, else nothing."""

    is_text = False

    def __init__(self, labels: Sequence[Labelled]) -> None:
        self._spans: dict[Place, list[tuple[int, int, float]]] = defaultdict(list)
        for one in sorted(labels, key=lambda one: one.label, reverse=True):  # what was confirmed is laid over the rest
            span = (one.raised.ts, one.cleared_ns or FOREVER, float(one.label == "confirmed"))
            self._spans[one.raised.node, one.raised.device].append(span)

    def learn(self, batch: Batch) -> None:
        """See `Labeller`: readings say nothing."""

    def label(self, rows: FeatureRows) -> Iterator[tuple[FeatureRows, Array]]:
        """See `Labeller`."""
        labels = np.full(len(rows), np.nan)
        for k in np.unique(rows.key).tolist():
            at = np.flatnonzero(rows.key == k)
            for start, end, said in self._spans.get(rows.places[k], ()):
                inside = (rows.ts[at] >= start) & (rows.ts[at] <= end)
                labels[at[inside]] = said
        yield rows, labels

    def rest(self) -> Iterator[tuple[FeatureRows, Array]]:
        """See `Labeller`: none waits."""
        yield from ()
