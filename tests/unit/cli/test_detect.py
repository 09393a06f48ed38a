"""`holdfast detect`: on files and on a node's past, with and without labels; what is wrong says what to do."""

import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.cli.site import holdfast, make_site

from holdfast.cli.detecting import Wish, chosen
from holdfast.cli.labels import of_flags, read_labels
from holdfast.cli.node_api import Misused

START = datetime(2026, 5, 1, tzinfo=UTC)
N = 1_200
FAULTS = (600, 1_050)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five-minute readings of two series; one has two spikes, told in labels.csv, labels.json and a column."""
    rng = np.random.default_rng(11)
    a, b = 50 + rng.normal(size=N), 5 + rng.normal(size=N)
    a[list(FAULTS)] += 60, 120
    times = [START + timedelta(minutes=5 * i) for i in range(N)]
    wrong = [int(any(abs(i - f) <= 5 for f in FAULTS)) for i in range(N)]
    rows = [f"{t:%Y-%m-%d %H:%M:%S},{x:.4f},{y:.4f},{w}" for t, x, y, w in zip(times, a, b, wrong, strict=True)]
    (tmp_path / "press.csv").write_text("\n".join(["time,load,flow,wrong", *rows]))
    windows = [(times[f - 5], times[f + 5]) for f in FAULTS]
    lines = [f"{x:%Y-%m-%d %H:%M:%S},{y:%Y-%m-%d %H:%M:%S},load" for x, y in windows]
    (tmp_path / "labels.csv").write_text("\n".join(["start,end,metric", *lines]))
    pairs = [[f"{x:%Y-%m-%d %H:%M:%S.000000}", f"{y:%Y-%m-%d %H:%M:%S.000000}"] for x, y in windows]
    (tmp_path / "labels.json").write_text(json.dumps({"plant/press.csv": pairs}))
    moments = [f"{times[f]:%Y-%m-%d %H:%M:%S}" for f in FAULTS]
    (tmp_path / "moments.csv").write_text("\n".join(["time", *moments]))
    return tmp_path


def told(*words: object) -> dict[str, Any]:
    done = holdfast("detect", *words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_planted_spikes_are_found_with_a_reason_and_no_false_alarm_is_raised(folder: Path) -> None:
    report = told(folder / "press.csv", "--labels", folder / "labels.csv", "--series", "*/load")
    (tried,) = report["tried"]
    verdict = tried["verdict"]
    assert (verdict["windows"], verdict["found"]) == (2, 2)
    assert verdict["false_alarms"] <= 4  # in four days of noise; the rate is measured elsewhere
    right = [alarm for alarm in tried["alarms"] if alarm["right"]]
    assert {alarm["subject"] for alarm in right} == {"press/load"}
    assert all(" above: " in alarm["why"] or "deviations" in alarm["why"] for alarm in right)
    assert (report["readings"], report["series"]) == (N, 1)
    assert tried["us"] > 0
    assert tried["bytes"] > 0


@pytest.mark.parametrize("labels", ["labels.csv", "labels.json"])
def test_labels_may_come_as_csv_or_as_nab_has_them(folder: Path, labels: str) -> None:
    found = read_labels(folder / labels, "press.csv.gz", (0, 1))
    begins = [round(START.timestamp() + (f - 5) * 300) * 10**9 for f in FAULTS]
    assert [one.start for one in found] == begins
    assert [one.end - one.start for one in found] == [10 * 300 * 10**9] * 2


def test_moments_get_windows_that_are_a_tenth_of_the_time_together(folder: Path) -> None:
    span = (0, 1_000_000 * 10**9)
    found = read_labels(folder / "moments.csv", "press.csv", span)
    assert [one.end - one.start for one in found] == [50_000 * 10**9] * 2
    assert [(one.start + one.end) // 2 for one in found] == [round(START.timestamp() + f * 300) * 10**9 for f in FAULTS]


def test_a_column_of_the_file_may_say_when_something_was_wrong(folder: Path) -> None:
    report = told(folder / "press.csv", "--label-column", "wrong")
    assert report["series"] == 2
    assert report["tried"][0]["verdict"]["windows"] == 4  # of both series: the file doesn't say of which
    flags = np.array([0, 1, 1, 0, 1])
    windows = of_flags(np.arange(5) * 10, flags, "press")
    assert [(one.start, one.end) for one in windows] == [(10, 20), (40, 40)]


def test_it_is_said_as_a_table_with_alarms_and_advice(folder: Path) -> None:
    done = holdfast("detect", folder / "press.csv", "--labels", folder / "labels.csv")
    assert done.exit_code == 0, done.output
    assert "2 of 2" in done.stdout
    assert "alarms of auto" in done.stdout
    assert "auto: finds 2 of 2 windows" in done.stdout
    assert "as a rule: detect: auto\n" in done.stdout
    other = holdfast("detect", folder / "press.csv", "--labels", folder / "labels.csv", "--detector", "mad:limit=6",
                     "--threshold", "0.6")  # fmt: skip
    assert "as a rule: detect: {detector: mad, limit: 6, threshold: 0.6}" in other.stdout
    without = holdfast("detect", folder / "press.csv")
    assert "a week and series" in without.stdout
    assert "needs no settings" in without.stdout


def test_what_is_wrong_with_several_series_together_is_called_by_its_metric(folder: Path) -> None:
    words = (folder / "press.csv", "--detector", "mahalanobis", "--series")
    report = told(*words, "*/load", "--series", "*/flow")
    assert {alarm["why"].split(" is ")[0] for alarm in report["tried"][0]["alarms"]} == {"load"}
    alone = holdfast("detect", *words, "*/load")
    assert alone.exit_code == 2
    assert "no device here has as many series" in alone.output.replace("\n", " ")


def test_a_picture_is_drawn_with_a_strip_of_scores(folder: Path) -> None:
    png = folder / "out.png"
    done = holdfast("detect", folder / "press.csv", "--labels", folder / "labels.csv", "--plot", png)
    assert done.exit_code == 0, done.output
    assert f"drawn: {png}" in done.stdout.replace("\n", "")
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) == (1_200, 40 + 3 * (190 + 76) + 34)
    term = holdfast("detect", folder / "press.csv", "--plot", "term")
    assert "▲" in term.stdout
    lost = holdfast("detect", folder / "press.csv", "--plot", folder / "nowhere" / "out.png")
    assert lost.exit_code == 2
    assert "can't be written" in lost.output


def test_a_nodes_past_is_asked_by_names_of_series(tmp_path: Path) -> None:
    make_site(tmp_path, [], 50, 4)
    span = ("--from", "1970-01-01T00:00:00Z", "--to", "2030-01-01T00:00:00Z")
    report = told("*", "--data", tmp_path / "data", *span)
    assert report["readings"] == 200
    none = holdfast("detect", "nix/*", "--data", tmp_path / "data", *span)
    assert none.exit_code == 2
    assert "there are" in none.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nix.csv",), "there is no file nix.csv"),
        (("press.csv", "--detector", "nix"), "no detector is called nix"),
        (("press.csv", "--detector", "auto:x"), "isn't OPTION=NUMBER"),
        (("press.csv", "--detector", "auto:x=1"), "auto has no option x"),
        (("press.csv", "--label-column", "nix"), "no column is called nix"),
        (("press.csv", "--labels", "nix.csv"), "nix.csv can't be read"),
        (("press.csv", "--labels", "odd.csv"), "start,end"),
        (("press.csv", "--labels", "late.csv"), "ends before it starts"),
        (("press.csv", "--labels", "other.json"), "no labels for press.csv"),
        (("press.csv", "--series", "*/nix"), "there are press/flow, press/load"),
    ],
)
def test_what_is_wrong_says_what_to_do(
    folder: Path, words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "press.csv").write_text("time,load,flow\n2026-05-01,1,2\n2026-05-02,2,3")
    (folder / "late.csv").write_text("start,end\n2026-05-02,2026-05-01")
    (folder / "odd.csv").write_text("von,bis\n1,2")
    (folder / "other.json").write_text('{"plant/other.csv": []}')
    done = holdfast("detect", *words)
    assert done.exit_code == 2, done.output
    assert says in done.output.replace("\n", " ")


def test_detectors_are_chosen_with_options_and_all_means_all() -> None:
    (one,) = chosen([])
    assert (one.name, one.options) == ("auto", {})
    assert {one.name for one in chosen(["all"])} >= {"auto"}
    with pytest.raises(Misused, match="isn't OPTION=NUMBER"):
        chosen(["auto:a=b"])
    assert Wish([one]).threshold == 0.5
