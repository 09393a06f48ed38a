"""`holdfast detect`, as typed."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, finish, misused
from holdfast.cli.rule_tools import Ca, Column, Data, Device, End, Node, Start, TokenFile


def detect(
    what: Annotated[str, typer.Argument(help="A CSV or Parquet file, or series of a node.", metavar="FILE|SERIES")],
    *,
    detector: Annotated[
        list[str] | None, typer.Option(help="NAME[:OPTION=NUMBER,…], several times to compare; `all` for all.")
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Scores from here on are alarms.")] = 0.5,
    labels: Annotated[
        Path | None, typer.Option(help="When something was wrong: CSV with start,end, or JSON.", metavar="FILE")
    ] = None,
    label_column: Annotated[str, typer.Option(help="The metric that is 1 where something was wrong.")] = "",
    series: Annotated[list[str] | None, typer.Option(help="Of a file: only these, as in '*/temperature'.")] = None,
    start: Start = "",
    end: End = "",
    node: Node = "",
    data: Data = None,
    device: Device = "",
    column: Column = None,
    plot: Annotated[str, typer.Option(help="Draw the first detector: a PNG's path, or `term`.")] = "",
    token_file: TokenFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """What detectors say of the past: scores, reasons, a comparison on your own labels, and advice."""

    def body() -> int:
        from holdfast.cli.detecting import Wish, chosen
        from holdfast.cli.detecting import detect as run
        from holdfast.cli.which_past import Wanted, past
        from holdfast.history.names import matching
        from holdfast.kernel.clock import SystemClock

        wish = Wish(chosen(detector or []), threshold, labels, label_column, plot, series or ())
        file = Path(what) if Path(what).is_file() else None
        if file is None and what.endswith((".csv", ".gz", ".zst", ".parquet")):
            return misused(f"there is no file {what}", "a CSV or Parquet file, or a series as in 'press-*/temperature'")
        wanted = Wanted(start, end, node, data, file, device, tuple(column or ()), token_file, ca)
        with past(wanted, lambda one: bool(matching([one], [what])), [what], SystemClock()) as readings:
            return run(readings, wish, json=json)

    finish(body)
