"""A node's commands put together: rules, devices, applications, the parent and the children around one service."""

from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.adapters.mqtt.server import MqttServer
from holdfast.commands.above import Above
from holdfast.commands.below import Below
from holdfast.commands.mqtt import MqttLink, Topics
from holdfast.commands.names import Called, itself
from holdfast.commands.ports import DeviceLink
from holdfast.commands.service import CommandService
from holdfast.devices.errors import DeviceUnknown
from holdfast.documents.settings import matcher
from holdfast.identity.tokens import TokenBook
from holdfast.ingest.service import IngestService
from holdfast.intake.commands import CommandInbox
from holdfast.intake.taps import TapInbox
from holdfast.journal.alerts import Alert
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.command import Answer, Command
from holdfast.model.event import Event
from holdfast.node.edge.writing import EdgeLink
from holdfast.node.order_bell import ring_below
from holdfast.node.parent_calls import ParentCalls, breaker_of
from holdfast.node.ways import Unheard, tap_all
from holdfast.node.web import child_names
from holdfast.notify.service import NotifyService
from holdfast.sites.acting import ActingHere
from holdfast.sites.acts import ActsBelow
from holdfast.uplink.settings import ParentSettings
from holdfast.web.deps import Commands
from holdfast.wire.acts import is_act
from holdfast.wire.commands import CommandPoll, Order, Orders
from holdfast.wire.hybrid import is_answer

if TYPE_CHECKING:
    from holdfast.node.node import Node

PATH = "/api/v1/sync/commands"
MOST_REPLY = 16 << 20
_ABSENT = "it takes no children, or sends no commands: is it an older version?"


