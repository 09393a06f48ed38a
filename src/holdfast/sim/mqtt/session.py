"""What an MQTT 3.1.1 client keeps and says. Pure: bytes in, bytes out, no socket, no clock.

QoS 0 and 1. What isn't acknowledged is said again after a reconnect, in order, with DUP (§4.4), so
it's delivered at least once. Messages come out one by one in the very order in which they came over all topics, which
is what a recording needs (`adapters.broker` gathers by topic).
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerFaulted
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import binary, text, varint

_DUP, _CLEAN, _WILL_QOS1 = 0x08, 0x02, 0x0C
MAX_PACKET = 16 * 1024 * 1024


class Will(NamedTuple):
    """What the broker says when the connection breaks."""

    topic: str
    payload: bytes


class Message(NamedTuple):
    """A message that came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Session:
    """One client. `take` bytes that came; send what `out` holds."""

    def __init__(
        self, client: str, *, user: str = "", password: bytes | None = None, will: Callable[[], Will] | None = None,
        keep_alive_s: int = 30, window: int = 20, most_waiting: int = 10_000,
    ) -> None:  # fmt: skip
        """A client.

        will: asked at every connection
        window: messages sent and not acknowledged; most_waiting: beyond so many the oldest is lost, and counted
        """
        self.sent = self.acked = self.lost = 0
        self.out = bytearray()
        self.greeted = False
        self.granted: tuple[int, ...] | None = None
        self.heard: list[Message] = []
        self._hello = partial(_connect, client, user, password, will, keep_alive_s)
        self._window, self._most = window, most_waiting
        self._waiting: deque[tuple[str, bytes, bool]] = deque()
        self._unacked: dict[bytes, bytes] = {}
        self._subscribed: bytes = b""
        self._pid = 0
        self._tail = b""

    @property
    def left(self) -> int:
        """Messages that wait, or aren't acknowledged."""
        return len(self._waiting) + len(self._unacked)

    def begin(self) -> None:
        """A connection stands."""
        self.greeted, self._tail = False, b""
        self.out = bytearray(self._hello())

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Send a message; at QoS 1 it's kept until it's acknowledged, at QoS 0 it's lost without a connection."""
        if qos == 0:
            if self.greeted:
                first, name = 0x31 if retain else 0x30, text(topic)
                self.out += bytes((first,)) + varint(len(name) + len(payload)) + name + payload
                self.sent += 1
            else:
                self.lost += 1
            return
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append((topic, payload, retain))
        self._fill()

    def subscribe(self, *filters: str) -> None:
        """Subscribe at QoS 1, now and after every reconnect."""
        self._subscribed = packets.subscribe(packets.V311, 1, [(each, 1) for each in filters])
        if self.greeted:
            self.out += self._subscribed

    def ping(self) -> None:
        """Say that we're there."""
        self.out += packets.PING

    def take(self, data: bytes) -> None:
        """Bytes came; messages are in `heard` then.

        Raises:
            BrokerError: when the broker refuses us, or the bytes aren't MQTT.
        """
        data = self._tail + data
        at = 0
        try:
            while (head := _head(data, at)) is not None:
                body, end = head
                self._packet(data[at], data[body:end])
                at = end
        except (ProtocolFault, UnicodeDecodeError, IndexError) as fault:
            raise BrokerFaulted(f"what came isn't MQTT as agreed: {fault}") from fault
        self._tail = data[at:]

    def _packet(self, first: int, body: bytes) -> None:
        match first >> 4:
            case packets.CONNACK:
                packets.decode_welcome(body, packets.V311)
                self.greeted = True
                self.out += self._subscribed
                for packet in self._unacked.values():
                    self.out += bytes((packet[0] | _DUP,)) + packet[1:]
                self._fill()
            case packets.PUBACK:
                if self._unacked.pop(body[:2], None) is not None:
                    self.acked += 1
                    self._fill()
            case packets.PUBLISH:
                self._published(first, body)
            case packets.SUBACK:
                self.granted = tuple(body[2:])

    def _published(self, first: int, body: bytes) -> None:
        qos = first >> 1 & 3
        at = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:at].decode()
        if qos:
            self.out += packets.acks(packets.PUBACK, [body[at : at + 2]])
            at += 2
        self.heard.append(Message(topic, body[at:], qos, bool(first & 1)))

    def _fill(self) -> None:
        while self.greeted and self._waiting and len(self._unacked) < self._window:
            topic, payload, retain = self._waiting.popleft()
            self._pid = self._pid % 65_535 + 1
            pid = self._pid.to_bytes(2, "big")
            packet = packets.publish(packets.V311, text(topic), pid, payload)
            if retain:
                packet = bytes((packet[0] | 1,)) + packet[1:]
            self._unacked[pid] = packet
            self.out += packet
            self.sent += 1


def _connect(
    client: str, user: str, password: bytes | None, will: Callable[[], Will] | None, keep_alive_s: int
) -> bytes:
    """CONNECT (§3.1), always with a clean session."""
    flags = _CLEAN | (0x80 if user else 0) | (0x40 if password is not None else 0)
    parts = [text(client)]
    if will is not None:
        flags |= _WILL_QOS1
        last = will()
        parts += [text(last.topic), binary(last.payload)]
    if user:
        parts.append(text(user))
    if password is not None:
        parts.append(binary(password))
    body = text("MQTT") + bytes((packets.V311, flags)) + keep_alive_s.to_bytes(2, "big") + b"".join(parts)
    return b"\x10" + varint(len(body)) + body


def _head(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the packet's body begins and ends; None = it isn't all here."""
    size = shift = 0
    for place in range(at + 1, min(at + 5, len(data))):
        size |= (data[place] & 127) << shift
        shift += 7
        if data[place] < 128:
            if size > MAX_PACKET:
                raise BrokerFaulted(f"a packet of {size} bytes; at most {MAX_PACKET} are taken")
            end = place + 1 + size
            return (place + 1, end) if end <= len(data) else None
    if shift == 28:
        raise BrokerFaulted("a remaining length is longer than four bytes")
    return None
