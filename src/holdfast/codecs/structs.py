"""Typed structs made from a profile's paths, so that one msgspec call checks and decodes a whole micro-batch.

A path `air.temperature.value` becomes nested structs; unknown members are skipped. Members get safe attribute names
(`m0`, `m1` …) and are renamed to what stands in the payload.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from types import GenericAlias
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from holdfast.codecs.profiles import Path, Profile, Records
from holdfast.model.series import Kind

EXACT = 2**53
"""Integers beyond it are not exact as float64, which is how values are stored."""
_Exact = Annotated[int, Meta(ge=-EXACT, le=EXACT)]
_TYPES: dict[Kind, Any] = {
    Kind.FLOAT: float,
    Kind.INT: _Exact,
    Kind.BOOL: bool | Annotated[int, Meta(ge=0, le=1)],
    Kind.TEXT: Annotated[str, Meta(max_length=4096)],
}
_Name = Annotated[str, Meta(max_length=256)]
_Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | _Name
Getter = Callable[[Any], Any]


@dataclass(slots=True)
class _Branch:
    """An object on the way to some leaves."""

    members: dict[str, "_Branch | _Leaf"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Leaf:
    type: Any
    optional: bool


class PathClash(ValueError):
    """A path is wanted both as a value and as an object, or as two types."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The generated type of a payload and how to get at its parts. `records`: the getters inside one record."""

    payload: Any
    getters: dict[Path, Getter]
    record: dict[str, Getter]


def shape_of(profile: Profile) -> Shape:
    """The type of a profile's payloads.

    Raises:
        PathClash: when two of its paths can't both exist.
    """
    root = _Branch()
    for path, leaf in _leaves(profile):
        _plant(root, path, leaf)
    record: dict[str, Getter] = {}
    if profile.records is not None:
        type_, record = _record_type(profile.records)
        array = GenericAlias(list, (type_,))
        if not profile.records.path:
            if root.members:
                raise PathClash("the payload is the array itself, so nothing can stand beside it")
            return Shape(array, {(): _itself}, record)
        _plant(root, profile.records.path, _Leaf(array, optional=False))
    names: dict[Path, str] = {}
    payload = _build(root, (), names)
    return Shape(payload, {path: attrgetter(name) for path, name in names.items()}, record)


def clash(profile: Profile) -> str:
    """What is contradictory about a profile's paths; empty when nothing is."""
    try:
        shape_of(profile)
    except PathClash as error:
        return str(error)
    return ""


def _leaves(profile: Profile) -> list[tuple[Path, _Leaf]]:
    found: list[tuple[Path, _Leaf]] = []
    for f in profile.fields:
        type_ = _TYPES[f.meaning.kind]
        if profile.samples is not None:
            type_ = GenericAlias(list, (type_,)) | type_
        found.append((f.path, _Leaf(type_, f.optional)))
        if f.unit_path is not None:
            found.append((f.unit_path, _Leaf(_Name, f.optional)))
    if profile.samples is not None and profile.samples.path is not None:
        found.append((profile.samples.path, _Leaf(float, optional=False)))
    if profile.device_path is not None:
        found.append((profile.device_path, _Leaf(_Name, optional=False)))
    if profile.time_path is not None:
        is_text = profile.time_unit == "iso8601"
        found.append(
            (profile.time_path, _Leaf(Annotated[datetime, Meta(tz=True)] if is_text else float, optional=False))
        )
    if profile.id_path is not None:
        found.append((profile.id_path, _Leaf(_Id, optional=False)))
    return found


def _plant(branch: _Branch, path: Path, leaf: _Leaf) -> None:
    dotted = ".".join(path)
    for step in path[:-1]:
        below = branch.members.setdefault(step, _Branch())
        if isinstance(below, _Leaf):
            raise PathClash(f"`{dotted}` goes through a value")
        branch = below
    if not path:
        raise PathClash("an empty path is the payload itself, which is no value")
    known = branch.members.setdefault(path[-1], leaf)
    if known != leaf:
        raise PathClash(f"`{dotted}` is wanted as two different things")


def _build(branch: _Branch, path: Path, names: dict[Path, str], prefix: str = "") -> Any:
    required: list[Any] = []
    optional: list[Any] = []
    rename: dict[str, str] = {}
    for i, (name, member) in enumerate(branch.members.items()):
        own = f"m{i}"
        rename[own] = name
        if isinstance(member, _Leaf):
            names[*path, name] = prefix + own
            if member.optional:
                optional.append((own, member.type | None, None))
            else:
                required.append((own, member.type))
            continue
        below = _build(member, (*path, name), names, f"{prefix}{own}.")
        if _is_optional(member):
            optional.append((own, below, msgspec.field(default_factory=below)))
        else:
            required.append((own, below))
    return msgspec.defstruct("Payload", required + optional, rename=rename, gc=False)


def _is_optional(branch: _Branch) -> bool:
    return all(m.optional if isinstance(m, _Leaf) else _is_optional(m) for m in branch.members.values())


def _record_type(r: Records) -> tuple[Any, dict[str, Getter]]:
    members = {r.value: float | None, r.bool_value: bool | None, r.text_value: str | None}
    if r.unit is not None:
        members[r.unit] = str | None
    if r.time is not None:
        members[r.time] = float | None
    fields: list[Any] = [("m0", _Name)]
    rename = {"m0": r.name}
    for i, (name, type_) in enumerate(members.items(), 1):
        fields.append((f"m{i}", type_, None))
        rename[f"m{i}"] = name
    struct = msgspec.defstruct("Record", fields, rename=rename, gc=False)
    return struct, {name: attrgetter(own) for own, name in rename.items()}


def _itself(payload: Any) -> Any:
    return payload
