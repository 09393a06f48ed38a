"""Group blobs: a batch of rows as bytes, lossless and in row order, for the disk; and what the chain hashes.

Layout of a readings blob (little endian): u8 version, u8 flags, u8 time step, u32 n, i64 first ts, then the body:
i32 series[n], ts deltas to the first ts (i32 in steps of ms/us, else i64 ns), f64 value[n], u8 quality[n] (absent
when all are good), msgpack list of texts (when there are any). The body is one zstd frame when that makes it smaller.
An events or messages blob: u8 version, u8 flags, u32 n, then a msgpack list of them, compressed likewise.
"""

import hashlib
import struct
import threading
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.records import CHAIN_BYTES, Gap, GapReason, Group, GroupKind
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.message import Message

T = TypeVar("T")

_VERSION = 1
_ZSTD, _QUALITY, _TEXTS = 1, 2, 4
_HEAD = struct.Struct("<BBBIq")
_EVENTS_HEAD = struct.Struct("<BBI")
_STEPS = (1_000_000, 1_000)  # ms, us; index + 1 is stored, 0 means 64-bit ns
_COMPRESS_FROM = 256
_LEVEL = 1
_MAX_BODY = 1 << 28


class _Zstd(threading.local):
    """zstd contexts are costly to make and not thread-safe: one pair per thread."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()
_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(list[Event])
_message_decoder = msgspec.msgpack.Decoder(list[Message])
_gap_decoder = msgspec.msgpack.Decoder(tuple[int, str, int])
_text_decoder = msgspec.msgpack.Decoder(tuple[str, ...])


def encode_readings(batch: Batch) -> bytes:
    """The blob of a non-empty batch."""
    first = int(batch.ts[0])
    step, deltas = _narrow(batch.ts - first)
    flags = 0
    parts = [batch.series.tobytes(), deltas.tobytes(), batch.value.tobytes()]
    if batch.quality.any():
        flags |= _QUALITY
        parts.append(batch.quality.tobytes())
    if batch.texts:
        flags |= _TEXTS
        parts.append(msgspec.msgpack.encode(batch.texts))
    flags, body = _pack(b"".join(parts), flags)
    return _HEAD.pack(_VERSION, flags, step, len(batch), first) + body


def decode_readings(blob: bytes) -> Batch:
    """The batch in a blob.

    Raises:
        GroupCorrupt: when the bytes are not what `encode_readings` wrote.
    """
    try:
        version, flags, step, n, first = _HEAD.unpack_from(blob)
        _require(version == _VERSION, f"blob version {version} is not known")
        body = _unpack(blob[_HEAD.size :], flags)
        width = 8 if step == 0 else 4
        fixed = n * (4 + width + 8 + (1 if flags & _QUALITY else 0))
        _require(len(body) >= fixed, "blob is shorter than its rows")
        series = np.frombuffer(body, np.int32, n)
        deltas = np.frombuffer(body, np.int64 if step == 0 else np.int32, n, 4 * n)
        ts = first + (deltas.astype(np.int64) * _STEPS[step - 1] if step else deltas)
        value = np.frombuffer(body, np.float64, n, (4 + width) * n)
        quality = np.frombuffer(body, np.uint8, n, (12 + width) * n) if flags & _QUALITY else np.zeros(n, np.uint8)
        texts = _text_decoder.decode(body[fixed:]) if flags & _TEXTS else ()
    except (struct.error, ValueError, IndexError, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise GroupCorrupt(str(error)) from error
    return Batch(series, ts, value, quality, texts)


def encode_events(events: Sequence[Event]) -> bytes:
    """The blob of some events."""
    return _encode_list(len(events), _encoder.encode(list(events)))


def both_of_events(events: Sequence[Event]) -> tuple[bytes, bytes]:
    """(`canonical_events`, `encode_events`), encoding them once."""
    body = _encoder.encode(list(events))
    return _canonical_list(b"E", len(events), body), _encode_list(len(events), body)


def decode_events(blob: bytes) -> list[Event]:
    """The events in a blob.

    Raises:
        GroupCorrupt: when the bytes are not what `encode_events` wrote.
    """
    return _decode_list(blob, _event_decoder)


def encode_messages(messages: Sequence[Message]) -> bytes:
    """The blob of some messages."""
    return _encode_list(len(messages), _encoder.encode(list(messages)))


def decode_messages(blob: bytes) -> list[Message]:
    """The messages in a blob.

    Raises:
        GroupCorrupt: when the bytes are not what `encode_messages` wrote.
    """
    return _decode_list(blob, _message_decoder)


def encode_gap(gap: Gap) -> bytes:
    """The blob of a gap: what its seqs and times don't say already."""
    return msgspec.msgpack.encode((gap.bytes, str(gap.reason), gap.at_ns))


