"""Fixed binary layouts, compiled from a profile's `binary` list: offset, type, byte order, bits, sentinels."""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.codecs.refused import Refused, malformed
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.settings import BinaryFieldSettings, LayoutSettings

_SIZES = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3, "u32": 4, "i32": 4, "u64": 8, "i64": 8}
_SIZES |= {"f32": 4, "f64": 8, "s8c8": 2, "log8": 1, "bool": 1}
_LOG_STEP = math.log(65_536) / 254


class LayoutInvalid(ValueError):
    """A layout that can't be read; the text says why."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    start: int
    size: int
    get: Callable[[bytes], Any]
    shift: int
    mask: int
    low: tuple[int, int, int, int] | None
    missing: frozenset[float]


@dataclass(frozen=True, slots=True)
class _Layout:
    match: bytes
    length: int | None
    least: int
    members: tuple[_Member, ...]


class BinaryDecoder:
    """Decodes payloads by the first layout that fits."""

    def __init__(self, layouts: Sequence[LayoutSettings]) -> None:
        """Compile.

        Raises:
            LayoutInvalid: when a layout contradicts itself.
        """
        self._layouts = [_layout(settings) for settings in layouts]

    def __call__(self, payload: bytes) -> Any:
        """The members of the payload by name, without those that say that they have no value.

        Raises:
            Refused: when no layout fits.
        """
        for layout in self._layouts:
            if payload.startswith(layout.match) and (layout.length is None or len(payload) == layout.length):
                if len(payload) < layout.least:
                    malformed(f"{len(payload)} bytes; this layout needs {layout.least}")
                return _members(layout, payload)
        start = payload[:4].hex()
        return malformed(f"no layout fits {len(payload)} bytes that begin with {start}" if payload else "empty")


def _members(layout: _Layout, payload: bytes) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for m in layout.members:
        start = m.start if m.start >= 0 else len(payload) + m.start
        raw = m.get(payload[start : start + m.size])
        if m.mask:
            raw = raw >> m.shift & m.mask
        if m.low is not None:
            at, shift, mask, width = m.low
            raw = raw << width | payload[at] >> shift & mask
        if raw is not None and raw not in m.missing:
            out[m.name] = raw
    return out


def _layout(settings: LayoutSettings) -> _Layout:
    try:
        match = bytes.fromhex(settings.match)
    except ValueError:
        raise LayoutInvalid(f"`match: {settings.match}` is no hex") from None
    members = tuple(_member(name, field) for name, field in settings.fields.items())
    if not members:
        raise LayoutInvalid("a layout has no fields")
    least = max(m.start + m.size if m.start >= 0 else -m.start for m in members)
    least = max(least, *(0 if m.low is None else m.low[0] + 1 for m in members))
    least = max(least, len(match), settings.at_least or 0)
    if settings.length is not None and settings.length < least:
        raise LayoutInvalid(f"its fields need {least} bytes; `length` is {settings.length}")
    return _Layout(match, settings.length, least, members)


def _member(name: str, s: BinaryFieldSettings) -> _Member:
    if s.type in ("text", "hex") and s.length is None:
        raise LayoutInvalid(f"`{name}` needs a `length`")
    size = s.length if s.type in ("text", "hex") and s.length else _SIZES.get(s.type, 0)
    if s.at < 0 and s.at + size > 0:
        raise LayoutInvalid(f"`{name}` reaches beyond the end")
    shift = mask = 0
    if s.bits is not None:
        shift, mask = _bits(name, s.bits, size, s.type)
    return _Member(name, s.at, size, _getter(name, s), shift, mask, _low(name, s), frozenset(s.missing))


def _low(name: str, s: BinaryFieldSettings) -> tuple[int, int, int, int] | None:
    """(offset, shift, mask, width) of the bits that follow elsewhere."""
    if s.low is None:
        return None
    if s.type[0] != "u" or s.low.at < 0:
        raise LayoutInvalid(f"`{name}`: `low` continues an unsigned number, at an offset from the start")
    shift, mask = _bits(name, s.low.bits, 1, "u8")
    return s.low.at, shift, mask, mask.bit_length()


def _bits(name: str, text: str, size: int, type_: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not (low.isdigit() and (high.isdigit() if dash else True)) or type_[0] != "u":
        raise LayoutInvalid(f"`{name}`: `bits` is as `5-15` or `3`, of an unsigned number")
    first, last = int(low), int(high or low)
    if not first <= last < 8 * size:
        raise LayoutInvalid(f"`{name}`: bits {text} aren't in {8 * size} bits")
    return first, (1 << (last - first + 1)) - 1


def _getter(name: str, s: BinaryFieldSettings) -> Callable[[bytes], Any]:
    order, sign = s.order, "<" if s.order == "little" else ">"
    match s.type:
        case "f32" | "f64":
            unpack = struct.Struct(sign + ("f" if s.type == "f32" else "d")).unpack
            return lambda raw: unpack(raw)[0]
        case "s8c8":
            return _signed_hundredths
        case "log8":
            return lambda raw: None if raw[0] == 255 else math.exp(raw[0] * _LOG_STEP) - 1
        case "bool":
            return lambda raw: raw != b"\0"
        case "text":
            return lambda raw: _text(name, raw)
        case "hex":
            return bytes.hex
        case _:
            signed = s.type[0] == "i"
            return lambda raw: int.from_bytes(raw, order, signed=signed)


def _signed_hundredths(raw: bytes) -> float:
    size = (raw[0] & 0x7F) + raw[1] / 100
    return -size if raw[0] & 0x80 else size


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise Refused(RejectReason.MALFORMED, f"`{name}` is not UTF-8") from None
