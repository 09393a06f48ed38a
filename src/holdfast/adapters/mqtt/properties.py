"""Properties of MQTT 5 packets (§2.2.2): one table of identifiers, one reader, one writer."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Literal

from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.fields import Cursor, binary, malformed, text, varint
from holdfast.adapters.mqtt.reasons import Reason

Kind = Literal["u8", "u16", "u32", "varint", "binary", "text", "pair"]


class Prop(IntEnum):
    """Property identifiers."""

    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTH_METHOD = 0x15
    AUTH_DATA = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE = 0x19
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


_KINDS: Mapping[Prop, Kind] = {
    Prop.PAYLOAD_FORMAT: "u8",
    Prop.MESSAGE_EXPIRY: "u32",
    Prop.CONTENT_TYPE: "text",
    Prop.RESPONSE_TOPIC: "text",
    Prop.CORRELATION_DATA: "binary",
    Prop.SUBSCRIPTION_ID: "varint",
    Prop.SESSION_EXPIRY: "u32",
    Prop.ASSIGNED_CLIENT_ID: "text",
    Prop.SERVER_KEEP_ALIVE: "u16",
    Prop.AUTH_METHOD: "text",
    Prop.AUTH_DATA: "binary",
    Prop.REQUEST_PROBLEM: "u8",
    Prop.WILL_DELAY: "u32",
    Prop.REQUEST_RESPONSE: "u8",
    Prop.REASON_STRING: "text",
    Prop.RECEIVE_MAXIMUM: "u16",
    Prop.TOPIC_ALIAS_MAXIMUM: "u16",
    Prop.TOPIC_ALIAS: "u16",
    Prop.MAXIMUM_QOS: "u8",
    Prop.RETAIN_AVAILABLE: "u8",
    Prop.USER_PROPERTY: "pair",
    Prop.MAXIMUM_PACKET_SIZE: "u32",
    Prop.WILDCARD_AVAILABLE: "u8",
    Prop.SUBSCRIPTION_ID_AVAILABLE: "u8",
    Prop.SHARED_AVAILABLE: "u8",
}

_MESSAGE = frozenset(
    {
        Prop.PAYLOAD_FORMAT,
        Prop.MESSAGE_EXPIRY,
        Prop.CONTENT_TYPE,
        Prop.RESPONSE_TOPIC,
        Prop.CORRELATION_DATA,
        Prop.USER_PROPERTY,
    }
)
IN_CONNECT = frozenset(
    {
        Prop.SESSION_EXPIRY,
        Prop.RECEIVE_MAXIMUM,
        Prop.MAXIMUM_PACKET_SIZE,
        Prop.TOPIC_ALIAS_MAXIMUM,
        Prop.REQUEST_RESPONSE,
        Prop.REQUEST_PROBLEM,
        Prop.USER_PROPERTY,
        Prop.AUTH_METHOD,
        Prop.AUTH_DATA,
    }
)
IN_WILL = _MESSAGE | {Prop.WILL_DELAY}
IN_PUBLISH = _MESSAGE | {Prop.TOPIC_ALIAS}
IN_SUBSCRIBE = frozenset({Prop.SUBSCRIPTION_ID, Prop.USER_PROPERTY})
IN_UNSUBSCRIBE = frozenset({Prop.USER_PROPERTY})
IN_ACK = frozenset({Prop.REASON_STRING, Prop.USER_PROPERTY})
IN_DISCONNECT = frozenset({Prop.SESSION_EXPIRY, Prop.REASON_STRING, Prop.USER_PROPERTY})

_FLAGS = frozenset({Prop.PAYLOAD_FORMAT, Prop.REQUEST_PROBLEM, Prop.REQUEST_RESPONSE})
_NEVER_ZERO = frozenset({Prop.RECEIVE_MAXIMUM, Prop.MAXIMUM_PACKET_SIZE, Prop.SUBSCRIPTION_ID})

Properties = list[tuple[Prop, Any]]


def read(cursor: Cursor, allowed: frozenset[Prop]) -> Properties:
    """The properties at the cursor, in order.

    Raises:
        ProtocolFault: unknown, misplaced, repeated or impossible ones.
    """
    inner = Cursor(cursor.take(cursor.varint()))
    found: Properties = []
    while not inner.done:
        identifier = inner.varint()
        try:
            prop = Prop(identifier)
        except ValueError:
            raise malformed(f"unknown property 0x{identifier:02x}") from None
        if prop not in allowed:
            raise malformed(f"{prop.name.lower()} doesn't belong here")
        if prop is not Prop.USER_PROPERTY and any(prop is other for other, _ in found):
            raise ProtocolFault(Reason.PROTOCOL_ERROR, f"{prop.name.lower()} stands twice")
        found.append((prop, _checked(prop, _value(inner, _KINDS[prop]))))
    return found


def write(properties: Iterable[tuple[Prop, Any]]) -> bytes:
    """The properties with their length before them."""
    body = b"".join(varint(prop) + _encoded(_KINDS[prop], value) for prop, value in properties)
    return varint(len(body)) + body


def _value(cursor: Cursor, kind: Kind) -> Any:
    if kind == "pair":
        return cursor.text(), cursor.text()
    return getattr(cursor, kind)()


def _checked(prop: Prop, value: Any) -> Any:
    if (prop in _FLAGS and value > 1) or (prop in _NEVER_ZERO and value == 0):
        raise ProtocolFault(Reason.PROTOCOL_ERROR, f"{prop.name.lower()} can't be {value}")
    return value


def _encoded(kind: Kind, value: Any) -> bytes:
    match kind:
        case "pair":
            return text(value[0]) + text(value[1])
        case "text":
            return text(value)
        case "binary":
            return binary(value)
        case "varint":
            return varint(value)
        case _:
            return int(value).to_bytes({"u8": 1, "u16": 2, "u32": 4}[kind], "big")
