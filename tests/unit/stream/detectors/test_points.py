"""`zscore`, `mad`, `rate`: beside plain references, and what the own limit of a series does."""

import math
import statistics

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

S = 1_000_000_000
STEP_NS = 60 * S
WEEK = 10_080
TEXTBOOK = {"margin": 0.0, "clip": 1e9, "half_life": 0.0, "learning": 2.0}
Floats = NDArray[np.float64]


def detector(name: str, series: int = 1, /, **options: float) -> Detector:
    state = State()
    made = make(name, Scope(state), options)
    state.grow(series)
    return made


def alone(made: Detector, values: Floats, ts: NDArray[np.int64] | None = None) -> Scores:
    return made.update(np.zeros(len(values), int), np.arange(len(values)) * STEP_NS if ts is None else ts, values)


def side_by_side(made: Detector, values: Floats) -> Floats:
    """Scores of rows x series."""
    slots = np.arange(values.shape[1])
    return np.array([made.update(slots, np.full(len(slots), t * STEP_NS), row).score for t, row in enumerate(values)])


def test_without_fading_and_clipping_the_z_score_is_that_of_the_whole_past() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, 400)
    scores = alone(detector("zscore", limit=4.0, **TEXTBOOK), values)
    for row in range(5, 400, 37):
        past = values[:row].tolist()
        z = abs(values[row] - statistics.fmean(past)) / statistics.pstdev(past)
        assert scores.deviations[row] == pytest.approx(z, rel=1e-9)
        assert scores.expected[row] == pytest.approx(statistics.fmean(past), rel=1e-12)
        assert scores.score[row] == pytest.approx(z / (z + 4.0), rel=1e-9)


def test_weights_halve_with_each_half_life_whatever_the_steps() -> None:
    rng = np.random.default_rng(2)
    values, ts = rng.normal(50, 2, 3000), np.cumsum(rng.integers(1, 100, 3000)) * S
    scores = alone(detector("zscore", **{**TEXTBOOK, "half_life": 3600.0}), values, ts)
    for row in range(2000, 3000, 171):  # the first thirty count in full, which by now is long ago
        weights = 0.5 ** ((ts[row - 1] - ts[:row]) / S / 3600.0)
        mean = (weights * values[:row]).sum() / weights.sum()
        variance = (weights * (values[:row] - mean) ** 2).sum() / weights.sum()
        assert scores.expected[row] == pytest.approx(mean, rel=1e-6)
        # the variance that was known before the latest reading faded by one step more
        assert scores.deviations[row] == pytest.approx(abs(values[row] - mean) / math.sqrt(variance), rel=1e-4)


def test_after_a_silence_of_many_half_lives_the_deviation_is_still_known() -> None:
    values = np.random.default_rng(3).normal(20, 1, 1000)
    ts = np.arange(1000) * STEP_NS
    ts[500:] += 400 * 86_400 * S
    scores = alone(detector("zscore"), values, ts)
    assert (scores.score[400:] < THRESHOLD).all()


def test_an_outlier_is_an_alarm_and_hardly_widens_what_is_usual() -> None:
    values = np.random.default_rng(4).normal(20, 1, 1000)
    values[600] = 5000.0
    scores = alone(detector("zscore"), values)
    assert scores.score[600] > 0.9
    assert scores.expected[601] == pytest.approx(20, abs=0.2)
    values[601] = 28.0
    assert alone(detector("zscore"), values).score[601] >= THRESHOLD


def test_the_median_and_its_deviation_are_those_of_the_window() -> None:
    values = np.random.default_rng(5).standard_t(2, 300)
    scores = alone(detector("mad", margin=0.0, window=31), values)
    windows = {row: values[row - 31 : row] for row in range(31, 300)}
    medians = {row: np.median(window) for row, window in windows.items()}
    spreads = {row: 1.4826 * np.median(np.abs(window - medians[row])) for row, window in windows.items()}
    for row in range(61, 300):
        usual = np.mean([spreads[before] for before in range(31, row)])
        z = abs(values[row] - medians[row]) / max(spreads[row], 0.8 * usual)
        assert scores.expected[row] == medians[row]
        assert scores.deviations[row] == pytest.approx(z, rel=1e-9)
        assert scores.score[row] == pytest.approx(z / (z + 5.0), rel=1e-9)
    assert (scores.score[:60] == 0).all()


def test_outliers_that_fill_less_than_half_of_the_window_hide_none_of_them() -> None:
    values = np.random.default_rng(6).normal(0, 1, 2000)
    values[1000:1060:3] += 40
    scores = alone(detector("mad"), values)
    assert (scores.score[1000:1060:3] >= THRESHOLD).all()
    assert (scores.score[1001:1060:3] < THRESHOLD).all()


def test_a_change_within_the_range_is_an_alarm_where_it_is_too_fast() -> None:
    t = np.arange(6000)
    values = 20 + 5 * np.sin(2 * np.pi * t / 1440) + np.random.default_rng(7).normal(0, 0.1, 6000)
    values[5400:] -= 3.0
    made = detector("rate")
    scores = alone(made, values)
    assert np.flatnonzero(scores.score >= THRESHOLD).tolist() == [5400]
    assert scores.seen[5400] == pytest.approx(-3.0 / 60, abs=0.01)
    assert made.explain(scores, 5400).startswith("the value goes down by 0.05")
    assert (alone(detector("zscore"), values).score[5400] < THRESHOLD).all()


def test_after_a_gap_a_difference_is_spread_over_its_time() -> None:
    values = 0.01 * np.arange(2000.0) + np.random.default_rng(8).normal(0, 0.002, 2000)
    values[1000:] += 20.0
    ts = np.arange(2000) * STEP_NS
    assert alone(detector("rate"), values, ts).score[1000] >= THRESHOLD
    ts[1000:] += 2000 * STEP_NS
    assert alone(detector("rate"), values, ts).score[1000] < THRESHOLD


def test_readings_of_one_moment_are_no_infinite_speed() -> None:
    rng = np.random.default_rng(9)
    ts = np.repeat(np.arange(500), 4) * STEP_NS
    scores = alone(detector("rate"), rng.normal(20, 1, 2000), ts)
    assert np.isfinite(scores.seen).all()
    assert (scores.score < THRESHOLD).all()


@pytest.mark.parametrize(("name", "most"), [("zscore", 0.3), ("mad", 0.3), ("rate", 0.3)])
def test_a_week_of_minutes_of_noise_raises_few_alarms(name: str, most: float) -> None:
    values = np.random.default_rng(10).normal(20, 1, (WEEK, 40))
    assert (side_by_side(detector(name, 40), values) >= THRESHOLD).sum() / 40 < most


@pytest.mark.parametrize("name", ["zscore", "mad", "rate"])
def test_long_tails_make_the_own_limit_and_the_textbook_has_none(name: str) -> None:
    values = np.random.default_rng(11).standard_t(2.5, (WEEK // 2, 20))
    own = (side_by_side(detector(name, 20), values) >= THRESHOLD).sum() / 20
    textbook = (side_by_side(detector(name, 20, margin=0.0), values) >= THRESHOLD).sum() / 20
    assert textbook > 10
    assert own < textbook / 5
