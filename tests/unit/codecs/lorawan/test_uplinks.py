"""What network servers publish, through a profile with scripts, to readings."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.unit.codecs.lorawan.servers import EUI, RECEIVED_NS, chirpstack, chirpstack_3, helium, the_things, thing_park

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.devices import Registry, Ruling, as_named
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.lorawan.happenings import CodecWarned
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.translate import translate
from holdfast.codecs.lorawan.uplinks import UplinkInvalid, read_uplink
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reject import RejectReason
from holdfast.kernel.clock import ManualClock
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.quality import quality_of
from holdfast.model.series import Catalogue
from holdfast.telemetry.happenings import Happening

VENDORS = Path(__file__).parent / "vendors"
NOW = RECEIVED_NS + 500_000_000
TOPIC = "v3/site@ttn/devices/room-1/up"
ROOM = bytes.fromhex("0367e6ff04687d")
PROFILE = """profiles:
  rooms:
    topic: v3/site@ttn/devices/{device}/up
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
    return through(profile, catalogue, messages), catalogue


def through(
    profile: Profile,
    catalogue: Catalogue,
    messages: Sequence[bytes],
    registry: Registry = as_named,
    tell: Callable[[Happening], None] = lambda _: None,
) -> Decoded:
    plan = profile.lorawan
    assert plan is not None

    async def body() -> Decoded:
        runner = ScriptRunner(ManualClock(), tell)
        try:
            out = await translate(runner, plan, messages, NOW)
        finally:
            await runner.close()
        decoder = Decoder([profile], catalogue, "gw", registry=registry)
        return decoder.decode([Run(TOPIC, out.payloads, NOW, out.refusals)])

    return asyncio.run(body())


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
        (f"{EUI} air.temperature", -2.6, "Cel", "GOOD"),
        (f"{EUI} air.humidity", 62.5, "%RH", "GOOD"),
        (f"{EUI} link.rssi", -47.0, "dBm", "GOOD"),
        (f"{EUI} link.snr", 9.25, "dB", "GOOD"),
    ]
    assert set(decoded.batch.ts.tolist()) == {RECEIVED_NS}


def test_a_chirpstack_uplink_becomes_the_same_readings(tmp_path: Path) -> None:
    one, names = decode(tmp_path / "a", "    codec: north/room.js\n", chirpstack(ROOM))
    other, more = decode(tmp_path / "b", "    codec: north/room.js\n", the_things(ROOM))
    assert readings(one, names)[:2] == readings(other, more)[:2]
    assert readings(one, names)[2:] == [
        (f"{EUI} link.rssi", -36.0, "dBm", "GOOD"),
        (f"{EUI} link.snr", 10.5, "dB", "GOOD"),
    ]


def test_the_script_goes_by_the_devices_type(tmp_path: Path) -> None:
    more = "    codecs: {north/am107: north/room.js, tern-mast: tern/weather.js}\n"
    mast = bytes.fromhex("066e0168ff382d70")
    decoded, catalogue = decode(tmp_path, more, the_things(ROOM), chirpstack(mast, port=2, profile="tern-mast"))
    found = {metric: (value, quality) for metric, value, _, quality in readings(decoded, catalogue)}
    assert found[f"{EUI} air.temperature"] == (-2.0, "GOOD")
    assert found[f"{EUI} wind.direction"] == (360.0, "BAD")
    assert found[f"{EUI} air.pressure"] == (116320.0, "BAD")


def test_every_servers_uplink_has_its_device_time_link_and_payload(tmp_path: Path) -> None:
    heard = {"chirpstack 3": (-48.0, 9.5), "helium": (-45.0, 8.5), "thingpark": (-60.0, 9.75)}
    euis = {"chirpstack 3": EUI.lower()}
    for name, message in (
        ("chirpstack 3", chirpstack_3(ROOM)),
        ("chirpstack 3", chirpstack_3(ROOM, devEUI=EUI.lower())),
        ("helium", helium(ROOM)),
        ("thingpark", thing_park(ROOM)),
        ("thingpark", thing_park(ROOM, FPort=85, FCntUp=7011, LrrRSSI=-60, LrrSNR=9.75)),
    ):
        decoded, catalogue = decode(tmp_path / str(hash(message)), "    codec: north/room.js\n", message)
        assert decoded.rejected == []
        eui, (rssi, snr) = euis.get(name, EUI), heard[name]
        assert readings(decoded, catalogue) == [
            (f"{eui} air.temperature", -2.6, "Cel", "GOOD"),
            (f"{eui} air.humidity", 62.5, "%RH", "GOOD"),
            (f"{eui} link.rssi", rssi, "dBm", "GOOD"),
            (f"{eui} link.snr", snr, "dB", "GOOD"),
        ]
        assert abs(int(decoded.batch.ts[0]) - RECEIVED_NS) < 1_000_000
        assert decoded.keys[0]


