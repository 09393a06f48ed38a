"""The primitive fields of MQTT packets: integers, variable byte integers, binary data and UTF-8 text (MQTT 5 §1.5)."""

from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.reasons import Reason

_SINGLE = tuple(bytes((n,)) for n in range(128))


def malformed(detail: str) -> ProtocolFault:
    """The fault for bytes that can't be read."""
    return ProtocolFault(Reason.MALFORMED, detail)


def varint(number: int) -> bytes:
    """`number` as a variable byte integer."""
    if number < 128:
        return _SINGLE[number]
    if number < 16_384:
        return bytes((number & 127 | 128, number >> 7))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def binary(data: bytes) -> bytes:
    """`data` with its two-byte length before it."""
    return len(data).to_bytes(2, "big") + data


def text(value: str) -> bytes:
    """`value` as UTF-8 with its two-byte length before it."""
    return binary(value.encode())


class Cursor:
    """Reads fields from a packet's body in order; running out of bytes is a `ProtocolFault`."""

    __slots__ = ("_data", "_pos")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0

    @property
    def done(self) -> bool:
        """Nothing is left."""
        return self._pos >= len(self._data)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        stop = self._pos + count
        if stop > len(self._data):
            raise malformed("the packet ends inside a field")
        piece = self._data[self._pos : stop]
        self._pos = stop
        return piece

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self._pos)

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two bytes, big-endian."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Four bytes, big-endian."""
        return int.from_bytes(self.take(4), "big")

    def varint(self) -> int:
        """A variable byte integer in its shortest form."""
        number = 0
        for place in range(4):
            byte = self.u8()
            number |= (byte & 127) << (7 * place)
            if byte < 128:
                if place and not byte:
                    raise malformed("a variable byte integer isn't in its shortest form")
                return number
        raise malformed("a variable byte integer is longer than four bytes")

    def binary(self) -> bytes:
        """Length-prefixed bytes."""
        return self.take(self.u16())

    def text(self) -> str:
        """Length-prefixed UTF-8 without NUL; surrogates aren't UTF-8."""
        raw = self.binary()
        try:
            value = raw.decode()
        except UnicodeDecodeError:
            raise malformed("a text isn't UTF-8") from None
        if "\0" in value:
            raise malformed("a text contains NUL")
        return value

    def packet_id(self) -> bytes:
        """A packet identifier, as its two bytes; never zero."""
        pid = self.take(2)
        if pid == b"\0\0":
            raise ProtocolFault(Reason.PROTOCOL_ERROR, "a packet identifier is zero")
        return pid
