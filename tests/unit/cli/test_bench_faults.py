"""`holdfast bench faults`, as typed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.cli.main import app


def bench(*words: object) -> Result:
    return CliRunner().invoke(app, ["bench", "faults", *map(str, words)])


@pytest.mark.timeout(90)
def test_it_tells_what_was_found_how_soon_and_how_often_nothing_was_wrong(tmp_path: Path) -> None:
    done = bench("--detector", "missing", "--seeds", 1, "--json", tmp_path / "report.json")
    assert done.exit_code == 0, done.output
    assert "4/4 0 (0 %)" in done.stdout
    (told,) = json.loads((tmp_path / "report.json").read_text())["detectors"]
    gaps = [fault for fault in told["faults"] if fault["fault"] == "gap"]
    assert [(one["found"], one["series"], one["delay"]) for one in gaps] == [(1, 1, 0.0)] * 4
    assert set(told["false_per_series_week"].values()) == {0.0}


def test_who_misnames_a_detector_or_a_folder_is_told_what_there_is(tmp_path: Path) -> None:
    unknown = bench("--detector", "zcore")
    assert unknown.exit_code == 2
    assert "zscore" in unknown.output
    empty = bench("--detector", "zscore", "--data", tmp_path)
    assert empty.exit_code == 2
    assert "occupancy/" in empty.output
