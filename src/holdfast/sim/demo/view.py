"""What a person sees: a calm live page on a terminal, one line a second elsewhere."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from holdfast.sim.demo.report import Report, ledger_lines
from holdfast.sim.demo.watch import Snapshot

_BARS = " ▁▂▃▄▅▆▇█"
_HISTORY = 60
_ALERTS_SHOWN = 5


@dataclass(slots=True)
class Scene:
    """Everything the view shows, kept by the scenario."""

    devices: int = 0
    elapsed: float = 0.0
    seconds: float = 0.0
    phase: str = "starting"
    link_up: bool = True
    published: int = 0
    acked: int = 0
    snapshot: Snapshot = field(default_factory=Snapshot)
    uplink_bytes: int = 0
    messages_per_s: float = 0.0
    readings_per_s: float = 0.0
    link_kbit_s: float = 0.0
    alerts: deque[tuple[str, float]] = field(default_factory=lambda: deque(maxlen=_ALERTS_SHOWN))
    alert_count: int = 0
    backlog_history: deque[int] = field(default_factory=lambda: deque(maxlen=_HISTORY))
    gateway_mb: float = 0.0
    hub_mb: float = 0.0


class View:
    """A context manager around a terminal; `show` as often as you like."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._last_line = -1

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, scene: Scene) -> None:
        """Draw the scene, or write a line when a second has passed."""
        if self._live is not None:
            self._live.update(page(scene), refresh=True)
        elif int(scene.elapsed) != self._last_line:
            self._last_line = int(scene.elapsed)
            self._console.print(line(scene), soft_wrap=True, highlight=False)


def page(scene: Scene) -> RenderableType:
    """The live page."""
    return Group(_header(scene), _flow(scene), _backlog(scene), _alerts(scene))


def line(scene: Scene) -> str:
    """The scene on one line."""
    link = "up" if scene.link_up else "CUT"
    sent, raw = bytes_per_reading(scene)
    return (
        f"{scene.elapsed:5.1f}s {scene.phase:<9} link {link:<3} {scene.messages_per_s:7,.0f} msg/s  "
        f"published {scene.published:,} acked {scene.acked:,}  backlog critical {scene.snapshot.backlog[0]:,} "
        f"normal {scene.snapshot.backlog[1]:,} bulk {scene.snapshot.backlog[2]:,}  alerts {scene.alert_count}  "
        f"link {sent:.1f} B/reading (JSON {raw:.0f})"
    )


def bytes_per_reading(scene: Scene) -> tuple[float, float]:
    """Bytes per reading so far: on the link, and as the raw JSON that the devices sent."""
    rows, raw_rows = scene.snapshot.hub_rows, scene.snapshot.gateway_rows
    return scene.uplink_bytes / max(rows, 1), scene.snapshot.payload_bytes / max(raw_rows, 1)


def sparkline(values: Sequence[int], width: int) -> str:
    """The latest values as bars of eight heights."""
    shown = list(values)[-width:]
    top = max(shown, default=0)
    if not top:
        return "".join(_BARS[1] for _ in shown)
    return "".join(_BARS[1 + round(7 * value / top)] for value in shown)


def summary(report: Report, console: Console) -> None:
    """The ledger at the end."""
    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, figure in ledger_lines(report):
        table.add_row(name, figure)
    console.print(table)
    if report.balanced:
        console.print("[bold green]The ledger balances:[/] nothing acked was lost, nothing doubled.")
    else:
        console.print("[bold red]The ledger does not balance:[/]")
        for problem in report.problems:
            console.print(f"  {problem}", highlight=False)


def _header(scene: Scene) -> RenderableType:
    head = Text.assemble(("  Holdfast ", "bold"), (f"{scene.devices} devices → gateway → hub", "dim"))
    state = Text.assemble(
        ("link up  ", "green") if scene.link_up else ("link CUT  ", "bold red"),
        (f"{scene.phase}  {scene.elapsed:.0f} of {scene.seconds:.0f} s  ", "dim"),
    )
    row = Table.grid(expand=True)
    row.add_column(justify="left")
    row.add_column(justify="right")
    row.add_row(head, state)
    return Group(Text(), row, Text())


def _flow(scene: Scene) -> RenderableType:
    snapshot = scene.snapshot
    refused = sum(v for k, v in snapshot.counters.items() if k.startswith("messages_rejected."))
    table = Table(box=None, expand=True, padding=(0, 2))
    for title in ("devices", "gateway", "link", "hub"):
        table.add_column(title, header_style="dim", ratio=1)
    table.add_row(
        f"{scene.messages_per_s:,.0f} msg/s",
        f"{scene.readings_per_s:,.0f} readings/s",
        f"{scene.link_kbit_s:,.0f} kbit/s",
        f"{snapshot.hub_rows:,} rows",
    )
    table.add_row(
        f"{scene.published:,} published",
        f"{snapshot.gateway_rows:,} rows",
        f"{snapshot.waiting:,} waiting",
        f"{scene.hub_mb:.0f} MB memory",
    )
    link, raw = bytes_per_reading(scene)
    table.add_row(f"{scene.acked:,} acked", f"{refused:,} refused", f"{link:.1f} B/reading", "")
    table.add_row("", f"{snapshot.journal_bytes / 1e6:.1f} MB journal", f"{raw:.0f} B as raw JSON", "")
    table.add_row("", f"{scene.gateway_mb:.0f} MB memory", "", "")
    return table


def _backlog(scene: Scene) -> RenderableType:
    critical, normal, bulk = scene.snapshot.backlog
    style = "cyan" if scene.link_up else "red"
    return Group(
        Text(),
        Text.assemble(("  backlog  ", "dim"), f"critical {critical:,}   normal {normal:,}   bulk {bulk:,}"),
        Text("  " + sparkline(scene.backlog_history, _HISTORY), style=style),
    )


def _alerts(scene: Scene) -> RenderableType:
    rows = [Text.assemble(("\n  alerts  ", "dim"), f"{scene.alert_count}")]
    for text, latency_ms in reversed(scene.alerts):
        rows.append(Text.assemble("  ", (f"{latency_ms:6.1f} ms  ", "dim"), text, overflow="ellipsis", no_wrap=True))
    rows += [Text() for _ in range(_ALERTS_SHOWN - len(scene.alerts))]
    return Group(*rows)
