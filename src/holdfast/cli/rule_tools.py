"""The commands over rules, as typed: `holdfast rules check|test|explain|backtest|diff`.

Exit codes: 0 all is well, 1 a trace came otherwise or two files differ, 2 wrong usage, 78 a file is wrong.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from holdfast.cli.core import Json, finish, misused
from holdfast.kernel.documents import SettingsInvalid

if TYPE_CHECKING:
    from holdfast.cli.which_past import Wanted

rules = typer.Typer(help="Rules: check them, test them, ask them, try them on the past.", no_args_is_help=True)
EXIT_CONFIG = 78  # sysexits.h
Files = Annotated[list[Path], typer.Argument(help="Rule files, or folders of *.yaml.", metavar="FILE…")]
RuleFile = Annotated[Path, typer.Argument(help="A rule file, or a folder of *.yaml.", metavar="FILE")]
Start = Annotated[str, typer.Option("--from", help="ISO 8601, unix seconds, or back from now, as in -7d.")]
End = Annotated[str, typer.Option("--to", help="Likewise.")]
Node = Annotated[str, typer.Option("--node", help="NODE.YAML or URL. Else HOLDFAST_NODE, or the one in this folder.")]
Data = Annotated[Path | None, typer.Option("--data", help="A node's data folder, without its settings.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="A CSV file, packed or not.")]
Parquet = Annotated[Path | None, typer.Option("--parquet", help="A Parquet file.")]
Device = Annotated[str, typer.Option("--device", help="Of a file without a column `device`: whose readings it has.")]
Column = Annotated[list[str] | None, typer.Option("--column", help="Of a wide file: COLUMN=METRIC[:UNIT].")]
TokenFile = Annotated[Path | None, typer.Option(help="With a URL: a file with a bearer token.")]
Ca = Annotated[Path | None, typer.Option(help="With a URL: PEM file of the CA to trust.")]


@rules.command()
def check(
    files: Files,
    period: Annotated[str, typer.Option(help="How often devices send, as in 10s: finds windows too short.")] = "",
    json: Json = False,
) -> None:
    """Say what rules do and what they cost; every problem with file and line. Exit 78: there are some."""

    def body() -> int:
        from holdfast.cli.rule_files import check_files
        from holdfast.kernel.scalars import parse_duration

        try:
            seconds = parse_duration(period) if period else 0.0
        except ValueError as error:
            return misused(f"--period {period}: {error}", "as in --period 10s")
        return check_files(files, round(seconds * 1e9), json=json)

    finish_checked(body)


@rules.command("test")
def try_(
    files: Annotated[list[Path], typer.Argument(help="Golden traces, or folders of *.trace.", metavar="FILE|DIR…")],
    splits: Annotated[int, typer.Option(min=0, max=1000, help="How often to run it in other batches, too.")] = 5,
    restarts: Annotated[bool, typer.Option("--restarts", help="Restart the engine after every message, too.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Write what came into the traces.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML there, for a build server.")] = None,
    json: Json = False,
) -> None:
    """Run golden traces through the real engine. Exit 1: something came otherwise. See docs/how-to/rules.md."""

    def body() -> int:
        from holdfast.cli.rule_files import test_traces

        return test_traces(files, splits, junit, restarts=restarts, update=update, json=json)

    finish_checked(body)


@rules.command()
def backtest(
    file: RuleFile,
    *,
    rule: Annotated[str, typer.Option(help="Only this rule.")] = "",
    start: Start = "",
    end: End = "",
    node: Node = "",
    data: Data = None,
    csv: Csv = None,
    parquet: Parquet = None,
    device: Device = "",
    column: Column = None,
    plot: Annotated[str, typer.Option(help="Draw it: a PNG's path, or `term` for the terminal.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="Print every alert.")] = False,
    token_file: TokenFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """What the rules would have done over the past: of a node (the last day, unless --from), or of a file."""

    def body() -> int:
        from holdfast.backtesting.accounts import chosen_rules
        from holdfast.cli.backtesting import backtest as run
        from holdfast.cli.rule_files import loaded
        from holdfast.kernel.clock import SystemClock

        wanted = _wanted(start, end, node, data, csv or parquet, device, column, token_file, ca)
        return run(chosen_rules(loaded([file]), rule), wanted, plot, SystemClock(), listed=listed, json=json)

    finish_checked(body)


@rules.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Rules as they are.", metavar="OLD")],
    new: Annotated[Path, typer.Argument(help="Rules as they shall be.", metavar="NEW")],
    *,
    start: Start = "",
    end: End = "",
    node: Node = "",
    data: Data = None,
    csv: Csv = None,
    parquet: Parquet = None,
    device: Device = "",
    column: Column = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """What an edit changes and what it keeps in memory; with a past, which alerts come and go. Exit 1: they differ."""

    def body() -> int:
        from holdfast.backtesting.differences import Difference, changes, texts_of
        from holdfast.cli import rule_diff
        from holdfast.cli.rule_files import loaded
        from holdfast.kernel.clock import SystemClock

        before, after = loaded([old]), loaded([new])
        changed, same = changes(before, after, (texts_of(old), texts_of(new)))
        found = Difference(changed, same)
        if start or end or node or data or csv or parquet:
            wanted = _wanted(start, end, node, data, csv or parquet, device, column, token_file, ca)
            found = rule_diff.compared(before, after, wanted, SystemClock(), found, json=json)
        return rule_diff.show(found, json=json)

    finish_checked(body)


@rules.command()
def explain(
    what: Annotated[str, typer.Argument(help="A rule's name, or an event's id.", metavar="RULE|EVENT")],
    *,
    file: Annotated[list[Path] | None, typer.Option("--rules", help="Rule files; else those of the node.")] = None,
    device: Annotated[str, typer.Option(help="How the rule stands for this device; `*` for all.")] = "",
    at: Annotated[str, typer.Option(help="How it stood then: ISO 8601, or back from now, as in -2h.")] = "",
    node: Node = "",
    data: Data = None,
    csv: Csv = None,
    parquet: Parquet = None,
    column: Column = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """A rule in plain words, how it stands for a device (from the readings before --at), or why an event came."""

    def body() -> int:
        from holdfast.cli.explained import Asked, answer
        from holdfast.kernel.clock import SystemClock

        wanted = _wanted("", "", node, data, csv or parquet, "" if device == "*" else device, column, token_file, ca)
        return answer(Asked(what, file or [], device, at), wanted, SystemClock(), json=json)

    finish_checked(body)


def _wanted(  # noqa: PLR0917 - as typed
    start: str, end: str, node: str, data: Path | None, file: Path | None, device: str, column: list[str] | None,
    token_file: Path | None, ca: Path | None,
) -> "Wanted":  # fmt: skip
    from holdfast.cli.which_past import Wanted

    return Wanted(start, end, node, data, file, device, tuple(column or ()), token_file, ca)


def finish_checked(body: Callable[[], int]) -> NoReturn:
    """As `core.finish`; a wrong rule file has an exit code of its own."""

    def guarded() -> int:
        try:
            return body()
        except SettingsInvalid as invalid:
            typer.echo(str(invalid), err=True)
            return EXIT_CONFIG

    finish(guarded)
