"""The blocking steps of keeping a memory: each makes files, then says what to commit, then shows it in the folder."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.history.lake.compact import Made, compact, lanes_to_read
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.layout import DAY_NS, partition
from holdfast.history.lake.publish import publish, tidy
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.history.lake.writing import Target
from holdfast.history.names import select
from holdfast.journal.pieces import COLD, RAW, SENDING, WARM, Piece
from holdfast.journal.reader import JournalReader
from holdfast.journal.snapshot import snapshot
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue

MERGE_FROM = 12
"""Unsealed pieces of one rule and day that are merged before the day is over."""
SMALL_ROWS = 4_000_000
"""Pieces larger than that wait for the day's end."""
_NS = 10**9


@dataclass(slots=True)
class Rules:
    """Which retention rule each series falls under; learns new series as they come."""

    settings: HistorySettings
    catalogue: Catalogue
    _known: int = 0
    _of: NDArray[np.int32] | None = None

    @property
    def patterns(self) -> list[str]:
        """The rules by number; the last one applies to everything."""
        return [*(rule.series for rule in self.settings.keep), KeepSettings().series]

    def numbers(self) -> NDArray[np.int32]:
        """The rule of each series, shape (catalogue,)."""
        size = len(self.catalogue)
        if self._of is None or size > self._known:
            patterns = self.patterns
            of = np.full(size, len(patterns) - 1, np.int32)
            for number in reversed(range(len(patterns))):
                chosen = select(self.catalogue, [patterns[number]])
                of[chosen[chosen < size]] = number
            self._of, self._known = of, size
        return self._of


def take_rows(reader: JournalReader, settings: HistorySettings, target: Target, rules: Rules) -> Made:
    """Make pieces of what waits in the journal, at most `settings.rows` readings."""
    heads = reader.heads()
    with snapshot(reader) as moment:
        memory = moment.memory(0, -1)  # no pieces
    upto: dict[Lane, int] = {lane: heads[lane] for lane in lanes_to_read()}
    return compact(reader, memory, upto, settings.rows, target, rules.numbers(), rules.patterns)


def due_merges(pieces: Sequence[Piece], settings: HistorySettings, now_ns: int) -> list[tuple[list[Piece], bool]]:
    """What should become fewer files, and whether that seals the day; the oldest days first.

    What is in the cold store stays as it is: a late reading would make its whole day be sent anew, and who reads the
    files there would see both until the old ones may go. So a day that has gone gets one file more.
    """
    by_day: dict[tuple[int, str], list[Piece]] = {}
    for piece in pieces:
        raw = piece.file(RAW)
        if raw is not None and raw.places & WARM and not raw.places & (COLD | SENDING):
            by_day.setdefault((piece.day, piece.keep), []).append(piece)
    due = []
    for (day, _keep), held in sorted(by_day.items()):
        is_over = (day + 1) * DAY_NS + round(settings.settle * _NS) <= now_ns
        loose = [piece for piece in held if not piece.is_sealed]
        small = [piece for piece in loose if piece.rows < SMALL_ROWS]
        if is_over and loose:
            due.append((held, True))
        elif len(small) >= MERGE_FROM:
            due.append((small, False))
    return due


def show(lake: Lake, reader: JournalReader, directories: Sequence[str]) -> None:
    """Make these partitions of the folder show what the catalogue says now."""
    with lake.showing:
        live, trash = _names(reader)
        for directory in directories:
            publish(lake.folder, directory, [name for name in live if partition(name) == directory], trash)


def put_right(lake: Lake, reader: JournalReader) -> int:
    """After a start: make the whole folder show what the catalogue says; returns how many stray files went."""
    with lake.showing:
        return tidy(lake.folder, *_names(reader))


def directories_of(pieces: Sequence[Piece]) -> list[str]:
    """The partitions that these pieces' files lie in."""
    return sorted({partition(file.name) for piece in pieces for file in piece.files})


def _names(reader: JournalReader) -> tuple[list[str], set[str]]:
    """The files that the local folder should show, and those in the trash."""
    with snapshot(reader) as moment:
        pieces, trash = moment.pieces(), moment.trash()
    live = [file.name for piece in pieces for file in piece.files if file.places & WARM]
    return live, {one.name for one in trash}
