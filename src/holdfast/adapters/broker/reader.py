"""A broker's stream: bytes in, packets out, no I/O.

A broker interleaves the topics of all its devices, so the listener's reader, which cuts a run where the topic changes,
would give one run a message. This one gathers what a chunk holds by topic and QoS: order within a topic is kept, and
acknowledgements go out in the order the messages came (MQTT 5 §4.6), as `Chunk` has their identifiers in it.
"""

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.packets import Goodbye, Granted, Pong, Welcome
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor, malformed
from holdfast.adapters.mqtt.reader import AckRun
from holdfast.adapters.mqtt.reasons import Reason

_DUP = 0x08
_NAMES_KEPT = 20_000


class TopicRun:
    """A chunk's messages of one topic, QoS and RETAIN, in order. pids: empty at QoS 0."""

    __slots__ = ("kind", "payloads", "pids", "topic")

    def __init__(self, kind: int, topic: str) -> None:
        self.kind = kind
        self.topic = topic
        self.payloads: list[bytes] = []
        self.pids: list[bytes] = []

    @property
    def qos(self) -> int:
        """0, 1 or 2."""
        return self.kind >> 1 & 3

    @property
    def retain(self) -> bool:
        """Sent because it is the topic's retained message."""
        return bool(self.kind & 1)


class Chunk:
    """The messages between two packets of another kind. acks, recs: identifiers at QoS 1 and 2, as they came."""

    __slots__ = ("acks", "recs", "runs")

    def __init__(self) -> None:
        self.runs: dict[bytes, TopicRun] = {}
        self.acks: list[bytes] = []
        self.recs: list[bytes] = []


Item = Chunk | AckRun | Welcome | Granted | Goodbye | Pong


class ClientReader:
    """Reads what a broker sends to one connection."""

    def __init__(self, version: int, max_packet: int) -> None:
        """max_packet: bytes of the largest packet taken."""
        self._version = version
        self._max_packet = max_packet
        self._tail = b""
        self._names: dict[bytes, str] = {}

    def feed(self, data: bytes) -> list[Item]:
        """What `data` completes, in order.

        Raises:
            BrokerError: when the broker refuses us, or the bytes aren't MQTT; nothing can be read after it.
        """
        if self._tail:
            data = self._tail + data
        items: list[Item] = []
        try:
            used = self._scan(data, items)
        except ProtocolFault as fault:
            raise packets.faulted(fault) from fault
        self._tail = data[used:]
        return items

    def _scan(self, data: bytes, items: list[Item]) -> int:
        pos, end = 0, len(data)
        chunk: Chunk | None = None
        while end - pos >= 2:
            first, size, body = data[pos], data[pos + 1], pos + 2
            if size >= 128:
                size, body = _size(data, pos + 1, end)
                if not body:
                    break
            stop = body + size
            if stop - pos > self._max_packet:
                raise ProtocolFault(Reason.TOO_LARGE, f"a packet of {size} bytes; at most {self._max_packet} are taken")
            if stop > end:
                break
            if first >> 4 == packets.PUBLISH:
                if chunk is None:
                    chunk = Chunk()
                    items.append(chunk)
                self._publish(data, first, body, stop, chunk)
            else:
                chunk = None
                self._other(first >> 4, data[body:stop], items)
            pos = stop
        return pos

    def _publish(self, data: bytes, first: int, body: int, stop: int, chunk: Chunk) -> None:
        if stop - body < 2:
            raise malformed("PUBLISH without a topic")
        at = body + 2 + (data[body] << 8 | data[body + 1])
        if at > stop:
            raise malformed("PUBLISH ends inside its header")
        kind = first & ~_DUP
        key = data[body:at] + bytes((kind,))
        run = chunk.runs.get(key)
        if run is None:
            run = chunk.runs[key] = TopicRun(kind, self._name(data[body + 2 : at]))
        if kind & 6:
            pid = data[at : at + 2]
            at += 2
            if pid == b"\0\0" or kind & 6 == 6:
                raise malformed("impossible QoS or packet identifier")
            run.pids.append(pid)
            (chunk.acks if kind & 2 else chunk.recs).append(pid)
        if self._version == packets.V5:
            at = at + 1 if at < stop and not data[at] else _after_properties(data, at, stop)
        if at > stop:
            raise malformed("PUBLISH ends inside its header")
        run.payloads.append(data[at:stop])

    def _name(self, raw: bytes) -> str:
        name = self._names.get(raw)
        if name is None:
            try:
                name = raw.decode()
            except UnicodeDecodeError:
                raise malformed("a topic isn't UTF-8") from None
            if not name or "\0" in name:
                raise malformed("a topic is empty or contains NUL")
            if len(self._names) >= _NAMES_KEPT:
                self._names.clear()
            self._names[raw] = name
        return name

    def _other(self, kind: int, body: bytes, items: list[Item]) -> None:
        version = self._version
        match kind:
            case packets.PUBACK | packets.PUBREC | packets.PUBREL | packets.PUBCOMP:
                pid, reason = (body, 0) if len(body) == 2 else packets.decode_ack(body, version)
                last = items[-1] if items else None
                if type(last) is not AckRun or last.kind != kind or last.reason != reason:
                    last = AckRun(kind, [], reason)
                    items.append(last)
                last.pids.append(pid)
            case packets.CONNACK:
                items.append(packets.decode_welcome(body, version))
            case packets.SUBACK:
                items.append(packets.decode_granted(body, version))
            case packets.PINGRESP:
                items.append(Pong())
            case packets.DISCONNECT:
                items.append(packets.decode_goodbye(body))
            case 11:  # UNSUBACK: nothing waits for it
                pass
            case _:
                raise ProtocolFault(Reason.PROTOCOL_ERROR, f"a packet of type {kind} doesn't belong here")


def _size(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A remaining length: (length, where the body begins), or (0, 0) when it isn't all here."""
    size = 0
    for place in range(4):
        if at + place >= end:
            return 0, 0
        byte = data[at + place]
        size |= (byte & 127) << (7 * place)
        if byte < 128:
            return size, at + place + 1
    raise malformed("a remaining length is longer than four bytes")


def _after_properties(data: bytes, at: int, stop: int) -> int:
    """Where the payload begins; no property changes what a reading means."""
    cursor = Cursor(data[at:stop])
    size = cursor.varint()
    cursor.take(size)
    return stop - len(cursor.rest())
