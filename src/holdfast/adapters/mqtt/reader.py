"""The stream reader: bytes in, packets out, no I/O. The hot path of the whole node begins here.

One chunk from a device usually holds a window of PUBLISHes on one topic. The reader scans them in one loop without an
object per message: consecutive PUBLISHes of the same QoS, RETAIN and topic become one `PublishRun`. Topic bytes are
compared with those of the message before, and decoded only when they differ.

What doesn't fit the fast loop (properties, long headers, a packet cut by the chunk's end) goes through `_publish`, the
careful path. Both give the same messages, whatever the chunking (a test cuts streams at random).

A fault ends the stream: the last item is a `Fault`, what came before it stands, and nothing is read after it.
"""

from typing import Any

from holdfast.adapters.mqtt import packets, properties
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor, malformed
from holdfast.adapters.mqtt.names import TopicNames, is_plain_name
from holdfast.adapters.mqtt.packets import Connect, Disconnect, Ping, Subscribe, Unsubscribe
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.reasons import Reason

LONGEST_CONNECT = 128 * 1024
"""Bytes of a first packet: thousands of strangers must not fill the memory."""
_ZERO_PID = b"\0\0"
_DUP = 0x08
_ACKS = frozenset(first[0] for first in packets.ACK_BYTES.values())
_NO_PROPERTIES: list[tuple[Prop, Any]] = []


class PublishRun:
    """Consecutive PUBLISHes on one topic.

    kind:       first byte of the packets without DUP
    field:      the topic as it stands on the wire where it isn't an alias, length first
    pids:       packet identifiers, one per message at QoS 1 and 2; empty pieces at QoS 0
    properties: MQTT 5 properties to forward; messages with properties are runs of their own
    expiry_s:   MQTT 5 message expiry, None for none
    """

    __slots__ = ("expiry_s", "field", "kind", "payloads", "pids", "properties", "topic")

    def __init__(self, kind: int, topic: str, field: bytes) -> None:
        self.kind = kind
        self.topic = topic
        self.field = field
        self.payloads: list[bytes] = []
        self.pids: list[bytes] = []
        self.properties = _NO_PROPERTIES
        self.expiry_s: int | None = None

    @property
    def plain(self) -> bool:
        """The messages carry no properties."""
        return not self.properties and self.expiry_s is None

    @property
    def qos(self) -> int:
        """0, 1 or 2."""
        return self.kind >> 1 & 3

    @property
    def retain(self) -> bool:
        """The messages are to be retained."""
        return bool(self.kind & 1)


class AckRun:
    """Consecutive PUBACKs, PUBRECs, PUBRELs or PUBCOMPs, by packet identifier. reason: MQTT 5's, the same for all."""

    __slots__ = ("kind", "pids", "reason")

    def __init__(self, kind: int, pids: list[bytes], reason: int = 0) -> None:
        self.kind = kind
        self.pids = pids
        self.reason = reason


class Fault:
    """The stream broke here."""

    __slots__ = ("detail", "reason")

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail


Item = PublishRun | AckRun | Connect | Subscribe | Unsubscribe | Ping | Disconnect | Fault


