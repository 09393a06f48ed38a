"""`auto`: what it finds, what it leaves alone."""

import math
from functools import cache

import numpy as np
import pytest
from tests.unit.stream.detectors.faulty_days import DAY, FAULT, STEP_NS, WEEK, Floats, days, scores_of, scores_of_faults

from holdfast.stream.detectors import views
from holdfast.stream.detectors.auto import Auto, Constants
from holdfast.stream.detectors.ports import THRESHOLD, Scope
from holdfast.stream.detectors.views import LAG, NAMES, declare, order
from holdfast.stream.state import State


def detector(slots: int) -> tuple[State, Auto]:
    state = State()
    auto = Auto(Scope(state))
    state.grow(slots)
    return state, auto


def through(values: Floats) -> Floats:
    return scores_of(detector(values.shape[1])[1], values)


@cache
def faults() -> dict[str, Floats]:
    return scores_of_faults(through)


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        ("spike", 1),
        ("level shift", 12),
        ("drift", DAY),
        ("stuck", DAY),
        ("variance change", 72),
        ("missing season", 2 * DAY),
    ],
)
def test_a_planted_fault_is_found_within_its_delay_in_most_of_eight_series(kind: str, within: int) -> None:
    found = (faults()[kind][FAULT : FAULT + within] >= THRESHOLD).any(axis=0)
    assert found.sum() >= 7, f"{kind}: {found.sum()} of 8"


def test_clean_days_raise_less_than_one_alarm_a_week() -> None:
    values = days(20)
    assert (through(values) >= THRESHOLD).sum() / (20 * len(values) / WEEK) < 1


def test_a_nightly_spike_is_news_the_first_night_and_this_series_way_from_the_third() -> None:
    values = days(8)
    values[DAY::DAY] += 40
    alarms = through(values) >= THRESHOLD
    assert alarms[DAY].all()
    assert alarms[2 * DAY + 1 :].sum() / (8 * 12 * DAY / WEEK) < 1


def test_a_spike_as_high_as_one_long_ago_is_news_again() -> None:
    values = np.random.default_rng(3).normal(size=1200)
    spikes = [300, 400, 500, 600, 1100]
    values[spikes] = 40
    heard = []
    for fade in (0.0, 0.001):
        state = State()
        auto = Auto(Scope(state), Constants(fade=fade))
        state.grow(1)
        slots, ts = np.zeros(1200, np.int64), np.arange(1200) * STEP_NS
        heard.append((auto.update(slots, ts, values).score[spikes] >= THRESHOLD).tolist())
    assert [one[0] for one in heard] == [True, True]
    assert [one[-1] for one in heard] == [False, True]


def test_the_first_day_is_silent_however_many_readings_it_has() -> None:
    _, auto = detector(1)
    zero, hour = np.array([0]), 3600 * 1_000_000_000
    values = np.random.default_rng(4).normal(size=8000)
    values[3000:] += 50
    every_ten_seconds = auto.update(np.zeros(8000, np.int64), np.arange(8000) * 10_000_000_000, values)
    assert not every_ten_seconds.score.any()
    assert not auto.update(zero, np.array([23 * hour]), np.array([500.0])).score.any()
    assert auto.update(zero, np.array([25 * hour]), np.array([5000.0])).score[0] >= THRESHOLD


def test_few_readings_are_silent_however_long_they_took() -> None:
    _, auto = detector(1)
    values = np.random.default_rng(4).normal(size=100)
    values[90:] += 50
    assert not auto.update(np.zeros(100, np.int64), np.arange(100) * 24 * 12 * STEP_NS, values).score.any()


def test_late_and_repeated_readings_make_a_series_no_older() -> None:
    state, auto = detector(1)
    auto.update(np.zeros(6, np.int64), np.array([0, 1, 2, 1, 2, 2]) * STEP_NS, np.arange(6.0))
    assert state["age"][0] == 3


