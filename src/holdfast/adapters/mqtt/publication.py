"""A message on its way to subscribers, encoded once for all that can share the bytes."""

from collections.abc import Callable, Sequence
from typing import Any

from holdfast.adapters.mqtt import packets, properties
from holdfast.adapters.mqtt.properties import Prop

_PUBLISH = packets.PUBLISH << 4


class Publication:
    """Payloads published on one topic.

    field:   the topic as it stands on the wire, length first
    expires: monotonic time after which the messages are of no use; 0.0 for never
    heard:   called when a subscriber has acknowledged one of them
    """

    __slots__ = ("_encoded", "expires", "field", "heard", "payloads", "properties", "qos", "retain", "topic")

    def __init__(
        self,
        topic: str,
        field: bytes,
        payloads: Sequence[bytes],
        *,
        qos: int,
        retain: bool = False,
        properties: Sequence[tuple[Prop, Any]] = (),
        expires: float = 0.0,
    ) -> None:
        self.topic = topic
        self.field = field
        self.payloads = payloads
        self.qos = qos
        self.retain = retain
        self.properties = properties
        self.expires = expires
        self.heard: Callable[[], None] | None = None
        self._encoded: dict[tuple[int, bool, tuple[int, ...]], list[bytes]] = {}

    def expired(self, now: float) -> bool:
        """The messages are of no use any more."""
        return bool(self.expires) and now >= self.expires

    def unacked(self, version: int, identifiers: tuple[int, ...], now: float, *, retain: bool) -> list[bytes]:
        """The QoS 0 packets, one per payload; the same list for every subscriber alike."""
        key = (version, retain, identifiers)
        frames = self._encoded.get(key)
        if frames is None or self.expires:
            said = self.said(version, identifiers, now)
            first, field = _PUBLISH | retain, self.field
            frames = [packets.publish(first, field, b"", said, payload) for payload in self.payloads]
            self._encoded[key] = frames
        return frames

    def of(self, payloads: Sequence[bytes]) -> "Publication":
        """The same message with other payloads, for receivers that share them out."""
        return Publication(
            self.topic,
            self.field,
            payloads,
            qos=self.qos,
            retain=self.retain,
            properties=self.properties,
            expires=self.expires,
        )

    def said(self, version: int, identifiers: tuple[int, ...], now: float, alias: int = 0) -> bytes:
        """The properties as bytes, with what is left of the expiry."""
        if version != packets.V5:
            return b""
        if not (self.properties or identifiers or self.expires or alias):
            return b"\0"
        found = [*self.properties, *((Prop.SUBSCRIPTION_ID, i) for i in identifiers)]
        if self.expires:
            found.append((Prop.MESSAGE_EXPIRY, max(1, round(self.expires - now))))
        if alias:
            found.append((Prop.TOPIC_ALIAS, alias))
        return properties.write(found)
