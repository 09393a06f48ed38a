"""SenML (RFC 8428), JSON and CBOR: packs resolved record by record.

A record's name is its base name and its own; names whose base is a URN (`urn:dev:…`, RFC 9039) or that come on a topic
without a device are split into a device, the base, and what it measures; without a base the topic is the device. A
field that ends in `_` must be understood (§4.4), and none is known here, so it refuses the pack.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.formats.packed import decode_cbor
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import NO_TIME, Origin, Sink
from holdfast.codecs.topics import joined
from holdfast.model.series import Kind

_VERSION = 10
_DEVICE_URN = re.compile(r"\A(urn:dev:[a-z]+:[^:_/]+)(?:[:_/]+(.*))?\Z", re.DOTALL)
"""A device and, behind `_` (RFC 9039 §3.2.3) or what SenML's names allow instead, its part."""
_RELATIVE = 2**28
"""Times below it count from now (§4.5.3)."""
_LABELS = {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb"}
_LABELS |= {5: "s", 6: "t", 7: "ut", 8: "vd"}
"""CBOR labels, §6 table 4."""
_LATEST_S = 4_102_444_800


@dataclass(slots=True)
class _Base:
    """The base values in force."""

    name: str = ""
    time: float = 0.0
    unit: str | None = None
    value: float | None = None
    sum: float | None = None


class SenmlSource:
    """Reads packs; CBOR is told from JSON by its first byte, an array of either."""

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the pack's readings into `sink`.

        Raises:
            Refused: when it's no SenML, or says something that must be understood.
        """
        del message
        is_cbor = payload[:1] >= b"\x80"
        pack = decode_cbor(payload) if is_cbor else decode_json(payload)
        if not isinstance(pack, list):
            wrong("a SenML pack is an array of records")
        base = _Base()
        version: int | None = None
        for raw in pack:
            if not isinstance(raw, dict):
                wrong("a SenML record is an object")
            record = {_LABELS.get(k, k): v for k, v in raw.items()} if is_cbor else raw
            version = _check(record, version)
            _rebase(base, record)
            self._record(record, base, origin, sink)

    def _record(self, record: dict[Any, Any], base: _Base, origin: Origin, sink: Sink) -> None:
        own = _typed(record, "n", str, "")
        if not own and not any(key in record for key in ("v", "vs", "vb", "vd", "s")):
            return  # base values only
        device, name = _names(base.name, own, origin)
        time = _time(base.time + _number(record, "t", 0.0), origin)
        unit = _typed(record, "u", str, None)
        unit = base.unit if unit is None else unit
        told = [key for key in ("v", "vs", "vb", "vd") if key in record]
        if len(told) > 1:
            wrong("a record has one value: v, vs, vb or vd")
        has_sum = "s" in record or (base.sum is not None and bool(own))
        if told and told != ["v"]:
            _other(told[0], record, sink, (device, name, unit, time))
        elif told or (base.value is not None and own):
            sink.add(device, name, _finite(_number(record, "v", 0.0) + (base.value or 0.0)), Kind.FLOAT, unit, time)
        elif not has_sum:
            raise Refused(RejectReason.MISSING_FIELD, f"`{name}` has neither value nor sum")
        if has_sum:
            total = _finite(_number(record, "s", 0.0) + (base.sum or 0.0))
            sink.add(device, f"{name}.sum", total, Kind.FLOAT, "J" if unit == "W" else None, time)


def _other(key: str, record: dict[Any, Any], sink: Sink, where: tuple[str, str, str | None, int]) -> None:
    """A value that is no number: text or a bool; data are skipped."""
    device, name, unit, time = where
    if key == "vd":
        sink.skip("data_value")
    elif key == "vb":
        sink.add(device, name, _typed(record, key, bool, None), Kind.BOOL, unit, time)
    else:
        sink.add(device, name, _typed(record, key, str, ""), Kind.TEXT, unit, time)


def _check(record: dict[Any, Any], version: int | None) -> int | None:
    """What must be understood is (§4.4), and the version is known and everywhere the same (§4.1)."""
    for key in record:
        if isinstance(key, str) and key.endswith("_"):
            raise Refused(RejectReason.UNSUPPORTED, f"the field `{key}` must be understood (RFC 8428 §4.4) and isn't")
    if "bver" not in record:
        return version
    said = record["bver"]
    if isinstance(said, bool) or not isinstance(said, int) or said < 1:
        wrong("`bver` is no version")
    if said > _VERSION:
        raise Refused(RejectReason.UNSUPPORTED, f"SenML version {said}; {_VERSION} is the latest known")
    if version is not None and said != version:
        wrong("`bver` differs between records")
    return said


def _rebase(base: _Base, record: dict[Any, Any]) -> None:
    base.name = _typed(record, "bn", str, base.name)
    base.time = _number(record, "bt", base.time)
    base.unit = _typed(record, "bu", str, base.unit)
    if "bv" in record:
        base.value = _number(record, "bv", 0.0)
    if "bs" in record:
        base.sum = _number(record, "bs", 0.0)


def _names(base: str, own: str, origin: Origin) -> tuple[str, str]:
    whole = base + own
    if not whole:
        raise Refused(RejectReason.MISSING_FIELD, "a record has no name: neither `bn` nor `n`")
    if len(whole) > 512:
        wrong("a name is longer than 512 characters")
    if origin.device and not base.startswith("urn:"):
        return origin.device, whole
    urn = _DEVICE_URN.match(whole)
    if urn is not None:
        return joined(urn[1]), urn[2] or "value"
    head, name = _split(base, own)
    if not head:  # then the topic's levels below the fixed ones tell devices apart
        head = "/".join(filter(None, origin.captures.get("rest", "").split("/")))
    if not head:
        raise Refused(RejectReason.UNKNOWN_DEVICE, "no device: neither a base name nor a {device} level of the topic")
    return joined(head), name or whole


def _split(base: str, own: str) -> tuple[str, str]:
    """(device, what it measures) of a name; the device "" where it names none."""
    head, name = base.rstrip(":/_-."), own
    if head and name:
        return head, name
    whole = base + own
    cut = max(whole.rfind(":"), whole.rfind("/"))
    if cut > 0:
        return whole[:cut], whole[cut + 1 :]
    return (base, "value") if base else ("", own)


def _time(seconds: float, origin: Origin) -> int:
    if seconds == 0:
        return NO_TIME
    if seconds < _RELATIVE:
        ns = origin.received_ns + round(seconds * 1_000_000) * 1000
    else:
        ns = round(seconds * 1_000_000) * 1000
    if not 0 <= ns < _LATEST_S * 1_000_000_000:
        wrong("the time is before 1970 or after 2100")
    return ns


def _number(record: dict[Any, Any], key: str, default: float) -> float:
    value = record.get(key, default)
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        wrong(f"`{key}` is no number")
    try:
        return _finite(float(value))
    except (OverflowError, ValueError):
        wrong(f"`{key}` is beyond float64")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Refused(RejectReason.NOT_A_NUMBER, "a value is not a finite number")
    return value


def _typed(record: dict[Any, Any], key: str, type_: Any, default: Any) -> Any:
    if key not in record:
        return default
    value = record[key]
    if not isinstance(value, type_):
        wrong(f"`{key}` is no {'text' if type_ is str else 'bool'}")
    return value
