"""An artifact that hasn't come whole yet: its bytes as far as they're here, and beside them the journal of which.

    parts/<digest>          the bytes, each where it belongs
    parts/<digest>.ranges   a line of JSON: version, bytes in all, block; then 12 bytes a block that is here:
                            its number, the CRC-32 of its bytes, the CRC-32 of these two

A record is written after its block. `kill -9` keeps both, as the system has them; a power cut may lose either, so every
block is compared with its CRC when a part is opened again, and what doesn't fit is fetched once more. A torn or foreign
record ends the journal there. The CRCs only say what is worth keeping: whether it's the artifact, its digest says.
"""

import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import msgspec

from holdfast.artifacts.ranges import Span
from holdfast.storage.files import make_directory, sync_directory

BLOCK = 64 << 10
ENDING = ".ranges"
SYNC_BYTES = 4 << 20
"""A power cut loses no more than so much of what had come."""
_VERSION = 1
_RECORD = struct.Struct("<III")
_MOST_HEAD = 200


class _Head(msgspec.Struct, frozen=True):
    version: int
    bytes: int
    block: int


class Part:
    """One unfinished artifact. Blocking; one caller at a time writes, any may read what is covered."""

    def __init__(self, path: Path, size: int, data: BinaryIO, ranges: BinaryIO, here: bytearray) -> None:
        """See `begin` and `reopen`."""
        self.path, self.size = path, size
        self._data, self._ranges, self._here = data, ranges, here
        self._count, self._unsynced = sum(here), 0
        self._closing = threading.Lock()  # a number of a closed file may be another file's by the time it's read

    @classmethod
    def begin(cls, path: Path, size: int) -> "Part":
        """A new part, in the place of one that a crash left. Raises OSError."""
        make_directory(path.parent)
        data = path.open("w+b")
        data.truncate(size)
        ranges = _ranges(path).open("w+b")
        ranges.write(msgspec.json.encode(_Head(_VERSION, size, BLOCK)) + b"\n")
        ranges.flush()
        os.fsync(ranges.fileno())
        sync_directory(path.parent)
        return cls(path, size, data, ranges, bytearray(blocks(size)))

    @classmethod
    def reopen(cls, path: Path) -> "Part | None":
        """What is left of a part, each block compared with its CRC; None = nothing that makes sense."""
        with ExitStack() as unless_used:
            try:
                data = unless_used.enter_context(path.open("r+b"))
                ranges = unless_used.enter_context(_ranges(path).open("r+b"))
                head = msgspec.json.decode(ranges.readline(_MOST_HEAD), type=_Head)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                return None
            if (head.version, head.block) != (_VERSION, BLOCK) or head.bytes != os.fstat(data.fileno()).st_size:
                return None
            unless_used.pop_all()
        here, good = bytearray(blocks(head.bytes)), ranges.tell()
        for number, crc in _records(ranges.read(_RECORD.size * 2 * (len(here) + 1)), len(here)):
            good += _RECORD.size
            block = _block(number, head.bytes)
            here[number] = zlib.crc32(os.pread(data.fileno(), len(block), block.start)) == crc
        ranges.truncate(good)  # what comes next mustn't follow a torn record
        ranges.seek(good)
        return cls(path, head.bytes, data, ranges, here)

    @property
    def held(self) -> int:
        """Bytes that are here."""
        last = len(self._here) - 1
        short = len(self._here) * BLOCK - self.size if self._here and self._here[last] else 0
        return self._count * BLOCK - short

    @property
    def is_whole(self) -> bool:
        """Are all blocks here?"""
        return self._count == len(self._here)

    def gap(self, most: int) -> Span | None:
        """The first bytes that are missing, at most so many (at least a block); None = nothing is."""
        first = self._here.find(0)
        if first < 0:
            return None
        after = self._here.find(1, first)
        end = self.size if after < 0 else after * BLOCK
        return Span(first * BLOCK, min(end, (first + max(1, most // BLOCK)) * BLOCK))

    def covers(self, start: int, end: int) -> bool:
        """Are these bytes here?"""
        return 0 not in self._here[start // BLOCK : blocks(end)]

    def reach(self, start: int, most: int) -> int:
        """Up to where bytes are here from `start` on, at most so many."""
        first = start // BLOCK
        missing = self._here.find(0, first, blocks(min(self.size, start + most)))
        return min(self.size, start + most) if missing < 0 else max(start, missing * BLOCK)

    def read(self, start: int, end: int) -> bytes:
        """Bytes that are covered. Raises OSError, ValueError once it's closed."""
        with self._closing:
            return os.pread(self._data.fileno(), end - start, start)

    def write(self, start: int, data: bytes) -> None:
        """A whole block, or the last one. Raises OSError."""
        number = start // BLOCK
        os.pwrite(self._data.fileno(), data, start)
        record = struct.pack("<II", number, zlib.crc32(data))
        self._ranges.write(record + struct.pack("<I", zlib.crc32(record)))
        self._ranges.flush()
        if not self._here[number]:
            self._here[number] = 1
            self._count += 1
        self._unsynced += len(data)
        if self._unsynced >= SYNC_BYTES:
            self.sync()

    def sync(self) -> None:
        """Make what is here survive a power cut. Raises OSError."""
        os.fdatasync(self._data.fileno())
        os.fdatasync(self._ranges.fileno())
        self._unsynced = 0

    def close(self) -> None:
        """Keep it for later."""
        with self._closing:
            self._data.close()
            self._ranges.close()

    def drop(self) -> None:
        """Forget it."""
        self.close()
        self.path.unlink(missing_ok=True)
        _ranges(self.path).unlink(missing_ok=True)

    def forget_ranges(self) -> None:
        """Its bytes have become a whole file elsewhere."""
        self.close()
        _ranges(self.path).unlink(missing_ok=True)


def blocks(size: int) -> int:
    """How many blocks so many bytes have."""
    return -(-size // BLOCK)


def _block(number: int, size: int) -> Span:
    return Span(number * BLOCK, min(size, (number + 1) * BLOCK))


def _ranges(path: Path) -> Path:
    return path.with_name(path.name + ENDING)


def _records(raw: bytes, most: int) -> Iterator[tuple[int, int]]:
    for at in range(0, len(raw) - _RECORD.size + 1, _RECORD.size):
        number, crc, check = _RECORD.unpack_from(raw, at)
        if zlib.crc32(raw[at : at + 8]) != check or number >= most:
            return
        yield number, crc
