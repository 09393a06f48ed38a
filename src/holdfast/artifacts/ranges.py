"""Byte ranges in HTTP (RFC 9110, 14): one range of a file whose bytes never change. Pure."""

import re
from typing import NamedTuple

_ONE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*")
_CONTENT = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


class Span(NamedTuple):
    """Bytes [start, end)."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


class Unsatisfiable(Exception):
    """No byte of the range exists: 416."""


def wanted(header: str | None, if_range: str | None, tag: str, size: int) -> Span | None:
    """The range that a request wants of `size` bytes; None = all of it, with status 200.

    What isn't a single range of bytes is ignored, as a server may (14.2); so is one whose `If-Range` isn't `tag`.

    Raises:
        Unsatisfiable: when it begins at or beyond the end.
    """
    if header is None or (if_range is not None and if_range.strip() != tag):
        return None
    found = _ONE.fullmatch(header.strip().lower())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last so many bytes
        last = int(found[2])
        if last == 0 or size == 0:
            raise Unsatisfiable
        return Span(max(0, size - last), size)
    start, end = int(found[1]), int(found[2]) + 1 if found[2] else size
    if found[2] and end <= start:
        return None  # malformed: `5-3` is no range at all
    if start >= size:
        raise Unsatisfiable
    return Span(start, min(end, size))


def told(header: str) -> tuple[Span, int] | None:
    """What a 206 says that it holds: the bytes, and how many there are in all. None = it makes no sense."""
    found = _CONTENT.fullmatch(header.strip().lower())
    if found is None:
        return None
    span, size = Span(int(found[1]), int(found[2]) + 1), int(found[3])
    return (span, size) if span.start < span.end <= size else None
