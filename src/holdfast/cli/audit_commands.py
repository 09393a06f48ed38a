"""The commands over what a node can prove, as typed: `holdfast audit …`.

Exit codes: 0 all is well, 1 something was tampered with or lies where it mustn't, 2 wrong usage, or nothing to ask.
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

audit = typer.Typer(help="What a node can prove.", no_args_is_help=True)
Who = Annotated[str, typer.Option(help="Only what this person did.")]
Kind = Annotated[str, typer.Option(help="Only of this kind, as in `rules` or `silences`.")]
From = Annotated[str, typer.Option("--from", help="Only since then: -30d, 2026-05-01, or unix seconds.")]
To = Annotated[str, typer.Option("--to", help="Only up to then.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="At most so many, the newest.")]


@audit.command()
def residency(
    settings: NodeFile,
    json: Json = False,
    since: Annotated[str, typer.Option("--from", help="Only days since then: -30d, 2026-05-01, or unix seconds.")] = "",
    until: Annotated[str, typer.Option("--to", help="Only days up to then.")] = "",
) -> None:
    """What stayed, what left in its place and why. Exit 1: the register is broken, or rows lie where they mustn't."""

    def body() -> int:
        from holdfast.cli.audit import show_residency
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        return show_residency(find(settings_of(settings)), since, until, SystemClock().wall_ns(), json=json)

    finish(body)


@audit.command("list")
def list_(
    settings: NodeFile,
    who: Who = "",
    kind: Kind = "",
    since: From = "",
    until: To = "",
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """What people did and tried, newest first. Exit 1: the log was tampered with."""

    def body() -> int:
        from holdfast.cli.audit_lines import show_lines
        from holdfast.cli.node_api import find, settings_of

        return show_lines(find(settings_of(settings)), (who, kind, since, until), limit, json=json)

    finish(body)


audit.command("people")(list_)


@audit.command()
def verify(settings: NodeFile, json: Json = False) -> None:
    """Check the chain of what people did and tried. Exit 1: it was tampered with.

    Reads the journal's file, so that it needs nobody's word; the node may run.
    """

    def body() -> int:
        from holdfast.cli.audit_lines import show_verdict
        from holdfast.cli.node_api import file_of, settings_of

        return show_verdict(file_of(settings_of(settings), "a check reads the file"), json=json)

    finish(body)


@audit.command()
def export(
    settings: NodeFile,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
    who: Who = "",
    kind: Kind = "",
    since: From = "",
    until: To = "",
) -> None:
    """Print what people did and tried as JSON lines, oldest first. Exit 1: the log was tampered with.

    A line is a row as it's stored, with its chain, so that somebody else can check them; `who`, `kind`, `--from` and
    `--to` leave rows out, and with them that proof. Reads the journal's file; the node may run.
    """

    def body() -> int:
        from holdfast.cli.audit_lines import export_rows
        from holdfast.cli.node_api import file_of, settings_of

        return export_rows(file_of(settings_of(settings), "an export reads the file"), out, (who, kind, since, until))

    finish(body)
