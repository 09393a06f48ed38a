"""Files that tell a flipped bit: the CRC-32 of each 64 KiB is kept in the catalogue and checked at every read.

Parquet's own page checksums don't cover page headers or the footer; these cover every byte.
"""

import io
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

import numpy as np

from holdfast.history.errors import PieceDamaged

BLOCK = 1 << 16


class SummingWriter(io.RawIOBase):
    """Passes bytes on to a file and sums them up on the way; knows `size` and `sums` once all is written."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.size = 0
        self._file = file
        self._done: list[int] = []
        self._current, self._left = 0, BLOCK
        self.is_abandoned = False
        """Nobody wants the file any more: what a Parquet writer still has to say is dropped."""

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes written."""
        return self.size

    def write(self, data: object) -> int:
        """Append bytes."""
        if self.is_abandoned:
            return len(memoryview(data).cast("B"))  # type: ignore[arg-type]  # as below
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # pyarrow gives bytes or a buffer
        self._file.write(view)
        self.size += len(view)
        at = 0
        while at < len(view):
            piece = view[at : at + self._left]
            self._current = zlib.crc32(piece, self._current)
            self._left -= len(piece)
            at += len(piece)
            if not self._left:
                self._done.append(self._current)
                self._current, self._left = 0, BLOCK
        return len(view)

    @property
    def sums(self) -> bytes:
        """CRC-32 of each block as u32 little endian."""
        last = [self._current] if self._left < BLOCK else []
        return np.array([*self._done, *last], "<u4").tobytes()


class Readable(Protocol):
    """What a file is read from: on disk, or in the cold store."""

    def seek(self, offset: int, /) -> int:
        """Go there."""
        ...

    def read(self, size: int, /) -> bytes:
        """Bytes from there; fewer at the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class CheckedFile(io.RawIOBase):
    """Reads a file block by block, each checked before a byte of it is given out."""

    def __init__(
        self, file: Readable, name: str, size: int, sums: bytes, spare: Callable[[], Readable] | None = None
    ) -> None:
        """size, sums: as the catalogue has them. spare: opens another copy, for blocks that are damaged here.

        Raises:
            PieceDamaged: when the sums can't belong to a file of that size.
        """
        super().__init__()
        self._file, self._name, self._size = file, name, size
        self._open_spare = spare
        self._sums = np.frombuffer(sums, "<u4").tolist()
        self._at = 0
        self._kept: tuple[int, bytes] = (-1, b"")
        if len(self._sums) != -(-size // BLOCK):
            raise PieceDamaged(name, "the catalogue has sums for another size")

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere else."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes.

        Raises:
            PieceDamaged: when they are not what was written.
        """
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if end <= self._at:
            return b""
        first, last = self._at // BLOCK, (end - 1) // BLOCK
        data = self._blocks(first, last)
        begin = self._at - first * BLOCK
        found = data[begin : begin + end - self._at]
        self._at = end
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _blocks(self, first: int, last: int) -> bytes:
        if first == last == self._kept[0]:
            return self._kept[1]
        try:
            data = self._read_blocks(self._file, first, last)
        except PieceDamaged:
            if self._open_spare is None:
                raise
            spare = self._open_spare()
            try:
                data = self._read_blocks(spare, first, last)
            finally:
                spare.close()
        self._kept = (last, data[(last - first) * BLOCK :])
        return data

    def _read_blocks(self, file: Readable, first: int, last: int) -> bytes:
        wanted = min(self._size, (last + 1) * BLOCK) - first * BLOCK
        file.seek(first * BLOCK)
        data = _read_all(file, wanted)
        if len(data) != wanted:
            raise PieceDamaged(self._name, "the file is shorter than it was")
        view = memoryview(data)
        for block in range(first, last + 1):
            begin = (block - first) * BLOCK
            if zlib.crc32(view[begin : begin + BLOCK]) != self._sums[block]:
                raise PieceDamaged(self._name, f"64 KiB at byte {block * BLOCK} are not what was written")
        return data


def _read_all(file: Readable, wanted: int) -> bytes:
    data = file.read(wanted)
    while data and len(data) < wanted:  # an unbuffered read may give less
        more = file.read(wanted - len(data))
        if not more:
            break
        data += more
    return data
