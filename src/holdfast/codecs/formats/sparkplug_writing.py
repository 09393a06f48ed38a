"""Writing Sparkplug metrics: NCMD and DCMD by what a birth said, and what later messages report of it. Pure.

Sources: Eclipse Sparkplug 3.0.0 §6.4.20 (NCMD), §6.4.21 (DCMD), §6.4.9 (aliases: where a birth has one, a command has
the alias and no name), §6.4.16 (data types). Needs the extra `protobuf`.
"""

import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from holdfast.codecs.formats.sparkplug import bd_seq, birth_of, metric_name, metric_value, parsed
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.formats.sparkplug_sessions import Birth, Node
from holdfast.codecs.refused import Refused
from holdfast.codecs.topics import joined

Scalar = bool | int | float | str
MOST_METRICS = 100
"""That one command may write."""
_TOPIC = re.compile(r"(spBv1\.0)/([^/]+)/([ND](?:BIRTH|DATA|DEATH))/([^/]+)(?:/([^/]+))?")
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_FLOAT, _DOUBLE, _BOOLEAN, _STRING, _DATETIME, _TEXT = 9, 10, 11, 12, 13, 14
_TYPES = {1: "Int8", 2: "Int16", 3: "Int32", 4: "Int64", 5: "UInt8", 6: "UInt16", 7: "UInt32", 8: "UInt64"}
_TYPES |= {9: "Float", 10: "Double", 11: "Boolean", 12: "String", 13: "DateTime", 14: "Text"}
_REBIRTH = "Node Control/Rebirth"
_SHOWN = 12
_params = msgspec.json.Decoder(dict[str, bool | int | float | str])


class WriteInvalid(ValueError):
    """It can't be written; the text says why."""


class Where(NamedTuple):
    """What a topic is about. device: empty = the node itself."""

    space: str
    kind: str
    node: Node
    device: str

    @property
    def address(self) -> str:
        """The device's name, as its readings have it."""
        return joined(*filter(None, (*self.node, self.device)))

    @property
    def command_topic(self) -> str:
        """Where commands to it go."""
        return command_topic(self.space, self.node, self.device)


class Report(NamedTuple):
    """A metric's value as a message reports it. at_ms: when it was, None = not told; value: None = it's null."""

    metric: str
    value: Scalar | None
    at_ms: int | None


class Said(NamedTuple):
    """A message, read. birth: of a birth; bd_seq: of a node's birth or death."""

    birth: Birth | None
    bd_seq: int | None
    reports: tuple[Report, ...] = ()


def where_of(topic: str) -> Where | None:
    """What a topic is about; None = no birth, death or data of Sparkplug."""
    found = _TOPIC.fullmatch(topic)
    if found is None or (found[5] is not None) is not found[3].startswith("D"):
        return None
    return Where(found[1], found[3], (found[2], found[4]), found[5] or "")


def command_topic(space: str, node: Node, device: str) -> str:
    """Where commands to a node or its device go."""
    group, name = node
    return f"{space}/{group}/DCMD/{name}/{device}" if device else f"{space}/{group}/NCMD/{name}"


def said_of(where: Where, payload: bytes, birth: Birth | None) -> Said | None:
    """A message, read with what is known of its metrics; None = it can't be.

    birth: of its device; a birth brings its own
    """
    try:
        message = parsed(payload)
        if where.kind.endswith("BIRTH"):
            birth = birth_of(message)
            return Said(birth, bd_seq(message), tuple(_reports(message, birth)))
        if where.kind.endswith("DEATH"):
            return Said(None, bd_seq(message))
        return Said(None, None, () if birth is None else tuple(_reports(message, birth)))
    except Refused:
        return None


def wanted_of(params: bytes) -> dict[str, Scalar]:
    """A command's parameters: values by metric.

    Raises:
        WriteInvalid: when they're something else.
    """
    try:
        wanted: dict[str, Scalar] = _params.decode(params)
    except msgspec.MsgspecError as error:
        raise WriteInvalid(f'the parameters can\'t be written: {error}; as {{"metric": value}}') from None
    if not 1 <= len(wanted) <= MOST_METRICS:
        raise WriteInvalid(f"name 1 to {MOST_METRICS} metrics, not {len(wanted)}")
    return wanted


