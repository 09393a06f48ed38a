"""`holdfast codec test` and `run`, over scripts of several styles that stand in `vendors/`."""

import gzip
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.cli.main import app

VENDORS = Path(__file__).parent / "vendors"
ROOM = VENDORS / "north" / "room.js"
WEATHER = VENDORS / "tern" / "weather.js"


def holdfast(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["codec", *map(str, words)])


def test_every_style_of_script_gives_its_examples_output() -> None:
    result = holdfast("test", VENDORS, "--json")
    told = json.loads(result.output)
    assert result.exit_code == 0
    assert told["totals"] == {"pass": 10, "fail": 0, "known": 1, "skipped": 1}
    assert {(t["codec"], t["verdict"]) for t in told["examples"] if t["verdict"] != "pass"} == {
        ("room", "known"),
        ("gone", "skipped"),
    }


def test_a_script_that_is_wrong_is_shown_with_its_differences(tmp_path: Path) -> None:
    shutil.copytree(VENDORS, tmp_path / "v")
    script = tmp_path / "v" / "north" / "room.js"
    script.write_text(script.read_text().replace("v / 10", "v / 100"))
    result = holdfast("test", tmp_path / "v")
    assert result.exit_code == 1
    assert "fail: room decodeUplink 0 (all channels)\n    data.temperature: wanted -2.6, got -0.26" in result.output
    assert "10 passed" not in result.output


def test_examples_may_be_compressed_and_stand_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "c.jsonl.gz").write_bytes(gzip.compress((VENDORS / "codecs.jsonl").read_bytes()))
    shutil.copytree(VENDORS / "tern", tmp_path / "scripts" / "deep" / "tern")
    told = json.loads(holdfast("test", tmp_path, "--json").output)
    assert told["totals"] == {"pass": 4, "fail": 0, "known": 0, "skipped": 8}


def test_of_scripts_with_one_name_the_one_in_the_vendors_folder_is_taken(tmp_path: Path) -> None:
    for vendor, answer in (("a", 1), ("b", 2)):
        (tmp_path / vendor).mkdir()
        (tmp_path / vendor / "x.js").write_text(f"function decodeUplink() {{ return {{ data: {{ n: {answer} }} }} }}")
    lines = [
        {"id": v, "js": f"vendor/{v}/x.js", "uplink": [{"fPort": 1, "bytes": "", "output": {"data": {"n": n}}}]}
        for v, n in (("a", 1), ("b", 2))
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert json.loads(holdfast("test", tmp_path, "--json").output)["totals"]["pass"] == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no examples in"),
        ("{}", "missing required field `id`"),
        ('{"id": "x", "js": "x.js", "uplink": [{"bytes": "0g", "output": {}}]}', "is no hex"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_to_do(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "c.jsonl").write_text(line)
    result = holdfast("test", tmp_path)
    assert result.exit_code == 2
    assert said in result.output


def test_nothing_but_missing_scripts_is_no_success(tmp_path: Path) -> None:
    shutil.copy(VENDORS / "codecs.jsonl", tmp_path)
    assert holdfast("test", tmp_path).exit_code == 2


def test_one_uplink_gives_its_result_and_its_readings() -> None:
    result = holdfast("run", ROOM, "--port", "85", "--bytes", "0367e6ff04687d", "--json")
    told = json.loads(result.output)
    assert result.exit_code == 0
    assert told["outcome"]["result"]["data"] == {"temperature": -2.6, "humidity": 62.5, "calls": 2}
    assert [(r["metric"], r["value"], r["unit"], r["quality"]) for r in told["readings"]] == [
        ("air.temperature", -2.6, "Cel", "good"),
        ("air.humidity", 62.5, "%RH", "good"),
    ]


def test_a_value_that_the_schema_forbids_is_shown_as_bad() -> None:
    result = holdfast("run", WEATHER, "--port", "2", "--bytes", "066e0168ff382d70")
    assert "air.pressure     116320.0  Pa   bad" in result.output
    assert "wind.direction      360.0  deg  bad" in result.output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((ROOM, "--port", "1", "--bytes", "00"), 1, "unknown FPort"),
        ((WEATHER, "--port", "9", "--bytes", "00"), 1, "RangeError: no decoder for port 9 (line 22)"),
        ((ROOM, "--port", "85", "--bytes", "0x1"), 2, "is no hex"),
        (("gone.js", "--port", "85", "--bytes", "00"), 2, "No such file or directory"),
    ],
)
def test_an_uplink_without_readings_says_why(words: tuple[str | Path, ...], code: int, said: str) -> None:
    result = holdfast("run", *words)
    assert result.exit_code == code
    assert said in result.output
