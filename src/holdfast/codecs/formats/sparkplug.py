"""Sparkplug B (Eclipse Sparkplug 3.0.0): births give metrics their names, types and aliases; data follow them.

The device is `group:node` or `group:node:device`. Data that come before the birth they rely on are refused, as the
specification wants: after a restart of this program that's so until the next birth.
Data sets, templates, arrays, bytes and files are skipped and counted. Needs the extra `protobuf`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.refused import Refused, malformed, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.settings import Scalar
from holdfast.codecs.sink import DEVICE_SAID_BAD, DEVICE_SAID_UNCERTAIN, NO_TIME, NOT_A_NUMBER, Origin, Sink
from holdfast.codecs.times import LATEST_US
from holdfast.codecs.topics import joined
from holdfast.model.series import Kind

_MAX_METRICS = 10_000
_MAX_NODES = 20_000
_MAX_REMEMBERED = 1_000_000
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_FLOAT, _DOUBLE, _BOOLEAN, _DATETIME, _TEXTS = 9, 10, 11, 13, frozenset((12, 14, 15))
_SKIPPED = {16: "dataset", 17: "bytes", 18: "file", 19: "template", 20: "property_set", 21: "property_set"}
_SKIPPED |= dict.fromkeys(range(22, 35), "array")
_GOOD, _STALE = 192, 500
_COMPRESSED = "SPBV1.0_COMPRESSED"
_BIRTHS, _DATA = frozenset(("NBIRTH", "DBIRTH")), frozenset(("NDATA", "DDATA"))
_QUIET = frozenset(("NDEATH", "DDEATH", "NCMD", "DCMD"))


@dataclass(slots=True)
class _Birth:
    """What a birth said: metric by alias, and type and unit by name."""

    names: dict[int, str] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


class SparkplugSource:
    """Reads one namespace's messages; needs the topic's capture `rest` (`spBv1.0/#`)."""

    def __init__(self) -> None:
        self._births: dict[tuple[str, str, str], _Birth] = {}
        self._remembered = 0

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the payload's metrics into `sink`, or learn from a birth or death.

        Raises:
            Refused: when it's no Sparkplug, or its birth isn't known.
        """
        levels = origin.captures.get("rest", "").split("/")
        if levels[0] == "STATE":
            return
        if not 3 <= len(levels) <= 4:
            wrong("a Sparkplug topic is spBv1.0/group/type/node[/device]")
        group, kind, node = levels[:3]
        where = (group, node, levels[3] if len(levels) == 4 else "")
        if bool(where[2]) is not kind.startswith("D"):
            wrong(f"{kind} on a topic of a {'device' if where[2] else 'node'}")
        if kind in _QUIET:
            self._quiet(kind, where)
        elif kind in _BIRTHS:
            self._born(_parsed(payload), message, where, sink)
        elif kind in _DATA:
            birth = self._births.get(where)
            if birth is None:
                raise Refused(RejectReason.NO_BIRTH, f"no {kind[0]}BIRTH of {'/'.join(filter(None, where))} is known")
            self._metrics(_parsed(payload), message, birth, where, sink)
        else:
            wrong(f"`{kind[:20]}` is no Sparkplug message type")

    def _born(self, payload: Any, message: int, where: tuple[str, str, str], sink: Sink) -> None:
        birth = _Birth()
        for metric in payload.metrics:
            if not metric.HasField("name") or not metric.name:
                wrong("a birth's metric has no name")
            birth.types[metric.name] = metric.datatype
            if metric.HasField("alias"):
                if metric.alias in birth.names:
                    wrong(f"alias {metric.alias} stands for two metrics")
                birth.names[metric.alias] = metric.name
            unit = _property(metric, "engUnit")
            if isinstance(unit, str) and unit:
                birth.units[metric.name] = unit[:64]
        self._metrics(payload, message, birth, where, sink)
        if not where[2]:  # a node's birth ends its devices' sessions
            self._forget(key for key in list(self._births) if key[:2] == where[:2])
        self._remember(where, birth)

    def _remember(self, where: tuple[str, str, str], birth: _Birth) -> None:
        self._forget((where,))
        self._births[where] = birth
        self._remembered += len(birth.types)
        while len(self._births) > _MAX_NODES or self._remembered > _MAX_REMEMBERED:
            self._forget((next(iter(self._births)),))

    def _quiet(self, kind: str, where: tuple[str, str, str]) -> None:
        if kind == "NDEATH":
            self._forget(key for key in list(self._births) if key[:2] == where[:2])
        elif kind == "DDEATH":
            self._forget((where,))

    def _forget(self, keys: Iterable[tuple[str, str, str]]) -> None:
        for key in keys:
            gone = self._births.pop(key, None)
            self._remembered -= len(gone.types) if gone else 0

    def _metrics(self, payload: Any, message: int, birth: _Birth, where: tuple[str, str, str], sink: Sink) -> None:
        device = joined(*filter(None, where))
        sent = _ns(payload.timestamp) if payload.HasField("timestamp") else NO_TIME
        for metric in payload.metrics:
            name = _name(metric, birth)
            type_ = metric.datatype if metric.HasField("datatype") else birth.types[name]
            if type_ in _SKIPPED:
                sink.skip(_SKIPPED[type_])
                continue
            time = _ns(metric.timestamp) if metric.HasField("timestamp") else sent
            if metric.is_historical:
                sink.historical.add(message)
            code = _quality(metric)
            value, kind = (None, _kind(type_)) if metric.is_null else _value(metric, type_)
            if value is None:
                code = code or NOT_A_NUMBER
            sink.add(device, name, value, kind, birth.units.get(name), time, code)


