"""`holdfast features`: what sets there are, and tables out of files."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.events import alert
from typer.testing import CliRunner, Result

from holdfast.cli import feature_labels
from holdfast.cli.feature_labels import NextValue, Said
from holdfast.cli.main import app
from holdfast.journal.alert_labels import Labelled
from holdfast.model.batch import Batch
from holdfast.model.features import FeatureRows
from holdfast.model.series import Catalogue, Kind, Series

ROOM = """
features:
  room:
    version: 2
    description: what the air says
    select:
      t: air.temperature
      m: avg(air.temperature)
      place: one_hot(mode, 'hall', 'yard')
    window: sliding 2 samples
"""
READINGS = """time,device,air.temperature,busy
2026-01-01 00:00:00,a,20,0
2026-01-01 00:00:00,b,30,1
2026-01-01 00:01:00,a,21,
2026-01-01 00:02:00,a,22,1
"""


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["features", *map(str, words)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "features.yaml"
    path.write_text(ROOM.replace("      place: one_hot(mode, 'hall', 'yard')\n", ""))
    (tmp_path / "readings.csv").write_text(READINGS)
    return path


def test_sets_are_listed_shown_and_checked_from_a_file_or_a_models_folder(tmp_path: Path) -> None:
    (tmp_path / "features.yaml").write_text(ROOM)
    listed = json.loads(run("list", tmp_path, "--json").output)
    assert listed[0]["columns"] == ["t", "m", "place_hall", "place_yard"]
    ref = f"room@{listed[0]['hash'][:16]}"
    assert ref in run("list", tmp_path).output
    shown = run("show", tmp_path, "room")
    assert "one_hot(mode, 'hall', 'yard')" in shown.output
    assert listed[0]["hash"] in shown.output
    assert run("check", tmp_path).output == f"{ref}: good, 4 numbers a row of air.temperature, mode\n"
    assert run("show", tmp_path, "rom").exit_code == 2
    assert run("list", tmp_path / "nowhere").exit_code == 2
    (tmp_path / "features.yaml").write_text(ROOM.replace("avg(", "agv("))
    wrong = run("check", tmp_path)
    assert wrong.exit_code == 78
    assert "features.yaml:8: features.room.select.m" in wrong.output


def test_a_file_of_readings_becomes_a_table_with_the_label_at_or_after_each_row(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "out.parquet"
    words = ("export", file, "--input", tmp_path / "readings.csv", "--label", "busy")
    done = run(*words, "--out", out)
    assert done.exit_code == 0, done.output
    assert "4 rows of room@" in done.output
    table = pq.read_table(out)
    assert table.column_names == ["ts", "node", "device", "t", "m", "flags", "label"]
    assert table.column("device").to_pylist() == ["a", "b", "a", "a"]
    assert table.column("m").to_pylist() == [20, 30, 20.5, 21.5]
    assert table.column("label").to_pylist() == [0, 1, 1, 1]
    assert table.schema.metadata[b"holdfast.features"].startswith(b"room@")
    plain = run(*words, "--devices", "b")
    assert plain.output.splitlines()[1:] == ['2026-01-01 00:00:00.000000000Z,"file","b",30,30,0,1']


def test_a_table_that_cannot_be_made_says_what_to_do(tmp_path: Path, file: Path) -> None:
    source = ("--input", tmp_path / "readings.csv")
    for words, said in (
        (("--label", "nothing"), "no series of nothing"),
        (("--label", "events"), "in a node's own files"),
        (("--out", tmp_path / "a.txt"), "what kind of file"),
        (("--metric", "x"), "isn't METRIC=METRIC"),
        (("--metric", "air.temp=busy"), "did you mean `air.temperature`"),
    ):
        done = run("export", file, *source, *words)
        assert (done.exit_code, said in done.output) == (2, True), done.output
    assert run("export", file, *source, "--devices", "nobody").exit_code == 1
    renamed = run("export", file, *source, "--metric", "air.temperature=busy")
    assert len(renamed.output.splitlines()) == 4


def rows(places: list[tuple[str, str]], keys: list[int], ts: list[int]) -> FeatureRows:
    n = len(keys)
    return FeatureRows(
        "f@0", "d", places, np.array(keys, np.int32), np.array(ts), np.zeros((n, 1)), np.zeros(n, np.uint8), 0.0
    )


def test_a_row_waits_for_its_label_in_order_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue()
    ids = [catalogue.intern(Series("gw", d, "mode", "", Kind.TEXT)) for d in "ab"]
    labeller = NextValue(catalogue, "mode")
    assert labeller.is_text
    one = rows([("gw", "a"), ("gw", "b")], [0, 1], [5, 5])

    def learn(series: int, ts: int, text: str) -> None:
        labeller.learn(Batch(np.array([series], np.int32), np.array([ts]), np.zeros(1), np.zeros(1, np.uint8), (text,)))

    learn(ids[0], 4, "before")
    assert list(labeller.label(one)) == []
    learn(ids[0], 6, "on")
    learn(ids[0], 7, "off")
    assert list(labeller.label(one.take(np.array([0])))) == []  # the row of `b` before it waits
    learn(ids[1], 9, "late")
    found = list(labeller.label(rows([("gw", "a")], [0], [8])))
    assert [labels.tolist() for _, labels in found] == [["on", "late"], ["on"]]
    monkeypatch.setattr(feature_labels, "MOST_WAITING", 2)
    late = list(labeller.label(rows([("gw", "a")], [0, 0], [11, 12])))
    assert [labels.tolist() for _, labels in late] == [[None]]
    assert [labels.tolist() for _, labels in labeller.rest()] == [[None, None]]


def test_rows_in_alerts_bear_what_people_said_of_them() -> None:
    def said(number: int, start: int, end: int, label: str) -> Labelled:
        raised = msgspec.structs.replace(alert(number, node="gw", device="a"), ts=start)
        return Labelled(raised.id, number, raised, end, label, "", "ann", "", 0)  # type: ignore[arg-type]  # a literal

    labeller = Said([said(1, 10, 20, "confirmed"), said(2, 15, 40, "rejected"), said(3, 50, 0, "confirmed")])
    ((_, labels),) = labeller.label(rows([("gw", "a"), ("gw", "b")], [0, 0, 0, 0, 1, 0], [5, 12, 18, 30, 12, 99]))
    assert np.array_equal(labels, [np.nan, 1, 1, 0, np.nan, 1], equal_nan=True)
    assert list(labeller.rest()) == []


def test_a_table_of_many_numbers_is_written_in_pieces(tmp_path: Path) -> None:
    file = tmp_path / "wide.yaml"
    file.write_text('features: {w: {select: {w: "samples(x, 500)"}, window: sliding 500 samples, missing: zero}}\n')
    n = 2_000
    table = pa.table({"ts": pa.array(range(1_700_000_000, 1_700_000_000 + n)), "x": pa.array(range(n), pa.float64())})
    pq.write_table(table, tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    assert run("export", file, "--input", tmp_path / "in.parquet", "--out", out).exit_code == 0
    assert pq.read_table(out, columns=["w_499"]).column(0).to_pylist() == list(range(n))
