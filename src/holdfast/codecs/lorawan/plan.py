"""A `format: lorawan` profile, compiled: which script for which device type, and which values become readings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.codecs.lorawan.names import names
from holdfast.codecs.lorawan.scripts import Script
from holdfast.codecs.profiles import Meaning, Path, Records
from holdfast.model.series import Kind

DATA = "data."
"""What stands before the path of a value that the profile's own `fields` name."""
RSSI, SNR, GATEWAY = "link.rssi", "link.snr", "link.gateway"
_LINK = {RSSI: (Kind.FLOAT, "dBm"), SNR: (Kind.FLOAT, "dB"), GATEWAY: (Kind.TEXT, "")}
_NO_LINE = (1.0, 0.0)


@dataclass(frozen=True, slots=True)
class LorawanPlan:
    """How uplinks of a profile become records.

    script:  for devices of no type in `scripts`; None = what the network server decoded
    scripts: by device type, as the server calls it
    paths:   values in `data` that become readings beside the normalised ones
    """

    script: Script | None
    scripts: Mapping[str, Script]
    paths: tuple[Path, ...]

    def script_for(self, models: tuple[str, ...]) -> Script | None:
        """The script of a device whose type has these names."""
        return next((self.scripts[m] for m in models if m in self.scripts), self.script)


def records_of(own: Mapping[str, Meaning]) -> Records:
    """The records that uplinks are translated to: every normalised name, the radio link, and the profile's own fields.

    A field of the profile whose metric a normalised name has too takes its place.
    """
    taken = {meaning.metric for meaning in own.values()}
    meanings = {
        q.name: Meaning(q.metric, q.unit, Kind.BOOL if q.is_bool else Kind.FLOAT, _NO_LINE, {}, None, q.low, q.high)
        for q in names().quantities.values()
        if q.metric not in taken
    }
    for name, (kind, unit) in _LINK.items():
        meanings[name] = Meaning(name, unit, kind, _NO_LINE, {}, None, -math.inf, math.inf)
    meanings |= {DATA + path: meaning for path, meaning in own.items()}
    return Records(("e",), "n", "v", "vb", "vs", None, "t", meanings, rejects_unknown=False)
