"""NAB's rules: our scorer gives what the published scores of published detectors demand."""

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.stream.detectors.benches.nab import PROFILES, Labelled, best, probation, score

NAB = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data")) / "nab"
DETECTORS = ("contextOSE", "twitterADVec", "windowedGaussian")
needs_data = pytest.mark.skipif(not NAB.exists(), reason="the benchmark's files aren't here")


def _rows(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))[1:]


def corpus(detector: str) -> dict[str, Labelled]:
    scores: dict[str, list[float]] = {}
    for file, _row, value in _rows(NAB / f"scorer_vectors/{detector}.csv.gz"):
        scores.setdefault(file, []).append(float(value))
    out = {}
    for file, windows in json.loads((NAB / "labels/combined_windows.json").read_text()).items():
        stamps = [r[0][:19] for r in _rows(NAB / f"data/{file}.gz")]
        places = [(stamps.index(a[:19]), len(stamps) - 1 - stamps[::-1].index(b[:19])) for a, b in windows]
        out[file] = Labelled(np.array(scores[file]), places)
    return out


@needs_data
@pytest.mark.parametrize("detector", DETECTORS)
def test_the_published_scores_come_out_to_the_last_digit_under_every_profile(detector: str) -> None:
    ours = corpus(detector)
    expected: dict[str, Any] = json.loads((NAB / "scorer_vectors/expected.json").read_text())[detector]
    for name, profile in PROFILES.items():
        got, want = best(ours, profile), expected[name]
        assert got.threshold == pytest.approx(want["best_threshold"], abs=1e-12)
        assert round(got.raw, 6) == want["raw_score"]
        assert round(got.normalised, 4) == want["normalised"]
        assert {f: round(v, 6) + 0.0 for f, v in got.per_file.items()} == want["per_file_raw_at_best"]
        assert score(ours, profile, want["best_threshold"]).raw == pytest.approx(got.raw)


def test_silence_scores_0_and_the_first_row_of_each_window_100() -> None:
    scores = np.zeros(1000)
    one = {"f": Labelled(scores, [(300, 349), (700, 749)])}
    for profile in PROFILES.values():
        assert score(one, profile, 0.5).normalised == 0.0
    scores[[300, 700]] = 1.0
    for profile in PROFILES.values():
        assert best(one, profile).normalised == pytest.approx(100.0)


def test_rows_in_probation_count_for_nothing() -> None:
    assert (probation(1000), probation(22_695)) == (150, 750)
    scores = np.zeros(1000)
    scores[:150] = 1.0
    assert score({"f": Labelled(scores, [])}, PROFILES["standard"], 0.5).raw == 0.0


def test_a_detector_that_can_only_lose_is_best_left_silent() -> None:
    scores = np.zeros(1000)
    scores[900] = 1.0
    assert best({"f": Labelled(scores, [])}, PROFILES["standard"]).raw == 0.0
