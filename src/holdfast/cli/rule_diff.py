"""`holdfast rules diff OLD NEW`: what an edit changes, what it keeps in memory, and what it would have changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import typer

from holdfast.backtesting.accounts import AlertTold, replayed, sought
from holdfast.backtesting.differences import Difference, RuleChange, matched
from holdfast.backtesting.readings import Readings
from holdfast.cli.node_api import as_json
from holdfast.cli.watched import watched
from holdfast.cli.which_past import Wanted, past
from holdfast.cli.words import many, plain, table, when
from holdfast.kernel.clock import Clock
from holdfast.stream.rules import CompiledRule


def compared(
    old: Sequence[CompiledRule],
    new: Sequence[CompiledRule],
    wanted: Wanted,
    clock: Clock,
    difference: Difference,
    *,
    json: bool = False,
) -> Difference:
    """With the alerts that each would have raised over the past that is asked for."""
    with past(wanted, *sought([*old, *new]), clock) as readings, kept(readings) as again:
        a = replayed(old, watched(again(), "as it is", json=json), clock, records=False, to_end=True).report.alerts
        b = replayed(
            new, watched(again(), "as it shall be", json=json), clock, records=False, to_end=True
        ).report.alerts
        source = readings.name
    gone, fresh, same = matched(a, b)
    return msgspec.structs.replace(difference, source=source, gone=gone, new=fresh, same=same)


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


def show(difference: Difference, *, json: bool) -> int:
    """Print it; returns 1 when anything differs, as `diff` does."""
    typer.echo(as_json(difference) if json else "\n".join(_lines(difference)))
    return 1 if difference.rules or difference.gone or difference.new else 0


def _lines(found: Difference) -> list[str]:
    lines = list[str]()
    for one in found.rules:
        lines.append(f"{one.rule}: {one.what}")
        for key in one.keys:
            lines += [f"  - {key.key}: {plain(key.old)}"] if key.old is not None else []
            lines += [f"  + {key.key}: {plain(key.new)}"] if key.new is not None else []
        if one.what == "changed":
            lines.append(f"  {_kept_words(one)}")
    lines.append(f"unchanged: {', '.join(found.unchanged) or 'none'}")
    if found.source:
        counts = f"{many(found.same, 'alert')} as before, {len(found.gone):,} no more, {len(found.new):,} new"
        lines += ["", f"over {plain(found.source)}: {counts}"]
        head = ["", "rule", "device", "raised", "cleared", "message"]
        rows = [_row("-", one) for one in found.gone[:200]] + [_row("+", one) for one in found.new[:200]]
        lines += table([head, *rows]) if rows else []
    return lines


def _kept_words(one: RuleChange) -> str:
    if one.alarm_kept:
        return "a running node keeps its windows, alarms and timers"
    if one.window_kept:
        return "a running node keeps its windows; its alarms start anew"
    return "a running node starts it with empty windows and no alarm"


def _row(mark: str, one: AlertTold) -> list[str]:
    cleared = "-" if one.cleared is None else when(one.cleared)
    return [mark, one.rule, plain(one.device), when(one.raised), cleared, plain(one.message, 60)]
