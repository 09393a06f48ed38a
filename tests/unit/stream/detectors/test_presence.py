"""`stuck` and `missing`: lengths of time against the series' own, so that who rests often isn't dead."""

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

S = 1_000_000_000
MINUTE = 60 * S
STEP = 5 * MINUTE
DAY = 288
Floats = NDArray[np.float64]
Times = NDArray[np.int64]


def detector(name: str, series: int = 1, /, **options: float) -> Detector:
    state = State()
    made = make(name, Scope(state), options)
    state.grow(series)
    return made


def alone(made: Detector, values: Floats, ts: Times | None = None) -> Scores:
    return made.update(np.zeros(len(values), int), np.arange(len(values)) * STEP if ts is None else ts, values)


def first_alarm(scores: Scores) -> int | None:
    at = np.flatnonzero(scores.score >= THRESHOLD)
    return int(at[0]) if len(at) else None


def test_a_noisy_value_that_stays_is_stuck_after_eight_readings_and_until_it_moves() -> None:
    values = np.random.default_rng(1).normal(20, 1, 5 * DAY)
    values[3 * DAY : 4 * DAY + 60] = values[3 * DAY]
    made = detector("stuck")
    scores = alone(made, values)
    assert first_alarm(scores) == 3 * DAY + 7
    assert (scores.score[3 * DAY + 7 : 4 * DAY + 60] >= THRESHOLD).all()
    assert (scores.score[4 * DAY + 60 :] == 0).all()
    assert made.explain(scores, 3 * DAY + 40).startswith("the value hasn't changed for 3 h 20 min; up to 5 min ")


def test_the_last_digits_noise_of_a_dead_sensor_is_no_change() -> None:
    values = np.random.default_rng(2).normal(20, 1, 4 * DAY)
    values[3 * DAY :] = 20 + 1e-4 * np.random.default_rng(3).normal(size=DAY)
    scores = alone(detector("stuck"), values)
    assert first_alarm(scores) is not None
    assert 3 * DAY <= (first_alarm(scores) or 0) < 3 * DAY + 20


def test_a_coarse_sensor_that_often_repeats_itself_needs_longer() -> None:
    slow = 20 + 3 * np.sin(2 * np.pi * np.arange(8 * DAY) / DAY) + np.random.default_rng(4).normal(0, 0.02, 8 * DAY)
    values = np.round(slow * 2) / 2
    assert first_alarm(alone(detector("stuck"), values)) is None
    values[7 * DAY :] = values[7 * DAY]
    scores = alone(detector("stuck"), values)
    assert 7 * DAY + 12 < (first_alarm(scores) or 0) < 7 * DAY + 12 * 12


def test_a_valve_that_rests_for_hours_or_days_is_not_stuck() -> None:
    rng = np.random.default_rng(5)
    lengths = rng.integers(12, 2 * DAY, 60)
    values = np.repeat(np.tile([0.0, 1.0], 30), lengths)
    assert first_alarm(alone(detector("stuck"), values)) is None


def test_a_series_that_never_changed_is_not_stuck() -> None:
    assert (alone(detector("stuck"), np.full(10 * DAY, 4.0)).score == 0).all()


def test_a_machine_that_rests_at_weekends_is_not_stuck() -> None:
    t = np.arange(28 * DAY)
    values = np.where((t // DAY) % 7 < 5, np.random.default_rng(6).normal(50, 5, len(t)), 0.0)
    made = detector("stuck")
    alarms = alone(made, values).score >= THRESHOLD
    assert np.count_nonzero(np.diff(alarms.astype(int)) == 1) <= 2  # what happened once is no habit yet
    assert not alarms[18 * DAY :].any()


def test_time_counts_and_not_how_often_a_device_says_the_same() -> None:
    values = np.concatenate([np.random.default_rng(7).normal(20, 1, 2000), np.full(30, 20.0)])
    ts = np.arange(2030) * STEP
    ts[2000:] = ts[2000] + np.arange(30) * S
    assert first_alarm(alone(detector("stuck"), values, ts)) is None


def test_a_gap_is_told_by_the_reading_that_ends_it_and_at_once_forgotten() -> None:
    ts = np.arange(3000) * MINUTE + np.random.default_rng(8).integers(-5 * S, 5 * S, 3000)
    ts[2000:] += 6 * 60 * MINUTE
    made = detector("missing")
    scores = alone(made, np.zeros(3000), ts)
    assert np.flatnonzero(scores.score >= THRESHOLD).tolist() == [2000]
    assert scores.seen[2000] == pytest.approx(6 * 3600 + 60, abs=10)
    assert made.explain(scores, 2000).startswith("no reading came for 6 h")


def test_lost_readings_are_a_gap_from_the_fourth_on() -> None:
    for lost, alarm in ((1, False), (2, False), (4, True)):
        ts = np.arange(3000) * MINUTE
        ts[2000:] += lost * MINUTE
        assert (first_alarm(alone(detector("missing"), np.zeros(3000), ts)) == 2000) == alarm, lost


def test_a_series_of_events_has_no_gaps() -> None:
    made, rng, slots = detector("missing", 50), np.random.default_rng(9), np.arange(50)
    ts = np.cumsum(rng.exponential(600 * S, (4000, 50)).astype(np.int64), axis=0)
    alarms = sum(int((made.update(slots, row, np.zeros(50)).score >= THRESHOLD).sum()) for row in ts)
    assert alarms <= 2  # of 200,000 gaps


def test_a_device_that_sends_by_day_only_has_learned_its_nights() -> None:
    steps = np.arange(20 * DAY)
    ts = steps[(steps % DAY > 8 * 12) & (steps % DAY < 18 * 12)] * STEP
    scores = alone(detector("missing"), np.zeros(len(ts)), ts)
    late = ts > 4 * DAY * STEP
    assert not (scores.score[late] >= THRESHOLD).any()


def test_readings_that_come_in_bursts_or_late_are_no_gap() -> None:
    ts = np.repeat(np.arange(100), 40) * 10 * MINUTE
    ts[5::7] -= MINUTE
    assert first_alarm(alone(detector("missing"), np.zeros(4000), ts)) is None
