"""The plant's ledger, and whether it balances. Pure."""

from msgspec import Struct, field
from rich import box
from rich.console import Console
from rich.table import Table


class ProtocolRow(Struct, frozen=True):
    """A protocol's devices.

    shown:    states that they sent, or had to be asked for
    gateway, hub: their readings there
    wrong:    good readings at the hub that no device showed
    missing:  messages that were sent and aren't at the hub; of polled devices series that aren't there
    offline:  readings that mark a gap: the device didn't answer
    """

    protocol: str
    devices: int
    shown: int
    gateway: int
    hub: int
    wrong: int
    missing: int
    offline: int


class PlantReport(Struct, frozen=True, kw_only=True):
    """What `--json` writes for the plant.

    hash: over what the seed says, played again; hash_on_the_wire: over what the devices' process put there
    """

    seconds: float
    protocols: list[ProtocolRow]
    gateway_readings: int
    hub_readings: int
    doubled: int
    outage_s: float
    backlog_max: int
    drain_s: float
    uplink_bytes: int
    gateway_rss_mb: float
    hub_rss_mb: float
    clean_exits: bool
    hash: str
    hash_on_the_wire: str
    problems: list[str] = field(default_factory=list)
    balanced: bool = False


def problems_of(report: PlantReport) -> list[str]:
    """Every line that doesn't balance, in plain words."""
    checks = [
        (
            report.gateway_readings == report.hub_readings,
            f"the gateway committed {report.gateway_readings} readings, the hub {report.hub_readings}",
        ),
        (report.doubled == 0, f"{report.doubled} readings are stored twice at the hub"),
        (report.hash == report.hash_on_the_wire, "the devices showed something else than their seed says"),
        (report.clean_exits, "a node did not stop cleanly"),
    ]
    for row in report.protocols:
        checks += [
            (row.hub > 0, f"{row.protocol}: nothing arrived"),
            (row.wrong == 0, f"{row.protocol}: {row.wrong} readings at the hub that no device showed"),
            (row.missing == 0, f"{row.protocol}: {row.missing} are missing at the hub"),
            (row.gateway == row.hub, f"{row.protocol}: the gateway has {row.gateway} readings, the hub {row.hub}"),
        ]
    return [sentence for holds, sentence in checks if not holds]


def summary(report: PlantReport, console: Console) -> None:
    """The ledger at the end."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("protocol", no_wrap=True)
    for name in ("devices", "states shown", "at the gateway", "at the hub", "wrong", "missing", "gaps marked"):
        table.add_column(name, justify="right")
    for row in report.protocols:
        figures = row.devices, row.shown, row.gateway, row.hub, row.wrong, row.missing, row.offline
        table.add_row(row.protocol, *(f"{figure:,}" for figure in figures))
    console.print(table)
    console.print(
        f"{report.hub_readings:,} readings at the hub, {report.doubled} doubled. Outage {report.outage_s:.1f} s, "
        f"backlog up to {report.backlog_max:,} rows, drained in {report.drain_s:.1f} s. "
        f"Memory: gateway {report.gateway_rss_mb:.0f} MB, hub {report.hub_rss_mb:.0f} MB.\n"
        f"What the devices had to show, SHA-256: {report.hash}",
        highlight=False,
    )
    if report.balanced:
        console.print("[bold green]The ledger balances:[/] what is at the hub is what the devices showed.")
    else:
        console.print("[bold red]The ledger does not balance:[/]")
        for problem in report.problems:
            console.print(f"  {problem}", highlight=False)
