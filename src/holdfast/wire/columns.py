"""Batches as bytes on the link: journal groups of one lane behind a header, in one compressed Arrow IPC stream.

Lossless and bit exact, rows in order, group bounds kept: the receiver can rebuild what the sender's chain hashed.
Content: group lengths, series definitions, readings (runs, numbers, quality, texts), events or messages (msgpack).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import msgspec
import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.message import Message
from holdfast.model.series import Series
from holdfast.wire.errors import WireError
from holdfast.wire.frame import Effort, seal, unseal
from holdfast.wire.integers import Int64s
from holdfast.wire.messages import VERSION, BatchHeader, GapRow, Limits, SeriesAgain
from holdfast.wire.numbers import group_rows, pack_numbers, unpack_numbers
from holdfast.wire.packing import Packer, Unpacker, lengths
from holdfast.wire.runs import pack_rows, unpack_rows

T = TypeVar("T")
N = TypeVar("N", bound=np.generic)
_QUALITY, _TEXTS = 1, 2
Texts = list[tuple[str, ...]]
_headers = msgspec.json.Decoder(BatchHeader)


@dataclass(frozen=True, slots=True)
class Content:
    """A decoded batch: one entry of `readings`, `events`, `messages` or `gaps` per bound in the header."""

    header: BatchHeader
    readings: tuple[Batch, ...] = ()
    events: tuple[tuple[Event, ...], ...] = ()
    gaps: tuple[GapRow, ...] = ()
    messages: tuple[tuple[Message, ...], ...] = ()


def encode_readings(header: BatchHeader, groups: Sequence[Batch], effort: Effort = Effort.USUAL) -> bytes:
    """The body for groups of readings; `header.bounds` has one entry a group. effort: how hard to compress.

    Values of text series count from the start of their own group's texts, as in the journal.
    """
    packer = _begin(header)
    rows = pack_rows(packer, _joined([g.series for g in groups]), _joined([g.ts for g in groups]))
    grouped = group_rows(rows.local, len(rows.ids))
    pack_numbers(packer, _joined([g.value for g in groups]), grouped)
    quality = _joined([g.quality for g in groups])
    texts: Texts = [g.texts for g in groups]
    flags = (_QUALITY if quality.any() else 0) | (_TEXTS if any(texts) else 0)
    packer.raw(bytes([flags]))
    if flags & _QUALITY:
        packer.raw(quality[grouped.order].tobytes())
    if flags & _TEXTS:
        packer.structured(texts)
    return _end(header, packer, effort)


def encode_events(header: BatchHeader, groups: Sequence[Sequence[Event]]) -> bytes:
    """The body for groups of events; `header.bounds` has one entry a group."""
    packer = _begin(header)
    packer.structured([event for group in groups for event in group])
    return _end(header, packer)


def encode_messages(header: BatchHeader, groups: Sequence[Sequence[Message]]) -> bytes:
    """The body for groups of messages; `header.bounds` has one entry a group."""
    packer = _begin(header)
    packer.structured([message for group in groups for message in group])
    return _end(header, packer)


def encode_gaps(header: BatchHeader, gaps: Sequence[GapRow]) -> bytes:
    """The body for rows that are gone; `header.bounds` has one entry a gap."""
    packer = _begin(header)
    packer.structured(gaps)
    return _end(header, packer)


def decode(body: bytes, limits: Limits) -> Content:
    """Open a batch that came from outside.

    Raises:
        WireError: when anything in it is malformed or beyond the limits; nothing large was allocated before.
    """
    if len(body) > limits.max_body:
        raise WireError(f"the batch has {len(body)} bytes; at most {limits.max_body} are allowed")
    head, content = unseal(body, limits.max_header, limits.max_unpacked)
    unpacker = Unpacker(content)
    header, sizes = _header(head, unpacker, limits)
    if header.kind == "events":
        events = unpacker.structured(list[Event], limits.max_unpacked, "events")
        if len(events) != len(header):
            raise WireError("the batch holds another number of events than it says")
        _check_events(events, limits.max_text)
        decoded = Content(header, events=tuple(_split(tuple(events), sizes)))
    elif header.kind == "messages":
        messages = unpacker.structured(list[Message], limits.max_unpacked, "messages")
        if len(messages) != len(header):
            raise WireError("the batch holds another number of messages than it says")
        decoded = Content(header, messages=tuple(_split(tuple(messages), sizes)))
    elif header.kind == "gaps":
        decoded = Content(header, gaps=_gaps(unpacker, header, limits))
    else:
        decoded = Content(header, readings=_readings(unpacker, len(header), sizes, limits))
    unpacker.finish()
    return decoded


def _begin(header: BatchHeader) -> Packer:
    packer = Packer()
    packer.count(len(header.bounds))
    packer.integers(lengths(header.bounds, header.first))
    packer.structured(header.series)
    if header.again:
        packer.structured(header.again)
    return packer


def _end(header: BatchHeader, packer: Packer, effort: Effort = Effort.USUAL) -> bytes:
    slim = msgspec.structs.replace(header, bounds=(), series=(), again=(), agains=len(header.again))
    return seal(msgspec.json.encode(slim), packer.finish(), effort)


def _header(head: bytes, unpacker: Unpacker, limits: Limits) -> tuple[BatchHeader, Int64s]:
    try:
        header = _headers.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the batch's header can't be read: {error}") from error
    _check_header(header, limits)
    sizes = unpacker.integers(unpacker.count(min(limits.max_groups, header.last - header.first + 1), "groups"))
    if not len(sizes) or int(sizes.min()) < 1 or int(sizes.sum()) != len(header):
        raise WireError("the batch's groups don't add up to its rows")
    series = unpacker.structured(list[Series], limits.max_unpacked, "series")
    _check_series(series, limits)
    again = unpacker.structured(list[SeriesAgain], limits.max_unpacked, "series") if header.agains else []
    _check_series([one.series for one in again], limits)
    bounds = (header.first - 1 + np.cumsum(sizes)).tolist()
    whole = msgspec.structs.replace(header, bounds=tuple(bounds), series=tuple(series), again=tuple(again))
    return whole, sizes


def _check_header(header: BatchHeader, limits: Limits) -> None:
    if header.version != VERSION:
        raise WireError(f"the batch speaks version {header.version}; this node knows {VERSION}")
    if header.last < header.first:
        raise WireError("the batch ends before it starts")
    if header.kind != "gaps" and len(header) > limits.max_rows:  # a gap costs nothing, however many rows are gone
        raise WireError(f"the batch has more than {limits.max_rows} rows")


def _check_series(series: Sequence[Series], limits: Limits) -> None:
    if len(series) > limits.max_series:
        raise WireError(f"the batch defines {len(series)} series; at most {limits.max_series} are allowed")
    if any(len(text) > limits.max_text for one in series for text in one[:4]):
        raise WireError(f"a series is named with more than {limits.max_text} characters")


def _check_events(events: Sequence[Event], max_text: int) -> None:
    for e in events:
        if max(map(len, (e.id, e.node, e.device, e.rule, e.message))) > max_text:
            raise WireError(f"an event has a text of more than {max_text} characters")
        if not -(2**63) <= e.ts < 2**63:
            raise WireError("an event is outside of time")


def _readings(unpacker: Unpacker, n: int, sizes: Int64s, limits: Limits) -> tuple[Batch, ...]:
    rows = unpack_rows(unpacker, n)
    grouped = group_rows(rows.local, len(rows.ids))
    value = unpack_numbers(unpacker, grouped)
    flags = unpacker.raw(1)[0]
    quality = np.zeros(n, np.uint8)
    if flags & _QUALITY:
        quality[grouped.order] = np.frombuffer(unpacker.raw(n), np.uint8)
    texts = _texts(unpacker, len(sizes), limits) if flags & _TEXTS else [()] * len(sizes)
    series = rows.ids.astype(np.int32)[rows.local]
    ends = [0, *np.cumsum(sizes).tolist()]
    return tuple(
        Batch(series[start:end], rows.ts[start:end], value[start:end], quality[start:end], texts[i])
        for i, (start, end) in enumerate(pairwise(ends))
    )


def _gaps(unpacker: Unpacker, header: BatchHeader, limits: Limits) -> tuple[GapRow, ...]:
    gaps = unpacker.structured(list[GapRow], limits.max_unpacked, "gaps")
    if [(gap.first, gap.last) for gap in gaps] != [
        (before + 1, last) for before, last in pairwise((header.first - 1, *header.bounds))
    ]:
        raise WireError("the batch's gaps don't lie where it says")
    return tuple(gaps)


def _texts(unpacker: Unpacker, groups: int, limits: Limits) -> Texts:
    texts = unpacker.structured(list[tuple[str, ...]], limits.max_unpacked, "texts")
    if len(texts) != groups:
        raise WireError("the batch has texts for another number of groups")
    if any(len(text) > limits.max_text for group in texts for text in group):
        raise WireError(f"a text has more than {limits.max_text} characters")
    return texts


def _split(rows: tuple[T, ...], sizes: Int64s) -> list[tuple[T, ...]]:
    ends = [0, *np.cumsum(sizes).tolist()]
    return [rows[start:end] for start, end in pairwise(ends)]


def _joined(columns: Sequence[np.ndarray[tuple[int], np.dtype[N]]]) -> np.ndarray[tuple[int], np.dtype[N]]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)
