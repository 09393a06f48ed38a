"""What a Yjs update (encoding v1) says it holds, read without building anything: the guard before the merging library.

The library decodes nested values by recursion in native code, so 200 kB of brackets end the process; it keeps updates
that build on missing ones for later, where nothing bounds them; and it can hold what Holdfast's documents don't
(subdocuments, moves). So every byte is walked first, in lib0's encoding (github.com/dmonad/lib0): lengths against what
is there, depth, numbers, and which edits the update brings and deletes. Pure.
"""

from dataclasses import dataclass, field

import msgspec

from holdfast.documents.errors import UpdateMalformed

# Deep enough for any JSON a person writes, shallow for a stack of 8 MiB.
MOST_DEPTH = 64
MOST_STRUCTS = 200_000
MOST_CLIENTS = 100_000
# Yrs counts clocks in 32 bits.
MOST_CLOCK = 2**31
MOST_CLIENT = 2**53
_NAMED_TYPES = (3, 5)  # XML elements and hooks carry a name
_MOST_TYPE = 6  # map, array, text and XML; weak links (7) and subdocuments (9) are not for us

Span = tuple[int, int]


@dataclass(slots=True)
class Outline:
    """structs: client -> the clocks it brings, from (inclusive) to (exclusive); deletes: client -> spans of clocks.

    types: how many nested maps, arrays and texts it makes; their number bounds how deep a document can nest
    """

    structs: dict[int, Span] = field(default_factory=dict)
    deletes: dict[int, list[Span]] = field(default_factory=dict)
    types: int = 0
    count: int = 0

    @property
    def is_empty(self) -> bool:
        """Does it change nothing, wherever it's applied?"""
        return not self.structs and not self.deletes


def outline(update: bytes) -> Outline:
    """Walk an update.

    Raises:
        UpdateMalformed: when it isn't one, or holds what no document here may hold.
    """
    walk = _Walk(update)
    found = Outline()
    for _ in range(walk.number(MOST_CLIENTS)):
        _client(walk, found)
    for _ in range(walk.number(MOST_CLIENTS)):
        _deletes(walk, found)
    walk.end()
    return found


def clocks(state: bytes) -> dict[int, int]:
    """A state vector: client -> how many clocks of it are there.

    Raises:
        UpdateMalformed: when it isn't one.
    """
    walk = _Walk(state)
    found = {walk.number(MOST_CLIENT): walk.number(MOST_CLOCK) for _ in range(walk.number(MOST_CLIENTS))}
    walk.end()
    return found


def is_within(deletes: dict[int, list[Span]], known: dict[int, list[Span]]) -> bool:
    """Is every deleted clock deleted by `known`, too?"""
    return all(_covers(known.get(client, ()), span) for client, spans in deletes.items() for span in joined(spans))


def joined(spans: list[Span]) -> list[Span]:
    """The same clocks as spans that neither touch nor overlap, ascending."""
    out: list[Span] = []
    for first, end in sorted(spans):
        if out and first <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((first, end))
    return out


def _covers(spans: list[Span] | tuple[()], wanted: Span) -> bool:
    return any(first <= wanted[0] and wanted[1] <= end for first, end in joined(list(spans)))


def _client(walk: "_Walk", found: Outline) -> None:
    structs = walk.number(MOST_STRUCTS)
    client, first = walk.number(MOST_CLIENT), walk.number(MOST_CLOCK)
    found.count += structs
    if client in found.structs or found.count > MOST_STRUCTS:
        raise UpdateMalformed(f"the update names a client twice, or holds more than {MOST_STRUCTS:,} structs")
    clock = first
    for _ in range(structs):
        clock += _struct(walk, found)
    if clock > MOST_CLOCK:
        raise UpdateMalformed("the update counts further than documents go")
    if structs:
        found.structs[client] = first, clock


def _deletes(walk: "_Walk", found: Outline) -> None:
    client = walk.number(MOST_CLIENT)
    spans = []
    for _ in range(walk.number(MOST_STRUCTS)):
        first, n = walk.number(MOST_CLOCK), walk.number(MOST_CLOCK)
        spans.append((first, first + n))
    if spans:
        found.deletes[client] = joined([*found.deletes.get(client, []), *spans])


def _struct(walk: "_Walk", found: Outline) -> int:
    """Pass one struct; returns how many clocks it takes."""
    info = walk.byte()
    kind = info & 0x1F
    if kind == 0:  # collected garbage; 10 would be a hole, which only a node that lacks edits has reason to send
        return walk.length()
    for flag in (0x80, 0x40):  # what it stands after, what it stands before
        if info & flag:
            walk.number(MOST_CLIENT), walk.number(MOST_CLOCK)
    if not info & 0xC0:
        _parent(walk, has_key=bool(info & 0x20))
    return _content(walk, kind, found)