class Commanding:
    """The commands of one node. Made on the loop, before the MQTT server."""

    def __init__(self, node: "Node") -> None:
        """Open nothing.

        Raises:
            HoldfastError: when the parent's files can't be used.
        """
        plan = node.plan
        settings, parent = plan.settings.commands, plan.settings.parent
        self._node = node
        self.service = CommandService(
            settings,
            node.journal,
            node.clock,
            node.telemetry,
            is_unset=lambda: node.timekeeper.is_unset,
            children=self._children,
            may_leave=self._may_leave,
            names=self._called,
            may_tell=lambda: node.uplink is None or node.uplink.standing.takes_any_kind,
        )
        topics = Topics(settings.topic, plan.settings.node)
        self.taps = TapInbox(node.uplinks)
        """Where messages of devices come in that publish no answers to commands: brokers', adapters'."""
        self.inbox = CommandInbox(self.taps, self.service, topics)
        self._topics = topics
        self._below = None if plan.children is None else Below(self.service)
        self._link = self._above = None
        self._acting: ActingHere | None = None
        self.also: list[DeviceLink] = []
        """Ways to what is addressed to the node itself, beside alerts; filled before the start."""
        if parent is not None and (settings.from_parent or plan.settings.alerts.from_parent):
            # Without commands to devices it holds no question open: the parent says when something waits.
            self._link = HttpsParentCommands(parent, plan.path, settings.wait)
            self._above = Above(
                self.service, self._link, breaker_of(parent), why_not=self._why_not, waits=settings.from_parent
            )

    async def start(self, mqtt: MqttServer | None, ingest: IngestService | None) -> None:
        """Join the ways to devices and what tells the ends of commands that went down; take up what was left open."""
        node = self._node
        node.intake.command_through(self.service)
        self._acting = ActingHere(self.service, node.notify, node.journal, node.clock, self._may_be_known)
        for link in (self._acting, *self.also):
            self.service.through(link)
        if node.edge.adapters:
            self.service.through(EdgeLink(node.edge.adapters, node.plan.profiles, self._written))
        tapped = tap_all(node, self.service, self.taps, None if mqtt is None else mqtt.commands)
        if mqtt is not None:
            self.service.through(MqttLink(mqtt.commands, self._topics))
        self.service.through(Unheard(node))
        if ingest is not None:
            ingest.on_events(self.service.heard_from_below)
        await self.service.start()
        tapped()

    def _written(self, number: str, device: str, answer: Answer) -> None:
        self.service.answered(number, device, answer, lambda: None)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs beside the node."""
        yield "commands", self.service.run()
        if self._acting is not None:
            yield "alert-acts", self._acting.run()
        if self._above is not None:
            yield "commands-above", self._above.run()
        if self._below is not None and self._node.surroundings.questions is not None:
            yield "commands-bell", ring_below(self.service, self._below, self._node.surroundings.questions)

    def call(self) -> None:
        """The parent says that commands wait for this node."""
        if self._above is not None:
            self._above.call()

    def acts_below(self, notify: NotifyService) -> ActsBelow | None:
        """What people here do about alerts of nodes below; None = there are none."""
        sites = self._node.told_devices.sites
        if sites is None:
            return None

        def over(command: Command) -> None:
            notify.revision += is_act(command.device)

        self.service.on_over = over
        return ActsBelow(self._node.journal.node, self.service, sites.get)

    def door(self, book: TokenBook) -> Commands:
        """What the web room needs."""
        node, clock = self._node, self._node.clock
        may = {name: matcher(app.commands) for name, app in node.plan.settings.apps.items()}
        return Commands(
            node.plan.settings.node,
            self.service,
            node.journal.look,
            lambda text: book.who(text, clock.wall_ns() / NS_PER_S),
            lambda app, device: may[app](device),
            self._below,
        )

    async def close(self) -> None:
        """Close the kept connections."""
        if self._link is not None:
            await self._link.close()

    def _called(self, device: str) -> Called:
        roster = self._node.devices.roster
        try:
            row = roster.find(device)
        except DeviceUnknown:
            return itself(device)
        names = roster.names(row.number)
        return Called(
            row.name,
            roster.hardware(row.number),
            0 if row.name == device else max((one.at_ns for one in names if one.name == device), default=0),
            tuple((one.name, one.at_ns) for one in names if one.role == "replaced"),
            tuple({row.name: None} | dict.fromkeys(one.name for one in names)),
        )

    def _children(self) -> list[str]:
        return child_names(self._node.plan)

    def _why_not(self, order: Order) -> str:
        """Why this node takes no order from its parent; empty = it does."""
        settings, own = self._node.plan.settings, self._node.journal.node
        if is_answer(order.device):
            asks = order.node != own or any(link.takes(order.device) for link in self.also)
            return "" if asks else f"{own} asks no model above it"
        if is_act(order.device):
            return "" if settings.alerts.from_parent else f"{own} takes none from its parent (`alerts.from_parent`)"
        return "" if settings.commands.from_parent else f"{own} takes none from its parent (`commands.from_parent`)"

    def _may_be_known(self, alert: Alert) -> bool:
        """May it be known above that there is this alert? It may be from before its device's residency rule."""
        return not any(lane.stays for lane in self._node.leaving.sort_events([alert.raised]).by_lane)

    def _may_leave(self, event: Event) -> bool:
        if is_act(event.device) or is_answer(event.device):
            return True  # what is said of an act names nothing that wasn't known above
        return not any(lane.stays for lane in self._node.leaving.sort_events([event]).by_lane)


class HttpsParentCommands:
    """Implements `commands.ports.ParentCommands`."""

    def __init__(self, parent: ParentSettings, path: Callable[[str], Path], wait_s: float) -> None:
        """Connect to nothing yet. Raises like `ParentCalls`."""
        self._calls = ParentCalls(parent, path, _ABSENT, MOST_REPLY, wait_s)

    async def commands(self, poll: CommandPoll) -> Orders:
        """Say what was taken, and wait for more."""
        return await self._calls.ask(PATH, poll, Orders)

    async def close(self) -> None:
        """Close the kept connection."""
        await self._calls.close()
