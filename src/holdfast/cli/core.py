"""The commands over a node's durable core, as typed: `status`, `ledger`, `quarantine …`, `journal …`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
The bodies load what they need when they run: `holdfast run` passes through here, too, and must be quick.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from holdfast.kernel.errors import HoldfastError

USAGE = 2
NodeFile = Annotated[Path, typer.Argument(help="The node's settings.", metavar="NODE.YAML")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Only messages refused for this reason, as in `stale`.")]
Topic = Annotated[str, typer.Option(help="Only of these topics: `+` one level, `#` all below, `*` any text.")]
SourceName = Annotated[str, typer.Option("--source", help="Only from this client.")]
Since = Annotated[str, typer.Option(help="Only received since then: -1h, 2026-05-01T12:00Z, or unix seconds.")]

quarantine = typer.Typer(help="Messages that could not become readings.", no_args_is_help=True)
journal = typer.Typer(help="The journal's file.", no_args_is_help=True)


def status(
    settings: Annotated[Path | None, typer.Argument(help="The node's settings.", metavar="[NODE.YAML]")] = None,
    data: Annotated[Path | None, typer.Option(help="Read the journal in this folder, without settings.")] = None,
    url: Annotated[str, typer.Option(help="Ask the node at this address.")] = "",
    token_file: Annotated[Path | None, typer.Option(help="With --url: a file with a bearer token.")] = None,
    ca: Annotated[Path | None, typer.Option(help="With --url: PEM file of the CA to trust.")] = None,
    json: Json = False,
) -> None:
    """A node at a glance, from the running node or from its journal. Exit 1: the journal takes no writes."""

    def body() -> int:
        from holdfast.cli.node_api import api_at, find, settings_of
        from holdfast.cli.status import at_folder, show_status

        if [settings is not None, data is not None, bool(url)].count(True) != 1:
            return misused("give one of: NODE.YAML, --data DIR, --url URL", "as in `holdfast status node.yaml`")
        if settings is not None:
            return show_status(find(settings_of(settings)), json=json)
        if data is not None:
            return show_status(at_folder(data), json=json)
        return show_status(api_at(url, token_file, ca), json=json)

    finish(body)


def ledger(
    settings: NodeFile,
    json: Json = False,
    verify: Annotated[bool, typer.Option("--verify", help="Count the rows that are really in the file.")] = False,
) -> None:
    """Where every message and row is, and whether that's all of them. Exit 1: it doesn't balance."""

    def body() -> int:
        from holdfast.cli.ledger import show_ledger
        from holdfast.cli.node_api import find, settings_of

        return show_ledger(find(settings_of(settings)), json=json, verify=verify)

    finish(body)


@quarantine.command("list")
def list_(
    settings: NodeFile,
    reason: Reason = "",
    topic: Topic = "",
    source: SourceName = "",
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the latest.")] = 20,
    json: Json = False,
) -> None:
    """The latest refused messages, newest first."""

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.quarantine import chosen, show_list
        from holdfast.kernel.clock import SystemClock

        wanted = chosen(reason, topic, source, since, "", SystemClock().wall_ns())
        return show_list(find(settings_of(settings)), wanted, limit, json=json)

    finish(body)


@quarantine.command()
def show(
    settings: NodeFile,
    number: Annotated[int, typer.Argument(help="Which, as `list` shows it.", metavar="ID", min=1)],
    json: Json = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the payload's bytes and nothing else.")] = False,
) -> None:
    """One refused message with its bytes, and what today's profiles say about it.

    A running node judges with the profiles it has loaded; a stopped one's are read from its settings.
    """

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.quarantine import show_one

        return show_one(find(settings_of(settings)), settings, number, json=json, raw=raw)

    finish(body)


@quarantine.command()
def replay(
    settings: NodeFile,
    ids: Annotated[str, typer.Option(help="Only these, as in 3,5,8.")] = "",
    reason: Reason = "",
    topic: Topic = "",
    source: SourceName = "",
    since: Since = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")] = False,
    json: Json = False,
) -> None:
    """Decode refused messages again and store what decodes now; without filters, all of them.

    Mend the profile, restart the node, replay: a running node decodes with the profiles it loaded when it started. A
    stopped node's journal is opened by this command, with the profiles as they are in the files. Each message is
    stored at most once, however often this runs. Rules don't see replayed readings: an alert about the past can't be
    acted on.
    """

    def body() -> int:
        from holdfast.cli.node_api import find, settings_of
        from holdfast.cli.quarantine import chosen
        from holdfast.cli.quarantine import replay as replay_now
        from holdfast.kernel.clock import SystemClock

        clock = SystemClock()
        wanted = chosen(reason, topic, source, since, ids, clock.wall_ns())
        return replay_now(find(settings_of(settings)), settings, wanted, clock, dry_run=dry_run, json=json)

    finish(body)


@journal.command()
def scan(
    settings: NodeFile,
    repair: Annotated[
        bool, typer.Option("--repair", help="Turn damaged groups into gaps; the node must be stopped.")
    ] = False,
    json: Json = False,
) -> None:
    """Verify every group in the journal's file. Exit 1: something is damaged, after a repair: still.

    Without --repair nothing is changed, and the node may run.
    """

    def body() -> int:
        from holdfast.cli.journal import show_scan
        from holdfast.cli.node_api import file_of, settings_of
        from holdfast.kernel.clock import SystemClock

        file = file_of(settings_of(settings), "a scan reads the file")
        return show_scan(file, SystemClock(), repair=repair, json=json)

    finish(body)


def finish(body: Callable[[], int]) -> NoReturn:
    """Run a command's body and end with its exit code; an error is said with what to do."""
    try:
        code = body()
    except HoldfastError as error:
        code = misused(str(error), error.hint)
    raise typer.Exit(code)


def misused(sentence: str, hint: str) -> int:
    """Say what is wrong with what was typed; returns the exit code."""
    typer.echo(sentence + (f"\n{hint}" if hint else ""), err=True)
    return USAGE
