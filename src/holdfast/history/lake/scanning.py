"""Rows and steps of the asked series out of the lake's files, in the form that the answers are made of."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from holdfast.history.lake.files import FileReader
from holdfast.history.lake.rollup import Steps
from holdfast.history.lake.table import Part, to_batch
from holdfast.model.batch import Batch

_ROWS = ("ts", "ts_ns", "value", "quality", "reason")
_STEPS = ("ts", "count", "uncertain", "bad", "min", "max", "mean", "last", "last_ns")
_ROWS_AT_ONCE, _STEPS_AT_ONCE = 1 << 15, 1 << 14
"""What is looked at together: five or ten columns, and as many more on their way to an answer."""


def rows_of(
    reader: FileReader, ids: NDArray[np.int32], from_ns: int, to_ns: int, is_text: NDArray[np.bool_]
) -> Iterator[Batch]:
    """Readings of these series (ascending) in [from_ns, to_ns), sorted by series and time within each batch.

    Raises:
        PieceDamaged: when they are not what was written.
    """
    entries = reader.spans(ids, from_ns, to_ns)
    has_text = bool(is_text[reader.index.series[entries]].any())
    for whole in reader.parts(entries, (*_ROWS, "text") if has_text else _ROWS):
        for part in whole.pieces(_ROWS_AT_ONCE):
            batch = to_batch(part, is_text)
            inside = (batch.ts >= from_ns) & (batch.ts < to_ns)
            if inside.all():
                yield batch
            elif inside.any():
                yield batch.take(inside)


def steps_of(
    reader: FileReader, ids: NDArray[np.int32], from_ns: int, to_ns: int, is_text: NDArray[np.bool_]
) -> Iterator[Steps]:
    """Stored steps of these series (ascending) that begin in [from_ns, to_ns), sorted by series and time.

    Raises:
        PieceDamaged: when they are not what was written.
    """
    entries = reader.spans(ids, from_ns, to_ns)
    has_text = bool(is_text[reader.index.series[entries]].any())
    for whole in reader.parts(entries, (*_STEPS, "last_text") if has_text else _STEPS):
        for part in whole.pieces(_STEPS_AT_ONCE):
            ts = part.whole("ts") * 1000
            inside = (ts >= from_ns) & (ts < to_ns)
            if inside.all():
                yield _steps(part, ts, is_text)
            elif inside.any():
                yield _steps(part.only(inside), ts[inside], is_text)


def _steps(part: Part, ts: NDArray[np.int64], is_text: NDArray[np.bool_]) -> Steps:
    last = part.numbers("last")
    texts: tuple[str, ...] = ()
    if part.has("last_text"):
        place, texts = part.texts("last_text")
        last = np.where(is_text[part.series], place, last)
    return Steps(
        part.series,
        ts,
        part.whole("count"),
        part.whole("uncertain"),
        part.whole("bad"),
        part.numbers("min"),
        part.numbers("max"),
        part.numbers("mean"),
        last,
        ts + part.whole("last_ns"),
        np.zeros(len(ts)),
        texts,
    )
