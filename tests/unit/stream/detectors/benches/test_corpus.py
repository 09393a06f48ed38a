"""NAB's folder: read, run, and told about; `auto` doesn't get worse on it unseen."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.stream.detectors.benches.corpus import CorpusUnreadable, halves, read

NAB = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data")) / "nab"
needs_data = pytest.mark.skipif(not NAB.exists(), reason="the benchmark's files aren't here")
WINDOWS = '{"kind/a.csv": [["2024-01-01 00:10:00", "2024-01-01 00:20:00.000000"]]}'


def folder(at: Path, rows: str) -> Path:
    (at / "labels").mkdir()
    (at / "labels/combined_windows.json").write_text(WINDOWS)
    (at / "data/kind").mkdir(parents=True)
    (at / "data/kind/a.csv").write_text("timestamp,value\n" + rows)
    return at


def test_a_window_is_the_rows_between_its_two_times_both_inside(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01 00:{minute:02}:00,{minute}\n" for minute in range(0, 60, 5))
    file = read(folder(tmp_path, rows))["kind/a.csv"]
    assert list(file.windows) == [(2, 4)]
    assert file.values[2] == 10.0
    assert file.ts[1] - file.ts[0] == 300 * 1_000_000_000


def test_a_folder_without_labels_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnreadable) as refused:
        read(tmp_path)
    assert "labels/combined_windows.json" in refused.value.hint
    said = CliRunner().invoke(app, ["bench", "nab", str(tmp_path)])
    assert said.exit_code == 2
    assert "combined_windows.json" in said.output


def test_a_row_that_is_no_reading_is_refused_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnreadable, match=r"a\.csv: not rows of timestamp,value"):
        read(folder(tmp_path, "2024-01-01 00:00:00,warm\n"))


def test_the_halves_take_turns_within_each_category() -> None:
    assert halves(["b/2", "a/1", "a/3", "a/2"]) == {"development": ["a/1", "a/3", "b/2"], "confirmation": ["a/2"]}


@needs_data
@pytest.mark.slow
@pytest.mark.timeout(60)
def test_auto_scores_what_it_scored_when_it_was_made(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    said = CliRunner().invoke(app, ["bench", "nab", str(NAB), "--detector", "auto", "--json", str(out)])
    assert said.exit_code == 0, said.output
    (told,) = json.loads(out.read_text())["detectors"]
    standard = told["profiles"][0]
    assert standard["best"] >= 71
    assert standard["shipped"] >= 70
    assert not any(value for file, value in standard["per_file"].items() if "NoAnomaly" in file)
    assert told["bytes_per_series"] <= 2000
    assert told["alarms"]["false_per_series_week"] < 2
