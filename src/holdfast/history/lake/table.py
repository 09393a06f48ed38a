"""Readings as the columns of a Parquet file, and back.

Columns: node, device, metric, unit, kind (float, int, bool, text), ts (us, UTC), ts_ns (0 to 999, what ts lacks), value
(null for a text and for "not a number"), text, quality (good, uncertain, bad), reason (none, out_of_range …). Times are
in us since Spark reads no ns. Words repeat, so that they cost next to nothing once dictionary and runs are packed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.quality import QUALITY_MASK, Quality, Reason
from holdfast.model.series import Catalogue

WORD = pa.dictionary(pa.int32(), pa.string())
NAMES = ("node", "device", "metric", "unit", "kind")
SCHEMA = pa.schema(
    [
        *(pa.field(name, WORD, nullable=False) for name in NAMES),
        pa.field("ts", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("ts_ns", pa.int16(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("quality", WORD, nullable=False),
        pa.field("reason", WORD, nullable=False),
    ]
)
_QUALITIES = [quality.name.lower() for quality in Quality]
_REASONS = [reason.name.lower() for reason in Reason]
_REASON_SHIFT = QUALITY_MASK.bit_length()


def named(series: NDArray[np.int32], catalogue: Catalogue) -> list[pa.DictionaryArray]:
    """The columns `NAMES` for rows of these series ids. Shape of each (n,)."""
    distinct, position = np.unique(series, return_inverse=True)
    about = [catalogue[int(one)] for one in distinct]
    columns = []
    for i in range(len(NAMES)):
        words = [one.kind.name.lower() if i == len(NAMES) - 1 else str(one[i]) for one in about]
        columns.append(_words(words, position))
    return columns


def to_table(batch: Batch, catalogue: Catalogue) -> pa.Table:
    """A batch as the lake's columns, in the same row order."""
    is_text = catalogue.is_text[batch.series]
    micros, rest = np.divmod(batch.ts, 1000)
    missing = np.isnan(batch.value)
    return pa.Table.from_arrays(
        [
            *named(batch.series, catalogue),
            pa.array(micros, pa.timestamp("us", "UTC")),
            pa.array(rest.astype(np.int16)),
            pa.array(batch.value, mask=missing | is_text),
            _texts(batch, is_text & ~missing),
            _coded(batch.quality & QUALITY_MASK, _QUALITIES),
            _coded(batch.quality >> _REASON_SHIFT, _REASONS),
        ],
        schema=SCHEMA,
    )


def times(table: pa.Table) -> NDArray[np.int64]:
    """Ns UTC of every row, shape (n,)."""
    micros = _numbers(table.column("ts").cast(pa.int64()))
    rest = _numbers(table.column("ts_ns"))
    return np.asarray(micros * 1000 + rest, np.int64)


def values(table: pa.Table) -> NDArray[np.float64]:
    """The numbers, NaN where there is none, shape (n,)."""
    column = table.column("value").combine_chunks()
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def qualities(table: pa.Table) -> NDArray[np.uint8]:
    """The quality byte of every row, shape (n,)."""
    low = _decoded(table.column("quality"), _QUALITIES)
    high = _decoded(table.column("reason"), _REASONS)
    return np.asarray(low | high << _REASON_SHIFT, np.uint8)


def to_batch(table: pa.Table, series: NDArray[np.int32], is_text: NDArray[np.bool_]) -> Batch:
    """Rows of a file as a batch. series: the id of every row; is_text: by series id."""
    value = values(table)
    rows = is_text[series]
    texts: tuple[str, ...] = ()
    if rows.any():
        packed = table.column("text").combine_chunks().dictionary_encode()
        texts = tuple(packed.dictionary.to_pylist())
        place = packed.indices.to_numpy(zero_copy_only=False).astype(np.float64)  # null becomes NaN
        value = np.where(rows, place, value)
    return Batch(series, times(table), value, qualities(table), texts)


def _texts(batch: Batch, rows: NDArray[np.bool_]) -> pa.Array:
    if not rows.any():
        return pa.nulls(len(batch), pa.string())
    place = np.where(rows, batch.value, 0).astype(np.int32)
    packed = pa.DictionaryArray.from_arrays(pa.array(place, mask=~rows), pa.array(list(batch.texts), pa.string()))
    return packed.cast(pa.string())


def _coded(codes: NDArray[np.integer[Any]], words: Sequence[str]) -> pa.DictionaryArray:
    distinct, position = np.unique(codes, return_inverse=True)
    return _words([words[int(code)] for code in distinct], position)


def _words(words: list[str], position: NDArray[np.intp]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(position.astype(np.int32)), pa.array(words, pa.string()))


def _decoded(column: pa.ChunkedArray, words: Sequence[str]) -> NDArray[np.uint8]:
    known = {word: code for code, word in enumerate(words)}
    parts = []
    for chunk in column.chunks:
        packed = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
        codes = np.array([known[word] for word in packed.dictionary.to_pylist()], np.uint8)
        parts.append(codes[packed.indices.to_numpy(zero_copy_only=False)])
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False))
