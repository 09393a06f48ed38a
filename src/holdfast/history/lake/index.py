"""What a file of the lake holds, series by series; kept in its footer under the key `holdfast`.

Rows are sorted by series id and time, so a series is one run of rows, and a question reads only the row groups its
runs lie in. The ids are this journal's; for everybody else the file has the names as columns.
"""

import base64
from dataclasses import dataclass

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from holdfast.history.errors import PieceDamaged
from holdfast.model.batch import Batch

KEY = b"holdfast"
_TYPES = ("<i4", "<i8", "<i8", "<i8", "<f8", "<u1")
_MOST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Index:
    """One entry a series, ascending; all of shape (series,).

    series: ids; count: rows; first, last: times in ns UTC, inclusive
    value, quality: of the newest row; a text's value is NaN here
    """

    series: NDArray[np.int32]
    count: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]

    @property
    def start(self) -> NDArray[np.int64]:
        """The row where each series begins."""
        return np.concatenate(([0], np.cumsum(self.count)[:-1])).astype(np.int64)

    @property
    def rows(self) -> int:
        """Rows of all series."""
        return int(self.count.sum())

    def encode(self) -> bytes:
        """Bytes for the footer: ASCII, since other readers take values there for text."""
        columns = (self.series, self.count, self.first, self.last, self.value, self.quality)
        parts = [np.asarray(c, t).tobytes() for c, t in zip(columns, _TYPES, strict=True)]
        packed = zstandard.ZstdCompressor(level=9).compress(msgspec.msgpack.encode([len(self.series), *parts]))
        return base64.b64encode(packed)

    @staticmethod
    def decode(data: bytes, name: str) -> "Index":
        """The index in a footer of the file `name`.

        Raises:
            PieceDamaged: when it is none.
        """
        try:
            packed = base64.b64decode(data, validate=True)
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_MOST_BYTES)
            n, *parts = msgspec.msgpack.decode(plain, type=tuple[int, bytes, bytes, bytes, bytes, bytes, bytes])
            columns = [np.frombuffer(p, t, n) for p, t in zip(parts, _TYPES, strict=True)]
        except (ValueError, zstandard.ZstdError, msgspec.MsgspecError) as error:
            raise PieceDamaged(name, f"its index can't be read: {error}") from error
        return Index(*columns)


EMPTY = Index(*(np.empty(0, np.dtype(t)) for t in _TYPES))


def index_of(rows: Batch, is_text: NDArray[np.bool_]) -> Index:
    """The index of rows sorted by series and time. is_text: by series id."""
    if not len(rows):
        return EMPTY
    starts = np.flatnonzero(np.concatenate(([True], rows.series[1:] != rows.series[:-1])))
    ends = np.append(starts[1:], len(rows)) - 1
    series = rows.series[starts]
    value = np.where(is_text[series], np.nan, rows.value[ends])
    return Index(series, ends - starts + 1, rows.ts[starts], rows.ts[ends], value, rows.quality[ends])


def joined(parts: list[Index]) -> Index:
    """The index of files' parts written one after the other; a series may go on from one part to the next."""
    if not parts:
        return EMPTY
    series, count, first, last, value, quality = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("series", "count", "first", "last", "value", "quality")
    )
    begins = np.flatnonzero(np.concatenate(([True], series[1:] != series[:-1]))) if len(series) else np.empty(0, int)
    if not len(begins):
        return EMPTY
    ends = np.append(begins[1:], len(series)) - 1
    return Index(series[begins], np.add.reduceat(count, begins), first[begins], last[ends], value[ends], quality[ends])