def test_what_each_server_decoded_is_taken_without_a_codec(tmp_path: Path) -> None:
    for i, message in enumerate(
        (
            chirpstack_3(ROOM, object={"temperature": 21.5}),
            chirpstack_3(ROOM, objectJSON='{"temperature": 21.5}'),
            chirpstack_3(ROOM, objectJSON='{"temperature": 21.5}', data=None),
            helium(ROOM, decoded={"status": "success", "payload": {"temperature": 21.5}}),
            thing_park(ROOM, payload={"temperature": 21.5}),
        )
    ):
        decoded, catalogue = decode(tmp_path / str(i), "", message)
        assert readings(decoded, catalogue)[0][1:] == (21.5, "Cel", "GOOD")


def test_a_device_is_called_by_its_eui_its_name_or_the_topic(tmp_path: Path) -> None:
    bare = b'{"uplink_message": {"f_port": 85, "frm_payload": "A2cA/w=="}, "end_device_ids": {"device_id": "nr-1"}}'
    for i, (more, message, device) in enumerate(
        (
            ("device: eui", the_things(TWO), EUI),
            ("device: name", the_things(TWO), "room-1"),
            ("device: name", chirpstack(TWO), "room 1"),
            ("device: topic", helium(TWO), "room-1"),
            ("version: 1", bare, "nr-1"),
            ("version: 1", b'{"uplink_message": {"f_port": 85, "frm_payload": "A2cA/w=="}}', "room-1"),
        )
    ):
        decoded, catalogue = decode(tmp_path / str(i), f"    codec: cayenne\n    {more}\n", message)
        assert {name.rpartition(" ")[0] for name, *_ in readings(decoded, catalogue)} == {device}


TWO = bytes.fromhex("03670110056700ff")


def test_cayenne_needs_no_script_and_goes_by_port_or_type(tmp_path: Path) -> None:
    wanted = [("temperature.3", 27.2, "Cel"), ("temperature.5", 25.5, "Cel")]
    for i, (more, message) in enumerate(
        (
            ("    codec: cayenne\n", the_things(TWO, port=7)),
            ("    codec: cayenne\n", chirpstack(TWO)),
            ("    ports: {1-3: cayenne}\n    codec: north/room.js\n", the_things(TWO, port=2)),
            ("    codecs: {north/am107: cayenne}\n    ports: {1: north/room.js}\n", the_things(TWO, port=1)),
            ("    codec: cayenne\n", the_things(TWO, decoded_payload={"temperature_3": 1, "temperature": 9})),
        )
    ):
        decoded, catalogue = decode(tmp_path / str(i), more, message)
        found = readings(decoded, catalogue)
        assert [(name.removeprefix(f"{EUI} "), v, unit) for name, v, unit, _ in found[:2]] == wanted
        assert [name for name, _, _, _ in found[2:]] == [f"{EUI} link.rssi", f"{EUI} link.snr"]
    more = "    ports: {1: cayenne}\n    codec: north/room.js\n"
    decoded, catalogue = decode(tmp_path / "other port", more, the_things(ROOM))
    assert readings(decoded, catalogue)[0][0] == f"{EUI} air.temperature"


def test_a_channel_may_be_given_a_name_of_its_own(tmp_path: Path) -> None:
    more = "    codec: cayenne\n    fields: {temperature.3: {metric: pipe.temperature, unit: Cel, max: 27}}\n"
    decoded, catalogue = decode(tmp_path, more, the_things(TWO))
    assert readings(decoded, catalogue)[:2] == [
        (f"{EUI} pipe.temperature", 27.2, "Cel", "BAD"),
        (f"{EUI} temperature.5", 25.5, "Cel", "GOOD"),
    ]


