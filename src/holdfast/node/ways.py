"""Ways to devices behind network servers and Sparkplug nodes: where their messages come from, commands go to."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.adapters.broker.subscriber import BrokerSubscriber
from holdfast.adapters.mqtt.commanding import CommandPublisher
from holdfast.commands.errors import Undeliverable
from holdfast.commands.service import CommandService
from holdfast.devices.errors import DeviceUnknown
from holdfast.intake.downlinks import DownlinkLink
from holdfast.intake.taps import About, Origin, TapInbox
from holdfast.model.command import Command

if TYPE_CHECKING:
    from holdfast.node.node import Node

_HTTP = "http:"


class Ways:
    """Implements `intake.taps.Way`."""

    def __init__(self, own: CommandPublisher | None) -> None:
        """own: of the node's listener; None = it has none."""
        self._own = own

    def is_open(self, origin: Origin, topic: str, about: About) -> bool:
        """See `Way`."""
        if isinstance(origin.answers, BrokerSubscriber):
            return origin.answers.is_connected
        if origin.source.startswith(_HTTP):
            said = "its messages come by HTTP, and there is no way back: subscribe to its MQTT broker under `brokers`"
            raise Undeliverable(said)
        if self._own is None:
            raise Undeliverable("`mqtt` is off: nothing leads back to the device")
        return self._own.is_there(topic, about.owner)

    def publish(self, origin: Origin, topic: str, payload: bytes, about: About) -> bool:
        """See `Way`."""
        if origin.answers is not None:
            return origin.answers.answer(topic, payload)
        if self._own is None:
            return False
        return self._own.hand_over(
            topic,
            payload,
            owner=about.owner,
            reply_to=f"{topic}/result",
            correlation=about.number.encode(),
            expires_s=about.left_s,
            heard=_nothing,
        )


def tap_all(node: "Node", service: CommandService, taps: TapInbox, own: CommandPublisher | None) -> Callable[[], None]:
    """Command through what the profiles read; call what is returned once the service has started."""
    ways, formats = Ways(own), {profile.format for profile in node.plan.profiles}
    if "lorawan" in formats:
        downlinks = DownlinkLink(service, ways, node.scripts, node.uplinks.profile_of)
        service.through(downlinks)
        taps.tap(downlinks)
    if "sparkplug" not in formats:
        return _nothing
    from holdfast.intake.sparkplug_commands import SparkplugLink  # noqa: PLC0415  # needs the extra `protobuf`

    sparkplug = SparkplugLink(service, ways, node.clock)
    service.through(sparkplug)
    taps.tap(sparkplug)
    return sparkplug.resume


class Unheard:
    """Implements `commands.ports.DeviceLink` for devices behind a broker that nothing was heard of since the start.

    It's asked last. Their commands wait until something is heard of them, or their deadline.
    """

    def __init__(self, node: "Node") -> None:
        self._node = node

    def takes(self, address: str) -> bool:
        """See `DeviceLink`: is it known here, and may it come by a broker?"""
        if not self._node.edge.brokers:
            return False
        try:
            self._node.devices.roster.find(address)
        except DeviceUnknown:
            return False
        return True

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        """See `DeviceLink`."""
        del command, address, left_s, heard
        return False


def _nothing() -> None:
    """Who subscribed has it; the device's end says more."""
