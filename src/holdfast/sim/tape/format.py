r"""A tape: recorded MQTT messages in a file. Pure: records to bytes and back.

    file   = "HFTAPE1\n", then blocks
    block  = packed size u32, plain size u32, number of records u32, CRC-32 of the packed bytes u32, packed bytes
    packed = Zstandard frame (RFC 8878) of the records one after the other
    record = time u64 (ns UTC of receipt), flags u8 (QoS 0-2 in bits 0-1, RETAIN bit 2), topic length u16, topic,
             payload length u32, payload
Numbers are little-endian. A block is written whole or not at all; a torn one at the end (a recorder that was killed, a
full disk) is left out by readers, and said so. Anything else that doesn't fit its checksum is damage, and an error.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import zstandard

from holdfast.kernel.errors import HoldfastError

MAGIC = b"HFTAPE1\n"
BLOCK_BYTES = 256 * 1024
MOST_BLOCK_BYTES = 64 * 1024 * 1024
_HEAD = struct.Struct("<IIII")
_RECORD, _PAYLOAD = struct.Struct("<QBH"), struct.Struct("<I")
_LEVEL = 3


class Record(NamedTuple):
    """A message as it came. ns: UTC, of receipt."""

    ns: int
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class TapeInvalid(HoldfastError):
    """The file is no tape, or damaged."""

    hint = "what stands before the damage was replayed; the rest is lost"


class TapeWriter:
    """Gathers records into blocks."""

    def __init__(self) -> None:
        self.records = 0
        self._plain = bytearray()
        self._count = 0
        self._packer = zstandard.ZstdCompressor(level=_LEVEL)

    def add(self, record: Record) -> None:
        """Take a record."""
        topic = record.topic.encode()
        self._plain += _RECORD.pack(record.ns, record.qos | record.retain << 2, len(topic)) + topic
        self._plain += _PAYLOAD.pack(len(record.payload)) + record.payload
        self._count += 1
        self.records += 1

    @property
    def is_full(self) -> bool:
        """Is it time to write the block?"""
        return len(self._plain) >= BLOCK_BYTES

    def block(self) -> bytes:
        """The block of what was gathered; empty when nothing was."""
        if not self._count:
            return b""
        packed = self._packer.compress(bytes(self._plain))
        head = _HEAD.pack(len(packed), len(self._plain), self._count, zlib.crc32(packed))
        self._plain.clear()
        self._count = 0
        return head + packed


class TapeReader:
    """Reads a tape from its beginning, block by block."""

    def __init__(self, file: BinaryIO) -> None:
        """Look at the file.

        Raises:
            TapeInvalid: when it's no tape.
        """
        self.torn = 0
        """Bytes of a torn block at the end; known when everything is read."""
        self._file = file
        if file.read(len(MAGIC)) != MAGIC:
            raise TapeInvalid(f"{file.name} is no tape of `holdfast sim record`")

    def __iter__(self) -> Iterator[Record]:
        """Each record, in the order of receipt.

        Raises:
            TapeInvalid: where a block is damaged.
        """
        while head := self._file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                self.torn = len(head)
                return
            packed_size, plain_size, count, crc = _HEAD.unpack(head)
            if max(packed_size, plain_size) > MOST_BLOCK_BYTES:
                raise self._damaged("its block says a size beyond all reason")
            packed = self._file.read(packed_size)
            if len(packed) < packed_size:
                self.torn = len(head) + len(packed)
                return
            if zlib.crc32(packed) != crc:
                if not self._file.read(1):  # a torn write may have its length and not yet its bytes
                    self.torn = len(head) + len(packed)
                    return
                raise self._damaged("its block doesn't fit its checksum")
            yield from self._records(packed, plain_size, count)

    def _records(self, packed: bytes, plain_size: int, count: int) -> Iterator[Record]:
        try:
            if zstandard.get_frame_parameters(packed).content_size != plain_size:
                raise self._damaged("its block isn't as long as it says")
            plain = zstandard.ZstdDecompressor().decompress(packed)
            at = 0
            for _ in range(count):
                ns, flags, size = _RECORD.unpack_from(plain, at)
                at += _RECORD.size
                topic = plain[at : at + size].decode()
                at += size
                (length,) = _PAYLOAD.unpack_from(plain, at)
                at += _PAYLOAD.size
                payload = plain[at : at + length]
                at += length
                if at > plain_size or flags & 3 == 3 or flags > 7:
                    raise self._damaged("a record doesn't fit its block")
                yield Record(ns, topic, payload, flags & 3, bool(flags & 4))
        except (zstandard.ZstdError, struct.error, UnicodeDecodeError) as error:
            raise self._damaged(f"a block can't be read: {error}") from error

    def _damaged(self, what: str) -> TapeInvalid:
        return TapeInvalid(f"{self._file.name} is damaged near byte {self._file.tell()}: {what}")
