"""`holdfast sim`: a simulated site, a fleet of rooms, and real traffic recorded and replayed.

Exit codes: 0 all is well, 1 it couldn't be done, 2 wrong usage, 78 the scenario is wrong.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from holdfast.cli.sim import sim as rooms
from holdfast.kernel.errors import HoldfastError

T = TypeVar("T")
_SCENARIO = (".yaml", ".yml")
EXIT_CONFIG = 78


class _Group(TyperGroup):
    """`holdfast sim FILE.yaml` runs a scenario; options alone are those of `sim rooms`, as they've always been."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in front what goes without saying."""
        if args and args[0] not in self.commands and args[0] != "--help":
            is_scenario = any(arg.endswith(_SCENARIO) or arg.startswith("builtin:") for arg in args)
            args = ["run" if is_scenario or not args[0].startswith("-") else "rooms", *args]
        return super().parse_args(ctx, args)


sim = typer.Typer(help="A simulated site: holdfast sim SCENARIO.yaml", no_args_is_help=True, cls=_Group)
sim.command("rooms")(rooms)

Broker = Annotated[str, typer.Option(metavar="URL", help="mqtt://host:port or mqtts://host:port.")]
User = Annotated[str, typer.Option(help="User name at the broker.")]
Secret = Annotated[str, typer.Option(help="File with the password.")]
Ca = Annotated[str, typer.Option(help="PEM of the CA that signed the broker's certificate.")]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


@sim.command("run")
def run(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario's file, or builtin:plant.")],
    seconds: Annotated[float | None, typer.Option(min=0.001, help="Of the site's time; absent = until Ctrl-C.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, max=10_000, help="Site's seconds in a real one.")] = 1.0,
    node: Annotated[
        Path | None, typer.Option(help="Write settings of a node that reads the site there, and end.")
    ] = None,
    hash_: Annotated[
        bool, typer.Option("--hash", help="Open no socket: only tell the hash of what would be sent.")
    ] = False,
    start: Annotated[str | None, typer.Option(help="Begin at this time, instead of the scenario's `start`.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's.")] = None,
    json: Json = False,
) -> None:
    """Play a scenario: every device on the wire, until the time is over or Ctrl-C. One seed, the same bytes."""
    from holdfast.cli.simulating import Wish, hash_only, play, write_node

    wish = Wish(scenario, seconds, speed, start, seed, json)
    if node is not None:
        _do(lambda: write_node(wish, node))
    elif hash_:
        if seconds is None:
            raise typer.BadParameter("--hash needs --seconds: of how long?")
        _do(lambda: hash_only(wish))
    else:
        _do(lambda: asyncio.run(_interruptible(lambda stopping: play(wish, stopping))))


@sim.command("record")
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")],
    source: Annotated[str, typer.Option("--from", metavar="URL", help="mqtt://host:port of a broker or a node.")],
    topic: Annotated[list[str] | None, typer.Option(help="Filters to record; absent = #. May be given often.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Absent = until Ctrl-C.")] = None,
    username: User = "",
    password_file: Secret = "",
    ca: Ca = "",
    json: Json = False,
) -> None:
    """Record what a broker, or a node's own listener, passes on."""
    from holdfast.cli.taping import login, recorded

    where = login(source, username, password_file, ca)
    _do(
        lambda: asyncio.run(
            _interruptible(lambda stopping: recorded(where, topic or ["#"], file, seconds, stopping, json=json))
        )
    )


@sim.command("replay")
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A tape of `sim record`, or a CSV file with a time.")],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="mqtt://host:port of a broker or a node.")],
    speed: Annotated[str, typer.Option(help="1 = as recorded, 100 = a hundred times as fast, max.")] = "1",
    topic: Annotated[str, typer.Option(help="Of a CSV file's rows.")] = "",
    qos: Annotated[int | None, typer.Option(min=0, max=1, help="Absent = as recorded.")] = None,
    *,
    username: User = "",
    password_file: Secret = "",
    ca: Ca = "",
    json: Json = False,
) -> None:
    """Publish a recording again, with the pauses it came with."""
    from holdfast.cli.taping import login, pace_of, replayed

    where, pace = login(to, username, password_file, ca), pace_of(speed)
    _do(
        lambda: asyncio.run(
            _interruptible(lambda stopping: replayed(file, topic, where, pace, qos, stopping, json=json))
        )
    )


async def _interruptible(body: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """With an event that Ctrl-C and SIGTERM set."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return await body(stopping)


def _do(body: Callable[[], None]) -> None:
    from holdfast.kernel.documents import SettingsInvalid

    try:
        body()
    except SettingsInvalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(EXIT_CONFIG) from None
    except HoldfastError as error:
        said = str(error)
        typer.echo(said if not error.hint or error.hint in said else f"{said}: {error.hint}", err=True)
        raise typer.Exit(1) from None
