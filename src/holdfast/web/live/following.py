"""Every reading of the series that somebody follows, for as long as it takes to tell it. Fed with whole batches.

    batches ──take──▶ this turn's rows ──turn──▶ turns, each sorted by series ──since──▶ frames

A viewer that is behind gets what the turns still hold, and is told how many readings they don't hold any more.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch, concatenate
from holdfast.model.series import Catalogue

MOST_ROWS = 100_000
"""Of all turns together: about 2 MB."""
MOST_TURNS = 240


class _Turn(NamedTuple):
    number: int
    rows: Batch
    """Sorted by series; a series' rows as they came."""


class Following:
    """Loop thread only. `take` costs next to nothing while nothing is followed."""

    def __init__(self, catalogue: Catalogue, most: int = MOST_ROWS) -> None:
        self.number = 0
        self._catalogue, self._most = catalogue, most
        self._followed: Counter[int] = Counter()
        self._is_wanted = np.zeros(0, np.bool_)
        self._count = np.zeros(0, np.int64)
        self._turned = np.zeros(0, np.int64)
        self._fresh: list[Batch] = []
        self._fresh_rows = 0
        self._turns: deque[_Turn] = deque()
        self._held = 0

    @property
    def is_followed(self) -> bool:
        """Does anybody follow anything?"""
        return bool(self._followed)

    def follow(self, ids: Iterable[int]) -> None:
        """Keep these series' rows from now on."""
        self._followed.update(ids)
        self._learn()

    def unfollow(self, ids: Iterable[int]) -> None:
        """As often as they were followed."""
        self._followed.subtract(ids)
        self._followed = +self._followed
        self._learn()
        if not self._followed:
            self._fresh, self._fresh_rows, self._held = [], 0, 0
            self._turns.clear()
            self._turned = self._count.copy()  # whoever follows next has missed nothing

    def take(self, batch: Batch) -> None:
        """A batch's rows, as far as they're followed."""
        if not self._followed or not len(batch):
            return
        size = len(self._is_wanted)
        series = batch.series
        if int(series.max()) < size:
            wanted = self._is_wanted[series]
        else:
            wanted = np.zeros(len(batch), np.bool_)
            inside = series < size
            wanted[inside] = self._is_wanted[series[inside]]
        if not wanted.any():
            return
        rows = batch.take(wanted).slim(self._catalogue.is_text)
        np.add.at(self._count, rows.series, 1)
        self._fresh.append(rows)
        self._fresh_rows += len(rows)
        if self._fresh_rows > 2 * self._most:
            self._shorten()

    def turn(self) -> None:
        """Close a turn: what has come since the last can be told."""
        self.number += 1
        if not self._followed:
            return
        self._turned = self._count.copy()
        rows = concatenate(self._fresh, self._catalogue.is_text)
        self._fresh, self._fresh_rows = [], 0
        if len(rows):
            rows = _newest(rows, self._most)
            self._turns.append(_Turn(self.number, rows.take(np.argsort(rows.series, kind="stable"))))
            self._held += len(rows)
        while self._turns and (self._held > self._most or self._turns[0].number <= self.number - MOST_TURNS):
            self._held -= len(self._turns.popleft().rows)

    def counts(self, ids: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many rows of these followed series had come by the end of the last turn."""
        counts: NDArray[np.int64] = self._turned[ids]
        return counts

    def since(self, number: int, ids: Sequence[int]) -> list[list[Batch]]:
        """The rows of each of these series after a turn, a batch a turn, oldest first."""
        found: list[list[Batch]] = [[] for _ in ids]
        for turn in self._turns:
            if turn.number <= number:
                continue
            rows = turn.rows
            low, high = np.searchsorted(rows.series, ids), np.searchsorted(rows.series, ids, "right")
            for i in np.flatnonzero(high > low).tolist():
                part = slice(int(low[i]), int(high[i]))
                found[i].append(
                    Batch(rows.series[part], rows.ts[part], rows.value[part], rows.quality[part], rows.texts)
                )
        return found

    def _learn(self) -> None:
        size = max(len(self._count), 1 + max(self._followed, default=-1))
        if size > len(self._count):
            more = np.zeros(size - len(self._count), np.int64)
            self._count, self._turned = np.concatenate([self._count, more]), np.concatenate([self._turned, more])
        self._is_wanted = np.zeros(size, np.bool_)
        self._is_wanted[list(self._followed)] = True

    def _shorten(self) -> None:
        """Turns come late: no more is kept than a turn may hold."""
        rows = _newest(concatenate(self._fresh, self._catalogue.is_text), self._most)
        self._fresh, self._fresh_rows = [rows.slim(self._catalogue.is_text)], len(rows)


def _newest(rows: Batch, most: int) -> Batch:
    return rows if len(rows) <= most else rows.take(np.arange(len(rows) - most, len(rows)))
