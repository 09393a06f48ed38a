"""`holdfast history …`, as typed. Exit codes as in `core`; the bodies load what they need when they run."""

from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

history = typer.Typer(help="The site's memory in files.", no_args_is_help=True)


@history.command()
def status(settings: NodeFile, json: Json = False) -> None:
    """What the site's memory holds, by day, here and in the cold store. Exit 1: a file is damaged."""

    def body() -> int:
        from holdfast.cli.history import show_history
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        return show_history(find(settings_of(settings)), SystemClock(), json=json)

    finish(body)


@history.command()
def check(
    settings: NodeFile,
    cold: Annotated[
        bool, typer.Option("--cold", help="Also read what is in the cold store, and look for strays.")
    ] = False,
    json: Json = False,
) -> None:
    """Read every file and every row of the catalogue; the node may run. Exit 1: something is damaged."""

    def body() -> int:
        from holdfast.cli.history import show_check
        from holdfast.cli.node_api import file_of, settings_of
        from holdfast.kernel.clock import SystemClock

        file = file_of(settings_of(settings), "a check reads the files")
        return show_check(file, SystemClock(), with_cold=cold, json=json)

    finish(body)
