"""Rows into a file, or onto standard output: CSV, Parquet or JSON lines, batch by batch.

A file is there whole or not at all: it's written beside its name and renamed at the end.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from holdfast.cli.formats import Format
from holdfast.cli.node_api import Misused
from holdfast.cli.progress import progress


class RowWriter:
    """Writes batches of one schema; `begin` comes first."""

    def __init__(self, out: BinaryIO, how: Format) -> None:
        self.rows = 0
        self._out, self._how = out, how
        self._writer: Any = None
        self.schema = pa.schema([])

    def begin(self, schema: pa.Schema) -> None:
        """Learn the columns."""
        self.schema = _plain(schema) if self._how is Format.CSV else schema
        if self._how is Format.CSV:
            self._writer = csv.CSVWriter(self._out, self.schema)
        elif self._how is Format.PARQUET:
            self._writer = pq.ParquetWriter(self._out, self.schema, compression="zstd")

    def add(self, batch: pa.RecordBatch) -> None:
        """Write rows."""
        self.rows += len(batch)
        if self._writer is None:
            for row in batch.to_pylist():
                self._out.write(msgspec.json.encode(row, enc_hook=str) + b"\n")
        else:
            self._writer.write_table(pa.Table.from_batches([batch]).cast(self.schema))

    def close(self) -> None:
        """Finish what was begun."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def writing(out: Path | None, how: Format) -> Iterator[RowWriter]:
    """A writer to a file, None = standard output.

    Raises:
        Misused: when the file can't be written, or Parquet has none.
    """
    if out is None:
        if how is Format.PARQUET:
            raise Misused("Parquet goes into a file", "give --out FILE.parquet")
        yield from _closed(RowWriter(sys.stdout.buffer, how))
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as file:
            yield from _closed(RowWriter(file, how))
        part.replace(out)
    except OSError as error:
        raise Misused(f"{out} can't be written: {error.strerror or error}", "give --out another place") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writing_shown(writer: RowWriter, out: Path | None) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """The writer's `add`, with a bar that counts the rows: not where the rows themselves go to a terminal."""
    with progress("writing", unit="rows", json=out is None and sys.stdout.isatty()) as tell:

        def add(batch: pa.RecordBatch) -> None:
            writer.add(batch)
            tell(writer.rows)

        yield add


def _closed(writer: RowWriter) -> Iterator[RowWriter]:
    yield writer
    writer.close()


def _plain(schema: pa.Schema) -> pa.Schema:
    """CSV knows no dictionaries."""
    return pa.schema(
        [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    )
