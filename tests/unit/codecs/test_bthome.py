"""BTHome v2: every documented object, encryption, repeats, and what is cut off, forged or unknown.

Vectors: bthome.io/format ("Sensor data", "Binary Sensor data", "Events", "Device information") and
bthome.io/encryption; those marked bthome-ble are of the reference receiver's tests (tests/test_parser_v2.py).
"""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from tests.unit.codecs.golden import Desk, Outcome

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.formats.bthome import FLAGS, MEASURES, advertised
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import RejectReason
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.series import Catalogue, Kind

NOW = 1_795_187_068_000_000_000
MAC = "54:48:E6:8F:80:A5"
KEY = "231d39c1d7cc1ab1aee224cd096db932"
SEALED = "41e445f3c9962b332211006c7c4519"
"""bthome.io/encryption: 02CA09 03BF13 under KEY, from MAC, counter 1122867."""
TOPIC = f"bthome/hall/{MAC}"

DOCUMENTED = [
    ("518756", "acceleration", 22.151, "m/s2"),
    ("0161", "battery", 97, "%"),
    ("12e204", "co2", 1250, "ppm"),
    ("56e803", "conductivity", 1000, "uS/cm"),
    ("0960", "count", 96, ""),
    ("3d0960", "count", 24_585, ""),
    ("3e2a2c0960", "count", 1_611_213_866, ""),
    ("59ea", "count", -22, ""),
    ("5aeaea", "count", -5398, ""),
    ("5bea0234ea", "count", -365_690_134, ""),
    ("434e34", "current", 13.39, "A"),
    ("5d02ea", "current", -5.63, "A"),
    ("08ca06", "dew_point", 17.38, "Cel"),
    ("400c00", "distance", 12, "mm"),
    ("414e00", "distance", 7.8, "m"),
    ("424e3400", "duration", 13.39, "s"),
    ("4d12138a14", "energy", 344_593.17, "kWh"),
    ("0a138a14", "energy", 1346.067, "kWh"),
    ("4b138a14", "gas", 1346.067, "m3"),
    ("4c41018a01", "gas", 25_821.505, "m3"),
    ("528756", "gyroscope", 22.151, "deg/s"),
    ("03bf13", "humidity", 50.55, "%RH"),
    ("2e23", "humidity", 35, "%RH"),
    ("05138a14", "illuminance", 13_460.67, "lx"),
    ("065e1f", "mass", 80.3, "kg"),
    ("073e1d", "mass", 74.86, "lb"),
    ("14020c", "moisture", 30.74, "%"),
    ("2f23", "moisture", 35, "%"),
    ("0d120c", "pm2_5", 3090, "ug/m3"),
    ("0e021c", "pm10", 7170, "ug/m3"),
    ("0b021b00", "power", 69.14, "W"),
    ("5c02fbffff", "power", -12.78, "W"),
    ("04138a01", "pressure", 1008.83, "hPa"),
    ("540c48656c6c6f20576f726c6421", "raw", "48656c6c6f20576f726c6421", ""),
    ("3f020c", "rotation", 307.4, "deg"),
    ("444e34", "speed", 133.9, "m/s"),
    ("57ea", "temperature", -22, "Cel"),
    ("58ea", "temperature", -7.7, "Cel"),
    ("451101", "temperature", 27.3, "Cel"),
    ("02ca09", "temperature", 25.06, "Cel"),
    ("530c48656c6c6f20576f726c6421", "text", "Hello World!", ""),
    ("505d396164", "timestamp", 1_684_093_277, "s"),
    ("133301", "tvoc", 307, "ug/m3"),
    ("0c020c", "voltage", 3.074, "V"),
    ("4a020c", "voltage", 307.4, "V"),
    ("4e87562a01", "volume", 19_551.879, "l"),
    ("478756", "volume", 2215.1, "l"),
    ("48dc87", "volume", 34_780, "ml"),
    ("5587562a01", "volume_storage", 19_551.879, "l"),
    ("49dc87", "volume_flow", 34.78, "m3/h"),
    ("4632", "uv_index", 5.0, ""),
    ("4f87562a01", "water", 19_551.879, "l"),
    ("5e9f8c", "direction", 359.99, "deg"),
    ("5fa00f", "precipitation", 400.0, "mm"),  # bthome-ble's factor, 0.1; an early table said 1
    ("6001", "channel", 1, ""),
    ("61ac0d", "rotational_speed", 3500, "rpm"),
    ("6287560000", "speed", 0.022151, "m/s"),
    ("6387560000", "acceleration", 0.022151, "m/s2"),
    ("6405", "light_level", 5, ""),
    ("f00100", "device_type", 1, ""),
    ("f100010204", "firmware", "4.2.1.0", ""),
    ("f2000106", "firmware", "6.1.0", ""),
    *((f"{number:02x}{value:02x}", name, bool(value), "") for number, name in FLAGS.items() for value in (0, 1)),
    ("3a01", "button", "press", ""),
    ("3a02", "button", "double_press", ""),
    ("3a03", "button", "triple_press", ""),
    ("3a04", "button", "long_press", ""),
    ("3a05", "button", "long_double_press", ""),
    ("3a06", "button", "long_triple_press", ""),
    ("3a80", "button", "hold_press", ""),
]


