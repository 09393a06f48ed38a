"""Rows of the queried series out of stored groups: decoded, filtered, texts numbered across batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.history.ports import Between
from holdfast.history.question import patient
from holdfast.journal.blobs import decode_readings
from holdfast.journal.records import GroupKind
from holdfast.journal.transaction import EXCERPT
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane


@dataclass(slots=True)
class Texts:
    """Numbers for the texts of many batches; `Batch.value` of a text row is a position in its own batch only."""

    known: list[str] = field(default_factory=list)
    _number: dict[str, int] = field(default_factory=dict)

    def renumber(self, batch: Batch, is_text: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The values of a batch with text positions replaced by these numbers. Shape (n,)."""
        if not batch.texts:
            return batch.value
        numbers = np.array([self._intern(t) for t in batch.texts], np.float64)
        rows = is_text[batch.series] & np.isfinite(batch.value)
        value = batch.value.copy()
        value[rows] = numbers[batch.value[rows].astype(np.int64)]
        return value

    def _intern(self, text: str) -> int:
        number = self._number.setdefault(text, len(self.known))
        if number == len(self.known):
            self.known.append(text)
        return number


class Scan:
    """Reads the rows of some series in [from_ns, to_ns), at most about `budget` stored rows.

    place_of: shape (catalogue,), position of each series among the queried ones, -1 = not asked for
    before:   groups that begin at or after this time are skipped; the reader may lower it while it reads
    """

    def __init__(
        self,
        place_of: NDArray[np.int64],
        is_text: NDArray[np.bool_],
        from_ns: int,
        to_ns: int,
        texts: Texts,
        check: Callable[[], None] = patient,
    ) -> None:
        self.texts = texts
        self.before = to_ns
        self.scanned = 0
        self.is_cut = False
        self._place_of, self._is_text = place_of, is_text
        self._from_ns, self._to_ns = from_ns, to_ns
        self._check = check

    def rows(self, groups: Between, budget: int) -> Iterator[Batch]:
        """Matching rows, a batch a group; `series` holds places, `value` numbers of `texts` for text series."""
        for lane in Lane:
            for group in groups.between(self._from_ns, self._to_ns - 1, lane):
                self._check()
                if group.kind != GroupKind.READINGS or group.ts_min >= self.before or group.origin == EXCERPT.peer:
                    continue
                if self.scanned >= budget:
                    self.is_cut = True
                    return
                self.scanned += len(group)
                found = self._matching(decode_readings(group.blob))
                if len(found):
                    yield found

    def _matching(self, batch: Batch) -> Batch:
        # A series that is newer than the question is not part of the answer.
        place = np.full(len(batch), -1, np.int64)
        known = batch.series < len(self._place_of)
        place[known] = self._place_of[batch.series[known]]
        rows = (place >= 0) & (batch.ts >= self._from_ns) & (batch.ts < self._to_ns)
        if not rows.any():
            return Batch.empty()
        mine = batch.take(rows)
        value = self.texts.renumber(mine, self._is_text)
        return Batch(place[rows].astype(np.int32), mine.ts, value, mine.quality)
