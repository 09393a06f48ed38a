"""SKAB's rules: our scorer gives what the published predictions demand; the folder is read, run and told about."""

import csv
import gzip
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from holdfast.cli.main import app
from holdfast.stream.detectors.benches.skab import (
    FIT_ROWS,
    Experiment,
    SkabUnreadable,
    blind,
    changes,
    flips,
    halves,
    outliers,
    read,
    run,
)

SKAB = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data")) / "skab"
needs_data = pytest.mark.skipif(not SKAB.exists(), reason="the benchmark's files aren't here")
HEAD = "datetime;a;b;anomaly;changepoint\n"
SECOND = 1_000_000_000


def experiment(points: list[int], rows: int = 1000) -> Experiment:
    change = np.zeros(rows, bool)
    change[points] = True
    return Experiment(np.arange(rows) * SECOND, np.zeros((rows, 2)), np.zeros(rows, bool), change)


def predicted(rows: list[int], total: int = 1000) -> np.ndarray:
    said = np.zeros(total, bool)
    said[rows] = True
    return said[FIT_ROWS:]


@needs_data
def test_the_published_predictions_give_the_published_scores() -> None:
    files, said = read(SKAB), dict[str, list[bool]]()
    text = gzip.decompress((SKAB / "scorer_vectors/conv_ae_outliers.csv.gz").read_bytes()).decode()
    for file, _row, flag in list(csv.reader(io.StringIO(text)))[1:]:
        said.setdefault(file.removeprefix("data/").removesuffix(".csv"), []).append(float(flag) > 0)
    flags = {name: np.array(rows) for name, rows in said.items()}
    out = outliers(flags, files)
    assert (round(out.f1, 3), round(out.far, 2), round(out.mar, 2)) == (0.739, 14.78, 33.81)
    got = changes({name: flips(rows) for name, rows in flags.items()}, files)
    assert [round(score, 2) for score in got.scores.values()] == pytest.approx([23.67, 21.75, 28.06], abs=0.011)
    assert (got.points, got.missed, got.false) == (57, 36, 7)


def test_every_row_flagged_misses_nothing_and_every_quiet_row_is_a_false_alarm() -> None:
    file = experiment([])
    file.anomaly[600:800] = True
    out = outliers({"g/1": np.ones(600, bool)}, {"g/1": file})
    assert out.f1 == pytest.approx(0.5)
    assert (out.far, out.mar) == (100.0, 0.0)


def test_silence_scores_0_and_the_very_rows_score_100() -> None:
    files = {"g/1": experiment([500, 800])}
    silent = changes({"g/1": predicted([])}, files)
    assert set(silent.scores.values()) == {0.0}
    assert silent.missed == 2
    exact = changes({"g/1": predicted([500, 800])}, files)
    assert list(exact.scores.values()) == pytest.approx([100.0, 100.0, 100.0])


def test_windows_that_overlap_share_no_time_and_what_lies_in_none_is_false() -> None:
    files = {"g/1": experiment([500, 530])}
    got = changes({"g/1": predicted([530, 600, 900])}, files)
    assert (got.points, got.missed, got.false) == (2, 1, 2)
    assert got.scores["standard"] == pytest.approx(100 * (0.445 - 1 - 0.22 + 2) / 4)


def test_a_flip_is_where_a_flag_begins_or_ends() -> None:
    assert flips(np.array([True, True, False, False, True])).nonzero()[0].tolist() == [0, 2, 4]


def test_the_blind_prediction_looks_at_no_value() -> None:
    assert blind({"g/1": experiment([500])})["g/1"].nonzero()[0].tolist() == list(range(0, 600, 60))


def test_the_halves_take_turns_within_each_group() -> None:
    assert halves(["v/2", "o/1", "o/3", "o/2"]) == {"development": ["o/1", "o/3", "v/2"], "confirmation": ["o/2"]}


def written(at: Path, rows: int, head: str = HEAD) -> Path:
    """A folder of one experiment, whose column b is 9 higher while it is labelled."""
    rng, lines = np.random.default_rng(6), list[str]()
    for row, (a, b) in enumerate(rng.normal(size=(rows, 2))):
        bad = 600 <= row < 800
        time = f"2024-01-01 00:{row // 60:02}:{row % 60:02}"
        lines.append(f"{time};{a};{b + 9 * bad};{float(bad)};{float(row in {600, 800})}")
    (at / "data/group").mkdir(parents=True)
    (at / "data/group/1.csv").write_text(head + "\n".join(lines) + "\n")
    return at


def test_a_planted_state_is_flagged_and_its_two_changes_found_without_looking_ahead(tmp_path: Path) -> None:
    files = read(written(tmp_path, 1000))
    ran = run(files)
    out = outliers(ran.flags, files)
    assert out.mar < 5
    assert out.far < 100 * 60 / 400  # the short mean takes some 50 rows to come down from nine deviations
    assert changes(ran.turns, files).missed == 0
    shorter = {"group/1": Experiment(*(column[:700] for column in _parts(files["group/1"])))}
    again = run(shorter)
    assert np.array_equal(again.flags["group/1"], ran.flags["group/1"][: 700 - FIT_ROWS])
    assert np.array_equal(again.turns["group/1"], ran.turns["group/1"][: 700 - FIT_ROWS])


def _parts(file: Experiment) -> tuple[np.ndarray, ...]:
    return file.ts, file.values, file.anomaly, file.change


def test_labels_change_nothing_of_what_is_said(tmp_path: Path) -> None:
    files = read(written(tmp_path, 900))
    file = files["group/1"]
    blank = Experiment(file.ts, file.values, np.zeros(900, bool), np.zeros(900, bool))
    assert np.array_equal(run(files).flags["group/1"], run({"group/1": blank}).flags["group/1"])


def test_the_command_tells_and_writes_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    said = CliRunner().invoke(app, ["bench", "skab", str(written(tmp_path, 1000)), "--json", str(out)])
    assert said.exit_code == 0, said.output
    told = json.loads(out.read_text())
    everything = told["parts"][0]
    assert everything["part"] == "all"
    assert f"{everything['f1']:.3f}" in said.output
    assert "blind, every 60 rows" in said.output
    assert told["rows"] == 1000


def test_a_folder_without_experiments_is_refused_with_what_to_give(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["bench", "skab", str(tmp_path)])
    assert said.exit_code == 2
    assert "data/<group>" in said.output


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [(1000, "datetime;a;b;c;d\n", "no columns anomaly"), (300, HEAD, "300 rows; more than 400")],
)
def test_a_file_that_is_not_an_experiment_is_refused(tmp_path: Path, rows: int, head: str, why: str) -> None:
    with pytest.raises(SkabUnreadable, match=why):
        read(written(tmp_path, rows, head))


@needs_data
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_joint_and_turn_score_what_they_scored_when_they_were_made() -> None:
    files = read(SKAB)
    ran = run(files)
    out, turns = outliers(ran.flags, files), changes(ran.turns, files)
    assert out.f1 >= 0.785
    assert out.far <= 9.5
    assert turns.scores["standard"] >= 45
    assert turns.false <= 35
