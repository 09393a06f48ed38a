"""`holdfast bacnet discover`: who is on a BACnet/IP network, and settings made of what they hold.

Exit codes: 0 somebody answered, 1 nobody did, 2 wrong usage, or the port can't be had.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.core import Json, finish, misused

if TYPE_CHECKING:
    from holdfast.adapters.bacnet.discovery import FoundDevice

bacnet = typer.Typer(help="BACnet/IP networks.", no_args_is_help=True)


@bacnet.callback()
def _one_of_them() -> None:
    """Have `discover` be a command of its own."""


@bacnet.command()
def discover(
    address: Annotated[str, typer.Option(help="This machine's, with its subnet: 10.0.0.5/24 or 10.0.0.5/24:47809.")],
    who_is: Annotated[list[str] | None, typer.Option("--who-is", help="Ask this machine too; may be repeated.")] = None,
    bbmd: Annotated[str, typer.Option(help="Ask in another subnet, through its BBMD.")] = "",
    seconds: Annotated[float, typer.Option(help="How long to wait for answers.", min=0.2, max=60)] = 3.0,
    timeout: Annotated[float, typer.Option(help="Longest wait for each answer afterwards, s.", min=0.1, max=60)] = 3.0,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print settings that read all they hold.")] = False,
    json: Json = False,
) -> None:
    """List the devices that answer: instance, address, name, vendor, model. Exit 1: none does."""

    def body() -> int:
        from holdfast.adapters.bacnet.places import address as where
        from holdfast.adapters.bacnet.places import place
        from holdfast.adapters.supervised import in_words

        try:
            own, asked, through = place(address), [where(one) for one in who_is or ()], where(bbmd) if bbmd else None
        except ValueError as error:
            return misused(str(error), "")
        if not own.broadcast and not asked and through is None:
            return misused("there's no subnet to ask in", "write --address 10.0.0.5/24, or --who-is, or --bbmd")
        try:
            found = asyncio.run(_ask(own, asked, through, (seconds, timeout), with_objects=yaml or json))
        except OSError as error:
            hint = "another BACnet program has the port: stop it, or ask from another one, as :47809"
            return misused(in_words(error)[0], hint)
        _show(found, address, yaml=yaml, json=json)
        return 0 if found else 1

    finish(body)


async def _ask(
    own: "tuple[str, int, str]",
    asked: list[tuple[str, int]],
    bbmd: tuple[str, int] | None,
    waits: tuple[float, float],
    *,
    with_objects: bool,
) -> "list[FoundDevice]":
    """Raises ExtraMissing when bacpypes3 isn't installed."""
    from importlib.util import find_spec

    from holdfast.adapters.errors import ExtraMissing

    if find_spec("bacpypes3") is None:
        raise ExtraMissing("bacnet")
    from holdfast.adapters.bacnet import services
    from holdfast.adapters.bacnet.discovery import Discovery
    from holdfast.adapters.bacnet.limits import Limits
    from holdfast.adapters.bacnet.link import Link
    from holdfast.adapters.bacnet.places import Place
    from holdfast.kernel.clock import SystemClock

    clock = SystemClock()
    link = Link(Place(*own), bbmd, Limits(50_000), clock, services.name_of)
    return await Discovery(link, clock, waits[1]).run(asked, waits[0], with_objects=with_objects)


def _show(found: "list[FoundDevice]", address: str, *, yaml: bool, json: bool) -> None:
    from holdfast.adapters.bacnet.discovery import yaml_of
    from holdfast.cli.node_api import as_json
    from holdfast.cli.words import plain, table

    if json:
        typer.echo(as_json(found))
    elif yaml:
        typer.echo(yaml_of(found, address), nl=False)
    elif found:
        head = ["instance", "address", "name", "vendor", "model", ""]
        rows = [[str(d.instance), *map(plain, (d.address, d.name, d.vendor, d.model, d.note))] for d in found]
        typer.echo("\n".join(table([head, *rows])))
    else:
        typer.echo("Nobody answers.", err=True)
