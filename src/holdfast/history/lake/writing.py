"""Sorted readings to pieces: their file as they came, and the steps that make long questions cheap."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import zstandard
from numpy.typing import NDArray

from holdfast.history.lake.files import FileWriter, Values
from holdfast.history.lake.index import index_of
from holdfast.history.lake.layout import file_name
from holdfast.history.lake.rollup import STEP_SCHEMA, Steps, roll_up, step_index, to_step_table
from holdfast.history.lake.table import SCHEMA, to_table
from holdfast.journal.pieces import FIVE_MINUTES, HOURS, MINUTES, RAW, Piece
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue
from holdfast.storage.folder import Folder

if TYPE_CHECKING:
    from holdfast.history.lake.cipher import Cipher

WORTH = 20
"""Rows a step must stand for, on average, or its file isn't worth its bytes."""
MANY = 50_000
"""Readings that take longer to read than one more file takes to open."""
ALL_STEPS = (MINUTES, FIVE_MINUTES, HOURS)
FAST, SMALL = 6, 9
"""zstd levels: for what is merged again within a day, and for what stays."""
A_PIECE_MORE = 4_000
"""Bytes that the files of one more piece take beside their rows, about."""
_TRIED, _TRIAL = 10_000, 3
"""Numbers of a series that are packed on trial, and the zstd level: 1 finds too few repeats to tell."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where pieces go. unique: makes names that never repeat; cipher: None = in the clear."""

    folder: Folder
    catalogue: Catalogue
    unique: Callable[[], str]
    cipher: "Cipher | None" = None

    def file(self, step: int, day: int, values: Values, level: int) -> FileWriter:
        """A new file of a piece."""
        schema = SCHEMA if step <= RAW else STEP_SCHEMA
        return FileWriter(self.folder, file_name(step, day, self.unique()), schema, values, level, self.cipher)


def sorted_rows(rows: Batch) -> Batch:
    """By series and time; rows of equal series and time keep their order."""
    return rows.take(np.lexsort((rows.ts, rows.series)))


def packed_sizes(value: NDArray[np.float64], packer: zstandard.ZstdCompressor) -> tuple[float, float]:
    """About how many bytes these numbers pack into one after the other, and as eight streams of bytes."""
    some = np.ascontiguousarray(value[:_TRIED])
    streams = np.ascontiguousarray(some.view(np.uint8).reshape(-1, 8).T)
    times = len(value) / len(some)
    return len(packer.compress(some.data)) * times, len(packer.compress(streams.data)) * times


@dataclass
class _StepFile:
    writer: FileWriter
    squares: float = 0.0
    readings: int = 0

    def add(self, steps: Steps, catalogue: Catalogue) -> None:
        self.writer.add(to_step_table(steps, catalogue), step_index(steps))
        numbers = ~catalogue.is_text[steps.series]
        self.squares += float(steps.squares[numbers].sum())
        self.readings += int(steps.count[numbers].sum())

    @property
    def error(self) -> float:
        return float(np.sqrt(self.squares / self.readings)) if self.readings else 0.0


@dataclass
class PieceWriter:
    """Writes one piece: give it rows of its day in order, then `close`. steps: which roll-ups it may have."""

    target: Target
    day: int
    keep: str
    values: Values
    level: int
    steps: tuple[int, ...] = ()
    is_sealed: bool = False
    _raw: FileWriter | None = None
    _rows: int = 0
    _times: list[tuple[int, int]] = field(default_factory=list)
    _of_step: dict[int, _StepFile] = field(default_factory=dict)

    def add(self, rows: Batch) -> None:
        """Append sorted rows; their series and times sort after all before, and no step spans two calls."""
        if self._raw is None:
            self._raw = self._file(RAW)
        catalogue = self.target.catalogue
        self._raw.add(to_table(rows, catalogue), index_of(rows, catalogue.is_text))
        self._rows += len(rows)
        self._times.append((int(rows.ts.min()), int(rows.ts.max())))
        for step in self.steps:
            if step not in self._of_step:
                self._of_step[step] = _StepFile(self._file(step))
            self._of_step[step].add(roll_up(rows, step), catalogue)

    def close(self) -> Piece | None:
        """Finish the files; None when no row came."""
        if self._raw is None:
            return None
        files = [self._raw.close(RAW)]
        for step, made in self._of_step.items():
            file = made.writer.close(step, made.error)
            if file.rows * WORTH <= self._rows and (step != FIVE_MINUTES or self._rows >= MANY):
                files.append(file)
            else:
                made.writer.abandon()
        low, high = min(t[0] for t in self._times), max(t[1] for t in self._times)
        return Piece(self.day, self.keep, self._rows, low, high, tuple(files), self.is_sealed)

    def abandon(self) -> None:
        """Leave no trace."""
        for writer in (self._raw, *(made.writer for made in self._of_step.values())):
            if writer is not None:
                writer.abandon()

    def _file(self, step: int) -> FileWriter:
        return self.target.file(step, self.day, self.values, self.level)


def write_rows(target: Target, day: int, keep: str, rows: Batch) -> list[Piece]:
    """Fresh rows of one day and retention rule, unsorted, as one or two unsealed pieces."""
    ordered = sorted_rows(rows)
    pieces = []
    for values, part in by_layout(ordered):
        writer = PieceWriter(target, day, keep, values, FAST)
        try:
            writer.add(part)
            piece = writer.close()
        except BaseException:
            writer.abandon()
            raise
        if piece is not None:
            pieces.append(piece)
    return pieces


def by_layout(rows: Batch) -> list[tuple[Values, Batch]]:
    """Sorted rows split by how their series' numbers pack best, where that saves what a second piece costs."""
    starts = np.flatnonzero(np.concatenate(([True], rows.series[1:] != rows.series[:-1])))
    ends = np.append(starts[1:], len(rows))
    packer = zstandard.ZstdCompressor(level=_TRIAL)
    sizes = np.array([packed_sizes(rows.value[a:b], packer) for a, b in zip(starts, ends, strict=True)])
    plain, split = sizes.sum(axis=0)
    if min(plain, split) <= sizes.min(axis=1).sum() + A_PIECE_MORE:
        return [(Values.PLAIN if plain <= split else Values.SPLIT, rows)]
    mask = np.repeat(sizes[:, 1] < sizes[:, 0], ends - starts)
    return [(Values.PLAIN, rows.take(~mask)), (Values.SPLIT, rows.take(mask))]
