"""A resource's payload as values of points, and a value as a payload. Pure.

A point is all of a payload (text, or a scalar in JSON or CBOR) or its `record`: of a SenML pack (RFC 8428) the record
of that name, with or without its base name; of a JSON or CBOR object the field at that path (`air.temperature`).
"""

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Literal, NamedTuple, NoReturn

import cbor2
import msgspec

from holdfast.adapters.coap.errors import CoapFaulted

Scalar = bool | int | float | str
WriteFormat = Literal["text", "json", "cbor", "senml-json", "senml-cbor"]
NUMBERS: Mapping[WriteFormat, int] = {"text": 0, "json": 50, "cbor": 60, "senml-json": 110, "senml-cbor": 112}
"""Content-Formats."""
_CBOR, _SENML = (60, 112), (110, 112)
_LABELS = {-2: "bn", -3: "bt", -5: "bv", 0: "n", 2: "v", 3: "vs", 4: "vb", 6: "t"}
_RELATIVE = 2**28
_LATEST_S = 4_102_444_800
_LONGEST_TEXT = 4_096
_DEEP = 32


class Read(NamedTuple):
    """A value as read. ts_ns: when, by the device; None = it doesn't say."""

    value: Scalar
    ts_ns: int | None = None


def read(payload: bytes, kind: int | None, records: Mapping[str, str], now_ns: int) -> dict[str, Read]:
    """The values of a payload: point to value. What the payload doesn't have is left out.

    kind: the Content-Format, None = not told, which is text; records: point to `record`, "" = all of the payload

    Raises:
        CoapFaulted: when it isn't what its format says, or a point's value is no scalar.
    """
    tree = _tree(payload, kind)
    pack = _pack(tree, now_ns) if isinstance(tree, list) and (kind in _SENML or _looks_senml(tree)) else None
    found: dict[str, Read] = {}
    for point, record in records.items():
        if pack is None:
            value = _field(tree, record)
            one = None if value is None else Read(_scalar(value, point))
        elif record:
            one = pack.get(record)
        else:  # the pack's only record
            one = next(iter(pack.values())) if pack else None
        if one is not None:
            found[point] = one
    return found


def written(value: Scalar, form: WriteFormat, record: str) -> bytes:
    """A value as a payload."""
    match form:
        case "text":
            return (("true" if value else "false") if isinstance(value, bool) else f"{value}").encode()
        case "json":
            return msgspec.json.encode(value)
        case "cbor":
            return cbor2.dumps(value)
        case "senml-json":
            return msgspec.json.encode([{"n": record or "value", _key(value): value}])
        case "senml-cbor":
            return cbor2.dumps([{0: record or "value", {"v": 2, "vs": 3, "vb": 4}[_key(value)]: value}])


def _key(value: Scalar) -> str:
    return "vb" if isinstance(value, bool) else "vs" if isinstance(value, str) else "v"


def _tree(payload: bytes, kind: int | None) -> Any:
    try:
        if kind in _CBOR:
            return cbor2.CBORDecoder(BytesIO(payload), max_depth=_DEEP, semantic_decoders=_TAGS).decode()
        if kind in (50, 110):
            return msgspec.json.decode(payload)
        return _plain(payload.decode())
    except (ValueError, TypeError, OverflowError, RecursionError, cbor2.CBORError, msgspec.MsgspecError) as error:
        what = "CBOR" if kind in _CBOR else "JSON" if kind in (50, 110) else "text"
        raise CoapFaulted(f"the payload is no {what}: {error}"[:200], "See what the device sends") from None


def _refuse(*_: Any) -> NoReturn:
    raise CoapFaulted("CBOR with references or patterns isn't read")


_TAGS: Mapping[int, Any] = dict.fromkeys((25, 28, 29, 35, 256), _refuse)
"""Cycles, and patterns that may take for ever to compile."""


def _plain(text: str) -> Scalar:
    """A number where the text is one."""
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text) if len(text) <= 40 else text
        except ValueError:
            continue
    return text


def _looks_senml(tree: Sequence[Any]) -> bool:
    return bool(tree) and all(isinstance(one, dict) for one in tree)


def _pack(tree: Sequence[Any], now_ns: int) -> dict[str, Read]:
    """Records by their names, both with the base name and without (RFC 8428 §4)."""
    name, time_s, base = "", 0.0, 0.0
    found: dict[str, Read] = {}
    for raw in tree:
        if not isinstance(raw, dict):
            raise CoapFaulted("a SenML record is an object")
        record = {_LABELS.get(key, key) if isinstance(key, int) else key: value for key, value in raw.items()}
        name = str(record.get("bn", name))
        time_s, base = _number(record.get("bt", time_s)), _number(record.get("bv", base))
        value = record.get("v", record.get("vs", record.get("vb")))
        if value is None:
            continue
        own = str(record.get("n", ""))
        if not isinstance(value, bool | str):
            value = _number(value) + base if base else _scalar(value, own)
        one = Read(_scalar(value, own), _time(time_s + _number(record.get("t", 0.0)), now_ns))
        found[name + own] = one
        if own:
            found[own] = one
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or _is_huge(value) or not math.isfinite(value):
        raise CoapFaulted("a SenML record's number is none")
    return float(value)


def _time(seconds: float, now_ns: int) -> int | None:
    if not seconds or abs(seconds) > _LATEST_S:
        return None
    ns = round(seconds * 1_000_000) * 1_000 + (now_ns if seconds < _RELATIVE else 0)
    return ns if 0 <= ns < _LATEST_S * 1_000_000_000 else None


def _field(tree: Any, record: str) -> Any:
    for key in record.split(".") if record else ():
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _scalar(value: Any, point: str) -> Scalar:
    if isinstance(value, bool | int | float | str):
        is_sane = math.isfinite(value) if isinstance(value, float) else True
        if is_sane and not (isinstance(value, str) and len(value) > _LONGEST_TEXT) and not _is_huge(value):
            return value
    raise CoapFaulted(f"`{point}` is no number, text or truth value", "Is `record` right in the map?")


def _is_huge(value: Any) -> bool:
    return isinstance(value, int) and not -(2**63) <= value < 2**63
