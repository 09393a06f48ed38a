"""`holdfast audit residency`: what stayed, what left instead and why, and whether anything is where it must not be."""

from datetime import UTC, datetime, timedelta
from functools import partial

import typer

from holdfast.cli.node_api import LONG_S, Api, File, as_json
from holdfast.cli.progress import waiting
from holdfast.cli.words import many, plain, table, when
from holdfast.journal.journal import load_catalogue
from holdfast.journal.register import DAY_NS
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.lane import Lane
from holdfast.node.residency import policy_of
from holdfast.residency.report import Change, Day, Misplaced, Report, report
from holdfast.residency.settings import findings
from holdfast.web.errors import Refused
from holdfast.web.times import parse_time

COLUMNS = ("stayed", "pseudonymised", "aggregated", "aggregates", "suppressed", "alerts", "redacted", "refused")
_PARTS = {
    "suppressed": ("suppressed_too_few", "suppressed_mixed"),
    "alerts": ("alerts_stayed",),
    "redacted": ("alerts_redacted",),
    "refused": ("refused_by_parent", "refused_from_child"),
}


def show_residency(where: Api | File, since: str, until: str, now_ns: int, *, json: bool) -> int:
    """Print the audit; returns 1 when the register is broken or something lies where it mustn't, else 0.

    Raises:
        Refused: when a time can't be read.
        SettingsInvalid: when the rules of a stopped node can't be used.
    """
    first = parse_time("--from", since, now_ns) // DAY_NS if since else 0
    last = parse_time("--to", until or "now", now_ns) // DAY_NS
    if isinstance(where, Api):
        asked = {"from": since, "to": until}
        found, note = waiting(partial(where.get, "residency", Report, asked, LONG_S), "the node looks", json=json), ""
    else:
        found, note = waiting(partial(_from_file, where, first, last), "reading rows", json=json), where.note()
    typer.echo(as_json(found) if json else "\n".join(([note] if note else []) + said(found)))
    return 0 if found.is_good else 1


def _from_file(file: File, first: int, last: int) -> Report:
    settings = file.plan.settings
    problems = [text for _, text in findings(settings.residency, settings.region)]
    if problems:
        raise SettingsInvalid([]) from ValueError(problems[0])
    reader = file.reader()
    try:
        return report(reader, load_catalogue(file.access), policy_of(file.plan), first, last)
    finally:
        reader.close()


def said(found: Report) -> list[str]:
    """The audit as lines."""
    region = f"region {plain(found.region)}" if found.region else "a region of its own"
    held = ", ".join(f"{n:,} {lane}" for lane, n in found.held.items())
    lines = [f"{plain(found.node)}, {region}; rows held in lanes that stay: {held}"]
    for change in found.changes:
        lines += ["", *_change(change)]
    if found.days:
        lines += ["", *_days(found.days)]
    if found.children:
        latest = {one.child: one for one in found.children}
        head = ["child", "register rows", "chain", "told at"]
        body = [[plain(one.child), f"{one.rows:,}", one.chain[:16], when(one.at_ns)] for one in latest.values()]
        lines += ["", *table([head, *body], (1,))]
    if found.misplaced:
        lines += ["", *_misplaced(found.misplaced)]
    return [*lines, "", *_verdict(found)]


def _change(change: Change) -> list[str]:
    if not change.rules:
        return [f"{when(change.at_ns)}  no rules in force ({many(change.freed, 'series')[:-1]} freed)"]
    late = f"; {change.kept_late:,} series were in the open lanes until then" if change.kept_late else ""
    freed = f"; {change.freed:,} series freed" if change.freed else ""
    lines = [f"{when(change.at_ns)}  rules {change.digest}, pseudonym key {change.key}{late}{freed}"]
    for rule in change.rules:
        leaves = rule.get("leave") or []
        ways = [_way(one) for one in leaves] if isinstance(leaves, list) else []
        lines.append(
            f"    {plain(str(rule.get('series')))}: stays {rule.get('stay')}; leaves: {', '.join(ways) or 'nothing'}"
        )
    return lines


def _way(leave: dict[str, object]) -> str:
    if leave.get("pseudonym"):
        return "rows under a pseudonym"
    return f"{leave.get('aggregate')} of at least {leave.get('min_group')} as {plain(str(leave.get('as')))}"


def _days(days: list[Day]) -> list[str]:
    head = ["day", "rule", *COLUMNS, ""]
    body = [
        [
            f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=one.day):%Y-%m-%d}",
            plain(one.rule) or "-",
            *(f"{sum(one.counts.get(part, 0) for part in _PARTS.get(name, (name,))):,}" for name in COLUMNS),
            "" if one.sealed else "not sealed yet",
        ]
        for one in days
    ]
    return table([head, *body], range(2, 2 + len(COLUMNS)))


def _misplaced(found: list[Misplaced]) -> list[str]:
    head = ["in an open lane", "kept by", "lane", "rows", "not at the parent yet"]
    body = [
        [plain(one.series), plain(one.rule), Lane(one.lane).name.lower(), f"{one.rows:,}", f"{one.waiting:,}"]
        for one in found
    ]
    return table([head, *body], (3, 4))


def _verdict(found: Report) -> list[str]:
    whole = f"The register's {many(found.rows, 'row')} fit their hash chain (head {found.head[:16] or 'none'})."
    broken = f"The register is NOT what was written: row {found.broken_at} doesn't fit its hash chain."
    clean = f"0 of {found.scanned:,} rows in the open lanes match a rule that keeps them."
    rows = sum(one.rows for one in found.misplaced)
    named = f"{rows:,} of {found.scanned:,} rows in the open lanes match a rule that keeps them: see above."
    return [broken if found.broken_at else whole, named if found.misplaced else clean, *found.notes]


__all__ = ["Refused", "said", "show_residency"]
