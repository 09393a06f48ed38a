"""Bytes of Modbus: questions, answers, and the two ways they're framed. Pure.

PDUs: Modbus Application Protocol Specification V1.1b3 §6. MBAP header: Modbus Messaging on TCP/IP V1.0b §3.1.3.
RTU frames: Modbus over Serial Line V1.02 §2.5.1.
"""

import struct
from typing import NamedTuple

from holdfast.adapters.modbus.errors import NO_ANSWER, NO_PATH, Malformed, Refused, UnitSilent

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
MOST_REGISTERS, MOST_BITS = 125, 2000
MOST_WRITTEN = 123
HEADER = 7
_LONGEST_PDU = 253
_EXCEPTION = 0x80
MOST_BYTES = 1024
"""Bytes that wait for the rest of an RTU frame (at most 256 bytes long); more can't be an answer."""

_header = struct.Struct(">HHHB")
_words = struct.Struct(">BHH")


class Question(NamedTuple):
    """A request. pdu: its bytes; size: bytes that a good answer's PDU has."""

    pdu: bytes
    size: int

    @property
    def function(self) -> int:
        """Its function code."""
        return self.pdu[0]


def read(function: int, start: int, count: int) -> Question:
    """Read `count` registers, or bits, from `start` (0-based)."""
    data = 2 * count if function in (READ_HOLDING, READ_INPUT) else (count + 7) // 8
    return Question(_words.pack(function, start, count), 2 + data)


def write_one(start: int, register: int) -> Question:
    """Write one holding register (0x06)."""
    return Question(_words.pack(WRITE_REGISTER, start, register), 5)


def write_coil(start: int, *, on: bool) -> Question:
    """Write one coil (0x05)."""
    return Question(_words.pack(WRITE_COIL, start, 0xFF00 if on else 0), 5)


def write_many(start: int, registers: bytes) -> Question:
    """Write holding registers (0x10), big-endian as they go."""
    count = len(registers) // 2
    return Question(_words.pack(WRITE_REGISTERS, start, count) + bytes([len(registers)]) + registers, 5)


def write_coils(start: int, *, on: bool) -> Question:
    """Write one coil by 0x0F, for devices that know no 0x05."""
    return Question(_words.pack(WRITE_COILS, start, 1) + bytes([1, on]), 5)


def data_of(question: Question, pdu: bytes) -> bytes:
    """What was asked for: the registers' or bits' bytes; of writes, nothing.

    Raises:
        Refused, UnitSilent: an exception.
        Malformed: not an answer to this question.
    """
    function = question.pdu[0]
    if len(pdu) == 2 and pdu[0] == function | _EXCEPTION:
        raise (UnitSilent if pdu[1] in (NO_PATH, NO_ANSWER) else Refused)(pdu[1])
    if not pdu or pdu[0] != function:
        raise Malformed(f"function {function} was asked, and {pdu[0] if pdu else 'nothing'} answered", _FOREIGN)
    if len(pdu) != question.size:
        raise Malformed(f"the answer has {len(pdu)} bytes, {question.size} would be right", _FOREIGN)
    if function in (WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS):
        if pdu != question.pdu[:5]:
            raise Malformed("the answer to the write says something else", _FOREIGN)
        return b""
    if pdu[1] != question.size - 2:
        raise Malformed(f"the answer says {pdu[1]} bytes and has {question.size - 2}", _FOREIGN)
    return pdu[2:]


_FOREIGN = "is this a Modbus device, and the `transport` right?"


def tcp_frame(number: int, unit: int, question: Question) -> bytes:
    """A request with its MBAP header. number: the transaction's."""
    return _header.pack(number, 0, len(question.pdu) + 1, unit) + question.pdu


class TcpFrames:
    """Cuts a stream into answers."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_amid(self) -> bool:
        """Has a part of an answer come?"""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """(transaction, unit, PDU) of each answer that is complete now.

        Raises:
            Malformed: no MBAP header where one must be; nothing more can be read from this stream.
        """
        buffer = self._rest + data if self._rest else data
        found, at, end = [], 0, len(buffer)
        while end - at >= HEADER:
            number, protocol, length, unit = _header.unpack_from(buffer, at)
            if protocol or not 2 <= length <= _LONGEST_PDU + 1:
                self._rest = b""
                raise Malformed("what came is no Modbus TCP", _FOREIGN)
            if end - at < length + 6:
                break
            found.append((number, unit, bytes(buffer[at + HEADER : at + 6 + length])))
            at += 6 + length
        self._rest = bytes(buffer[at:])
        return found


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        rows.append(crc)
    return tuple(rows)


_CRC = _table()


def crc16(data: bytes) -> bytes:
    """The check of an RTU frame, low byte first (Serial Line §6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """A PDU as it goes on a serial line."""
    body = bytes([unit]) + pdu
    return body + crc16(body)


class RtuFrames:
    """Finds the answer to one question in what comes, among noise and other units' late answers."""

    def __init__(self, unit: int, question: Question) -> None:
        self._good = bytes([unit, question.function])
        self._bad = bytes([unit, question.function | _EXCEPTION])
        self._size = question.size + 3
        self._buffer = b""

    def feed(self, data: bytes) -> bytes | None:
        """The answer's PDU once it's complete; what stood before it was not it.

        Raises:
            Malformed: too much came that is none.
        """
        buffer = self._buffer = self._buffer + data
        for at in range(len(buffer) - 4):
            head = buffer[at : at + 2]
            size = self._size if head == self._good else 5 if head == self._bad else 0
            if (
                size
                and len(buffer) >= at + size
                and crc16(buffer[at : at + size - 2]) == buffer[at + size - 2 : at + size]
            ):
                return buffer[at + 1 : at + size - 2]
        if len(buffer) > MOST_BYTES:
            raise Malformed("what came is no Modbus RTU", _FOREIGN)
        return None
