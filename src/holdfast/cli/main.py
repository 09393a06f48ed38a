"""The `holdfast` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast import __version__
from holdfast.cli.demo import demo
from holdfast.cli.sim import sim
from holdfast.kernel.documents import SettingsInvalid
from holdfast.kernel.errors import HoldfastError

app = typer.Typer(
    name="holdfast",
    help="An edge data platform: device gateway, regional node and cloud hub in one program.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

# sysexits.h: 78 configuration, 74 input/output, 69 unavailable
EXIT_CONFIG, EXIT_IO, EXIT_UNAVAILABLE = 78, 74, 69

NodeFile = Annotated[Path, typer.Argument(help="The node's settings.", metavar="NODE.YAML")]


@app.command()
def run(settings: NodeFile) -> None:
    """Run a node until SIGTERM or Ctrl-C."""
    from holdfast.node.running import run_node
    from holdfast.node.settings import read_plan

    try:
        outcome = run_node(read_plan(settings))
    except SettingsInvalid as invalid:
        _fail(str(invalid), EXIT_CONFIG)
    except HoldfastError as error:
        _fail(f"{error}" + (f"\n{error.hint}" if error.hint else ""), EXIT_UNAVAILABLE)
    raise typer.Exit(0 if outcome is None else EXIT_IO)


@app.command()
def check(settings: NodeFile) -> None:
    """Check a node's settings, profiles and rules without starting anything."""
    from holdfast.node.settings import read_plan

    try:
        plan = read_plan(settings)
    except SettingsInvalid as invalid:
        _fail(str(invalid), EXIT_CONFIG)
    typer.echo(f"{settings}: good; {len(plan.profiles)} profiles, {len(plan.rules)} rules")


app.command()(demo)
app.command()(sim)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"holdfast {__version__}")


def _fail(message: str, code: int) -> None:
    typer.echo(message, err=True)
    sys.exit(code)
