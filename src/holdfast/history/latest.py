"""The newest stored reading of each series at or before a time, however long ago. Blocking, any thread.

Little is read: what isn't in files yet, backwards in widening strides; then of the files, newest first, their indexes,
which name each series' newest reading; and rows only where the index can't tell (a text, or a time inside the file).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import PieceDamaged, PieceGone
from holdfast.history.gathering import SUMMARY
from holdfast.history.lake.files import FileReader
from holdfast.history.lake.index import Index
from holdfast.history.lake.planning import tier_of
from holdfast.history.lake.scanning import rows_of, steps_of
from holdfast.history.lake.view import View, Waiting
from holdfast.history.ports import Between
from holdfast.history.question import patient
from holdfast.history.rows import Scan, Texts
from holdfast.history.tiers import Memory
from holdfast.journal.pieces import AROUND_ALERTS, FIVE_MINUTES, HOURS, MINUTES, RAW, Piece, PieceFile
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue

LATEST_NS = 2**63 - 2
_EARLIEST_NS = -(2**63) + 1
_NEVER = np.iinfo(np.int64).min
_NS = 10**9
_HOUR = 3600 * _NS
TIERS = ("", "memory", "journal", "warm", "cold", "nowhere")
"""Where a reading was found; the first: there is none."""
# Each stride is six times the one before; the eighth reaches back 32 years, the ninth to the beginning.
_STRIDES = [_HOUR * 6**i for i in range(8)]
_FINEST_FIRST = (RAW, AROUND_ALERTS, MINUTES, FIVE_MINUTES, HOURS)


@dataclass(frozen=True, slots=True)
class Newest:
    """A series' newest reading. value: NaN for a text; tier: where it was found."""

    ts: int
    value: float
    quality: int
    text: str | None
    tier: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the asker knows already: all that came above these seqs, but for some series.

    silent: nothing has come for them; unheard: their rows come by ways that the asker doesn't hear of; by id, ascending
    """

    heads: Mapping[Lane, int]
    silent: NDArray[np.int32]
    unheard: NDArray[np.int32]


class Found(Mapping[int, Newest]):
    """Newest readings by series id; as columns, since there may be thousands. All of shape (n,), ids ascending.

    value: NaN for a text, which is in `texts` by its place
    """

    def __init__(self, ids: NDArray[np.int32]) -> None:
        """Nothing is known of these yet."""
        self.ids = ids
        self.ts = np.full(len(ids), _NEVER)
        self.value = np.full(len(ids), np.nan)
        self.quality = np.zeros(len(ids), np.uint8)
        self.tier = np.zeros(len(ids), np.uint8)
        self.texts: dict[int, str] = {}

    def put(self, places: NDArray[np.intp], found: Batch, tier: str, *, is_later: bool) -> NDArray[np.bool_]:
        """Take a reading each, as far as it's newer; says which were. is_later: of equal times these count."""
        known = self.ts[places]
        newer: NDArray[np.bool_] = (found.ts >= known if is_later else found.ts > known) | (known == _NEVER)
        at = places[newer]
        self.ts[at], self.value[at], self.quality[at] = found.ts[newer], found.value[newer], found.quality[newer]
        self.tier[at] = TIERS.index(tier)
        return newer

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Which series have a reading."""
        known: NDArray[np.bool_] = self.ts != _NEVER
        return known

    def __getitem__(self, series: int) -> Newest:
        place = int(np.searchsorted(self.ids, series))
        if place == len(self.ids) or self.ids[place] != series or self.ts[place] == _NEVER:
            raise KeyError(series)
        ts, value, quality = int(self.ts[place]), float(self.value[place]), int(self.quality[place])
        return Newest(ts, value, quality, self.texts.get(place), TIERS[self.tier[place]])

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids[self.is_known].tolist())

    def __len__(self) -> int:
        return int(self.is_known.sum())


class Latest:
    """Finds newest readings of one node. Keeps nothing between questions."""

    def __init__(self, groups: Between, catalogue: Catalogue, memory: Memory | None = None) -> None:
        """As for `query.History`."""
        self._groups, self._catalogue, self._memory = groups, catalogue, memory

    def find(
        self,
        ids: NDArray[np.int32],
        as_of_ns: int | None = None,
        check: Callable[[], None] = patient,
        known: Known | None = None,
    ) -> Found:
        """The newest readings of these series (ascending), by id; without those that have none at or before the time.

        as_of_ns: None = the newest of all
        known:    what needn't be looked for

        A damaged file is passed over, so that an older reading may be told for its series.

        Raises:
            StorageError, JournalError: when the rows can't be read.
            QueryTooLong: from `check`, which is called between parts.
        """
        as_of_ns = LATEST_NS if as_of_ns is None else as_of_ns
        opened = nullcontext(None) if self._memory is None else self._memory(_EARLIEST_NS, as_of_ns)
        with opened as view:
            search = _Search(ids, self._catalogue.is_text.copy(), as_of_ns, check)
            if view is None:
                search.strides(self._groups, ids)
            elif known is None:
                search.strides(view, ids)
                search.files(view)
            else:
                search.strides(view, np.intersect1d(ids, known.unheard))
                search.strides(Waiting(view.moment, view.memory, known.heads), np.setdiff1d(ids, known.unheard))
                search.files(view)
                search.strides(view, np.intersect1d(ids, known.silent))
            return search.found


class _Search:
    def __init__(
        self, ids: NDArray[np.int32], is_text: NDArray[np.bool_], as_of_ns: int, check: Callable[[], None]
    ) -> None:
        self.found = Found(ids)
        self._is_text, self._as_of, self._check = is_text, as_of_ns, check

    def strides(self, groups: Between, ids: NDArray[np.int32]) -> None:
        """Look through what is not in files for those of these series that nothing is known of yet."""
        end = self._as_of + 1
        for begin in (*(max(_EARLIEST_NS, self._as_of - back) for back in _STRIDES), _EARLIEST_NS):
            wanted = ids[~self.found.is_known[self._places(ids)]]
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
            open_ids = self.found.ids[self.found.ts < min(piece.ts_max, self._as_of)]
            if not len(open_ids):
                continue
            for file in _answering(piece):
                try:
                    self._look(view, file, open_ids)
                except (PieceDamaged, PieceGone):
                    continue

    def _look(self, view: View, file: PieceFile, ids: NDArray[np.int32]) -> None:
        with view.lake.reader(file) as reader:
            index = reader.index
            entries = reader.spans(ids, _EARLIEST_NS, self._as_of + 1)
            known = self.found.ts[self._places(index.series[entries])]
            newest = np.minimum(index.last[entries] + max(0, file.step) * _NS, self._as_of)
            entries = entries[known < newest]
            if file.step > 0:
                self._look_at_steps(reader, index.series[entries], tier_of(file))
                return
            told = (index.last[entries] <= self._as_of) & ~self._is_text[index.series[entries]]
            self._take_told(index, entries[told], tier_of(file))
            for entry in entries[~told].tolist():
                self._check()
                first, last = int(index.first[entry]), int(index.last[entry])
                begin = last if last <= self._as_of else first
                for batch in rows_of(reader, index.series[entry : entry + 1], begin, self._as_of + 1, self._is_text):
                    self._take(batch, batch.texts, tier_of(file), is_later=False)

    def _look_at_steps(self, reader: FileReader, ids: NDArray[np.int32], tier: str) -> None:
        for steps in steps_of(reader, ids, _EARLIEST_NS, self._as_of + 1, self._is_text):
            self._check()
            rows = (steps.count > 0) & (steps.last_ts <= self._as_of)
            quality = np.full(len(steps), SUMMARY, np.uint8)
            batch = Batch(steps.series, steps.last_ts, steps.last, quality, steps.texts)
            self._take(batch.take(rows), steps.texts, tier, is_later=False)

    def _take_told(self, index: Index, entries: NDArray[np.intp], tier: str) -> None:
        """Newest readings that the index itself tells."""
        series = index.series[entries]
        told = Batch(series, index.last[entries], index.value[entries], index.quality[entries])
        self.found.put(self._places(series), told, tier, is_later=False)

    def _take(self, rows: Batch, texts: Sequence[str], tier: str, *, is_later: bool = True) -> None:
        """is_later: of equal times these count, and not what was found before."""
        if not len(rows):
            return
        order = np.lexsort((rows.ts, rows.series))
        newest = rows.take(order[np.append(rows.series[order][1:] != rows.series[order][:-1], True)])
        places = self._places(newest.series)
        is_text = self._is_text[newest.series]
        words = newest.value
        numbers = Batch(newest.series, newest.ts, np.where(is_text, np.nan, words), newest.quality)
        taken = self.found.put(places, numbers, tier, is_later=is_later)
        for row in np.flatnonzero(taken & is_text).tolist():
            self.found.texts.pop(int(places[row]), None)
            if not np.isnan(words[row]):
                self.found.texts[int(places[row])] = texts[int(words[row])]

    def _places(self, series: NDArray[np.int32]) -> NDArray[np.intp]:
        return np.searchsorted(self.found.ids, series)


def _answering(piece: Piece) -> list[PieceFile]:
    """The files that hold a piece's newest readings: the finest, and where only some were kept the next one, too."""
    held = [file for file in (piece.file(step) for step in _FINEST_FIRST) if file is not None]
    return held[:1] if held and held[0].step == RAW else held[:2]
