"""What pushing ends share: a publication as a frame, and what garbage makes of it. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.sim.ends.port import Faults
from holdfast.sim.plant.chance import number_of

_TOPIC_BYTES = 2


class Publication(NamedTuple):
    """A payload and where it goes."""

    topic: str
    payload: bytes


def framed(topic: str, payload: bytes) -> bytes:
    """As a frame: the topic with its length before it, as MQTT has it (§1.5.4), then the payload."""
    name = topic.encode()
    return len(name).to_bytes(_TOPIC_BYTES, "big") + name + payload


def unframed(frame: bytes) -> Publication:
    """The publication of a frame."""
    end = _TOPIC_BYTES + int.from_bytes(frame[:_TOPIC_BYTES], "big")
    return Publication(frame[_TOPIC_BYTES:end].decode(), frame[end:])


def on_the_wire(frames: Sequence[bytes], faults: Faults) -> list[Publication]:
    """What really leaves: nothing while the device is gone, garbage while it's garbled."""
    if faults.dropout or faults.half_open:
        return []
    sent = [unframed(frame) for frame in frames]
    return [Publication(each.topic, garbled(each.payload)) for each in sent] if faults.garbage else sent


def garbled(payload: bytes) -> bytes:
    """A payload gone wrong, in one of four ways; which one hangs on the payload only."""
    which = number_of(payload.hex()) % 4
    if which == 0 or not payload:
        return payload[: len(payload) // 2]
    if which == 1:
        return payload + b"}\x00"
    if which == 2:
        return b"\xff\xfe" + payload
    at = len(payload) // 3
    return payload[:at] + bytes(byte ^ 0x5A for byte in payload[at : at + 8]) + payload[at + 8 :]
