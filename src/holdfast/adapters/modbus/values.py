"""Registers as values: types, and the orders of their bytes. Pure.

A big-endian device sends the word with the highest bits first, and of each word the high byte (ABCD). Others swap
words (CDAB), bytes within words (BADC), or both (DCBA).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from holdfast.adapters.errors import WriteRefused
from holdfast.model.points import Scalar

Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Kind = Literal["number", "bool", "text"]
_CODES = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d", "bool": "H"}
_RANGES = {
    "u16": (0, 2**16 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u32": (0, 2**32 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**64 - 1),
    "i64": (-(2**63), 2**63 - 1),
}


@dataclass(frozen=True, slots=True)
class Form:
    """How a value stands in registers.

    code:   of `struct`, big-endian, for bytes in their natural order
    places: of each byte of the natural order its place in the registers' bytes
    finish: makes the value of what `struct` gives; None = it is it
    bits:   first and last of a register's; None = all of it
    """

    encoding: str
    code: str
    registers: int
    places: tuple[int, ...]
    kind: Kind
    finish: Callable[..., Scalar] | None = None
    bits: tuple[int, int] | None = None

    def decode(self, registers: bytes) -> Scalar:
        """The value in its registers' bytes."""
        raw: Scalar = struct.unpack(f">{self.code}", bytes(registers[place] for place in self.places))[0]
        return raw if self.finish is None else self.finish(raw)

    def encode(self, value: Scalar, now: bytes = b"") -> bytes:
        """Its registers' bytes. now: what stands in them, for bits of a register.

        Raises:
            WriteRefused: it isn't such a value, or doesn't fit.
        """
        natural = self._natural(value, bytes(now[place] for place in self.places) if now else b"")
        out = bytearray(2 * self.registers)
        for byte, place in zip(natural, self.places, strict=True):
            out[place] = byte
        return bytes(out)

    def _natural(self, value: Scalar, now: bytes) -> bytes:
        if self.encoding == "text":
            return self._text(value)
        if isinstance(value, str):
            raise WriteRefused(f"{value[:80]!r} is a text, and the register holds a number")
        if self.bits is not None:
            return self._with_bits(value, now)
        if self.encoding == "bool":
            if value not in (False, True):
                raise WriteRefused(f"{value!r} is neither true nor false")
            return struct.pack(">H", int(value))
        if self.encoding in ("f32", "f64"):
            try:
                return bytes(struct.pack(f">{self.code}", value))
            except OverflowError:
                raise WriteRefused(f"{value:g} doesn't fit into {self.encoding}") from None
        whole = _whole(value, *_RANGES[self.encoding], self.encoding)
        return whole.to_bytes(2 * self.registers, "big", signed=self.encoding[0] == "i")

    def _text(self, value: Scalar) -> bytes:
        size = 2 * self.registers
        if not isinstance(value, str):
            raise WriteRefused(f"{value!r} is no text")
        said = value.encode()
        if len(said) > size:
            raise WriteRefused(f"the text has {len(said)} bytes, and there's room for {size}")
        return said.ljust(size, b"\0")

    def _with_bits(self, value: float, now: bytes) -> bytes:
        first, last = self.bits or (0, 0)
        size = last - first + 1
        number = _whole(value, 0, (1 << size) - 1, f"{size} bits" if size > 1 else "a bit")
        mask = ((1 << size) - 1) << first
        return ((int.from_bytes(now, "big") & ~mask) | number << first).to_bytes(2 * self.registers, "big")


def form_of(encoding: str, order: Order, length: int, bits: tuple[int, int] | None) -> Form:
    """A value's form. length: bytes of a text; bits: of a register."""
    if encoding == "text":
        registers = (length + 1) // 2
        places = [place ^ 1 for place in range(2 * registers)] if order in ("BADC", "DCBA") else range(2 * registers)
        return Form("text", f"{2 * registers}s", registers, tuple(places), "text", _cut)
    code = _CODES[encoding]
    size = struct.calcsize(f">{code}")
    places = range(size)
    if order in ("CDAB", "DCBA"):
        places = [size - 2 - place + 2 * (place % 2) for place in places]
    if order in ("BADC", "DCBA"):
        places = [place ^ 1 for place in places]
    if bits is not None:
        kind: Kind = "bool" if bits[0] == bits[1] else "number"
        return Form(encoding, code, size // 2, tuple(places), kind, _bits_of(*bits), bits)
    if encoding == "bool":
        return Form(encoding, code, 1, tuple(places), "bool", bool)
    return Form(encoding, code, size // 2, tuple(places), "number")


def _bits_of(first: int, last: int) -> Callable[[int], Scalar]:
    if first == last:
        return lambda raw: bool(raw >> first & 1)
    mask = 2 ** (last - first + 1) - 1
    return lambda raw: raw >> first & mask


def _cut(raw: bytes) -> str:
    """A text ends at the first NUL; blanks around it aren't its own. Not UTF-8: Latin-1, which takes every byte."""
    said = raw.split(b"\0", 1)[0].strip()
    try:
        return said.decode()
    except UnicodeDecodeError:
        return said.decode("latin-1")


def _whole(value: float, low: int, high: int, what: str) -> int:
    """The nearest whole number: what is finer than the register can say isn't kept."""
    if not isfinite(value) or not low <= round(value) <= high:
        raise WriteRefused(f"{value:g} doesn't fit into {what}: {low} to {high}")
    return round(value)
