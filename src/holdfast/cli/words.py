"""How the command line says numbers, times and foreign text. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("kB", "MB", "GB", "TB")
_STEPS = (("d", 86_400), ("h", 3_600), ("min", 60))
_HEX_ROW = 16


def size(count: float) -> str:
    """Bytes in decimal units, as in `1.2 MB`."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in _UNITS:
        count /= 1000
        if count < 999.5 or unit == _UNITS[-1]:
            return f"{count:.3g} {unit}" if count < 999.5 else f"{count:.0f} {unit}"
    raise AssertionError  # the last unit takes everything


def lasting(seconds: float) -> str:
    """A duration in its two largest units, as in `3 h 12 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    rest, said = round(seconds), list[str]()
    for unit, length in (*_STEPS, ("s", 1)):
        count, rest = divmod(rest, length)
        if count or said:
            said.append(f"{count} {unit}")
    return " ".join(part for part in said[:2] if not part.startswith("0 "))


def when(ns: int) -> str:
    """A time, ns UTC, to the second."""
    return f"{_EPOCH + timedelta(microseconds=ns // 1000):%Y-%m-%dT%H:%M:%SZ}"


def many(count: int, thing: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def plain(text: str, most: int = 0) -> str:
    """Foreign text without anything that a terminal acts on; cut to `most` characters, 0 = whole."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return safe[: most - 1] + "…" if most and len(safe) > most else safe


def payload(data: bytes) -> str:
    """Raw bytes as lines of text where they are text, else as hex with what is printable beside it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "\n".join(_hex_row(data, at) for at in range(0, len(data), _HEX_ROW))
    return "\n".join(plain(line) for line in text.split("\n"))


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows as aligned lines, two spaces between columns; the columns numbered in `right` are flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _hex_row(data: bytes, at: int) -> str:
    piece = data[at : at + _HEX_ROW]
    beside = "".join(chr(b) if 32 <= b < 127 else "." for b in piece)
    return f"{at:06x}  {piece.hex(' '):<{3 * _HEX_ROW - 1}}  {beside}"