def test_what_never_moved_raises_nothing_until_it_moves() -> None:
    values = np.full(600, 45.0)
    values[500:] = 46.0
    _, auto = detector(1)
    score = auto.update(np.zeros(600, np.int64), np.arange(600) * STEP_NS, values).score
    assert not score[:500].any()
    assert score[500] >= THRESHOLD
    assert not (score[501:] >= THRESHOLD).any()


@pytest.mark.parametrize(("centre", "size"), [(1e12, 1), (-1e12, 1), (1e7, 0), (-5, 1e-9), (0, 1e300), (1e9, 1e-7)])
def test_values_of_any_size_are_scored_without_a_warning_and_few_are_alarms(centre: float, size: float) -> None:
    rng = np.random.default_rng(5)
    values: Floats = (centre + size * rng.integers(-1, 2, (1500, 4))).astype(np.float64)
    score = through(values)
    assert np.isfinite(score).all()
    assert ((score >= 0) & (score < 1)).all()
    assert (score[300:] >= THRESHOLD).sum() <= 2


def test_the_order_of_values_is_counted_as_a_plain_count_of_pairs_says() -> None:
    levels = np.random.default_rng(6).integers(0, 8, 900)
    levels[600:] = np.arange(300) % 3
    state = State()
    declare(Scope(state))
    state.grow(1)
    followed: dict[tuple[int, int], int] = {}
    for n, level in enumerate(levels.tolist(), 1):
        share = np.array([(level + 0.5) / 8])
        got = order(Scope(state), "coarse", np.array([0]), (share, np.array([float(n)])), 8)[0]
        expected = 0.0
        if n > LAG:
            before = int(levels[n - 1 - LAG])
            total = sum(followed.get((before, other), 0) for other in range(8))
            times = followed.get((before, level), 0)
            expected = math.log((total + 0.8) / (times + 0.1))
            followed[before, level] = times + 1
        assert math.isclose(got, expected, rel_tol=1e-12)
    assert max(followed.values()) < 255


def test_an_unusual_order_of_usual_values_is_found_within_a_cycle() -> None:
    t = np.arange(6 * DAY)
    values = np.where(t % 12 < 6, 10.0, 30.0) + np.random.default_rng(10).normal(size=len(t))
    values[5 * DAY :] = np.where(t[5 * DAY :] % 4 < 2, 10.0, 30.0)
    found = through(values[:, None])[:, 0] >= THRESHOLD
    assert found[5 * DAY : 5 * DAY + 24].any()
    assert found[: 5 * DAY].sum() <= 1


def test_what_it_says_names_the_view_the_value_and_what_is_usual() -> None:
    _, auto = detector(1)
    values = days(1)[:, 0]
    values[FAULT] = 99.0
    for t, value in enumerate(values[:FAULT]):
        auto.update(np.array([0]), np.array([t * STEP_NS]), np.array([value]))
    scores = auto.update(np.array([0]), np.array([FAULT * STEP_NS]), values[FAULT : FAULT + 1])
    name = NAMES[int(scores.aspect[0])]
    assert scores.score[0] >= THRESHOLD
    assert scores.seen[0] > scores.expected[0]
    assert auto.explain(scores, 0).startswith(f"the {name} is ")
    assert " above: " in auto.explain(scores, 0)
    assert 15 < scores.expected[0] < 30


def test_what_is_unusual_for_its_time_is_told_as_the_reading_beside_what_is_usual_then() -> None:
    _, auto = detector(1)
    values = days(1)[:, 0]
    row = 10 * DAY + DAY // 4  # where the wave is at its highest
    values[row] = 15.5  # within its range
    told = auto.update(np.zeros(row + 1, int), np.arange(row + 1) * STEP_NS, values[: row + 1])
    assert told.score[row] >= THRESHOLD
    assert views.BESIDE.start < told.aspect[row] < views.BESIDE.stop
    assert told.expected[row] == pytest.approx(25, abs=1.5)
    if NAMES[int(told.aspect[row])].startswith("value"):
        assert told.seen[row] == pytest.approx(15.5)
    assert auto.explain(told, row).endswith(f" below: {told.expected[row]:.6g} is usual")
