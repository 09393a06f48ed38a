"""Messages owed to subscribers, the queues they wait in, and what is counted about them."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.adapters.mqtt import fields, packets
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.settings import MqttSettings

_OVERHEAD = 200  # objects around a waiting message, bytes, about
_DUP = 8


@dataclass(slots=True)
class Tally:
    """Counts over all sessions. refused: by their receivers (MQTT 5 reason codes from 0x80)."""

    sent: int = 0
    dropped_quiet: int = 0
    dropped_waiting: int = 0
    dropped_oversize: int = 0
    expired: int = 0
    refused: int = 0

    @property
    def dropped(self) -> int:
        """Messages that gave way to others or were too large."""
        return self.dropped_quiet + self.dropped_waiting + self.dropped_oversize


@dataclass(slots=True)
class Budget:
    """Bytes that all sessions together may keep waiting."""

    limit: int
    used: int = 0


class Letter:
    """One message owed to one subscriber.

    qos:      of this delivery
    group:    the shared subscription it was taken from, "" for the subscriber's own
    pid:      its packet identifier, 0 before it has one
    sends:    how often it was begun to be sent
    on_wire:  it was sent on the present connection
    released: the subscriber has it (PUBREC)
    number:   its row in the journal, 0 for none; stored: the row is written or being written; gone: no longer owed
    safe:     what must be on disk before the next packet about it may leave, is
    """

    __slots__ = (
        "cost",
        "gone",
        "group",
        "identifiers",
        "number",
        "on_wire",
        "payload",
        "pid",
        "publication",
        "qos",
        "released",
        "retain",
        "safe",
        "sends",
        "stored",
    )

    def __init__(
        self,
        publication: Publication,
        payload: bytes,
        identifiers: tuple[int, ...],
        *,
        qos: int,
        retain: bool,
        group: str = "",
    ) -> None:
        self.publication = publication
        self.payload = payload
        self.identifiers = identifiers
        self.qos = qos
        self.retain = retain
        self.group = group
        self.cost = len(payload) + _OVERHEAD
        self.pid = self.sends = self.number = 0
        self.on_wire = self.released = self.stored = self.gone = False
        self.safe = True

    def heard(self) -> None:
        """The subscriber has it."""
        if self.publication.heard is not None:
            self.publication.heard()

    def packet(self, version: int, now: float, alias: int, field: bytes) -> bytes:
        """The PUBLISH. field: the topic as it is to stand, empty text where the alias says it."""
        first = packets.PUBLISH << 4 | self.qos << 1 | self.retain | (_DUP if self.qos and self.sends else 0)
        said = self.publication.said(version, self.identifiers, now, alias)
        pid_bytes = self.pid.to_bytes(2, "big") if self.qos else b""
        return packets.publish(first, field, pid_bytes, said, self.payload)


class Body(msgspec.Struct, frozen=True, array_like=True):
    """A letter as it is stored. expires_ns: UTC, 0 = never."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    group: str
    identifiers: tuple[int, ...]
    expires_ns: int
    properties: list[tuple[int, Any]]


def packed(letter: Letter, ahead_ns: int) -> bytes:
    """A letter's body. ahead_ns: wall clock minus monotonic clock."""
    about = letter.publication
    expires = round(about.expires * 1e9) + ahead_ns if about.expires else 0
    properties = [(int(prop), value) for prop, value in about.properties]
    return msgspec.msgpack.encode(
        Body(
            about.topic,
            letter.payload,
            letter.qos,
            letter.retain,
            letter.group,
            letter.identifiers,
            expires,
            properties,
        )
    )


def unpacked(data: bytes, ahead_ns: int) -> Letter:
    """The letter of a body.

    Raises:
        msgspec.MsgspecError: when it isn't one.
    """
    body = msgspec.msgpack.decode(data, type=Body)
    properties = [(Prop(prop), tuple(value) if isinstance(value, list) else value) for prop, value in body.properties]
    publication = Publication(
        body.topic,
        fields.text(body.topic),
        (body.payload,),
        qos=body.qos,
        retain=body.retain,
        properties=properties,
        expires=max(1e-9, (body.expires_ns - ahead_ns) / 1e9) if body.expires_ns else 0.0,
    )
    return Letter(publication, body.payload, body.identifiers, qos=body.qos, retain=body.retain, group=body.group)


class Queue:
    """Waiting letters, oldest first, bounded by count, bytes and the shared budget."""

    __slots__ = ("_budget", "_bytes", "_letters", "_max_bytes", "_max_letters")

    def __init__(self, settings: MqttSettings, budget: Budget) -> None:
        self._letters: deque[Letter] | None = None  # an empty one has 600 bytes, and most sessions need none
        self._bytes = 0
        self._max_letters = settings.queue_messages
        self._max_bytes = settings.queue_bytes
        self._budget = budget

    def __len__(self) -> int:
        return len(self._letters) if self._letters is not None else 0

    def put(self, letter: Letter) -> list[Letter]:
        """Add a letter; those that gave way, the oldest first (the letter itself when it alone is too much)."""
        if self._letters is None:
            self._letters = deque()
        self._letters.append(letter)
        self._move(letter.cost)
        dropped: list[Letter] = []
        while self._letters and self._over():
            dropped.append(self.pop())
        return dropped

    def pop(self) -> Letter:
        """Take the oldest."""
        if self._letters is None:
            raise IndexError
        letter = self._letters.popleft()
        self._move(-letter.cost)
        return letter

    def clear(self) -> list[Letter]:
        """Take all."""
        letters = list(self._letters or ())
        self._move(-self._bytes)
        self._letters = None
        return letters

    def _over(self) -> bool:
        return len(self) > self._max_letters or self._bytes > self._max_bytes or self._budget.used > self._budget.limit

    def _move(self, cost: int) -> None:
        self._bytes += cost
        self._budget.used += cost
