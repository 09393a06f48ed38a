"""Commands over MQTT: a message on the device's own topic, and its answer on the topic below.

The contract with a device: it may get a command more than once, always under the same id (in the topic, in the payload
and, in MQTT 5, as correlation data), and keeps on its own disk which ids it began, so it does each once.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from holdfast.commands.settings import RESULT
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.command import MAX_RESULT, Answer, Command, State, topic_level


class Publisher(Protocol):
    """The node's own broker; `adapters.mqtt.broker.Broker`."""

    def hand_over(
        self,
        topic: str,
        payload: bytes,
        *,
        owner: str,
        reply_to: str,
        correlation: bytes,
        expires_s: float,
        heard: Callable[[], None],
    ) -> bool:
        """Deliver to the sessions that subscribed below `owner`; False = there is none."""
        ...


class Said(msgspec.Struct, frozen=True):
    """A device's answer as it's published."""

    status: Literal["done", "failed", "refused"]
    result: msgspec.Raw = msgspec.Raw(b"")
    detail: str = ""


_said = msgspec.json.Decoder(Said)


class Topics:
    """The topic template of one node, both ways."""

    def __init__(self, template: str, node: str) -> None:
        self._template = template.replace("{node}", node)
        self._levels = self._template.split("/")
        self._device, self._id = self._levels.index("{device}"), self._levels.index("{id}")
        self._suffix = RESULT.strip("/")

    def owner(self, device: str) -> str:
        """What the filter of a device's own subscription begins with: wildcards before its name are others' filters."""
        return "/".join(self._levels[: self._device + 1]).replace("{device}", topic_level(device))

    def of(self, address: str, number: str) -> str:
        """Where a command goes."""
        return self._template.replace("{device}", topic_level(address)).replace("{id}", number)

    def answered(self, topic: str) -> tuple[str, str] | None:
        """Device and id of an answer's topic; None = it's something else."""
        *levels, last = topic.split("/")
        if last != self._suffix or len(levels) != len(self._levels):
            return None
        for mine, theirs in zip(self._levels, levels, strict=True):
            if mine not in ("{device}", "{id}", theirs):
                return None
        return levels[self._device], levels[self._id]


class MqttLink:
    """Implements `ports.DeviceLink`: every device may come over MQTT, so it's the last to be asked."""

    def __init__(self, publisher: Publisher, topics: Topics) -> None:
        self._publisher, self._topics = publisher, topics

    def takes(self, address: str) -> bool:
        """See `DeviceLink`."""
        return bool(address)

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        """See `DeviceLink`."""
        topic = self._topics.of(address, command.id)
        return self._publisher.hand_over(
            topic,
            payload_of(command),
            owner=self._topics.owner(address),
            reply_to=topic + RESULT,
            correlation=command.id.encode(),
            expires_s=left_s,
            heard=heard,
        )


def payload_of(command: Command) -> bytes:
    """What the device reads: JSON {id, name, params, deadline}, the last in seconds since 1970."""
    body = {
        "id": command.id,
        "name": command.name,
        "params": msgspec.Raw(command.params),
        "deadline": round(command.deadline_ns / NS_PER_S, 3),
    }
    return msgspec.json.encode(body)


def answer_of(payload: bytes) -> Answer | None:
    """What a device's payload says; None when it can't be read."""
    if len(payload) > MAX_RESULT:
        return None
    try:
        said = _said.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Answer(State(said.status), said.detail[:1_000], bytes(said.result))
