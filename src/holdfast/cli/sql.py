"""`holdfast sql`: DuckDB over a node's memory, in this process."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import typer

from holdfast.backtesting.past import opened
from holdfast.cli.formats import Format
from holdfast.cli.node_api import File, Misused
from holdfast.cli.progress import waiting
from holdfast.cli.words import many, plain, table
from holdfast.cli.writing import writing, writing_shown
from holdfast.history.sql import Limits, desk

SHOWN = 200
_LONGEST = 60


def show_sql(file: File, statement: str, how: Format, out: Path | None, limits: Limits) -> int:
    """Run one statement and print or write its answer. Returns 0."""
    if how is Format.PLOT:
        raise Misused("a plot needs series and steps", "use `holdfast query … --format plot`")
    with opened(file.files) as past, desk(past.reader, past.catalogue, past.folder, limits) as ready:
        if ready.elsewhere:
            typer.echo(f"{many(ready.elsewhere, 'file')} are not on this disk, and not part of this.", err=True)
        batches = waiting(lambda: ready.run(statement), "at work")
        if how is Format.TABLE and out is None:
            typer.echo("\n".join(_lines(batches)))
            return 0
        with writing(out, Format.JSON if how is Format.TABLE else how) as writer, writing_shown(writer, out) as add:
            for i, batch in enumerate(batches):
                if i == 0:
                    writer.begin(batch.schema)
                add(batch)
    return 0


def _lines(batches: Iterable[pa.RecordBatch]) -> list[str]:
    rows: list[list[str]] = []
    names: list[str] = []
    numbers: list[int] = []
    more = 0
    for batch in batches:
        names = batch.schema.names
        numbers = [
            i
            for i, field in enumerate(batch.schema)
            if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        ]
        room = SHOWN - len(rows)
        rows += [[_cell(v) for v in row.values()] for row in batch.slice(0, max(0, room)).to_pylist()]
        more += max(0, len(batch) - max(0, room))
    lines = table([names, *rows], numbers)
    return [*lines, f"({many(len(rows) + more, 'row')}" + (f", the first {SHOWN} shown)" if more else ")")]


def _cell(one: object) -> str:
    return "" if one is None else f"{one:.6g}" if isinstance(one, float) else plain(str(one), _LONGEST)
