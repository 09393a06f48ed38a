"""`holdfast rules backtest`: what rules would have done over the past."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import typer

from holdfast.backtesting.accounts import AlertTold, Ran, Report, RuleTold, replayed, sought
from holdfast.backtesting.readings import Readings
from holdfast.cli.alert_plot import picture, terminal
from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.watched import watched
from holdfast.cli.which_past import Wanted, past
from holdfast.cli.words import lasting, many, plain, table, when
from holdfast.kernel.clock import Clock
from holdfast.stream.rules import CompiledRule

TERMINAL = "term"
_SHOWN = 40


def backtest(
    rules: Sequence[CompiledRule], wanted: Wanted, plot: str, clock: Clock, *, listed: bool, json: bool
) -> int:
    """Print what would have fired, and draw it. Returns 0."""
    with past(wanted, *sought(rules), clock) as readings:
        ran = replayed(
            rules, watched(readings, "backtest", json=json), clock, records=bool(plot), to_end=_to_end(wanted)
        )
        if json:
            typer.echo(as_json(ran.report))
        else:
            typer.echo("\n".join(report_lines(ran.report, listed=listed)))
        if plot and ran.recorded is not None:
            _draw(plot, ran, readings, quiet=json)
    return 0


def _to_end(wanted: Wanted) -> bool:
    return wanted.file is None or bool(wanted.end)


def _draw(plot: str, ran: Ran, readings: Readings, *, quiet: bool) -> None:
    panels = [] if ran.recorded is None else ran.recorded.panels(ran.account)
    span = (readings.from_ns, readings.to_ns)
    if plot == TERMINAL:
        width, height = shutil.get_terminal_size((100, 40))
        typer.echo("\n".join(terminal(panels, *span, (width, height), colours=not quiet)))
        return
    try:
        Path(plot).write_bytes(picture(panels, *span, f"{readings.name}, {when(span[0])} to {when(span[1])}"))
    except OSError as error:
        raise Misused(
            f"{plot} can't be written: {error.strerror}", "give --plot another place, or --plot term"
        ) from error
    if not quiet:
        typer.echo(f"drawn: {plot}")


def report_lines(report: Report, *, listed: bool) -> list[str]:
    """The report as text."""
    read = f"{many(report.readings, 'reading')} of {report.series:,} series"
    pace = f"{report.readings / report.wall_s:,.0f} readings/s, {report.pace:,.0f} times as fast as they came"
    lines = [
        f"{plain(report.source)}: {read}, {when(report.from_ns)} to {when(report.to_ns)}",
        f"in {report.wall_s:.2f} s: {pace}",
    ]
    if report.rules:
        head = ["rule", "device", "alerts", "raised for", "longest", "first", "last", ""]
        lines += ["", *table([head, *map(_row, report.rules[:_SHOWN])], (2,))]
        if len(report.rules) > _SHOWN:
            lines.append(f"… and {len(report.rules) - _SHOWN:,} more (--json has all)")
    else:
        lines += ["", "No alert."]
    if listed:
        lines += ["", *_listed(report.alerts)]
    lines += [""] if report.results or report.commands or report.quiet or report.unread or report.notes else []
    for name, count in report.results.items():
        cut = report.cut_results.get(name, 0)
        lines.append(
            f"results  {name}: {count:,}" + (f", and {cut:,} of windows that were open at the end" if cut else "")
        )
    lines += [f"commands  {name}: {count:,} would have been sent" for name, count in report.commands.items()]
    lines += [f"never raised: {', '.join(report.quiet)}"] if report.quiet else []
    lines += [f"found nothing to read: {', '.join(report.unread)}"] if report.unread else []
    return lines + [f"note: {plain(note)}" for note in report.notes]


def _row(one: RuleTold) -> list[str]:
    still = "still raised" if one.still_raised else ""
    return [
        one.rule, plain(one.device), f"{one.alerts:,}", lasting(one.raised_s), lasting(one.longest_s), when(one.first),
        when(one.last), still,
    ]  # fmt: skip


def _listed(alerts: Sequence[AlertTold]) -> list[str]:
    head = ["raised", "cleared", "rule", "device", "message"]
    rows = [
        [when(a.raised), "-" if a.cleared is None else when(a.cleared), a.rule, plain(a.device), plain(a.message, 60)]
        for a in alerts[:1000]
    ]
    return table([head, *rows]) if rows else []
