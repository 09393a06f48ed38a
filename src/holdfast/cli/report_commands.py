"""`holdfast trace` and `holdfast support-bundle`, as typed.

Exit codes: 0 all is well, 1 nothing was found, 2 wrong usage, or nothing to be asked.
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish, misused


def trace(
    settings: NodeFile,
    number: Annotated[str, typer.Argument(help="The trace's id; an alert's is its event's id.", metavar="[ID]")] = "",
    series: Annotated[str, typer.Option(help="Only of series with this in their name.")] = "",
    last: Annotated[bool, typer.Option("--last", help="The newest one.")] = False,
    kind: Annotated[str, typer.Option(help="Only `reading` or `alert`.")] = "",
    also: Annotated[
        list[Path] | None, typer.Option("--with", help="Look at this node, too: another NODE.YAML.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """The way of a reading or an alert, from its device to the hub; without ID and --last, which there are.

    A hub asks the node that it came from for the steps there; a node knows nothing of those above it.
    """

    def body() -> int:
        from holdfast.cli.traces import show_trace
        from holdfast.reporting.questions import TracesWanted

        if kind not in ("", "reading", "alert"):
            return misused(f"--kind {kind} is not allowed", "reading or alert")
        wanted = TracesWanted(series=series, kind=kind, limit=limit)
        return show_trace([settings, *(also or [])], number.strip().lower(), wanted, last=last, json=json)

    finish(body)


def support_bundle(
    settings: NodeFile,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file: .tar.zst or .zip; it must not be there yet.")
    ] = None,
) -> None:
    """All that somebody needs who helps, in one file, without secrets; of a running node or a stopped one."""

    def body() -> int:
        from holdfast.cli.bundle import default_target, make_bundle
        from holdfast.cli.node_api import settings_of
        from holdfast.kernel.clock import SystemClock

        clock, plan = SystemClock(), settings_of(settings)
        target = output or default_target(plan.settings.node, clock)
        if not target.name.endswith((".tar.zst", ".zip")):
            return misused(f"{target} is no kind of file that can be made", "name it .tar.zst or .zip")
        return make_bundle(plan, settings, target, clock)

    finish(body)
