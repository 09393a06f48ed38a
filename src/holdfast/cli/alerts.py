"""`holdfast alerts` and `holdfast channels`: what is open, who deals with it, what is silenced, and who can be told."""

import getpass
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import typer

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import lasting, plain, table, when
from holdfast.journal import alert_labels, alerts
from holdfast.journal.alert_labels import Label
from holdfast.journal.alerts import Wanted
from holdfast.journal.dispatches import backlog
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.notify.filters import Filter
from holdfast.storage.sqlite import Connection
from holdfast.web.alerts import (
    AckRequest,
    AlertRow,
    ChannelRow,
    Gone,
    LabelRequest,
    LabelRow,
    SilenceRequest,
    SilenceRow,
    TestReply,
)

R = TypeVar("R")
_MESSAGE, _WORDS = 60, 40


def show_alerts(where: Api | File, wanted: Wanted, limit: int, clock: Clock, *, json: bool) -> int:
    """Print the newest alerts; returns 1 when an open one isn't acknowledged, else 0."""
    if isinstance(where, Api):
        params = {name: str(getattr(wanted, name)) for name in ("state", "severity", "node", "device", "rule")}
        found = where.get("alerts", list[AlertRow], {**params, "limit": f"{limit}"})
    else:
        found = [AlertRow.of(one) for one in read(where, lambda db: alerts.page(db, wanted, limit))]
    if json:
        typer.echo(as_json(found))
    else:
        typer.echo("\n".join([*note(where), *_alert_lines(found, clock)]))
    return 1 if any(one.state == "open" and not one.acknowledged_ns for one in found) else 0


def _alert_lines(found: Sequence[AlertRow], clock: Clock) -> list[str]:
    if not found:
        return ["No alerts."]
    now_ns = clock.wall_ns()
    head = ["id", "raised", "lasts", "severity", "node", "device", "rule", "acknowledged", "message"]
    body = [
        [
            str(one.id),
            when(one.raised_ns),
            _lasted(one, now_ns),
            one.severity,
            plain(one.node),
            plain(" ".join(filter(None, (one.device, one.metric)))),
            plain(one.rule),
            plain(f"{one.acknowledged_by}{': ' if one.comment else ''}{one.comment}", _WORDS) or "-",
            plain(one.message, _MESSAGE),
        ]
        for one in found
    ]
    return table([head, *body], (0,))


def _lasted(one: AlertRow, now_ns: int) -> str:
    said = lasting(max(0, (one.cleared_ns or now_ns) - one.raised_ns) / NS_PER_S)
    return f"{said}, over" if one.cleared_ns else said


def acknowledge(where: Api | File, number: int, by: str, comment: str, *, json: bool) -> int:
    """Say who deals with an alert; returns 1 when somebody else does already, else 0."""
    body = AckRequest(by or me(), comment)
    found = running(where).post(f"alerts/{number}/acknowledge", body, AlertRow)
    if json:
        typer.echo(as_json(found))
        return 0
    same = found.acknowledged_by == body.by
    said = "is acknowledged by" if same else "was acknowledged before, by"
    typer.echo(f"Alert {number} ({plain(found.rule)} at {plain(found.device)}) {said} {plain(found.acknowledged_by)}.")
    return 0 if same else 1


def label(where: Api | File, number: int, said: Label, by: str, comment: str, *, json: bool) -> int:
    """Say what a detector's alert was worth. Returns 0."""
    found = running(where).post(f"alerts/{number}/label", LabelRequest(said, by or me(), comment), LabelRow)
    series = plain(" ".join(filter(None, (found.device, found.metric))))
    moves = "goes up" if found.label == "rejected" else "goes down"
    typer.echo(
        as_json(found)
        if json
        else f"Alert {number} ({plain(found.rule)} at {series}) is {found.label} by {plain(found.by)}: "
        f"the threshold of this series {moves}."
    )
    return 0


def show_labels(where: Api | File, rule: str, limit: int, *, json: bool) -> int:
    """Print what people said of detectors' alerts. Returns 0."""
    if isinstance(where, Api):
        found = where.get("alert-labels", list[LabelRow], {"rule": rule, "limit": f"{limit}"})
    else:
        found = [LabelRow.of(one) for one in read(where, lambda db: alert_labels.page(db, rule, limit))]
    if json:
        typer.echo(as_json(found))
        return 0
    head = ["alert", "labelled", "label", "by", "node", "device", "metric", "rule", "raised", "comment"]
    body = [
        [
            str(one.alert), when(one.labelled_ns), one.label, plain(one.by), plain(one.node), plain(one.device),
            plain(one.metric), plain(one.rule), when(one.raised_ns), plain(one.comment, _WORDS) or "-",
        ]
        for one in found
    ]  # fmt: skip
    typer.echo("\n".join([*note(where), *(table([head, *body], (0,)) if body else ["Nothing is labelled."])]))
    return 0


