"""Bytes bent in random places, from a seed: what a broken device, a noisy line or somebody with time sends."""

from collections.abc import Sequence
from random import Random

LONGEST = 65_536
_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63,
    2**64 - 1,
)
_TOKENS: tuple[bytes, ...] = (
    b"",
    b"\0",
    b'"',
    b"{",
    b"[",
    b"]",
    b"}",
    b",",
    b":",
    b"=",
    b" ",
    b"\n",
    b"\r",
    b"\\",
    b"-",
    b"e999",
    b"NaN",
    b"1e400",
    b"9" * 400,
)
_TOKENS += (
    b"\xff\xfe",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"null",
    b"true",
    b"9" * 30,
    b"*",
    b"$",
    b"\x02",
    b"\x03",
)


class _Bender:
    """Bends one frame."""

    def __init__(self, frame: bytes, others: Sequence[bytes], rng: Random) -> None:
        self.data = bytearray(frame)
        self._others, self._rng = others, rng
        self._ways = (
            self._flip, self._set, self._insert, self._delete, self._cut, self._number, self._token, self._repeat,
            self._splice, self._shuffle,
        )  # fmt: skip

    def bend(self) -> None:
        """Once, anyhow and anywhere."""
        at = self._rng.randrange(len(self.data) + 1)
        self._rng.choice(self._ways)(at, min(len(self.data), at + self._rng.choice((1, 1, 2, 4, 8, 64))))
        del self.data[LONGEST:]

    def _flip(self, at: int, end: int) -> None:
        for i in range(at, min(end, at + 1)):
            self.data[i] ^= 1 << self._rng.randrange(8)

    def _set(self, at: int, end: int) -> None:
        for i in range(at, min(end, at + 1)):
            self.data[i] = self._rng.randrange(256)

    def _insert(self, at: int, _: int) -> None:
        self.data[at:at] = self._rng.randbytes(self._rng.choice((1, 2, 4, 16)))

    def _delete(self, at: int, end: int) -> None:
        del self.data[at:end]

    def _cut(self, at: int, _: int) -> None:
        del self.data[at:]

    def _number(self, at: int, _: int) -> None:
        """A length or number, as wide and in the order that a format may have."""
        size = self._rng.choice((1, 2, 4, 8))
        number = self._rng.choice(_NUMBERS) % (1 << 8 * size)
        self.data[at : at + size] = number.to_bytes(size, "big" if self._rng.random() < 0.5 else "little")

    def _token(self, at: int, _: int) -> None:
        self.data[at:at] = self._rng.choice(_TOKENS)

    def _repeat(self, at: int, end: int) -> None:
        self.data[at:at] = self.data[at:end] * self._rng.choice((1, 2, 10, 300))

    def _splice(self, at: int, _: int) -> None:
        other = self._rng.choice(self._others)
        self.data[at:] = other[self._rng.randrange(len(other) + 1) :]

    def _shuffle(self, at: int, end: int) -> None:
        piece = list(self.data[at:end])
        self._rng.shuffle(piece)
        self.data[at:end] = bytes(piece)


def mutated(frame: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """`frame` bent once to eight times; pieces of `others` may get in."""
    bender = _Bender(frame, others, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        bender.bend()
    return bytes(bender.data)
