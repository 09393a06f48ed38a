"""`holdfast monitoring …`."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import misused

monitoring = typer.Typer(help="Have Prometheus and Grafana watch nodes.", no_args_is_help=True)


@monitoring.callback()
def _of_several() -> None:
    """Keep `export` a command of its own while it is the only one."""


@monitoring.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Write there; files of the same names are replaced.", metavar="DIR")],
    scrape: Annotated[
        list[str] | None, typer.Option(help="A node: NAME=http[s]://HOST:PORT; may come several times.")
    ] = None,
    ca: Annotated[str, typer.Option(help="The CA of nodes with TLS, as Prometheus finds it.")] = "",
    token_file: Annotated[str, typer.Option(help="A file with a bearer token for the nodes.")] = "",
) -> None:
    """Write alert rules, dashboards and a scrape config. Exit 2: a node isn't told as NAME=URL."""
    from holdfast.cli.monitoring import EXAMPLE, TargetInvalid, target
    from holdfast.cli.monitoring import export as write

    try:
        targets = [target(text) for text in scrape or [EXAMPLE]]
    except TargetInvalid as invalid:
        raise typer.Exit(misused(str(invalid), f"write it as in --scrape {EXAMPLE}")) from None
    for path in write(folder, targets, ca, token_file):
        typer.echo(f"{path}")
    if not scrape:
        typer.echo(f"prometheus.yml scrapes {EXAMPLE}: name your nodes with --scrape NAME=URL")
