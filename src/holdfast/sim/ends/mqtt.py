"""Devices that publish JSON over MQTT, each on a connection of its own.

    {"id": 17, "ts": 1795187068123, "temperature": 21.34, "occupied": true}
id counts a device's messages from 1, so that copies are known by it; ts is ms since 1970 by the device's clock.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from holdfast.kernel.clock import NS_PER_MS
from holdfast.sim.ends.broker import BrokerEndSettings, Mouth
from holdfast.sim.ends.port import DevicePlan, Faults, Scalar
from holdfast.sim.ends.profiles import fields_of, here, profiles_yaml
from holdfast.sim.ends.publishing import framed, on_the_wire
from holdfast.sim.mqtt.client import MqttClient
from holdfast.sim.mqtt.session import Session

_AT_ONCE = 50
_LAST_WORDS_S = 5.0


class MqttEndSettings(BrokerEndSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """topic: with {group} and {device}."""

    topic: str = "sim/{group}/{device}"

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        yield from super().findings()
        if "{device}" not in self.topic.split("/"):
            yield ("topic",), "must have a level {device}, as sim/{group}/{device}"


class MqttEnd:
    """See the page."""

    def __init__(self, name: str, settings: MqttEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        self._settings, self._devices = settings, devices
        self._topic = settings.topic.replace("{group}", name)
        self._name = name
        self._count = dict.fromkeys(devices, 0)
        self._mouths: dict[str, Mouth] = {}

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """One message."""
        self._count[device] += 1
        said = {"id": self._count[device], "ts": at_ns // NS_PER_MS, **values}
        return [framed(self._topic.replace("{device}", device), msgspec.json.encode(said))]

    async def start(self) -> None:
        """Connect all of them.

        Raises:
            HoldfastError: when one can't; those that could are closed.
        """
        gate = asyncio.Semaphore(_AT_ONCE)
        try:
            await asyncio.gather(*(self._connect(device, gate) for device in self._devices))
        except BaseException:
            await self.stop()
            raise

    async def _connect(self, device: str, gate: asyncio.Semaphore) -> None:
        settings = self._settings
        login = settings.login()
        session = Session(f"sim-{device}", user=settings.username, password=login.secret(here))
        async with gate:
            client = MqttClient(login, session)
            await client.start()
        self._mouths[device] = Mouth(client, settings.qos, own=True)

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Publish."""
        del at_ns
        self._mouths[device].say(on_the_wire(frames, faults), faults)

    async def stop(self) -> None:
        """Wait a moment for the last acknowledgements, and close."""
        mouths, self._mouths = list(self._mouths.values()), {}
        for mouth in mouths:
            mouth.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await asyncio.gather(*(mouth.client.room(0) for mouth in mouths if mouth.client.error is None))
        await asyncio.gather(*(mouth.client.stop() for mouth in mouths))

    def map_yaml(self) -> str:
        """A profile."""
        points = next(iter(self._devices.values())).points
        profile = {
            "topic": self._topic,
            "version": 1,
            "time": {"field": "ts", "unit": "ms"},
            "id": "id",
            "fields": fields_of(points),
        }
        return profiles_yaml({f"sim-{self._name}": profile})
