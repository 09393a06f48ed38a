"""Reads OPC UA's binary encoding (Part 6 §5.2), bounded, from bytes we don't trust.

Only the answers with data go this way (`answers`): they are the hot path, and the place where a hostile length would
cost most. No array is made that the remaining bytes couldn't fill.
"""

from collections.abc import Callable, Sequence
from struct import Struct, unpack_from
from typing import Any, NamedTuple

from holdfast.adapters.opcua.errors import Malformed

TICKS_1970 = 116_444_736_000_000_000
"""100 ns ticks from 1601-01-01 to 1970-01-01."""
MOST_DEEP = 8
_DATA_CHANGE, _STATUS_CHANGE = 811, 820
(BOOL, SBYTE, BYTE, INT16, UINT16, INT32, UINT32, INT64, UINT64, FLOAT, DOUBLE, STRING, DATETIME, GUID) = range(1, 15)
BYTES, XML, NODE, EXPANDED, STATUS, NAME, LOCAL, OBJECT, DATA_VALUE, VARIANT, DIAGNOSTIC = range(15, 26)
_NAMES = (
    "Boolean SByte Byte Int16 UInt16 Int32 UInt32 Int64 UInt64 Float Double String DateTime Guid ByteString XmlElement "
    "NodeId ExpandedNodeId StatusCode QualifiedName LocalizedText structure DataValue Variant"
)
TYPE_NAMES = dict(enumerate(_NAMES.split(), 1))
INTS = frozenset(range(SBYTE, UINT64 + 1))
_FORMATS = {BOOL: "?", SBYTE: "b", BYTE: "B", INT16: "h", UINT16: "H", INT32: "i", UINT32: "I", INT64: "q", UINT64: "Q"}
_FORMATS |= {FLOAT: "f", DOUBLE: "d", DATETIME: "q", STATUS: "I"}
_FIXED = {type_: Struct("<" + text) for type_, text in _FORMATS.items()}
_U32, _I32, _I64 = Struct("<I"), Struct("<i"), Struct("<q")
_HEADER = Struct("<qII")


class DataValue(NamedTuple):
    """A value as a server tells it.

    type:  the built-in type (Part 6 §5.1.2), 0 = none; value: a Python value, a list of them for an array, None = none
    code:  its StatusCode
    times: ns UTC, 0 = not told
    """

    type: int
    value: Any
    code: int = 0
    source_ns: int = 0
    server_ns: int = 0


class Change(NamedTuple):
    """Values that changed, by the handles we gave. status: the subscription's own, 0 = it's well."""

    number: int
    values: Sequence[tuple[int, DataValue]]
    status: int = 0


def _of_space(space: int, said: str) -> str:
    return f"ns={space};{said}" if space else said


def ns_of(ticks: int) -> int:
    """A DateTime (100 ns since 1601) as ns since 1970; 0 = none, as are the ends of its range."""
    ns = (ticks - TICKS_1970) * 100
    return ns if ticks > 0 and 0 < ns < 2**63 else 0


