"""One Parquet file of the lake, written in sorted parts and read by series and time.

Encodings, measured on the occupancy and NAB rows (docs/performance.md): times as deltas; values plain, as zstd finds
the repeats of rounded numbers itself, or split into byte streams where that packs smaller. In a file of few rows the
words stand plain, too, and only ts and device have statistics: eleven columns' worth of both is most of such a file.
"""

import io
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from holdfast.crypto.errors import KeyMismatch
from holdfast.history.errors import PieceAway, PieceDamaged, PieceGone, PieceLocked
from holdfast.history.lake.cold import Cold
from holdfast.history.lake.index import KEY, Index, joined
from holdfast.history.lake.layout import LOCKED, hidden, whereabouts
from holdfast.history.lake.sums import CheckedFile, SummingWriter
from holdfast.history.lake.table import Part
from holdfast.journal.pieces import COLD, PieceFile
from holdfast.storage.folder import Folder

if TYPE_CHECKING:  # importing it loads cryptography, which a node without a key has no need for
    from holdfast.history.lake.cipher import Cipher

ROWS_PER_GROUP = 1 << 16
FEW_ROWS = 1 << 15
"""Up to so many, a file is packed as a small one: it's read in one go, so there is nothing in it to skip."""
_PAGE = 1 << 20
_PRUNING = ["ts", "device"]
"""Columns whose statistics let a reader skip a small file altogether."""
_WORDS = ["quality", "reason"]


class Values(Enum):
    """How the numbers of a file are laid out."""

    PLAIN = "PLAIN"
    SPLIT = "BYTE_STREAM_SPLIT"


class FileWriter:
    """Writes one file under its hidden name; nobody sees it before the catalogue names it."""

    def __init__(
        self,
        folder: Folder,
        name: str,
        schema: pa.Schema,
        values: Values,
        level: int,
        cipher: "Cipher | None" = None,
    ) -> None:
        """level: zstd's; cipher: None = in the clear."""
        self.name = name
        self._folder = folder
        self._file = folder.create(hidden(name))
        self._out = SummingWriter(self._file)
        self._schema, self._values, self._level, self._cipher = schema, values, level, cipher
        self._parquet: Any = None  # once it's known whether the rows are few
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._index: list[Index] = []

    def add(self, table: pa.Table, index: Index) -> None:
        """Append rows that sort after all before."""
        self._index.append(index)
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= ROWS_PER_GROUP:
            self._flush(self._rows - self._rows % ROWS_PER_GROUP)

    def close(self, step: int, error: float = 0.0) -> PieceFile:
        """Finish the file and make it survive a power cut, still hidden."""
        self._flush(self._rows)
        index = joined(self._index)
        writer = self._writer(0)
        writer.add_key_value_metadata({KEY: index.encode()})
        writer.close()
        self._folder.keep(hidden(self.name), self._file)
        return PieceFile(step, self.name, self._out.size, index.rows, self._out.sums, error)

    def abandon(self) -> None:
        """Leave no trace."""
        self._out.is_abandoned = True
        self._file.close()
        self._folder.remove(hidden(self.name))

    def _flush(self, rows: int) -> None:
        if not rows:
            return
        table = pa.concat_tables(self._waiting, promote_options="none").unify_dictionaries()
        self._writer(rows).write_table(table.slice(0, rows), row_group_size=ROWS_PER_GROUP)
        rest = table.slice(rows)
        self._waiting = [rest] if len(rest) else []
        self._rows = len(rest)

    def _writer(self, rows: int) -> Any:
        """rows: that are written first."""
        if self._parquet is None:
            schema, is_small = self._schema, rows <= FEW_ROWS
            numbers = [field.name for field in schema if pa.types.is_floating(field.type)]
            words = [f.name for f in schema if pa.types.is_dictionary(f.type) or f.type == pa.string()]
            whole = [f.name for f in schema if pa.types.is_timestamp(f.type) or pa.types.is_integer(f.type)]
            encodings = {**dict.fromkeys(numbers, self._values.value), **dict.fromkeys(whole, "DELTA_BINARY_PACKED")}
            self._parquet = pq.ParquetWriter(
                self._out,
                schema,
                compression="zstd",
                compression_level=self._level,
                use_dictionary=False if is_small else words,
                column_encoding=encodings,
                write_statistics=_PRUNING if is_small else True,
                data_page_size=_PAGE,
                write_page_checksum=True,
                store_schema=False,
                encryption_properties=None if self._cipher is None else self._cipher.writing(),
            )
        return self._parquet


