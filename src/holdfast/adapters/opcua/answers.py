"""The answers that carry values, read from bytes: Publish, Republish, Read, Write, CreateMonitoredItems."""

from collections.abc import Sequence
from typing import NamedTuple

from holdfast.adapters.opcua.binary import Change, DataValue, Reader
from holdfast.adapters.opcua.errors import Malformed

FAULT, READ, WRITTEN, ITEMS, PUBLISHED, REPUBLISHED = 397, 634, 676, 754, 829, 835
BAD = 2
"""A StatusCode's severity, in its two highest bits."""


class Published(NamedTuple):
    """An answer to Publish. available: numbers that Republish would still have; is_quiet: only a keep-alive."""

    result: int
    subscription: int
    available: Sequence[int]
    change: Change
    is_quiet: bool
    more: bool


class Item(NamedTuple):
    """What became of a monitored item. number: the server's; every_s: how often it samples; queue: values it keeps."""

    code: int
    number: int
    every_s: float
    queue: int


def published(data: bytes) -> Published:
    """An answer to Publish (Part 4 §5.13.5).

    Raises:
        Malformed: when it isn't one.
    """
    reader, result = _begin(data, PUBLISHED)
    if result >> 30 == BAD:
        return Published(result, 0, (), Change(0, ()), is_quiet=True, more=False)
    subscription = reader.u32()
    available = [reader.u32() for _ in range(reader.size(4))]
    more = bool(reader.u8())
    change = reader.change()
    is_quiet = not change.values and not change.status
    return Published(result, subscription, available, change, is_quiet, more)


def republished(data: bytes) -> tuple[int, Change]:
    """(result, what was sent before) of an answer to Republish (Part 4 §5.13.6)."""
    reader, result = _begin(data, REPUBLISHED)
    return result, (Change(0, ()) if result >> 30 == BAD else reader.change())


def values_read(data: bytes) -> tuple[int, list[DataValue]]:
    """(result, values) of an answer to Read (Part 4 §5.10.2)."""
    reader, result = _begin(data, READ)
    return result, [] if result >> 30 == BAD else [reader.data_value() for _ in range(reader.size())]


def codes_written(data: bytes) -> tuple[int, list[int]]:
    """(result, a StatusCode each) of an answer to Write (Part 4 §5.10.4)."""
    reader, result = _begin(data, WRITTEN)
    return result, [] if result >> 30 == BAD else [reader.u32() for _ in range(reader.size(4))]


def items_made(data: bytes) -> tuple[int, list[Item]]:
    """(result, items) of an answer to CreateMonitoredItems (Part 4 §5.12.2)."""
    reader, result = _begin(data, ITEMS)
    found: list[Item] = []
    if result >> 30 != BAD:
        for _ in range(reader.size(23)):
            found.append(Item(reader.u32(), reader.u32(), reader.f64() / 1_000, reader.u32()))
            reader.at = reader.body()[1]
    return result, found


def _begin(data: bytes, wanted: int) -> tuple[Reader, int]:
    reader = Reader(data)
    number, result = reader.header()
    if number == FAULT:
        return reader, result or 0x80000000
    if number != wanted:
        msg = f"an answer of the kind {number} came, not {wanted}"
        raise Malformed(msg)
    return reader, result
