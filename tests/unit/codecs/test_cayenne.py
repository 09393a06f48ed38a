"""Cayenne LPP: every documented type, and what is cut off or unknown."""

import pytest
from tests.unit.codecs.golden import Desk

from holdfast.codecs.formats.cayenne import TYPES, values_of
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import RejectReason
from holdfast.model.series import Kind

DOCUMENTED = [
    # the examples of myDevices' documentation
    ("03 67 0110 05 67 00ff", {"temperature.3": 27.2, "temperature.5": 25.5}),
    ("01 67 ffd7", {"temperature.1": -4.1}),
    ("06 71 04d2 fb2e 0000", {"acceleration.6.x": 1.234, "acceleration.6.y": -1.234, "acceleration.6.z": 0}),
    (
        "01 88 06765f f2960a 0003e8",
        {"position.1.latitude": 42.3519, "position.1.longitude": -87.9094, "position.1.altitude": 10},
    ),
    # its table, and the community's, at the ends of each range
    ("01 00 00 02 00 ff", {"digital_in.1": 0, "digital_in.2": 255}),
    ("01 01 01", {"digital_out.1": 1}),
    ("01 02 8000 02 02 7fff", {"analog_in.1": -327.68, "analog_in.2": 327.67}),
    ("01 03 ffff", {"analog_out.1": -0.01}),
    ("01 64 ffffffff", {"generic.1": 4_294_967_295}),
    ("01 65 ffff", {"illuminance.1": 65_535}),
    ("01 66 00 02 66 01 03 66 05", {"presence.1": False, "presence.2": True, "presence.3": True}),
    ("01 67 8000 ff 67 7fff", {"temperature.1": -3276.8, "temperature.255": 3276.7}),
    ("01 68 01 02 68 c8 03 68 ff", {"humidity.1": 0.5, "humidity.2": 100, "humidity.3": 127.5}),
    ("01 73 2792", {"pressure.1": 101_300}),
    ("01 74 0937", {"voltage.1": 23.59}),
    ("01 75 03e9", {"current.1": 1.001}),
    ("01 76 000f4240", {"frequency.1": 1_000_000}),
    ("01 78 64", {"percentage.1": 100}),
    ("01 79 ff9c", {"altitude.1": -100}),
    ("01 7a fffc18", {"load.1": -1}),
    ("01 7d 01c2", {"concentration.1": 450}),
    ("01 80 0bb8", {"power.1": 3000}),
    ("01 82 000004d2", {"distance.1": 1.234}),
    ("01 83 0000007b", {"energy.1": 0.123}),
    ("01 84 0167", {"direction.1": 359}),
    ("01 85 65f1f080", {"time.1": 1_710_354_560}),
    ("01 86 ffff 0064 8000", {"rotation.1.x": -0.01, "rotation.1.y": 1, "rotation.1.z": -327.68}),
    ("01 87 ff8000", {"colour.1.red": 255, "colour.1.green": 128, "colour.1.blue": 0}),
    ("01 8e 01", {"switch.1": True}),
]
UNITS = {
    "temperature": "Cel", "humidity": "%RH", "illuminance": "lx", "pressure": "Pa", "voltage": "V", "current": "A",
    "frequency": "Hz", "percentage": "%", "altitude": "m", "load": "kg", "concentration": "ppm", "power": "W",
    "distance": "m", "energy": "kWh", "direction": "deg", "time": "s", "acceleration": "m/s2", "rotation": "deg/s",
}  # fmt: skip


@pytest.mark.parametrize(("payload", "wanted"), DOCUMENTED, ids=[p for p, _ in DOCUMENTED])
def test_a_type_is_read_as_it_is_documented(payload: str, wanted: dict[str, float]) -> None:
    found = values_of(bytes.fromhex(payload))
    assert {v.name: v.value for v in found} == wanted
    assert all(isinstance(v.value, bool) is (v.kind is Kind.BOOL) for v in found)


def test_the_documented_cases_cover_every_type() -> None:
    assert {bytes.fromhex(payload)[1] for payload, _ in DOCUMENTED} == TYPES.keys()


def test_values_are_stored_in_senml_units_under_the_topics_device() -> None:
    found = {}
    for payload, _ in DOCUMENTED:
        outcome = Desk("cayenne").read("cayenne/tank", bytes.fromhex(payload))
        assert outcome.rejected == []
        for r in outcome.readings:
            assert (r.series.device, r.quality) == ("tank", "good")
            found[r.series.metric] = r
    for name, r in found.items():
        kind = name.split(".")[0]
        wanted = {"position.1.latitude": "lat", "position.1.longitude": "lon", "position.1.altitude": "m"}
        assert r.series.unit == wanted.get(name, UNITS.get(kind, "")), name
    assert found["acceleration.6.x"].value == pytest.approx(1.234 * 9.80665)


@pytest.mark.parametrize(
    ("payload", "reason", "said"),
    [
        ("", RejectReason.MALFORMED, "empty"),
        ("03", RejectReason.MALFORMED, "byte 0 is a channel, and no type follows"),
        ("03 67", RejectReason.MALFORMED, "temperature of channel 3 has 2 bytes, 0 are there"),
        ("03 67 0110 05", RejectReason.MALFORMED, "byte 4 is a channel"),
        ("01 88 06765f f2960a 0003", RejectReason.MALFORMED, "position of channel 1 has 9 bytes, 8 are there"),
        ("03 67 0110 01 f0 00", RejectReason.UNSUPPORTED, "has the number 240 (byte 5, channel 1)"),
        ("7b 22 74 22", RejectReason.UNSUPPORTED, "has the number 34 (byte 1, channel 123)"),
    ],
)
def test_what_is_cut_off_or_unknown_is_refused_whole(payload: str, reason: RejectReason, said: str) -> None:
    with pytest.raises(Refused) as refused:
        values_of(bytes.fromhex(payload))
    assert refused.value.reason is reason
    assert said in refused.value.detail
    outcome = Desk("cayenne").read("cayenne/tank", bytes.fromhex(payload))
    assert outcome.readings == []
    assert len(outcome.rejected) == 1
