"""`holdfast tail`, as typed. Exit codes: 0 asked to end, 2 wrong usage, or no node answers (any more)."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, finish, misused


def tail(
    node: Annotated[str, typer.Argument(help="NODE.YAML or URL; may be left out.", metavar="[NODE]")] = "",
    *,
    series: Annotated[list[str] | None, typer.Option(help="Only these, as in press-*/temp. May be repeated.")] = None,
    device: Annotated[str, typer.Option(help="Only of this device; `*` stands for any text.")] = "",
    events: Annotated[bool, typer.Option("--events", help="What rules decide, as it's decided.")] = False,
    alerts: Annotated[bool, typer.Option("--alerts", help="Open alerts, and what becomes of them.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="The node's log, the last lines first.")] = False,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="End after so many lines; 0 = never.")] = 0,
    json: Json = False,
    token_file: Annotated[Path | None, typer.Option(help="With a URL: a file with a bearer token.")] = None,
    ca: Annotated[Path | None, typer.Option(help="With a URL: PEM file of the CA to trust.")] = None,
) -> None:
    """Readings as they come; with --events, --alerts or --logs those, and readings only where --series asks."""

    def body() -> int:
        from holdfast.cli.node_api import Api
        from holdfast.cli.tail import Wanted, show_tail
        from holdfast.cli.where import at_hand, open_node
        from holdfast.kernel.clock import SystemClock

        asked = open_node(node or at_hand(), token_file, ca)
        if not isinstance(asked, Api):
            return misused("only a running node tells what comes", asked.why)
        chosen = {"events": events, "alerts": alerts, "logs": logs}
        topics = frozenset(name for name, is_wanted in chosen.items() if is_wanted)
        wanted = Wanted(tuple(series or ()), device, bool(series) or not topics, topics)
        return show_tail(asked, wanted, SystemClock(), count=count, json=json)

    finish(body)
