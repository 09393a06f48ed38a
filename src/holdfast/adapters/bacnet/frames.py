"""BACnet/IP as bytes: BVLL (annex J), network layer (clause 6) and the header of application PDUs (clause 20.1). Pure.

Reading is total: bytes give a `Heard`, None (a message of no concern here), or raise `FrameInvalid`. What services hold
is the business of `services`.
"""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from typing import NamedTuple

from holdfast.adapters.bacnet.errors import FrameInvalid

PORT = 47808
LARGEST_APDU = 1476
MOST_SEGMENTS = 64
_BVLL, _VERSION = 0x81, 0x01
_ACCEPTS = 0x65
"""Up to 64 segments of 1,476 octets (clause 20.1.2.4, 20.1.2.5)."""
_WINDOW = 16
_GLOBAL = 0xFFFF


class Function(IntEnum):
    """BVLC functions (J.2)."""

    RESULT = 0x00
    FORWARDED = 0x04
    REGISTER = 0x05
    DISTRIBUTE = 0x09
    UNICAST = 0x0A
    BROADCAST = 0x0B


class Kind(IntEnum):
    """PDU types (clause 20.1)."""

    CONFIRMED = 0
    UNCONFIRMED = 1
    SIMPLE_ACK = 2
    COMPLEX_ACK = 3
    SEGMENT_ACK = 4
    ERROR = 5
    REJECT = 6
    ABORT = 7


class Station(NamedTuple):
    """Where a device is. net, mac: behind the router at host and port; net 0 = right there."""

    host: str
    port: int = PORT
    net: int = 0
    mac: bytes = b""

    def __str__(self) -> str:
        where = self.host if self.port == PORT else f"{self.host}:{self.port}"
        return f"{where} net {self.net} mac 0x{self.mac.hex()}" if self.net else where


@dataclass(slots=True)
class Heard:
    """An application PDU. choice: the service, or the reason of a reject or abort; sequence, window: of segments."""

    source: Station
    kind: Kind
    choice: int = 0
    invoke: int = 0
    payload: bytes = b""
    is_segment: bool = False
    more: bool = False
    sequence: int = 0
    window: int = 1


class Result(NamedTuple):
    """A BBMD's answer (J.2.1). code: 0 = done."""

    code: int


def read(data: bytes, host: str, port: int) -> Heard | Result | None:
    """What a datagram says.

    Raises:
        FrameInvalid: nothing that is to be understood.
    """
    if len(data) < 4 or data[0] != _BVLL or int.from_bytes(data[2:4], "big") != len(data):
        raise FrameInvalid("no BVLL message, or not of the length it says")
    function, npdu = data[1], data[4:]
    if function == Function.RESULT:
        return Result(int.from_bytes(npdu[:2], "big")) if len(npdu) == 2 else None
    if function == Function.FORWARDED:
        if len(npdu) < 6:
            raise FrameInvalid("a forwarded message without an address")
        host, port, npdu = str(IPv4Address(npdu[:4])), int.from_bytes(npdu[4:6], "big"), npdu[6:]
    elif function not in (Function.UNICAST, Function.BROADCAST):
        return None
    net, mac, apdu = _network(npdu)
    return None if apdu is None else _application(Station(host, port, net, mac), apdu)


def _network(npdu: bytes) -> tuple[int, bytes, bytes | None]:
    """Source network, source address, and the APDU; None = a message of the network layer itself."""
    if len(npdu) < 2 or npdu[0] != _VERSION:
        raise FrameInvalid("no network layer of version 1")
    control, at = npdu[1], 2
    net, mac = 0, b""
    if control & 0x20:
        _, _, at = _address(npdu, at)
    if control & 0x08:
        net, mac, at = _address(npdu, at)
        if not 0 < net < _GLOBAL or not mac:
            raise FrameInvalid("a source that isn't one")
    if control & 0x20:
        at += 1
    if at > len(npdu):
        raise FrameInvalid("cut off in the network layer")
    return net, mac, None if control & 0x80 else npdu[at:]


