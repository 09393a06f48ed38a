"""Cayenne Low Power Payload (LPP): `channel, type, value` after `channel, type, value`, all big-endian.

A value is called `temperature.3`, by what it measures and its channel; what has several parts adds the part:
`position.1.latitude`. Types 0 to 3, 101 to 104, 113, 115, 134 and 136 are myDevices' ("Cayenne Docs", LoRa, Cayenne
Low Power Payload: an IPSO object's number less 3200); the others are the community's, as ElectronicCats/CayenneLPP
and sabas1080/CayenneLPP (`CayenneLPP.h`) write them.
"""

from collections.abc import Iterator
from typing import NamedTuple

from holdfast.codecs.refused import Refused, malformed
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import Origin, Sink
from holdfast.model.series import Kind


class Part(NamedTuple):
    """One number of a type. value = raw / over * times, so that 272 tenths are 27.2 and no neighbour of it."""

    name: str
    size: int
    unit: str = ""
    over: int = 1
    times: int = 1
    is_signed: bool = False
    kind: Kind = Kind.FLOAT


class Value(NamedTuple):
    """A value of a payload; unit "" = it has none."""

    name: str
    value: float | bool
    kind: Kind
    unit: str


def _axes(size: int, unit: str, over: int) -> tuple[Part, ...]:
    return tuple(Part(axis, size, unit, over, is_signed=True) for axis in "xyz")


TYPES: dict[int, tuple[str, tuple[Part, ...]]] = {
    0: ("digital_in", (Part("", 1, kind=Kind.INT),)),
    1: ("digital_out", (Part("", 1, kind=Kind.INT),)),
    2: ("analog_in", (Part("", 2, "", 100, is_signed=True),)),
    3: ("analog_out", (Part("", 2, "", 100, is_signed=True),)),
    100: ("generic", (Part("", 4, kind=Kind.INT),)),
    101: ("illuminance", (Part("", 2, "lx"),)),
    102: ("presence", (Part("", 1, kind=Kind.BOOL),)),
    103: ("temperature", (Part("", 2, "Cel", 10, is_signed=True),)),
    104: ("humidity", (Part("", 1, "%RH", 2),)),
    113: ("acceleration", _axes(2, "gn", 1000)),
    115: ("pressure", (Part("", 2, "Pa", times=10),)),
    116: ("voltage", (Part("", 2, "V", 100),)),
    117: ("current", (Part("", 2, "A", 1000),)),
    118: ("frequency", (Part("", 4, "Hz"),)),
    120: ("percentage", (Part("", 1, "%"),)),
    121: ("altitude", (Part("", 2, "m", is_signed=True),)),
    122: ("load", (Part("", 3, "kg", 1000, is_signed=True),)),
    125: ("concentration", (Part("", 2, "ppm"),)),
    128: ("power", (Part("", 2, "W"),)),
    130: ("distance", (Part("", 4, "m", 1000),)),
    131: ("energy", (Part("", 4, "kWh", 1000),)),
    132: ("direction", (Part("", 2, "deg"),)),
    133: ("time", (Part("", 4, "s", kind=Kind.INT),)),
    134: ("rotation", _axes(2, "deg/s", 100)),
    135: ("colour", tuple(Part(name, 1, kind=Kind.INT) for name in ("red", "green", "blue"))),
    136: (
        "position",
        (
            Part("latitude", 3, "lat", 10_000, is_signed=True),
            Part("longitude", 3, "lon", 10_000, is_signed=True),
            Part("altitude", 3, "m", 100, is_signed=True),
        ),
    ),
    142: ("switch", (Part("", 1, kind=Kind.BOOL),)),
}
"""By a type's number: what it measures and the numbers it consists of."""
_SIZES = {number: sum(part.size for part in parts) for number, (_, parts) in TYPES.items()}


class CayenneSource:
    """Reads payloads; the device is the topic's."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the payload's values into `sink`.

        Raises:
            Refused: when it's cut off, or holds a type that nobody documents.
        """
        del message
        for value in values_of(payload):
            sink.add(origin.device, value.name, value.value, value.kind, value.unit or None)


def values_of(payload: bytes) -> list[Value]:
    """The values of a payload, in its order.

    Raises:
        Refused: when it's empty or cut off, or holds a type that nobody documents: how long such a value is, and so
            where the next begins, isn't known then.
    """
    if not payload:
        malformed("empty: a Cayenne LPP payload has at least a channel, a type and a value")
    found: list[Value] = []
    at = 0
    while at < len(payload):
        if at + 1 == len(payload):
            malformed(f"cut off: byte {at} is a channel, and no type follows")
        channel, number = payload[at], payload[at + 1]
        size = _SIZES.get(number)
        if size is None:
            detail = f"no Cayenne LPP type has the number {number} (byte {at + 1}, channel {channel})"
            raise Refused(RejectReason.UNSUPPORTED, detail)
        at += 2
        if at + size > len(payload):
            name, left = TYPES[number][0], len(payload) - at
            malformed(f"cut off: {name} of channel {channel} has {size} bytes, {left} are there")
        found += _parts(channel, number, payload[at : at + size])
        at += size
    return found


def _parts(channel: int, number: int, raw: bytes) -> Iterator[Value]:
    name, parts = TYPES[number]
    at = 0
    for part in parts:
        whole = int.from_bytes(raw[at : at + part.size], "big", signed=part.is_signed)
        at += part.size
        value: float | bool = whole != 0 if part.kind is Kind.BOOL else whole * part.times
        if part.over != 1:
            value = value / part.over
        yield Value(f"{name}.{channel}.{part.name}".rstrip("."), value, part.kind, part.unit)
