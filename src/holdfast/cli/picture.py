"""A canvas that becomes a PNG (ISO/IEC 15948): lines, areas and letters of strokes, with nothing but numpy and zlib.

Drawn at twice the size and averaged down, which makes edges smooth.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
_SCALE = 2
_GLYPHS = {
    "0": "10 30 41 45 36 16 05 01 10|32 14", "1": "11 20 26|16 36", "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 44 45 36 16 05|13 33", "4": "36 30 04 44", "5": "40 00 03 33 44 45 36 06",
    "6": "30 10 01 05 16 36 45 44 33 03", "7": "00 40 16", "8": "13 33 42 41 30 10 01 02 13 04 05 16 36 45 44 33",
    "9": "43 13 02 01 10 30 41 45 36 16", "a": "12 32 43 46|44 14 05 16 36 45", "b": "00 06|03 12 32 43 45 36 16 05",
    "c": "43 32 12 03 05 16 36 45", "d": "40 46|43 32 12 03 05 16 36 45", "e": "04 44 43 32 12 03 05 16 36 45",
    "f": "40 30 21 26|12 32", "g": "42 47 38 18|43 32 12 03 05 16 36 45", "h": "00 06|03 12 32 43 46",
    "i": "22 26|20 20", "j": "32 37 28 18|30 30", "k": "00 06|42 04|14 46", "l": "10 20 25 36",
    "m": "02 06|03 12 23 26|23 32 43 46", "n": "02 06|03 12 32 43 46", "o": "12 32 43 45 36 16 05 03 12",
    "p": "02 08|03 12 32 43 45 36 16 05", "q": "42 48|43 32 12 03 05 16 36 45", "r": "02 06|03 12 32 43",
    "s": "43 32 12 03 14 34 45 36 16 05", "t": "20 25 36|02 42", "u": "02 05 16 36 45|42 46", "v": "02 26 42",
    "w": "02 16 23 36 42", "x": "02 46|42 06", "y": "02 26|42 08", "z": "02 42 06 46",
    "A": "06 20 46|14 34", "B": "03 33 42 41 30 00 06 36 45 44 33", "C": "41 30 10 01 05 16 36 45",
    "D": "00 06 26 44 42 20 00", "E": "40 00 06 46|03 33", "F": "40 00 06|03 33",
    "G": "41 30 10 01 05 16 36 45 43 23", "H": "00 06|40 46|03 43", "I": "10 30|20 26|16 36", "J": "40 45 36 16 05",
    "K": "00 06|40 03 46", "L": "00 06 46", "M": "06 00 23 40 46", "N": "06 00 46 40",
    "O": "10 30 41 45 36 16 05 01 10", "P": "06 00 30 41 42 33 03", "Q": "10 30 41 45 36 16 05 01 10|34 46",
    "R": "06 00 30 41 42 33 03|23 46", "S": "41 30 10 01 02 13 33 44 45 36 16 05", "T": "00 40|20 26",
    "U": "00 05 16 36 45 40", "V": "00 26 40", "W": "00 16 23 36 40", "X": "00 46|40 06", "Y": "00 23 40|23 26",
    "Z": "00 40 06 46", " ": "", ".": "26 26", ",": "26 17", ":": "23 23|26 26", ";": "23 23|26 17", "-": "14 34",
    "+": "04 44|22 26", "/": "40 06", "_": "07 47", "(": "30 21 25 36", ")": "10 21 25 16", "=": "03 43|05 45",
    "<": "42 04 46", ">": "02 44 06", "%": "40 06|00 11|35 46", "[": "30 10 16 36", "]": "10 30 36 16", "'": "20 21",
    "*": "22 26|03 45|43 05", "°": "10 21 12 01 10", "#": "10 06|40 36|02 42|04 44", "|": "20 27", "!": "20 24|26 26",
}  # fmt: skip
"""Strokes of x and y: 0 to 4 across, 0 (top) to 6 (foot of the line) and 8 down."""
_UNKNOWN = "00 40 46 06 00"
ADVANCE, TALL = 6, 9
"""Of a letter of size 1, in dots."""


class Picture:
    """Coordinates are in dots from the top left; colours 0 to 255."""

    def __init__(self, width: int, height: int, ground: Colour = (255, 255, 255)) -> None:
        self.width, self.height = width, height
        self._dots = np.empty((height * _SCALE, width * _SCALE, 3), np.float32)
        self._dots[:] = ground

    def area(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, share: float = 1.0) -> None:
        """Fill a rectangle, letting 1 - share of what is below shine through; at least one dot wide."""
        left, right = round(x0 * _SCALE), round(x1 * _SCALE)
        part = self._dots[round(y0 * _SCALE) : round(y1 * _SCALE), max(left, 0) : max(right, left + 2)]
        part *= 1 - share
        part += share * np.array(colour, np.float32)

    def line(
        self, x: Sequence[float] | NDArray[Any], y: Sequence[float] | NDArray[Any], colour: Colour, thick: float = 1.0
    ) -> None:
        """Join points; NaN is a gap."""
        xs, ys = np.asarray(x, np.float64) * _SCALE, np.asarray(y, np.float64) * _SCALE
        if len(xs) == 1:
            xs, ys = np.repeat(xs, 2), np.repeat(ys, 2)
        steps = np.hypot(np.diff(xs), np.diff(ys))
        known = np.isfinite(steps)
        count = np.where(known, np.ceil(np.nan_to_num(steps) * 2) + 1, 0).astype(np.int64)
        if not count.sum():
            return
        start = np.repeat(np.arange(len(count)), count)
        share = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)) / np.maximum(count[start] - 1, 1)
        px = xs[start] + (xs[start + 1] - xs[start]) * share
        py = ys[start] + (ys[start + 1] - ys[start]) * share
        reach = thick * _SCALE / 2
        offsets = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
        for dx in offsets:
            for dy in offsets:
                if dx * dx + dy * dy <= max(reach * reach, 0.5):
                    self._put(np.round(px + dx).astype(np.int64), np.round(py + dy).astype(np.int64), colour)

    def dashed(self, x0: float, x1: float, y: float, colour: Colour, dash: float = 6.0) -> None:
        """A level line of dashes."""
        for x in np.arange(x0, x1, 2 * dash):
            self.line([x, min(x + dash, x1)], [y, y], colour)

    def text(self, x: float, y: float, words: str, colour: Colour, size: float = 1.3) -> None:
        """Write; y is the top of the capitals."""
        for letter in words:
            for stroke in _GLYPHS.get(letter, _UNKNOWN).split("|"):
                points = [(int(p[0]), int(p[1])) for p in stroke.split()]
                if points:
                    self.line([x + size * p[0] for p in points], [y + size * p[1] for p in points], colour)
            x += ADVANCE * size

    def png(self) -> bytes:
        """The file's bytes."""
        high, wide = self.height, self.width
        dots = self._dots.reshape(high, _SCALE, wide, _SCALE, 3).mean(axis=(1, 3))
        rows = np.zeros((high, 1 + 3 * wide), np.uint8)  # a leading 0: the row isn't filtered
        rows[:, 1:] = np.clip(np.round(dots), 0, 255).astype(np.uint8).reshape(high, 3 * wide)
        head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
        body = zlib.compress(rows.tobytes(), 9)
        return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")

    def _put(self, x: NDArray[np.int64], y: NDArray[np.int64], colour: Colour) -> None:
        inside = (x >= 0) & (y >= 0) & (x < self.width * _SCALE) & (y < self.height * _SCALE)
        self._dots[y[inside], x[inside]] = colour


def width_of(words: str, size: float = 1.3) -> float:
    """How wide a text is written, in dots."""
    return len(words) * ADVANCE * size


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