class Reader:
    """Reads one client's stream. `version` is 0 until CONNECT was seen, which must come first."""

    __slots__ = (
        "_aliases",
        "_broken",
        "_field",
        "_kind",
        "_max_aliases",
        "_max_packet",
        "_names",
        "_need",
        "_tail",
        "_topic",
        "version",
    )

    def __init__(self, names: TopicNames, max_packet: int, max_aliases: int = 0) -> None:
        """max_aliases: topics that a client may give a number to instead of the name (MQTT 5 §3.3.2.3.4)."""
        self.version = 0
        self._names = names
        self._max_packet = max_packet
        self._max_aliases = max_aliases
        self._aliases: dict[int, bytes] = {}
        self._tail = bytearray()  # the beginning of a packet whose end hasn't come
        self._need = 0  # bytes the tail must reach before scanning it makes sense: keeps slow streams linear
        self._broken = False
        self._kind, self._topic, self._field = 0, "", b""  # of the newest run: what comes next is mostly alike

    def feed(self, chunk: bytes) -> list[Item]:
        """What `chunk` completes, in order. Never raises on bytes."""
        if self._broken:
            return []
        if self._tail:
            self._tail += chunk
            if len(self._tail) < self._need:
                return []
            chunk = bytes(self._tail)
            self._tail.clear()
        elif self._kind:
            run = self._one(chunk)
            if run is not None:
                return [run]
        items: list[Item] = []
        try:
            used = self._scan(chunk, items)
        except ProtocolFault as fault:
            self._broken = True
            items.append(Fault(fault.reason, fault.detail))
            return items
        if used < len(chunk):
            self._tail += memoryview(chunk)[used:]
        return items

    def _scan(self, data: bytes, items: list[Item]) -> int:
        """Read whole packets; how many bytes they took."""
        pos, end = 0, len(data)
        self._need = 2
        while end - pos >= 2:
            first = data[pos]
            body = pos + 2
            size = data[pos + 1]
            if size >= 128:
                size, body = _long_size(data, pos + 1, end)
            stop = body + size
            most = self._max_packet if self.version else min(self._max_packet, LONGEST_CONNECT)
            if stop - pos > most:
                raise ProtocolFault(Reason.TOO_LARGE, f"a packet of {stop - pos} bytes; the limit is {most}")
            if stop > end or not body:
                self._need = stop - pos if body else end - pos + 1
                break
            if first >> 4 == packets.PUBLISH and self.version:
                pos = self._publishes(data, pos, body, stop, items)
            elif size == 2 and first in _ACKS and self.version:
                pos = _acks(data, body, items)
            else:
                items.append(self._packet(first, data[body:stop]))
                pos = stop
        return pos

    def _one(self, data: bytes) -> PublishRun | None:
        """The run of a chunk that is one whole PUBLISH like the one before it; None: read it with care.

        A device that waits for each acknowledgement sends nothing else.
        """
        if len(data) < 5 or data[0] != self._kind:
            return None
        body, size = _short_size(data, 0)
        at = body + len(self._field)
        payload = at + 2 if self._kind & 6 else at
        five = self.version == packets.V5
        if (
            size != len(data)
            or payload + five > size
            or size > self._max_packet
            or not data.startswith(self._field, body)
        ):
            return None
        pid = data[at:payload]
        if (five and data[payload]) or pid == _ZERO_PID:
            return None
        run = PublishRun(self._kind, self._topic, self._field)
        run.pids.append(pid)
        run.payloads.append(data[payload + five :])
        return run

    def _publishes(self, data: bytes, pos: int, body: int, stop: int, items: list[Item]) -> int:
        """The PUBLISH at `pos` and those after it that continue its run; where the next packet begins."""
        run, said = self._publish(data[pos], data[body:stop], items)
        if said:
            return stop
        self._kind, self._topic, self._field = run.kind, run.topic, run.field
        end = self._stretch(data, stop, data[pos : body + len(run.field)], stop - pos, run)
        if run.kind & 6 and _ZERO_PID in run.pids:
            good = run.pids.index(_ZERO_PID)
            del run.pids[good:], run.payloads[good:]
            raise ProtocolFault(Reason.PROTOCOL_ERROR, "a packet identifier is zero")
        return end

    def _stretch(self, data: bytes, pos: int, head: bytes, size: int, run: PublishRun) -> int:
        """The tight loop: PUBLISHes with the run's kind and topic. `head`, `size`: of the packet before this one."""
        end, first, field, five = len(data), head[0], run.field, self.version == packets.V5
        after_pid = 2 if run.kind & 6 else 0
        lead, skip = len(head), after_pid + five
        keep_pid, keep_payload = run.pids.append, run.payloads.append
        while True:
            if not data.startswith(head, pos):  # another size, or another kind of packet
                body, size = _short_size(data, pos) if end - pos > 4 and data[pos] == first else (0, 0)
                if not data.startswith(field, body) or not body or size > self._max_packet:
                    return pos
                lead = body + len(field) - pos
                head = data[pos : pos + lead]
            stop = pos + size
            pid = pos + lead
            if stop > end or pid + skip > stop or (five and data[pid + after_pid]):
                return pos
            keep_pid(data[pid : pid + after_pid])
            keep_payload(data[pid + skip : stop])
            pos = stop

    def _publish(self, first: int, body: bytes, items: list[Item]) -> tuple[PublishRun, bool]:
        """The careful path: one PUBLISH, appended to the last run when it continues it; whether it has properties."""
        kind = first & ~_DUP
        cursor = Cursor(body)
        field = body[: 2 + len(cursor.binary())]
        qos = _checked_qos(first)
        pid = cursor.packet_id() if qos else b""
        said = properties.read(cursor, properties.IN_PUBLISH) if self.version == packets.V5 else _NO_PROPERTIES
        kept = said
        if said or len(field) == 2:
            field, kept = self._resolved(field, said)
        topic = self._names.of(field)
        last = items[-1] if items else None
        if kept or type(last) is not PublishRun or last.kind != kind or last.field != field or not last.plain:
            last = PublishRun(kind, topic, field)
            _keep_properties(last, kept)
            items.append(last)
        last.pids.append(pid)
        last.payloads.append(cursor.rest())
        return last, bool(said)

    def _resolved(self, field: bytes, said: list[tuple[Prop, Any]]) -> tuple[bytes, list[tuple[Prop, Any]]]:
        """The topic's field, looked up or learned by its alias, and the other properties."""
        alias = next((value for prop, value in said if prop is Prop.TOPIC_ALIAS), None)
        if alias is None:
            if len(field) == 2 and self.version == packets.V5:
                raise ProtocolFault(Reason.PROTOCOL_ERROR, "PUBLISH without topic and alias")
            return field, said
        if not 0 < alias <= self._max_aliases:
            raise ProtocolFault(Reason.TOPIC_ALIAS_INVALID, f"topic alias {alias}; 1 to {self._max_aliases} are taken")
        if len(field) == 2:
            known = self._aliases.get(alias)
            if known is None:
                raise ProtocolFault(Reason.PROTOCOL_ERROR, f"topic alias {alias} stands for nothing")
            field = known
        else:
            self._aliases[alias] = field
        return field, [one for one in said if one[0] is not Prop.TOPIC_ALIAS]

    def _packet(self, first: int, body: bytes) -> Item:
        if not self.version:
            return self._connect(first, body)
        kind, version = first >> 4, self.version
        wanted = 2 if kind in (packets.SUBSCRIBE, packets.UNSUBSCRIBE, packets.PUBREL) else 0
        if first & 15 != wanted:
            raise malformed("impossible flags in a packet's first byte")
        match kind:
            case packets.PUBACK | packets.PUBREC | packets.PUBREL | packets.PUBCOMP:
                pid, reason = packets.decode_ack(kind, body, version)
                return AckRun(kind, [pid], reason)
            case packets.SUBSCRIBE:
                return packets.decode_subscribe(body, version)
            case packets.UNSUBSCRIBE:
                return packets.decode_unsubscribe(body, version)
            case packets.DISCONNECT:
                return packets.decode_disconnect(body, version)
            case packets.PINGREQ if not body:
                return Ping()
        raise ProtocolFault(Reason.PROTOCOL_ERROR, f"a packet of type {kind} doesn't belong here")

    def _connect(self, first: int, body: bytes) -> Connect:
        if first != packets.CONNECT << 4:
            raise ProtocolFault(Reason.PROTOCOL_ERROR, "the first packet isn't CONNECT")
        connect = packets.decode_connect(body)
        self.version = connect.version
        return connect


