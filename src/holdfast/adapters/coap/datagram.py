"""A datagram vetted before the library sees it (RFC 7252 §3). Pure.

Why at all: aiocoap keeps every option number that it has ever seen, so a peer that counts them up would fill the memory
of a node; and it takes options of any length. So what is unknown here is taken out where it may be ignored (elective,
§5.4.1), and refused where it mustn't be (critical); an option of a wrong length counts as unknown (§5.4.3).

Every step consumes at least a byte or ends, so a datagram costs time linear in its size.
"""

from typing import Literal, NamedTuple

LARGEST = 65_535
"""Bytes of a datagram: what UDP can carry. A message should fit a frame (§4.6); those of some devices don't."""
_MOST_OPTIONS = 64
_LENGTHS: dict[int, tuple[int, int]] = {
    3: (1, 255),  # Uri-Host
    4: (1, 8),  # ETag
    6: (0, 3),  # Observe (RFC 7641 §2)
    7: (0, 2),  # Uri-Port
    8: (0, 255),  # Location-Path
    11: (0, 255),  # Uri-Path
    12: (0, 2),  # Content-Format
    14: (0, 4),  # Max-Age
    15: (0, 255),  # Uri-Query
    17: (0, 2),  # Accept
    20: (0, 255),  # Location-Query
    23: (0, 3),  # Block2 (RFC 7959 §2.1)
    27: (0, 3),  # Block1
    28: (0, 4),  # Size2
    60: (0, 4),  # Size1
    258: (0, 1),  # No-Response (RFC 7967)
    292: (0, 8),  # Request-Tag (RFC 9175 §3)
}
_ONCE = frozenset(_LENGTHS) - {4, 8, 11, 15, 20, 292}
"""Options that aren't repeatable: a second one counts as unknown (§5.4.5)."""

Verdict = Literal["fine", "malformed", "bad_option"]
_MALFORMED_BYTES = b""


class Vetted(NamedTuple):
    """What came of a datagram.

    data:   the datagram without options that may be ignored
    option: the number of the critical option that isn't understood
    """

    verdict: Verdict
    data: bytes = _MALFORMED_BYTES
    option: int = 0


_MALFORMED = Vetted("malformed")


def vet(data: bytes) -> Vetted:
    """Look through a datagram."""
    size = len(data)
    if size < 4 or size > LARGEST or data[0] >> 6 != 1:
        return _MALFORMED
    at = 4 + (data[0] & 15)
    if data[0] & 15 > 8 or at > size or (data[1] == 0 and size > 4):  # §3, §4.1: an empty message is 4 bytes
        return _MALFORMED
    number = seen = 0
    drop: list[tuple[int, int]] = []
    while at < size and data[at] != 0xFF:
        start = at
        parsed = _option(data, at, size)
        if parsed is None or seen >= _MOST_OPTIONS:
            return _MALFORMED
        delta, length, at = parsed
        bounds = _LENGTHS.get(number + delta)
        is_again = delta == 0 and seen and number in _ONCE
        number, seen = number + delta, seen + 1
        if bounds is None or is_again or not bounds[0] <= length <= bounds[1]:
            if number & 1:
                return Vetted("bad_option", data, number)
            drop.append((start, at + length))
        at += length
    if at == size - 1:  # §3: a payload marker without payload is a format error
        return _MALFORMED
    return Vetted("fine", _without(data, drop, at) if drop else data)


def _option(data: bytes, at: int, size: int) -> tuple[int, int, int] | None:
    """(delta, length, where its value begins) of the option at `at`; None = it isn't one, or isn't all there."""
    delta, length = data[at] >> 4, data[at] & 15
    at += 1
    found = []
    for nibble in (delta, length):
        if nibble == 15:
            return None
        extra = max(0, nibble - 12)
        if at + extra > size:
            return None
        extended = int.from_bytes(data[at : at + extra], "big")
        found.append(nibble if not extra else extended + (13 if extra == 1 else 269))
        at += extra
    return None if at + found[1] > size else (found[0], found[1], at)


def _without(data: bytes, drop: list[tuple[int, int]], end: int) -> bytes:
    """The datagram without these spans of options; what follows one gets its delta, too."""
    begin = 4 + (data[0] & 15)
    made = bytearray(data[:begin])
    at, owed, gone = begin, 0, dict(drop)
    while at < end:
        parsed = _option(data, at, end)
        if parsed is None:  # it was one a moment ago
            return data
        delta, length, value = parsed
        if at in gone:
            owed += delta
        else:
            made += _head(owed + delta, length) + data[value : value + length]
            owed = 0
        at = value + length
    return bytes(made + data[end:])


def _head(delta: int, length: int) -> bytes:
    nibbles, rest = [], b""
    for value in (delta, length):
        if value < 13:
            nibbles.append(value)
        elif value < 269:
            nibbles.append(13)
            rest += bytes([value - 13])
        else:
            nibbles.append(14)
            rest += (value - 269).to_bytes(2, "big")
    return bytes([nibbles[0] << 4 | nibbles[1]]) + rest


def is_request(data: bytes) -> bool:
    """Code 0.01 to 0.31; of a datagram of at least four bytes."""
    return 0 < data[1] < 32


def refusal(data: bytes, option: int) -> bytes:
    """4.02 Bad Option to a confirmable request, RST to another confirmable message, nothing to the rest (§5.4.1)."""
    if data[0] >> 4 & 3:
        return b""
    if not is_request(data):
        return bytes([0x70, 0]) + data[2:4]
    said = f"critical option {option} isn't understood here, or its length is wrong".encode()
    token = data[4 : 4 + (data[0] & 15)]
    return bytes([0x60 | len(token), 0x82]) + data[2:4] + token + b"\xff" + said
