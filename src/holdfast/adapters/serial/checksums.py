"""Checksums of frames: NMEA 0183's, XOR, 8-bit sum, Modbus's CRC-16. Pure.

All are verified and cut off; what's left is the frame's payload. In text they stand as hex digits, otherwise as bytes.
"""

from collections.abc import Callable
from functools import reduce
from operator import xor

from holdfast.adapters.serial.settings import ChecksumRule, ChecksumSettings

Strip = Callable[[bytes], bytes | None]
"""A frame with its checksum to the payload without; None = it's wrong or missing."""


def xor_of(data: bytes) -> int:
    """All bytes, exclusive or."""
    return reduce(xor, data, 0)


def sum_of(data: bytes) -> int:
    """All bytes added, modulo 256."""
    return sum(data) & 0xFF


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def crc16_of(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, initial value 0xFFFF (Modbus over Serial Line V1.02 §6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


_RULES: dict[ChecksumRule, tuple[Callable[[bytes], int], int]] = {
    "xor": (xor_of, 1),
    "sum8": (sum_of, 1),
    "crc16-modbus": (crc16_of, 2),
}
"""How it's made, and its bytes."""


def width_of(settings: ChecksumSettings) -> int:
    """Bytes that a checksum takes in the frame."""
    if settings.rule == "nmea":
        return 3
    return _RULES[settings.rule][1] * (2 if settings.written == "hex" else 1)


def stripper(settings: ChecksumSettings, end: bytes) -> Strip:
    """What verifies frames. end: covered by a checksum that stands behind the frame's end."""
    if settings.rule == "nmea":
        return strip_nmea
    make, size = _RULES[settings.rule]
    width, is_hex = width_of(settings), settings.written == "hex"
    order = "little" if settings.rule == "crc16-modbus" and not is_hex else "big"
    covered = end if settings.place == "behind_end" else b""

    def strip(frame: bytes) -> bytes | None:
        body, told = frame[:-width], frame[-width:]
        if len(told) < width:
            return None
        if is_hex:
            try:
                told = bytes.fromhex(told.decode("ascii"))
            except ValueError:
                return None
            if len(told) != size:
                return None
        return body if int.from_bytes(told, order) == make(body + covered) else None  # type: ignore[arg-type]  # both are literals

    return strip


def strip_nmea(frame: bytes) -> bytes | None:
    """`$GPGLL,…*1D` to `$GPGLL,…`: the XOR between the first byte and `*`, two hex digits (NMEA 0183 §5.2.3)."""
    if len(frame) < 4 or frame[-3:-2] != b"*" or frame[:1] not in (b"$", b"!"):
        return None
    try:
        told = int(frame[-2:].decode("ascii"), 16) if frame[-2:].isalnum() else -1
    except ValueError:
        return None
    return frame[:-3] if told == xor_of(frame[1:-3]) else None
