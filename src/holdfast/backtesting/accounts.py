"""An account of a backtest: what rules would have done over the past."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from holdfast.backtesting.errors import RuleUnknown
from holdfast.backtesting.readings import Readings, Wants
from holdfast.backtesting.recording import Recorded
from holdfast.kernel.clock import Clock
from holdfast.model.series import Kind, Series
from holdfast.stream.plans import READINGS
from holdfast.stream.replaying import Account, Alert, Replay
from holdfast.stream.rules import CompiledRule


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
        RuleUnknown: when there is none of that name.
    """
    if not name:
        return list(rules)
    by_name = {rule.name: rule for rule in rules}
    if name not in by_name:
        raise RuleUnknown(name, list(by_name))
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


def replayed(rules: Sequence[CompiledRule], readings: Readings, clock: Clock, *, records: bool, to_end: bool) -> Ran:
    """Run the rules. to_end: time passes up to the end that was asked for, not only to the last reading."""
    began = clock.monotonic()
    replay = Replay(rules, readings.catalogue, readings.node, readings.from_ns, readings.to_ns)
    recorded = Recorded(replay.engine, readings.from_ns, readings.to_ns) if records else None
    for batch in readings.batches:
        replay.feed(batch)
    account = replay.finish(readings.to_ns if to_end else 0)
    return Ran(account, told(rules, replay, readings, max(clock.monotonic() - began, 1e-9)), recorded)


def told(rules: Sequence[CompiledRule], replay: Replay, readings: Readings, wall_s: float) -> Report:
    """What came of a run that is over."""
    account = replay.account
    span = ((account.last or 0) - (account.first or 0)) / 1e9
    counted = {key[0] for key in account.counts} | set(account.results)
    unread = replay.unread()
    quiet = [rule.name for rule in rules if rule.name not in counted and rule.name not in unread]
    rows = [_told(key, count, account, readings.to_ns) for key, count in sorted(account.counts.items())]
    return Report(
        readings.name, readings.from_ns, readings.to_ns, account.readings, readings.series, wall_s, span / wall_s, rows,
        account.results, account.cut_results, account.commands, quiet, unread, readings.notes,
        [_alert(one) for one in account.alerts],
    )  # fmt: skip


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
