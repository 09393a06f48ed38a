"""Which rule or event `holdfast rules explain` is asked for, and of which past."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from holdfast.backtesting.accounts import chosen_rules
from holdfast.backtesting.differences import texts_of
from holdfast.cli.explaining import event_lines, find_event, lookback, show_rule
from holdfast.cli.node_api import Misused, as_json, settings_of
from holdfast.cli.rule_files import loaded
from holdfast.cli.where import at_hand, open_node
from holdfast.cli.which_past import Wanted, time_of
from holdfast.kernel.clock import Clock

_EVENT = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Asked:
    """As typed."""

    what: str
    files: Sequence[Path]
    device: str
    at: str


def answer(asked: Asked, wanted: Wanted, clock: Clock, *, json: bool) -> int:
    """Print it; returns 0.

    Raises:
        SettingsInvalid, Misused, StorageError: when rules, event or past can't be found.
    """
    files = [*asked.files] or (_files(wanted) if not _is_event(asked, []) else [])
    texts: dict[str, object] = {}
    for file in files:
        texts |= texts_of(file)
    if _is_event(asked, texts):
        event = find_event(open_node(wanted.node or at_hand(), wanted.token_file, wanted.ca), asked.what)
        typer.echo(as_json(event) if json else "\n".join(event_lines(event)))
        return 0
    rules = chosen_rules(loaded(files), asked.what)
    text = texts.get(asked.what)
    looks = bool(asked.device or asked.at)
    now = clock.wall_ns()
    parts = [rule for rule in rules if rule.name == asked.what]
    there = None
    if looks:
        at = time_of("--at", asked.at or "now", now)
        start = "" if wanted.file is not None else str((at - max(map(lookback, parts))) / 1e9)
        end = "" if wanted.file is not None and not asked.at else str((at + 1) / 1e9)
        there = Wanted(start, end, wanted.node, wanted.data, wanted.file, wanted.device, wanted.columns,
                       wanted.token_file, wanted.ca)  # fmt: skip
    device = "" if asked.device == "*" else asked.device
    return show_rule(rules, asked.what, text if isinstance(text, dict) else {}, there, device, clock, json=json)


def _is_event(asked: Asked, names: object) -> bool:
    is_known = isinstance(names, dict) and asked.what in names
    return _EVENT.fullmatch(asked.what) is not None and not is_known


def _files(wanted: Wanted) -> list[Path]:
    name = wanted.node or at_hand()
    if "://" in name:
        raise Misused("a URL has no rule files", "name them with --rules")
    plan = settings_of(Path(name))
    made = plan.rule_sources.page_files()
    if not plan.settings.rules and not made:
        raise Misused(f"{name} names no rules", "name the files with --rules")
    return [*plan.rule_files, *made]
