"""`ewma`, `cusum`, `page_hinkley`: beside the papers' formulas and tables, and on series that go up and down."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

S = 1_000_000_000
STEP_NS = 300 * S
DAY = 288
LEARNED = 3000
TEXTBOOK = {"margin": 0.0, "clip": 1e9, "learning": float(LEARNED), "settling": 0.0}
Floats = NDArray[np.float64]
charts = pytest.mark.parametrize("name", ["ewma", "cusum", "page_hinkley"])


def detector(name: str, series: int = 1, /, **options: float) -> Detector:
    state = State()
    made = make(name, Scope(state), options)
    state.grow(series)
    return made


def alone(made: Detector, values: Floats, ts: NDArray[np.int64] | None = None) -> Scores:
    return made.update(np.zeros(len(values), int), np.arange(len(values)) * STEP_NS if ts is None else ts, values)


def run_lengths(name: str, shift: float, series: int, most: int, **options: float) -> Floats:
    """Readings from a shift to the first alarm, for each series that has one within `most`."""
    made, rng, slots = detector(name, series, **TEXTBOOK, **options), np.random.default_rng(1), np.arange(series)
    lengths = np.full(series, np.nan)
    for t in range(LEARNED + most):
        row = rng.normal(100, 5, series) + 5 * shift * (t >= LEARNED)
        alarm = made.update(slots, np.full(series, t * STEP_NS), row).score >= THRESHOLD
        assert t >= LEARNED or not alarm.any()
        lengths = np.where(np.isnan(lengths) & alarm, t - LEARNED + 1, lengths)
        if not np.isnan(lengths).any():
            break
    return lengths


@pytest.mark.parametrize(
    ("limit", "shift", "length"), [(4, 0.0, 168), (4, 1.0, 8.38), (5, 1.0, 10.4), (4, 2.0, 3.34), (5, 2.0, 4.01)]
)
def test_cusums_average_run_lengths_are_those_of_the_tables(limit: float, shift: float, length: float) -> None:
    """Montgomery 2009, table 9.3: k = 0.5, two-sided, in readings."""
    lengths = run_lengths("cusum", shift, 500, 1500, limit=limit, allowance=0.5, half_life=0.0)
    assert lengths.mean() == pytest.approx(length, rel=0.12)


def test_the_sums_are_pages() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(20, 2, 400)
    values[300:] += 3.0
    options = {"margin": 0.0, "clip": 1e9, "half_life": 0.0, "settling": 0.0, "learning": 100.0}
    scores = alone(detector("cusum", limit=8.0, **options), values)
    up = down = 0.0
    for row in range(100, 320):
        past = values[:row]
        z = (values[row] - past.mean()) / past.std()
        up, down = max(0.0, up + z - 0.5), max(0.0, down - z - 0.5)
        assert scores.score[row] == pytest.approx(max(up, down) / (max(up, down) + 8.0), abs=1e-9)
        if max(up, down) >= 8:
            return
    pytest.fail("no alarm")


def test_the_smoothed_mean_and_its_limits_are_roberts() -> None:
    """At equal steps the chart's variance is w/(2-w)·(1-(1-w)^2i), from the start on."""
    values = np.random.default_rng(3).normal(20, 2, 80)
    options = {"margin": 0.0, "clip": 1e9, "half_life": 0.0, "settling": 0.0, "learning": 2.0}
    scores = alone(detector("ewma", weight=0.2, **options), values)
    smooth = values[0]
    for row in range(1, 80):
        smooth = 0.2 * values[row] + 0.8 * smooth
        past = values[:row]
        share = 0.2 / 1.8 * (1 - 0.8 ** (2 * (row + 1)))
        assert scores.seen[row] == pytest.approx(smooth, rel=1e-9)
        if row > 1:
            z = abs(smooth - past.mean()) / (past.std() * math.sqrt(share))
            assert scores.deviations[row] == pytest.approx(z, rel=1e-6)


def test_at_unequal_steps_the_smoothed_mean_keeps_its_spread_in_the_limits() -> None:
    rng = np.random.default_rng(4)
    ts = np.cumsum(rng.choice([30, 300, 300, 300, 3000], (400, 1)), axis=0) * S
    made, slots = detector("ewma", 400, margin=0.0, clip=1e9, half_life=0.0, settling=0.0), np.arange(400)
    rows = [made.update(slots, np.full(400, t[0]), rng.normal(20, 2, 400)).deviations for t in ts]
    assert np.square(rows[200:]).mean() == pytest.approx(1.0, abs=0.05)  # standard normal, so the limits are exact


def test_after_an_alarm_the_sums_begin_anew_around_the_mean_that_they_told() -> None:
    values = np.random.default_rng(5).normal(20, 1, 3000)
    values[2000:] += 2.0
    made = detector("cusum")
    scores = alone(made, values)
    alarms = np.flatnonzero(scores.score >= THRESHOLD)
    assert len(alarms) == 1
    assert 2000 <= alarms[0] < 2030
    assert scores.seen[alarms[0]] == pytest.approx(22, abs=0.5)
    assert scores.expected[alarms[0]] == pytest.approx(20, abs=0.2)
    assert scores.expected[-1] == pytest.approx(22, abs=0.3)
    assert made.explain(scores, alarms[0]).startswith("the mean has gone up to about 2")


@charts
def test_a_single_spike_is_no_change_of_the_mean(name: str) -> None:
    values = np.random.default_rng(6).normal(20, 1, 3000)
    values[2000] = 1e6
    assert (alone(detector(name), values).score < THRESHOLD).all()


@charts
def test_a_day_that_goes_up_and_down_is_no_alarm_and_a_drift_on_top_is(name: str) -> None:
    t = np.arange(9 * DAY)
    values = 20 + 5 * np.sin(2 * np.pi * t / DAY) + np.random.default_rng(7).normal(0, 0.5, len(t))
    assert (alone(detector(name), values).score < THRESHOLD).all()
    values[7 * DAY :] += 15 * np.arange(2 * DAY) / DAY
    alarms = np.flatnonzero(alone(detector(name), values).score >= THRESHOLD)
    assert len(alarms)
    assert alarms[0] > 7 * DAY


@charts
def test_before_a_day_has_been_seen_nothing_is_said(name: str) -> None:
    values = 20 + 5 * np.sin(2 * np.pi * np.arange(3 * DAY) / DAY)
    assert (alone(detector(name), values).score[: DAY - 1] == 0).all()


@charts
def test_two_weeks_of_noise_raise_no_alarm_in_most_series(name: str) -> None:
    made, rng, slots = detector(name, 40), np.random.default_rng(8), np.arange(40)
    alarms = sum(
        int((made.update(slots, np.full(40, t * STEP_NS), rng.normal(20, 1, 40)).score >= THRESHOLD).sum())
        for t in range(14 * DAY)
    )
    assert alarms / 40 / 2 < 0.1
