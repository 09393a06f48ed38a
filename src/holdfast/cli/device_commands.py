"""The commands over a node's devices, as typed: `holdfast devices list|show|accept|retire|describe|rename|replace`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
"""

from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish, misused

devices = typer.Typer(help="Who sends to a node.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The device's name, or any it had.", metavar="DEVICE")]
Names = Annotated[list[str], typer.Argument(help="Names, or patterns such as 'press-*'.", metavar="DEVICE…")]


@devices.command("list")
def list_(
    settings: NodeFile,
    match: Annotated[str, typer.Option(help="Only these, as in 'press-*'.")] = "",
    state: Annotated[str, typer.Option(help="Only online, late, silent or never.")] = "",
    status: Annotated[str, typer.Option(help="Only new, accepted or retired.")] = "",
    label: Annotated[str, typer.Option(help="Only with this label.")] = "",
    json: Json = False,
) -> None:
    """Devices with how they are, when they were heard last, how much they send and what is refused.

    Exit 1: one of them is silent, or over its budget of refused messages.
    """

    def body() -> int:
        from holdfast.cli.devices import show_devices
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        wanted = {"match": match, "state": state, "status": status, "label": label}
        return show_devices(find(settings_of(settings)), wanted, SystemClock(), json=json)

    finish(body)


@devices.command()
def show(
    settings: NodeFile,
    name: Name,
    node: Annotated[str, typer.Option(help="The node below this one whose device it is.")] = "",
    json: Json = False,
) -> None:
    """One device: its names, counts, series and gaps."""

    def body() -> int:
        from holdfast.cli.devices import show_device
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        return show_device(find(settings_of(settings)), name, node, SystemClock(), json=json)

    finish(body)


@devices.command()
def accept(
    settings: NodeFile,
    names: Annotated[list[str] | None, typer.Argument(help="Names, or patterns.", metavar="[DEVICE…]")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are known.")] = False,
) -> None:
    """Take these devices' messages, those from the quarantine first. A retired device is taken again."""

    def body() -> int:
        from holdfast.cli.devices import change
        from holdfast.cli.node_api import find, settings_of
        from holdfast.web.device_answers import DeviceChange

        if bool(names) == every:
            return misused("name the devices, or say --all", "`holdfast devices list --status new` shows who waits")
        return change(find(settings_of(settings)), DeviceChange("accept", tuple(names or ["*"])))

    finish(body)


@devices.command()
def retire(settings: NodeFile, names: Names) -> None:
    """Take no more messages of these devices; what is stored stays, what comes is kept raw in the quarantine."""

    def body() -> int:
        from holdfast.cli.devices import change
        from holdfast.cli.node_api import find, settings_of
        from holdfast.web.device_answers import DeviceChange

        return change(find(settings_of(settings)), DeviceChange("retire", tuple(names)))

    finish(body)


@devices.command()
def group(
    settings: NodeFile,
    names: Names,
    labels: Annotated[str | None, typer.Option(help="All its labels, as in line-3,spare; empty = none.")] = None,
    note: Annotated[str | None, typer.Option(help="A note.")] = None,
) -> None:
    """Give devices labels and a note."""

    def body() -> int:
        from holdfast.cli.devices import change
        from holdfast.cli.node_api import find, settings_of
        from holdfast.web.device_answers import DeviceChange

        if labels is None and note is None:
            return misused("give --labels or --note", "as in `--labels line-3,spare`")
        tags = None if labels is None else tuple(one.strip() for one in labels.split(",") if one.strip())
        return change(find(settings_of(settings)), DeviceChange("describe", tuple(names), labels=tags, note=note))

    finish(body)


@devices.command()
def rename(settings: NodeFile, name: Name, to: Annotated[str, typer.Argument(help="Its new name.")]) -> None:
    """The same device under another name: its readings go into series of that name from now on."""

    def body() -> int:
        from holdfast.cli.devices import change
        from holdfast.cli.node_api import find, settings_of
        from holdfast.web.device_answers import DeviceChange

        return change(find(settings_of(settings)), DeviceChange("rename", (name,), to))

    finish(body)


@devices.command()
def replace(
    settings: NodeFile,
    name: Name,
    by: Annotated[str, typer.Option("--by", help="What the spare part calls itself on the wire.")],
) -> None:
    """Other hardware takes a device's place: its readings go on in the device's series."""

    def body() -> int:
        from holdfast.cli.devices import change
        from holdfast.cli.node_api import find, settings_of
        from holdfast.web.device_answers import DeviceChange

        return change(find(settings_of(settings)), DeviceChange("replace", (name,), by))

    finish(body)
