"""The client's side of MQTT 3.1.1 and 5: what it says, as bytes, and what a broker answers, as values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.adapters.broker.errors import BrokerFaulted, BrokerRefused
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor, binary, text, varint
from holdfast.adapters.mqtt.properties import Prop, read, write

V311, V5 = 4, 5
VERSIONS = {"v3.1.1": V311, "v5": V5}
CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, PINGRESP, DISCONNECT = 2, 3, 4, 5, 6, 7, 9, 13, 14
PING = b"\xc0\x00"
FIRST = {PUBACK: b"\x40", PUBREC: b"\x50", PUBREL: b"\x62", PUBCOMP: b"\x70"}
"""First bytes of acknowledgements."""
FAILED = 0x80
"""Reason codes from here on say no (MQTT 5 §2.4)."""
_ANY = frozenset(Prop)

_SENTENCES: Mapping[int, tuple[str, str]] = {
    0x81: ("it calls our bytes malformed", "Is it an MQTT broker of that `version`?"),
    0x84: ("it doesn't speak this version of MQTT", "Write `version: v3.1.1` (or v5)"),
    0x85: ("it doesn't take this client id", "Set `client_id` to one that the broker allows"),
    0x86: ("user name or password is wrong", "Check `username` and `password`"),
    0x87: ("not authorised", "Allow this user or certificate there, or check `client_id` and the login"),
    0x88: ("the broker isn't available now", ""),
    0x89: ("the broker is busy", ""),
    0x8A: ("this client is banned there", "Ask who runs the broker"),
    0x8E: ("another client took this session over", "Two nodes use one `client_id`: give each its own"),
    0x8F: ("it doesn't take this topic filter", "Check the filter and what the broker's rules allow"),
    0x90: ("it doesn't take this topic", "Check the topic and what the broker's rules allow"),
    0x95: ("a packet is too large for it", "Lower the route's `max_payload`"),
    0x97: ("a quota there is used up", ""),
    0x99: ("it finds the payload's format wrong", ""),
    0x9B: ("it doesn't serve this QoS", "Ask for a lower `qos`"),
    0x9E: ("it has no shared subscriptions", "Take $share/… out of the filter"),
}
_RETURN_CODES = {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""3.1.1's CONNACK return codes (§3.2.2.3) as reason codes."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What CONNECT says. session_expiry_s: how long the broker keeps our session; 0 = a clean session."""

    version: int
    client: str
    keep_alive_s: int
    username: str = ""
    password: bytes | None = None
    session_expiry_s: int = 0
    receive_maximum: int = 0
    maximum_packet: int = 0


@dataclass(frozen=True, slots=True)
class Welcome:
    """CONNACK of a broker that takes us in. present: it still has our session. Zeros = the broker names no limit."""

    present: bool
    receive_maximum: int = 65_535
    maximum_packet: int = 0
    maximum_qos: int = 2
    keep_alive_s: int | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """SUBACK: one reason code a filter."""

    pid: bytes
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """DISCONNECT from the broker (MQTT 5)."""

    reason: int
    detail: str


@dataclass(frozen=True, slots=True)
class Pong:
    """PINGRESP."""


def connect(hello: Hello) -> bytes:
    """CONNECT (MQTT 5 §3.1)."""
    flags = (0 if hello.session_expiry_s else 2) | (0x80 if hello.username else 0)
    flags |= 0x40 if hello.password is not None else 0
    said: list[tuple[Prop, int]] = []
    if hello.session_expiry_s:
        said.append((Prop.SESSION_EXPIRY, hello.session_expiry_s))
    if hello.receive_maximum:
        said.append((Prop.RECEIVE_MAXIMUM, hello.receive_maximum))
    if hello.maximum_packet:
        said.append((Prop.MAXIMUM_PACKET_SIZE, hello.maximum_packet))
    parts = [text("MQTT"), bytes((hello.version, flags)), hello.keep_alive_s.to_bytes(2, "big")]
    if hello.version == V5:
        parts.append(write(said))
    parts.append(text(hello.client))
    if hello.username:
        parts.append(text(hello.username))
    if hello.password is not None:
        parts.append(binary(hello.password))
    return _packet(0x10, *parts)


