"""The commands over a node's alerts, as typed: `holdfast alerts …` and `holdfast channels …`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish

if TYPE_CHECKING:
    from holdfast.journal.alert_labels import Label

alerts = typer.Typer(help="Alerts: what is open, who deals with it, what is silenced.", no_args_is_help=True)
channels = typer.Typer(help="The ways by which people are told.", no_args_is_help=True)
works = typer.Typer(help="Planned works, during which nobody is told.", no_args_is_help=True)
alerts.add_typer(works, name="maintenance")
Number = Annotated[int, typer.Argument(help="As `list` shows it.", metavar="ID", min=1)]
By = Annotated[str, typer.Option(help="Who you are; your user name if not given.")]
Over = Annotated[bool, typer.Option("--all", help="Those that are over, too.")]
Rules = Annotated[list[str] | None, typer.Option(help="Only alerts of these rules; `*` is any text.")]
Nodes = Annotated[list[str] | None, typer.Option(help="Only of these nodes.")]
Devices = Annotated[list[str] | None, typer.Option(help="Only of these devices.")]
Severities = Annotated[list[str] | None, typer.Option(help="Only of these severities.")]
Labels = Annotated[list[str] | None, typer.Option(help="Only of devices with one of these labels.")]
Everything = Annotated[bool, typer.Option("--all", help="Every alert.")]


@alerts.command("list")
def list_(  # typer fills them
    settings: NodeFile,
    everything: Over = False,
    severity: Annotated[str, typer.Option(help="Only of this severity.")] = "",
    node: Annotated[str, typer.Option(help="Only of this node.")] = "",
    device: Annotated[str, typer.Option(help="Only of this device.")] = "",
    rule: Annotated[str, typer.Option(help="Only of this rule.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many, the newest.")] = 100,
    json: Json = False,
) -> None:
    """Open alerts, newest first. Exit 1: nobody has acknowledged one of them."""

    def body() -> int:
        from holdfast.cli.alerts import show_alerts
        from holdfast.cli.node_api import find, settings_of
        from holdfast.journal.alerts import Wanted
        from holdfast.kernel.clock import SystemClock

        wanted = Wanted("all" if everything else "open", severity, node, device, rule)
        return show_alerts(find(settings_of(settings)), wanted, limit, SystemClock(), json=json)

    finish(body)


@alerts.command()
def ack(
    settings: NodeFile,
    number: Number,
    by: By = "",
    comment: Annotated[str, typer.Option(help="What you'll do, for the others.")] = "",
    json: Json = False,
) -> None:
    """Acknowledge an alert: no more reminders, no escalation. Exit 1: somebody else did before."""

    def body() -> int:
        from holdfast.cli.alerts import acknowledge
        from holdfast.cli.node_api import find, settings_of

        return acknowledge(find(settings_of(settings)), number, by, comment, json=json)

    finish(body)


@alerts.command()
def comment(
    settings: NodeFile,
    number: Number,
    text: Annotated[str, typer.Argument(help="What you have to say.")],
    by: By = "",
    json: Json = False,
) -> None:
    """Write something about an alert, open or over: it stays with it, and goes up to the nodes above."""

    def body() -> int:
        from holdfast.cli.alert_stories import comment as write
        from holdfast.cli.node_api import find, settings_of

        return write(find(settings_of(settings)), number, by, text, json=json)

    finish(body)


@alerts.command()
def timeline(settings: NodeFile, number: Number, json: Json = False) -> None:
    """What became of an alert: raised, told by which channel, escalated, acknowledged, commented, cleared."""

    def body() -> int:
        from holdfast.cli.alert_stories import show_timeline
        from holdfast.cli.node_api import find, settings_of

        return show_timeline(find(settings_of(settings)), number, json=json)

    finish(body)


@alerts.command()
def confirm(
    settings: NodeFile,
    number: Number,
    by: By = "",
    comment: Annotated[str, typer.Option(help="What it was.")] = "",
    json: Json = False,
) -> None:
    """A detector's alert was right: its series' threshold goes down a step. The last word on an alert counts."""
    finish(lambda: _labelled(settings, number, "confirmed", by, comment, json=json))


@alerts.command()
def reject(
    settings: NodeFile,
    number: Number,
    by: By = "",
    comment: Annotated[str, typer.Option(help="Why it was none.")] = "",
    json: Json = False,
) -> None:
    """A detector's alert was none: its series' threshold goes up a step. The last word on an alert counts."""
    finish(lambda: _labelled(settings, number, "rejected", by, comment, json=json))


def _labelled(settings: NodeFile, number: int, said: "Label", by: str, comment: str, *, json: bool) -> int:
    from holdfast.cli.alerts import label
    from holdfast.cli.node_api import find, settings_of

    return label(find(settings_of(settings)), number, said, by, comment, json=json)


@alerts.command()
def labels(
    settings: NodeFile,
    rule: Annotated[str, typer.Option(help="Only of this rule's alerts.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many, the newest.")] = 100,
    json: Json = False,
) -> None:
    """What was confirmed and rejected, with what the detector saw: examples to judge detectors by."""

    def body() -> int:
        from holdfast.cli.alerts import show_labels
        from holdfast.cli.node_api import find, settings_of

        return show_labels(find(settings_of(settings)), rule, limit, json=json)

    finish(body)


@alerts.command()
def silence(  # noqa: PLR0917  # typer fills them
    settings: NodeFile,
    lasts: Annotated[str, typer.Option("--for", help="How long, as in 2h; or until a time, as 2026-05-01T12:00Z.")],
    why: Annotated[str, typer.Option(help="It's kept with the silence.")],
    rule: Rules = None,
    node: Nodes = None,
    device: Devices = None,
    severity: Severities = None,
    label: Labels = None,
    everything: Everything = False,
    by: By = "",
    json: Json = False,
) -> None:
    """Tell nobody of some alerts for a while; they stay in the list, and are told afterwards if they're still open."""

    def body() -> int:
        from holdfast.cli.alert_stories import meant_by
        from holdfast.cli.alerts import silence as begin
        from holdfast.cli.node_api import find, settings_of

        match = meant_by(severity, rule, node, device, label, everything=everything)
        return begin(find(settings_of(settings)), match, lasts, by, why, json=json)

    finish(body)


