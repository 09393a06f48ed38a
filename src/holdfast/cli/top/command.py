"""`holdfast top`, as typed."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import finish, misused


class Shown(StrEnum):
    """Which view to begin with."""

    OVERVIEW = "overview"
    DEVICES = "devices"
    ALERTS = "alerts"
    RULES = "rules"
    SYNC = "sync"


def top(
    settings: Annotated[Path | None, typer.Argument(help="The node's settings.", metavar="[NODE.YAML]")] = None,
    url: Annotated[str, typer.Option(help="Look at the node at this address.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="With --url: a file with a bearer token.")] = None,
    ca: Annotated[Path | None, typer.Option(help="With --url: PEM file of the CA to trust.")] = None,
    view: Annotated[Shown, typer.Option(help="Which view to begin with.")] = Shown.OVERVIEW,
    by: Annotated[str, typer.Option(help="Who acknowledges; else the user's name.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
) -> None:
    """A running node on the terminal, live: rates, backlog, alerts, devices, rules, link. Keys: press ?.

    Exit codes: 0 after q, 2 nothing to be asked, 130 after Ctrl-C, 143 after SIGTERM.
    """

    def body() -> int:
        from holdfast.cli.node_api import api_at, api_of, settings_of
        from holdfast.cli.top.run import once as print_once
        from holdfast.cli.top.run import show
        from holdfast.cli.top.state import View
        from holdfast.cli.where import at_hand
        from holdfast.kernel.clock import SystemClock

        if settings is not None and url:
            return misused("give NODE.YAML or --url, not both", "as in `holdfast top node.yaml`")
        place = url or (str(settings) if settings is not None else at_hand())
        api = api_at(place, token_file, ca) if "://" in place else api_of(settings_of(Path(place)))
        if api is None:
            return misused("there is no `api:` with a fixed port in node.yaml", 'set `api: {listen: "127.0.0.1:8080"}`')
        first, clock = View[view.name], SystemClock()
        return print_once(api, first, clock) if once else show(api, first, by, clock)

    finish(body)
