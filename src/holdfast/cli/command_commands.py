"""The commands over a node's commands to devices, as typed: `holdfast command send|list|show`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
"""

from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

command = typer.Typer(help="Commands to devices.", no_args_is_help=True)
Device = Annotated[str, typer.Argument(help="The device's name.", metavar="DEVICE")]
At = Annotated[str, typer.Option("--node", help="The node it is at, when that is one below this node.")]


@command.command()
def send(  # noqa: PLR0917  # typer fills them
    settings: NodeFile,
    device: Device,
    name: Annotated[str, typer.Argument(help="What it shall do.", metavar="NAME")],
    params: Annotated[list[str] | None, typer.Argument(help="As in speed=3 or mode=eco.", metavar="KEY=VALUE")] = None,
    node: At = "",
    deadline: Annotated[str, typer.Option(help="After it the command is of no use, as in 30s.")] = "",
    number: Annotated[str, typer.Option("--id", help="Your own id: sent twice, it's one command.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended. Exit 1: it wasn't done.")] = False,
    json: Json = False,
) -> None:
    """Command a device. Returns when the command is on disk; exit 1 with --wait: the device didn't do it."""

    def body() -> int:
        from holdfast.cli.commands import send_command
        from holdfast.cli.node_api import find, settings_of

        where = find(settings_of(settings))
        wanted = (name, params or [], node, deadline, number)
        return send_command(where, device, wanted, wait=wait, json=json)

    finish(body)


@command.command("list")
def list_(
    settings: NodeFile,
    device: Annotated[str, typer.Argument(help="Only of this device.", metavar="[DEVICE]")] = "",
    node: At = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """Commands and what became of them, newest first."""

    def body() -> int:
        from holdfast.cli.commands import show_commands
        from holdfast.cli.node_api import find, settings_of

        return show_commands(find(settings_of(settings)), device, node, limit, json=json)

    finish(body)


@command.command()
def show(
    settings: NodeFile,
    number: Annotated[str, typer.Argument(help="The command's id.", metavar="ID")],
    json: Json = False,
) -> None:
    """One command with its times and the device's answer. Exit 1: it ended without being done."""

    def body() -> int:
        from holdfast.cli.commands import show_command
        from holdfast.cli.node_api import find, settings_of

        return show_command(find(settings_of(settings)), number, json=json)

    finish(body)
