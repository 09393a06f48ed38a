"""A `format: lorawan` profile, compiled: which script for which device type, and which values become readings."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from holdfast.codecs.lorawan.names import Quantity, names
from holdfast.codecs.lorawan.scripts import Script
from holdfast.codecs.profiles import Meaning, Open, Path, Rule
from holdfast.model.series import Kind

DATA = "data."
"""What stands before the path of a value that the profile's own `fields` name."""
RSSI, SNR = "link.rssi", "link.snr"
GATEWAY, WARNINGS = "$gateway", "$warnings"
"""Paths of what isn't in `data`: which gateway heard it best, and what the codec warns of."""
_LINK = {RSSI: "dBm", SNR: "dB"}
_NO_LINE = (1.0, 0.0)
DeviceName = Literal["eui", "name", "topic"]


class OwnCodec(Enum):
    """Codecs that need no script, by the word for them in a profile."""

    CAYENNE = "cayenne"


OWN_CODECS = {codec.value: codec for codec in OwnCodec}
Codec = Script | OwnCodec


@dataclass(frozen=True, slots=True)
class LorawanPlan:
    """How uplinks of a profile become records.

    codecs: by device type, as the server calls it
    ports:  by fPort, for devices of no type in `codecs`
    codec:  for what none of them is for; None = what the network server decoded
    kinds:  by path, the values in `data` that become readings beside the normalised ones, and as what
    device: what a device is called by: its DevEUI, the name that the network server has for it, or the topic
    """

    codec: Codec | None
    codecs: Mapping[str, Codec]
    ports: Mapping[int, Codec]
    kinds: Mapping[Path, Kind]
    device: DeviceName = "eui"

    def codec_for(self, models: tuple[str, ...], port: int) -> Codec | None:
        """The codec of an uplink on this port, of a device whose type has these names."""
        by_type = next((self.codecs[m] for m in models if m in self.codecs), None)
        return by_type or self.ports.get(port, self.codec)


def open_of(own: Mapping[str, Meaning]) -> Open:
    """What records mean: every normalised name, the radio link, and the profile's own fields.

    A field of the profile whose metric a normalised name has too takes its place. Other names are Cayenne LPP's, which
    say their units themselves.
    """
    taken = {meaning.metric for meaning in own.values()}
    meanings = {q.name: _normalised(q) for q in names().quantities.values()}
    rules = [_rule(name, None if m.metric in taken else m) for name, m in meanings.items()]
    for name, unit in _LINK.items():
        rules.append(_rule(name, Meaning(name, unit, Kind.FLOAT, _NO_LINE, {}, None, -math.inf, math.inf)))
    rules += [_rule(DATA + path, meaning) for path, meaning in own.items()]
    return Open(tuple(rules), "name")


def _normalised(q: Quantity) -> Meaning:
    kind = Kind.BOOL if q.is_bool else Kind.FLOAT
    return Meaning(q.metric, q.unit, kind, _NO_LINE, {}, None, q.low, q.high)


def _rule(name: str, meaning: Meaning | None) -> Rule:
    return Rule(name, re.compile(rf"\A{re.escape(name)}\Z"), "" if meaning is None else meaning.metric, meaning)
