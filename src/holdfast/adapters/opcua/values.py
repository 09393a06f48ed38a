"""What a node's value is as a reading, and how good it is. Pure.

Quality is the StatusCode's severity (Part 4 §7.39.1): good, uncertain, bad. A value that is good and yet none
(GoodNoData, a null) is uncertain: something is said, but no value. An overflow bit means that values were lost before.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite

from holdfast.adapters.opcua import binary
from holdfast.adapters.opcua.binary import DataValue
from holdfast.adapters.points import Point, Quality
from holdfast.model.points import Scalar, ValueType

MOST_TEXT = 4_096
"""Characters of a text that is kept; a longer one is cut."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OVERFLOW = 0x0480
"""InfoType DataValue with the Overflow bit (Part 4 §7.39.1)."""
_INT64 = range(-(2**63), 2**63)
_SEVERITIES: tuple[Quality, ...] = ("good", "uncertain", "bad", "bad")


def quality_of(code: int) -> Quality:
    """The severity of a StatusCode."""
    return _SEVERITIES[code >> 30 & 3]


def overflowed(code: int) -> bool:
    """Did the server's queue for this node lose values before this one?"""
    return code & 0x0C80 == _OVERFLOW


def points(
    names: Sequence[str], kind: ValueType, found: DataValue, ts_ns: int, enum: Mapping[int, str] | None = None
) -> list[Point]:
    """A node's value as points. A name without a value that can be told gets none, with a quality of its own.

    names: one, or one an element; enum: the names of an enumeration's numbers
    """
    quality = quality_of(found.code)
    value = found.value
    if kind == "float" and type(value) is float and isfinite(value):  # the hot path
        return [Point(names[0], value, quality, ts_ns)]
    if not isinstance(value, list):
        return [_point(names[0], value, (found.type, kind, quality, ts_ns), enum)]
    rest = (found.type, kind, quality, ts_ns)
    return [_point(name, value[i] if i < len(value) else None, rest, enum) for i, name in enumerate(names)]


def _point(name: str, raw: object, rest: tuple[int, ValueType, Quality, int], enum: Mapping[int, str] | None) -> Point:
    type_, kind, quality, ts_ns = rest
    value = None if raw is None else scalar(type_, raw, kind, enum)
    if value is None and quality == "good":
        quality = "bad" if raw is not None else "uncertain"
    return Point(name, value, quality, ts_ns)


def scalar(type_: int, raw: object, kind: ValueType, enum: Mapping[int, str] | None = None) -> Scalar | None:
    """A value of a built-in type as the kind that its map says; None = it can't be one."""
    if type_ == binary.DATETIME and isinstance(raw, int):
        return _time(raw, kind)
    if type_ == binary.BYTES and isinstance(raw, bytes):
        raw = raw.hex()
    if isinstance(raw, bool):
        return raw if kind == "bool" else str(raw).lower() if kind == "text" else int(raw)
    if isinstance(raw, int):
        return _int(raw, kind, enum)
    if isinstance(raw, float):
        return _float(raw, kind)
    if isinstance(raw, str):
        return _text(raw, kind)
    return None


def _time(ticks: int, kind: ValueType) -> Scalar | None:
    ns = binary.ns_of(ticks)
    if not ns or kind == "bool":
        return None
    if kind != "text":
        return ns / 1e9 if kind == "float" else ns // 1_000_000_000
    return (_EPOCH + timedelta(microseconds=ns // 1_000)).isoformat().replace("+00:00", "Z")


def _int(raw: int, kind: ValueType, enum: Mapping[int, str] | None) -> Scalar | None:
    if kind == "text":
        return enum.get(raw, str(raw)) if enum else str(raw)
    if kind == "bool":
        return bool(raw)
    if kind == "float":
        return float(raw)
    return raw if raw in _INT64 else None


def _float(raw: float, kind: ValueType) -> Scalar | None:
    if not isfinite(raw):
        return None
    if kind == "text":
        return repr(raw)
    if kind == "bool":
        return bool(raw)
    return raw if kind == "float" else int(raw) if raw.is_integer() and int(raw) in _INT64 else None


def _text(raw: str, kind: ValueType) -> Scalar | None:
    if kind == "text":
        return raw[:MOST_TEXT]
    if kind == "bool":
        return {"true": True, "false": False}.get(raw.strip().lower())
    try:
        return _float(float(raw), kind) if len(raw) < 64 else None  # no number is longer
    except ValueError:
        return None
