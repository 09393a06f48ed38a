"""Compiles what a profile says about payloads that name their values themselves: its map, its format, its topics."""

import importlib.util
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from holdfast.codecs.formats.binary import BinaryDecoder, LayoutInvalid
from holdfast.codecs.formats.bthome_keys import KeysUnusable, read_keys
from holdfast.codecs.formats.delimited import CsvDecoder
from holdfast.codecs.formats.embedded import EmbeddedDecoder
from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.formats.packed import decode_cbor, decode_msgpack
from holdfast.codecs.profiles import Decode, Meaning, Open, Rule
from holdfast.codecs.settings import CsvSettings, MapSettings, ProfileSettings
from holdfast.codecs.topics import DEVICE, LAST_LEVEL, REST, TopicPattern
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.points import ReadingSettings

Tell = Callable[[tuple[str, ...], str], None]
MeaningOf = Callable[[tuple[str, ...], ReadingSettings, bool], Meaning]
_OBJECTS = frozenset(("json", "cbor", "msgpack", "csv", "binary", "protobuf"))
_NAMES_DEVICE = frozenset(("senml", "sparkplug", "opcua", "points", "announcement", "ignore"))
_NEEDS_EXTRA = frozenset(("protobuf", "sparkplug"))
_METRIC = re.compile(r"[a-z{][a-z0-9_{}]*(\.[a-z0-9{][a-z0-9_{}]*)*")
_PART = re.compile(r"\{([a-z][a-z0-9_]*)(\*?)\}|(\*)")
_CAPTURES = re.compile(r"\{([^}]*)\}")


def is_open(s: ProfileSettings) -> bool:
    """Does this profile go by names in the payload, and not by fixed fields or records?"""
    return bool(s.map) or s.unknown is not None or s.format not in _OBJECTS or s.format == "csv"


def decoder_of(s: ProfileSettings, folder: Path, tell: Tell) -> Decode | None:
    """What makes an object of a payload; None for formats that name their values, or when it can't be made."""
    decode = _decoder(s, folder, tell)
    if s.embedded is None:
        return decode
    if decode is None or not s.binary:
        tell(("embedded",), "`embedded` needs `binary`, the layout of what it holds, and a format that gives objects")
        return None
    outer = {"cbor": decode_cbor, "msgpack": decode_msgpack}.get(s.format, decode_json)
    inner = _binary(s, tell)
    return None if inner is None else EmbeddedDecoder(outer, inner, s.embedded)


def _decoder(s: ProfileSettings, folder: Path, tell: Tell) -> Decode | None:
    match s.format:
        case "json":
            return decode_json
        case "cbor":
            return decode_cbor
        case "msgpack":
            return decode_msgpack
        case "csv":
            return CsvDecoder(s.csv or CsvSettings())
        case "binary":
            return _binary(s, tell)
        case "protobuf":
            return _protobuf(s, folder, tell)
        case _:
            return None


def _binary(s: ProfileSettings, tell: Tell) -> Decode | None:
    if not s.binary:
        tell(("format",), "`format: binary` needs `binary`, a list of layouts")
        return None
    try:
        return BinaryDecoder(s.binary)
    except LayoutInvalid as error:
        tell(("binary",), str(error))
        return None


def _protobuf(s: ProfileSettings, folder: Path, tell: Tell) -> Decode | None:
    if s.protobuf is None:
        tell(("format",), "`format: protobuf` needs `protobuf: {descriptors: FILE, message: NAME}`")
        return None
    if not has_extra(s, tell):
        return None
    from holdfast.codecs.formats.protobuf import DescriptorInvalid, ProtobufDecoder  # noqa: PLC0415  # an extra

    try:
        return ProtobufDecoder(folder / s.protobuf.descriptors, s.protobuf.message)
    except DescriptorInvalid as error:
        tell(("protobuf",), str(error))
        return None


def has_extra(s: ProfileSettings, tell: Tell) -> bool:
    """Whether what this format needs is installed; tells it when not."""
    if s.format not in _NEEDS_EXTRA or importlib.util.find_spec("google.protobuf") is not None:
        return True
    tell(("format",), f"`{s.format}` needs an extra: pip install 'holdfast[protobuf]'")
    return False


def bind_keys(s: ProfileSettings, folder: Path, tell: Tell) -> dict[bytes, bytes]:
    """The bind keys of a profile of BTHome devices, by MAC; what's wrong with their file is told."""
    if s.bthome is not None and s.format != "bthome":
        tell(("bthome",), "`bthome` is for `format: bthome`")
    if s.bthome is None or not s.bthome.keys:
        return {}
    try:
        return read_keys(folder / s.bthome.keys)
    except KeysUnusable as error:
        tell(("bthome", "keys"), str(error))
        return {}