def nobody(_: bytes, __: bytes, ___: bytes) -> bytes:
    raise AssertionError


@pytest.mark.parametrize(("payload", "name", "value", "unit"), DOCUMENTED, ids=[row[0] for row in DOCUMENTED])
def test_an_object_is_read_as_it_is_documented(payload: str, name: str, value: object, unit: str) -> None:
    [found] = advertised(bytes.fromhex("40" + payload), b"", nobody).values
    assert (found.name, found.value, found.unit) == (name, value, unit)
    assert (found.kind is Kind.BOOL) is isinstance(value, bool)
    assert (found.kind is Kind.TEXT) is isinstance(value, str)


def test_every_object_of_the_tables_is_among_the_documented_ones() -> None:
    shown = {int(payload[:2], 16) for payload, *_ in DOCUMENTED}
    assert set(MEASURES) | set(FLAGS) | {0x3A, 0x53, 0x54, 0xF1, 0xF2} == shown


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ("3c0103", {"dimmer": "rotate_left", "dimmer.steps": 3}),
        ("3c020a", {"dimmer": "rotate_right", "dimmer.steps": 10}),
        ("3c0000", {}),
        ("3a00", {}),
        ("3a003a01", {"button.2": "press"}),  # "no event for the first button"
        ("02ca0902cf09", {"temperature.1": 25.06, "temperature.2": 25.11}),
        ("02ca09451101", {"temperature.1": 25.06, "temperature.2": 27.3}),  # of two ids, and of one property
        ("0c020c4a020c0161", {"voltage.1": 3.074, "voltage.2": 307.4, "battery": 97}),
        ("002e01641e012e34451601", {"battery": 100, "light": True, "humidity": 52, "temperature": 27.8}),  # bthome-ble
    ],
)
def test_events_and_several_of_a_kind_are_told_apart(payload: str, wanted: dict[str, object]) -> None:
    found = advertised(bytes.fromhex("44" + payload), b"", nobody)
    assert {value.name: value.value for value in found.values} == wanted


def test_what_stands_behind_an_unknown_object_is_left_out_and_counted() -> None:
    found = advertised(bytes.fromhex("4002ca09ee0102"), b"", nobody)
    assert [value.name for value in found.values] == ["temperature"]
    assert found.is_cut


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", RejectReason.MALFORMED),
        ("e102000c04", RejectReason.UNSUPPORTED),  # bthome-ble: version 7
        ("4002ca", RejectReason.MALFORMED),
        ("4053", RejectReason.MALFORMED),
        ("40530548", RejectReason.MALFORMED),
        ("4201", RejectReason.MALFORMED),
        ("4100112233", RejectReason.MALFORMED),
    ],
)
def test_what_is_cut_off_is_refused(payload: str, reason: RejectReason) -> None:
    with pytest.raises(Refused) as refused:
        advertised(bytes.fromhex(payload), b"", nobody)
    assert refused.value.reason is reason


