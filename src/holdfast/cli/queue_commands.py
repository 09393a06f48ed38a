"""The commands over a node's queues, as typed: `holdfast queue list|dead|replay|drop`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
"""

from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

queue = typer.Typer(help="Messages of applications.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The queue's name.", metavar="QUEUE")]
Ids = Annotated[str, typer.Option(help="Only these, as in 3,5,8.")]


@queue.command("list")
def list_(settings: NodeFile, json: Json = False) -> None:
    """What came, what is done, what waits and what is dead, by queue. Exit 1: it doesn't add up."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.queues import show_queues
        from holdfast.kernel.clock import SystemClock

        return show_queues(find(settings_of(settings)), SystemClock(), json=json)

    finish(body)


@queue.command()
def dead(
    settings: NodeFile,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the oldest.")] = 20,
    bodies: Annotated[bool, typer.Option("--bodies", help="Print what is in them, too.")] = False,
    json: Json = False,
) -> None:
    """Messages that no consumer gets any more, and why. Exit 1: there are some."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.queues import show_dead

        return show_dead(find(settings_of(settings)), name, limit, json=json, bodies=bodies)

    finish(body)


@queue.command()
def replay(settings: NodeFile, name: Name, ids: Ids = "") -> None:
    """Deliver dead letters again, all or some, as if for the first time."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.queues import numbers, replay_dead
        from holdfast.kernel.clock import SystemClock

        return replay_dead(find(settings_of(settings)), name, numbers(ids), SystemClock())

    finish(body)


@queue.command()
def drop(
    settings: NodeFile,
    name: Name,
    ids: Ids = "",
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter of the queue.")] = False,
) -> None:
    """Throw dead letters away for good; they stay counted."""

    def body() -> int:
        from holdfast.cli.node_api import Misused, find, settings_of
        from holdfast.cli.queues import drop_dead, numbers
        from holdfast.kernel.clock import SystemClock

        if bool(ids) == all_:
            raise Misused("which of them?", "give --ids 3,5,8 or --all: what is dropped is gone")
        return drop_dead(find(settings_of(settings)), name, numbers(ids), SystemClock())

    finish(body)
