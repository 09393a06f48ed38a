"""Integer columns as bytes that zstd likes: zig-zag, then only the byte planes that hold anything.

All arithmetic is modulo 2**64, so every transform here is reversible for every int64, extremes included.
"""

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Uint64s = NDArray[np.uint64]
MAX_WIDTH = 8


def zigzag(values: Int64s) -> Uint64s:
    """Small magnitudes become small: 0, -1, 1, -2 … as 0, 1, 2, 3 …."""
    return ((values << 1) ^ (values >> 63)).view(np.uint64)


def unzigzag(values: Uint64s) -> Int64s:
    """Undo `zigzag`."""
    return ((values >> np.uint64(1)) ^ (np.uint64(0) - (values & np.uint64(1)))).view(np.int64)


def width(largest: int) -> int:
    """Bytes needed for an unsigned value; 0 for 0."""
    return (largest.bit_length() + 7) // 8


def to_planes(values: Uint64s, bytes_each: int) -> bytes:
    """The low `bytes_each` bytes of every value, all lowest bytes first, then all second ones, and so on."""
    if bytes_each == 1:
        return values.astype(np.uint8).tobytes()
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    return octets[:, :bytes_each].T.tobytes()


def from_planes(data: memoryview, count: int, bytes_each: int) -> Uint64s:
    """Undo `to_planes`; `data` must hold exactly `count * bytes_each` bytes."""
    if bytes_each == 1:
        return np.frombuffer(data, np.uint8, count).astype(np.uint64)
    octets = np.zeros((count, 8), np.uint8)
    if bytes_each:
        octets[:, :bytes_each] = np.frombuffer(data, np.uint8, count * bytes_each).reshape(bytes_each, count).T
    return octets.view(np.uint64).reshape(count)


def differences(values: Int64s) -> Int64s:
    """Each value minus the one before it; the first minus 0."""
    out = values.copy()
    out[1:] -= values[:-1]
    return out
