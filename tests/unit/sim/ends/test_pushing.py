"""Ends that publish: what they say is read back by our own codecs, which vendors' messages have proved."""

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.unit.sim.site.scenes import START_NS

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.formats.cayenne import values_of
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.lorawan.uplinks import read_uplink
from holdfast.model.series import Catalogue
from holdfast.sim.ends.broker import Mouth
from holdfast.sim.ends.http import HttpEnd, HttpEndSettings
from holdfast.sim.ends.lorawan import LorawanEnd, LorawanEndSettings
from holdfast.sim.ends.mqtt import MqttEnd, MqttEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan, Scalar
from holdfast.sim.ends.publishing import Publication, framed, garbled, on_the_wire, unframed
from holdfast.sim.ends.sparkplug import SparkplugEnd, SparkplugEndSettings
from holdfast.sim.mqtt.client import MqttClient
from holdfast.sim.mqtt.session import Message, Session
from holdfast.transport.errors import CallFailed

POINTS = {
    "temperature": PointPlan("air.temperature", "Cel"),
    "pressure": PointPlan("pump.pressure", "hPa"),
    "energy": PointPlan("electric.energy", "kWh"),
    "force": PointPlan("press.force", "N"),
    "cycles": PointPlan("press.cycles", "", "int"),
    "running": PointPlan("press.running", "", "bool"),
    "state": PointPlan("press.state", "", "text"),
}
VALUES: dict[str, Scalar] = {
    "temperature": -3.5, "pressure": 1013.2, "energy": 12.345, "force": 12.5, "cycles": 70_000, "running": True,
    "state": "running",
}  # fmt: skip
DEVICES = {"d-1": DevicePlan(0, POINTS), "d-2": DevicePlan(1, POINTS)}


def decoded(end: Any, frames: list[bytes], folder: Path) -> Mapping[str, tuple[float, int]]:
    """Series name to value and time, by the profile of the end's own map_yaml."""
    (folder / "p.yaml").write_text(yaml.safe_dump({"profiles": yaml.safe_load(end.map_yaml())["profiles"]}))
    catalogue = Catalogue()
    decoder = Decoder(load_profiles([folder / "p.yaml"]), catalogue, "gw")
    runs = [Run(said.topic, [said.payload], START_NS) for said in map(unframed, frames)]
    batch = decoder.decode(runs)
    assert batch.rejected == []
    names = [catalogue.name(s) if hasattr(catalogue, "name") else s for s in batch.batch.series]
    return {str(n): (float(v), int(t)) for n, v, t in zip(names, batch.batch.value, batch.batch.ts, strict=True)}


def test_frames_hold_topic_and_payload() -> None:
    assert unframed(framed("a/ü", b"\x00x")) == Publication("a/ü", b"\x00x")


def test_what_is_gone_sends_nothing_and_garbage_is_other_bytes() -> None:
    frames = [framed("a", b'{"a": 1}')]
    assert on_the_wire(frames, SOUND) == [("a", b'{"a": 1}')]
    assert on_the_wire(frames, Faults(dropout=True)) == on_the_wire(frames, Faults(half_open=True)) == []
    assert on_the_wire(frames, Faults(garbage=True)) == [("a", garbled(b'{"a": 1}'))]


def test_garbled_json_is_no_json_any_more_and_always_the_same() -> None:
    for n in range(200):
        good = json.dumps({"id": n, "ts": 1_767_592_800_000 + n, "temperature": 20.0}).encode()
        assert garbled(good) == garbled(good)
        with pytest.raises((ValueError, UnicodeDecodeError)):
            json.loads(garbled(good))
    assert garbled(b"") == b""


