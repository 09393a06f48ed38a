"""The Homie convention, versions 3, 4 and 5: `homie/[5/]device/node/property` and what describes it, both retained.

Version 5 describes a device in `$description`, the older ones property by property in `$unit` and `$datatype`. A value
that nothing describes is refused: neither its type nor its unit is known.
"""

import re
from typing import Any

from holdfast.codecs.announced import Announced, Announcement
from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.formats.text import number_in
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.sink import Origin, Sink
from holdfast.model.series import Kind

_NUMBERS = frozenset(("integer", "float", "percent"))
_ELEMENT = re.compile(r"(.*)_\d+", re.DOTALL)
"""One of an array of nodes (version 3, `$array`): the array's node describes them all."""
_MOST_PROPERTIES = 5_000
_SPACE = "homie\0"


class HomieSource:
    """Reads devices' trees, calls a value `node.property`; its topic has the captures `device` and `rest`."""

    def __init__(self, announced: Announced) -> None:
        self._announced = announced

    def read(self, payload: bytes, message: int, origin: Origin, sink: Sink) -> None:
        """Put a property's value into `sink`, or learn what a `$` message says.

        Raises:
            Refused: when nothing described the property or the value isn't what was described.
        """
        del message
        levels = origin.captures.get("rest", "").split("/")
        if levels[-1] == "$description":
            self._describe(payload, origin.device)
        elif len(levels) == 3 and levels[2] in ("$unit", "$datatype"):
            text = payload.decode()
            told: dict[str, str] = {"unit" if levels[2] == "$unit" else "kind": text}
            self._announced.tell(_SPACE + origin.device, f"{levels[0]}.{levels[1]}", **told)
        elif len(levels) == 2 and payload and not any(level.startswith("$") for level in levels):
            self._value(payload, ".".join(levels), origin, sink)

    def _describe(self, payload: bytes, device: str) -> None:
        if not payload:
            return
        said = decode_json(payload)
        nodes = said.get("nodes", {}) if isinstance(said, dict) else None
        if not isinstance(nodes, dict):
            wrong("`$description` has no nodes")
        count = 0
        for node, about in nodes.items():
            properties = about.get("properties", {}) if isinstance(about, dict) else {}
            for name, facts in properties.items() if isinstance(properties, dict) else ():
                count += 1
                if count > _MOST_PROPERTIES:
                    raise Refused(RejectReason.TOO_LARGE, f"more than {_MOST_PROPERTIES} properties")
                if isinstance(facts, dict):
                    unit, kind = _str(facts.get("unit")), _str(facts.get("datatype"))
                    self._announced.tell(_SPACE + device, f"{node}.{name}", unit=unit, kind=kind)

    def _value(self, payload: bytes, name: str, origin: Origin, sink: Sink) -> None:
        known = self._announced.get(_SPACE + origin.device, name)
        if known is None and (one := _ELEMENT.fullmatch(name.partition(".")[0])):
            known = self._announced.get(_SPACE + origin.device, f"{one[1]}.{name.partition('.')[2]}")
        if known is None or not known.type:
            raise Refused(RejectReason.NO_BIRTH, f"no $description or $datatype of `{name}` came before its value")
        text = "" if payload == b"\0" else payload.decode()  # an empty text is sent as one zero byte
        value, kind = _typed(text, known, name)
        sink.add(origin.device, name, value, kind, known.unit or None)


def _typed(text: str, known: Announcement, name: str) -> tuple[float | bool | str, Kind]:
    if known.type in _NUMBERS:
        number = number_in(text)
        if number is None or (known.type == "integer" and not number.is_integer()):
            wrong(f"`{name}` is no {known.type}: `{text[:40]}`")
        return number, Kind.INT if known.type == "integer" else Kind.FLOAT
    if known.type == "boolean":
        if text not in ("true", "false"):
            wrong(f"`{name}` is no boolean: `{text[:40]}`")
        return text == "true", Kind.BOOL
    return text, Kind.TEXT


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
