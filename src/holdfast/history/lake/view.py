"""The site's memory at one moment: what lies in files, and the journal's groups that don't yet."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import HistoryError, PieceDamaged, PieceGone
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.layout import DAY_NS, day_of
from holdfast.history.lake.planning import Read, plan
from holdfast.history.lake.rollup import Steps
from holdfast.history.lake.scanning import rows_of, steps_of
from holdfast.history.question import Missing, Question, Source
from holdfast.journal.pieces import AROUND_ALERTS, MINUTES, Memory
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Group
from holdfast.journal.snapshot import Snapshot, snapshot
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.storage.errors import StorageError

_SERIES_BITS = 32
DAMAGED = "damaged: "
"""How the note of a source begins whose file can't be read."""
AWAY = "not to be had: "
"""How it begins for a file that is in a cold store out of reach, or under another key."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The journal's groups that aren't in files, at one moment. See `ports.Between`. upto: seqs; None = all."""

    moment: Snapshot
    memory: Memory
    upto: Mapping[Lane, int] | None = None

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        """Groups with readings that aren't in files."""
        for place in self.memory.stragglers:
            late = self.moment.group(place)
            if late is not None and late.lane == lane and late.ts_max >= from_ns and late.ts_min <= to_ns:
                yield late
        upto = None if self.upto is None else self.upto.get(lane, 0)
        yield from self.moment.between(from_ns, to_ns, lane, self.memory.done.get(lane, 0), upto)


@dataclass
class View:
    """One moment of [from_ns, to_ns]; `sources` fills while `stored` is read, and `gone` with files that went."""

    lake: Lake
    is_text: NDArray[np.bool_]
    moment: Snapshot
    memory: Memory
    from_ns: int
    to_ns: int
    sources: list[Source] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def stored(self, question: Question) -> Iterator[Batch | Steps]:
        """Readings and steps of the asked series out of the files.

        What can't be read is passed over; `sources` says so. Minutes whose readings were kept around alerts are left
        out of the steps that stand for the rest.
        """
        around: dict[int, list[NDArray[np.int64]]] = {}
        for read in plan(self.memory.pieces, question):
            question.check()
            try:
                for part in self._read(read, question):
                    rest = _without(part, around.get(read.piece.id)) if isinstance(part, Steps) else part
                    if read.file.step == AROUND_ALERTS:
                        around.setdefault(read.piece.id, []).append(_minutes(part))
                    if len(rest):
                        yield rest
            except (HistoryError, StorageError) as error:
                if isinstance(error, PieceGone):
                    self.gone.add(error.name)
                note = f"{_begin(error)}{error}"
                self.sources.append(Source(read.tier, read.from_ns, read.to_ns, 0, max(0, read.file.step), note=note))

    def between(self, from_ns: int, to_ns: int, lane: Lane) -> Iterator[Group]:
        """Groups with readings that aren't in files. See `ports.Between`."""
        return Waiting(self.moment, self.memory).between(from_ns, to_ns, lane)

    def missing(self, question: Question) -> list[Missing]:
        """What is known to be gone in this time; what went of one time for one reason is one."""
        gone: Counter[tuple[int, int, str]] = Counter()
        for _lane, rows, low, high, reason in self.moment.missing(question.from_ns, question.to_ns - 1):
            gone[low, high, reason] += rows
        for loss in self.moment.losses(day_of(question.from_ns), day_of(question.to_ns - 1)):
            if loss.step == 0:
                gone[loss.day * DAY_NS, (loss.day + 1) * DAY_NS, loss.reason] += loss.rows
        return [Missing(low, high, rows, reason) for (low, high, reason), rows in gone.items()]

    def _read(self, read: Read, question: Question) -> Iterator[Batch | Steps]:
        rows = 0
        with self.lake.reader(read.file) as reader:
            take = rows_of if read.file.step <= 0 else steps_of
            for part in take(reader, question.ids, read.from_ns, read.to_ns, self.is_text):
                rows += len(part)
                yield part
                question.check()
        if rows:
            step = max(0, read.file.step)
            error = read.file.error if step and read.piece.file(0) is None else None
            self.sources.append(Source(read.tier, read.from_ns, read.to_ns, rows, step, error))


def _minutes(rows: Batch | Steps) -> NDArray[np.int64]:
    """A number for each row's minute and series."""
    return rows.ts // (MINUTES * 10**9) << _SERIES_BITS | rows.series


def _without(steps: Steps, around: list[NDArray[np.int64]] | None) -> Steps:
    if not around:
        return steps
    return steps.take(~np.isin(_minutes(steps), np.concatenate(around)))


def _begin(error: Exception) -> str:
    return DAMAGED if isinstance(error, (PieceDamaged, PieceGone)) else AWAY


@contextmanager
def view(lake: Lake, journal: JournalReader, is_text: NDArray[np.bool_], from_ns: int, to_ns: int) -> Iterator[View]:
    """The memory of [from_ns, to_ns] as of now. Blocking, any thread.

    Raises:
        CatalogueCorrupt, StorageError: when it can't be read.
    """
    with snapshot(journal) as moment:
        yield View(lake, is_text, moment, moment.memory(from_ns, to_ns), from_ns, to_ns)
