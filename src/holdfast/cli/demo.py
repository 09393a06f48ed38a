"""`holdfast demo`."""

import asyncio
import signal
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.kernel.errors import HoldfastError

if TYPE_CHECKING:  # a gateway pays for what it imports: the view and its terminal library load inside the command
    from rich.console import Console

    from holdfast.sim.demo.plan import DemoPlan


def demo(
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long the devices publish.")] = 30.0,
    outage: Annotated[float, typer.Option(min=0, help="How long the link is cut, halfway.")] = 10.0,
    devices: Annotated[int, typer.Option(min=1, max=1000, help="Devices, one MQTT connection each.")] = 100,
    rate: Annotated[int, typer.Option(min=1, help="Messages a second over all devices, 5 readings each.")] = 2000,
    seed: Annotated[int, typer.Option(help="Same seed, same messages (but for the time).")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write the ledger there as JSON.")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="Work there instead of a temporary folder.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave gateway and hub running until Ctrl-C.")] = False,
) -> None:
    """Devices → gateway → hub on recorded data, with an outage and a ledger that must balance."""
    from rich.console import Console

    from holdfast.sim.demo.plan import DemoPlan, free_ports

    if outage > seconds - 1:
        typer.echo(f"--outage {outage:g} must be at least a second shorter than --seconds {seconds:g}", err=True)
        raise typer.Exit(2)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as temporary:
        place = (folder or Path(temporary)).absolute()
        if folder and place.exists() and any(place.iterdir()):
            typer.echo(f"{place} is not empty: give a new folder, or none", err=True)
            raise typer.Exit(2)
        place.mkdir(parents=True, exist_ok=True)
        plan = DemoPlan(place, seconds, outage, devices, rate, seed, *free_ports(4))
        try:
            balanced = asyncio.run(_play(plan, console, json, keep=keep))
        except HoldfastError as error:
            typer.echo(f"{error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    raise typer.Exit(0 if balanced else 1)


async def _play(plan: "DemoPlan", console: "Console", json: Path | None, *, keep: bool) -> bool:
    import msgspec

    from holdfast.cli.progress import waiting
    from holdfast.kernel.clock import SystemClock
    from holdfast.sim.demo.ledger import settle
    from holdfast.sim.demo.scenario import Run
    from holdfast.sim.demo.view import View, summary

    run = Run(plan, SystemClock(), console)
    await run.prepare()
    async with run.running():
        with View(console) as view:
            await run.play(view)
        if keep:
            await _wait_for_ctrl_c(plan, console)
    report = await asyncio.to_thread(waiting, partial(settle, run), "settling the ledger")
    summary(report, console)
    if json is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
        await asyncio.to_thread(json.write_bytes, text)
    return report.balanced


async def _wait_for_ctrl_c(plan: "DemoPlan", console: "Console") -> None:
    console.print(
        f"Still running. The gateway's page: http://127.0.0.1:{plan.api_port}/\n"
        f"The hub's page: https://127.0.0.1:{plan.hub_port}/ (its CA: {plan.folder / 'ca.pem'})\n"
        f"Alerts: mosquitto_sub -p {plan.mqtt_port} -t 'alerts/#'\n"
        f"Publish: mosquitto_pub -p {plan.mqtt_port} -q 1 -t acme/room-900/telemetry "
        """-m '{"id":1,"ts":'$(date +%s)',"temp_c":21.5,"hum":40,"lux":100,"co2":500,"occ":false}'\n"""
        "Ctrl-C stops everything and settles the ledger.",
        highlight=False,
    )
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)
    await stopped.wait()