def decode_gap(group: Group) -> Gap:
    """The gap that a group of kind GAP stands for.

    Raises:
        GroupCorrupt: when the bytes are not what `encode_gap` wrote.
    """
    try:
        size, reason, at_ns = _gap_decoder.decode(group.blob)
        known = GapReason(reason)
    except (ValueError, msgspec.MsgspecError) as error:
        raise GroupCorrupt(str(error)) from error
    return Gap(group.lane, group.first, group.last, size, known, group.ts_min, group.ts_max, at_ns)


def canonical_readings(batch: Batch) -> bytes:
    """The bytes that stand for these rows whoever holds them; independent of compression."""
    columns = (batch.series, batch.ts, batch.value, batch.quality)
    return b"".join([b"R", len(batch).to_bytes(4, "little"), *(c.tobytes() for c in columns), _texts(batch)])


def canonical_events(events: Sequence[Event]) -> bytes:
    """The bytes that stand for these events whoever holds them."""
    return _canonical_list(b"E", len(events), _encoder.encode(list(events)))


def canonical_messages(messages: Sequence[Message]) -> bytes:
    """The bytes that stand for these messages whoever holds them."""
    return _canonical_list(b"M", len(messages), _encoder.encode(list(messages)))


def canonical(group: Group) -> bytes:
    """The bytes that stand for a stored group's rows; not for a gap, which has none.

    Raises:
        GroupCorrupt: when the blob is not what was written, or has another number of rows.
    """
    rows: Batch | list[Event] | list[Message]
    if group.kind is GroupKind.READINGS:
        rows = decode_readings(group.blob)
        found = canonical_readings(rows)
    elif group.kind is GroupKind.EVENTS:
        rows = decode_events(group.blob)
        found = canonical_events(rows)
    else:
        rows = decode_messages(group.blob)
        found = canonical_messages(rows)
    if len(rows) != len(group):
        raise GroupCorrupt(f"the group at {group.first} has {len(rows)} rows instead of {len(group)}")
    return found


def link(previous: bytes, canonical: bytes) -> bytes:
    """The chain after a group: SHA-256 over the chain before it and its canonical bytes, truncated."""
    digest = hashlib.sha256(previous)
    digest.update(canonical)
    return digest.digest()[:CHAIN_BYTES]


def _canonical_list(kind: bytes, count: int, encoded: bytes) -> bytes:
    return kind + count.to_bytes(4, "little") + encoded


def _encode_list(count: int, encoded: bytes) -> bytes:
    flags, body = _pack(encoded, 0)
    return _EVENTS_HEAD.pack(_VERSION, flags, count) + body


def _decode_list(blob: bytes, decoder: "msgspec.msgpack.Decoder[list[T]]") -> list[T]:
    try:
        version, flags, n = _EVENTS_HEAD.unpack_from(blob)
        _require(version == _VERSION, f"blob version {version} is not known")
        rows = decoder.decode(_unpack(blob[_EVENTS_HEAD.size :], flags))
        _require(len(rows) == n, "blob holds another number of rows than it says")
    except (struct.error, ValueError, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise GroupCorrupt(str(error)) from error
    return rows


def _texts(batch: Batch) -> bytes:
    return msgspec.msgpack.encode(batch.texts) if batch.texts else b""


def _narrow(deltas: NDArray[np.int64]) -> tuple[int, NDArray[np.int64] | NDArray[np.int32]]:
    for code, step in enumerate(_STEPS, 1):
        steps, rest = np.divmod(deltas, step)
        if not rest.any() and (not len(steps) or np.abs(steps).max() < 2**31):
            return code, steps.astype(np.int32)
    return 0, deltas


def _pack(body: bytes, flags: int) -> tuple[int, bytes]:
    if len(body) >= _COMPRESS_FROM:
        packed = _zstd.compressor.compress(body)
        if len(packed) < len(body):
            return flags | _ZSTD, packed
    return flags, body


def _unpack(body: bytes, flags: int) -> bytes:
    if not flags & _ZSTD:
        return body
    declared = zstandard.frame_content_size(body)
    _require(0 <= declared <= _MAX_BODY, "blob declares an impossible size")
    return _zstd.decompressor.decompress(body)


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001  # reads as a sentence at the call
    if not holds:
        raise ValueError(otherwise)
