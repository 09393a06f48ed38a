"""The functions of values that rules may use, at any place: mathematics, choice, texts, times, places, tables."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from holdfast.kernel.scalars import zone
from holdfast.stream.language import places, texting
from holdfast.stream.language.tables import TableUnusable, table_at
from holdfast.stream.language.texting import PerText
from holdfast.stream.language.timing import PARTS, UNITS_S, LocalTime
from holdfast.stream.plans import Compute

if TYPE_CHECKING:
    from holdfast.stream.language.expressions import Kind


class Arguments(Protocol):
    """What a function was given; asking for one as what it isn't tells the fault."""

    def __len__(self) -> int: ...

    @property
    def folder(self) -> Path:
        """Where files lie."""
        ...

    def number(self, i: int) -> Compute:
        """A number."""
        ...

    def text(self, i: int) -> Compute:
        """A text."""
        ...

    def truth(self, i: int) -> Compute:
        """A condition."""
        ...

    def any(self, i: int) -> "tuple[Kind | None, Compute]":
        """Of any kind."""
        ...

    def same(self, first: int = 0) -> "tuple[Kind | None, list[Compute]]":
        """All from `first` on, of one kind."""
        ...

    def literal(self, i: int) -> str | None:
        """A text in single quotes."""
        ...

    def constant(self, i: int) -> float | None:
        """A number as written."""
        ...

    def refuse(self, why: str) -> None:
        """Tell a fault."""
        ...


@dataclass(frozen=True, slots=True)
class Function:
    """A function. usage: how it is written; least, most: how many arguments it takes."""

    usage: str
    least: int
    most: int
    make: "Callable[[Arguments], tuple[Kind | None, Compute] | None]"


FUNCTIONS: dict[str, Function] = {}


def _finite(numbers: Any) -> Any:
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _numeric(name: str, usage: str, count: int, operator: Callable[..., Any]) -> None:
    def make(given: Arguments) -> "tuple[Kind, Compute]":
        parts = [given.number(i) for i in range(len(given))]
        if len(parts) == 1:
            (one,) = parts
            return "number", lambda c: operator(one(c))
        return "number", lambda c: operator(*(part(c) for part in parts))

    FUNCTIONS[name] = Function(usage, count, count, make)


def _round(numbers: Any, digits: Any = 0.0) -> Any:
    scale = np.power(10.0, np.clip(np.trunc(digits), -15, 15))
    return np.copysign(np.floor(np.abs(numbers) * scale + 0.5) / scale, numbers)


_ONE: dict[str, Callable[..., Any]] = {
    "abs": np.abs, "floor": np.floor, "ceil": np.ceil, "ceiling": np.ceil, "sign": np.sign, "trunc": np.trunc,
    "sqrt": np.sqrt, "exp": lambda x: _finite(np.exp(x)), "ln": lambda x: _finite(np.log(x)),
    "log10": lambda x: _finite(np.log10(x)), "log2": lambda x: _finite(np.log2(x)),
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": lambda x: _finite(np.sinh(x)), "cosh": lambda x: _finite(np.cosh(x)), "tanh": np.tanh,
    "degrees": np.degrees, "radians": np.radians,
}  # fmt: skip
for _name, _operator in _ONE.items():
    _numeric(_name, f"{_name}(x)", 1, _operator)
_TWO: dict[str, Callable[..., Any]] = {
    "atan2": np.arctan2,
    "power": lambda x, y: _finite(np.power(x, y)),
    "pow": lambda x, y: _finite(np.power(x, y)),
    "mod": lambda x, y: np.where(np.equal(y, 0.0), np.nan, np.fmod(x, y)),
}
for _name, _operator in _TWO.items():
    _numeric(_name, f"{_name}(x, y)", 2, _operator)
_numeric("pi", "pi()", 0, lambda: np.float64(math.pi))
_numeric("distance", "distance(lat, lon, lat0, lon0)", 4, places.distance)


def _function(
    usage: str, least: int, most: int
) -> "Callable[[Callable[[Arguments], Any]], Callable[[Arguments], Any]]":
    def add(make: Callable[[Arguments], Any]) -> Callable[[Arguments], Any]:
        for name in usage.split("(", 1)[0].split("|"):
            FUNCTIONS[name] = Function(usage.replace("|", " or ", 1) if "|" in usage else usage, least, most, make)
        return make

    return add