def test_an_advertisement_may_bring_its_own_mac() -> None:
    asked: list[bytes] = []

    def unlock(mac: bytes, nonce: bytes, _: bytes) -> bytes:
        asked.extend((mac, nonce))
        return bytes.fromhex("02ca09")

    advertised(bytes.fromhex("43a5808fe6485400112233445566778899"), b"", unlock)
    assert asked[0].hex(":").upper() == MAC
    assert asked[1] == asked[0] + bytes.fromhex("d2fc43") + bytes.fromhex("22334455")


def message(data: str, **more: object) -> bytes:
    structure = f"16d2fc{data}"
    return json.dumps({"data": f"020106{len(structure) // 2:02x}{structure}", **more}).encode()


def desk(folder: Path, keys: str = f"# hall\n{MAC} {KEY}\n", more: str = "") -> Desk:
    (folder / "bind.keys").write_text(keys)
    path = folder / "own.yaml"
    path.write_text(f"profiles: {{mine: {{extends: bthome, bthome: {{keys: bind.keys{more}}}}}}}")
    return Desk(path)


def values(found: Outcome) -> dict[str, object]:
    return {reading.series.metric: reading.value for reading in found.readings}


def test_an_advertisement_becomes_readings_with_units_time_and_signal_strength() -> None:
    """The advertisement of bthome.io/format, as the `ble` adapter offers it."""
    said = {"data": "0201060B094449592D73656E736F720A16D2FC4002C40903BF13", "rssi": -60, "ts": NOW / 1e9 - 1}
    found = Desk("bthome").read(TOPIC, json.dumps(said).encode(), NOW)
    assert values(found) == {"temperature": 25.0, "humidity": 50.55, "rssi": -60}
    assert {r.series.metric: r.series.unit for r in found.readings} == {
        "temperature": "Cel", "humidity": "%RH", "rssi": "dBm",
    }  # fmt: skip
    assert {r.series.device for r in found.readings} == {MAC}
    assert {r.ts for r in found.readings} == {NOW - 1_000_000_000}


def test_a_signal_strength_that_is_none_is_left_out() -> None:
    for rssi in (10**400, True, "loud", None):  # the first was found by tests/unit/fuzz
        found = Desk("bthome").read(TOPIC, message("4002ca09", rssi=rssi), NOW)
        assert values(found) == {"temperature": 25.06}


def test_the_published_encrypted_advertisement_opens_with_its_key(tmp_path: Path) -> None:
    found = desk(tmp_path).read(TOPIC, message(SEALED), NOW)
    assert values(found) == {"temperature": 25.06, "humidity": 50.55}


def test_the_mac_is_the_messages_where_it_says_one(tmp_path: Path) -> None:
    found = desk(tmp_path).read("bthome/hall/office", message(SEALED, mac=MAC.lower()), NOW)
    assert values(found) == {"temperature": 25.06, "humidity": 50.55}


@pytest.mark.parametrize(
    ("keys", "payload", "said"),
    [
        ("", SEALED, "no bind key of 54:48:E6:8F:80:A5"),
        (f"{MAC} {KEY[::-1]}", SEALED, "integrity check"),
        (f"{MAC} {KEY}", SEALED[:-2] + "00", "integrity check"),
        (f"{MAC} {KEY}", "4004138a01", "sends plain"),  # bthome-ble: downgrade
    ],
)
def test_what_cannot_be_trusted_is_refused_with_the_reason(tmp_path: Path, keys: str, payload: str, said: str) -> None:
    found = desk(tmp_path, keys).read(TOPIC, message(payload), NOW)
    assert not found.readings
    assert said in found.rejected[0]


def sealed(counter: int) -> str:
    """The example's measurements under another counter, made with the library that also reads them."""
    head = bytes.fromhex(MAC.replace(":", "")) + bytes.fromhex("d2fc41")
    number = counter.to_bytes(4, "little")
    box = AESCCM(bytes.fromhex(KEY), tag_length=4).encrypt(head + number, bytes.fromhex("02ca0903bf13"), None)
    return "41" + box[:-4].hex() + number.hex() + box[-4:].hex()


