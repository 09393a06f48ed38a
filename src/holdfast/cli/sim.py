"""`holdfast sim`."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer


def sim(
    broker: Annotated[str, typer.Option(help="host:port of the MQTT broker.")] = "127.0.0.1:1883",
    devices: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    rate: Annotated[float, typer.Option(min=0.1, help="Messages a second over all devices.")] = 2000,
    seconds: Annotated[float, typer.Option(min=0.1)] = 30.0,
    seed: Annotated[int, typer.Option(help="Same seed, same messages (but for the time).")] = 1,
    record: Annotated[Path | None, typer.Option(help="Write what was sent and acked there (.npz).")] = None,
    progress: Annotated[bool, typer.Option("--progress", help="A JSON line a second.")] = False,
) -> None:
    """Pretend devices: recorded room data in three vendors' shapes over real MQTT."""
    import msgspec

    from holdfast.cli.progress import progress as shown
    from holdfast.kernel.clock import SystemClock
    from holdfast.sim.fleet.fleet import Fleet, FleetPlan, Progress, summary

    host, _, port = broker.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter(f"--broker {broker} is not host:port, as in 127.0.0.1:1883")
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(1))
    clock = SystemClock()
    fleet = Fleet(FleetPlan(host, int(port), devices, rate, seconds, seed), clock)

    def tell(how_far: Progress) -> None:
        said = f"{devices} devices, {how_far.published:,} sent, {how_far.acked:,} acked"
        bar(min(clock.monotonic() - began, seconds), doing=said)
        if progress:
            sys.stdout.write(msgspec.json.encode(how_far).decode() + "\n")
            sys.stdout.flush()

    began = clock.monotonic()
    with shown(f"{devices} devices", seconds, "s", json=progress) as bar:
        result = fleet.run(lambda: bool(stop), tell)
    if record is not None:
        result.save(record)
    outcome = summary(result, fleet.reconnects, clock.monotonic() - began)
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    raise typer.Exit(0 if outcome["acked"] == outcome["published"] else 1)