@_function("round(x[, digits])", 1, 2)
def _make_round(given: Arguments) -> Any:
    x, digits = given.number(0), given.number(1) if len(given) > 1 else lambda _: 0.0
    return "number", lambda c: _round(x(c), digits(c))


@_function("log(x) or log(base, x)", 1, 2)
def _make_log(given: Arguments) -> Any:
    if len(given) == 1:
        x = given.number(0)
        return "number", lambda c: _finite(np.log10(x(c)))
    base, x = given.number(0), given.number(1)
    return "number", lambda c: _finite(np.log(x(c)) / np.log(base(c)))


@_function("coalesce(a, b, …)", 1, 20)
def _make_coalesce(given: Arguments) -> Any:
    kind, parts = given.same()

    def pick(columns: Sequence[Any]) -> Any:
        value = parts[-1](columns)
        for part in reversed(parts[:-1]):
            first = part(columns)
            value = np.where(np.isnan(first), value, first)
        return value

    return kind, pick


@_function("nullif(a, b)", 2, 2)
def _make_nullif(given: Arguments) -> Any:
    kind, (a, b) = given.same()

    def pick(columns: Sequence[Any]) -> Any:
        value = a(columns)
        return np.where(np.equal(value, b(columns)), np.nan, value)

    return kind, pick


@_function("if|iif(condition, a, b)", 3, 3)
def _make_if(given: Arguments) -> Any:
    test = given.truth(0)
    kind, (a, b) = given.same(1)
    return kind, lambda c: np.where(test(c), a(c), b(c))


def _extreme(usage: str, operator: Callable[[Any, Any], Any]) -> None:
    @_function(usage, 1, 20)
    def make(given: Arguments) -> Any:
        parts = [given.number(i) for i in range(len(given))]

        def pick(columns: Sequence[Any]) -> Any:
            value = parts[0](columns)
            for part in parts[1:]:
                value = operator(value, part(columns))
            return value

        return "number", pick


_extreme("greatest(a, b, …)", np.maximum)
_extreme("least(a, b, …)", np.minimum)


@_function("text(x)", 1, 1)
def _make_text(given: Arguments) -> Any:
    return "text", given.text(0)


def _of_texts(usage: str, is_text: tuple[bool, ...], least: int, result: "Kind", function: Callable[..., Any]) -> None:
    @_function(usage, least, len(is_text))
    def make(given: Arguments) -> Any:
        kinds = is_text[: len(given)]
        parts = [given.text(i) if text else given.number(i) for i, text in enumerate(kinds)]
        per_text = PerText(function, kinds)
        return result, lambda c: per_text(*(part(c) for part in parts))


def _substring(text: str, start: float, count: float = math.inf) -> str:
    first = max(int(start) - 1, 0) if start >= 0 else max(len(text) + int(start), 0)
    return text[first:] if math.isinf(count) else text[first : first + max(int(count), 0)]


_of_texts("lower(text)", (True,), 1, "text", str.lower)
_of_texts("upper(text)", (True,), 1, "text", str.upper)
_of_texts("trim(text)", (True,), 1, "text", str.strip)
_of_texts("ltrim(text)", (True,), 1, "text", str.lstrip)
_of_texts("rtrim(text)", (True,), 1, "text", str.rstrip)
_of_texts("length(text)", (True,), 1, "number", len)
_of_texts("substr|substring(text, start[, count])", (True, False, False), 2, "text", _substring)
_of_texts("left(text, count)", (True, False), 2, "text", lambda text, n: text[: max(int(n), 0)])
_of_texts(
    "right(text, count)", (True, False), 2, "text", lambda text, n: text[len(text) - min(max(int(n), 0), len(text)) :]
)
_of_texts("replace(text, what, instead)", (True, True, True), 3, "text", lambda t, a, b: t.replace(a, b) if a else t)
_of_texts("position(what, text)", (True, True), 2, "number", lambda what, text: text.find(what) + 1)
_of_texts("starts_with(text, start)", (True, True), 2, "truth", str.startswith)
_of_texts("ends_with(text, end)", (True, True), 2, "truth", str.endswith)
_of_texts("contains(text, part)", (True, True), 2, "truth", lambda text, part: part in text)
_of_texts("to_number(text)", (True,), 1, "number", float)


