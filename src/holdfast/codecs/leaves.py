"""Objects whose values name themselves: the leaves of a decoded object become readings by the profile's map."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from holdfast.codecs.announced import Announced
from holdfast.codecs.formats.text import number_in
from holdfast.codecs.instants import to_ns
from holdfast.codecs.naming import Bound, Naming, fill
from holdfast.codecs.profiles import Decode, Open, Profile
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import MAX_TEXT, NO_TIME, Origin, Sink
from holdfast.codecs.topics import DEVICE, LAST_LEVEL, joined
from holdfast.model.points import Scalar
from holdfast.model.series import Kind

MAX_DEPTH = 32
MAX_NODES = 20_000
_SENDERS = 100_000
_WORDS = {"true": True, "false": False, "null": None}
Leaves = dict[str, Any]


class ObjectSource:
    """Reads objects: JSON, CBOR, MessagePack, binary layouts, protobuf messages."""

    def __init__(self, profile: Profile, open_: Open, decode: Decode, naming: Naming, announced: Announced) -> None:
        self._profile, self._roots, self._naming = profile, open_.roots, naming
        self._name = None if open_.name in ("", "{name}") else open_.name
        self._decode, self._announced = decode, announced
        self._is_text = profile.format == "csv"
        self._scalar = open_.scalar
        self._senders: set[str] = set()
        self._device = None if profile.device_path is None else ".".join(profile.device_path)
        self._time = None if profile.time_path is None else ".".join(profile.time_path)
        self._id = None if profile.id_path is None else ".".join(profile.id_path)

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the payload's readings into `sink`.

        Raises:
            Refused: when it can't be taken.
        """
        if self._is_scalar(payload, origin):
            self._one(payload, message, origin, sink)
            return
        decoded = self._decode(payload)
        if self._scalar == LAST_LEVEL and len(self._senders) < _SENDERS:
            self._senders.add(origin.device)
        for root in self._roots:
            if isinstance(decoded, dict) and isinstance(decoded.get(root), dict | list):
                decoded = decoded[root]
                break
        for item in decoded if isinstance(decoded, Rows) else (decoded,):
            self._object(item, message, origin, sink)

    def _is_scalar(self, payload: bytes, origin: Origin) -> bool:
        """Is it one value? Of a device without a further level it can't be, unless the value is taken back."""
        if self._scalar is None or payload.lstrip()[:1] in (b"{", b"["):
            return False
        return not payload or self._scalar != LAST_LEVEL or "/" in origin.captures[DEVICE]

    def _one(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """A payload that's no object: one value, or none where it's empty, as a retained message that is taken back."""
        if not payload:
            return
        if len(payload) > MAX_TEXT:
            raise Refused(RejectReason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_TEXT} are taken as one value")
        name, text = self._scalar or "", payload.decode().strip()
        if name == LAST_LEVEL:
            *levels, name = origin.captures[DEVICE].split("/")
            origin = replace(origin, device=joined(*levels))
            if origin.device in self._senders:
                sink.skip("told_twice")
                return
        self._object({name: _plain(text)}, message, origin, sink)

    def _object(self, decoded: Any, message: int, origin: Origin, sink: Sink) -> None:
        leaves = flatten(decoded)
        device = origin.device if self._device is None else _text(leaves, self._device)
        time = NO_TIME if self._time is None else self._told(leaves, self._time)
        if self._id is not None:
            sink.ids[message] = (device, _id(leaves, self._id))
        for known in (self._time, self._device, self._id):
            leaves.pop(known or "", None)
        if self._name is not None:
            template, captures = self._name, origin.captures
            leaves = {fill(template, {**captures, "name": path}): value for path, value in leaves.items()}
        for name, value in leaves.items():
            if value is not None and self._naming.is_wanted(name):
                self._leaf(name, value, leaves, device, time, origin, sink)

    def _told(self, leaves: Leaves, path: str) -> int:
        if path in leaves:
            return to_ns(leaves[path], self._profile.time_unit, self._profile.zone)
        if self._profile.time_optional:
            return NO_TIME
        raise Refused(RejectReason.MISSING_FIELD, f"Object missing required field `{path}`")

    def _leaf(self, name: str, value: Any, leaves: Leaves, device: str, time: int, origin: Origin, sink: Sink) -> None:
        bound, unit = self._naming.bound(name), None
        if self._is_text and bound is None:
            number = number_in(value)
            value = value if number is None else number
        if bound is not None and bound.is_conditional:
            captures = {**origin.captures, **bound.captures}
            if bound.rule.unless is not None and leaves.get(fill(bound.rule.unless, captures)) is not None:
                return
            unit, time = self._said(bound, leaves, time, captures)
        if unit is None:
            unit = self._announced_unit(device, name, bound, leaves, origin)
        if isinstance(value, bool):
            sink.add(device, name, value, Kind.BOOL, unit, time)
        elif isinstance(value, str):
            sink.add(device, name, value, Kind.TEXT, unit, time)
        elif isinstance(value, int | float | Decimal | Fraction):
            sink.add(device, name, _finite(name, value), Kind.FLOAT, unit, time)
        else:
            sink.skip("no_scalar")

    def _said(self, bound: Bound, leaves: Leaves, time: int, captures: Mapping[str, str]) -> tuple[str | None, int]:
        """What the payload tells of a value's unit and time."""
        rule, unit = bound.rule, None
        if rule.unit_path is not None:
            said = leaves.get(fill(rule.unit_path, captures))
            unit = said if isinstance(said, str) else None
        if rule.time_path is not None:
            told = leaves.get(fill(rule.time_path, captures))
            if told is not None:
                time = to_ns(told, self._profile.time_unit, self._profile.zone)
        return unit, time

    def _announced_unit(
        self, device: str, name: str, bound: Bound | None, leaves: Leaves, origin: Origin
    ) -> str | None:
        """The unit that the device's description says, else one that the payload's other members imply."""
        known = self._announced.get(device, name)
        if known is not None and known.unit:
            return known.unit
        for path, unit in () if bound is None else bound.rule.unit_when:
            if fill(path, {**origin.captures, **(bound.captures if bound else {})}) in leaves:
                return unit
        return None


class Rows(list[Any]):
    """Several objects of one payload, each with a time of its own (CSV)."""


def flatten(decoded: Any) -> Leaves:
    """The leaves of an object by their dotted paths; members of arrays by number.

    Raises:
        Refused: when it's no object, nests too deep or has too many members.
    """
    if not isinstance(decoded, dict | list):
        wrong("the payload is no object")
    out: Leaves = {}
    stack: list[tuple[str, Any, int]] = [("", decoded, 0)]
    nodes = 0
    while stack:
        path, node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
        members = node.items() if isinstance(node, dict) else enumerate(node)
        nodes += len(node)
        if nodes > MAX_NODES:
            raise Refused(RejectReason.TOO_LARGE, f"more than {MAX_NODES} members")
        below: list[tuple[str, Any, int]] = []
        for key, value in members:
            name = f"{path}{key}"
            if isinstance(value, dict | list):
                below.append((f"{name}.", value, depth + 1))
            else:
                out[name] = value
        stack.extend(reversed(below))
    return out


def _plain(text: str) -> Scalar | None:
    """A value outside of any object: as JSON has it, or a word."""
    if text in _WORDS:
        return _WORDS[text]
    number = number_in(text)
    return text if number is None else number


def _finite(name: str, value: "int | float | Decimal | Fraction") -> Scalar:
    try:
        number = float(value)
    except (OverflowError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise Refused(RejectReason.NOT_A_NUMBER, f"`{name[:80]}` is not a finite number")
    return number


def _text(leaves: Leaves, path: str) -> str:
    value = leaves.get(path)
    if value is None:
        raise Refused(RejectReason.MISSING_FIELD, f"Object missing required field `{path}`")
    if isinstance(value, bool) or not isinstance(value, str | int):
        wrong(f"`{path}` is no name")
    return str(value)


def _id(leaves: Leaves, path: str) -> int | str:
    value = leaves.get(path)
    if value is None:
        raise Refused(RejectReason.MISSING_FIELD, f"Object missing required field `{path}`")
    if isinstance(value, datetime | bool) or not isinstance(value, str | int):
        wrong(f"`{path}` is no message id")
    return value
