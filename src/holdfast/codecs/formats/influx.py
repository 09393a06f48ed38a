"""InfluxDB line protocol, version 1: `measurement,tag=value field=1i,other="text" 1795187068123000000`.

A value is called `measurement[,tag=value …].field`, tags by name, without the one that names the device.
"""

import math
import re
from hashlib import blake2b
from typing import NamedTuple, NoReturn

from holdfast.codecs.instants import to_ns
from holdfast.codecs.profiles import Open, Profile
from holdfast.codecs.refused import Refused, malformed
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import NO_TIME, Origin, Sink
from holdfast.model.series import Kind

_MEASUREMENT = re.compile(r"(?:\\[\s\S]|[^\\, \n])+")
_KEY = re.compile(r"(?:\\[\s\S]|[^\\,= \n])+")
_STRING = re.compile(r'"((?:\\[\s\S]|[^"\\])*)"')
_BARE = re.compile(r"[^, \n]+")
_TIME = re.compile(r"-?[0-9]{1,20}")
_ESCAPED = re.compile(r"\\([,= ])")
_ESCAPED_STRING = re.compile(r'\\(["\\])')
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_TRUE, _FALSE = frozenset(("t", "T", "true", "True", "TRUE")), frozenset(("f", "F", "false", "False", "FALSE"))
_INT_LIMIT, _UINT_LIMIT = 2**63, 2**64


class _Field(NamedTuple):
    name: str
    value: float | bool | str
    kind: Kind


class InfluxSource:
    """Reads lines; the device is the topic's or the tag that the profile's `device` names."""

    def __init__(self, profile: Profile, open_: Open) -> None:
        self._device_tag = None if profile.device_path is None else ".".join(profile.device_path)
        self._precision = open_.precision

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put the lines' readings into `sink`.

        A message whose lines all tell their time says the same whenever it comes: its bytes are its id.

        Raises:
            Refused: when a line is wrong; its number is told.
        """
        is_timed = True
        text, at, line = payload.decode().replace("\r\n", "\n"), 0, 1
        while at < len(text):
            if text[at] == "\n":
                at, line = at + 1, line + 1
            elif text[at] == " ":
                at += 1
            elif text[at] == "#":
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
            else:
                end, tells_time = self._line(text, at, line, origin, sink)
                line += text.count("\n", at, end)
                at, is_timed = end, is_timed and tells_time
        if is_timed:
            sink.ids[message] = (origin.topic, blake2b(payload, digest_size=16).hexdigest())

    def _line(self, text: str, at: int, line: int, origin: Origin, sink: Sink) -> tuple[int, bool]:
        measurement, at = _take(_MEASUREMENT, text, at, line, "a measurement")
        tags: dict[str, str] = {}
        while text[at : at + 1] == ",":
            key, at = _take(_KEY, text, at + 1, line, "a tag's name")
            value, at = _take(_KEY, text, _over(text, at, "=", line), line, "a tag's value")
            tags[_plain(key)] = _plain(value)
        at = _blanks(text, at, line)
        fields: list[_Field] = []
        while True:
            key, at = _take(_KEY, text, at, line, "a field's name")
            field, at = _value(_plain(key), text, _over(text, at, "=", line), line)
            fields.append(field)
            if text[at : at + 1] != ",":
                break
            at += 1
        time, at = self._time(text, at, line)
        self._add(_plain(measurement), tags, fields, time, origin, sink)
        return at, time != NO_TIME

    def _time(self, text: str, at: int, line: int) -> tuple[int, int]:
        while text[at : at + 1] == " ":
            at += 1
        if at >= len(text) or text[at] == "\n":
            return NO_TIME, at
        told, at = _take(_TIME, text, at, line, "a time")
        while text[at : at + 1] == " ":
            at += 1
        if at < len(text) and text[at] != "\n":
            _wrong(line, "something follows the time")
        return to_ns(int(told), self._precision), at

    def _add(
        self, measurement: str, tags: dict[str, str], fields: list[_Field], time: int, origin: Origin, sink: Sink
    ) -> None:
        device = origin.device
        if self._device_tag is not None:
            device = tags.pop(self._device_tag, "")
            if not device:
                raise Refused(RejectReason.UNKNOWN_DEVICE, f"the tag `{self._device_tag}` is missing")
        where = measurement + "".join(f",{key}={tags[key]}" for key in sorted(tags))
        for field in fields:
            sink.add(device, f"{where}.{field.name}", field.value, field.kind, None, time)


def _value(name: str, text: str, at: int, line: int) -> tuple[_Field, int]:
    if text[at : at + 1] == '"':
        found = _STRING.match(text, at)
        if found is None:
            _wrong(line, f"the text of `{name[:40]}` has no end")
        return _Field(name, _ESCAPED_STRING.sub(r"\1", found[1]), Kind.TEXT), found.end()
    bare, end = _take(_BARE, text, at, line, f"the value of `{name[:40]}`")
    return _bare(name, bare, line), end


def _bare(name: str, bare: str, line: int) -> _Field:
    """A value without quotes."""
    if bare in _TRUE or bare in _FALSE:
        return _Field(name, bare in _TRUE, Kind.BOOL)
    if bare[-1] in "iu" and _WHOLE.fullmatch(bare, 0, len(bare) - 1):
        number = int(bare[:-1])
        fits = -_INT_LIMIT <= number < _INT_LIMIT if bare[-1] == "i" else 0 <= number < _UINT_LIMIT
        if not fits:
            _wrong(line, f"`{name[:40]}` is beyond 64 bits")
        return _Field(name, number, Kind.INT)
    if _NUMBER.fullmatch(bare) is None:
        if bare.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise Refused(RejectReason.NOT_A_NUMBER, f"line {line}: `{name[:40]}` is not a finite number")
        _wrong(line, f"`{bare[:40]}` is no value")
    value = float(bare)
    if not math.isfinite(value):
        raise Refused(RejectReason.NOT_A_NUMBER, f"line {line}: `{name[:40]}` is beyond float64")
    return _Field(name, value, Kind.FLOAT)


def _take(pattern: re.Pattern[str], text: str, at: int, line: int, what: str) -> tuple[str, int]:
    found = pattern.match(text, at)
    if found is None:
        _wrong(line, f"{what} is missing")
    return found[0], found.end()


def _over(text: str, at: int, sign: str, line: int) -> int:
    if text[at : at + 1] != sign:
        _wrong(line, f"`{sign}` is missing")
    return at + 1


def _blanks(text: str, at: int, line: int) -> int:
    start = at
    while text[at : at + 1] == " ":
        at += 1
    if at == start:
        _wrong(line, "the fields are missing")
    return at


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _wrong(line: int, what: str) -> NoReturn:
    malformed(f"line {line}: {what}")
