"""What network servers publish, through a profile with scripts, to readings."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.codecs.lorawan.servers import RECEIVED_NS, chirpstack, the_things

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.translate import translate
from holdfast.codecs.lorawan.uplinks import UplinkInvalid, read_uplink
from holdfast.codecs.reject import RejectReason
from holdfast.kernel.clock import ManualClock
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.quality import quality_of
from holdfast.model.series import Catalogue

VENDORS = Path(__file__).parent / "vendors"
NOW = RECEIVED_NS + 500_000_000
TOPIC = "v3/site@ttn/devices/room-1/up"
ROOM = bytes.fromhex("0367e6ff04687d")
PROFILE = """profiles:
  rooms:
    topic: v3/site@ttn/devices/{device}/up
    version: 1
    format: lorawan
"""
Reading = tuple[str, object, str, str]


def write(folder: Path, more: str) -> Path:
    shutil.copytree(VENDORS / "north", folder / "north")
    shutil.copytree(VENDORS / "tern", folder / "tern")
    (folder / "profile.yaml").write_text(PROFILE + more)
    return folder / "profile.yaml"


def decode(folder: Path, more: str, *messages: bytes) -> tuple[Decoded, Catalogue]:
    (profile,) = load_profiles([write(folder, more)])
    catalogue = Catalogue()
    plan = profile.lorawan
    assert plan is not None

    async def body() -> Decoded:
        runner = ScriptRunner(ManualClock())
        try:
            out = await translate(runner, plan, messages, NOW)
        finally:
            await runner.close()
        return Decoder([profile], catalogue, "gw").decode([Run(TOPIC, out.payloads, NOW, out.refusals)])

    return asyncio.run(body()), catalogue


def readings(decoded: Decoded, catalogue: Catalogue) -> Sequence[Reading]:
    batch, out = decoded.batch, []
    for i in range(len(batch)):
        series = catalogue[int(batch.series[i])]
        value: object = float(batch.value[i])
        if catalogue.is_text[batch.series[i]]:
            value = batch.texts[int(batch.value[i])]
        out.append((f"{series.device} {series.metric}", value, series.unit, quality_of(int(batch.quality[i])).name))
    return out


def test_a_the_things_stack_uplink_becomes_readings_with_the_networks_time(tmp_path: Path) -> None:
    decoded, catalogue = decode(tmp_path, "    codec: north/room.js\n", the_things(ROOM))
    assert decoded.rejected == []
    assert readings(decoded, catalogue) == [
        ("room-1 air.temperature", -2.6, "Cel", "GOOD"),
        ("room-1 air.humidity", 62.5, "%RH", "GOOD"),
        ("room-1 link.rssi", -47.0, "dBm", "GOOD"),
        ("room-1 link.snr", 9.25, "dB", "GOOD"),
        ("room-1 link.gateway", "near", "", "GOOD"),
    ]
    assert set(decoded.batch.ts.tolist()) == {RECEIVED_NS}


def test_a_chirpstack_uplink_becomes_the_same_readings(tmp_path: Path) -> None:
    one, names = decode(tmp_path / "a", "    codec: north/room.js\n", chirpstack(ROOM))
    other, more = decode(tmp_path / "b", "    codec: north/room.js\n", the_things(ROOM))
    assert readings(one, names)[:2] == readings(other, more)[:2]
    assert readings(one, names)[2:] == [
        ("room-1 link.rssi", -36.0, "dBm", "GOOD"),
        ("room-1 link.snr", 10.5, "dB", "GOOD"),
        ("room-1 link.gateway", "0016c001f153a14c", "", "GOOD"),
    ]


def test_the_script_goes_by_the_devices_type(tmp_path: Path) -> None:
    more = "    codecs: {north/am107: north/room.js, tern-mast: tern/weather.js}\n"
    mast = bytes.fromhex("066e0168ff382d70")
    decoded, catalogue = decode(tmp_path, more, the_things(ROOM), chirpstack(mast, port=2, profile="tern-mast"))
    found = {metric: (value, quality) for metric, value, _, quality in readings(decoded, catalogue)}
    assert found["room-1 air.temperature"] == (-2.0, "GOOD")
    assert found["room-1 wind.direction"] == (360.0, "BAD")
    assert found["room-1 air.pressure"] == (116320.0, "BAD")


def test_a_type_without_a_script_is_refused_with_the_types_there_are(tmp_path: Path) -> None:
    decoded, _ = decode(tmp_path, "    codecs: {north/am107: north/room.js}\n", the_things(ROOM, model="x9"))
    (rejection,) = decoded.rejected
    assert rejection.reason is RejectReason.SCRIPT
    assert "no codec for device type `north/x9` (there are: north/am107)" in rejection.detail


def test_without_a_script_what_the_network_server_decoded_is_taken(tmp_path: Path) -> None:
    uplink = the_things(ROOM, decoded_payload={"temperature": 21.5}, normalized_payload=[{"air": {"temperature": 22}}])
    decoded, catalogue = decode(tmp_path / "a", "", uplink)
    assert readings(decoded, catalogue)[0] == ("room-1 air.temperature", 22.0, "Cel", "GOOD")
    decoded, catalogue = decode(tmp_path / "b", "", chirpstack(ROOM, object={"temperature": 21.5}))
    assert readings(decoded, catalogue)[0] == ("room-1 air.temperature", 21.5, "Cel", "GOOD")


def test_the_profiles_own_fields_join_the_normalised_ones_and_replace_those_of_the_same_metric(tmp_path: Path) -> None:
    more = """    codec: tern/weather.js
    fields:
      wind.heading: {metric: wind.direction, unit: deg, to: rad, decimals: 3}
      t: {metric: mast.temperature, unit: Cel, min: 0}
      absent: {metric: never}