def _said(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


@_function("concat(a, b, …)", 1, 10)
def _make_concat(given: Arguments) -> Any:
    values = [given.any(i) for i in range(len(given))]
    joined = PerText(lambda *parts: "".join(map(_said, parts)), tuple(kind == "text" for kind, _ in values))
    return "text", lambda c: joined(*(part(c) for _, part in values))


def _with_pattern(usage: str, kind: "Kind", count: int, function: Callable[..., Any]) -> None:
    @_function(usage, count, count)
    def make(given: Arguments) -> Any:
        pattern = given.literal(1)
        if pattern is None:
            given.refuse("the pattern is a text in single quotes")
            return None
        try:
            compiled = texting.compiled_pattern(pattern)
        except ValueError as error:
            given.refuse(str(error))
            return None
        parts = [given.text(0), *(given.text(i) for i in range(2, count))]
        per_text = PerText(lambda *texts: function(compiled, *texts), (True,) * len(parts))
        return kind, lambda c: per_text(*(part(c) for part in parts))


def _extract(pattern: Any, text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else found[1] if pattern.groups else found[0]


_with_pattern("regexp_like|regexp_matches(text, 'pattern')", "truth", 2, lambda p, text: p.search(text) is not None)
_with_pattern("regexp_extract|regexp_substr(text, 'pattern')", "text", 2, _extract)
_with_pattern("regexp_replace(text, 'pattern', instead)", "text", 3, lambda p, t, instead: p.sub(lambda _: instead, t))


def _json(usage: str, kind: "Kind", pick: Callable[[Any], Any]) -> None:
    @_function(usage, 2, 2)
    def make(given: Arguments) -> Any:
        path = given.literal(1)
        try:
            steps = texting.steps_of(path or "")
        except ValueError as error:
            given.refuse(str(error))
            return None
        text = given.text(0)
        per_text = PerText(lambda value: pick(texting.reached(value, steps)), (True,))
        return kind, lambda c: per_text(text(c))


_json("json_value(text, '$.a.b')", "number", lambda v: float(v) if isinstance(v, int | float) else None)
_json("json_text(text, '$.a.b')", "text", lambda v: v if isinstance(v, str) else None)


def _part(name: str) -> None:
    @_function(f"{name}(ts[, 'Europe/Berlin'])", 1, 2)
    def make(given: Arguments) -> Any:
        named = given.literal(1) if len(given) > 1 else "UTC"
        try:
            local = LocalTime(zone(named or ""))
        except ValueError as error:
            given.refuse(str(error))
            return None
        at = given.number(0)
        return "number", lambda c: PARTS[name](local.seconds(at(c)))


for _name in PARTS:
    _part(_name)


@_function("date_diff('minute', from, to)", 3, 3)
def _make_date_diff(given: Arguments) -> Any:
    unit = UNITS_S.get((given.literal(0) or "").lower().removesuffix("s"))
    if unit is None:
        given.refuse(f"the unit is one of {', '.join(UNITS_S)}, in single quotes")
        return None
    start, end = given.number(1), given.number(2)
    return "number", lambda c: (end(c) - start(c)) / unit


@_function("inside(lat, lon, 'area.geojson')", 3, 3)
def _make_inside(given: Arguments) -> Any:
    name = given.literal(2)
    if name is None:
        given.refuse("the area is a GeoJSON file's name in single quotes")
        return None
    try:
        area = places.area_at(given.folder / name)
    except ValueError as error:
        given.refuse(str(error))
        return None
    lat, lon = given.number(0), given.number(1)
    return "truth", lambda c: area.inside(lat(c), lon(c))


@_function("lookup('table.csv', 'column'[, key])", 2, 3)
def _make_lookup(given: Arguments) -> Any:
    file, column = given.literal(0), given.literal(1)
    if file is None or column is None:
        given.refuse("file and column stand in single quotes")
        return None
    kind, key = given.any(2)
    try:
        found = table_at(given.folder, file).column(column)
    except TableUnusable as error:
        given.refuse(str(error))
        return None
    if kind not in ("text", None) and found.has_text_keys:
        given.refuse(f"the keys of {file} are texts, and the key given is a number")
        return None
    if kind == "text" and not found.has_text_keys:
        given.refuse(f"the keys of {file} are numbers, and the key given is a text")
        return None
    return "text" if found.is_text else "number", lambda c: found.at(key(c))
