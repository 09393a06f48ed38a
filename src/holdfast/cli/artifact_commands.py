"""The commands over a node's artifacts, as typed: `holdfast artifact list|put|get|fetch|pin|remove`.

Exit codes: 0 all is well, 1 it couldn't be done in time, 2 wrong usage, or nothing to be asked.
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, finish

artifact = typer.Typer(help="Files that are named by their SHA-256: models, as a rule.", no_args_is_help=True)
Where = Annotated[str, typer.Argument(help="The node's settings, or https://HOST:PORT of its `api`.", metavar="NODE")]
Digest = Annotated[str, typer.Argument(help="SHA-256, as `put` printed it.", metavar="DIGEST")]
TokenFile = Annotated[Path | None, typer.Option(help="With a URL: a file with a bearer token.")]
Ca = Annotated[Path | None, typer.Option(help="With a URL: PEM file of the CA to trust.")]


@artifact.command("list")
def list_(where: Where, token_file: TokenFile = None, ca: Ca = None, json: Json = False) -> None:
    """What a node has, and what is on its way to it."""

    def body() -> int:
        from holdfast.cli.artifacts import node_at, show

        return show(node_at(where, token_file, ca), json=json)

    finish(body)


@artifact.command()
def put(
    where: Where,
    file: Annotated[Path, typer.Argument(help="What to publish.", metavar="FILE")],
    name: Annotated[str, typer.Option(help="What it's called in lists; absent = the file's name.")] = "",
    pin: Annotated[bool, typer.Option("--pin/--no-pin", help="Keep it whatever else comes.")] = True,
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """Publish a file at a node, for it and all below it. Prints the digest."""

    def body() -> int:
        from holdfast.cli.artifacts import node_at, publish

        return publish(node_at(where, token_file, ca), file, name or file.name, pin=pin)

    finish(body)


@artifact.command()
def get(
    where: Where,
    digest: Digest,
    file: Annotated[Path, typer.Argument(help="Where to put it.", metavar="FILE")],
    wait: Annotated[float, typer.Option(help="Seconds to wait where it isn't there yet, or the node isn't.")] = 60.0,
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """Have an artifact from a node, which has it from its parent where it must. Goes on where it was cut."""

    def body() -> int:
        from holdfast.cli.artifacts import download, node_at

        return download(node_at(where, token_file, ca), digest, file, wait)

    finish(body)


@artifact.command()
def fetch(
    where: Where,
    digest: Digest,
    wait: Annotated[float, typer.Option(help="Seconds to wait until it's there.")] = 0.0,
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """Have a node fetch an artifact from its parent and keep it, for a start without a link."""

    def body() -> int:
        from holdfast.cli.artifacts import have_fetched, node_at

        return have_fetched(node_at(where, token_file, ca), digest, wait)

    finish(body)


@artifact.command()
def pin(
    where: Where,
    digest: Digest,
    off: Annotated[bool, typer.Option("--off", help="It may go again when room is short.")] = False,
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """Keep an artifact whatever else comes."""

    def body() -> int:
        from holdfast.cli.artifacts import node_at, set_pin

        return set_pin(node_at(where, token_file, ca), digest, on=not off)

    finish(body)


@artifact.command()
def remove(where: Where, digest: Digest, token_file: TokenFile = None, ca: Ca = None) -> None:
    """Remove an artifact that isn't pinned from a node; nodes below keep theirs."""

    def body() -> int:
        from holdfast.cli.artifacts import drop, node_at

        return drop(node_at(where, token_file, ca), digest)

    finish(body)


def publish_model(
    where: Where,
    folder: Annotated[Path, typer.Argument(help="A model's folder: model.yaml and its files.", metavar="FOLDER")],
    pin: Annotated[bool, typer.Option("--pin/--no-pin", help="Keep it whatever else comes.")] = True,
    token_file: TokenFile = None,
    ca: Ca = None,
) -> None:
    """Publish a model's folder at a node, as one file. The same folder always has the same digest."""

    def body() -> int:
        from holdfast.cli.artifacts import node_at, publish_folder

        return publish_folder(node_at(where, token_file, ca), folder, pin=pin)

    finish(body)
