"""The `holdfast` command."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast import __version__
from holdfast.cli.adapter_commands import adapters
from holdfast.cli.alert_commands import alerts, channels
from holdfast.cli.artifact_commands import artifact, publish_model
from holdfast.cli.asking import last, query, series, sql
from holdfast.cli.audit_commands import audit
from holdfast.cli.backup_commands import backup
from holdfast.cli.bacnet_commands import bacnet
from holdfast.cli.bench import bench
from holdfast.cli.codec_commands import codec
from holdfast.cli.command_commands import command
from holdfast.cli.core import journal, ledger, quarantine, status
from holdfast.cli.demo import demo
from holdfast.cli.detect_commands import detect
from holdfast.cli.device_commands import devices
from holdfast.cli.feature_commands import features
from holdfast.cli.history_commands import history
from holdfast.cli.model_commands import model
from holdfast.cli.monitoring_commands import monitoring
from holdfast.cli.mqtt_commands import mqtt
from holdfast.cli.opcua_commands import opcua
from holdfast.cli.people_commands import people
from holdfast.cli.profile_commands import profile
from holdfast.cli.queue_commands import queue
from holdfast.cli.report_commands import support_bundle, trace
from holdfast.cli.rule_commands import rules
from holdfast.cli.sim_commands import sim
from holdfast.cli.tail_command import tail
from holdfast.cli.top.command import top
from holdfast.kernel.documents import SettingsInvalid

app = typer.Typer(
    name="holdfast",
    help="An edge data platform: device gateway, regional node and cloud hub in one program.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

EXIT_CONFIG = 78  # sysexits.h

NodeFile = Annotated[Path, typer.Argument(help="The node's settings.", metavar="NODE.YAML")]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or existing folder.", metavar="FOLDER")],
    name: Annotated[str, typer.Option(help="The node's name; absent = this machine's.")] = "",
) -> None:
    """Write settings for a first gateway: any JSON over MQTT, one rule, its pages on port 8080."""
    from holdfast.cli.starting import FolderTaken, begin

    try:
        settings = begin(folder, name)
        check(settings)
    except (FolderTaken, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(
        f"Run it:           holdfast run {settings}\n"
        "Send a reading:   mosquitto_pub -q 1 -t plant/press-1 -m '{\"temp\": 21.5}'\n"
        "Look at it live:  http://127.0.0.1:8080/"
    )


@app.command()
def run(settings: NodeFile) -> None:
    """Run a node until SIGTERM or Ctrl-C."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "holdfast.node", str(settings)])  # noqa: S606  # see node.__main__


@app.command()
def check(settings: NodeFile) -> None:
    """Check a node's settings, profiles and rules without starting anything."""
    from holdfast.node.settings import read_plan

    try:
        plan = read_plan(settings)
    except SettingsInvalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(EXIT_CONFIG) from None
    off = f", {len(plan.shelf.off)} more switched off" if plan.shelf.off else ""
    typer.echo(f"{settings}: good; {len(plan.profiles)} profiles, {len(plan.rules)} rules{off}")


@app.command()
def doctor(
    settings: Annotated[Path | None, typer.Argument(help="Check this node's ports and disk too.")] = None,
) -> None:
    """Check this machine, and say what to do about what isn't right."""
    from holdfast.kernel.clock import SystemClock
    from holdfast.node.doctor import run_checks
    from holdfast.node.settings import read_plan

    folder, ports, plan = Path.cwd(), list[tuple[str, int]](), None
    if settings is not None:
        try:
            plan = read_plan(settings)
        except SettingsInvalid as invalid:
            typer.echo(str(invalid), err=True)
            raise typer.Exit(EXIT_CONFIG) from None
        folder, ports = plan.data, plan.ports()
    checks = run_checks(folder, ports, SystemClock(), plan)
    for found in checks:
        typer.echo(f"{found.verdict:<5} {found.name:<22} {found.found}")
        if found.advice:
            typer.echo(f"      {'':<22} {found.advice}")
    raise typer.Exit(1 if any(found.verdict == "fail" for found in checks) else 0)


app.command()(status)
app.command()(top)
app.command()(ledger)
app.add_typer(quarantine, name="quarantine")
app.add_typer(journal, name="journal")
app.add_typer(backup, name="backup")
app.add_typer(queue, name="queue")
app.add_typer(mqtt, name="mqtt")
app.add_typer(opcua, name="opcua")
app.add_typer(monitoring, name="monitoring")
app.add_typer(devices, name="devices")
app.add_typer(adapters, name="adapters")
app.add_typer(bacnet, name="bacnet")
app.add_typer(profile, name="profile")
app.add_typer(command, name="command")
app.add_typer(alerts, name="alerts")
app.add_typer(channels, name="channels")
app.add_typer(rules, name="rules")
app.add_typer(artifact, name="artifact")
app.add_typer(features, name="features")
app.add_typer(audit, name="audit")
app.add_typer(people, name="people")
app.add_typer(history, name="history")
app.add_typer(codec, name="codec")
model.command("publish")(publish_model)
app.add_typer(model, name="model")
app.add_typer(bench, name="bench")
app.command()(query)
app.command()(last)
app.command()(series)
app.command()(sql)
app.command()(tail)
app.command()(detect)
app.command()(trace)
app.command("support-bundle")(support_bundle)
app.command()(demo)
app.add_typer(sim, name="sim")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"holdfast {__version__}")
