"""One connection to a broker for all devices of a group: a network server, or an edge node, speaks for them."""

from collections.abc import Callable, Mapping, Sequence

from holdfast.sim.ends.broker import BrokerEndSettings, Mouth
from holdfast.sim.ends.port import DevicePlan, Faults
from holdfast.sim.ends.profiles import here
from holdfast.sim.ends.publishing import on_the_wire
from holdfast.sim.mqtt.client import MqttClient
from holdfast.sim.mqtt.session import Message, Session, Will

_LAST_WORDS_S = 5.0
_WINDOW = 200


class SingleEnd:
    """The sockets of such an end."""

    def __init__(self, name: str, settings: BrokerEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        self._name, self._broker, self._devices = name, settings, devices
        self._client: MqttClient | None = None
        self._mouths: dict[str, Mouth] = {}

    async def _open(
        self, filters: Sequence[str] = (), heard: Callable[[Message], None] | None = None,
        will: Callable[[], Will] | None = None,
    ) -> None:  # fmt: skip
        login = self._broker.login()
        session = Session(
            f"sim-{self._name}", user=login.username, password=login.secret(here), will=will, window=_WINDOW
        )
        if filters:
            session.subscribe(*filters)
        client = MqttClient(login, session, heard)
        await client.start()
        self._client = client
        self._mouths = {device: Mouth(client, self._broker.qos, own=False) for device in self._devices}

    async def start(self) -> None:
        """Connect.

        Raises:
            HoldfastError: when it can't.
        """
        await self._open()

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Publish."""
        del at_ns
        self._mouths[device].say(on_the_wire(frames, faults), faults)

    async def stop(self) -> None:
        """Wait a moment for the last acknowledgements, and close."""
        client, self._client = self._client, None
        if client is not None:
            for mouth in self._mouths.values():
                mouth.hurry()
            if client.error is None:
                await client.drained(_LAST_WORDS_S)
            await client.stop()