def test_mqtt_says_json_that_its_profile_reads(tmp_path: Path) -> None:
    end = MqttEnd("g", MqttEndSettings(), DEVICES)
    first, second = (end.frames("d-1", START_NS, VALUES)[0] for _ in range(2))
    topic, payload = unframed(first)
    assert topic == "sim/g/d-1"
    assert json.loads(payload) == {"id": 1, "ts": START_NS // 10**6, **VALUES}
    assert list(json.loads(payload)) == ["id", "ts", *POINTS]
    assert json.loads(unframed(second).payload)["id"] == 2
    found = decoded(end, [first], tmp_path)
    assert len(found) == len(POINTS)
    assert {-3.5, 1013.2, 12.345, 12.5, 70_000.0} <= {value for value, _ in found.values()}
    assert {t for _, t in found.values()} == {START_NS}


def test_http_says_the_same_to_its_url(tmp_path: Path) -> None:
    settings = HttpEndSettings(url="http://127.0.0.1:1/in/{group}/{device}")
    end = HttpEnd("g", settings, DEVICES)
    (frame,) = end.frames("d-2", START_NS, VALUES)
    assert unframed(frame).topic == "http://127.0.0.1:1/in/g/d-2"
    profile = yaml.safe_load(end.map_yaml())["profiles"]["sim-g"]
    assert profile["topic"] == "sim/g/{device}"
    assert decoded(end, [framed("sim/g/d-2", unframed(frame).payload)], tmp_path)
    assert [key for key, _ in HttpEndSettings(url="ftp://x").findings()] == [("url",)]


def test_lorawan_uplinks_are_the_things_stacks_with_cayenne_in_them(tmp_path: Path) -> None:
    end = LorawanEnd("g", LorawanEndSettings(), DEVICES)
    frames = list(end.frames("d-1", START_NS + 5, VALUES))
    said = unframed(frames[0])
    assert said.topic == "v3/sim@ttn/devices/d-1/up"
    uplink = read_uplink(said.payload, 0)
    assert uplink.time_ns == START_NS + 5
    assert uplink.device == "d-1"
    assert len(uplink.eui) == 16
    assert uplink.uplink is not None
    payload = base64.b64decode(json.loads(said.payload)["uplink_message"]["frm_payload"])
    assert [(v.name, v.value) for v in values_of(payload)] == [
        ("temperature.1", -3.5), ("pressure.2", 101_320), ("energy.3", 12.345), ("analog_in.4", 12.5),
        ("generic.5", 70_000), ("presence.6", True),
    ]  # fmt: skip
    again = read_uplink(unframed(end.frames("d-1", START_NS, VALUES)[0]).payload, 0)
    assert again.id != uplink.id


def test_what_lpp_cannot_hold_stands_at_its_end() -> None:
    end = LorawanEnd("g", LorawanEndSettings(), DEVICES)
    (frame,) = end.frames("d-1", START_NS, VALUES | {"force": 800_000.0, "temperature": -1e9, "cycles": -5})
    payload = base64.b64decode(json.loads(unframed(frame).payload)["uplink_message"]["frm_payload"])
    found = {v.name: v.value for v in values_of(payload)}
    assert (found["analog_in.4"], found["temperature.1"], found["generic.5"]) == (327.67, -3276.8, 0)


def parsed(frame: bytes) -> tuple[str, Any]:
    said = unframed(frame)
    return said.topic, PAYLOAD.FromString(said.payload)


def test_sparkplug_is_born_then_tells_data_by_alias_and_counts() -> None:
    end = SparkplugEnd("g", SparkplugEndSettings(), DEVICES)
    said = [parsed(f) for device in ("d-1", "d-2", "d-1") for f in end.frames(device, START_NS, VALUES)]
    assert [topic for topic, _ in said] == [
        "spBv1.0/sim/NBIRTH/g", "spBv1.0/sim/DBIRTH/g/d-1", "spBv1.0/sim/DBIRTH/g/d-2", "spBv1.0/sim/DDATA/g/d-1",
    ]  # fmt: skip
    assert [payload.seq for _, payload in said] == [0, 1, 2, 3]
    birth, data = said[1][1].metrics, said[3][1].metrics
    assert [m.name for m in birth] == [plan.metric for plan in POINTS.values()]
    assert [m.alias for m in birth] == [m.alias for m in data]
    assert not any(m.name for m in data)
    assert {m.alias for m in birth}.isdisjoint({m.alias for m in said[2][1].metrics})
    assert birth[0].properties.values[0].string_value == "Cel"
    assert (data[0].double_value, data[4].long_value, data[5].boolean_value, data[6].string_value) == (
        -3.5, 70_000, True, "running",
    )  # fmt: skip


def test_a_sparkplug_hosts_rebirth_request_begins_anew_and_rubbish_does_not() -> None:
    end = SparkplugEnd("g", SparkplugEndSettings(), DEVICES)
    end.frames("d-1", START_NS, VALUES)
    end._heard(Message("t", b"\xff\xff\xff", 0, False))
    assert len(end.frames("d-1", START_NS, VALUES)) == 1
    command = PAYLOAD()
    command.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    end._heard(Message("t", command.SerializeToString(), 0, False))
    said = [parsed(f) for f in end.frames("d-1", START_NS, VALUES)]
    assert [(topic.split("/")[2], payload.seq) for topic, payload in said] == [("NBIRTH", 0), ("DBIRTH", 1)]


def test_each_connection_has_a_will_with_the_next_bd_seq_that_its_birth_tells() -> None:
    end = SparkplugEnd("g", SparkplugEndSettings(node="edge"), DEVICES)
    for expected in (0, 1):
        will = end._will()
        assert will.topic == "spBv1.0/sim/NDEATH/edge"
        assert PAYLOAD.FromString(will.payload).metrics[0].long_value == expected
        birth = parsed(end.frames("d-1", START_NS, VALUES)[0])[1]
        assert birth.metrics[0].long_value == expected


def test_sparkplug_counts_to_255_and_on_from_0() -> None:
    end = SparkplugEnd("g", SparkplugEndSettings(), DEVICES)
    seqs = [parsed(f)[1].seq for _ in range(300) for f in end.frames("d-1", START_NS, VALUES)]
    assert seqs == [n % 256 for n in range(301)]


def test_negative_whole_numbers_are_twos_complement() -> None:
    end = SparkplugEnd("g", SparkplugEndSettings(), DEVICES)
    data = parsed(list(end.frames("d-1", START_NS, VALUES | {"cycles": -2}))[-1])[1]
    assert data.metrics[4].long_value == 2**64 - 2


def test_sparkplugs_units_and_values_reach_a_node(tmp_path: Path) -> None:
    end = SparkplugEnd("g", SparkplugEndSettings(), DEVICES)
    found = decoded(end, list(end.frames("d-1", START_NS, VALUES)), tmp_path)
    assert -3.5 in {value for value, _ in found.values()}


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (MqttEndSettings(topic="x/{device}s"), ("topic",)),
        (MqttEndSettings(url="http://x"), ("url",)),
        (LorawanEndSettings(application="a/b"), ("application",)),
        (SparkplugEndSettings(group_id="a+"), ("group_id",)),
        (SparkplugEndSettings(node="a/b"), ("node",)),
    ],
)
def test_settings_that_cannot_work_are_told(settings: Any, key: tuple[str, ...]) -> None:
    assert [where for where, _ in settings.findings()] == [key]


