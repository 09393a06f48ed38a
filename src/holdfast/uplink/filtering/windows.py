"""Windows around alerts, by series: which raw readings go up after all, each once. Pure.

A reading that was read before a window was known is looked for once, in the parts of it that no earlier window
covers; one that is read later goes up if any window covers it. So windows may overlap as they like. For that they are
remembered: the newest `MOST` of a series; what is before the end of a forgotten one is in no window any more.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch

MOST = 8
Span = tuple[int, int]
"""From, to; ns UTC, inclusive."""


class Windows:
    """The windows of a node."""

    def __init__(self, spans: Mapping[int, list[Span]] | None = None, floors: Mapping[int, int] | None = None) -> None:
        """spans: ascending and apart, by series. floors: by series, before which nothing is in a window any more."""
        self.spans = {series: list(known) for series, known in (spans or {}).items()}
        self.floors = dict(floors or {})

    def add(self, series: int, low: int, high: int) -> list[Span]:
        """Open a window; returns the parts of it that no window of the series covered before."""
        low = max(low, self.floors.get(series, low))
        known = self.spans.get(series, [])
        new = _uncovered(known, low, high)
        if new:
            joined = _joined([*known, (low, high)])
            if len(joined) > MOST:
                self.floors[series] = joined[-MOST - 1][1] + 1
            self.spans[series] = joined[-MOST:]
        return new

    def covers(self, batch: Batch) -> NDArray[np.bool_]:
        """Which readings are in a window, shape (n,)."""
        inside = np.zeros(len(batch), np.bool_)
        if not self.spans or not len(batch):
            return inside
        oldest, newest = int(batch.ts.min()), int(batch.ts.max())
        present = {int(one) for one in np.unique(batch.series)}
        for series in present & self.spans.keys():
            near = [(low, high) for low, high in self.spans[series] if high >= oldest and low <= newest]
            if near:
                rows = batch.series == series
                for low, high in near:
                    inside |= rows & (batch.ts >= low) & (batch.ts <= high)
        return inside


def _uncovered(known: list[Span], low: int, high: int) -> list[Span]:
    parts = []
    for start, end in known:
        if end < low or start > high:
            continue
        if start > low:
            parts.append((low, start - 1))
        low = end + 1
    return [*parts, (low, high)] if low <= high else parts


def _joined(spans: list[Span]) -> list[Span]:
    done: list[Span] = []
    for low, high in sorted(spans):
        if done and low <= done[-1][1] + 1:
            done[-1] = done[-1][0], max(done[-1][1], high)
        else:
            done.append((low, high))
    return done
