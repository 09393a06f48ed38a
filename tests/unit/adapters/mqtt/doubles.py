"""Small real implementations of the ports around the MQTT server, for tests."""

from collections.abc import Callable, Sequence

from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.connection import Connection
from holdfast.adapters.mqtt.names import TopicNames
from holdfast.adapters.mqtt.packets import packet
from holdfast.adapters.mqtt.reader import Reader
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import ManualClock


class HoldingInbox:
    """Keeps arrivals and their receipts; says it's full once `room` arrivals are in."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.arrivals: list[Arrival] = []
        self._waiting: list[Callable[[], None]] = []

    def offer(self, arrival: Arrival) -> bool:
        self.arrivals.append(arrival)
        self.room -= 1
        return self.room > 0

    def when_drained(self, callback: Callable[[], None]) -> None:
        self._waiting.append(callback)

    def drain(self, room: int = 1_000_000) -> None:
        self.room = room
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    @property
    def payloads(self) -> list[bytes]:
        return [payload for arrival in self.arrivals for payload in arrival.payloads]


class SettlingInbox(HoldingInbox):
    """Settles at once, as a node with an infinitely fast disk would."""

    def offer(self, arrival: Arrival) -> bool:
        room = super().offer(arrival)
        arrival.receipt.settle()
        return room


class RefusingInbox(HoldingInbox):
    """Refuses everything, as a node with a broken disk does."""

    def offer(self, arrival: Arrival) -> bool:
        room = super().offer(arrival)
        arrival.receipt.refuse()
        return room


class MemoryWire:
    """A socket that keeps what it was given."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.pids: list[bytes] = []
        self.closed = False
        self.held = False

    def write(self, frames: Sequence[bytes]) -> None:
        self.frames.extend(frame for frame in frames if frame)

    def acknowledge(self, pids: list[bytes]) -> None:
        self.pids.extend(pids)

    def hang_up(self) -> None:
        self.closed = True

    def hold(self, *, on: bool) -> None:
        self.held = on

    def said(self) -> list[bytes]:
        """What was written since the last call."""
        frames, self.frames = self.frames, []
        return frames


class Site:
    """A broker with connections on memory wires; the server's shell without sockets. Implements `Gate`."""

    def __init__(self, inbox: HoldingInbox | None = None, settings: MqttSettings | None = None) -> None:
        self.clock = ManualClock()
        self.inbox = SettlingInbox() if inbox is None else inbox
        self.settings = MqttSettings(anonymous=True) if settings is None else settings
        self.broker = Broker(self.settings, self.inbox, self.clock)
        self.connections: list[Connection] = []
        self.faults: list[Reason] = []
        self.full = False

    def shut(self) -> None:
        self.full = True
        for connection in self.connections:
            connection.gate_shut()
        self.inbox.when_drained(self._open)

    def noted(self, connection: Connection, reason: Reason, detail: str) -> None:
        assert connection in self.connections
        assert detail
        self.faults.append(reason)

    def _open(self) -> None:
        self.full = False
        for connection in self.connections:
            if not self.full:
                connection.gate_opened(self.clock.monotonic())

    def client(self) -> "Client":
        return Client(self)

    def joined(self, name: str, *, version: int = 4, flags: int = 2, said: bytes = b"") -> "Client":
        client = self.client()
        client.send(connect(name, version=version, flags=flags, said=said))
        return client


class Client:
    """A device's end of a memory wire."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.wire = MemoryWire()
        self.connection = Connection(site.broker, site, self.wire, site.settings, site.clock.monotonic())
        self.reader = Reader(TopicNames(), site.settings.max_packet, site.settings.topic_aliases)
        site.connections.append(self.connection)

    def send(self, *frames: bytes) -> list[bytes]:
        """Send bytes; what came back."""
        self.connection.received(self.reader.feed(b"".join(frames)), self.site.clock.monotonic())
        return self.wire.said()

    def vanish(self) -> None:
        self.connection.lost(self.site.clock.monotonic())
        self.site.connections.remove(self.connection)


def text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def connect(
    name: str, *, version: int = 4, flags: int = 2, keep_alive: int = 0, said: bytes = b"", more: bytes = b""
) -> bytes:
    properties = bytes((len(said),)) + said if version == 5 else b""
    head = text("MQTT") + bytes((version, flags)) + keep_alive.to_bytes(2, "big")
    return packet(0x10, head, properties, text(name), more)


def publish(
    topic: str,
    payload: bytes,
    *,
    pid: int = 0,
    qos: int = 1,
    retain: bool = False,
    dup: bool = False,
    said: bytes | None = None,
) -> bytes:
    """PUBLISH at QoS 0 unless there's a pid; `said` are MQTT 5 properties (None for 3.1.1)."""
    first = 0x30 | (qos << 1 if pid else 0) | retain | (8 if dup else 0)
    properties = b"" if said is None else bytes((len(said),)) + said
    return packet(first, text(topic), pid.to_bytes(2, "big") if pid else b"", properties, payload)


def subscribe(topic_filter: str, qos: int = 1, *, pid: int = 1, options: int = 0, said: bytes | None = None) -> bytes:
    properties = b"" if said is None else bytes((len(said),)) + said
    return packet(0x82, pid.to_bytes(2, "big"), properties, text(topic_filter), bytes((qos | options,)))


def puback(pid: int) -> bytes:
    return b"\x40\x02" + pid.to_bytes(2, "big")
