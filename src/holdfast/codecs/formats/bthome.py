"""BTHome v2 (bthome.io/format, bthome.io/encryption): what small Bluetooth sensors advertise, plain or encrypted.

Service data of the UUID 0xFCD2: a byte about the device, then `object id, value` after `object id, value`, little
endian. A value is called by what it measures; several of the same in one advertisement are `temperature.1`,
`temperature.2`, in its order. What follows an object id that nobody documents can't be read: the specification has
receivers stop there, and the objects before it count.

    61              device information: bit 0 encrypted, bit 1 the MAC follows, bits 5-7 version (2)
    02 CA09         temperature, 25.06 Cel
    … counter MIC   of an encrypted advertisement: 4 bytes that grow, 4 bytes that prove (AES-CCM, the bind key)
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from holdfast.codecs.refused import Refused, malformed
from holdfast.codecs.reject import RejectReason
from holdfast.model.series import Kind

VERSION = 2
_ENCRYPTED, _HAS_MAC, _VERSION_AT = 1, 2, 5
_PACKET_ID = 0x00
_TEXT, _RAW = 0x53, 0x54
_BUTTON, _DIMMER = 0x3A, 0x3C
_FIRMWARE = (0xF1, 0xF2)
_BUTTONS = {1: "press", 2: "double_press", 3: "triple_press", 4: "long_press", 5: "long_double_press"}
_BUTTONS |= {6: "long_triple_press", 0x80: "hold_press"}
_TURNS = {1: "rotate_left", 2: "rotate_right"}
NONCE_HEAD = b"\xd2\xfc"


class Measure(NamedTuple):
    """A kind of number. value = raw * times / over, so that 273 tenths are 27.3 and no neighbour of it."""

    name: str
    size: int
    unit: str = ""
    over: int = 1
    times: int = 1
    is_signed: bool = False
    kind: Kind = Kind.FLOAT


def _count(size: int, *, is_signed: bool = False) -> Measure:
    return Measure("count", size, is_signed=is_signed, kind=Kind.INT)


MEASURES: dict[int, Measure] = {
    0x01: Measure("battery", 1, "%"),
    0x02: Measure("temperature", 2, "Cel", 100, is_signed=True),
    0x03: Measure("humidity", 2, "%RH", 100),
    0x04: Measure("pressure", 3, "hPa", 100),
    0x05: Measure("illuminance", 3, "lx", 100),
    0x06: Measure("mass", 2, "kg", 100),
    0x07: Measure("mass", 2, "lb", 100),
    0x08: Measure("dew_point", 2, "Cel", 100, is_signed=True),
    0x09: _count(1),
    0x0A: Measure("energy", 3, "kWh", 1000),
    0x0B: Measure("power", 3, "W", 100),
    0x0C: Measure("voltage", 2, "V", 1000),
    0x0D: Measure("pm2_5", 2, "ug/m3"),
    0x0E: Measure("pm10", 2, "ug/m3"),
    0x12: Measure("co2", 2, "ppm"),
    0x13: Measure("tvoc", 2, "ug/m3"),
    0x14: Measure("moisture", 2, "%", 100),
    0x2E: Measure("humidity", 1, "%RH"),
    0x2F: Measure("moisture", 1, "%"),
    0x3D: _count(2),
    0x3E: _count(4),
    0x3F: Measure("rotation", 2, "deg", 10, is_signed=True),
    0x40: Measure("distance", 2, "mm"),
    0x41: Measure("distance", 2, "m", 10),
    0x42: Measure("duration", 3, "s", 1000),
    0x43: Measure("current", 2, "A", 1000),
    0x44: Measure("speed", 2, "m/s", 100),
    0x45: Measure("temperature", 2, "Cel", 10, is_signed=True),
    0x46: Measure("uv_index", 1, "", 10),
    0x47: Measure("volume", 2, "l", 10),
    0x48: Measure("volume", 2, "ml"),
    0x49: Measure("volume_flow", 2, "m3/h", 1000),
    0x4A: Measure("voltage", 2, "V", 10),
    0x4B: Measure("gas", 3, "m3", 1000),
    0x4C: Measure("gas", 4, "m3", 1000),
    0x4D: Measure("energy", 4, "kWh", 1000),
    0x4E: Measure("volume", 4, "l", 1000),
    0x4F: Measure("water", 4, "l", 1000),
    0x50: Measure("timestamp", 4, "s", kind=Kind.INT),
    0x51: Measure("acceleration", 2, "m/s2", 1000),
    0x52: Measure("gyroscope", 2, "deg/s", 1000),
    0x55: Measure("volume_storage", 4, "l", 1000),
    0x56: Measure("conductivity", 2, "uS/cm"),
    0x57: Measure("temperature", 1, "Cel", is_signed=True),
    0x58: Measure("temperature", 1, "Cel", 100, 35, is_signed=True),
    0x59: _count(1, is_signed=True),
    0x5A: _count(2, is_signed=True),
    0x5B: _count(4, is_signed=True),
    0x5C: Measure("power", 4, "W", 100, is_signed=True),
    0x5D: Measure("current", 2, "A", 1000, is_signed=True),
    0x5E: Measure("direction", 2, "deg", 100),
    0x5F: Measure("precipitation", 2, "mm", 10),
    0x60: Measure("channel", 1, kind=Kind.INT),
    0x61: Measure("rotational_speed", 2, "rpm"),
    0x62: Measure("speed", 4, "m/s", 1_000_000, is_signed=True),
    0x63: Measure("acceleration", 4, "m/s2", 1_000_000, is_signed=True),
    0x64: Measure("light_level", 1, kind=Kind.INT),
    0xF0: Measure("device_type", 2, kind=Kind.INT),
}
"""By object id: bthome.io/format, "Sensor data" and "Device information"; from 0x5F to 0x64 as bthome-ble has them."""

_FLAGS = (
    "generic power.on opening 12 13 14 battery.low battery.charging carbon_monoxide cold connectivity door "
    "garage_door gas.detected heat light lock moisture.detected motion moving occupancy plug presence problem "
    "running safety smoke sound tamper vibration window"
)
FLAGS: dict[int, str] = {i: name for i, name in enumerate(_FLAGS.split(), 0x0F) if i not in MEASURES}
"""By object id: "Binary sensor data", a byte that is 1 or 0. Where a number has the name already, a word is added."""


class Value(NamedTuple):
    """A value of an advertisement; unit "" = it has none."""

    name: str
    value: float | bool | str
    kind: Kind
    unit: str = ""


class Advertised(NamedTuple):
    """What an advertisement says. counter: None = it's plain; is_cut: behind an object id that nobody knows."""

    values: list[Value]
    packet_id: int | None = None
    counter: int | None = None
    is_cut: bool = False


