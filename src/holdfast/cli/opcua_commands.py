"""`holdfast opcua browse|trust|keys`: what an OPC UA server has, who it is, and who this node is to it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.core import finish, misused

if TYPE_CHECKING:
    from holdfast.adapters.opcua.link import Link

opcua = typer.Typer(help="OPC UA servers.", no_args_is_help=True)
Url = Annotated[str, typer.Argument(help="The server's address.", metavar="opc.tcp://HOST:4840")]
User = Annotated[str, typer.Option(help="Log in as this user; the password is asked for.")]


@opcua.command()
def browse(
    url: Url,
    under: Annotated[str, typer.Option(help="The node to begin at.", metavar="NODE")] = "i=85",
    depth: Annotated[int, typer.Option(help="Levels below it.", min=1, max=50)] = 6,
    yaml: Annotated[bool, typer.Option("--yaml", help="As `devices:` for node.yaml.")] = False,
    user: User = "",
) -> None:
    """Show a server's nodes, or write those that can be read as `devices:` of node.yaml."""

    def body() -> int:
        _library()
        from holdfast.adapters.opcua.browsing import MOST_NODES, devices_yaml, tree, walk

        link = _link(url, user)

        async def ask() -> None:
            try:
                await link.open()
                found, is_cut = await walk(link, under, depth)
                typer.echo(devices_yaml(found, link.spaces) if yaml else "\n".join(tree(found)), nl=not yaml)
                if is_cut:
                    typer.echo(f"There are more than {MOST_NODES} nodes: begin further down, with --under.", err=True)
            finally:
                await link.close(5)

        asyncio.run(ask())
        return 0

    finish(lambda: _said(body))


@opcua.command()
def trust(
    url: Url,
    out: Annotated[Path | None, typer.Option(help="Write its certificate to this file.", metavar="FILE")] = None,
) -> None:
    """Show what security a server offers and its certificate's fingerprint, and fetch the certificate for node.yaml.

    Compare the fingerprint with the one that the server's own page shows: whoever answers at that address could be
    anybody.
    """

    def body() -> int:
        _library()
        from holdfast.adapters.opcua.certificates import endpoints

        found = asyncio.run(endpoints(url))
        for line in sorted({f"security: {one.policy}, mode: {one.mode}" for one in found.ways}):
            typer.echo(line)
        if not found.certificate:
            return misused("the server shows no certificate", "it only speaks without security")
        typer.echo(f"certificate SHA-256: {found.fingerprint}")
        if out is not None:
            out.write_bytes(found.certificate)
            typer.echo(f"written to {out}: name it as `server_certificate`")
        return 0

    finish(lambda: _said(body))


@opcua.command()
def keys(
    folder: Annotated[Path, typer.Argument(help="Where the two files go.", metavar="FOLDER")],
    node: Annotated[str, typer.Option(help="The node's name: it becomes the application's URI.")],
) -> None:
    """Make this node's key and certificate for OPC UA. The server's administrator has to trust the certificate."""

    def body() -> int:
        _library()
        from holdfast.adapters.opcua.certificates import make_keys
        from holdfast.kernel.clock import SystemClock

        made = make_keys(folder, node, SystemClock())
        typer.echo(f"{made.certificate}: name it as `certificate`, and let the server trust it\n{made.key}: as `key`")
        return 0

    finish(lambda: _said(body))


def _said(body: Callable[[], int]) -> int:
    """A server's faults are said once, with what to do."""
    from holdfast.adapters.errors import AdapterError
    from holdfast.adapters.supervised import in_words

    try:
        return body()
    except AdapterError as error:
        return misused(*in_words(error))


def _library() -> None:
    from importlib.util import find_spec

    from holdfast.adapters.errors import ExtraMissing

    if find_spec("asyncua") is None:
        raise ExtraMissing("opcua")


def _link(url: str, user: str) -> "Link":
    from holdfast.adapters.errors import DeviceFaulted
    from holdfast.adapters.opcua.link import Link
    from holdfast.adapters.opcua.settings import OpcuaSettings

    password = typer.prompt("Password", hide_input=True) if user else ""
    settings = OpcuaSettings(url=url, devices={}, user=user, password=password)
    for where, said in settings.findings():
        if where != ("devices",):
            raise DeviceFaulted(said)
    return Link(settings, Path, "browse")
