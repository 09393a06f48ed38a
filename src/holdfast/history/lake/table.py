"""Readings as the columns of a Parquet file, and back.

Columns: node, device, metric, unit, kind (float, int, bool, text), ts (us, UTC), ts_ns (0 to 999, what ts lacks), value
(null for a text and for "not a number"), text, quality (good, uncertain, bad), reason (none, out_of_range …). Times are
in us since Spark reads no ns. Words repeat, so that they cost next to nothing once dictionary and runs are packed.
"""

from collections.abc import Callable, Iterator, Sequence
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


class Part:
    """Rows of a file as numpy columns. Without Arrow's compute functions: loading those takes 8 MiB of a node."""

    def __init__(self, table: pa.Table, series: NDArray[np.int32], rows: NDArray[np.int64] | None = None) -> None:
        """rows: which of the table's are meant, None = all; series: the id of each of these."""
        self.series = series
        self._table, self._rows = table, rows

    def __len__(self) -> int:
        return len(self.series)

    def only(self, mask: NDArray[np.bool_]) -> "Part":
        """The rows selected by a mask."""
        chosen = np.flatnonzero(mask) if self._rows is None else self._rows[mask]
        return Part(self._table, self.series[mask], chosen)

    def pieces(self, most: int) -> Iterator["Part"]:
        """The same rows in order, at most so many at once."""
        for at in range(0, len(self), most):
            part = slice(at, at + most)
            if self._rows is None:
                yield Part(self._table.slice(at, most), self.series[part])
            else:
                yield Part(self._table, self.series[part], self._rows[part])

    def has(self, name: str) -> bool:
        """Was this column read?"""
        return name in self._table.column_names

    def whole(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers or times, in its own unit, shape (n,)."""
        return self._column(name, _whole).astype(np.int64, copy=False)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, NaN where there is none, shape (n,)."""
        return self._column(name, _plain).astype(np.float64, copy=False)

    def codes(self, name: str, words: Sequence[str]) -> NDArray[np.uint8]:
        """A column of these words as their places in the list, shape (n,)."""
        known = {word: code for code, word in enumerate(words)}
        return self._column(name, lambda chunk: _coded_as(chunk, known)).astype(np.uint8, copy=False)

    def texts(self, name: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        """A column of texts as places in a list, NaN where there is none; and that list."""
        packed = self._table.column(name).combine_chunks().dictionary_encode()
        place = packed.indices.to_numpy(zero_copy_only=False).astype(np.float64)  # null becomes NaN
        return (place if self._rows is None else place[self._rows]), tuple(packed.dictionary.to_pylist())

    def _column(self, name: str, read: Callable[[pa.Array], NDArray[Any]]) -> NDArray[Any]:
        chunks = [read(chunk) for chunk in self._table.column(name).chunks]
        if not chunks:
            return np.empty(0)
        column = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
        return column if self._rows is None else column[self._rows]


def times(part: Part) -> NDArray[np.int64]:
    """Ns UTC of every row, shape (n,)."""
    return part.whole("ts") * 1000 + part.whole("ts_ns")


def to_batch(part: Part, is_text: NDArray[np.bool_]) -> Batch:
    """Rows of a file as a batch. is_text: by series id."""
    value = part.numbers("value")
    rows = is_text[part.series]
    texts: tuple[str, ...] = ()
    if rows.any():
        place, texts = part.texts("text")
        value = np.where(rows, place, value)
    quality = part.codes("quality", _QUALITIES) | part.codes("reason", _REASONS) << _REASON_SHIFT
    return Batch(part.series, times(part), value, quality.astype(np.uint8, copy=False), texts)


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


def _plain(chunk: pa.Array) -> NDArray[Any]:
    return np.asarray(chunk.to_numpy(zero_copy_only=False))


def _whole(chunk: pa.Array) -> NDArray[Any]:
    return _plain(chunk.view(pa.int64()) if pa.types.is_timestamp(chunk.type) else chunk)


def _coded_as(chunk: pa.Array, known: dict[str, int]) -> NDArray[np.uint8]:
    packed = chunk if isinstance(chunk, pa.DictionaryArray) else chunk.dictionary_encode()
    codes = np.array([known[word] for word in packed.dictionary.to_pylist()], np.uint8)
    found: NDArray[np.uint8] = codes[_plain(packed.indices)]
    return found