def _checked_qos(first: int) -> int:
    qos = first >> 1 & 3
    if qos == 3 or (not qos and first & _DUP):
        raise malformed("impossible PUBLISH flags")
    return qos


def _keep_properties(run: PublishRun, said: list[tuple[Prop, Any]]) -> None:
    if not said:
        return
    run.properties = [(prop, value) for prop, value in said if prop is not Prop.MESSAGE_EXPIRY]
    for prop, value in said:
        if prop is Prop.MESSAGE_EXPIRY:
            run.expiry_s = value
        elif prop is Prop.RESPONSE_TOPIC and not is_plain_name(value):  # MQTT-3.3.2-14
            raise ProtocolFault(Reason.PROTOCOL_ERROR, "a response topic is a topic name without wildcards")


def _long_size(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A remaining length of two to four bytes: (length, where the body begins), or (0, 0) when it isn't all here."""
    size = 0
    for place in range(4):
        if at + place >= end:
            return 0, 0
        byte = data[at + place]
        size |= (byte & 127) << (7 * place)
        if byte < 128:
            return size, at + place + 1
    raise malformed("a remaining length is longer than four bytes")


def _short_size(data: bytes, pos: int) -> tuple[int, int]:
    """(where the body begins, size of the whole packet) for lengths of one or two bytes; else (0, 0)."""
    size = data[pos + 1]
    if size < 128:
        return pos + 2, size + 2
    high = data[pos + 2]
    if high < 128:
        return pos + 3, (size & 127 | high << 7) + 3
    return 0, 0


def _acks(data: bytes, body: int, items: list[Item]) -> int:
    """The short acknowledgement whose body is at `body` and those of its kind after it; where what follows begins."""
    pids: list[bytes] = []
    first = data[body - 2]
    run = AckRun(first >> 4, pids)
    items.append(run)
    while True:
        pid = data[body : body + 2]
        if pid == _ZERO_PID:
            raise ProtocolFault(Reason.PROTOCOL_ERROR, "a packet identifier is zero")
        pids.append(pid)
        body += 4
        if body + 2 > len(data) or data[body - 2] != first or data[body - 1] != 2:
            return body - 2
