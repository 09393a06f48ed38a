"""A look into an `.onnx` file before a library parses it: how big its graph is, and whether all of it is in the file.

Reads only the tags and lengths of protobuf's wire format (protobuf.dev/programming-guides/encoding), by the field
numbers of onnx.proto: no library, nothing copied, bounded work. Whatever isn't protobuf is left for the runtime to
refuse in its own words.
"""

from collections.abc import Iterator
from pathlib import Path

from holdfast.inference.errors import ModelRefused

MOST_NODES = 50_000
"""A MobileNet has about 150 nodes, a large language model some thousands."""
MOST_FIELDS = 4_000_000
MOST_DEEP = 16
"""Subgraphs in subgraphs; each level is a call of the library's C++ on its stack."""

_EXTERNAL = 1
# What to follow: message → field number → message inside. Numbers from onnx.proto (IR 13).
_INSIDE = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DATA_LOCATION, _EXTERNAL_DATA = 14, 13


class _NotProtobufError(Exception):
    pass


def check_file(path: Path, data: bytes) -> None:
    """Refuse what shouldn't reach the library.

    Raises:
        ModelRefused: when weights lie in other files, or the graph is beyond all reason.
    """
    try:
        _walk(path, memoryview(data))
    except _NotProtobufError:
        return  # the runtime says what is wrong


def _walk(path: Path, data: memoryview) -> None:
    todo, fields, nodes = [("model", 0, data)], 0, 0
    while todo:
        message, depth, part = todo.pop()
        if depth > MOST_DEEP:
            raise ModelRefused(path, f"graphs in graphs, more than {MOST_DEEP} deep", "export it without nesting")
        for number, wire, value, start in _fields(part):
            fields += 1
            if message == "tensor" and _outside(number, wire, value):
                raise ModelRefused(
                    path,
                    "its weights lie in another file, which the card's SHA-256 doesn't cover",
                    "save it as one file (onnx.save without save_as_external_data)",
                )
            inner = _INSIDE.get(message, {}).get(number) if wire == 2 else None
            if inner is not None:
                nodes += inner == "node"
                todo.append((inner, depth + (inner == "graph"), part[start : start + value]))
        if nodes > MOST_NODES or fields > MOST_FIELDS:
            raise ModelRefused(path, f"more than {MOST_NODES:,} nodes", "no gateway runs such a graph in time")


def _outside(number: int, wire: int, value: int) -> bool:
    return (number == _DATA_LOCATION and wire == 0 and value == _EXTERNAL) or number == _EXTERNAL_DATA


def _fields(part: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Each field as (number, wire type, value or length, where its bytes begin)."""
    at, end = 0, len(part)
    while at < end:
        tag, at = _varint(part, at)
        wire, value = tag & 7, 0
        if wire == 0:
            value, at = _varint(part, at)
            yield tag >> 3, wire, value, at
            continue
        value = {1: 8, 5: 4}.get(wire, -1)
        if wire == 2:  # LEN
            value, at = _varint(part, at)
        if value < 0 or at + value > end:
            raise _NotProtobufError
        yield tag >> 3, wire, value, at
        at += value


def _varint(part: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(part) and shift < 64:  # ten bytes at most
        byte = part[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # the last one
            return value, at
        shift += 7
    raise _NotProtobufError