def _parsed(payload: bytes) -> Any:
    try:
        parsed = PAYLOAD.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        malformed(f"not a Sparkplug payload: {error}")
    if parsed.uuid == _COMPRESSED:
        raise Refused(RejectReason.UNSUPPORTED, "a compressed payload; have the node send it plain")
    if len(parsed.metrics) > _MAX_METRICS:
        raise Refused(RejectReason.TOO_LARGE, f"more than {_MAX_METRICS} metrics")
    return parsed


def _name(metric: Any, birth: _Birth) -> str:
    name: str | None = metric.name or birth.names.get(metric.alias if metric.HasField("alias") else -1)
    if name is None:
        raise Refused(RejectReason.NO_BIRTH, f"alias {metric.alias} isn't in the birth that is known")
    if name not in birth.types:
        raise Refused(RejectReason.NO_BIRTH, f"the metric `{name[:80]}` isn't in the birth that is known")
    return name


def _kind(type_: int) -> Kind:
    if type_ in _TEXTS:
        return Kind.TEXT
    if type_ == _BOOLEAN:
        return Kind.BOOL
    return Kind.FLOAT if type_ in (_FLOAT, _DOUBLE) else Kind.INT


def _value(metric: Any, type_: int) -> tuple[Scalar | None, Kind]:
    """The value by the metric's type; integers are two's complement of their width, in whichever field they came."""
    held = metric.WhichOneof("value")
    if held is None:
        raise Refused(RejectReason.MISSING_FIELD, f"the metric `{metric.name or metric.alias}` has no value")
    raw = getattr(metric, held)
    kind = _kind(type_)
    fits = {
        Kind.TEXT: held == "string_value",
        Kind.BOOL: held == "boolean_value",
        Kind.FLOAT: held in ("float_value", "double_value"),
        Kind.INT: held in ("int_value", "long_value"),
    }[kind]
    if not fits or not (type_ in _SIGNED or type_ in _UNSIGNED or type_ >= _FLOAT):
        wrong(f"the metric `{metric.name or metric.alias}` of type {type_} comes as {held}")
    if kind is Kind.FLOAT and raw - raw != 0:  # NaN or infinite
        return None, kind
    if type_ in _SIGNED:
        bits = _SIGNED[type_]
        raw &= (1 << bits) - 1
        raw -= (raw >> (bits - 1)) << bits
    elif type_ in _UNSIGNED and raw >> _UNSIGNED[type_]:
        wrong(f"the metric `{metric.name or metric.alias}` is beyond {_UNSIGNED[type_]} bits")
    return raw, kind


def _quality(metric: Any) -> int:
    """The property `Quality` (§6.4.14): 192 good, 0 bad, 500 stale."""
    said = _property(metric, "Quality")
    if said is None or said == _GOOD:
        return 0
    return DEVICE_SAID_UNCERTAIN if said == _STALE else DEVICE_SAID_BAD


def _property(metric: Any, name: str) -> Any:
    if not metric.HasField("properties") or name not in metric.properties.keys:
        return None
    at = list(metric.properties.keys).index(name)
    if at >= len(metric.properties.values):
        return None
    value = metric.properties.values[at]
    held = value.WhichOneof("value")
    return None if held is None or value.is_null else getattr(value, held)


def _ns(milliseconds: int) -> int:
    if not 0 <= milliseconds * 1000 < LATEST_US:
        wrong("the time is before 1970 or after 2100: Sparkplug's are milliseconds")
    return milliseconds * 1_000_000
