"""LoRaWAN sensors as The Things Stack v3 passes their uplinks on over MQTT ("Data Formats", application uplinks).

The payload is Cayenne LPP, one channel a point from 1 on. LPP knows few types and resolutions: a point goes by its
unit, what has none of its own as `analog_in` (hundredths, within ±327.67), whole numbers as `generic`; texts aren't
sent.
Devices have made-up DevEUIs of the range for local use.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from holdfast.kernel.clock import NS_PER_S
from holdfast.sim.ends.broker import BrokerEndSettings
from holdfast.sim.ends.port import DevicePlan, PointPlan, Scalar
from holdfast.sim.ends.profiles import profiles_yaml, reading_of
from holdfast.sim.ends.publishing import framed
from holdfast.sim.ends.single import SingleEnd
from holdfast.sim.plant.chance import number_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_F_PORT = 1


class _Lpp(NamedTuple):
    """An LPP type. times: units in its last digit."""

    name: str
    number: int
    size: int
    times: float
    signed: bool = False


_BY_UNIT: Mapping[str, _Lpp] = {
    "Cel": _Lpp("temperature", 103, 2, 10, signed=True),
    "%RH": _Lpp("humidity", 104, 1, 2),
    "lx": _Lpp("illuminance", 101, 2, 1),
    "hPa": _Lpp("pressure", 115, 2, 10),
    "V": _Lpp("voltage", 116, 2, 100),
    "A": _Lpp("current", 117, 2, 1000),
    "Hz": _Lpp("frequency", 118, 4, 1),
    "%": _Lpp("percentage", 120, 1, 1),
    "ppm": _Lpp("concentration", 125, 2, 1),
    "W": _Lpp("power", 128, 2, 1),
    "kWh": _Lpp("energy", 131, 4, 1000),
}
_ANALOG, _GENERIC, _PRESENCE = (
    _Lpp("analog_in", 2, 2, 100, signed=True),
    _Lpp("generic", 100, 4, 1),
    _Lpp("presence", 102, 1, 1),
)
_OTHER_UNIT: Mapping[str, str] = {"hPa": "Pa"}
"""Where our decoder gives LPP's value in another unit than the point's."""


class LorawanEndSettings(BrokerEndSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """application: as The Things Stack calls it, tenant included."""

    application: str = "sim@ttn"

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself."""
        yield from super().findings()
        if set("/+#") & set(self.application) or not self.application:
            yield ("application",), "must be one level of a topic, as sim@ttn"


class LorawanEnd(SingleEnd):
    """See the page."""

    def __init__(self, name: str, settings: LorawanEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        super().__init__(name, settings, devices)
        self._application = settings.application
        self._count = dict.fromkeys(devices, 0)
        self._eui = {device: f"{number_of(name, device) & 0xFFFFFFFFFFFF | 0x0200 << 48:016X}" for device in devices}

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """One uplink."""
        self._count[device] += 1
        count, eui = self._count[device], self._eui[device]
        chance = number_of(device, count)
        moment = _rfc3339(at_ns)
        payload = _lpp(self._devices[device].points, values)
        uplink = {
            "session_key_id": b64encode(bytes.fromhex(eui)).decode(),
            "f_port": _F_PORT,
            "f_cnt": count,
            "frm_payload": b64encode(payload).decode(),
            "rx_metadata": [
                {
                    "gateway_ids": {"gateway_id": f"{self._name}-gateway"},
                    "rssi": -60 - chance % 55,
                    "snr": (chance >> 8) % 80 / 4 - 8,
                }
            ],
            "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7 + (chance >> 16) % 4}}},
            "received_at": moment,
        }
        ids = {"device_id": device, "application_ids": {"application_id": self._application}, "dev_eui": eui}
        said = {"end_device_ids": ids, "received_at": moment, "uplink_message": uplink}
        return [framed(f"v3/{self._application}/devices/{device}/up", msgspec.json.encode(said))]

    def map_yaml(self) -> str:
        """A profile; its LPP channels under the points' metrics."""
        points = next(iter(self._devices.values())).points
        readings = {}
        for channel, (plan, lpp) in enumerate(_channels(points), 1):
            reading = reading_of(plan)
            if plan.unit in _OTHER_UNIT:
                reading["unit"] = _OTHER_UNIT[plan.unit]
            readings[f"{lpp.name}.{channel}"] = reading
        profile = {
            "topic": f"v3/{self._application}/devices/{{device}}/up",
            "version": 1,
            "format": "lorawan",
            "codec": "cayenne",
            "device": "name",
            "fields": readings,
        }
        return profiles_yaml({f"sim-{self._name}": profile})


def _channels(points: Mapping[str, PointPlan]) -> list[tuple[PointPlan, _Lpp]]:
    return [(plan, _type_of(plan)) for plan in points.values() if plan.type != "text"]


def _type_of(plan: PointPlan) -> _Lpp:
    if plan.type == "bool":
        return _PRESENCE
    if plan.type == "int":
        return _GENERIC
    return _BY_UNIT.get(plan.unit, _ANALOG)


def _lpp(points: Mapping[str, PointPlan], values: Mapping[str, Scalar]) -> bytes:
    """LPP of the values; what a type can't hold stands at its end."""
    out = bytearray()
    sent = [(name, plan) for name, plan in points.items() if plan.type != "text"]
    for channel, (name, plan) in enumerate(sent, 1):
        lpp = _type_of(plan)
        bits = lpp.size * 8 - lpp.signed
        whole = min(max(round(float(values[name]) * lpp.times), -(1 << bits) if lpp.signed else 0), (1 << bits) - 1)
        out += bytes((channel, lpp.number)) + whole.to_bytes(lpp.size, "big", signed=lpp.signed)
    return bytes(out)


def _rfc3339(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, NS_PER_S)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
