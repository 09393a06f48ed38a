"""`holdfast demo`."""

import asyncio
import signal
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from holdfast.kernel.errors import HoldfastError

if TYPE_CHECKING:  # a gateway pays for what it imports: the view and its terminal library load inside the command
    from rich.console import Console

    from holdfast.sim.demo.plan import DemoPlan
    from holdfast.sim.demo.plant.plan import PlantPlan
    from holdfast.sim.demo.plant.report import PlantReport
    from holdfast.sim.demo.report import Report
    from holdfast.sim.demo.scenario import Run


def demo(
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long the devices publish.")] = 30.0,
    outage: Annotated[float, typer.Option(min=0, help="How long the link is cut, halfway.")] = 10.0,
    devices: Annotated[int, typer.Option(min=1, max=1000, help="Devices, one MQTT connection each.")] = 100,
    rate: Annotated[int, typer.Option(min=1, help="Messages a second over all devices, 5 readings each.")] = 2000,
    seed: Annotated[int, typer.Option(help="Same seed, same messages (but for the time).")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write the ledger there as JSON.")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="Work there instead of a temporary folder.")] = None,
    *,
    site: Annotated[
        Literal["rooms", "plant"],
        typer.Option(help="rooms: MQTT under load; plant: MQTT, Modbus, OPC UA, BACnet and LoRaWAN at once."),
    ] = "rooms",
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
        common = (place, seconds, outage, devices, rate, seed)
        plan = _plant(common) if site == "plant" else DemoPlan(*common, *free_ports(4))
        try:
            balanced = asyncio.run(_play(plan, console, json, keep=keep))
        except HoldfastError as error:
            typer.echo(f"{error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except asyncio.CancelledError:
            raise typer.Exit(143) from None
    raise typer.Exit(0 if balanced else 1)


def _plant(common: tuple[Path, float, float, int, int, int]) -> "PlantPlan":
    from holdfast.sim.demo.plan import free_ports
    from holdfast.sim.demo.plant.plan import PlantPlan

    mqtt, api, hub, link, *site = free_ports(8)
    return PlantPlan(*common, mqtt, api, hub, link, tuple(site))


async def _play(plan: "DemoPlan", console: "Console", json: Path | None, *, keep: bool) -> bool:
    import msgspec

    from holdfast.cli.progress import waiting
    from holdfast.kernel.clock import SystemClock
    from holdfast.sim.demo.scenario import Run
    from holdfast.sim.demo.view import View

    run = Run(plan, SystemClock(), console)
    this = asyncio.current_task()
    if this is not None:  # gateway and hub are sessions of their own: nobody else would end them
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    await run.prepare()
    async with run.running():
        with View(console) as view:
            await run.play(view)
        if keep:
            await _wait_for_ctrl_c(plan, console)
    report = await asyncio.to_thread(waiting, partial(_settled, run, console), "settling the ledger")
    if json is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
        await asyncio.to_thread(json.write_bytes, text)
    return report.balanced


def _settled(run: "Run", console: "Console") -> "Report | PlantReport":
    """The ledger, shown."""
    from holdfast.sim.demo import ledger, view
    from holdfast.sim.demo.plant.plan import PlantPlan

    if not isinstance(run.plan, PlantPlan):
        report = ledger.settle(run)
        view.summary(report, console)
        return report
    from holdfast.sim.demo.plant import ledger as plants
    from holdfast.sim.demo.plant import report as shown

    found = plants.settle(run, run.plan)
    shown.summary(found, console)
    return found


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