class Reader:
    """Reads on in some bytes. Raises `Malformed` when they end early or make no sense."""

    __slots__ = ("_data", "_deep", "at", "end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self.at, self.end, self._deep = data, at, len(data), 0

    def skip(self, size: int) -> None:
        """Leave bytes out."""
        if size < 0 or size > self.end - self.at:
            msg = "the message ends early"
            raise Malformed(msg)
        self.at += size

    def u8(self) -> int:
        """A byte."""
        at = self.at
        self.skip(1)
        return self._data[at]

    def u32(self) -> int:
        """An unsigned number of 32 bits."""
        at = self.at
        self.skip(4)
        found: int = _U32.unpack_from(self._data, at)[0]
        return found

    def f64(self) -> float:
        """A number of 64 bits."""
        at = self.at
        self.skip(8)
        found: float = unpack_from("<d", self._data, at)[0]
        return found

    def size(self, least: int = 1) -> int:
        """How many elements follow, of at least so many bytes each; -1 = null."""
        at = self.at
        self.skip(4)
        found: int = _I32.unpack_from(self._data, at)[0]
        if found > 0 and found * least > self.end - self.at:
            msg = f"{found} elements can't be in {self.end - self.at} bytes"
            raise Malformed(msg)
        return max(found, -1)

    def bytes_(self) -> bytes | None:
        """A ByteString."""
        size = self.size()
        if size < 0:
            return None
        at = self.at
        self.skip(size)
        return self._data[at : at + size]

    def text(self) -> str | None:
        """A String; what isn't UTF-8 is shown as such."""
        found = self.bytes_()
        return None if found is None else found.decode("utf-8", "replace")

    def node(self) -> str:
        """A NodeId or ExpandedNodeId, in words (Part 6 §5.3.1.10)."""
        head = self.u8()
        kind = head & 0x3F
        if kind == 0:
            found = f"i={self.u8()}"
        elif kind == 1:
            space, low, high = self.u8(), self.u8(), self.u8()
            found = _of_space(space, f"i={low | high << 8}")
        else:
            at = self.at
            self.skip(2)
            found = _of_space(unpack_from("<H", self._data, at)[0], self._identifier(kind))
        uri = self.text() if head & 0x80 else None
        if head & 0x40:
            self.skip(4)
        return f"nsu={uri};{found.removeprefix('ns=').partition(';')[2] or found}" if uri else found

    def _identifier(self, kind: int) -> str:
        if kind == 2:  # Part 6 Table 16
            return f"i={self.u32()}"
        if kind == 3:
            return f"s={self.text() or ''}"
        if kind == 4:
            return f"g={self.guid()}"
        if kind == 5:
            return f"b={(self.bytes_() or b'').hex()}"
        msg = f"there's no NodeId of the kind {kind}"
        raise Malformed(msg)

    def guid(self) -> str:
        """A Guid."""
        at = self.at
        self.skip(16)
        a, b, c = unpack_from("<IHH", self._data, at)
        d = self._data[at + 8 : at + 16].hex()
        return f"{a:08x}-{b:04x}-{c:04x}-{d[:4]}-{d[4:]}"

    def number(self) -> int:
        """The number of a structure's encoding, 0 = it isn't one of the standard's."""
        node = self.node()
        return int(node[2:]) if node.startswith("i=") else 0

    def body(self) -> tuple[int, int]:
        """An ExtensionObject: its encoding, and where it ends; it's to be read up to there, or skipped."""
        number, kind = self.number(), self.u8()
        if kind not in (1, 2):
            return 0, self.at
        size = max(self.size(), 0)
        return (number if kind == 1 else 0), self.at + size

    def diagnostic(self) -> None:
        """Leave a DiagnosticInfo out (Part 6 §5.2.2.12)."""
        while True:
            mask = self.u8()
            self.skip(4 * ((mask & 1) + (mask >> 1 & 1) + (mask >> 3 & 1) + (mask >> 2 & 1)))
            if mask & 0x10:
                self.bytes_()
            if mask & 0x20:
                self.skip(4)
            if not mask & 0x40:
                return

    def header(self) -> tuple[int, int]:
        """Of an answer: (number of its encoding, result). Ends where the answer's own fields begin."""
        number = self.number()
        at = self.at
        self.skip(16)
        result = _HEADER.unpack_from(self._data, at)[2]
        self.diagnostic()
        for _ in range(self.size(4)):
            self.bytes_()
        self.at = self.body()[1]
        return number, result

    def data_value(self) -> DataValue:
        """A DataValue (Part 6 §5.2.2.17)."""
        mask = self.u8()
        type_, value = self.variant() if mask & 1 else (0, None)
        code = self.u32() if mask & 2 else 0
        source = self._time() if mask & 4 else 0
        if mask & 16:
            self.skip(2)
        server = self._time() if mask & 8 else 0
        if mask & 32:
            self.skip(2)
        return DataValue(type_, value, code, source, server)

    def _time(self) -> int:
        at = self.at
        self.skip(8)
        return ns_of(_I64.unpack_from(self._data, at)[0])

    def variant(self) -> tuple[int, Any]:
        """A Variant: (type, value or list of values). Dimensions are left out: the list is flat."""
        head = self.u8()
        type_ = head & 0x3F
        if head & 0x80:
            value: Any = self._array(type_)
            if head & 0x40:
                self.skip(4 * max(self.size(4), 0))
            return type_, value
        fixed = _FIXED.get(type_)
        if fixed is not None:
            at = self.at
            self.skip(fixed.size)
            return type_, fixed.unpack_from(self._data, at)[0]
        return type_, self._other(type_)

    def _array(self, type_: int) -> list[Any] | None:
        fixed = _FIXED.get(type_)
        if fixed is not None:
            size = self.size(fixed.size)
            if size < 0:
                return None
            at = self.at
            self.skip(size * fixed.size)
            return list(unpack_from(f"<{size}{_FORMATS[type_]}", self._data, at))
        size = self.size()
        if type_ == 0 and size > 0:
            msg = "an array of nothing"
            raise Malformed(msg)
        return None if size < 0 else [self._other(type_) for _ in range(size)]

    def _other(self, type_: int) -> Any:
        if type_ == 0:
            return None
        read = _OTHERS.get(type_, Reader.bytes_)  # 26 to 31 are reserved, and read as ByteString
        if read not in _NESTING:
            return read(self)
        self._deep += 1
        if self._deep > MOST_DEEP:
            msg = "values are nested too deeply"
            raise Malformed(msg)
        found = read(self)
        self._deep -= 1
        return found

    def qualified(self) -> str | None:
        """A QualifiedName, without its namespace."""
        self.skip(2)
        return self.text()

    def local(self) -> str | None:
        """A LocalizedText, without its locale."""
        mask = self.u8()
        if mask & 1:
            self.bytes_()
        return self.text() if mask & 2 else None

    def object_(self) -> bytes:
        """An ExtensionObject's body, as it is."""
        _, end = self.body()
        found = self._data[self.at : end]
        self.at = end
        return found

    def nested(self) -> Any:
        """A Variant's value within a Variant."""
        return self.variant()[1]

    def inner(self) -> Any:
        """A DataValue's value within a Variant."""
        return self.data_value().value

    def change(self) -> Change:
        """A NotificationMessage."""
        number = self.u32()
        self.skip(8)
        values: list[tuple[int, DataValue]] = []
        status = 0
        for _ in range(self.size(3)):
            kind, end = self.body()
            if kind == _DATA_CHANGE:
                self._changes(values)
            elif kind == _STATUS_CHANGE:
                status = self.u32()
            self.at = end
        return Change(number, values, status)

    def _changes(self, values: list[tuple[int, DataValue]]) -> None:
        """The hot path: a plain value with its times is read at once, any other step by step."""
        data = self._data
        for _ in range(self.size(5)):
            at = self.at
            plain = _PLAIN.get(data[at + 4] | data[at + 5] << 8) if at + 6 <= self.end else None
            if plain is None or at + plain[0].size > self.end:
                values.append((self.u32(), self.data_value()))
                continue
            form, code, source, server = plain
            found = (*form.unpack_from(data, at), 0)
            self.at = at + form.size
            told = DataValue(found[2], found[3], found[code], ns_of(found[source]), ns_of(found[server]))
            values.append((found[0], told))


def _plain() -> dict[int, tuple[Struct, int, int, int]]:
    """By mask and type: how handle, mask, type, value, status and times lie; and where these are, -1 = not there."""
    found = {}
    for mask in (1, 3, 5, 7, 9, 11, 13, 15):
        there = [mask & bit for bit in (2, 4, 8)]
        places = [4 + sum(map(bool, there[:i])) if one else -1 for i, one in enumerate(there)]
        rest = "".join(form for form, one in zip("Iqq", there, strict=True) if one)
        for type_, form in _FORMATS.items():
            found[mask | type_ << 8] = (Struct(f"<IBB{form}{rest}"), places[0], places[1], places[2])
    return found


_PLAIN = _plain()
_OTHERS: dict[int, Callable[[Reader], Any]] = {
    STRING: Reader.text,
    GUID: Reader.guid,
    BYTES: Reader.bytes_,
    XML: Reader.text,
    NODE: Reader.node,
    EXPANDED: Reader.node,
    NAME: Reader.qualified,
    LOCAL: Reader.local,
    OBJECT: Reader.object_,
    DATA_VALUE: Reader.inner,
    VARIANT: Reader.nested,
    DIAGNOSTIC: Reader.diagnostic,
}
_NESTING = frozenset((Reader.inner, Reader.nested))
