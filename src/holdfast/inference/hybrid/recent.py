"""The features that were handed out lately, so that a result which turns out uncertain has its row still. Pure.

Batches are kept as they are, by reference: keeping costs nothing per row. Bounded in bytes and age.
"""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.features import FeatureRows

Array = NDArray[Any]


class Recent:
    """Of all deployments with `hybrid`. Times: CLOCK_MONOTONIC, s."""

    def __init__(self, most_bytes: int = 16 << 20, lasts_s: float = 10.0) -> None:
        self._most_bytes, self._lasts_s = most_bytes, lasts_s
        self._kept: deque[tuple[float, FeatureRows]] = deque()
        self.bytes = 0

    def keep(self, rows: FeatureRows, now: float) -> None:
        """These were handed out."""
        self._kept.append((now, rows))
        self.bytes += rows.values.nbytes
        while self._kept and (self.bytes > self._most_bytes or now - self._kept[0][0] > self._lasts_s):
            self.bytes -= self._kept.popleft()[1].values.nbytes

    def find(self, deployment: str, place: tuple[str, str], ts: int) -> tuple[str, Array] | None:
        """A row's feature set and values, shape (f,); None = it's gone."""
        for _, rows in reversed(self._kept):
            if rows.deployment != deployment:
                continue
            for at in np.flatnonzero(rows.ts == ts):
                if rows.places[rows.key[at]] == place:
                    return rows.features, rows.values[at].copy()
        return None
