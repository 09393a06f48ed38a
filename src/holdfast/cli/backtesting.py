"""`holdfast rules backtest`: what rules would have done over the past."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import typer

from holdfast.cli.alert_plot import Recorded, picture, terminal
from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.readings import Readings, Wants, several, watched
from holdfast.cli.which_past import Wanted, past
from holdfast.cli.words import lasting, many, plain, table, when
from holdfast.kernel.clock import Clock
from holdfast.model.series import Kind, Series
from holdfast.stream.plans import READINGS
from holdfast.stream.replaying import Account, Alert, Replay
from holdfast.stream.rules import CompiledRule

TERMINAL = "term"
_SHOWN = 40


class RuleTold(msgspec.Struct, frozen=True):
    """A rule's device in the report. Seconds; times ns UTC."""

    rule: str
    node: str
    device: str
    alerts: int
    raised_s: float
    longest_s: float
    first: int
    last: int
    still_raised: bool


class AlertTold(msgspec.Struct, frozen=True):
    """One alert."""

    rule: str
    node: str
    device: str
    severity: str
    raised: int
    cleared: int | None
    message: str
    values: dict[str, object]
    cut: bool


class Report(msgspec.Struct, frozen=True):
    """What came of a backtest. pace: how many times as fast as it once came; cpu_s: of this process, for the rules."""

    source: str
    from_ns: int
    to_ns: int
    readings: int
    series: int
    wall_s: float
    pace: float
    rules: list[RuleTold]
    results: dict[str, int]
    cut_results: dict[str, int]
    commands: dict[str, int]
    quiet: list[str]
    unread: list[str]
    notes: list[str]
    alerts: list[AlertTold]


@dataclass(frozen=True, slots=True)
class Ran:
    """One run. recorded: for pictures, when wanted."""

    account: Account
    report: Report
    recorded: Recorded | None


def chosen_rules(rules: Sequence[CompiledRule], name: str) -> list[CompiledRule]:
    """The rule of that name with those whose results it reads; all for no name.

    Raises:
        Misused: when there is none of that name.
    """
    if not name:
        return list(rules)
    by_name = {rule.name: rule for rule in rules}
    if name not in by_name:
        raise Misused(f"there is no rule `{name}`", f"there are {several(list(by_name))}")
    wanted, source = {name}, by_name[name].stage.source
    while source != READINGS and source in by_name and source not in wanted:
        wanted.add(source)
        source = by_name[source].stage.source
    return [rule for rule in rules if rule.name in wanted]


def sought(rules: Sequence[CompiledRule]) -> tuple[Wants, list[str]]:
    """The series that these rules read, as a test and as patterns."""
    metrics = {one.metric for rule in rules if rule.stage.source == READINGS for one in rule.stage.inputs}
    return wants_of(rules), [f"*/{metric}" for metric in sorted(metrics - {""})]


def wants_of(rules: Sequence[CompiledRule]) -> Wants:
    """Which series these rules read."""

    def wants(series: Series) -> bool:
        for rule in rules:
            if rule.stage.source != READINGS:
                continue
            for one in rule.stage.inputs:
                is_any = one.kind == "own" and rule.stage.reads_every
                if (series.metric if is_any else one.metric, one.is_text) != (series.metric, series.kind == Kind.TEXT):
                    continue
                if one.kind == "other" and one.device == series.device:
                    return True
                if one.kind == "own" and rule.matches(series.node, series.device, series.metric):
                    return True
        return False

    return wants


def replayed(
    rules: Sequence[CompiledRule], readings: Readings, clock: Clock, *, records: bool, to_end: bool, json: bool = False
) -> Ran:
    """Run the rules.

    to_end: time passes up to the end that was asked for, not only to the last reading; json: no bar is drawn
    """
    began = clock.monotonic()
    replay = Replay(rules, readings.catalogue, readings.node, readings.from_ns, readings.to_ns)
    recorded = Recorded(replay.engine, readings.from_ns, readings.to_ns) if records else None
    for batch in watched(readings, "backtest", json=json):
        replay.feed(batch)
    account = replay.finish(readings.to_ns if to_end else 0)
    wall = max(clock.monotonic() - began, 1e-9)
    span = ((account.last or 0) - (account.first or 0)) / 1e9
    counted = {key[0] for key in account.counts} | set(account.results)
    unread = replay.unread()
    quiet = [rule.name for rule in rules if rule.name not in counted and rule.name not in unread]
    told = [_told(key, count, account, readings.to_ns) for key, count in sorted(account.counts.items())]
    report = Report(
        readings.name, readings.from_ns, readings.to_ns, account.readings, readings.series, wall, span / wall, told,
        account.results, account.cut_results, account.commands, quiet, unread, readings.notes,
        [_alert(one) for one in account.alerts],
    )  # fmt: skip
    return Ran(account, report, recorded)


def _told(key: tuple[str, str, str], count: int, account: Account, end: int) -> RuleTold:
    mine = [a for a in account.alerts if (a.rule, a.node, a.device) == key]
    last = max(end, account.last or 0)
    lengths = [((last if a.cleared is None else a.cleared) - a.raised) / 1e9 for a in mine] or [0.0]
    first, newest = (mine[0].raised, mine[-1].raised) if mine else (0, 0)
    is_raised = bool(mine) and mine[-1].cleared is None
    return RuleTold(*key, count, max(sum(lengths), 0.0), max(*lengths, 0.0), first, newest, is_raised)


def _alert(one: Alert) -> AlertTold:
    return AlertTold(
        one.rule, one.node, one.device, one.severity, one.raised, one.cleared, one.message, one.values, one.open_end
    )


def backtest(
    rules: Sequence[CompiledRule], wanted: Wanted, plot: str, clock: Clock, *, listed: bool, json: bool
) -> int:
    """Print what would have fired, and draw it. Returns 0."""
    with past(wanted, *sought(rules), clock) as readings:
        ran = replayed(rules, readings, clock, records=bool(plot), to_end=_to_end(wanted), json=json)
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


@contextmanager
def kept(readings: Readings) -> Iterator[Callable[[], Readings]]:
    """The same readings several times: their batches are kept."""
    batches = list(readings.batches)

    def again() -> Readings:
        catalogue = type(readings.catalogue)()
        for one in readings.catalogue.since(0):
            catalogue.intern(one)
        return Readings(
            readings.name, readings.node, catalogue, readings.from_ns, readings.to_ns, iter(batches), readings.series,
            readings.notes,
        )  # fmt: skip

    yield again
