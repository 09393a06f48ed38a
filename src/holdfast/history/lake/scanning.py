"""Rows and steps of the asked series out of the lake's files, in the form that the answers are made of."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.history.lake.files import FileReader
from holdfast.history.lake.rollup import Steps
from holdfast.history.lake.table import to_batch, values
from holdfast.model.batch import Batch

_ROWS = ("ts", "ts_ns", "value", "quality", "reason")
_STEPS = ("ts", "count", "uncertain", "bad", "min", "max", "mean", "last", "last_ns")


def rows_of(
    reader: FileReader, ids: NDArray[np.int32], from_ns: int, to_ns: int, is_text: NDArray[np.bool_]
) -> Iterator[Batch]:
    """Readings of these series (ascending) in [from_ns, to_ns), sorted by series and time within each batch.

    Raises:
        PieceDamaged: when they are not what was written.
    """
    entries = reader.spans(ids, from_ns, to_ns)
    has_text = bool(is_text[reader.index.series[entries]].any())
    for table, series in reader.parts(entries, (*_ROWS, "text") if has_text else _ROWS):
        batch = to_batch(table, series, is_text)
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
    for table, series in reader.parts(entries, (*_STEPS, "last_text") if has_text else _STEPS):
        ts = _whole(table, "ts") * 1000
        inside = (ts >= from_ns) & (ts < to_ns)
        if not inside.all():
            table, series, ts = table.filter(pa.array(inside)), series[inside], ts[inside]  # noqa: PLW2901  # the part
        if len(ts):
            yield _steps(table, series, ts, is_text)


def _steps(table: pa.Table, series: NDArray[np.int32], ts: NDArray[np.int64], is_text: NDArray[np.bool_]) -> Steps:
    numbers = {name: values(table.select([name]).rename_columns(["value"])) for name in ("min", "max", "mean", "last")}
    texts: tuple[str, ...] = ()
    if "last_text" in table.column_names:
        packed = table.column("last_text").combine_chunks().dictionary_encode()
        texts = tuple(packed.dictionary.to_pylist())
        place = packed.indices.to_numpy(zero_copy_only=False).astype(np.float64)
        numbers["last"] = np.where(is_text[series], place, numbers["last"])
    counts = (_whole(table, "count"), _whole(table, "uncertain"), _whole(table, "bad"))
    return Steps(
        series,
        ts,
        *counts,
        numbers["min"],
        numbers["max"],
        numbers["mean"],
        numbers["last"],
        ts + _whole(table, "last_ns"),
        np.zeros(len(ts)),
        texts,
    )


def _whole(table: pa.Table, name: str) -> NDArray[np.int64]:
    return np.asarray(table.column(name).cast(pa.int64()).combine_chunks().to_numpy(zero_copy_only=False))