def _address(npdu: bytes, at: int) -> tuple[int, bytes, int]:
    if at + 3 > len(npdu) or at + 3 + npdu[at + 2] > len(npdu):
        raise FrameInvalid("cut off in an address")
    end = at + 3 + npdu[at + 2]
    return int.from_bytes(npdu[at : at + 2], "big"), npdu[at + 3 : end], end


def _application(source: Station, apdu: bytes) -> Heard:
    if not apdu or apdu[0] >> 4 > Kind.ABORT:
        raise FrameInvalid("no application PDU")
    kind, flags = Kind(apdu[0] >> 4), apdu[0] & 0x0F
    if kind is Kind.UNCONFIRMED:
        _least(apdu, 2)
        return Heard(source, kind, apdu[1], payload=apdu[2:])
    at = 2 if kind is Kind.CONFIRMED else 1
    has_segments = kind in (Kind.CONFIRMED, Kind.COMPLEX_ACK) and bool(flags & 8)
    _least(apdu, at + (4 if has_segments else 3 if kind is Kind.SEGMENT_ACK else 2))
    heard = Heard(source, kind, invoke=apdu[at])
    at += 1
    if has_segments:
        heard.is_segment, heard.more = True, bool(flags & 4)
    if has_segments or kind is Kind.SEGMENT_ACK:
        heard.sequence, heard.window = apdu[at], apdu[at + 1]
        at += 2
    if kind is not Kind.SEGMENT_ACK:
        heard.choice, heard.payload = apdu[at], apdu[at + 1 :]
    return heard


def _least(apdu: bytes, count: int) -> None:
    if len(apdu) < count:
        raise FrameInvalid("cut off in the application layer")


def unicast(to: Station, apdu: bytes, *, expects: bool = False) -> bytes:
    """A message for one station; expects: an answer (clause 6.2.2)."""
    control = 0x04 if expects else 0
    if not to.net:
        return _bvll(Function.UNICAST, bytes((_VERSION, control)) + apdu)
    route = to.net.to_bytes(2, "big") + bytes((len(to.mac),)) + to.mac + b"\xff"
    return _bvll(Function.UNICAST, bytes((_VERSION, control | 0x20)) + route + apdu)


def everywhere(apdu: bytes, function: Function) -> bytes:
    """A global broadcast, by BROADCAST, by DISTRIBUTE (through a BBMD), or told to one station by UNICAST."""
    return _bvll(function, bytes((_VERSION, 0x20, 0xFF, 0xFF, 0, 0xFF)) + apdu)


def register(ttl_s: int) -> bytes:
    """Register-Foreign-Device (J.2.6); ttl_s: 1 to 65,535 s."""
    return _bvll(Function.REGISTER, ttl_s.to_bytes(2, "big"))


def confirmed(invoke: int, service: int, payload: bytes) -> bytes:
    """Confirmed-Request-PDU, whole, with segmented answers accepted."""
    return bytes((0x02, _ACCEPTS, invoke, service)) + payload


def unconfirmed(service: int, payload: bytes) -> bytes:
    """Unconfirmed-Request-PDU."""
    return bytes((0x10, service)) + payload


def simple_ack(invoke: int, service: int) -> bytes:
    """SimpleACK-PDU."""
    return bytes((0x20, invoke, service))


def segment_ack(invoke: int, sequence: int, window: int, *, negative: bool = False) -> bytes:
    """SegmentACK-PDU of a client."""
    return bytes((0x42 if negative else 0x40, invoke, sequence, min(max(window, 1), _WINDOW)))


def reject(invoke: int, reason: int) -> bytes:
    """Reject-PDU."""
    return bytes((0x60, invoke, reason))


def abort(invoke: int, reason: int, *, by_server: bool = False) -> bytes:
    """Abort-PDU."""
    return bytes((0x71 if by_server else 0x70, invoke, reason))


def _bvll(function: Function, rest: bytes) -> bytes:
    return bytes((_BVLL, function)) + (len(rest) + 4).to_bytes(2, "big") + rest
