"""The commands over a node's past, as typed: `query`, `last`, `series`, `sql`.

Exit codes: 0 answered, 2 wrong usage, or nothing to be asked.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.core import Json, finish, misused
from holdfast.cli.formats import Format

if TYPE_CHECKING:  # for the others: a command's own imports come when it's called
    from holdfast.cli.node_api import Api, File

Words = Annotated[
    list[str] | None, typer.Argument(help="NODE.YAML or URL (may be left out), then series.", metavar="[NODE] SERIES…")
]
Node = Annotated[str, typer.Option("--node", help="NODE.YAML or URL. Else HOLDFAST_NODE, or the one in this folder.")]
TokenFile = Annotated[Path | None, typer.Option(help="With a URL: a file with a bearer token.")]
Ca = Annotated[Path | None, typer.Option(help="With a URL: PEM file of the CA to trust.")]
Unit = Annotated[str, typer.Option(help="Only series with this unit, as in Cel; `*` stands for any text.")]
Kind = Annotated[str, typer.Option(help="Only this kind: float, int, bool or text.")]
OfNode = Annotated[str, typer.Option("--of", help="Only series first read at this node.")]
Device = Annotated[str, typer.Option(help="Only of this device; `*` stands for any text.")]
How = Annotated[Format, typer.Option("--format", help="How to show it.")]
Out = Annotated[Path | None, typer.Option(help="Write into this file.")]


def query(
    words: Words = None,
    *,
    start: Annotated[str, typer.Option("--from", help="ISO 8601, unix seconds, or back from now, as in -7d.")] = "-1h",
    end: Annotated[str, typer.Option("--to", help="Likewise.")] = "now",
    step: Annotated[str, typer.Option(help="Aggregates a step, as in 5m; else readings as they came.")] = "",
    agg: Annotated[str, typer.Option(help="As in mean,max,p95; by default count, bad, min, max, mean, last.")] = "",
    how: How = Format.TABLE,
    out: Out = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many readings; 0 = what suits the format.")] = 0,
    node: Node = "",
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """Readings of a time, or aggregates a step, from all that the node has kept."""

    def body() -> int:
        from holdfast.cli.query import Question, show_query
        from holdfast.kernel.clock import SystemClock

        asked, patterns = _asked(words, node, token_file, ca)
        return show_query(asked, Question(patterns, start, end, step, agg, limit), how, out, SystemClock())

    finish(body)


def last(
    words: Words = None,
    *,
    as_of: Annotated[str, typer.Option(help="The newest at or before this time.")] = "",
    unit: Unit = "",
    kind: Kind = "",
    of: OfNode = "",
    device: Device = "",
    json: Json = False,
    node: Node = "",
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """The newest reading of each series, however long ago it was."""

    def body() -> int:
        from holdfast.cli.query import show_last
        from holdfast.kernel.clock import SystemClock

        asked, patterns = _asked(words, node, token_file, ca)
        narrowed = {"unit": unit, "kind": kind, "node": of, "device": device}
        return show_last(asked, patterns, as_of, narrowed, SystemClock(), json=json)

    finish(body)


def series(
    words: Words = None,
    *,
    unit: Unit = "",
    kind: Kind = "",
    of: OfNode = "",
    device: Device = "",
    json: Json = False,
    node: Node = "",
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """The series there are, by pattern, unit, kind, node and device."""

    def body() -> int:
        from holdfast.cli.query import show_series

        asked, patterns = _asked(words, node, token_file, ca)
        return show_series(asked, patterns, {"unit": unit, "kind": kind, "node": of, "device": device}, json=json)

    finish(body)


def sql(
    words: Annotated[
        list[str], typer.Argument(help="NODE.YAML (may be left out), then one SELECT.", metavar="[NODE.YAML] SELECT…")
    ],
    how: How = Format.TABLE,
    out: Out = None,
    memory: Annotated[str, typer.Option(help="What the statement may use, as in 1GB.")] = "1GB",
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads.")] = 2,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds; then it's given up.")] = 60.0,
    node: Node = "",
) -> None:
    """SQL over all that the node has kept: tables `readings`, `minutes`, `hours`. Reads this machine's files only."""

    def body() -> int:
        from holdfast.cli.node_api import file_of, settings_of
        from holdfast.cli.where import split
        from holdfast.kernel.scalars import parse_size

        try:
            from holdfast.cli.sql import show_sql
            from holdfast.history.sql import Limits
        except ModuleNotFoundError as error:
            return misused(f"SQL needs {error.name}", "pip install 'holdfast[query]'")

        name, statements = split(words, node)
        if len(statements) != 1:
            return misused("one statement is taken", 'as in `holdfast sql node.yaml "SELECT count(*) FROM readings"`')
        if "://" in name:
            return misused("SQL reads the node's files, and a URL has none", "run it where the node runs")
        try:
            most = f"{parse_size(memory)}B"
        except ValueError:
            return misused(f"--memory {memory} is no size", "as in 500MB or 2GB")
        file = file_of(settings_of(Path(name)), "SQL reads the files")
        return show_sql(file, statements[0], how, out, Limits(most, threads, timeout))

    finish(body)


def _asked(words: Words, node: str, token_file: Path | None, ca: Path | None) -> "tuple[Api | File, list[str]]":
    """Who is asked, and for which series."""
    from holdfast.cli.where import open_node, split

    name, patterns = split(words or [], node)
    return open_node(name, token_file, ca), patterns
