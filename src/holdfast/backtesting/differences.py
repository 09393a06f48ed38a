"""What an edit changes, what it keeps in memory, and which alerts come and go by it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml

from holdfast.backtesting.accounts import AlertTold
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


def matched(old: Sequence[AlertTold], new: Sequence[AlertTold]) -> tuple[list[AlertTold], list[AlertTold], int]:
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
