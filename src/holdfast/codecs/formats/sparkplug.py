"""Sparkplug B (Eclipse Sparkplug 3.0.0): births give metrics their names, types and aliases; data follow them.

The device is `group:node` or `group:node:device`. Data that come before the birth they rely on are refused, as the
specification wants, and the node is asked for a rebirth; so it is after a gap in its numbers. A death makes all metrics
of who died bad. Data sets, templates, arrays, bytes and files are skipped and counted. Needs the extra `protobuf`.
"""

import zlib
from typing import Any, NamedTuple, NoReturn

from google.protobuf.message import DecodeError

from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.formats.sparkplug_sessions import Birth, Node, Sessions
from holdfast.codecs.parsing import MAX_BYTES
from holdfast.codecs.refused import Refused, malformed, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import (
    DEVICE_SAID_BAD,
    DEVICE_SAID_UNCERTAIN,
    MAX_READINGS,
    NO_TIME,
    NOT_A_NUMBER,
    OFFLINE,
    Origin,
    Sink,
)
from holdfast.codecs.times import LATEST_US
from holdfast.codecs.topics import joined
from holdfast.kernel.clock import NS_PER_MS
from holdfast.model.points import Scalar
from holdfast.model.series import Kind

_MAX_METRICS = 10_000
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_FLOAT, _DOUBLE, _BOOLEAN, _DATETIME, _TEXTS = 9, 10, 11, 13, frozenset((12, 14, 15))
_SKIPPED = {16: "dataset", 17: "bytes", 18: "file", 19: "template", 20: "property_set", 21: "property_set"}
_SKIPPED |= dict.fromkeys(range(22, 35), "array")
_GOOD, _STALE = 192, 500
_COMPRESSED = "SPBV1.0_COMPRESSED"
_BIRTHS, _DATA = frozenset(("NBIRTH", "DBIRTH")), frozenset(("NDATA", "DDATA"))
_DEATHS, _COMMANDS = frozenset(("NDEATH", "DDEATH")), frozenset(("NCMD", "DCMD"))
_KINDS = _BIRTHS | _DATA | _DEATHS | _COMMANDS
_BD_SEQ, _REBIRTH = "bdSeq", "Node Control/Rebirth"


class _Where(NamedTuple):
    """What a topic says. device: "" = the node itself."""

    kind: str
    node: Node
    device: str

    @property
    def path(self) -> str:
        """For people."""
        return "/".join(filter(None, (*self.node, self.device)))

    @property
    def name(self) -> str:
        """The device's name here."""
        return joined(*filter(None, (*self.node, self.device)))


