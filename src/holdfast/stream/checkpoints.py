"""Engine state as bytes: msgpack of arrays with their shapes; stages by signature, alarms by rule, rows by key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.stream.errors import SnapshotUnusable
from holdfast.stream.routing import Key
from holdfast.stream.state import State
from holdfast.stream.texts import Texts

if TYPE_CHECKING:
    from holdfast.stream.lines import Line

FORMAT = 2
Array = NDArray[Any]


class StoredArray(Struct, frozen=True, array_like=True):
    """An array; `dtype` as numpy writes it, little-endian. data: of one element only where all are equal."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class StoredState(Struct, frozen=True):
    """A `State`: row i of each array belongs to the stage's key i."""

    arrays: dict[str, StoredArray]
    shared: dict[str, StoredArray]
    tables: dict[str, dict[str, StoredArray]]


class StoredRule(Struct, frozen=True):
    """A rule's alarms."""

    name: str
    part: str
    shape: str
    document: bytes
    state: StoredState


class StoredStage(Struct, frozen=True):
    """A stage, and the rules that judge it. keys: (node, device), or (node, device, metric) of rules by series."""

    signature: str
    keys: list[tuple[str, ...]]
    state: StoredState
    rules: list[StoredRule]


class Checkpoint(Struct, frozen=True):
    """All stages' and rules' state, and the texts whose codes are in it; throttled: stages that skipped rows then."""

    format: int
    stages: list[StoredStage]
    texts: list[str]
    throttled: list[str] = []
    swept: int = 0

    def documents(self) -> list[bytes]:
        """The rules that were at work, to be compiled again."""
        return [rule.document for stage in self.stages for rule in stage.rules]


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint's parts, matched with what is there to take them."""

    parts: "list[tuple[State, Line, StoredStage, _Plain]]"
    texts: list[str]
    throttled: list[str]
    swept: int

    def put(self) -> None:
        """Take them over."""
        for state, line, stored, plain in self.parts:
            slots = np.array([line.stage.route.slot(_key(key)) for key in stored.keys], np.intp)
            state.grow(len(line.stage.route.keys))
            state.put(slots, *plain)


def _key(stored: tuple[str, ...]) -> Key:
    node, device, metric = (*stored, "", "", "")[:3]
    return node, device, metric


_Plain = tuple[dict[str, Array], dict[str, Array], dict[str, dict[str, Array]]]
_DTYPES = ("<f8", "<f4", "<i8", "|b1", "<i2", "<i4", "|i1", "|u1", "<u2", "<u4", "<u8")


def write(lines: "Sequence[Line]", texts: Texts, swept: int) -> bytes:
    """The checkpoint's bytes."""
    stages = []
    for line in lines:
        keys: list[tuple[str, ...]] = [key if key[2] else key[:2] for key in line.stage.route.keys]
        rules = []
        for judge in line.judges:
            rule = judge.rule
            rules.append(StoredRule(rule.name, rule.part, rule.shape, rule.document, _pack(judge.state, len(keys))))
        stages.append(StoredStage(line.plan.signature, keys, _pack(line.stage.state, len(keys)), rules))
    throttled = [line.plan.signature for line in lines if line.meter.is_throttled]
    return msgspec.msgpack.encode(Checkpoint(FORMAT, stages, texts.export(), throttled, swept))


def read(data: bytes, lines: "Sequence[Line]") -> Found:
    """What of a checkpoint these lines can take over.

    Raises:
        SnapshotUnusable: when these aren't the bytes of a checkpoint of this format, or a part doesn't fit.
    """
    checkpoint = decode(data)
    by_signature = {line.plan.signature: line for line in lines}
    parts: list[tuple[State, Line, StoredStage, _Plain]] = []
    for stored in checkpoint.stages:
        line = by_signature.get(stored.signature)
        if line is None:
            continue
        pairs = [(line.stage.state, stored.state)]
        judges = {(judge.rule.key, judge.rule.shape): judge for judge in line.judges}
        for rule in stored.rules:
            judge = judges.get(((rule.name, rule.part), rule.shape))
            if judge is not None:
                pairs.append((judge.state, rule.state))
        for state, packed in pairs:
            plain = _unpack(packed, len(stored.keys))
            if not state.fits(*plain):
                raise SnapshotUnusable(f"the state of stage {stored.signature} isn't as this release keeps it")
            parts.append((state, line, stored, plain))
    return Found(parts, checkpoint.texts, checkpoint.throttled, checkpoint.swept)


def decode(data: bytes) -> Checkpoint:
    """The checkpoint in these bytes.

    Raises:
        SnapshotUnusable: when there is none of this format.
    """
    try:
        checkpoint = msgspec.msgpack.decode(data, type=Checkpoint)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotUnusable(f"not an engine checkpoint: {error}") from None
    if checkpoint.format != FORMAT:
        raise SnapshotUnusable(f"engine checkpoint of format {checkpoint.format}, this release reads {FORMAT}")
    return checkpoint


def _pack(state: State, slots: int) -> StoredState:
    state.grow(slots)
    return StoredState(
        {name: pack(a) for name, a in state.export(slots).items()},
        {name: pack(a) for name, a in state.export_shared().items()},
        {name: {c: pack(a) for c, a in columns.items()} for name, columns in state.export_tables().items()},
    )


def _unpack(stored: StoredState, keys: int) -> _Plain:
    arrays = {name: unpack(a) for name, a in stored.arrays.items()}
    tables = {name: {c: unpack(a) for c, a in columns.items()} for name, columns in stored.tables.items()}
    if any(len(a) != keys for a in arrays.values()):
        raise SnapshotUnusable(f"an array isn't of {keys} keys")
    for columns in tables.values():
        slot = columns.get("slot")
        if slot is None or any(len(a) != len(slot) for a in columns.values()) or (len(slot) and slot.max() >= keys):
            raise SnapshotUnusable("a table's columns don't fit each other")
    return arrays, {name: unpack(a) for name, a in stored.shared.items()}, tables


def pack(array: Array) -> StoredArray:
    """An array for storing."""
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    is_even = stored.size > 1 and bool((stored == stored.flat[0]).all())  # of most alarms, which are at rest
    return StoredArray(stored.dtype.str, array.shape, stored.flat[0].tobytes() if is_even else stored.tobytes())


def unpack(stored: StoredArray) -> Array:
    """A stored array.

    Raises:
        SnapshotUnusable: when its bytes don't fit its shape.
    """
    if stored.dtype not in _DTYPES or min(stored.shape, default=0) < 0:
        raise SnapshotUnusable(f"an array of type {stored.dtype} and shape {stored.shape}")
    dtype = np.dtype(stored.dtype)
    size = int(np.prod(stored.shape, dtype=np.int64))
    if size > 1 and len(stored.data) == dtype.itemsize:
        return np.full(stored.shape, np.frombuffer(stored.data, dtype)[0], dtype.newbyteorder("="))
    if len(stored.data) != size * dtype.itemsize:
        raise SnapshotUnusable(f"an array of {len(stored.data)} bytes isn't {stored.shape} {stored.dtype}")
    return np.frombuffer(stored.data, dtype).reshape(stored.shape).astype(dtype.newbyteorder("="))
