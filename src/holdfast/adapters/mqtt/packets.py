"""Packets as values, and their bytes: decoding what clients send, encoding what the server sends.

PUBLISH and its acknowledgements from clients are read by `reader.py` as runs. AUTH isn't served: CONNECT with an
authentication method is refused, so that none may follow (MQTT 5 §4.12).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.adapters.mqtt import properties as props
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor, malformed, varint
from holdfast.adapters.mqtt.names import name_problem
from holdfast.adapters.mqtt.properties import Prop, Properties
from holdfast.adapters.mqtt.reasons import CONNACK_311, Reason

V311 = 4
V5 = 5

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, DISCONNECT = 12, 14

PINGRESP_BYTES = b"\xd0\x00"
ACK_BYTES = {PUBACK: b"\x40", PUBREC: b"\x50", PUBREL: b"\x62", PUBCOMP: b"\x70"}
"""First bytes of acknowledgements."""
_TAKEN = frozenset({0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
_ENDED = frozenset({0, 0x92})
_ACK_REASONS = {PUBACK: _TAKEN, PUBREC: _TAKEN, PUBREL: _ENDED, PUBCOMP: _ENDED}
_GOODBYES = frozenset({0, 4, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A)})


@dataclass(frozen=True, slots=True)
class Will:
    """What to publish for a client that vanishes. `properties` are those to forward; `expiry_s` 0 means never."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int = 0
    expiry_s: int | None = None
    properties: Properties = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Connect:
    """CONNECT, checked. `session_expiry_s` None means "as long as the server keeps sessions"."""

    version: int
    client: str
    clean_start: bool
    keep_alive_s: int
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    session_expiry_s: int | None = 0
    receive_maximum: int = 65_535
    maximum_packet: int = 0
    auth_method: str | None = None
    topic_aliases: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """One subscription asked for."""

    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE; `identifier` 0 means none."""

    pid: bytes
    wishes: tuple[Wish, ...]
    identifier: int = 0


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """UNSUBSCRIBE."""

    pid: bytes
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """PINGREQ."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """DISCONNECT; `session_expiry_s` None means unchanged."""

    reason: int = 0
    session_expiry_s: int | None = None


FOREVER = 0xFFFFFFFF


def decode_connect(body: bytes) -> Connect:
    """CONNECT from its body.

    Raises:
        ProtocolFault: UNSUPPORTED_VERSION for a protocol other than 3.1.1 and 5; else what is wrong with the bytes.
    """
    cursor = Cursor(body)
    if cursor.text() != "MQTT":
        raise ProtocolFault(Reason.UNSUPPORTED_VERSION, "only MQTT 3.1.1 and 5 are spoken here")
    version = cursor.u8()
    if version not in (V311, V5):
        raise ProtocolFault(
            Reason.UNSUPPORTED_VERSION, f"protocol level {version}; only 4 (3.1.1) and 5 are spoken here"
        )
    flags = cursor.u8()
    _check_connect_flags(flags, version)
    keep_alive = cursor.u16()
    said = dict(props.read(cursor, props.IN_CONNECT)) if version == V5 else {}
    client = cursor.text()
    will = _will(cursor, flags, version) if flags & 4 else None
    username = cursor.text() if flags & 0x80 else None
    password = cursor.binary() if flags & 0x40 else None
    if not cursor.done:
        raise malformed("bytes are left after CONNECT")
    return Connect(
        version=version,
        client=client,
        clean_start=bool(flags & 2),
        keep_alive_s=keep_alive,
        username=username,
        password=password,
        will=will,
        session_expiry_s=_session_expiry(said, flags, version),
        receive_maximum=said.get(Prop.RECEIVE_MAXIMUM, 65_535),
        maximum_packet=said.get(Prop.MAXIMUM_PACKET_SIZE, 0),
        auth_method=_auth_method(said),
        topic_aliases=said.get(Prop.TOPIC_ALIAS_MAXIMUM, 0),
    )


def _check_connect_flags(flags: int, version: int) -> None:
    if flags & 1:
        raise malformed("the reserved CONNECT flag is set")
    if not flags & 4 and flags & 0x38:
        raise malformed("will QoS or retain without a will")
    if flags >> 3 & 3 == 3:
        raise malformed("will QoS 3")
    if version == V311 and flags & 0xC0 == 0x40:
        raise malformed("a password without a user name")


def _auth_method(said: dict[Prop, Any]) -> str | None:
    if Prop.AUTH_DATA in said and Prop.AUTH_METHOD not in said:
        raise ProtocolFault(Reason.PROTOCOL_ERROR, "authentication data without a method")
    return said.get(Prop.AUTH_METHOD)


def _session_expiry(said: dict[Prop, Any], flags: int, version: int) -> int | None:
    if version == V311:
        return 0 if flags & 2 else None
    expiry = int(said.get(Prop.SESSION_EXPIRY, 0))
    return None if expiry == FOREVER else expiry


def _will(cursor: Cursor, flags: int, version: int) -> Will:
    found = props.read(cursor, props.IN_WILL) if version == V5 else []
    said = dict(found)
    topic, payload = cursor.text(), cursor.binary()
    problem = name_problem(topic)
    if problem:
        raise ProtocolFault(Reason.TOPIC_INVALID, f"will: {problem}")
    kept: Properties = [(p, v) for p, v in found if p not in (Prop.WILL_DELAY, Prop.MESSAGE_EXPIRY)]
    return Will(
        topic=topic,
        payload=payload,
        qos=flags >> 3 & 3,
        retain=bool(flags & 0x20),
        delay_s=said.get(Prop.WILL_DELAY, 0),
        expiry_s=said.get(Prop.MESSAGE_EXPIRY),
        properties=kept,
    )


def decode_subscribe(body: bytes, version: int) -> Subscribe:
    """SUBSCRIBE from its body; whether the filters may be had is decided later."""
    cursor = Cursor(body)
    pid = cursor.packet_id()
    said = dict(props.read(cursor, props.IN_SUBSCRIBE)) if version == V5 else {}
    wishes = []
    while not cursor.done:
        wishes.append(_wish(cursor.text(), cursor.u8(), version))
    if not wishes:
        raise ProtocolFault(Reason.PROTOCOL_ERROR, "SUBSCRIBE without a filter")
    return Subscribe(pid, tuple(wishes), said.get(Prop.SUBSCRIPTION_ID, 0))


def _wish(topic_filter: str, options: int, version: int) -> Wish:
    reserved = 0xC0 if version == V5 else 0xFC
    if options & reserved or options & 3 == 3 or options & 0x30 == 0x30:
        raise malformed("impossible subscription options")
    if options & 4 and topic_filter.startswith("$share/"):  # MQTT-3.8.3-4
        raise ProtocolFault(Reason.PROTOCOL_ERROR, "a shared subscription can't be no local")
    return Wish(topic_filter, options & 3, bool(options & 4), bool(options & 8), options >> 4 & 3)


def decode_unsubscribe(body: bytes, version: int) -> Unsubscribe:
    """UNSUBSCRIBE from its body."""
    cursor = Cursor(body)
    pid = cursor.packet_id()
    if version == V5:
        props.read(cursor, props.IN_UNSUBSCRIBE)
    filters = []
    while not cursor.done:
        filters.append(cursor.text())
    if not filters:
        raise ProtocolFault(Reason.PROTOCOL_ERROR, "UNSUBSCRIBE without a filter")
    return Unsubscribe(pid, tuple(filters))


def decode_disconnect(body: bytes, version: int) -> Disconnect:
    """DISCONNECT from its body."""
    if version == V311 and body:
        raise malformed("DISCONNECT has no body")
    if not body:
        return Disconnect()
    cursor = Cursor(body)
    reason = cursor.u8()
    if reason not in _GOODBYES:
        raise malformed(f"no client disconnects for reason 0x{reason:02x}")
    said = {} if cursor.done else dict(props.read(cursor, props.IN_DISCONNECT))
    if not cursor.done:
        raise malformed("bytes are left after DISCONNECT")
    expiry = said.get(Prop.SESSION_EXPIRY)
    return Disconnect(reason, expiry)


def decode_ack(kind: int, body: bytes, version: int) -> tuple[bytes, int]:
    """The packet identifier and the reason of PUBACK, PUBREC, PUBREL or PUBCOMP; a short one means success."""
    cursor = Cursor(body)
    pid, reason = cursor.packet_id(), 0
    if version == V5 and not cursor.done:
        reason = cursor.u8()
        if reason not in _ACK_REASONS[kind]:
            raise malformed(f"an acknowledgement of type {kind} has no reason 0x{reason:02x}")
        if not cursor.done:
            props.read(cursor, props.IN_ACK)
    if not cursor.done:
        raise malformed("bytes are left after an acknowledgement")
    return pid, reason


def packet(first: int, *parts: bytes) -> bytes:
    """A packet with its fixed header."""
    body = b"".join(parts)
    return bytes((first,)) + varint(len(body)) + body


def connack(version: int, reason: Reason, *, present: bool = False, said: Iterable[tuple[Prop, Any]] = ()) -> bytes:
    """CONNACK; empty for a reason that 3.1.1 can only say by closing."""
    if version == V5:
        return packet(CONNACK << 4, bytes((present, reason)), props.write(said))
    if reason not in CONNACK_311:
        return b""
    return packet(CONNACK << 4, bytes((present, CONNACK_311[reason])))


def suback(version: int, pid: bytes, codes: Sequence[int]) -> bytes:
    """SUBACK; 3.1.1 knows one failure code."""
    if version == V5:
        return packet(SUBACK << 4, pid, b"\0", bytes(codes))
    return packet(SUBACK << 4, pid, bytes(min(code, 0x80) for code in codes))


def unsuback(version: int, pid: bytes, codes: Sequence[int]) -> bytes:
    """UNSUBACK; 3.1.1 has no codes."""
    return packet(UNSUBACK << 4, pid, b"\0" + bytes(codes) if version == V5 else b"")


def pubacks(pids: Sequence[bytes]) -> bytes:
    """PUBACKs, all in one piece; MQTT 5 leaves a successful reason out, so both versions look alike."""
    return b"@\x02" + b"@\x02".join(pids) if pids else b""


def acks(kind: int, version: int, pids: Sequence[bytes], reason: Reason = Reason.SUCCESS) -> bytes:
    """PUBACKs, PUBRECs, PUBRELs or PUBCOMPs, all in one piece; only MQTT 5 can say a reason."""
    first = ACK_BYTES[kind]
    if reason is Reason.SUCCESS or version != V5:
        return b"".join(first + b"\x02" + pid for pid in pids)
    return b"".join(first + b"\x03" + pid + bytes((reason,)) for pid in pids)


def disconnect(version: int, reason: Reason, detail: str = "", most: int = 0) -> bytes:
    """The server's DISCONNECT; 3.1.1 has none and just closes. The detail is left out beyond `most` bytes (0 = any)."""
    if version != V5:
        return b""
    whole = packet(DISCONNECT << 4, bytes((reason,)), props.write([(Prop.REASON_STRING, detail)])) if detail else b""
    return whole if whole and (not most or len(whole) <= most) else packet(DISCONNECT << 4, bytes((reason,)))


def publish(first: int, topic_field: bytes, pid: bytes, properties: bytes, payload: bytes) -> bytes:
    """PUBLISH; `properties` with their length for MQTT 5, empty for 3.1.1; `pid` empty at QoS 0."""
    size = len(topic_field) + len(pid) + len(properties) + len(payload)
    return b"".join((bytes((first,)), varint(size), topic_field, pid, properties, payload))
