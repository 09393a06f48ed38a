"""What ends behind an MQTT broker share: its address, and a connection that faults befall."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.sim.ends.port import Faults
from holdfast.sim.ends.publishing import Publication
from holdfast.sim.mqtt.client import MqttClient
from holdfast.transport.brokers import BrokerLogin

_LONG = 2
"""So many messages not sent in a row, and a device's connection breaks, as that of one without power does."""
_MOST_HELD = 10_000


class BrokerEndSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A broker, or a node's own listener. Paths are relative to where the command runs."""

    url: str = "mqtt://127.0.0.1:1883"
    username: str = ""
    password: str = ""
    password_file: str = ""
    ca: str = ""
    qos: Annotated[int, Meta(ge=0, le=1)] = 1

    def login(self) -> BrokerLogin:
        """How to reach it."""
        return BrokerLogin(
            url=self.url, version="v3.1.1", username=self.username, password=self.password,
            password_file=self.password_file, ca=self.ca,
        )  # fmt: skip

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        return self.login().findings()


class Mouth:
    """Publishes through a client what a fault lets through, late where it's slow."""

    def __init__(self, client: MqttClient, qos: int, *, own: bool) -> None:
        """own: the connection is one device's alone, so that it breaks and falls silent with it."""
        self.client = client
        self._qos, self._own = qos, own
        self._missed = 0
        self._held: deque[list[Publication]] = deque()

    def say(self, publications: list[Publication], faults: Faults) -> None:
        """Publish. Without delay, or `slow_s` later, in order all the same."""
        if self._own:
            self._missed = self._missed + 1 if faults.dropout else 0
            self.client.cut(on=self._missed >= _LONG)
            self.client.silence(on=faults.half_open)
        if not publications:
            return
        if faults.slow_s and len(self._held) < _MOST_HELD:
            self._held.append(publications)
            asyncio.get_running_loop().call_later(faults.slow_s, self._late)
        else:
            self._publish(publications)

    def hurry(self) -> None:
        """Publish now what is held back: it's over."""
        while self._held:
            self._publish(self._held.popleft())

    def _late(self) -> None:
        """One more may go; which one is of no matter, for they go in order."""
        if self._held:
            self._publish(self._held.popleft())

    def _publish(self, publications: list[Publication]) -> None:
        for topic, payload in publications:
            self.client.session.publish(topic, payload, self._qos)
        self.client.flush()
