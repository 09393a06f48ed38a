"""Values as tags carry them (clause 20.2), and what status flags say of their quality. Pure.

Quality (status-flags: clause 12.1.5.1; reliability: clause 21):
- in-alarm: good. An alarm is a judgement on the value, and the value holds.
- fault: uncertain, or bad when reliability says that there's no measurement behind it (no-sensor, open-loop, …).
- overridden: uncertain. A hand switch at the device decides; the value is no longer what the sensor or program says.
- out-of-service: bad. The value is cut off from the physical input or output; whoever wrote it may be testing.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from holdfast.adapters.points import Quality
from holdfast.model.points import Scalar, ValueType

NULL, BOOLEAN, UNSIGNED, INTEGER, REAL, DOUBLE, OCTETS, TEXT, BITS, ENUMERATED, DATE, TIME, OBJECT = range(13)
IN_ALARM, FAULT, OVERRIDDEN, OUT_OF_SERVICE = 8, 4, 2, 1
NO_VALUE_BEHIND = frozenset({1, 4, 5, 6, 10, 12})
"""no-sensor, open-loop, shorted-loop, no-output, configuration-error, communication-failure (BACnetReliability)."""
_CHARSETS = {0: "utf-8", 3: "utf-32-be", 4: "utf-16-be", 5: "latin-1"}
LONGEST_TEXT = 4_096


class Value(NamedTuple):
    """A primitive value with its application tag."""

    tag: int
    value: Scalar | None


def primitive(tag: int, data: bytes, length: int) -> Value:
    """What a tag holds. length: the tag's own field, which is a boolean's value.

    Raises:
        ValueError: not of the length or the kind that its tag says.
    """
    if tag == NULL:
        return Value(tag, None)
    if tag == BOOLEAN:
        return Value(tag, bool(length))
    least, most, reads = _FORMS.get(tag, (1, 0, _refused))
    if not least <= len(data) <= most:
        raise ValueError(f"tag {tag} with {len(data)} octets")
    return Value(tag, reads(data))


def _refused(data: bytes) -> Scalar:
    raise ValueError(f"{len(data)} octets of an unknown kind")


def _unsigned(data: bytes) -> Scalar:
    return int.from_bytes(data, "big")


def _integer(data: bytes) -> Scalar:
    return int.from_bytes(data, "big", signed=True)


def _real(data: bytes) -> Scalar:
    return float(struct.unpack(">f" if len(data) == 4 else ">d", data)[0])


def _octets(data: bytes) -> Scalar:
    return data[: LONGEST_TEXT // 2].hex()


def _bits(data: bytes) -> Scalar:
    """Clause 20.2.10: how many bits of the last octet aren't used, then the bits."""
    if data[0] > 7 or len(data) == 1:
        raise ValueError("no bits")
    return int.from_bytes(data[1:], "big") >> data[0]


def _text(data: bytes) -> str:
    """Clause 20.2.9: character sets other than these are read as Latin-1."""
    return data[1:].decode(_CHARSETS.get(data[0], "latin-1"), "replace")[:LONGEST_TEXT]


_FORMS: dict[int, tuple[int, int, Callable[[bytes], Scalar]]] = {
    UNSIGNED: (1, 8, _unsigned),
    INTEGER: (1, 8, _integer),
    REAL: (4, 4, _real),
    DOUBLE: (8, 8, _real),
    OCTETS: (0, 65_536, _octets),
    TEXT: (1, 65_536, _text),
    BITS: (1, 9, _bits),
    ENUMERATED: (1, 8, _unsigned),
    OBJECT: (4, 4, _unsigned),
}
"""Least and most octets of a tag, and how they're read. Dates and times are no points."""


def quality(flags: int, reliability: int) -> Quality:
    """flags: four bits, in-alarm first; reliability: 0 = no fault known."""
    if flags & OUT_OF_SERVICE or reliability in NO_VALUE_BEHIND:
        return "bad"
    if flags & (FAULT | OVERRIDDEN) or reliability:
        return "uncertain"
    return "good"


def raw(value: Value, wanted: ValueType, texts: dict[int, str]) -> Scalar | None:
    """A value as the point's type has it. texts: of states, by number (binary: 0, 1); None = it can't be one."""
    found = value.value
    if found is None:
        return None
    if wanted == "text":
        return texts.get(int(found), str(int(found))) if texts and not isinstance(found, str) else _plain(found)
    if isinstance(found, str):
        return _number(found)
    return bool(found) if wanted == "bool" else int(found) if isinstance(found, bool) else found


def _plain(found: Scalar) -> str:
    return str(found).lower() if isinstance(found, bool) else str(found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def same(wanted: Scalar, found: Scalar) -> bool:
    """Is what is read back what was written? Numbers as single precision has them."""
    if isinstance(wanted, str) or isinstance(found, str):
        return wanted == found
    return abs(float(wanted) - float(found)) <= 1e-6 * max(1.0, abs(float(wanted)))
