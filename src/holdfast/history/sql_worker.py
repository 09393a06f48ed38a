"""The process that runs one SQL statement for a node, and ends.

A node keeps its memory small and mustn't go down with a question (G10, G12): a process of its own can be killed when it
takes too long or nobody waits any more, and gives everything back. It opens files for reading only; `history.sql` seals
DuckDB off from the rest.
"""

import os
import resource
import sys
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from holdfast.history.grouping import Cell, Column, Table
from holdfast.history.sql import Limits, SqlRefused, desk
from holdfast.history.sql_order import Order, Told
from holdfast.journal.journal import load_catalogue
from holdfast.journal.opening import Access
from holdfast.journal.reader import JournalReader
from holdfast.kernel.errors import HoldfastError
from holdfast.storage.folder import DiskFolder

NICENESS = 10
MOST_TEXT = 1_000
"""Characters of one cell."""
MOST_BYTES = 8 << 20
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def run(order: Order) -> Told:
    """Run it."""
    access, limits = Access(Path(order.journal), order.key), Limits(f"{order.memory_mb}MB", 2, order.seconds)
    folder = DiskFolder(Path(order.lake)) if order.lake else None
    with ExitStack() as stack:
        try:
            reader = JournalReader(access)
            stack.callback(reader.close)
            ready = stack.enter_context(desk(reader, load_catalogue(access), folder, limits))
            return Told(_table(ready.run(order.statement), order.rows), elsewhere=ready.elsewhere)
        except SqlRefused as error:
            return Told(error=str(error), hint=error.hint)
        except HoldfastError as error:
            return Told(error=f"the readings can't be read: {error}", hint=error.hint)


def _table(batches: Any, most: int) -> Table:
    columns: list[Column] = []
    rows: list[list[Cell]] = []
    size = 0
    for batch in batches:
        columns = columns or [Column(field.name, _kind(field.type)) for field in batch.schema]
        units = [_NS[field.type.unit] if pa.types.is_timestamp(field.type) else 0 for field in batch.schema]
        for row in batch.slice(0, max(0, most - len(rows))).to_pylist():
            cells = [_cell(value, unit) for value, unit in zip(row.values(), units, strict=False)]
            size += sum(len(cell) if isinstance(cell, str) else 12 for cell in cells)
            if size > MOST_BYTES:
                return Table(columns, rows, len(rows), truncated=True)
            rows.append(cells)
        if len(rows) >= most:
            return Table(columns, rows, len(rows), truncated=True)
    return Table(columns, rows, len(rows))


def _kind(of: Any) -> str:
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return "time"
    if pa.types.is_boolean(of):
        return "boolean"
    is_number = pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of)
    return "number" if is_number else "text"


def _cell(value: object, unit_ns: int) -> Cell:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if isfinite(number) else None
    if isinstance(value, datetime):
        return round(value.timestamp() * 1e6) * 1_000
    if isinstance(value, date):
        return int((value - date(1970, 1, 1)).days) * 86_400 * 10**9
    if hasattr(value, "value") and unit_ns:  # pandas' Timestamp, where it is installed
        return int(value.value)
    return str(value)[:MOST_TEXT]


def main() -> None:
    """Read an `Order`, write a `Told`."""
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Order)
    most = (2 * order.memory_mb + 512) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))  # beyond it the process ends, and not the node
    try:
        told = run(order)
    except MemoryError:
        told = Told(error="the statement needs too much memory", hint="aggregate before you sort or join")
    sys.stdout.buffer.write(msgspec.msgpack.encode(told))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    os.nice(NICENESS)
    main()
