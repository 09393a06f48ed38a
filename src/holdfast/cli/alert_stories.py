"""`holdfast alerts comment`, `timeline` and `maintenance`: what became of an alert, and what is planned."""

from collections.abc import Sequence
from typing import get_args

import typer

from holdfast.cli.alerts import me, meant, note, read, running
from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import plain, table, when
from holdfast.journal import alert_history, alert_labels, alerts, maintenance
from holdfast.kernel.clock import Clock
from holdfast.model.event import Severity
from holdfast.notify.filters import Filter
from holdfast.notify.hours import Hours, parse_line
from holdfast.web.alert_stories import CommentRequest, TimelineRow, story
from holdfast.web.alerts import Gone
from holdfast.web.maintenance import MaintenanceRequest, MaintenanceRow

_WORDS = 60
Names = Sequence[str] | None


def meant_by(severity: Names, rule: Names, node: Names, device: Names, label: Names, *, everything: bool) -> Filter:
    """The alerts that are meant; it must be said when it's all.

    Raises:
        Misused: when it isn't clear.
    """
    known = get_args(Severity)
    levels: tuple[Severity, ...] = tuple(one for one in known if one in (severity or ()))
    if len(levels) != len(set(severity or ())):
        raise Misused(f"--severity {', '.join(severity or ())}", f"one of {', '.join(known)}")
    match = Filter(levels, tuple(rule or ()), tuple(node or ()), tuple(device or ()), tuple(label or ()))
    if match.is_all != everything:
        hint = "give --rule, --device, --label, --node or --severity; or --all, and nothing else"
        raise Misused("which alerts?", hint)
    return match


def comment(where: Api | File, number: int, by: str, text: str, *, json: bool) -> int:
    """Write something about an alert. Returns 0."""
    body = CommentRequest(by or me(), text)
    made = running(where).post(f"alerts/{number}/comments", body, TimelineRow)
    typer.echo(as_json(made) if json else f"Alert {number}: {plain(made.who)} wrote that at {when(made.at_ns)}.")
    return 0


def show_timeline(where: Api | File, number: int, *, json: bool) -> int:
    """Print what became of an alert. Returns 0."""
    found = (
        where.get(f"alerts/{number}/timeline", list[TimelineRow]) if isinstance(where, Api) else _stored(where, number)
    )
    if json:
        typer.echo(as_json(found))
        return 0
    body = [[when(one.at_ns), one.kind.replace("_", " "), plain(one.who) or "-", _detail(one)] for one in found]
    typer.echo("\n".join([*note(where), *table([["time", "what", "who", "detail"], *body], ())]))
    return 0


def _stored(where: File, number: int) -> list[TimelineRow]:
    alert = read(where, lambda db: alerts.find(db, number))
    if alert is None:
        raise Misused(f"there is no alert {number}", "`holdfast alerts list --all` shows those that are remembered")
    lines = read(where, lambda db: alert_history.of_alert(db, number))
    return story(alert, lines, read(where, lambda db: alert_labels.find(db, number)))


def _detail(one: TimelineRow) -> str:
    words = {"silenced": "silence ", "planned": "maintenance ", "elsewhere": "told by "}
    return plain(words.get(one.kind, "") + one.detail, _WORDS) or "-"


def plan(where: Api | File, match: Filter, span: tuple[str, str, str], by: str, why: str, *, json: bool) -> int:
    """Plan works. span: from, to, every, as typed. Returns 0."""
    begin, end, every = span
    hours: Hours | None = None
    if every:
        try:
            hours = parse_line(every)
        except ValueError as error:
            raise Misused(f"--every {every}", str(error)) from error
    wanted = MaintenanceRequest(by or me(), why, match, begin, end, hours)
    made = running(where).post("maintenance", wanted, MaintenanceRow)
    typer.echo(as_json(made) if json else f"Maintenance {made.id}, {_span(made)}: {meant(made.match)}.")
    return 0


def show_works(where: Api | File, clock: Clock, *, everything: bool, json: bool) -> int:
    """Print what is planned. Returns 0."""
    now_ns = clock.wall_ns()
    if isinstance(where, Api):
        found = where.get("maintenance", list[MaintenanceRow], {"all": "true" if everything else ""})
    else:
        stored = read(where, lambda db: maintenance.page(db, 0 if everything else now_ns))
        found = [MaintenanceRow.of(one, now_ns) for one in stored]
    if json:
        typer.echo(as_json(found))
        return 0
    head = ["id", "state", "when", "means", "by", "why"]
    body = [
        [
            str(one.id),
            one.state,
            _span(one),
            plain(meant(one.match)),
            plain(f"{one.by}: {one.name}" if one.name else one.by),
            plain(one.why, _WORDS),
        ]
        for one in found
    ]
    typer.echo("\n".join([*note(where), *(table([head, *body], (0,)) if body else ["No works are planned."])]))
    return 0


def _span(one: MaintenanceRow) -> str:
    if one.hours is None:
        return f"{when(one.from_ns)} to {when(one.to_ns)}"
    until = f", until {when(one.to_ns)}" if one.to_ns else ""
    return f"{one.hours}{until}"


def end_works(where: Api | File, number: int) -> int:
    """End works, or take back what is planned. Returns 0."""
    running(where).delete(f"maintenance/{number}", Gone)
    typer.echo(f"Maintenance {number} is over; what it held is told now.")
    return 0
