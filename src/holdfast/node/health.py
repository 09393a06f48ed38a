"""The node's own health as readings of a device called `node`: journalled, bounded, synced and charted as any other's.

What keeps them at the site (`send: false`) and how long they stay (`keep`) is done by what does that for all readings:
an entry of `parent.send` and one of `history.keep`, put before the operator's own.
"""

import resource
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from holdfast.adapters.host.periodic import PeriodicAdapter, Read
from holdfast.devices.health import State
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.lane import SYNCED_LANES
from holdfast.storage.ballast import free_bytes
from holdfast.uplink.filtering.settings import SendRule
from holdfast.uplink.measuring import oldest_s

if TYPE_CHECKING:
    from holdfast.node.node import Node
    from holdfast.node.settings import NodeSettings

DEVICE, SERIES = "node", "node/*"
_STATM = Path("/proc/self/statm")


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node at one moment. The field names are the contract with the built-in profile `node`.

    ts: unix seconds; shares and loads in percent, sizes in bytes, goodput in bit/s, rates a second
    """

    ts: float
    memory: int
    cpu: float
    journal_used: int
    journal_share: float
    disk_free: int
    devices_silent: int
    ledger_residual: int
    messages: float | None = None
    refused: float | None = None
    backlog_rows: int | None = None
    backlog_age: float | None = None
    link_up: bool | None = None
    link_goodput: float | None = None


def with_health(settings: "NodeSettings") -> "NodeSettings":
    """The settings with what `telemetry.metrics` asks of others."""
    health = settings.telemetry.metrics
    if health is None:
        return settings
    parent, history = settings.parent, settings.history
    if parent is not None and not health.send:
        stays = SendRule(series=SERIES, as_="nothing")
        settings = replace(settings, parent=replace(parent, send=(stays, *parent.send)))
    if history and health.keep:
        found = HistorySettings() if isinstance(history, bool) else history
        rule = KeepSettings(series=SERIES, raw=health.keep, minutes=health.keep, hours=health.keep)
        settings = replace(settings, history=replace(found, keep=(rule, *found.keep)))
    return settings


def periodic(node: "Node") -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
    """What reads the machine and the node, by name, where node.yaml wants it."""
    settings, inbox, clock = node.plan.settings, node.intake.inbox, node.clock
    if settings.host is not None:
        from holdfast.adapters.host.adapter import HostAdapter  # noqa: PLC0415  # psutil: for those who want it

        host = HostAdapter(settings.host, inbox, clock)
        yield "host", node.adapters.supervise("host", settings.host.device, host.run)
    health = settings.telemetry.metrics
    if health is not None:
        what = Read(DEVICE, f"node/{DEVICE}", health.every, Health(node).payload)
        yield "health", node.adapters.supervise("health", DEVICE, PeriodicAdapter(what, inbox, clock).run)


class Health:
    """Reads a node. Rates are since the last reading."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._at: float | None = None
        self._cpu_s = self._received = self._refused = 0.0

    def payload(self) -> bytes:
        """One reading as the JSON a device would publish. Blocking."""
        return msgspec.json.encode(self.sample())

    def sample(self) -> Sample:
        """One reading. Blocking: it looks into the journal."""
        node = self._node
        journal = node.journal
        used = journal.used_bytes()
        ledger = balance(journal.accounts(CONSUMER), has_parent=node.uplink is not None)
        cpu, messages, refused = self._rates(ledger)
        sample = Sample(
            ts=node.clock.wall_ns() / NS_PER_S,
            memory=resident_bytes(),
            cpu=cpu,
            journal_used=used,
            journal_share=round(100 * used / journal.settings.quota, 3),
            disk_free=free_bytes(journal.folder),
            devices_silent=int(node.devices.total(State.SILENT)),
            ledger_residual=residual(ledger),
            messages=messages,
            refused=refused,
        )
        return self._with_link(sample)

    def _with_link(self, sample: Sample) -> Sample:
        node = self._node
        if node.uplink is None:
            return sample
        status = node.uplink.status()
        waiting = [lane for lane in SYNCED_LANES if status.backlog[lane]]
        return replace(
            sample,
            backlog_rows=sum(status.backlog[lane] for lane in SYNCED_LANES),
            backlog_age=max((oldest_s(node.journal, node.clock, lane) for lane in waiting), default=0.0),
            link_up=status.is_up,
            link_goodput=status.link.goodput_bps,
        )

    def _rates(self, ledger: Ledger) -> tuple[float, float | None, float | None]:
        """CPU in percent of a core, messages and refused ones a second; the first reading knows no rates."""
        now, cpu_s = self._node.clock.monotonic(), time.process_time()
        received, refused = ledger.messages.received, ledger.messages.quarantined
        before, self._at = self._at, now
        was = self._cpu_s, self._received, self._refused
        self._cpu_s, self._received, self._refused = cpu_s, received, refused
        if before is None or now <= before:
            return 0.0, None, None
        cpu, came, out = (max(0.0, new - old) / (now - before) for new, old in zip(
            (cpu_s, received, refused), was, strict=True
        ))  # fmt: skip
        return round(100 * cpu, 2), round(came, 3), round(out, 3)


def residual(ledger: Ledger) -> int:
    """What doesn't balance, of all accounts together; 0, or something is wrong."""
    parts = [ledger.messages.residual, ledger.rows.residual]
    parts += [lane.residual for lane in ledger.lanes] + [child.residual for child in ledger.children]
    return sum(map(abs, parts))


def resident_bytes() -> int:
    """This process' memory in RAM."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
