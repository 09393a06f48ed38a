"""Answers as Arrow: what is too much for JSON, in batches. Pure.

Columns: series, node, device, metric, unit, kind (dictionaries), ts (ns, UTC), then value, text, quality and reason of
a reading, or count, bad … of a step, `last_text` instead of `last` where a series is text.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from holdfast.history.answers import Aggregate, Column
from holdfast.history.lake.table import NAMES, WORD
from holdfast.model.quality import QUALITY_MASK, Quality, Reason
from holdfast.model.series import Series

_ABOUT = ("series", *NAMES)
_COUNTS = ("count", "bad", "uncertain")
_TS = pa.timestamp("ns", "UTC")
_REASON_SHIFT = QUALITY_MASK.bit_length()
_ROWS_PER_BATCH = 1 << 16
_QUALITIES = pa.array([quality.name.lower() for quality in Quality])
_REASONS = pa.array([reason.name.lower() for reason in Reason])


def point_schema() -> pa.Schema:
    """Of readings."""
    words = [pa.field(name, WORD, nullable=False) for name in _ABOUT]
    rest = [pa.field("value", pa.float64()), pa.field("text", pa.string())]
    codes = [pa.field("quality", WORD, nullable=False), pa.field("reason", WORD, nullable=False)]
    return pa.schema([*words, pa.field("ts", _TS, nullable=False), *rest, *codes])


def step_schema(wanted: Sequence[Aggregate]) -> pa.Schema:
    """Of steps with these aggregates."""
    fields = [pa.field(name, WORD, nullable=False) for name in _ABOUT] + [pa.field("ts", _TS, nullable=False)]
    for name in wanted:
        fields.append(pa.field(name, pa.int64() if name in _COUNTS else pa.float64()))
        if name == "last":
            fields.append(pa.field("last_text", pa.string()))
    return pa.schema(fields)


class Names:
    """The columns that say which series a row is of."""

    def __init__(self, series: Sequence[Series]) -> None:
        about = [(one.name, *map(str, one[: len(NAMES) - 1]), one.kind.name.lower()) for one in series]
        self._words = [pa.array(column, pa.string()) for column in zip(*about, strict=True)]

    def columns(self, place: NDArray[np.int32]) -> list[pa.Array]:
        """place: position of each row's series, shape (n,)."""
        indices = pa.array(place, pa.int32())
        if not self._words:
            return [pa.array([], WORD) for _ in _ABOUT]
        return [pa.DictionaryArray.from_arrays(indices, words) for words in self._words]


def points(
    names: Names,
    place: NDArray[np.int32],
    ts: NDArray[np.int64],
    value: pa.Array,
    text: pa.Array,
    code: NDArray[np.uint8],
) -> pa.RecordBatch:
    """Readings. All of shape (n,); code: the quality byte."""
    quality = pa.DictionaryArray.from_arrays(pa.array((code & QUALITY_MASK).astype(np.int32)), _QUALITIES)
    reason = pa.DictionaryArray.from_arrays(pa.array((code >> _REASON_SHIFT).astype(np.int32)), _REASONS)
    columns = [*names.columns(place), pa.array(ts, _TS), value, text, quality, reason]
    return pa.RecordBatch.from_arrays(columns, schema=point_schema())


def steps(names: Names, answered: Sequence[Column], wanted: Sequence[Aggregate]) -> Iterator[pa.RecordBatch]:
    """The columns of an answer to a question with a step; series as in `names`."""
    lengths = [len(column.ts) for column in answered]
    place = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    schema = step_schema(wanted)
    arrays: list[pa.Array | pa.ChunkedArray] = [
        *names.columns(place),
        pa.array(np.concatenate([np.array(c.ts, np.int64) for c in answered] or [np.empty(0, np.int64)]), _TS),
    ]
    for field in schema:
        if field.name in _ABOUT or field.name == "ts":
            continue
        parts = []
        for column, length in zip(answered, lengths, strict=True):
            is_text = column.kind == "text"
            values = getattr(column, "last" if field.name == "last_text" else field.name)
            fits = values is not None and (is_text == (field.name == "last_text") or field.name in _COUNTS)
            parts.append(pa.array([_number(v) for v in values], field.type) if fits else pa.nulls(length, field.type))
        arrays.append(pa.chunked_array(parts, field.type))
    yield from pa.Table.from_arrays(arrays, schema=schema).combine_chunks().to_batches(_ROWS_PER_BATCH)


def _number(value: object) -> object:
    return float(value) if isinstance(value, bool) else value
