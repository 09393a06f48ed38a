"""`holdfast rules diff OLD NEW`: what an edit changes, what it keeps in memory, and what it would have changed."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer
import yaml

from holdfast.cli.backtesting import AlertTold, kept, replayed, sought
from holdfast.cli.node_api import as_json
from holdfast.cli.which_past import Wanted, past
from holdfast.cli.words import many, plain, table, when
from holdfast.kernel.clock import Clock
from holdfast.stream.rules import CompiledRule


class KeyChange(msgspec.Struct, frozen=True):
    """A key of a rule, before and after; None = wasn't there."""

    key: str
    old: str | None
    new: str | None


class RuleChange(msgspec.Struct, frozen=True):
    """One rule. what: added, removed, changed, moved (its words changed, not what it does).

    window_kept, alarm_kept: whether what it has in memory goes on
    """

    rule: str
    what: str
    window_kept: bool
    alarm_kept: bool
    keys: list[KeyChange]


class Difference(msgspec.Struct, frozen=True):
    """Two rule files. gone, new: alerts that only the old, only the new rules would have raised; same: both."""

    rules: list[RuleChange]
    unchanged: list[str]
    source: str = ""
    gone: list[AlertTold] = []
    new: list[AlertTold] = []
    same: int = 0


Named = dict[str, list[CompiledRule]]


def changes(
    old: Sequence[CompiledRule], new: Sequence[CompiledRule], texts: tuple[dict[str, object], dict[str, object]]
) -> tuple[list[RuleChange], list[str]]:
    """What changed, and the names of the rules that didn't. texts: the files' rules as YAML has them."""
    before, after = _named(old), _named(new)
    found, same = list[RuleChange](), list[str]()
    for name in dict.fromkeys([*before, *after]):
        a, b = before.get(name, []), after.get(name, [])
        if [rule.version for rule in a] == [rule.version for rule in b]:
            same.append(name)
            continue
        what = "added" if not a else "removed" if not b else "changed"
        windows = {rule.stage.signature for rule in a}
        shapes = {(rule.part, rule.shape) for rule in a}
        stays = bool(a) and bool(b)
        found.append(
            RuleChange(
                name,
                what,
                stays and all(rule.stage.signature in windows for rule in b),
                stays and all((rule.part, rule.shape) in shapes and rule.stage.signature in windows for rule in b),
                _keys(texts[0].get(name), texts[1].get(name)) if stays else [],
            )
        )
    return found, same


def _named(rules: Sequence[CompiledRule]) -> Named:
    found: Named = {}
    for rule in rules:
        found.setdefault(rule.name, []).append(rule)
    return found


def _keys(old: object, new: object) -> list[KeyChange]:
    a, b = (one if isinstance(one, dict) else {} for one in (old, new))
    keys = dict.fromkeys([*a, *b])
    return [KeyChange(str(k), _said(a.get(k)), _said(b.get(k))) for k in keys if _said(a.get(k)) != _said(b.get(k))]


def _said(value: object) -> str | None:
    if value is None:
        return None
    return " ".join(value.split()) if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def texts_of(path: Path) -> dict[str, object]:
    """The rules of a file that was loaded already, as YAML has them."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    found: dict[str, object] = {}
    for file in files:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
        found |= tree.get("rules", {}) if isinstance(tree, dict) else {}
    return found


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
        a = replayed(old, again(), clock, records=False, to_end=True, json=json).report.alerts
        b = replayed(new, again(), clock, records=False, to_end=True, json=json).report.alerts
        source = readings.name
    gone, fresh, same = _matched(a, b)
    return msgspec.structs.replace(difference, source=source, gone=gone, new=fresh, same=same)


def _matched(old: Sequence[AlertTold], new: Sequence[AlertTold]) -> tuple[list[AlertTold], list[AlertTold], int]:
    """Alerts of one rule and device that overlap in time are the same one."""
    by_key: dict[tuple[str, str, str], list[AlertTold]] = {}
    for one in new:
        by_key.setdefault((one.rule, one.node, one.device), []).append(one)
    gone, met = list[AlertTold](), set[int]()
    for one in old:
        partners = [b for b in by_key.get((one.rule, one.node, one.device), []) if _overlap(one, b)]
        met |= {id(b) for b in partners}
        if not partners:
            gone.append(one)
    return gone, [one for one in new if id(one) not in met], len(old) - len(gone)


def _overlap(a: AlertTold, b: AlertTold) -> bool:
    return (b.cleared is None or a.raised <= b.cleared) and (a.cleared is None or b.raised <= a.cleared)


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