def test_an_encrypted_advertisement_counts_once_and_a_recording_never(tmp_path: Path) -> None:
    heard = desk(tmp_path)
    assert sealed(1_122_867) == SEALED
    assert len(heard.read(TOPIC, message(SEALED), NOW).readings) == 2
    assert not heard.read(TOPIC, message(SEALED), NOW + 10**11).readings
    assert len(heard.read(TOPIC, message(sealed(1_122_868)), NOW).readings) == 2
    assert "played back" in heard.read(TOPIC, message(SEALED), NOW).rejected[0]
    assert len(heard.read(TOPIC, message(sealed(1)), NOW).readings) == 2  # a new battery


def test_advertisements_of_one_packet_id_count_once() -> None:
    heard = Desk("bthome")
    assert values(heard.read(TOPIC, message("4400093a01"), NOW)) == {"button": "press"}
    for _ in range(3):
        again = heard.read(TOPIC, message("4400093a01"), NOW + 10**9)
        assert (again.readings, again.rejected) == ([], [])
    assert values(heard.read(TOPIC, message("44000a3a01"), NOW + 10**9)) == {"button": "press"}
    assert values(heard.read("bthome/hall/other", message("44000a3a01"), NOW)) == {"button": "press"}


def test_a_device_that_keeps_its_packet_id_while_nothing_changes_is_still_heard() -> None:
    heard = Desk("bthome")
    for i in range(3):
        assert values(heard.read(TOPIC, message("40000902ca09"), NOW + i * 5 * 10**9)) == {"temperature": 25.06}


def test_repeats_and_unknown_objects_are_counted() -> None:
    decoder = Decoder(load_profiles([BUILTIN / "bthome.yaml"]), Catalogue(), "gw")
    repeated = decoder.decode([Run(TOPIC, [message("40000902ca09")] * 3, NOW)])
    assert (len(repeated.batch), repeated.skipped["repeated"]) == (1, 2)
    assert decoder.decode([Run(TOPIC, [message("4002ca09ee01")], NOW)]).skipped["unknown_object"] == 1


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"[]", "no object"),
        (b"{}", "missing required field `data`"),
        (b'{"data":1}', "no text"),
        (b'{"data":"zz"}', "no hex"),
        (b'{"data":"02010603"}', "cut off"),
        (b'{"data":"020106"}', "no service data"),
        (b'{"data":"020106","ts":"then"}', "no time"),
    ],
)
def test_a_message_without_bthome_is_refused(payload: bytes, said: str) -> None:
    assert said in Desk("bthome").read(TOPIC, payload, NOW).rejected[0]


def test_bare_service_data_and_bare_bytes_are_read_where_the_profile_says_so(tmp_path: Path) -> None:
    gateway = desk(tmp_path, more=", field: servicedata, of: service_data")  # as OpenMQTTGateway sends them
    assert len(gateway.read(TOPIC, json.dumps({"servicedata": SEALED}).encode(), NOW).readings) == 2
    bare = desk(tmp_path, keys="", more=", field: null")
    raw = bytes.fromhex("0201060A16D2FC4002C40903BF13")
    assert values(bare.read(TOPIC, raw, NOW)) == {"temperature": 25.0, "humidity": 50.55}


@pytest.mark.parametrize("line", ["54:48:E6:8F:80 231d39c1d7cc1ab1aee224cd096db932", f"{MAC} 231d", f"{MAC}", "x y z"])
def test_a_line_of_bind_keys_that_is_none_is_told_without_the_key(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        desk(tmp_path, line)
    assert "bind.keys:1: a line is a MAC and a key" in str(invalid.value)
    assert "231d" not in str(invalid.value)


def test_a_file_of_bind_keys_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("profiles: {mine: {extends: bthome, bthome: {keys: gone.keys}}}")
    with pytest.raises(SettingsInvalid, match=r"gone\.keys: No such file"):
        load_profiles([path])


def test_a_profile_never_shows_its_keys(tmp_path: Path) -> None:
    desk(tmp_path)
    assert bytes.fromhex(KEY) not in repr(load_profiles([tmp_path / "own.yaml"])).encode()
    assert KEY not in repr(load_profiles([tmp_path / "own.yaml"]))
