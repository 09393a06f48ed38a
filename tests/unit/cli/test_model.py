"""`holdfast model`: a node's models, typed."""

import json
import re
from pathlib import Path

import pytest
from tests.unit.cli.site import holdfast
from tests.unit.inference.making import autoencoder, classifier, folder

FEATURES = """features:
  press:
    version: 1
    from: readings
    select: {temp: last(air.temp), flow: last(water.flow), load: last(motor.load), hum: last(air.hum)}
"""
CLASSES = {"task": "classification", "outputs": "{classes: {name: probs}, labels: [idle, running, jammed]}"}


def made(at: Path, version: str = "1.0.0") -> Path:
    place = folder(at, classifier(), version=version, rest="budget: 50ms\nlicence: MIT\n", **CLASSES)
    (place / "features.yaml").write_text(FEATURES)
    return place


def test_a_model_is_checked_added_shown_and_removed(tmp_path: Path) -> None:
    source, data = made(tmp_path / "m"), ("--data", tmp_path / "data")
    checked = holdfast("model", "check", source)
    assert checked.exit_code == 0
    assert "press@1.0.0: good; model.onnx is what the card says, runs on cpu, takes" in checked.stdout
    said = checked.stdout.partition("which features exactly: `features: ")[2]
    assert re.match(r"press@[0-9a-f]{16}`\n", said)
    card = source / "model.yaml"
    card.write_text(card.read_text().replace("features: press", f"features: {said[:22]}"))
    assert "note" not in holdfast("model", "check", source).stdout
    added = holdfast("model", "add", source / "model.onnx", *data)
    assert (added.exit_code, "added as press@1.0.0" in added.stdout) == (0, True)
    (entry,) = [one for one in json.loads(holdfast("model", "list", *data, "--json").stdout) if one["model"] == "press"]
    assert (entry["ref"], entry["runtime"], entry["features"]) == ("press@1.0.0", "onnx", said[:22])
    assert ["press", "1.0.0"] in [line.split()[:2] for line in holdfast("model", "list", *data).stdout.splitlines()]
    shown = holdfast("model", "show", "press", *data)
    assert "idle, running, jammed" in shown.stdout
    assert json.loads(holdfast("model", "show", "press@1.0.0", *data, "--json").stdout)["budget"] == 0.05
    other = holdfast("model", "show", "press@2", *data)
    assert "there is no model press@2\nof press there is 1.0.0; `holdfast model list`" in other.stderr
    assert holdfast("model", "remove", "press", *data).stdout == "press@1.0.0: removed\n"
    gone = holdfast("model", "show", "press", *data)
    assert (gone.exit_code, "there is no model press" in gone.stderr) == (2, True)


def test_what_is_refused_is_said_with_what_to_do_and_its_exit_code(tmp_path: Path) -> None:
    damaged = made(tmp_path / "damaged")
    (damaged / "model.onnx").write_bytes(b"no model")
    refused = holdfast("model", "check", damaged)
    assert (refused.exit_code, "its SHA-256 is" in refused.stderr, "fetch it again" in refused.stderr) == (
        1,
        True,
        True,
    )
    wrong = made(tmp_path / "wrong")
    (wrong / "model.yaml").write_text("model: x\ntresk: y\n")
    carded = holdfast("model", "add", wrong, "--data", tmp_path)
    assert (carded.exit_code, "model.yaml:2: tresk: unknown key; did you mean `task`?" in carded.stderr) == (78, True)
    for typed in (["check", "nothing"], ["add", tmp_path / "no"], ["check", tmp_path / "other.onnx"]):
        assert holdfast("model", *typed, *(["--data", tmp_path] if typed[0] == "add" else [])).exit_code == 2


def test_what_a_model_may_be_told_about_itself_is_noted(tmp_path: Path) -> None:
    place = folder(tmp_path, autoencoder(), rest="memory: 1kB\n")
    notes = json.loads(holdfast("model", "check", place / "model.yaml", "--json").stdout)["notes"]
    assert [note.split(":")[0].split(" ")[0] for note in notes] == ["no", "the", "no", "no"]


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("features: press", "features: pres", "did you mean"),
        ("features: press", "features: press@0123456789abcdef", "0123456789abcdef"),
        (
            "hum: last(air.hum)",
            "hum: last(air.hum), wind: last(air.wind)",
            "makes 5 numbers (temp, flow, load, hum, wind)",
        ),
    ],
)
def test_features_that_are_not_those_of_the_card_are_refused(tmp_path: Path, was: str, now: str, words: str) -> None:
    place = made(tmp_path)
    for file in ("model.yaml", "features.yaml"):
        (place / file).write_text((place / file).read_text().replace(was, now))
    for deed in ("check", "add"):
        refused = holdfast("model", deed, place, "--data", tmp_path)
        assert (refused.exit_code, words in refused.stderr) == (1, True), refused.stderr


def test_rows_of_a_file_are_scored_by_their_columns_names(tmp_path: Path) -> None:
    data = ("--data", tmp_path)
    assert holdfast("model", "add", made(tmp_path / "m"), *data).exit_code == 0  # and its verdict is remembered
    predict, file = ("model", "predict", "press"), tmp_path / "rows.csv"
    file.write_text("when,hum,temp,load,flow\n1,0.5,1,2,3\n2,,1,2,3\n3,inf,x,1,1\n4,0.1,0.2,0.3,0.4\n")
    told = holdfast(*predict, file, "--json", *data)
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [row["row"] for row in rows] == [1, 2, 3, 4]
    assert [row["label"] is None for row in rows] == [False, True, True, False]
    assert "2 rows of 4 not scored" in told.stderr
    other = tmp_path / "ordered.csv"
    other.write_text("temp,flow,load,hum\n1,3,2,0.5\n")
    assert json.loads(holdfast(*predict, other, "--json", *data).stdout) == rows[0]
    assert holdfast(*predict, other, *data).stdout.splitlines()[1].split()[1] == rows[0]["label"]
    other.write_text("temp,flow\n1,2\n")
    few = holdfast(*predict, other, *data)
    assert (few.exit_code, "has no column load, hum" in few.stderr, few.stdout) == (2, True, "")


def test_a_built_in_model_is_checked_and_asked_by_its_name(tmp_path: Path) -> None:
    assert "occupancy@" in holdfast("model", "check", "builtin:occupancy").stdout
    (tmp_path / "none.csv").write_text("a\n1\n")
    assert "has no column" in holdfast("model", "predict", "builtin:occupancy", tmp_path / "none.csv").stderr


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No node is at hand."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_NODE", raising=False)
