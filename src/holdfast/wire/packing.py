"""A byte string written and read front to back: counts, integer columns, texts. Reading trusts nothing."""

import struct
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np

from holdfast.wire.errors import WireError
from holdfast.wire.integers import MAX_WIDTH, Int64s, Uint64s, from_planes, to_planes, unzigzag, width, zigzag

T = TypeVar("T")
_COUNT = struct.Struct("<I")
_NUMBER = struct.Struct("<q")


class Packer:
    """Writes. Each method has its twin in `Unpacker`."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def count(self, value: int) -> None:
        """A number below 2**32."""
        self._parts.append(_COUNT.pack(value))

    def number(self, value: int) -> None:
        """A signed 64-bit number."""
        self._parts.append(_NUMBER.pack(value))

    def integers(self, values: Int64s) -> None:
        """A column in the fewest bytes each that hold the largest of them; the reader must know how many."""
        packed = zigzag(values)
        bytes_each = width(int(packed.max())) if len(packed) else 0
        self._parts.append(bytes([bytes_each]))
        self.planes(packed, bytes_each)

    def planes(self, values: Uint64s, bytes_each: int) -> None:
        """A column in `bytes_each` bytes each; the reader must know both numbers."""
        self._parts.append(to_planes(values, bytes_each))

    def raw(self, data: bytes) -> None:
        """Bytes whose number the reader knows."""
        self._parts.append(data)

    def structured(self, value: object) -> None:
        """Anything msgpack can hold."""
        data = msgspec.msgpack.encode(value)
        self.count(len(data))
        self._parts.append(data)

    def finish(self) -> bytes:
        """Everything written."""
        return b"".join(self._parts)


class Unpacker:
    """Reads what `Packer` wrote; every method raises `WireError` when the bytes don't hold it."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def count(self, most: int, what: str) -> int:
        """A number that may be at most `most`."""
        (value,) = _COUNT.unpack(self.raw(4))
        if value > most:
            raise WireError(f"the batch says it has {value} {what}; at most {most} are allowed")
        return int(value)

    def number(self) -> int:
        """A signed 64-bit number."""
        return int(_NUMBER.unpack(self.raw(8))[0])

    def integers(self, count: int) -> Int64s:
        """A column of `count` integers."""
        return unzigzag(self.planes(count, self.raw(1)[0]))

    def planes(self, count: int, bytes_each: int) -> Uint64s:
        """A column of `count` unsigned integers in `bytes_each` bytes each."""
        if bytes_each > MAX_WIDTH:
            raise WireError(f"a column has {bytes_each} bytes an entry")
        return from_planes(self.raw(count * bytes_each), count, bytes_each)

    def raw(self, size: int) -> memoryview:
        """The next `size` bytes."""
        end = self._at + size
        if end > len(self._data):
            raise WireError("the batch is shorter than it says")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def structured(self, into: type[T], most: int, what: str) -> T:
        """A msgpack value of a known type in at most `most` bytes."""
        data = self.raw(self.count(most, f"bytes of {what}"))
        try:
            return msgspec.msgpack.decode(data, type=into)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise WireError(f"the {what} can't be read: {error}") from error

    def finish(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise WireError("the batch is longer than it says")


def indexes(values: Int64s, below: int, what: str) -> Int64s:
    """`values`, when all are in [0, below).

    Raises:
        WireError: when one is not.
    """
    if len(values) and (int(values.min()) < 0 or int(values.max()) >= below):
        raise WireError(f"the batch names {what} that it doesn't have")
    return values


def spans(counts: Int64s) -> Int64s:
    """Where each of consecutive runs of `counts` entries starts."""
    return np.cumsum(counts) - counts


def lengths(bounds: Sequence[int], first: int) -> Int64s:
    """Rows of each group, from the groups' last seqs."""
    ends = np.array([first - 1, *bounds], np.int64)
    return ends[1:] - ends[:-1]
