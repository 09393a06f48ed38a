"""Register maps: files that say which values a make of device has, and where. Pure but for reading the file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from holdfast.adapters.modbus.frames import MOST_BITS, MOST_REGISTERS
from holdfast.adapters.modbus.values import Form, Order, form_of
from holdfast.kernel.documents import Document, SettingsInvalid, load
from holdfast.kernel.scalars import Duration
from holdfast.model.points import PointMap, PointName, PointSettings

BUILTIN = Path(__file__).parent / "builtin"
PREFIX = "builtin:"
KIND = "modbus"
_LAST = 65_535
_SCALE = form_of("i16", "ABCD", 0, None)
Table = Literal["holding", "input", "coil", "discrete"]
Encoding = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bool", "text"]
WriteWith = Literal["auto", "single", "multiple"]


class RegisterPoint(PointSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value of a device.

    at:     its first register or bit, as the datasheet counts them: from the map's `first`
    table:  where: holding (0x03), input (0x04), coil (0x01), discrete (0x02); default: the map's
    as_:    how its registers are to be read; default: u16, bool of coils and discrete inputs
    order:  of bytes, when it's not the map's
    length: bytes of a text; two are a register
    bits:   of a register: `3` is a bit (true or false), `4-7` a number; bit 0 counts least
    every:  read less, or more, often than the rest
    scale_at: of a SunSpec device the register (i16) that says by which power of ten the value is to be multiplied
    write_with: `single` = 0x05/0x06, `multiple` = 0x0F/0x10; auto = single where one register or coil will do
    """

    at: Annotated[int, Meta(ge=0, le=65_536)]
    table: Table | None = None
    as_: Encoding | None = field(default=None, name="as")
    order: Order | None = None
    length: Annotated[int, Meta(ge=1, le=2 * MOST_REGISTERS)] | None = None
    bits: int | str | None = None
    scale_at: Annotated[int, Meta(ge=0, le=65_536)] | None = None
    every: Duration | None = None
    write_with: WriteWith = "auto"


class MapFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of registers.

    source: where its facts are from
    order:  ABCD big-endian; CDAB = words swapped; BADC = bytes within words swapped; DCBA = little-endian
    first:  number of the first register in the datasheet: 0, or 1 where it counts from 1
    gap:    unused registers (bits: 16 times as many) that may be read along to save a question
    most:   registers that the device gives in one answer
    """

    points: dict[PointName, RegisterPoint]
    source: str = ""
    table: Table = "holding"
    order: Order = "ABCD"
    first: Literal[0, 1] = 0
    gap: Annotated[int, Meta(ge=0, le=MOST_REGISTERS)] = 8
    most: Annotated[int, Meta(ge=1, le=MOST_REGISTERS)] = MOST_REGISTERS


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A point as it's asked for. start: 0-based; count: registers, or bits of coils and discrete inputs."""

    name: str
    table: Table
    start: int
    count: int
    form: Form
    every_s: float | None
    writable: bool
    write_with: WriteWith

    @property
    def end(self) -> int:
        """After its last register or bit."""
        return self.start + self.count


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A make of device.

    scales: registers that say a power of ten, by names that no point has; scaled: points by such a name
    """

    name: str
    points: Mapping[str, MapPoint]
    gap: int
    most: int
    map: PointMap
    scales: Mapping[str, MapPoint]
    scaled: Mapping[str, str]

    def read_with(self, names: Sequence[str]) -> list[MapPoint]:
        """What is read for these points."""
        scales = dict.fromkeys(self.scaled[name] for name in names if name in self.scaled)
        return [*(self.points[name] for name in names), *(self.scales[key] for key in scales)]

    def most_of(self, table: Table) -> int:
        """Registers or bits in one answer."""
        return MOST_BITS if is_bits(table) else self.most

    def gap_of(self, table: Table) -> int:
        """Registers or bits that may be read along."""
        return 16 * self.gap if is_bits(table) else self.gap


def is_bits(table: Table) -> bool:
    """Coils and discrete inputs are bits, the others registers."""
    return table in ("coil", "discrete")


def map_path(text: str, folder: Path) -> Path:
    """The file that `map:` names.

    Raises:
        ValueError: there's no such built-in map.
    """
    if not text.startswith(PREFIX):
        return (folder / text).absolute()
    names = sorted(file.stem for file in BUILTIN.glob("*.yaml"))
    if text.removeprefix(PREFIX) not in names:
        raise ValueError(f"there is no {text}; there are {', '.join(PREFIX + name for name in names)}")
    return BUILTIN / f"{text.removeprefix(PREFIX)}.yaml"


def load_map(path: Path) -> tuple[RegisterMap, Document[Any]]:
    """A map, checked, and where its lines are.

    Raises:
        SettingsInvalid: with every problem of the file.
    """
    document = load(path, MapFile)
    problems = [document.problem(where, text) for where, text in _findings(document.value)]
    if not _is_name(path.stem):
        problems.append(document.problem((), f"`{path.stem}` is no name for a map: letters, digits, `.`, `_`, `-`"))
    if problems:
        raise SettingsInvalid(problems)
    return compiled(path.stem, document.value), document


def compiled(name: str, file: MapFile) -> RegisterMap:
    """A map without findings, as it's used."""
    points = {key: _point(key, one, file) for key, one in file.points.items()}
    settings = {
        key: replace(one, type=points[key].form.kind) if points[key].form.kind != "number" else one
        for key, one in file.points.items()
    }
    scaled = {key: f"#{one.scale_at}" for key, one in file.points.items() if one.scale_at is not None}
    by_ten = {
        f"#{one.scale_at}": MapPoint(
            f"#{one.scale_at}", points[key].table, one.scale_at - file.first, 1, _SCALE, None, False, "auto"
        )
        for key, one in file.points.items()
        if one.scale_at is not None
    }
    return RegisterMap(name, points, file.gap, file.most, PointMap(KIND, name, settings), by_ten, scaled)