def silence(where: Api | File, match: Filter, lasts: str, by: str, why: str, *, json: bool) -> int:
    """Have nobody told of some alerts for a while."""
    until = lasts if lasts[:1] in ("+", "-") or "T" in lasts else f"+{lasts}"
    made = running(where).post("silences", SilenceRequest(until, by or me(), why, match), SilenceRow)
    typer.echo(as_json(made) if json else f"Silence {made.id} until {when(made.until_ns)}: {meant(made.match)}.")
    return 0


def show_silences(where: Api | File, clock: Clock, *, everything: bool, json: bool) -> int:
    """Print the silences that last, or all."""
    if isinstance(where, Api):
        found = where.get("silences", list[SilenceRow], {"all": "true" if everything else ""})
    else:
        now_ns = 0 if everything else clock.wall_ns()
        found = [SilenceRow.of(one) for one in read(where, lambda db: alerts.silences(db, now_ns))]
    if json:
        typer.echo(as_json(found))
        return 0
    head = ["id", "until", "silences", "by", "why"]
    body = [
        [
            str(one.id),
            f"taken back {when(one.gone_ns)}" if one.gone_ns else when(one.until_ns),
            plain(meant(one.match)),
            plain(one.by),
            plain(one.why, _MESSAGE),
        ]
        for one in found
    ]
    typer.echo("\n".join([*note(where), *(table([head, *body], (0,)) if body else ["Nothing is silenced."])]))
    return 0


def unsilence(where: Api | File, number: int) -> int:
    """Take a silence back."""
    running(where).delete(f"silences/{number}", Gone)
    typer.echo(f"Silence {number} is over; what it held is told now.")
    return 0


def show_channels(where: Api | File, clock: Clock, *, json: bool) -> int:
    """Print how the channels are; returns 1 when one is down, else 0."""
    found = where.get("channels", list[ChannelRow]) if isinstance(where, Api) else _stored_channels(where)
    if json:
        typer.echo(as_json(found))
    elif not found:
        typer.echo("No channels: `channels:` in node.yaml names them.")
    else:
        now_ns = clock.wall_ns()
        head = ["channel", "kind", "state", "told", "waiting", "held", "oldest", "given up", "to", "last error"]
        body = [
            [
                plain(one.name),
                one.kind,
                one.state,
                *(f"{n:,}" for n in (one.told, one.waiting, one.held)),
                lasting(max(0, now_ns - one.oldest_ns) / NS_PER_S) if one.oldest_ns else "-",
                f"{one.given_up + one.dropped:,}",
                plain(one.where, _MESSAGE),
                plain(one.detail, 2 * _MESSAGE) or "-",
            ]
            for one in found
        ]
        typer.echo("\n".join([*note(where), *table([head, *body], (3, 4, 5, 7))]))
    return 1 if any(one.state == "down" for one in found) else 0


def _stored_channels(where: File) -> list[ChannelRow]:
    counters = read(where, lambda db: dict(db.execute("SELECT name, value FROM counters WHERE name LIKE 'channel%'")))
    found = []
    for name, one in where.plan.settings.channels.items():
        waits = read(where, lambda db: backlog(db, name))  # noqa: B023  # read in this turn
        told, given_up, settled, dropped = (
            counters.get(f"channel_{what}.{name}", 0) for what in ("told", "given_up", "settled", "dropped")
        )
        numbers = waits.waiting, waits.held, waits.oldest_ns, told, given_up, settled, dropped
        found.append(ChannelRow(name, one.kind, "", "unknown", "", *numbers, 0))
    return found


def try_channel(where: Api | File, name: str, *, json: bool) -> int:
    """Tell a test message; returns 1 when that didn't work."""
    reply = running(where).post(f"channels/{quote(name, safe='')}/test", {}, TestReply)
    if json:
        typer.echo(as_json(reply))
    elif reply.told:
        odd = f", but {plain(reply.detail)}" if reply.detail else ""
        typer.echo(f"Told through {plain(name)} in {lasting(reply.took_s)}{odd}.")
    else:
        typer.echo(f"Nobody was told through {plain(name)}: {plain(reply.detail)}")
        if reply.hint:
            typer.echo(f"  {plain(reply.hint)}")
    return 0 if reply.told else 1


def running(where: Api | File) -> Api:
    """The node, which must run."""
    if isinstance(where, File):
        raise Misused(f"{where.why}, so nothing can be changed or told", "start the node, and give it an `api:`")
    return where


def read(where: File, look: Callable[[Connection], R]) -> R:
    """Look into a stopped node's journal."""
    reader = where.reader()
    try:
        return reader.look(look)
    finally:
        reader.close()


def note(where: Api | File) -> list[str]:
    """What to say before what is shown, if anything."""
    return [where.note()] if isinstance(where, File) else []


def meant(match: Filter) -> str:
    """A filter in words."""
    said = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("severity", match.severity),
            ("rule", match.rules),
            ("node", match.nodes),
            ("device", match.devices),
            ("label", match.labels),
        )
        if names
    ]
    return "; ".join(said) or "every alert"


def me() -> str:
    """Who types this."""
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise Misused("who are you? This user has no name here", "give --by NAME") from error