def command(wanted: Mapping[str, Scalar], birth: Birth, at_ms: int, address: str) -> bytes:
    """The payload that writes these values.

    Raises:
        WriteInvalid: a metric isn't in the birth, or a value isn't of its type.
    """
    payload, aliases = PAYLOAD(timestamp=at_ms), {name: alias for alias, name in birth.names.items()}
    for name, value in wanted.items():
        if name not in birth.types:
            known = ", ".join(sorted(birth.types)[:_SHOWN]) + (" …" if len(birth.types) > _SHOWN else "")
            raise WriteInvalid(f"{address} has no metric `{name[:80]}`; its birth named {known}")
        type_ = birth.types[name]
        metric = payload.metrics.add(datatype=type_, timestamp=at_ms)
        if name in aliases:
            metric.alias = aliases[name]
        else:
            metric.name = name
        _put(metric, name, value, type_)
    written: bytes = payload.SerializeToString()
    return written


def rebirth(at_ms: int) -> bytes:
    """The payload that asks a node for its births (§6.4.20: always by name)."""
    payload = PAYLOAD(timestamp=at_ms)
    payload.metrics.add(name=_REBIRTH, datatype=_BOOLEAN, boolean_value=True, timestamp=at_ms)
    written: bytes = payload.SerializeToString()
    return written


def is_same(wanted: Scalar, found: Scalar | None, type_: int) -> bool:
    """Is a reported value the one that was written, as far as its type can hold it?"""
    if found is None or isinstance(wanted, str) or isinstance(found, str):
        return wanted == found
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if type_ == _FLOAT and _holds(wanted, _FLOAT):
        single: float = struct.unpack("<f", struct.pack("<f", wanted))[0]
        return math.isclose(single, found, rel_tol=1e-6)
    return wanted == found


def _reports(message: Any, birth: Birth) -> Iterator[Report]:
    sent = message.timestamp if message.HasField("timestamp") else None
    for metric in message.metrics:
        name = metric_name(metric, birth)
        type_ = metric.datatype if metric.HasField("datatype") else birth.types[name]
        if metric.is_historical or type_ not in _TYPES:
            continue
        value = None if metric.is_null else metric_value(metric, type_)[0]
        yield Report(name, value, metric.timestamp if metric.HasField("timestamp") else sent)


def _put(metric: Any, name: str, value: Scalar, type_: int) -> None:
    """The value in the field of its type; integers as two's complement of 32 or 64 bits (§6.4.16)."""
    if type_ == _BOOLEAN and isinstance(value, bool):
        metric.boolean_value = value
    elif type_ in (_STRING, _TEXT) and isinstance(value, str):
        metric.string_value = value
    elif type_ in (_FLOAT, _DOUBLE) and not isinstance(value, bool | str) and _holds(value, type_):
        if type_ == _FLOAT:
            metric.float_value = value
        else:
            metric.double_value = value
    elif (bits := _bits(type_)) and (whole := _whole(value)) is not None and _fits(whole, type_):
        if bits == 64:  # bits
            metric.long_value = whole & (2**64 - 1)
        else:
            metric.int_value = whole & (2**32 - 1)
    else:
        raise WriteInvalid(f"`{name[:80]}` is of type {_TYPES.get(type_, type_)}: {value!r:.60} isn't")


def _bits(type_: int) -> int:
    return 64 if type_ == _DATETIME else _SIGNED.get(type_, 0) or _UNSIGNED.get(type_, 0)


def _whole(value: Scalar) -> int | None:
    """A whole number; JSON may have written it with a point."""
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fits(value: int, type_: int) -> bool:
    if type_ in _SIGNED:
        half = 1 << (_SIGNED[type_] - 1)
        return -half <= value < half
    return 0 <= value < 1 << _bits(type_)


def _holds(value: float, type_: int) -> bool:
    try:
        struct.pack("<f" if type_ == _FLOAT else "<d", value)
        return math.isfinite(value)
    except (OverflowError, struct.error):
        return False