def subscribe(version: int, pid: int, wishes: Sequence[tuple[str, int]]) -> bytes:
    """SUBSCRIBE to (filter, QoS); MQTT 5 asks for retained messages of new subscriptions only (§3.8.3.1)."""
    options = 0x10 if version == V5 else 0
    parts = [text(topic_filter) + bytes((qos | options,)) for topic_filter, qos in wishes]
    return _packet(0x82, pid.to_bytes(2, "big"), b"\0" if version == V5 else b"", *parts)


def publish(version: int, topic: bytes, pid: bytes, payload: bytes) -> bytes:
    """PUBLISH at QoS 1, without a `pid` at QoS 0. topic: with its length before it."""
    none = b"\0" if version == V5 else b""
    size = len(topic) + len(pid) + len(none) + len(payload)
    return b"".join((b"\x32" if pid else b"\x30", varint(size), topic, pid, none, payload))


def acks(kind: int, pids: Sequence[bytes]) -> bytes:
    """Acknowledgements of one kind, all in one piece; success is left out, so both versions look alike."""
    head = FIRST[kind] + b"\x02"
    return head + head.join(pids) if pids else b""


def disconnect() -> bytes:
    """DISCONNECT, all well."""
    return b"\xe0\x00"


def decode_welcome(body: bytes, version: int) -> Welcome:
    """CONNACK.

    Raises:
        BrokerRefused: when the broker said no; the hint says what to change.
        ProtocolFault: when the bytes are wrong.
    """
    cursor = Cursor(body)
    present, code = cursor.u8() & 1, cursor.u8()
    if version == V311:
        if code:
            raise refused(_RETURN_CODES.get(code, FAILED))
        return Welcome(bool(present))
    said = {} if cursor.done else dict(read(cursor, _ANY))
    if code >= FAILED:
        raise refused(code, said.get(Prop.REASON_STRING, ""))
    if code:  # a broker of 3.1.1 answers MQTT 5 with its own code
        raise refused(_RETURN_CODES.get(code, FAILED))
    return Welcome(
        bool(present),
        said.get(Prop.RECEIVE_MAXIMUM, 65_535),
        said.get(Prop.MAXIMUM_PACKET_SIZE, 0),
        said.get(Prop.MAXIMUM_QOS, 2),
        said.get(Prop.SERVER_KEEP_ALIVE),
    )


def decode_granted(body: bytes, version: int) -> Granted:
    """SUBACK; UNSUBACK looks alike, and 3.1.1's has no codes."""
    cursor = Cursor(body)
    pid = cursor.packet_id()
    if version == V5:
        read(cursor, _ANY)
    return Granted(pid, tuple(cursor.rest()))


def decode_ack(body: bytes, version: int) -> tuple[bytes, int]:
    """The packet identifier and reason of PUBACK, PUBREC, PUBREL or PUBCOMP."""
    cursor = Cursor(body)
    pid = cursor.packet_id()
    return pid, cursor.u8() if version == V5 and not cursor.done else 0


def decode_goodbye(body: bytes) -> Goodbye:
    """DISCONNECT from the broker."""
    cursor = Cursor(body)
    reason = 0 if cursor.done else cursor.u8()
    said = {} if cursor.done else dict(read(cursor, _ANY))
    return Goodbye(reason, str(said.get(Prop.REASON_STRING, "")))


def refused(code: int, detail: str = "") -> BrokerRefused:
    """The error for a reason code that says no."""
    sentence, hint = _SENTENCES.get(code, (f"it refused for reason 0x{code:02x}", ""))
    return BrokerRefused(f"{sentence} ({detail})" if detail else sentence, hint, code)


def faulted(fault: ProtocolFault) -> BrokerFaulted:
    """The error for bytes that can't be read."""
    return BrokerFaulted(f"what came isn't MQTT as agreed: {fault.detail}")


def _packet(first: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes((first,)) + varint(len(body)) + body
