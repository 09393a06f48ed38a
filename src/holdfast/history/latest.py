"""The newest stored reading of each series at or before a time, however long ago. Blocking, any thread.

Little is read: what isn't in files yet, backwards in widening strides; then of the files, newest first, their indexes,
which name each series' newest reading; and rows only where the index can't tell (a text, or a time inside the file).
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import PieceDamaged, PieceGone
from holdfast.history.gathering import SUMMARY
from holdfast.history.lake.planning import tier_of
from holdfast.history.lake.scanning import rows_of, steps_of
from holdfast.history.lake.view import View
from holdfast.history.ports import Between
from holdfast.history.question import patient
from holdfast.history.rows import Scan, Texts
from holdfast.history.tiers import Memory
from holdfast.journal.pieces import AROUND_ALERTS, HOURS, MINUTES, RAW, Piece, PieceFile
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue

LATEST_NS = 2**63 - 2
_EARLIEST_NS = -(2**63) + 1
_HOUR = 3600 * 10**9
# Each stride is six times the one before; the eighth reaches back 32 years, the ninth to the beginning.
_STRIDES = [_HOUR * 6**i for i in range(8)]
_FINEST_FIRST = (RAW, AROUND_ALERTS, MINUTES, HOURS)


@dataclass(frozen=True, slots=True)
class Newest:
    """A series' newest reading. value: NaN for a text; tier: where it was found."""

    ts: int
    value: float
    quality: int
    text: str | None
    tier: str


class Latest:
    """Finds newest readings of one node. Keeps nothing between questions."""

    def __init__(self, groups: Between, catalogue: Catalogue, memory: Memory | None = None) -> None:
        """As for `query.History`."""
        self._groups, self._catalogue, self._memory = groups, catalogue, memory

    def find(
        self, ids: NDArray[np.int32], as_of_ns: int | None = None, check: Callable[[], None] = patient
    ) -> dict[int, Newest]:
        """The newest readings of these series (ascending), by id; without those that have none at or before the time.

        as_of_ns: None = the newest of all

        A damaged file is passed over, so that an older reading may be told for its series.

        Raises:
            StorageError, JournalError: when the rows can't be read.
            QueryTooLong: from `check`, which is called between parts.
        """
        as_of_ns = LATEST_NS if as_of_ns is None else as_of_ns
        opened = nullcontext(None) if self._memory is None else self._memory(_EARLIEST_NS, as_of_ns)
        with opened as view:
            search = _Search(ids, self._catalogue.is_text.copy(), as_of_ns, check)
            search.strides(self._groups if view is None else view)
            if view is not None:
                search.files(view)
            return search.found


class _Search:
    def __init__(
        self, ids: NDArray[np.int32], is_text: NDArray[np.bool_], as_of_ns: int, check: Callable[[], None]
    ) -> None:
        self.found: dict[int, Newest] = {}
        self._ids, self._is_text, self._as_of, self._check = ids, is_text, as_of_ns, check

    def strides(self, groups: Between) -> None:
        """Look through what is not in files."""
        end = self._as_of + 1
        for begin in (*(max(_EARLIEST_NS, self._as_of - back) for back in _STRIDES), _EARLIEST_NS):
            wanted = np.array([i for i in self._ids.tolist() if i not in self.found], np.int32)
            if begin >= end or not len(wanted):
                continue
            place_of = np.full(len(self._is_text), -1, np.int64)
            place_of[wanted] = wanted
            texts = Texts()
            for batch in Scan(place_of, self._is_text, begin, end, texts, self._check).rows(groups, 2**62):
                self._take(batch, texts.known, "journal")
            end = begin

    def files(self, view: View) -> None:
        """Look through the files. What is there already came later than a file's reading of the same time."""
        pieces = sorted(view.memory.pieces, key=lambda p: (min(p.ts_max, self._as_of), p.id), reverse=True)
        for piece in pieces:
            self._check()
            open_ids = [
                i
                for i in self._ids.tolist()
                if i not in self.found or self.found[i].ts < min(piece.ts_max, self._as_of)
            ]
            if not open_ids:
                continue
            for file in _answering(piece):
                try:
                    self._look(view, file, np.array(open_ids, np.int32))
                except (PieceDamaged, PieceGone):
                    continue

    def _look(self, view: View, file: PieceFile, ids: NDArray[np.int32]) -> None:
        tier = tier_of(file)
        with view.lake.reader(file) as reader:
            index = reader.index
            for entry in reader.spans(ids, _EARLIEST_NS, self._as_of + 1).tolist():
                self._check()
                series, last = int(index.series[entry]), int(index.last[entry])
                known = self.found.get(series)
                if known is not None and known.ts >= min(last + max(0, file.step) * 10**9, self._as_of):
                    continue
                one = np.array([series], np.int32)
                if file.step > 0:
                    for steps in steps_of(reader, one, _EARLIEST_NS, self._as_of + 1, self._is_text):
                        rows = (steps.count > 0) & (steps.last_ts <= self._as_of)
                        quality = np.full(len(steps), SUMMARY, np.uint8)
                        batch = Batch(steps.series, steps.last_ts, steps.last, quality, steps.texts)
                        self._take(batch.take(rows), steps.texts, tier, is_later=False)
                elif last <= self._as_of and not self._is_text[series]:
                    found = Newest(last, float(index.value[entry]), int(index.quality[entry]), None, tier)
                    self.found[series] = found
                else:
                    begin = min(last, int(index.first[entry]) if last > self._as_of else last)
                    for batch in rows_of(reader, one, begin, self._as_of + 1, self._is_text):
                        self._take(batch, batch.texts, tier, is_later=False)

    def _take(self, rows: Batch, texts: tuple[str, ...] | list[str], tier: str, *, is_later: bool = True) -> None:
        """is_later: of equal times these count, and not what was found before."""
        order = np.lexsort((rows.ts, rows.series))
        final = order[np.append(rows.series[order][1:] != rows.series[order][:-1], True)] if len(order) else order
        for row in final.tolist():
            series, ts, value = int(rows.series[row]), int(rows.ts[row]), float(rows.value[row])
            known = self.found.get(series)
            if known is not None and (ts < known.ts or (ts == known.ts and not is_later)):
                continue
            is_word = bool(self._is_text[series]) and not np.isnan(value)
            text = texts[int(value)] if is_word else None
            number = np.nan if self._is_text[series] else value
            self.found[series] = Newest(ts, number, int(rows.quality[row]), text, tier)


def _answering(piece: Piece) -> list[PieceFile]:
    """The files that hold a piece's newest readings: the finest, and where only some were kept the next one, too."""
    held = [file for file in (piece.file(step) for step in _FINEST_FIRST) if file is not None]
    return held[:1] if held and held[0].step == RAW else held[:2]