def _parent(walk: "_Walk", *, has_key: bool) -> None:
    if walk.number(1):
        walk.text()
    else:
        walk.number(MOST_CLIENT), walk.number(MOST_CLOCK)
    if has_key:
        walk.text()


def _content(walk: "_Walk", kind: int, found: Outline) -> int:
    if kind == 1:  # deleted
        return walk.length()
    if kind == 3:  # binary
        walk.take(walk.number(len(walk.data)))
        return 1
    if kind == 4:  # a run of characters, counted as UTF-16 does
        text = walk.text()
        return max(1, len(text) + sum(1 for letter in text if letter > "\uffff"))
    if kind in (5, 6):
        return _attribute(walk, kind)
    if kind == 7:
        found.types += 1
        walk.nested_type()
        return 1
    if kind == 8:
        n = walk.length()
        for _ in range(n):
            walk.value()
        return n
    raise UpdateMalformed(f"the update holds content of kind {kind}, which documents here don't hold")


def _attribute(walk: "_Walk", kind: int) -> int:
    """An embedded object or a format mark: JSON as text."""
    if kind == 6:
        walk.text()
    text = walk.text()
    try:
        _bounded(msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UpdateMalformed(f"an embedded value is not plain JSON: {error}") from error
    return 1


def _bounded(value: object) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise UpdateMalformed(f"a value nests deeper than {MOST_DEPTH}")
        level = [inner for one in level if isinstance(one, dict | list) for inner in _inside(one)]


def _inside(value: dict[object, object] | list[object]) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value


class _Walk:
    """A place in the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._at = 0

    def byte(self) -> int:
        if self._at >= len(self.data):
            raise UpdateMalformed(f"the bytes end in the middle of something, after {len(self.data)}")
        self._at += 1
        return self.data[self._at - 1]

    def take(self, n: int) -> bytes:
        if n > len(self.data) - self._at:
            raise UpdateMalformed(f"{n} bytes are announced at {self._at}, and they aren't there")
        self._at += n
        return self.data[self._at - n : self._at]

    def number(self, most: int) -> int:
        """An unsigned number of 7 bits a byte."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise UpdateMalformed(f"a number has no end at byte {self._at}")
        if value > most:
            raise UpdateMalformed(f"{value} is too large at byte {self._at}: at most {most}")
        return value

    def length(self) -> int:
        """How many clocks something takes: at least one."""
        return self.number(MOST_CLOCK) or self._nothing()

    def text(self) -> str:
        try:
            return self.take(self.number(len(self.data))).decode()
        except UnicodeDecodeError as error:
            raise UpdateMalformed(f"text that is not UTF-8 before byte {self._at}") from error

    def nested_type(self) -> None:
        kind = self.number(255)
        if kind > _MOST_TYPE:
            raise UpdateMalformed(f"the update makes a shared type of kind {kind}, which documents here don't hold")
        if kind in _NAMED_TYPES:
            self.text()

    def value(self) -> None:
        """One value, however deep; what is left to pass is counted, level by level, instead of recursing."""
        left = [(1, False)]
        while left:
            n, has_keys = left.pop()
            if n == 0:
                continue
            left.append((n - 1, has_keys))
            if len(left) > MOST_DEPTH:
                raise UpdateMalformed(f"a value nests deeper than {MOST_DEPTH}")
            if has_keys:
                self.text()
            inner = self._scalar(self.byte())
            if inner is not None:
                left.append(inner)

    def end(self) -> None:
        if self._at != len(self.data):
            raise UpdateMalformed(f"{len(self.data) - self._at} bytes too many")

    def _scalar(self, kind: int) -> tuple[int, bool] | None:
        """Pass a scalar; or how many values follow, and whether each has a key."""
        if kind in _WIDTHS:
            self.take(_WIDTHS[kind])
        elif kind == 125:
            while self.byte() >= 0x80:
                pass
        elif kind == 119:
            self.text()
        elif kind == 116:
            self.take(self.number(len(self.data)))
        elif kind in (117, 118):
            return self.number(len(self.data)), kind == 118
        else:
            raise UpdateMalformed(f"a value of unknown kind {kind} at byte {self._at}")
        return None

    def _nothing(self) -> int:
        raise UpdateMalformed(f"something of no length at byte {self._at}")


# lib0: undefined, null, false, true; float32; float64, bigint.
_WIDTHS = {127: 0, 126: 0, 121: 0, 120: 0, 124: 4, 123: 8, 122: 8}