class SparkplugSource:
    """Reads one namespace's messages; needs the topic's capture `rest` (`spBv1.0/#`)."""

    def __init__(self, ask_every_ns: int = 0) -> None:
        """ask_every_ns: a node is asked for a rebirth at most once in so long; 0 = never."""
        self._sessions = Sessions(ask_every_ns)

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the payload's metrics into `sink`, or learn from a birth or death.

        Raises:
            Refused: when it's no Sparkplug, or its birth isn't known.
        """
        levels = origin.captures.get("rest", "").split("/")
        if levels[0] == "STATE":
            return
        where = _where(levels)
        if where.kind in _COMMANDS:
            return
        said = parsed(payload)
        if where.kind in _BIRTHS:
            self._born(said, message, where, sink)
        if where.kind != "NDEATH":
            self._count(said, message, where, origin, sink)
        if where.kind in _DEATHS:
            self._died(said, where, sink)
        elif where.kind in _DATA:
            self._data(said, message, where, origin, sink)

    def _count(self, payload: Any, message: int, where: _Where, origin: Origin, sink: Sink) -> None:
        """Ask for a rebirth where messages before this one are missing, or the node's birth."""
        follows = self._sessions.follows(where.node, payload.seq if payload.HasField("seq") else None)
        if not follows:
            sink.skip("sequence_gap")
        if not follows or not self._sessions.is_known(where.node):
            self._ask(where.node, message, origin, sink)

    def _born(self, payload: Any, message: int, where: _Where, sink: Sink) -> None:
        birth = birth_of(payload)
        self._metrics(payload, message, birth, where.name, sink)
        self._sessions.born(where.node, where.device, birth, bd_seq(payload))

    def _data(self, payload: Any, message: int, where: _Where, origin: Origin, sink: Sink) -> None:
        try:
            birth = self._sessions.birth(where.node, where.device) or _unborn(where)
            self._metrics(payload, message, birth, where.name, sink)
        except Refused as refusal:
            if refusal.reason is RejectReason.NO_BIRTH:
                self._ask(where.node, message, origin, sink)
            raise

    def _died(self, payload: Any, where: _Where, sink: Sink) -> None:
        """Nobody knows a value any more (§5.6, §5.7). An NDEATH was written before its session, so its time is ours."""
        at = _ns(payload.timestamp) if where.device and payload.HasField("timestamp") else NO_TIME
        left = MAX_READINGS
        for name, birth in self._sessions.died(where.node, where.device, bd_seq(payload)):
            who = joined(*filter(None, (*where.node, name)))
            for metric, type_ in birth.types.items():
                if type_ in _SKIPPED:
                    continue
                if not left:
                    sink.skip("stale_metric")
                    continue
                left -= 1
                sink.add(who, metric, None, _kind(type_), birth.units.get(metric), at, OFFLINE)

    def _ask(self, node: Node, message: int, origin: Origin, sink: Sink) -> None:
        """Ask for a rebirth (§6.4.20), unless that was done just now."""
        if self._sessions.may_ask(node, origin.received_ns):
            command = PAYLOAD(timestamp=origin.received_ns // NS_PER_MS)
            command.metrics.add(name=_REBIRTH, datatype=_BOOLEAN, boolean_value=True, timestamp=command.timestamp)
            space = origin.topic.partition("/")[0]
            sink.reply(message, f"{space}/{node[0]}/NCMD/{node[1]}", command.SerializeToString())

    def _metrics(self, payload: Any, message: int, birth: Birth, device: str, sink: Sink) -> None:
        sent = _ns(payload.timestamp) if payload.HasField("timestamp") else NO_TIME
        for metric in payload.metrics:
            name = metric_name(metric, birth)
            type_ = metric.datatype if metric.HasField("datatype") else birth.types[name]
            if type_ in _SKIPPED:
                sink.skip(_SKIPPED[type_])
                continue
            time = _ns(metric.timestamp) if metric.HasField("timestamp") else sent
            if metric.is_historical:
                sink.historical.add(message)
            code = _quality(metric)
            value, kind = (None, _kind(type_)) if metric.is_null else metric_value(metric, type_)
            if value is None:
                code = code or NOT_A_NUMBER
            sink.add(device, name, value, kind, birth.units.get(name), time, code)


def _where(levels: list[str]) -> _Where:
    if not 3 <= len(levels) <= 4:
        wrong("a Sparkplug topic is spBv1.0/group/type/node[/device]")
    group, kind, node = levels[:3]
    device = levels[3] if len(levels) == 4 else ""
    if bool(device) is not kind.startswith("D"):
        wrong(f"{kind} on a topic of a {'device' if device else 'node'}")
    if kind not in _KINDS:
        wrong(f"`{kind[:20]}` is no Sparkplug message type")
    return _Where(kind, (group, node), device)


def _unborn(where: _Where) -> NoReturn:
    raise Refused(RejectReason.NO_BIRTH, f"no {where.kind[0]}BIRTH of {where.path} is known")


def birth_of(payload: Any) -> Birth:
    """What a birth says of metrics.

    Raises:
        Refused: when a metric has no name, or two share an alias.
    """
    birth = Birth()
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
    return birth


def parsed(payload: bytes) -> Any:
    """A payload as a protobuf message, unpacked where it's compressed.

    Raises:
        Refused: when it's none, or too large.
    """
    found = _message(payload)
    if found.uuid == _COMPRESSED:
        found = _message(_inflated(found.body))
    if found.uuid == _COMPRESSED:
        raise Refused(RejectReason.UNSUPPORTED, "a compressed payload within a compressed payload")
    if len(found.metrics) > _MAX_METRICS:
        raise Refused(RejectReason.TOO_LARGE, f"more than {_MAX_METRICS} metrics")
    return found


def _message(payload: bytes) -> Any:
    try:
        return PAYLOAD.FromString(payload)
    except (DecodeError, UnicodeDecodeError) as error:
        malformed(f"not a Sparkplug payload: {error}")


def _inflated(body: bytes) -> bytes:
    """What Cirrus Link's clients compress, DEFLATE or GZIP, as the stream's head tells; at most a payload's size."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        whole = stream.decompress(body, MAX_BYTES)
        if stream.unconsumed_tail and not stream.eof:
            raise Refused(RejectReason.TOO_LARGE, f"over {MAX_BYTES} bytes once it is decompressed")
    except zlib.error as error:
        malformed(f"the compressed payload is damaged: {error}")
    if not stream.eof:
        malformed("the compressed payload is cut off")
    return whole


def metric_name(metric: Any, birth: Birth) -> str:
    """A metric's name, by itself or by its alias.

    Raises:
        Refused: when the birth doesn't know it.
    """
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


def metric_value(metric: Any, type_: int) -> tuple[Scalar | None, Kind]:
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


def bd_seq(payload: Any) -> int | None:
    """The number that ties a node's death to its birth (§6.4.6)."""
    for metric in payload.metrics:
        if metric.name == _BD_SEQ:
            held = metric.WhichOneof("value")
            return int(getattr(metric, held)) if held in ("int_value", "long_value") else None
    return None


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
