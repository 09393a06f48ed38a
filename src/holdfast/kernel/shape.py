"""Checks plain values (from YAML or JSON) against a struct type, collecting every finding instead of the first.

Knows structs, lists, dicts, literals, optional and scalar-or-struct unions, and the unit-bearing scalars of
`kernel.scalars`. What it returns is ready for `msgspec.convert`.
"""

import difflib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import inspect as mi

from holdfast.kernel.scalars import HELP, PARSERS

Finding = tuple[tuple[str | int, ...], str]
Where = tuple[str | int, ...]

_NAMES: dict[type[mi.Type], str] = {
    mi.IntType: "a whole number",
    mi.FloatType: "a number",
    mi.StrType: "text",
    mi.BoolType: "true or false",
    mi.ListType: "a list",
    mi.VarTupleType: "a list",
    mi.DictType: "a mapping",
    mi.StructType: "a mapping",
    mi.NoneType: "nothing",
}


class Shape:
    """The shape of one struct type."""

    def __init__(self, into: Any) -> None:
        self._root = mi.type_info(into)

    def check(self, raw: Any, findings: list[Finding]) -> Any:
        """`raw` with unit-bearing scalars parsed; problems are appended to `findings`."""
        return _check(raw, self._root, (), findings)


def _check(raw: Any, want: mi.Type, where: Where, findings: list[Finding]) -> Any:
    if isinstance(want, mi.Metadata):
        return _annotated(raw, want, where, findings)
    if isinstance(want, mi.StructType):
        return _struct(raw, want, where, findings)
    if isinstance(want, mi.UnionType):
        return _union(raw, want, where, findings)
    if isinstance(want, mi.ListType | mi.VarTupleType):
        return _list(raw, want, where, findings)
    if isinstance(want, mi.DictType):
        return _dict(raw, want, where, findings)
    if isinstance(want, mi.AnyType):
        return raw
    return _scalar(raw, want, where, findings)


def _annotated(raw: Any, want: mi.Metadata, where: Where, findings: list[Finding]) -> Any:
    parser = (want.extra or {}).get("parse")
    if parser is None or not isinstance(raw, str):
        if parser is not None and (isinstance(raw, bool) or not isinstance(raw, int | float)):
            findings.append((where, f"expected {HELP[parser]}, not {_say(raw)}"))
            return raw
        return _check(raw, want.type, where, findings)
    try:
        return PARSERS[parser](raw)
    except ValueError as error:
        findings.append((where, f"{error}, not {_say(raw)}"))
        return raw


def _struct(raw: Any, want: mi.StructType, where: Where, findings: list[Finding]) -> Any:
    if not isinstance(raw, dict):
        findings.append((where, f"expected a mapping with {_keys(want)}, not {_say(raw)}"))
        return raw
    fields = {f.encode_name: f for f in want.fields}
    allowed = set(fields) | ({want.tag_field} if want.tag_field else set())
    for key in raw:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), [str(a) for a in allowed], 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            findings.append(((*where, key), f"unknown key{hint or '.'} Allowed here: {_keys(want)}"))
    for name, f in fields.items():
        if f.required and name not in raw:
            findings.append((where, f"`{name}` is missing"))
    out = {k: _check(v, fields[k].type, (*where, k), findings) for k, v in raw.items() if k in fields}
    if want.tag_field and want.tag_field in raw:
        out[want.tag_field] = raw[want.tag_field]
    return out


def _union(raw: Any, want: mi.UnionType, where: Where, findings: list[Finding]) -> Any:
    structs = [t for t in want.types if isinstance(t, mi.StructType)]
    if isinstance(raw, dict) and structs:
        return _one_struct(raw, structs, where, findings)
    best: list[Finding] | None = None
    for option in want.types:
        tried: list[Finding] = []
        value = _check(raw, option, where, tried)
        if not tried:
            return value
        if best is None or max(len(w) for w, _ in tried) > max(len(w) for w, _ in best):
            best = tried
    deep = best and any(len(w) > len(where) for w, _ in best)
    options = " or ".join(dict.fromkeys(_name(t) for t in want.types if not isinstance(t, mi.NoneType)))
    findings.extend(best if best and deep else [(where, f"expected {options}, not {_say(raw)}")])
    return raw


