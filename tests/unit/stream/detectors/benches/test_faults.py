"""What the classical detectors find of planted faults, how soon, and how the bench counts."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from holdfast.stream.detectors.benches import clean, faults
from holdfast.stream.detectors.benches.corpus import CorpusUnreadable
from holdfast.stream.detectors.benches.planted import CLEAN, FAULTS, SHAPES, Fault, planted
from holdfast.stream.detectors.benches.planted import clean as clean_series
from holdfast.stream.detectors.catalogue import KINDS


def test_an_alarm_begins_where_the_one_before_was_none() -> None:
    scores = np.array([[0.5, 0.0], [0.9, 0.6], [0.4, 0.7], [0.5, 0.49]])
    assert faults.onsets(scores).tolist() == [[True, False], [False, True], [False, False], [True, False]]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_leaves_alone_what_comes_before_it(fault: Fault) -> None:
    values = clean_series(SHAPES[0], 2)
    changed = planted(SHAPES[0], fault, values)
    first = CLEAN + fault.begins
    assert np.array_equal(changed[:first], values[:first])
    assert not np.array_equal(changed[first:, :, 0], values[first:, :, 0], equal_nan=True)
    if fault.name != "gap":
        assert np.array_equal(changed[:, :, 1], values[:, :, 1])


WAVE, NOISE, DUTY, WALK = (shape.name for shape in SHAPES)
SURE = {
    "zscore": {("spike", WAVE): 0, ("spike", NOISE): 0, ("spike", DUTY): 0},
    "mad": {("spike", WAVE): 0, ("spike", DUTY): 0, ("spike", WALK): 0, ("level shift", WAVE): 1},
    "rate": {("spike", WAVE): 0, ("spike", WALK): 0, ("spike inside", WAVE): 0, ("level shift", WAVE): 0},
    "ewma": {("level shift", WAVE): 72, ("level shift", NOISE): 6, ("level shift", DUTY): 6},
    "cusum": {("level shift", WAVE): 72, ("level shift", NOISE): 6, ("drift", WAVE): 288, ("drift", NOISE): 96},
    "page_hinkley": {("level shift", NOISE): 12, ("drift", NOISE): 96, ("drift", DUTY): 96},
    "stuck": {("stuck", shape.name): 8 for shape in SHAPES},
    "missing": {("gap", shape.name): 0 for shape in SHAPES},
}
"""What each must find in every series, within how many readings. Walks have no mean: there, false alarms count."""


@pytest.mark.parametrize(
    "name", [name if name == "zscore" else pytest.param(name, marks=pytest.mark.slow) for name in SURE]
)
@pytest.mark.timeout(120)
def test_a_detector_finds_what_it_is_for_in_time_and_raises_less_than_one_false_alarm_a_week(name: str) -> None:
    wanted = {fault for fault, _ in SURE[name]}
    report = faults.run(name, 2, [fault for fault in FAULTS if fault.name in wanted])
    findings = {(one.fault, one.shape): one for one in report.findings}
    for case, within in SURE[name].items():
        assert findings[case].found == 2, case
        assert max(findings[case].delays) <= within, case
    assert max(rate for shape, rate in report.false_per_week.items() if shape != WALK) < 0.5
    assert report.false_per_week[WALK] < 2


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def _day(at: int) -> str:
    return f"2026-01-{5 + at // 1440:02}T{at // 60 % 24:02}:{at % 60:02}:00"


def test_real_series_are_read_and_alarms_count_while_nobody_is_in(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("datatraining", "datatest"):
        rows = [f"{_day(t)},{rng.normal(20, 1):.6f},40,0,400,0.004,{int(t > 1800)}" for t in range(2000)]
        rows[1000] = f"{_day(1000)},500,40,0,400,0.004,0"
        rows[1900] = f"{_day(1900)},900,40,0,400,0.004,1"
        head = "date,Temperature,Humidity,Light,CO2,HumidityRatio,Occupancy"
        _write(tmp_path / "occupancy" / f"{name}.csv.gz", "\n".join([head, *rows]))
    head = "datetime;Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage;"
    pump = [f"{_day(t)};1;1;1;1;1;1;1;{rng.normal():.6f}" for t in range(50)]
    _write(tmp_path / "skab" / "data" / "anomaly-free" / "a.csv.gz", "\n".join([head + "Volume Flow RateRMS", *pump]))
    series = "\n".join(["timestamp,value", *(f"{_day(t)},{rng.normal():.6f}" for t in range(500))])
    _write(tmp_path / "nab" / "data" / "artificialNoAnomaly" / "calm.csv.gz", series)
    (tmp_path / "nab" / "labels").mkdir()
    labels = tmp_path / "nab" / "labels" / "combined_windows.json"
    labels.write_text(json.dumps({"artificialNoAnomaly/calm.csv": []}))
    found = {one.corpus: one for one in clean.false_alarms("zscore", clean.read(tmp_path))}
    assert found["occupancy nights"].alarms == 2  # one a file; the one with people in doesn't count
    assert found["occupancy nights"].weeks == pytest.approx(2 * 5 * 1740 / 10_080, rel=0.01)
    assert found["SKAB anomaly-free"].silent
    assert (found["NAB no anomaly"].alarms, found["NAB no anomaly"].silent) == (0, False)


def test_a_folder_without_the_data_is_refused_with_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnreadable) as caught:
        clean.read(tmp_path)
    assert "occupancy/" in caught.value.hint


def test_every_detector_of_the_catalogue_fits_the_bench() -> None:
    for kind in KINDS.values():
        assert kind.columns[0] in (1, 2), f"{kind.name}: planted series have two columns"
