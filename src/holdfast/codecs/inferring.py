"""Proposes a profile from a sample of messages: format, fields, types, time, id, device, units. A person edits it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from holdfast.codecs import guessing
from holdfast.codecs.errors import CodecsError
from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.formats.packed import decode_cbor, decode_msgpack
from holdfast.codecs.formats.text import number_in
from holdfast.codecs.leaves import flatten
from holdfast.codecs.profiles import Decode
from holdfast.codecs.refused import Refused

_MOST_FIELDS = 200


class SampleUnreadable(CodecsError):
    """No format fits the whole sample."""

    hint = "it may be JSON, CBOR, MessagePack, SenML, Influx lines or plain numbers; write other profiles by hand"


class Message(NamedTuple):
    """One message of a sample; topic "" = not known."""

    topic: str
    payload: bytes


@dataclass(slots=True)
class _Seen:
    """The values of one path in a sample."""

    values: list[Any] = field(default_factory=list)
    absent: int = 0

    @property
    def type(self) -> str:
        kinds = {_kind(value) for value in self.values}
        return kinds.pop() if len(kinds) == 1 else "auto"


def infer(sample: Sequence[Message], name: str) -> str:
    """A profile file's text; guesses are marked.

    Raises:
        SampleUnreadable: when the messages are of no known format, or of several.
    """
    topics = [message.topic for message in sample if message.topic]
    payloads = [message.payload for message in sample]
    formats = (("json", decode_json), ("msgpack", decode_msgpack), ("cbor", decode_cbor))
    found = ((format_, _decoded(payloads, decode)) for format_, decode in formats)
    format_, objects = next(((f, o) for f, o in found if o is not None), ("", None))
    if objects is None:
        return _unstructured(payloads, topics, name)
    if all(_is_senml(o) for o in objects):
        return _plain(
            name,
            _topic(topics, f"{name}/{{device}}"),
            "senml",
            ["# SenML names its values itself; `map` would rename them"],
        )
    return _Proposal(objects, topics, name, format_).text()


def _decoded(payloads: Sequence[bytes], decode: Decode) -> list[Any] | None:
    try:
        objects = [decode(payload) for payload in payloads]
    except (Refused, UnicodeDecodeError, RecursionError):
        return None
    return objects if objects and all(isinstance(o, dict | list) for o in objects) else None


def _is_senml(decoded: Any) -> bool:
    names = {"n", "bn", "v", "vs", "vb", "vd", "bt", 0, 2, -2, 3, 4}
    return (
        isinstance(decoded, list) and bool(decoded) and all(isinstance(r, dict) and r.keys() & names for r in decoded)
    )


def _unstructured(payloads: Sequence[bytes], topics: Sequence[str], name: str) -> str:
    try:
        texts = [payload.decode() for payload in payloads]
    except UnicodeDecodeError:
        raise SampleUnreadable("the sample is no JSON, CBOR, MessagePack or text") from None
    if texts and all(number_in(text.strip()) is not None for text in texts):
        topic = _topic(topics, f"{name}/{{device}}/value")
        return _plain(name, topic, "text", ['name: "value"', "map:", '  "*": {metric: value}  # guessed; unit?'])
    if texts and all(" " in text and "=" in text for text in texts):
        return _plain(name, _topic(topics, f"{name}/{{device}}"), "influx", ["precision: ns  # guessed"])
    raise SampleUnreadable("the sample is of no known format, or of several")


def _plain(name: str, topic: str, format_: str, rest: Sequence[str]) -> str:
    lines = [
        f"profiles:\n  {name}:",
        f"    topic: {_quoted(topic)}  # guessed",
        "    version: 1",
        f"    format: {format_}",
    ]
    return "\n".join([*lines, *(f"    {line}" for line in rest)]) + "\n"


class _Proposal:
    """A profile of objects."""

    def __init__(self, objects: Sequence[Any], topics: Sequence[str], name: str, format_: str) -> None:
        self._topics, self._name, self._format = topics, name, format_
        self._seen: dict[str, _Seen] = {}
        self._is_nested_oddly = False
        for i, decoded in enumerate(objects):
            leaves = flatten(decoded)
            self._is_nested_oddly = self._is_nested_oddly or _has_odd_paths(decoded)
            for path, value in leaves.items():
                seen = self._seen.setdefault(path, _Seen(absent=i))
                seen.values += [] if value is None else [value]
                seen.absent += value is None
            for path in self._seen.keys() - leaves.keys():
                self._seen[path].absent += 1

    def text(self) -> str:
        """The file."""
        topic = _topic(self._topics, "")
        device = None if "{device}" in topic else self._first(guessing.is_device)
        if not topic:
            topic = f"{self._name}/#" if device else f"{self._name}/{{device}}"
        lines = [f"    topic: {_quoted(topic)}  # guessed", "    version: 1"]
        if self._format != "json":
            lines.append(f"    format: {self._format}")
        if device:
            lines.append(f"    device: {_quoted(device)}  # guessed")
        time, time_line = self._time()
        id_ = self._first(guessing.is_id)
        lines += [time_line] if time_line else []
        lines += (
            [f"    # id: {_quoted(id_)}  # if it never comes again, not even when the device restarts"] if id_ else []
        )
        lines += self._fields({time, id_, device})
        return (
            f"# Proposed by `holdfast profile infer`: look at every guess.\nprofiles:\n  {self._name}:\n"
            + "\n".join(lines)
            + "\n"
        )

    def _first(self, guess: Any) -> str | None:
        return next((p for p, s in self._seen.items() if not s.absent and s.values and guess(p, s.values)), None)

    def _time(self) -> tuple[str | None, str]:
        for path, seen in self._seen.items():
            if seen.absent:
                continue
            no_zone = guessing.has_no_zone(seen.values)
            unit = guessing.is_time(path, [f"{v}Z" for v in seen.values] if no_zone else seen.values)
            if unit is not None and no_zone:
                self._is_nested_oddly = True  # a zone needs a map
                return path, f"    time: {{field: {_quoted(path)}, unit: {unit}, zone: UTC}}  # guessed; which zone?"
            if unit is not None:
                return path, f"    time: {{field: {_quoted(path)}, unit: {unit}}}  # guessed"
        return None, ""

    def _fields(self, taken: set[str | None]) -> list[str]:
        wanted = [(p, s) for p, s in self._seen.items() if p not in taken and s.values and s.type != "none"][
            :_MOST_FIELDS
        ]
        as_map = self._is_nested_oddly or any(s.type == "auto" for _, s in wanted)
        lines = ["    map:" if as_map else "    fields:"]
        names: set[str] = set()
        for path, seen in wanted:
            metric = guessing.metric_of(path)
            while metric in names:
                metric += "_2"
            names.add(metric)
            lines.append(
                f"      {_quoted(path)}: {{{_reading(path, seen, metric, as_map=as_map)}}}{_comment(path, seen)}"
            )
        if not wanted:
            raise SampleUnreadable("no value in the sample can be a reading")
        return lines


def _reading(path: str, seen: _Seen, metric: str, *, as_map: bool) -> str:
    parts = [f"metric: {metric}"]
    if seen.type == "float":
        unit, to = guessing.unit_of(path, seen.values)
        parts += [f"unit: {_quoted(unit)}"] if unit else []
        parts += [f"to: {_quoted(to)}"] if to else []
    else:
        parts.append(f"type: {seen.type}")
    if seen.absent and not as_map:
        parts.append("optional: true")
    return ", ".join(parts)


def _comment(path: str, seen: _Seen) -> str:
    if seen.type != "float":
        return ""
    return "  # unit guessed" if guessing.unit_of(path, seen.values)[0] else "  # unit?"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "float"
    return "text" if isinstance(value, str) else "none"


def _has_odd_paths(decoded: Any) -> bool:
    """Arrays, or members whose names have dots: only a map can name what's in them."""
    stack = [decoded]
    while stack:
        node = stack.pop()
        if isinstance(node, list) or any(not isinstance(k, str) or "." in k or not k for k in node):
            return True
        stack.extend(v for v in node.values() if isinstance(v, dict | list))
    return False


def _topic(topics: Sequence[str], default: str) -> str:
    """The pattern of all topics: the level that differs is the device; of one topic, the second or the only one."""
    if not topics:
        return default
    levels = [topic.split("/") for topic in topics]
    if len({len(one) for one in levels}) > 1:
        return default
    same = [len(set(column)) == 1 for column in zip(*levels, strict=True)]
    device = same.index(False) if False in same else min(1, len(same) - 1)
    parts = [
        ("{device}" if i == device else text) if same[i] or i == device else "+" for i, text in enumerate(levels[0])
    ]
    return "/".join(parts)


def _quoted(text: str) -> str:
    return (
        text
        if text.replace("_", "").replace(".", "").isalnum() and text[0].isalpha()
        else msgspec.json.encode(text).decode()
    )
