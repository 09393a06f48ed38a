"""Engine state as bytes: msgpack of arrays with their shapes, by rule (name, version) and by device name."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.stream.errors import SnapshotUnusable

FORMAT = 1


class StoredArray(Struct, frozen=True, array_like=True):
    """An array of shape (devices, width), or (devices,) with width None; `dtype` as numpy writes it, little-endian."""

    dtype: str
    width: int | None
    data: bytes


class StoredRule(Struct, frozen=True):
    """One rule's state; row i of each array belongs to device i (node, device)."""

    name: str
    version: str
    devices: list[tuple[str, str]]
    arrays: dict[str, StoredArray]


class Checkpoint(Struct, frozen=True):
    """All rules' state."""

    format: int
    rules: list[StoredRule]


_DTYPES = {"<f8": np.float64, "<i8": np.int64, "|b1": np.bool_}


def write(rules: Sequence[StoredRule]) -> bytes:
    """The checkpoint's bytes."""
    return msgspec.msgpack.encode(Checkpoint(FORMAT, list(rules)))


def read(data: bytes) -> list[StoredRule]:
    """The rules in a checkpoint.

    Raises:
        SnapshotUnusable: when these aren't the bytes of a checkpoint of this format.
    """
    try:
        checkpoint = msgspec.msgpack.decode(data, type=Checkpoint)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotUnusable(f"not an engine checkpoint: {error}") from None
    if checkpoint.format != FORMAT:
        raise SnapshotUnusable(f"engine checkpoint of format {checkpoint.format}, this release reads {FORMAT}")
    return checkpoint.rules


def pack(array: NDArray[Any]) -> StoredArray:
    """An array for storing."""
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return StoredArray(stored.dtype.str, array.shape[1] if array.ndim == 2 else None, stored.tobytes())


def unpack(stored: StoredArray, devices: int) -> NDArray[Any]:
    """A stored array of so many devices.

    Raises:
        SnapshotUnusable: when its bytes don't fit its shape.
    """
    dtype = _DTYPES.get(stored.dtype)
    places = devices * (1 if stored.width is None else stored.width)
    if dtype is None or places < 0 or len(stored.data) != places * np.dtype(dtype).itemsize:
        raise SnapshotUnusable(f"an array of {len(stored.data)} bytes isn't {devices} x {stored.width} {stored.dtype}")
    array: NDArray[Any] = np.frombuffer(stored.data, stored.dtype).astype(dtype)
    return array if stored.width is None else array.reshape(devices, stored.width)
