"""The commands over deployed models' lives, as typed: `holdfast model status|shadow|canary|promote|rollback|…`.

Exit codes: 0 all is well, 1 something was found (see each command), 2 wrong usage, or nothing to be asked.
`register` puts them on the `model` group.
"""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.core import Json, NodeFile, finish, misused

labels = typer.Typer(
    help="What people know of devices: true states, to judge and to train models by.", no_args_is_help=True
)
Deployment = Annotated[str, typer.Argument(help="The deployment's name in node.yaml.", metavar="DEPLOYMENT")]
Version = Annotated[str, typer.Argument(help="As in pump-anomaly@2.0.0.", metavar="VERSION")]
By = Annotated[str, typer.Option(help="Who you are; your user name if not given.")]
Why = Annotated[str, typer.Option(help="Why, for the history.")]
Force = Annotated[bool, typer.Option("--force", help="Even if it never ran in shadow, or was taken back before.")]


def register(model: typer.Typer) -> None:
    """Put these commands on the group `holdfast model`."""
    for command in (status, shadow, canary, promote, rollback, retire, drift, report):
        model.command()(command)
    model.add_typer(labels, name="labels")


def status(
    settings: NodeFile,
    name: Annotated[str, typer.Argument(help="One deployment; all if not given.", metavar="[DEPLOYMENT]")] = "",
    json: Json = False,
) -> None:
    """Which versions run where, who did what to them, and what is alarmed. Exit 1: something is, or nothing acts.

    Of a stopped node its journal is read, which has versions and history, but no figures.
    """

    def body() -> int:
        from holdfast.cli.model_lives import show_status
        from holdfast.cli.node_api import find, settings_of

        return show_status(find(settings_of(settings)), name, json=json)

    finish(body)


def shadow(
    settings: NodeFile, name: Deployment, version: Version, by: By = "", why: Why = "", json: Json = False
) -> None:
    """Let a version run beside the active one on all rows, unheard; `report` compares them."""
    _act("shadow", settings, name, version, 0.0, by, why, force=False, json=json)


def canary(
    settings: NodeFile,
    name: Deployment,
    version: Version,
    percent: Annotated[float, typer.Argument(help="Of the devices, always the same ones.", min=0.01, max=100.0)],
    by: By = "",
    why: Why = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Let a version answer for some of the devices, or for more or fewer of them. It's taken back if it's worse."""
    _act("canary", settings, name, version, percent, by, why, force=force, json=json)


def promote(
    settings: NodeFile,
    name: Deployment,
    version: Version,
    by: By = "",
    why: Why = "",
    force: Force = False,
    json: Json = False,
) -> None:
    """Make a version the active one, for all devices; `rollback` restores the one before."""
    _act("promote", settings, name, version, 0.0, by, why, force=force, json=json)


def rollback(
    settings: NodeFile,
    name: Deployment,
    to: Annotated[str, typer.Option(help="To this version, which was active before.", metavar="VERSION")] = "",
    by: By = "",
    why: Why = "",
    json: Json = False,
) -> None:
    """Take back what was let act last: the canary if one runs, else the active version for the one before it."""
    _act("rollback", settings, name, to, 0.0, by, why, force=False, json=json)


def retire(
    settings: NodeFile, name: Deployment, version: Version, by: By = "", why: Why = "", json: Json = False
) -> None:
    """Stop running a version that isn't active."""
    _act("retire", settings, name, version, 0.0, by, why, force=False, json=json)


def drift(
    settings: NodeFile,
    name: Deployment,
    relearn: Annotated[bool, typer.Option("--relearn", help="Take what comes from now on as the new normal.")] = False,
    json: Json = False,
) -> None:
    """How far inputs and predictions are from how they were, by feature. Exit 1: one is alarmed."""

    def body() -> int:
        from holdfast.cli.model_lives import show_drift
        from holdfast.cli.node_api import find, settings_of

        return show_drift(find(settings_of(settings)), name, relearn=relearn, json=json)

    finish(body)


def report(
    settings: NodeFile,
    name: Deployment,
    version: Annotated[str, typer.Argument(help="Only this version.", metavar="[VERSION]")] = "",
    json: Json = False,
) -> None:
    """Versions beside the active one: agreement, errors, failures, latency, and who is better. Exit 1: one is worse."""

    def body() -> int:
        from holdfast.cli.model_lives import show_report
        from holdfast.cli.node_api import find, settings_of

        return show_report(find(settings_of(settings)), name, version, json=json)

    finish(body)


@labels.command("list")
def list_(
    settings: NodeFile,
    name: Deployment,
    device: Annotated[str, typer.Option(help="Only of this device.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")] = 20,
    json: Json = False,
) -> None:
    """The newest labels, newest first."""

    def body() -> int:
        from holdfast.cli.model_labels import show_labels
        from holdfast.cli.node_api import find, settings_of

        return show_labels(find(settings_of(settings)), name, device, limit, json=json)

    finish(body)


@labels.command()
def add(  # noqa: PLR0917  # typer fills them
    settings: NodeFile,
    name: Deployment,
    device: Annotated[str, typer.Argument(help="Whose state it was.", metavar="DEVICE")],
    label: Annotated[str, typer.Argument(help="A class, !CLASS for anything but it, or a number.", metavar="LABEL")],
    start: Annotated[str, typer.Option("--from", help="When it began: -2h, 2026-05-01T12:00Z, or unix seconds.")],
    end: Annotated[str, typer.Option("--to", help="When it ended; the same moment if not given.")] = "",
    node: Annotated[str, typer.Option(help="Of a node below.")] = "",
    comment: Annotated[str, typer.Option(help="For the others.")] = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Say what state a device was in: predictions of that time are judged by it, also those that come later."""

    def body() -> int:
        from holdfast.cli.alerts import me
        from holdfast.cli.model_labels import add_label
        from holdfast.cli.node_api import find, settings_of
        from holdfast.inference.lifecycle.status import LabelBody

        said = LabelBody(device, label, start, end, node, comment, by or me())
        return add_label(find(settings_of(settings)), name, said, json=json)

    finish(body)


@labels.command()
def export(
    settings: NodeFile,
    name: Deployment,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file: .csv or .parquet.")],
    device: Annotated[str, typer.Option(help="Only of this device.")] = "",
) -> None:
    """All labels as a table for training, oldest first; beside `holdfast features export`."""

    def body() -> int:
        from holdfast.cli.model_labels import export_labels
        from holdfast.cli.node_api import find, settings_of

        if output.suffix not in (".csv", ".parquet"):
            return misused(f"{output} is no kind of file that can be made", "name it .csv or .parquet")
        return export_labels(find(settings_of(settings)), name, device, output)

    finish(body)


def _act(
    do: str,
    settings: Path,
    name: str,
    version: str,
    percent: float,
    by: str,
    why: str,
    *,
    force: bool,
    json: bool,
) -> None:
    def body() -> int:
        from holdfast.cli.alerts import me
        from holdfast.cli.model_lives import act
        from holdfast.cli.node_api import find, settings_of
        from holdfast.inference.lifecycle.status import ActBody

        said = ActBody(version, percent, why, by or me(), force)
        return act(find(settings_of(settings)), name, do, said, json=json)

    finish(body)
