"""`holdfast profile`: profiles and payloads as files."""

import json
from pathlib import Path

import pytest
from tests.unit.cli.site import holdfast

GOOD = """profiles:
  press:
    topic: plant/{device}
    fields:
      t: {metric: temperature, unit: degF, to: Cel}
"""
SAMPLE = """
plant/press-1 {"ts": 1795187068.5, "id": 1, "temp_c": 21.5, "pressure": 1013.2, "door": {"open": true}, "mode": "auto"}
plant/press-2 {"ts": 1795187069.5, "id": 2, "temp_c": 22.5, "pressure": 1012.9, "door": {"open": false}, "mode": "man"}
plant/press-1 {"ts": 1795187070.5, "id": 3, "temp_c": 21.75, "pressure": 1013.0, "door": {"open": true}}
"""


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_check_says_what_is_good_and_every_problem_with_its_line(tmp_path: Path) -> None:
    good, bad = written(tmp_path / "good.yaml", GOOD), written(tmp_path / "bad.yaml", GOOD.replace("degF", "degX"))
    found = holdfast("profile", "check", good, "builtin:tasmota")
    assert (found.exit_code, "good.yaml: good; 1 profile" in found.stdout) == (0, True)
    refused = holdfast("profile", "check", bad)
    assert (refused.exit_code, "bad.yaml:5: " in refused.stderr, "degX" in refused.stderr) == (78, True, True)
    assert holdfast("profile", "check", "builtin:tasmotta").exit_code == 2


def test_a_payload_is_tried_from_a_file_and_as_hex(tmp_path: Path) -> None:
    profile, payload = written(tmp_path / "p.yaml", GOOD), written(tmp_path / "m", '{"t": 212}')
    tried = holdfast("profile", "test", profile, payload)
    assert tried.exit_code == 0
    assert tried.stdout.splitlines()[1].split()[:3] == ["device/temperature", "100.0", "Cel"]
    as_hex = holdfast("profile", "test", profile, "--hex", b'{"t": 32}'.hex(), "--topic", "plant/x", "--json")
    (told,) = json.loads(as_hex.stdout)
    assert [(r["series"], r["value"], r["quality"]) for r in told["readings"]] == [("here/x/temperature", 0.0, "good")]
    refused = holdfast("profile", "test", profile, "--hex", "00")
    assert (refused.exit_code, "refused: malformed" in refused.stdout) == (1, True)
    assert holdfast("profile", "test", profile, "--hex", "0").exit_code == 2
    assert holdfast("profile", "test", profile, tmp_path / "nothing").exit_code == 2
    assert holdfast("profile", "test", "builtin:tasmota", payload).exit_code == 2  # which of its profiles?


LORAWAN = """profiles:
  uplinks: {topic: "v3/+/devices/{device}/up", version: 1, format: lorawan, codec: twice.js, fields: {n: {metric: n}}}
"""
TWICE = "function decodeUplink(input) { return { data: { n: 2 * input.bytes[0] } }; }"
UPLINK = {
    "end_device_ids": {"device_id": "cellar"},
    "received_at": "2026-11-21T08:00:00Z",
    "uplink_message": {"f_port": 1, "frm_payload": "FQ=="},
}


def test_an_uplink_is_tried_through_its_script(tmp_path: Path) -> None:
    written(tmp_path / "twice.js", TWICE)
    profile = written(tmp_path / "p.yaml", LORAWAN)
    payload = written(tmp_path / "m", json.dumps(UPLINK))
    tried = holdfast("profile", "test", profile, payload, "--topic", "v3/app/devices/cellar/up", "--json")
    (told,) = json.loads(tried.stdout)
    assert [(r["series"], r["value"]) for r in told["readings"]] == [("here/cellar/n", 42.0)]
    written(tmp_path / "twice.js", "function decodeUplink() { throw new Error('no battery') }")
    refused = holdfast("profile", "test", profile, payload, "--topic", "v3/app/devices/cellar/up")
    assert (refused.exit_code, "refused: script" in refused.stdout, "no battery" in refused.stdout) == (1, True, True)


def test_a_capture_is_read_in_order_so_that_descriptions_come_before_values(tmp_path: Path) -> None:
    lines = [
        {"topic": "homie/a/n/p", "payload": "21.5"},
        {"topic": "homie/a/n/p/$datatype", "payload": "float"},
        {"topic": "homie/a/n/p/$unit", "payload": "°C"},
        {"topic": "homie/a/n/p", "payload_hex": b"21.5".hex()},
    ]
    capture = written(tmp_path / "c.jsonl", "\n".join(map(json.dumps, lines)))
    tried = holdfast("profile", "test", "builtin:homie", capture, "--capture", "--json")
    first, *_, last = json.loads(tried.stdout)
    assert (tried.exit_code, first["reason"]) == (1, "no_birth")
    assert [(r["value"], r["unit"]) for r in last["readings"]] == [(21.5, "Cel")]


def test_a_proposal_reads_its_own_sample_and_loads(tmp_path: Path) -> None:
    sample, out = written(tmp_path / "sample", SAMPLE), tmp_path / "proposed.yaml"
    proposed = holdfast("profile", "infer", sample, "--name", "press", "--out", out)
    assert (proposed.exit_code, proposed.stderr) == (0, "it reads 3 of 3 messages: 11 readings\n")
    text = out.read_text()
    assert 'topic: "plant/{device}"' in text
    assert "time: {field: ts, unit: s}" in text
    assert "# id: id" in text
    assert "temp_c: {metric: temp, unit: Cel}" in text
    assert "pressure: {metric: pressure, unit: hPa}" in text
    assert "door.open: {metric: door.open, type: bool}" in text
    assert "mode: {metric: mode, type: text, optional: true}" in text
    assert holdfast("profile", "check", out).exit_code == 0
    assert holdfast("profile", "infer", sample, "--out", out).exit_code == 2  # it's there already


@pytest.mark.parametrize(
    ("sample", "wanted"),
    [
        ('{"Time":"2024-07-01T12:00:00","A":{"v":[1,2]},"x.y":null,"z":1}\n', "zone: UTC"),
        ("21.5\n22\n", "format: text"),
        ("cpu,host=a load=0.5 1795187068000000000\n", "format: influx"),
        ('[{"bn":"urn:dev:ow:1:","n":"t","v":1,"u":"Cel"}]\n', "format: senml"),
        ('{"device_id":"a","v":1,"w":"x"}\n{"device_id":"b","v":"n/a","w":"y"}\n', "type: auto"),
        ('{"topic":"a/b/c","payload_hex":"81a17402"}\n{"topic":"a/d/c","payload_hex":"81a17403"}\n', "format: msgpack"),
        ('{"topic":"a/b/c","payload_hex":"a1617402"}\n', "format: cbor"),
    ],
)
def test_a_proposal_fits_whatever_the_sample_is_made_of(tmp_path: Path, sample: str, wanted: str) -> None:
    proposed = holdfast("profile", "infer", written(tmp_path / "sample", sample))
    assert (proposed.exit_code, wanted in proposed.stdout) == (0, True), proposed.output


def test_a_sample_of_nothing_known_is_said_to_be_one(tmp_path: Path) -> None:
    proposed = holdfast("profile", "infer", written(tmp_path / "sample", b"\xff\xfe\n"))
    assert (proposed.exit_code, "is no JSON" in proposed.stderr) == (2, True)