Unlock = Callable[[bytes, bytes, bytes], bytes | None]
"""(MAC, nonce, ciphertext with its MIC) to the plain text; None = the MIC is wrong.

Raises:
    Refused: when there's no key for this MAC.
"""


def advertised(data: bytes, mac: bytes, unlock: Unlock) -> Advertised:
    """Read service data, beginning behind the UUID.

    mac: of the sender, 6 bytes as people write them; b"" = not known. An advertisement may bring its own.

    Raises:
        Refused: when it's no BTHome v2, is cut off, or can't be decrypted.
    """
    if not data:
        malformed("empty: BTHome data begin with a byte about the device")
    about = data[0]
    if about >> _VERSION_AT != VERSION:
        raise Refused(RejectReason.UNSUPPORTED, f"BTHome version {about >> _VERSION_AT}; only {VERSION} is read")
    rest = data[1:]
    if about & _HAS_MAC:
        if len(rest) < 6:
            malformed("cut off: a MAC has 6 bytes")
        mac, rest = rest[5::-1], rest[6:]
    if not about & _ENCRYPTED:
        return _objects(rest, None)
    if len(rest) < 9:
        malformed("cut off: an encrypted advertisement has at least 9 bytes behind the first")
    sealed, counter, mic = rest[:-8], rest[-8:-4], rest[-4:]
    plain = unlock(mac, mac + NONCE_HEAD + data[:1] + counter, sealed + mic)
    if plain is None:
        malformed("its integrity check fails: is the bind key this device's, and the MAC the sender's?")
    return _objects(plain, int.from_bytes(counter, "little"))


def _objects(plain: bytes, counter: int | None) -> Advertised:
    found: list[Value | None] = []
    names: list[str] = []
    packet_id, at, is_cut = None, 0, False
    while at < len(plain):
        number, start = plain[at], at + 1
        size = _size(number, plain, start)
        if size is None:
            is_cut = True
            break
        if number in (_TEXT, _RAW):
            start += 1
        at = start + size
        if at > len(plain):
            malformed(f"cut off: object 0x{number:02X} has {size} bytes, {len(plain) - start} are there")
        raw = plain[start:at]
        if number == _PACKET_ID:
            packet_id = raw[0]
            continue
        for name, value in _values(number, raw):
            names.append(name)
            found.append(value)
    return Advertised(list(_numbered(names, found)), packet_id, counter, is_cut)


def _size(number: int, plain: bytes, start: int) -> int | None:
    """Bytes of an object's value; None when nobody knows."""
    if number in (_TEXT, _RAW):
        if start >= len(plain):
            malformed("cut off: a text says its length first")
        return plain[start]
    if number in MEASURES:
        return MEASURES[number].size
    if number in FLAGS or number in (_PACKET_ID, _BUTTON):
        return 1
    return {_DIMMER: 2, 0xF1: 4, 0xF2: 3}.get(number)


def _values(number: int, raw: bytes) -> Iterator[tuple[str, Value | None]]:
    """(name, value) of an object; None = it says that nothing happened, and counts as one of its name."""
    if number in FLAGS:
        yield FLAGS[number], Value(FLAGS[number], raw[0] != 0, Kind.BOOL)
    elif number in MEASURES:
        m = MEASURES[number]
        whole = int.from_bytes(raw, "little", signed=m.is_signed) * m.times
        yield m.name, Value(m.name, whole / m.over if m.over != 1 else whole, m.kind, m.unit)
    elif number == _BUTTON:
        yield "button", Value("button", _BUTTONS[raw[0]], Kind.TEXT) if raw[0] in _BUTTONS else None
    elif number == _DIMMER:
        turn = _TURNS.get(raw[0])
        yield "dimmer", None if turn is None else Value("dimmer", turn, Kind.TEXT)
        yield "dimmer.steps", None if turn is None else Value("dimmer.steps", raw[1], Kind.INT)
    elif number in _FIRMWARE:
        yield "firmware", Value("firmware", ".".join(str(part) for part in reversed(raw)), Kind.TEXT)
    elif number == _TEXT:
        yield "text", Value("text", raw.decode(), Kind.TEXT)
    else:
        yield "raw", Value("raw", raw.hex(), Kind.TEXT)


def _numbered(names: list[str], found: list[Value | None]) -> Iterator[Value]:
    """The values; those of one name get their number among them ("Multiple measurements of the same type")."""
    totals, seen = Counter(names), Counter[str]()
    for name, value in zip(names, found, strict=True):
        seen[name] += 1
        if value is not None:
            yield value if totals[name] == 1 else value._replace(name=f"{name}.{seen[name]}")