@alerts.command()
def silences(
    settings: NodeFile,
    everything: Over = False,
    json: Json = False,
) -> None:
    """What is silenced, until when, by whom and why."""

    def body() -> int:
        from holdfast.cli.alerts import show_silences
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        return show_silences(find(settings_of(settings)), SystemClock(), everything=everything, json=json)

    finish(body)


@alerts.command()
def unsilence(settings: NodeFile, number: Number) -> None:
    """Take a silence back."""

    def body() -> int:
        from holdfast.cli.alerts import unsilence as end
        from holdfast.cli.node_api import find, settings_of

        return end(find(settings_of(settings)), number)

    finish(body)


@works.command("plan")
def plan(  # noqa: PLR0917  # typer fills them
    settings: NodeFile,
    why: Annotated[str, typer.Option(help="It's kept with them, and shown.")],
    begin: Annotated[str, typer.Option("--from", help="When they begin: a time, or +2h; now if not given.")] = "",
    end: Annotated[str, typer.Option("--to", help="When they end: a time, or +2h. Needed without --every.")] = "",
    every: Annotated[
        str, typer.Option(help="Again and again, as in 'sat,sun 22:00-06:00 Europe/Berlin'; days and zone may lack.")
    ] = "",
    rule: Rules = None,
    node: Nodes = None,
    device: Devices = None,
    severity: Severities = None,
    label: Labels = None,
    everything: Everything = False,
    by: By = "",
    json: Json = False,
) -> None:
    """Plan works: alerts during them are recorded and marked, not told; what lasts at the end is told."""

    def body() -> int:
        from holdfast.cli.alert_stories import meant_by
        from holdfast.cli.alert_stories import plan as make
        from holdfast.cli.node_api import find, settings_of

        match = meant_by(severity, rule, node, device, label, everything=everything)
        return make(find(settings_of(settings)), match, (begin, end, every), by, why, json=json)

    finish(body)


@works.command("list")
def works_list(
    settings: NodeFile,
    everything: Over = False,
    json: Json = False,
) -> None:
    """What is planned, when, by whom and why; of node.yaml and of people."""

    def body() -> int:
        from holdfast.cli.alert_stories import show_works
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        return show_works(find(settings_of(settings)), SystemClock(), everything=everything, json=json)

    finish(body)


@works.command("end")
def works_end(settings: NodeFile, number: Number) -> None:
    """End works now, or take back what is planned; those of node.yaml are ended there."""

    def body() -> int:
        from holdfast.cli.alert_stories import end_works
        from holdfast.cli.node_api import find, settings_of

        return end_works(find(settings_of(settings)), number)

    finish(body)


@channels.command("list")
def channels_list(settings: NodeFile, json: Json = False) -> None:
    """How each channel is, and what waits for it. Exit 1: one can't tell anybody."""

    def body() -> int:
        from holdfast.cli.alerts import show_channels
        from holdfast.cli.node_api import find, settings_of
        from holdfast.kernel.clock import SystemClock

        return show_channels(find(settings_of(settings)), SystemClock(), json=json)

    finish(body)


@channels.command("test")
def try_(
    settings: NodeFile,
    name: Annotated[str, typer.Argument(help="The channel's name.", metavar="CHANNEL")],
    json: Json = False,
) -> None:
    """Tell a test message through a channel, now. Exit 1: nobody was told."""

    def body() -> int:
        from holdfast.cli.alerts import try_channel
        from holdfast.cli.node_api import find, settings_of

        return try_channel(find(settings_of(settings)), name, json=json)

    finish(body)