def test_settings_are_good_by_default() -> None:
    for settings in (MqttEndSettings(), LorawanEndSettings(), SparkplugEndSettings(), HttpEndSettings()):
        assert list(settings.findings()) == []
        assert msgspec.convert({}, type(settings)) == settings


def mouth(*, own: bool) -> tuple[Mouth, MqttClient]:
    session = Session("s")
    session.greeted = True
    client = MqttClient(MqttEndSettings().login(), session)
    return Mouth(client, 0, own=own), client


def test_one_lost_message_keeps_the_connection_and_two_in_a_row_break_it() -> None:
    said, client = mouth(own=True)
    for faults, stays in ((SOUND, True), (Faults(dropout=True), True), (Faults(dropout=True), False), (SOUND, True)):
        said.say([], faults)
        assert client._allowed.is_set() is stays


def test_a_half_open_device_does_not_even_ping() -> None:
    said, client = mouth(own=True)
    said.say([], Faults(half_open=True))
    assert client._is_silent
    said.say([], SOUND)
    assert not client._is_silent


def test_faults_of_one_device_leave_a_shared_connection_alone() -> None:
    said, client = mouth(own=False)
    for _ in range(3):
        said.say([], Faults(dropout=True, half_open=True))
    assert client._allowed.is_set()
    assert not client._is_silent


def test_a_slow_device_is_late_and_in_order() -> None:
    async def run() -> list[int]:
        said, client = mouth(own=True)
        counts = []
        for n in range(3):
            said.say([Publication("t", bytes((n,)))], Faults(slow_s=0.02))
        counts.append(client.session.sent)
        await asyncio.sleep(0.05)
        counts.append(client.session.sent)
        assert bytes(client.session.out).count(b"\0\1t\0") == 1
        return counts

    assert asyncio.run(run()) == [0, 3]


def test_posting_where_nobody_listens_is_told_at_once() -> None:
    end = HttpEnd("g", HttpEndSettings(url="http://127.0.0.1:9/{device}"), DEVICES)
    with pytest.raises(CallFailed, match="nobody listens"):
        asyncio.run(end.start())