class FileReader:
    """An open file of a piece. One thread at a time."""

    def __init__(
        self, folder: Folder, file: PieceFile, cipher: "Cipher | None" = None, cold: Cold | None = None
    ) -> None:
        """Open it under whichever of its names it has now, else in the cold store.

        Raises:
            PieceGone, PieceAway: when it has none.
            PieceDamaged: when its end is not what was written.
            PieceLocked: when it's encrypted, and not with this cipher's key.
            ObjectsUnreachable: when the cold store has it and can't be had.
        """
        self.name = file.name
        self._checked = open_checked(folder, file, cold)
        try:
            self._parquet = _parquet(self._checked, file, cipher)
            metadata = self._parquet.metadata.metadata or {}
        except BaseException as error:
            self._checked.close()
            if isinstance(error, (pa.ArrowException, OSError)):
                raise PieceDamaged(file.name, str(error)) from error
            raise
        self.index = Index.decode(metadata.get(KEY, b""), file.name)
        self._start = self.index.start

    def close(self) -> None:
        """Close it."""
        self._parquet.close()
        self._checked.close()

    def spans(self, ids: NDArray[np.int32], from_ns: int, to_ns: int) -> NDArray[np.intp]:
        """Which entries of the index may have rows of these series (ascending) in [from_ns, to_ns)."""
        index = self.index
        at = np.searchsorted(ids, index.series)
        at[at == len(ids)] = 0
        wanted = (ids[at] == index.series) if len(ids) else np.zeros(len(index.series), np.bool_)
        return np.flatnonzero(wanted & (index.last >= from_ns) & (index.first < to_ns))

    def parts(self, entries: NDArray[np.intp], columns: Sequence[str]) -> Iterator[Part]:
        """The rows of these entries of the index, a row group at a time.

        Raises:
            PieceDamaged: when they are not what was written.
        """
        if not len(entries):
            return
        starts, counts = self._start[entries], self.index.count[entries]
        ends = starts + counts
        groups = np.unique(np.concatenate([starts // ROWS_PER_GROUP, (ends - 1) // ROWS_PER_GROUP]))
        first, last = int(groups[0]), int(groups[-1])
        for group in range(first, last + 1):
            low, high = group * ROWS_PER_GROUP, (group + 1) * ROWS_PER_GROUP
            inside = np.flatnonzero((starts < high) & (ends > low))
            if not len(inside):
                continue
            begin = np.maximum(starts[inside], low) - low
            length = np.minimum(ends[inside], high) - low - begin
            series = np.repeat(self.index.series[entries[inside]], length)
            table = self._group(group, columns)
            if len(begin) == 1:
                yield Part(table.slice(int(begin[0]), int(length[0])), series)
            elif len(series) == len(table):
                yield Part(table, series)
            else:
                offsets = np.repeat(begin - np.concatenate(([0], np.cumsum(length)[:-1])), length)
                yield Part(table, series, offsets + np.arange(len(series)))

    def _group(self, group: int, columns: Sequence[str]) -> pa.Table:
        try:
            return self._parquet.read_row_group(group, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise PieceDamaged(self.name, str(error)) from error


def open_checked(folder: Folder, file: PieceFile, cold: Cold | None) -> CheckedFile:
    """The file's bytes, wherever it lies; blocks that are damaged here come from the cold store, if it's there, too.

    Raises:
        PieceGone, PieceAway: when it's nowhere.
        ObjectsUnreachable: when the cold store has it and can't be had.
    """
    name, size = file.name, file.size
    here = _local(folder, name)
    if here is not None:
        spare = None if cold is None or not file.places & COLD else partial(cold.open, name, size)
        return CheckedFile(here, name, size, file.sums, spare)
    if cold is not None:  # also when the catalogue was read before the file went
        return CheckedFile(cold.open(name, size), name, size, file.sums)
    if file.places == COLD:
        raise PieceAway(name)
    raise PieceGone(name)


def open_piece(folder: Folder, name: str) -> BinaryIO:
    """A file's bytes on local disk, unchecked.

    Raises:
        PieceGone: when it isn't there.
    """
    here = _local(folder, name)
    if here is None:
        raise PieceGone(name)
    return here


def _local(folder: Folder, name: str) -> BinaryIO | None:
    for candidate in (name, hidden(name), *whereabouts(name)):
        try:
            return folder.open(candidate)
        except FileNotFoundError:
            continue
    return None


def _parquet(checked: CheckedFile, file: PieceFile, cipher: "Cipher | None") -> Any:
    checked.seek(-len(LOCKED), io.SEEK_END)
    is_locked = checked.read() == LOCKED
    if is_locked and cipher is None:
        raise PieceLocked(file.name, "is encrypted, and there is no journal.key")
    try:
        return pq.ParquetFile(
            pa.PythonFile(checked, "r"),
            pre_buffer=False,
            read_dictionary=_WORDS if file.step <= 0 else None,
            decryption_properties=cipher.reading() if cipher is not None and is_locked else None,
        )
    except KeyMismatch as error:
        raise PieceLocked(file.name, "is encrypted with another key than journal.key") from error
