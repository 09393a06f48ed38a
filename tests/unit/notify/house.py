"""A real journal with the book of alerts on it, ways that the test plays, and time that moves when it's told to."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tests.events import alert

from holdfast.journal import alert_history, alerts
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert, Wanted
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import ManualClock
from holdfast.kernel.documents import parse
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.notify.messages import Message
from holdfast.notify.planned import MaintenanceSettings
from holdfast.notify.ports import RuleNotice, Words
from holdfast.notify.routing import KINDS
from holdfast.notify.service import NotifyService, NotifySettings
from holdfast.notify.settings import AlertSettings, ChannelSettings, Escalation
from holdfast.telemetry.happenings import Telemetry


class Paper:
    """A way that keeps what it's told. Implements `notify.ports.Way`."""

    kind, where = "paper", "here"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.error: Exception | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.odd = ""
        self.is_closed = False

    async def tell(self, message: Message) -> str:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        if self.error is not None:
            raise self.error
        self.messages.append(message)
        return self.odd

    async def close(self) -> None:
        self.is_closed = True

    @property
    def lines(self) -> list[list[str]]:
        """What was said: device and state of each alert, by message."""
        return [[f"{item.alert.device} {item.state}" for item in message.items] for message in self.messages]


@dataclass(frozen=True)
class Notice:
    """What a rule does. Implements `notify.ports.RuleNotice`."""

    channel: str = ""
    escalation: str = ""
    kinds: frozenset[str] = KINDS["both"]
    message: Words | None = None


class Parts(msgspec.Struct):
    channels: dict[str, ChannelSettings]
    escalations: dict[str, Escalation] = {}
    alerts: AlertSettings = msgspec.field(default_factory=AlertSettings)
    maintenance: dict[str, MaintenanceSettings] = {}


class House:
    """One life of a node's notify room. rules: what they do, by name."""

    def __init__(self, folder: Path, text: str, rules: Mapping[str, Sequence[RuleNotice]], clock: ManualClock) -> None:
        parts = parse(text, Parts, Path("node.yaml")).value
        self.clock, self.log = clock, list[str]()
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), clock)
        self.ways = {name: Paper() for name in parts.channels}
        self.telemetry = Telemetry(clock, self.log.append)
        self.acknowledged: list[tuple[str, str, str]] = []
        self.labels: list[Labelled] = []
        self.labels_of: dict[str, tuple[str, ...]] = {}
        self.rule_texts: dict[str, tuple[str, str]] = {}
        self.lane_of: Callable[[Event], Lane] = lambda event: event.lane
        self.service = NotifyService(
            NotifySettings(parts.channels, parts.escalations, parts.alerts, parts.maintenance),
            self.journal,
            clock,
            self.telemetry,
            ways=self.ways,
            notices=lambda rule: rules.get(rule, ()),
            labels_of=lambda event: self.labels_of.get(event.device, ()),
            rule_text=lambda rule: self.rule_texts.get(rule, ("", "")),
            lane_of=self._lane_of,
            on_acknowledged=lambda one: self.acknowledged.append((one.node, one.device, one.rule)),
            on_label=self.labels.append,
        )
        self._n = self.journal.head(Lane.CRITICAL)

    def _lane_of(self, event: Event) -> Lane:
        return self.lane_of(event)

    async def put(self, *events: Event, lane: Lane = Lane.CRITICAL) -> None:
        """Commit events, and have them taken."""
        await self.journal.submit(lambda tx: tx.append_events(lane, list(events)))
        await self.service.once()

    def event(self, device: str, kind: str = "alert.raised", **other: Any) -> Event:
        self._n += 1
        why = {"decided_on": "gw", "values": {"t": 7.25}, "condition": "t > 7", "inputs": {"t": [7.25]}}
        fields = {"ts": self.clock.wall_ns(), "device": device, "kind": kind, "message": f"{device} is hot", "why": why}
        return alert(self._n, **{**fields, **other})

    async def raise_(self, *devices: str, **other: Any) -> None:
        await self.put(*(self.event(device, **other) for device in devices))

    async def clear(self, *devices: str, **other: Any) -> None:
        await self.put(*(self.event(device, "alert.cleared", **other) for device in devices))

    async def tell(self, *channels: str) -> None:
        """Let channels tell until they have nothing to do now."""
        for name in channels or self.ways:
            while await self.service.channels[name].once() == 0.0:
                pass

    async def pass_(self, seconds: float) -> None:
        """Time goes by; the service and the channels look at it."""
        self.clock.advance(seconds)
        await self.service.once()
        await self.tell()

    def lines(self, channel: str = "ops") -> list[list[str]]:
        return self.ways[channel].lines

    def alerts(self, **wanted: Any) -> list[Alert]:
        return self.journal.look(lambda db: alerts.page(db, Wanted(**wanted), 1_000))

    def history(self, number: int) -> list[tuple[str, str, str]]:
        """What became of an alert beside its row: what, who, detail."""
        found = self.journal.look(lambda db: alert_history.of_alert(db, number))
        return [(one.kind, one.who, one.detail) for one in found]

    def waiting(self, channel: str = "ops") -> int:
        return self.service.channels[channel].status().backlog.waiting

    def balances(self, channel: str = "ops") -> bool:
        """Is everything that was to be told accounted for? Reminders that are due later wait, too."""
        counters = self.journal.counters()
        made, *ends = (
            counters.get(f"channel_{what}.{channel}", 0) for what in ("made", "told", "given_up", "settled", "dropped")
        )
        sql = "SELECT count(*) FROM alert_dispatches WHERE channel = ?"
        ((waits,),) = self.journal.look(lambda db: db.execute(sql, (channel,)).fetchall())
        return made - sum(ends) == waits


OPS = "channels: {ops: {slack: {url: 'https://chat'}, takes: {}%s}}\n"


def play(
    folder: Path,
    body: Callable[[House], Awaitable[None]],
    *,
    text: str = OPS % "",
    rules: Mapping[str, Sequence[RuleNotice]] | None = None,
    clock: ManualClock | None = None,
) -> None:
    """Run one life; a second call with the same folder is the next."""

    async def run() -> None:
        house = House(folder, text, rules or {}, clock or ManualClock())
        try:
            await house.service.start()
            await body(house)
            for name in house.ways:
                assert house.balances(name)
        finally:
            await house.service.close()
            house.journal.close()

    asyncio.run(run())
