"""`holdfast rules list|reload|enable|disable`: the running node is asked; a journal's file doesn't know of them."""

from getpass import getuser
from urllib.parse import quote

import typer

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import many, plain, size, table, when
from holdfast.web.rule_answers import RuleChanged, RuleList, RuleRow, RulesReloaded

_OPEN = 3


def show_rules(where: Api | File, *, json: bool) -> int:
    """Print the rules; returns 1 when one is throttled or the files can't be used, else 0."""
    found = _running(where).get("rules", RuleList)
    if json:
        typer.echo(as_json(found))
    else:
        head = ["rule", "state", "alerts", "devices", "us/reading", "core", "state of", "evaluations", "decisions"]
        rows = [_row(row) for row in found.rules]
        typer.echo("\n".join(table([head, *rows]) if rows else ["No rule is at work."]))
        for row in found.rules:
            for said in _notes(row):
                typer.echo(f"{row.rule}: {said}")
        _tell_problems(found.problems)
    return 1 if found.problems or any(row.state == "throttled" for row in found.rules) else 0


def reload_rules(where: Api | File, *, json: bool) -> int:
    """Have them reloaded and print what became of each; returns 1 when the files can't be used, else 0."""
    done = _running(where).post("rules/reload", {}, RulesReloaded)
    if json:
        typer.echo(as_json(done))
    elif done.problems:
        _tell_problems(done.problems)
    else:
        changed = [one for one in done.rules if one.fate != "unchanged"]
        for one in changed:
            name = f"{one.rule} ({one.part})" if one.part else one.rule
            ended = f"; {many(one.ended, 'alert')} ended by it" if one.ended else ""
            typer.echo(f"{plain(name)} {one.words}{ended}")
        same = len(done.rules) - len(changed)
        typer.echo(f"{many(same, 'rule')} as before" if changed else f"Nothing is different: {many(same, 'rule')}.")
    return 1 if done.problems else 0


def switch_rule(where: Api | File, name: str, by: str, *, on: bool, json: bool) -> int:
    """Switch a rule on or off and print what became of all; returns 0."""
    verb = "enable" if on else "disable"
    done = _running(where).post(f"rules/{quote(name, safe='')}/{verb}", {"by": by or whoever()}, RuleChanged)
    if json:
        typer.echo(as_json(done))
        return 0
    typer.echo(f"{plain(name)} is switched {'on' if on else 'off'}")
    if on and done.waits_for:
        typer.echo(f"it reads from {done.waits_for}, which is off: it works once that is enabled")
    others = {one.rule for one in done.rules if one.fate in ("removed", "new")} - {name}
    if others:
        typer.echo(f"with it, as they read from it: {', '.join(sorted(others))}")
    return 0


def whoever() -> str:
    """Who is logged in here."""
    try:
        return getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


def _running(where: Api | File) -> Api:
    if isinstance(where, File):
        raise Misused(f"{where.why}: rules only work in a running node", "start it, or try `holdfast check`")
    return where


def _row(row: RuleRow) -> list[str]:
    return [
        f"{row.rule} ({row.part})" if row.part else row.rule,
        row.state,
        f"{len(row.open):,}",
        f"{row.keys:,}",
        f"{row.cpu_us_per_reading:.2f}",
        f"{row.cpu_share:.2%}",
        size(row.state_bytes),
        f"{row.evaluations:,}",
        f"{row.decisions:,}",
    ]


def _notes(row: RuleRow) -> list[str]:
    notes = []
    if row.off_ns:
        notes.append(
            f"switched off by {plain(row.off_by)} at {when(row.off_ns)}: `holdfast rules enable` puts it to work"
        )
    elif row.waits_for:
        notes.append(f"off with {row.waits_for}, which it reads from")
    if row.open:
        more = f" and {len(row.open) - _OPEN} more" if len(row.open) > _OPEN else ""
        notes.append(f"raised at {', '.join(map(plain, row.open[:_OPEN]))}{more}")
    if row.skipped:
        notes.append(
            f"has not seen {many(row.skipped, 'reading')}: more than its {row.budget:.0%} of a core was needed"
        )
    for one in row.labels[:3]:
        series = plain(f"{one.device} {one.metric}")
        said = f"{one.confirmed} confirmed, {one.rejected} rejected"
        notes.append(f"{series}: threshold {one.threshold:g} ({said})")
    if len(row.labels) > 3:
        notes.append(f"and {many(len(row.labels) - 3, 'labelled series')}")
    if row.keys_refused:
        notes.append(f"refuses {many(row.keys_refused, 'device')} beyond its `limits: {{keys}}`")
    return notes


def _tell_problems(problems: list[str]) -> None:
    if problems:
        typer.echo("The files as they are now can't be used; the rules at work go on:", err=True)
        for one in problems:
            typer.echo(f"  {one}", err=True)