def open_of(
    s: ProfileSettings, pattern: TopicPattern, decode: Decode | None, meaning: MeaningOf, tell: Tell
) -> Open | None:
    """The open part of a profile; what's wrong with it is told."""
    captures = {*pattern.captures, "name"}
    if s.fields or s.records is not None:
        tell((), "`map`, `unknown` and formats that name their values exclude `fields` and `records`")
    _check_device(s, pattern, tell)
    rules = [_rule(name, entry, captures, meaning, tell) for name, entry in s.map.items()]
    exact_first = sorted((r for r in rules if r is not None), key=lambda r: r[0])
    name = s.name or ("{name}" if s.format in _OBJECTS else "{rest}" if REST in pattern.captures else "")
    if s.format == "text" and not name:
        tell(("name",), "`name` is missing: what the value is called, as {property} of the topic")
    _check_captures(("name",), name, captures, tell)
    if s.format in ("homie", "sparkplug") and REST not in pattern.captures:
        tell(("topic",), f"`{s.format}` reads the levels itself: its topic ends in `/#`")
    has_extra(s, tell)
    if s.scalar is not None:
        _check_scalar(s, pattern, tell)
    return Open(
        rules=tuple(rule for _, rule in exact_first),
        unknown=s.unknown or ("ignore" if s.format in _OBJECTS and s.map else "name"),
        decode=decode,
        name=name,
        roots=s.roots,
        precision=s.precision,
        scalar=s.scalar,
        rebirth_ns=round(s.rebirth_every * NS_PER_S),
        bthome=s.bthome,
    )


def _check_scalar(s: ProfileSettings, pattern: TopicPattern, tell: Tell) -> None:
    if s.format != "json":
        tell(("scalar",), "`scalar` is for `format: json`")
    if s.scalar == LAST_LEVEL and f"{{{DEVICE}*}}" not in pattern.text:
        tell(("scalar",), "`{last}` is the last level of `{device*}` in the topic")


def _check_device(s: ProfileSettings, pattern: TopicPattern, tell: Tell) -> None:
    in_topic = DEVICE in pattern.captures
    if in_topic and s.device is not None:
        tell(("topic",), "the device's name stands either in the topic, as {device}, or at a `device:` path")
    elif not in_topic and s.device is None and s.format not in _NAMES_DEVICE:
        tell(("topic",), "the device's name is missing: {device} in the topic, or a `device:` path")


def _rule(name: str, s: MapSettings, captures: set[str], meaning: MeaningOf, tell: Tell) -> tuple[bool, Rule] | None:
    where = ("map", name)
    pattern, own = compile_name(name)
    if own & captures:
        tell(where, f"`{min(own & captures)}` is a capture of the topic already")
    if s.ignore:
        return name_is_open(name), Rule(name, pattern, "", None)
    metric = s.metric or "{name}"
    if _METRIC.fullmatch(metric) is None:
        tell((*where, "metric"), f"`{metric}` is no metric: dotted lower-case words and captures, as air.temperature")
    for template in filter(None, (metric, s.unit_field, s.time_field, s.unless, *s.unit_when)):
        _check_captures(where, template, captures | own, tell)
    says_unit = s.unit_field is not None or bool(s.unit_when) or s.unit is not None or s.to is not None
    rule = Rule(
        name,
        pattern,
        metric,
        meaning(where, s, says_unit),
        s.type == "auto",
        s.values,
        s.unit_field,
        tuple(s.unit_when.items()),
        s.time_field,
        s.unless,
        s.others == "ignore",
    )
    if rule.meaning is not None and rule.meaning.lines:
        for _, unit in rule.unit_when:
            if unit not in rule.meaning.lines:
                tell((*where, "unit_when"), f"`{unit}` is no unit for {rule.meaning.unit}")
    return name_is_open(name), rule


def name_is_open(name: str) -> bool:
    """Does a name of a map stand for several?"""
    return _PART.search(name) is not None


def compile_name(name: str) -> tuple[re.Pattern[str], set[str]]:
    """A name of a map as a pattern, and its captures: `{x}` is one step, `{x*}` several, `*` any text."""
    parts: list[str] = []
    captures: set[str] = set()
    at = 0
    for found in _PART.finditer(name):
        parts.append(re.escape(name[at : found.start()]))
        if found[3]:
            parts.append(".*")
        elif found[1] in captures:
            parts.append(f"(?P={found[1]})")
        else:
            captures.add(found[1])
            parts.append(f"(?P<{found[1]}>{'.+' if found[2] else '[^./]+'})")
        at = found.end()
    parts.append(re.escape(name[at:]))
    return re.compile(rf"\A{''.join(parts)}\Z", re.DOTALL), captures


def _check_captures(where: tuple[str, ...], template: str, captures: Iterable[str], tell: Tell) -> None:
    for name in _CAPTURES.findall(template):
        if name not in captures:
            known = ", ".join(sorted(captures))
            tell(where, f"`{{{name}}}` is no capture of the topic or name; there are {known}")
