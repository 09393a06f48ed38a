"""`brokers:` in node.yaml: foreign brokers that this node subscribes to."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from holdfast.kernel.scalars import Duration, Size
from holdfast.transport.brokers import BrokerLogin

U16 = Annotated[int, Meta(ge=1, le=65_535)]
Qos = Literal[0, 1, 2]


class BrokerSettings(BrokerLogin, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A broker, and what is wanted of it. Its messages go where the listener's go: by topic, to a profile."""

    subscribe: dict[str, Qos]
    """Topic filter to QoS; `$share/GROUP/…` where the broker has shared subscriptions."""
    session_expiry: Duration = 7 * 86_400.0
    """How long the broker keeps our session, and what it owes us, while we are away. MQTT 3.1.1 can't say it: there the
    broker decides."""
    receive_maximum: U16 = 1_000
    """Messages of QoS 1 and 2 that it may send without our acknowledgement, which comes after the commit. MQTT 3.1.1
    can't say it: see the broker's own limit (`max_inflight_messages` in Mosquitto, 20 unless set)."""
    max_packet: Size = 1024 * 1024
    """Bytes of the largest packet taken; a larger one ends the connection where the broker sends it all the same."""

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself: (key, what to do)."""
        yield from super().findings()
        if not self.subscribe:
            yield ("subscribe",), "nothing is subscribed to: name at least one filter, such as `sensors/#: 1`"
        for topic_filter in self.subscribe:
            problem = filter_fault(topic_filter)
            if problem:
                yield ("subscribe", topic_filter), problem
        if self.session_expiry < 1 or self.session_expiry >= 2**32:
            yield ("session_expiry",), "MQTT 5 counts seconds in 32 bits: at least 1s, less than 4294967296s"
        if self.max_packet < 1_000:
            yield ("max_packet",), "at least 1kB"


def filter_fault(topic_filter: str) -> str:
    """What is wrong with a topic filter (MQTT 5 §4.7); empty = nothing."""
    if not topic_filter or "\0" in topic_filter or len(topic_filter.encode()) > 65_535:
        return "a filter has 1 to 65,535 bytes and no NUL"
    levels = topic_filter.split("/")
    if any(("#" in level or "+" in level) and len(level) > 1 for level in levels):
        return "a wildcard stands alone in its level: `a/+/b`, `a/#`"
    if "#" in levels[:-1]:
        return "# stands only at the end"
    return ""
