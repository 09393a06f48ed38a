"""A day's pieces become one sorted piece with its roll-ups, in memory that doesn't grow with the day.

Rows are taken series by series, a bounded number at a time; a series with more than that is taken hour by hour, so that
no step is cut. Rows of equal series and time keep the order of their pieces.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.history.lake.files import FileReader, Values
from holdfast.history.lake.index import Index
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.scanning import rows_of
from holdfast.history.lake.writing import (
    ALL_STEPS,
    FAST,
    MANY,
    SMALL,
    WORTH,
    PieceWriter,
    Target,
    by_layout,
    sorted_rows,
)
from holdfast.journal.pieces import FIVE_MINUTES, MINUTES, RAW, Piece, PieceFile, add_piece, drop_piece, read_pieces
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import Batch, concatenate

HOUR_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Merged:
    """Old pieces and what takes their place; to be committed by `commit`."""

    old: tuple[Piece, ...]
    new: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class _Share:
    """Series low..high, both inclusive, in [from_ns, to_ns)."""

    low: int
    high: int
    from_ns: int
    to_ns: int


def merge(lake: Lake, pieces: Sequence[Piece], target: Target, max_rows: int, *, seals: bool) -> Merged:
    """Make one to six pieces of pieces of one day and rule, about `max_rows` rows in memory at once.

    Numbers that pack differently get pieces of their own, and so do quick series among slow ones: steps of all
    together wouldn't be worth their bytes, and a question about a quick one would read every reading.

    seals: the day is over, so take the time to pack them small

    Raises:
        PieceDamaged, PieceGone: when one can't be read; nothing is left of what was made.
        StorageError: when a file can't be written; likewise.
    """
    writers: dict[tuple[Values, int], PieceWriter] = {}
    day, keep = pieces[0].day, pieces[0].keep
    try:
        with ExitStack() as stack:
            readers = [stack.enter_context(lake.reader(file)) for file in _raw_files(pieces)]
            layouts: dict[int, Values] = {}
            indexes = [reader.index for reader in readers]
            quick = _quick(indexes) if seals else []
            for share in _shares(indexes, max_rows):
                for kind, rows in _sorted_out(_rows(readers, share, target), layouts, quick):
                    if kind not in writers:
                        writers[kind] = PieceWriter(
                            target, day, keep, kind[0], SMALL if seals else FAST, ALL_STEPS, is_sealed=seals
                        )
                    writers[kind].add(rows)
        made = [writer.close() for writer in writers.values()]
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        raise
    return Merged(tuple(pieces), tuple(piece for piece in made if piece is not None))


def commit(tx: Transaction, merged: Merged, now_ns: int) -> bool:
    """Put the new pieces in the place of the old, in the caller's transaction; False when an old one has changed."""
    for old in merged.old:
        if read_pieces(tx.db, "WHERE id = ?", (old.id,)) != [old]:
            return False
    for old in merged.old:
        drop_piece(tx.db, old, now_ns)
    for new in merged.new:
        add_piece(tx.db, new)
    return True


def _raw_files(pieces: Sequence[Piece]) -> list[PieceFile]:
    return [file for piece in pieces if (file := piece.file(RAW)) is not None]


def _rows(readers: Sequence[FileReader], share: _Share, target: Target) -> Batch:
    ids = np.arange(share.low, share.high + 1, dtype=np.int32)
    is_text = target.catalogue.is_text
    parts = [part for r in readers for part in rows_of(r, ids, share.from_ns, share.to_ns, is_text)]
    return sorted_rows(concatenate(parts, is_text)) if parts else Batch.empty()


def _quick(indexes: Sequence[Index]) -> list[NDArray[np.int32]]:
    """Series whose minutes, then whose five minutes are worth their bytes, where those of all that are left aren't."""
    series = np.concatenate([index.series for index in indexes])
    ids, place = np.unique(series, return_inverse=True)
    rows = np.bincount(place, np.concatenate([index.count for index in indexes]))
    first = np.full(len(ids), np.iinfo(np.int64).max)
    last = np.full(len(ids), np.iinfo(np.int64).min)
    np.minimum.at(first, place, np.concatenate([index.first for index in indexes]))
    np.maximum.at(last, place, np.concatenate([index.last for index in indexes]))
    left = np.ones(len(ids), np.bool_)
    found: list[NDArray[np.int32]] = []
    for step in (MINUTES, FIVE_MINUTES):
        steps = np.minimum(rows, (last - first) // (step * 10**9) + 1)
        quick = left & (steps * WORTH <= rows)
        if steps[left].sum() * WORTH > rows[left].sum() and rows[quick].sum() >= MANY:
            found.append(ids[quick])
            left &= ~quick
    return found


def _sorted_out(
    rows: Batch, layouts: dict[int, Values], quick: Sequence[NDArray[np.int32]]
) -> Iterator[tuple[tuple[Values, int], Batch]]:
    """Split by layout, and by how quick a series is: which of `quick` it's in, from 1, else 0."""
    for values, part in _laid_out(rows, layouts):
        pace = np.zeros(len(part), np.int8)
        for number, ids in enumerate(quick, 1):
            pace[np.isin(part.series, ids)] = number
        paces = np.unique(pace).tolist()
        for number in paces:
            yield (values, number), part if len(paces) == 1 else part.take(pace == number)


def _laid_out(rows: Batch, layouts: dict[int, Values]) -> Sequence[tuple[Values, Batch]]:
    """Split by layout; a series that fills shares of its own keeps the layout it began with."""
    if not len(rows):
        return ()
    first = int(rows.series[0])
    if rows.series[-1] != first:
        return by_layout(rows)
    return ((layouts.setdefault(first, by_layout(rows)[0][0]), rows),)


def _shares(indexes: Sequence[Index], max_rows: int) -> Iterator[_Share]:
    series = np.concatenate([index.series for index in indexes])
    count = np.concatenate([index.count for index in indexes])
    ids, place = np.unique(series, return_inverse=True)
    total = np.bincount(place, count).astype(np.int64)
    first, last = int(min(i.first.min() for i in indexes)), int(max(i.last.max() for i in indexes)) + 1
    yield from _runs(ids, total, max_rows, first, last)


def _runs(ids: NDArray[np.int32], total: NDArray[np.int64], max_rows: int, first: int, last: int) -> Iterator[_Share]:
    begin, held = 0, 0
    for i, rows in enumerate(total.tolist()):
        if held and held + rows > max_rows:
            yield _Share(int(ids[begin]), int(ids[i - 1]), first, last)
            begin, held = i, 0
        held += rows
        if held > max_rows:  # one series alone
            for hour in range(first // HOUR_NS, (last - 1) // HOUR_NS + 1):
                yield _Share(int(ids[i]), int(ids[i]), hour * HOUR_NS, (hour + 1) * HOUR_NS)
            begin, held = i + 1, 0
    if held:
        yield _Share(int(ids[begin]), int(ids[-1]), first, last)
