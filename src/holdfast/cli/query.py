"""`holdfast query`, `last` and `series`: the past, from a running node or from a stopped one's files."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import typer

from holdfast.backtesting.past import opened
from holdfast.cli.formats import Format
from holdfast.cli.node_api import LONG_S, Api, File, Misused, as_json
from holdfast.cli.plot import drawn
from holdfast.cli.progress import waiting
from holdfast.cli.tables import last_lines, said, series_lines
from holdfast.cli.writing import writing, writing_shown
from holdfast.client import Client
from holdfast.history.answers import AGGREGATES, ALL, Aggregate, Answer
from holdfast.history.names import narrow, select
from holdfast.history.streaming import MOST_ROWS, Asked, Told, stream
from holdfast.kernel.clock import Clock
from holdfast.web.answers import LastList, SeriesList
from holdfast.web.errors import Refused
from holdfast.web.series import last_row, series_row
from holdfast.web.times import parse_step, parse_time

SHOWN = 1_000
"""Points of a table, unless --limit says otherwise."""
_PLOTTED = 100_000


class Question(msgspec.Struct, frozen=True):
    """As typed. limit: 0 = what suits the format."""

    patterns: list[str]
    start: str
    end: str
    step: str
    aggregates: str
    limit: int = 0

    def params(self, limit: int) -> dict[str, str | list[str]]:
        """As the API takes it."""
        wanted: dict[str, str | list[str]] = {"series": self.patterns, "from": self.start, "to": self.end}
        return {**wanted, "step": self.step, "aggregates": self.aggregates, "limit": str(limit)}

    def asked(self, clock: Clock, limit: int) -> Asked:
        """As `History` takes it.

        Raises:
            Misused: when a time, step or aggregate is none.
        """
        now = clock.wall_ns()
        try:
            start, end = parse_time("--from", self.start, now), parse_time("--to", self.end, now)
            step = parse_step(self.step) if self.step else None
        except Refused as error:
            raise Misused(str(error), error.hint) from error
        return Asked(self.patterns, start, end, step, _aggregates(self.aggregates), limit)


def show_query(where: Api | File, question: Question, how: Format, out: Path | None, clock: Clock) -> int:
    """Print the answer, or write it into a file; what it was made of goes to standard error then. Returns 0."""
    if not question.patterns:
        raise Misused("no series was named", "as in `holdfast query 'room-07/temperature' --from -7d --step 5m`")
    if how in (Format.CSV, Format.PARQUET):
        told = _write(where, question, how, out, clock)
        typer.echo("\n".join(said(told.sources, told.missing, truncated=told.truncated)), err=True)
        return 0
    default = {Format.TABLE: SHOWN, Format.PLOT: _PLOTTED}.get(how, 10_000)
    doing = partial(_answer, where, question, question.limit or default, clock)
    answer = waiting(doing, f"asking {where}", json=how is Format.JSON)
    if how is Format.JSON:
        _print(as_json(answer), out)
        return 0
    note = [where.note()] if isinstance(where, File) else []
    if how is Format.PLOT:
        width, height = shutil.get_terminal_size((100, 40))
        _print("\n".join([*note, *drawn(answer, width, height, colours=out is None)]), out)
    else:
        from holdfast.cli.tables import query_lines

        _print("\n".join([*note, *query_lines(answer)]), out)
    return 0


def show_last(
    where: Api | File, match: list[str], as_of: str, narrowed: dict[str, str], clock: Clock, *, json: bool
) -> int:
    """Print the newest reading of each series. Returns 0."""
    if isinstance(where, Api):
        params: dict[str, str | list[str]] = {"match": match, "as_of": as_of, "limit": "5000", **narrowed}
        found = where.get("last", LastList, params, LONG_S)
    else:
        try:
            when = parse_time("--as-of", as_of or "now", clock.wall_ns())
        except Refused as error:
            raise Misused(str(error), error.hint) from error
        with opened(where.files) as past:
            ids = narrow(past.catalogue, select(past.catalogue, match or ["*"]).tolist(), **narrowed)
            newest = past.latest.find(np.array(ids, np.int32), when if as_of else None)
            rows = [last_row(past.catalogue, i, newest.get(i)) for i in ids]
        found = LastList(when, len(rows), sorted(rows, key=lambda row: row.series))
    note = [where.note()] if isinstance(where, File) else []
    typer.echo(as_json(found) if json else "\n".join([*note, *last_lines(found)]))
    return 0


def show_series(where: Api | File, match: list[str], narrowed: dict[str, str], *, json: bool) -> int:
    """Print the series there are. Returns 0."""
    if isinstance(where, Api):
        params: dict[str, str | list[str]] = {"match": match, "limit": "5000", **narrowed}
        found = where.get("series", SeriesList, params, LONG_S)
    else:
        with opened(where.files) as past:
            ids = narrow(past.catalogue, select(past.catalogue, match or ["*"]).tolist(), **narrowed)
            rows = [series_row(past.catalogue, i, None) for i in ids]
        found = SeriesList(len(rows), sorted(rows, key=lambda row: row.name))
    note = [where.note()] if isinstance(where, File) else []
    typer.echo(as_json(found) if json else "\n".join([*note, *series_lines(found)]))
    return 0


def _answer(where: Api | File, question: Question, limit: int, clock: Clock) -> Answer:
    if isinstance(where, Api):
        return where.get("query", Answer, question.params(limit), LONG_S)
    asked = question.asked(clock, limit)
    with opened(where.files) as past:
        span = (asked.from_ns, asked.to_ns, asked.step_ns)
        return past.history.query(asked.patterns, *span, asked.aggregates, asked.limit)


def _write(where: Api | File, question: Question, how: Format, out: Path | None, clock: Clock) -> Told:
    limit = question.limit or MOST_ROWS
    with writing(out, how) as writer, writing_shown(writer, out) as add:
        if isinstance(where, Api):
            wanted = [name for name in question.aggregates.split(",") if name]
            client = Client.over(where.host, where.port, where.tls, where.token)
            _, told = client.pour(
                add,
                question.patterns,
                question.start,
                question.end,
                step=question.step or None,
                aggregates=wanted,
                limit=limit,
                begin=writer.begin,
            )
            return msgspec.convert(told, Told)
        asked = question.asked(clock, limit)
        writer.begin(asked.schema)
        with opened(where.files) as past:
            return stream(past.history, asked, add)


def _aggregates(text: str) -> Sequence[Aggregate]:
    if not text:
        return AGGREGATES
    wanted = text.split(",")
    chosen = [name for name in ALL if name in wanted]
    if len(chosen) < len(set(wanted)):
        raise Misused(f"--agg {text} is not allowed", "one or more of " + ", ".join(ALL) + ", with commas between them")
    return chosen


def _print(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise Misused(f"{out} can't be written: {error.strerror}", "give --out another place") from error
