"""The commands over feature sets, as typed.

Exit codes: 0 all is well, 1 no row came, 2 wrong usage, 78 a file is wrong.
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json
from holdfast.cli.rule_tools import Ca, Column, Data, Device, End, Node, Start, TokenFile, finish_checked

features = typer.Typer(help="Feature sets: what models are given, and tables to train them with.", no_args_is_help=True)
Files = Annotated[
    list[str], typer.Argument(help="A features.yaml, a model's folder, or builtin:NAME.", metavar="FILE…")
]
One = Annotated[str, typer.Argument(help="A features.yaml, a model's folder, or builtin:NAME.", metavar="FILE")]
Name = Annotated[str, typer.Argument(help="Which set, where the file has several.", metavar="[NAME]")]


@features.command("list")
def list_(files: Files, json: Json = False) -> None:
    """Print what sets there are, with the hash that a model's card names."""

    def body() -> int:
        from holdfast.cli.features import loaded, show_list

        return show_list(loaded(files), json=json)

    finish_checked(body)


@features.command()
def show(file: One, name: Name = "", json: Json = False) -> None:
    """Print one set whole: its numbers in order, and what its hash is of."""

    def body() -> int:
        from holdfast.cli.features import loaded
        from holdfast.cli.features import show as run
        from holdfast.stream.features.sets import find

        return run(find(loaded([file]), name), json=json)

    finish_checked(body)


@features.command()
def check(files: Files, json: Json = False) -> None:
    """Check feature sets; every problem with file and line. Exit 78: there are some."""

    def body() -> int:
        from holdfast.cli.features import check as run
        from holdfast.cli.features import loaded

        return run(loaded(files), json=json)

    finish_checked(body)


@features.command()
def export(
    file: One,
    name: Name = "",
    *,
    start: Start = "",
    end: End = "",
    devices: Annotated[str, typer.Option(help="Only these, as in 'room-*,hall'.")] = "",
    label: Annotated[
        str, typer.Option(help="A metric: its value then or next; `events`: what was said of alerts.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="*.csv or *.parquet; else CSV on standard output.")] = None,
    usable: Annotated[bool, typer.Option("--usable", help="Only rows that a model would be given.")] = False,
    metric: Annotated[list[str] | None, typer.Option(help="THE SET'S=THIS SITE'S, as in accel=vibration.x.")] = None,
    node: Node = "",
    data: Data = None,
    file_in: Annotated[
        Path | None, typer.Option("--input", help="Readings: a CSV or Parquet file, instead of a node.")
    ] = None,
    device: Device = "",
    column: Column = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Write a training table: of a node's past (the last day, unless --from), or of a file. Exit 1: no row came."""

    def body() -> int:
        from holdfast.cli.features import Wish, loaded
        from holdfast.cli.features import export as run
        from holdfast.cli.which_past import Wanted
        from holdfast.kernel.clock import SystemClock
        from holdfast.stream.features.sets import find

        wanted = Wanted(start, end, node, data, file_in, device, tuple(column or ()), token_file, ca)
        wish = Wish(devices, label, tuple(metric or ()), out, usable)
        return run(find(loaded([file]), name), wanted, wish, SystemClock(), json=json)

    finish_checked(body)