def _one_struct(raw: dict[Any, Any], structs: list[mi.StructType], where: Where, findings: list[Finding]) -> Any:
    if len(structs) == 1:
        return _struct(raw, structs[0], where, findings)
    field = structs[0].tag_field or "type"
    by_tag = {s.tag: s for s in structs}
    chosen = by_tag.get(raw.get(field))
    if chosen is None:
        tags = ", ".join(sorted(str(t) for t in by_tag))
        findings.append(((*where, field), f"`{field}` must be one of: {tags}"))
        return raw
    return _struct(raw, chosen, where, findings)


def _list(raw: Any, want: mi.ListType | mi.VarTupleType, where: Where, findings: list[Finding]) -> Any:
    if not isinstance(raw, list):
        findings.append((where, f"expected a list, not {_say(raw)}"))
        return raw
    return [_check(item, want.item_type, (*where, i), findings) for i, item in enumerate(raw)]


def _dict(raw: Any, want: mi.DictType, where: Where, findings: list[Finding]) -> Any:
    if not isinstance(raw, dict):
        findings.append((where, f"expected a mapping, not {_say(raw)}"))
        return raw
    return {k: _check(v, want.value_type, (*where, k), findings) for k, v in raw.items()}


def _scalar(raw: Any, want: mi.Type, where: Where, findings: list[Finding]) -> Any:
    if isinstance(want, mi.IntType | mi.FloatType) and isinstance(raw, bool):
        findings.append((where, f"expected {_name(want)}, not {_say(raw)}"))
        return raw
    try:
        return msgspec.convert(raw, _as_python(want), strict=True)
    except msgspec.ValidationError:
        findings.append((where, f"expected {_name(want)}, not {_say(raw)}"))
        return raw


def _as_python(want: mi.Type) -> Any:
    if isinstance(want, mi.LiteralType | mi.EnumType):
        return want.cls if isinstance(want, mi.EnumType) else _literal(want)
    if isinstance(want, mi.IntType | mi.FloatType):
        return _numeric(want)
    plain: dict[type[mi.Type], Any] = {mi.StrType: str, mi.BoolType: bool, mi.NoneType: None}
    return plain.get(type(want), object)


def _literal(want: mi.LiteralType) -> Any:
    return Literal[tuple(want.values)]


def _numeric(want: mi.IntType | mi.FloatType) -> Any:
    base: Any = int if isinstance(want, mi.IntType) else float
    bounds = {b: getattr(want, b) for b in ("gt", "ge", "lt", "le") if getattr(want, b) is not None}
    return Annotated[base, msgspec.Meta(**bounds)] if bounds else base


def _name(want: mi.Type) -> str:
    if isinstance(want, mi.Metadata):
        parser = (want.extra or {}).get("parse")
        return HELP[parser] if parser else _name(want.type)
    if isinstance(want, mi.LiteralType):
        return "one of " + ", ".join(str(v) for v in want.values)
    if isinstance(want, mi.EnumType):
        return "one of " + ", ".join(str(m.value) for m in want.cls)
    if isinstance(want, mi.StructType):
        return f"a mapping with {_keys(want)}"
    name = _NAMES.get(type(want), "another value")
    if isinstance(want, mi.IntType | mi.FloatType):
        return name + _bounds(want)
    return name


def _bounds(want: mi.IntType | mi.FloatType) -> str:
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    said = [f"{words[b]} {getattr(want, b)}" for b in words if getattr(want, b) is not None]
    return f" {' and '.join(said)}" if said else ""


def _keys(want: mi.StructType) -> str:
    tag = [want.tag_field] if want.tag_field else []
    return ", ".join([*tag, *(f.encode_name for f in want.fields)])


def _say(raw: Any) -> str:
    if raw is None:
        return "nothing"
    if isinstance(raw, dict):
        return "a mapping"
    if isinstance(raw, list):
        return "a list"
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."
