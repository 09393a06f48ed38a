"""`holdfast codec …`, as typed. Exit codes as in `core`; the bodies load what they need when they run."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, finish

codec = typer.Typer(help="LoRaWAN devices' JavaScript codecs.", no_args_is_help=True)
Limit = Annotated[float, typer.Option("--limit-ms", help="CPU time for one call, ms.", min=1, max=10_000)]


@codec.command("test")
def try_examples(
    folder: Annotated[Path, typer.Argument(help="Scripts and lines of examples (*.jsonl, *.jsonl.gz).", metavar="DIR")],
    json: Json = False,
    limit_ms: Limit = 250,
    verbose: Annotated[bool, typer.Option("--all", help="Also list the codecs in which all is well.")] = False,
) -> None:
    """Run vendors' scripts against their examples. Exit 1: one isn't as it should be; 2: nothing could be run."""

    def body() -> int:
        from holdfast.cli.codecs import show_test

        return show_test(folder, limit_ms / 1000, json=json, verbose=verbose)

    finish(body)


@codec.command()
def run(
    script: Annotated[Path, typer.Argument(help="The script.", metavar="SCRIPT")],
    port: Annotated[int, typer.Option(help="The uplink's FPort.", min=0, max=255)],
    payload: Annotated[str, typer.Option("--bytes", help="The payload in hex.")],
    json: Json = False,
    limit_ms: Limit = 250,
) -> None:
    """What a script makes of one uplink, and which readings that gives. Exit 1: it gives none."""

    def body() -> int:
        from holdfast.cli.codecs import show_run

        return show_run(script, port, payload, limit_ms / 1000, json=json)

    finish(body)