"""
    decoded, catalogue = decode(tmp_path, more, the_things(bytes.fromhex("066e00b4ff382770"), port=2))
    found = [row for row in readings(decoded, catalogue) if "link" not in row[0]]
    assert ("room-1 wind.direction", 3.142, "rad", "GOOD") in found
    assert ("room-1 mast.temperature", -2.0, "Cel", "BAD") in found
    assert [row[0] for row in found].count("room-1 wind.direction") == 1


def test_a_batch_keeps_its_order_and_says_of_each_bad_message_what_is_wrong(tmp_path: Path) -> None:
    messages = [
        the_things(ROOM, count=1),
        b'{"hello": 1}',
        b"not json",
        the_things(ROOM, port=9, count=2),
        b'{"uplink_message": {"frm_payload": "%%"}}',
        the_things(b"", port=0, count=3),
        b"[" * 40 + b"]" * 40,
        the_things(ROOM, count=4),
    ]
    decoded, _ = decode(tmp_path, "    codec: north/room.js\n", *messages)
    assert [(r.message, r.reason.value) for r in decoded.rejected] == [
        (1, "wrong_type"),
        (2, "malformed"),
        (3, "script"),
        (4, "wrong_type"),
        (6, "too_deep"),
    ]
    assert decoded.rejected[2].detail == "the script refuses it: unknown FPort"
    assert "The Things Stack" in decoded.rejected[0].detail
    assert sorted(set(decoded.message.tolist())) == [0, 5, 7]  # 5 has no payload: only its radio link is told


def test_copies_of_an_uplink_have_one_key_and_different_uplinks_have_not(tmp_path: Path) -> None:
    messages = [the_things(ROOM, count=1), the_things(ROOM, count=2), the_things(ROOM, count=1), chirpstack(ROOM)]
    decoded, _ = decode(tmp_path, "    codec: north/room.js\n", *messages)
    keys = decoded.keys.tolist()
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3
    bare = b'{"uplink_message": {"f_port": 85, "frm_payload": "A2fm/w=="}}'
    assert read_uplink(bare, 1).id == read_uplink(bare, 2).id != read_uplink(bare + b" ", 1).id


def test_a_network_server_that_tells_no_time_leaves_the_time_of_receipt() -> None:
    uplink = read_uplink(b'{"uplink_message": {"f_port": 1, "frm_payload": "AA=="}}', NOW)
    assert uplink.time_ns == NOW
    with pytest.raises(UplinkInvalid, match="not JSON"):
        read_uplink(b"\xff", NOW)


def test_a_script_that_returns_nothing_usable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    script = tmp_path / "x" / "bad.js"
    script.write_text("async function decodeUplink() { return { data: {} }; }")
    decoded, _ = decode(tmp_path, "    codec: x/bad.js\n", the_things(ROOM))
    assert decoded.rejected[0].detail == "the script returned neither data nor errors"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("    codec: gone.js\n", "gone.js: No such file or directory"),
        ("    codec: north/room.js\n    time: {field: ts}\n", "`time` isn't for `format: lorawan`"),
        ("    codec: north/room.js\n    device: a\n", "`device` isn't for `format: lorawan`"),
        ("    codec: north/room.js\n    fields: {a: {metric: Bad Name}}\n", "is no metric"),
    ],
)
def test_a_profile_that_cannot_work_is_refused_with_what_to_mend(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        load_profiles([write(tmp_path, more)])


def test_a_script_without_its_format_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "    codec: north/room.js\n")
    file.write_text(file.read_text().replace("    format: lorawan\n", "    fields: {a: {metric: b}}\n"))
    with pytest.raises(SettingsInvalid, match="add `format: lorawan`"):
        load_profiles([file])