def _point(name: str, one: RegisterPoint, file: MapFile) -> MapPoint:
    table = one.table or file.table
    form = form_of(one.as_ or _default(table), one.order or file.order, one.length or 0, _bits(one.bits))
    count = 1 if is_bits(table) else form.registers
    return MapPoint(name, table, one.at - file.first, count, form, one.every, one.writable, one.write_with)


def _default(table: Table) -> Encoding:
    return "bool" if is_bits(table) else "u16"


def _bits(said: int | str | None) -> tuple[int, int] | None:
    """First and last bit, or what int() raises."""
    if said is None:
        return None
    first, _, last = str(said).partition("-")
    return int(first), int(last or first)


def _findings(file: MapFile) -> Iterator[tuple[tuple[str, ...], str]]:
    if not file.points:
        yield ("points",), "a map without points says nothing: name at least one"
    for name, one in file.points.items():
        for key, said in _faults(one, file):
            yield ("points", name, *key), said


def _faults(one: RegisterPoint, file: MapFile) -> Iterator[tuple[tuple[str, ...], str]]:
    table = one.table or file.table
    encoding = one.as_ or _default(table)
    yield from _bit_faults(one, encoding, table)
    if (encoding == "text") is (one.length is None):
        yield ("length",), "`length` is a text's, in bytes" if one.length else "a text needs its `length` in bytes"
        return
    registers = (one.length + 1) // 2 if one.length else form_of(encoding, "ABCD", 0, None).registers
    if registers > file.most:
        yield ("as",), f"it has {registers} registers, and the device gives {file.most} in one answer (`most`)"
    start = one.at - file.first
    if start < 0:
        yield ("at",), "the map's `first` is 1: registers count from 1"
    elif start + registers - 1 > _LAST:
        yield ("at",), f"its last register is {start + registers - 1}: there are {_LAST}"
    if one.scale_at is not None and (is_bits(table) or encoding in ("text", "bool") or one.bits or one.writable):
        yield ("scale_at",), "it's for numbers that are only read"
    if one.every == 0:
        yield ("every",), "it's read at intervals: at least 1ms"
    yield from _write_faults(one, table, registers)


def _write_faults(one: RegisterPoint, table: Table, registers: int) -> Iterator[tuple[tuple[str, ...], str]]:
    if one.writable and table in ("input", "discrete"):
        yield ("writable",), f"`{table}` can't be written: only `holding` and `coil`"
    if one.write_with == "single" and registers > 1:
        yield (
            ("write_with",),
            f"{registers} registers are written by `multiple`: one by one the device would see halves",
        )


def _bit_faults(one: RegisterPoint, encoding: Encoding, table: Table) -> Iterator[tuple[tuple[str, ...], str]]:
    if is_bits(table) and encoding != "bool":
        yield ("as",), f"a {table} is a bit: `as: bool`"
    if one.bits is None:
        return
    try:
        first, last = _bits(one.bits) or (0, 0)
    except ValueError:
        yield ("bits",), f"`{one.bits}`: a bit as 3, or some as 4-7"
        return
    size = {"u16": 16, "u32": 32, "u64": 64}.get(encoding, 0)
    if not size or is_bits(table):
        yield ("bits",), "bits are of u16, u32 or u64 registers"
    elif not 0 <= first <= last < size:
        yield ("bits",), f"{encoding} has bits 0 to {size - 1}, lowest first"


def _is_name(text: str) -> bool:
    return text.replace(".", "").replace("_", "").replace("-", "").isalnum() and text.isascii() and len(text) <= 63
