"""`holdfast backup list` and `holdfast backup restore`, as typed.

Exit codes: 0 all is well, 1 there is no backup, 2 wrong usage, or it can't be done.
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

backup = typer.Typer(help="Copies of the journal, and of what belongs to it.", no_args_is_help=True)


@backup.command("list")
def list_(settings: NodeFile, json: Json = False) -> None:
    """The backups in the folder of `backup:`, oldest first. Exit 1: there is none."""

    def body() -> int:
        from holdfast.cli.backups import show_backups
        from holdfast.cli.node_api import settings_of

        return show_backups(settings_of(settings), json=json)

    finish(body)


@backup.command()
def restore(
    settings: NodeFile,
    file: Annotated[Path, typer.Argument(help="The backup, as `list` shows it.", metavar="FILE")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Set a journal that is there aside, and the rules made from the page.")
    ] = False,
    json: Json = False,
) -> None:
    """Put a backup in the place of a stopped node's journal; rules of the page and people that are gone come back."""

    def body() -> int:
        from holdfast.cli.backups import show_restore
        from holdfast.cli.node_api import settings_of
        from holdfast.kernel.clock import SystemClock

        return show_restore(settings_of(settings), file, SystemClock(), replace=replace, json=json)

    finish(body)