def test_a_cayenne_payload_that_is_cut_off_or_unknown_goes_to_quarantine_as_its_devices(tmp_path: Path) -> None:
    asked: list[str] = []

    def registry(name: str) -> Ruling:
        asked.append(name)
        return Ruling(name, 7)

    (profile,) = load_profiles([write(tmp_path, "    codec: cayenne\n")])
    decoded = through(profile, Catalogue(), [the_things(TWO[:3]), the_things(b"\x01\x63\x00")], registry)
    assert [(r.reason.value, r.detail) for r in decoded.rejected] == [
        ("malformed", "cut off: temperature of channel 3 has 2 bytes, 1 are there"),
        ("unsupported", "no Cayenne LPP type has the number 99 (byte 1, channel 1)"),
    ]
    assert set(asked) == {EUI}
    assert decoded.device.tolist() == [7, 7]


def test_the_gateway_and_the_warnings_are_there_for_who_asks(tmp_path: Path) -> None:
    more = "    fields: {$gateway: {metric: link.gateway, type: text}, $warnings: {metric: warnings, type: text}}\n"
    message = the_things(ROOM, decoded_payload={"temperature": 1}, decoded_payload_warnings=["it's cold"])
    told: list[Happening] = []
    (profile,) = load_profiles([write(tmp_path, more)])
    catalogue = Catalogue()
    decoded = through(profile, catalogue, [message], tell=told.append)
    found = readings(decoded, catalogue)
    assert (f"{EUI} link.gateway", "near", "", "GOOD") in found
    assert (f"{EUI} warnings", "it's cold", "", "GOOD") in found
    assert told == [CodecWarned(EUI, "it's cold")]


def test_a_type_without_a_script_is_refused_with_the_types_there_are(tmp_path: Path) -> None:
    decoded, _ = decode(tmp_path, "    codecs: {north/am107: north/room.js}\n", the_things(ROOM, model="x9"))
    (rejection,) = decoded.rejected
    assert rejection.reason is RejectReason.SCRIPT
    assert "no codec for device type `north/x9` (there are: north/am107)" in rejection.detail


def test_without_a_script_what_the_network_server_decoded_is_taken(tmp_path: Path) -> None:
    uplink = the_things(ROOM, decoded_payload={"temperature": 21.5}, normalized_payload=[{"air": {"temperature": 22}}])
    decoded, catalogue = decode(tmp_path / "a", "", uplink)
    assert readings(decoded, catalogue)[0] == (f"{EUI} air.temperature", 22.0, "Cel", "GOOD")
    decoded, catalogue = decode(tmp_path / "b", "", chirpstack(ROOM, object={"temperature": 21.5}))
    assert readings(decoded, catalogue)[0] == (f"{EUI} air.temperature", 21.5, "Cel", "GOOD")


def test_the_profiles_own_fields_join_the_normalised_ones_and_replace_those_of_the_same_metric(tmp_path: Path) -> None:
    more = """    codec: tern/weather.js
    fields:
      wind.heading: {metric: wind.direction, unit: deg, to: rad, decimals: 3}
      t: {metric: mast.temperature, unit: Cel, min: 0}
      absent: {metric: never}
"""
    decoded, catalogue = decode(tmp_path, more, the_things(bytes.fromhex("066e00b4ff382770"), port=2))
    found = [row for row in readings(decoded, catalogue) if "link" not in row[0]]
    assert (f"{EUI} wind.direction", 3.142, "rad", "GOOD") in found
    assert (f"{EUI} mast.temperature", -2.0, "Cel", "BAD") in found
    assert [row[0] for row in found].count(f"{EUI} wind.direction") == 1


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
        ("    codec: north/room.js\n    device: a\n", "`a`: an uplink's device is called by its `eui`, `name` or"),
        ("    ports: {9-2: cayenne}\n", "`9-2` is no fPort: 0 to 255"),
        ("    ports: {256: cayenne}\n", "`256` is no fPort"),
        ("    ports: {1: gone.js}\n", "gone.js: No such file or directory"),
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
