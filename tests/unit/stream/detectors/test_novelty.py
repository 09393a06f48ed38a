"""`novelty`: what it finds and leaves alone, that it is what it says."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.stream.detectors.faulty_days import DAY, FAULT, STEP_NS, WEEK, Floats, days, scores_of, scores_of_faults

from holdfast.stream.detectors.catalogue import OptionsInvalid, make
from holdfast.stream.detectors.novelty import NAMES, Constants, Novelty
from holdfast.stream.detectors.ports import THRESHOLD, Scope
from holdfast.stream.state import State

Ints = NDArray[np.int64]


def detector(slots: int, constants: Constants | None = None) -> tuple[State, Novelty]:
    state = State()
    novelty = Novelty(Scope(state), constants=constants)
    state.grow(slots)
    return state, novelty


def through(values: Floats, step_ns: int = STEP_NS) -> Floats:
    return scores_of(detector(values.shape[1])[1], values, step_ns)


@cache
def faults() -> dict[str, Floats]:
    return scores_of_faults(through)


@pytest.mark.parametrize(
    ("kind", "within"),
    [
        ("spike", 1),
        ("level shift", 1),
        ("drift", DAY // 4),
        ("stuck", DAY // 6),
        ("variance change", 12),
        ("missing season", DAY // 6),
    ],
)
def test_a_planted_fault_is_found_within_its_delay_in_most_of_eight_series(kind: str, within: int) -> None:
    found = (faults()[kind][FAULT : FAULT + within] >= THRESHOLD).any(axis=0)
    assert found.sum() >= 7, f"{kind}: {found.sum()} of 8"


def test_clean_days_raise_less_than_one_alarm_in_five_weeks() -> None:
    values = days(20)
    assert (through(values) >= THRESHOLD).sum() / (20 * len(values) / WEEK) < 0.2


def test_noise_without_a_rhythm_raises_less_than_one_alarm_a_week_wherever_it_lies() -> None:
    noise = np.random.default_rng(5).normal(size=(2 * WEEK, 20))
    alarms = through(np.hstack([noise, noise - 1e12, noise + 1e7])) >= THRESHOLD
    assert alarms.reshape(-1, 3, 20).sum(axis=(0, 2)).max() / 40 < 1


def test_a_constant_series_is_never_strange() -> None:
    assert not through(np.tile([0.0, -3.3, 1e12, 1e308], (WEEK, 1))).any()


def test_values_too_great_for_squares_raise_no_alarm_and_no_warning() -> None:
    values = np.random.default_rng(6).choice([-1e308, 1e308], size=(WEEK, 2))
    scores = through(values)
    assert np.isfinite(scores).all()
    assert not (scores[DAY + 1 :] >= THRESHOLD).any()


def test_one_night_is_enough_to_learn_a_nightly_spike() -> None:
    values = days(8)
    values[::DAY] += 40
    alarms = through(values) >= THRESHOLD
    assert alarms[DAY : 2 * DAY].any(axis=0).all()
    assert alarms[2 * DAY :].sum() / (8 * 12 * DAY / WEEK) < 0.3


def test_there_is_no_alarm_on_the_first_day_however_fast_readings_come() -> None:
    values = np.random.default_rng(4).normal(size=(5000, 2))
    values[4000] = 100
    assert not (through(values, step_ns=1_000_000_000) >= THRESHOLD).any()


def test_an_incident_is_told_once_until_it_has_been_calm_for_six_hours() -> None:
    values = days(4)
    values[FAULT : FAULT + 40 : 3] += 15
    values[FAULT + 40 + 72 + 1] += 60
    alarms = through(values)[FAULT:] >= THRESHOLD
    assert (alarms[: 40 + 72].sum(axis=0) == 1).all()
    assert alarms[40 + 72 + 1].all()


def test_what_is_far_stranger_is_told_even_within_an_incident() -> None:
    values = days(4)
    values[FAULT] += 4
    values[FAULT + 5] += 400
    assert (through(values)[FAULT + 5] >= THRESHOLD).all()


def test_a_clock_set_back_a_year_does_not_silence_a_series_for_a_year() -> None:
    _, novelty = detector(1)
    values, year = days(1)[:, 0], 365 * DAY * STEP_NS
    values[FAULT], values[FAULT + 100] = 60.0, 120.0
    scores = [
        novelty.update(
            np.array([0]), np.array([t * STEP_NS + (year if t < FAULT + 50 else 0)]), np.array([value])
        ).score[0]
        for t, value in enumerate(values[: FAULT + 101])
    ]
    assert scores[FAULT] >= THRESHOLD
    assert scores[FAULT + 100] >= THRESHOLD


def test_what_it_says_names_the_view_the_value_and_the_nearest_so_far() -> None:
    _, novelty = detector(1)
    values = days(1)[:, 0]
    values[FAULT] = 99.0
    for t, value in enumerate(values[:FAULT]):
        novelty.update(np.array([0]), np.array([t * STEP_NS]), np.array([value]))
    scores = novelty.update(np.array([0]), np.array([FAULT * STEP_NS]), values[FAULT : FAULT + 1])
    assert scores.score[0] >= THRESHOLD
    assert NAMES[int(scores.aspect[0])] == "value"
    assert scores.seen[0] == pytest.approx(99)
    assert scores.expected[0] == pytest.approx(values[:FAULT].max(), abs=0.08 * np.ptp(values))
    told = novelty.explain(scores, 0)
    assert told.startswith("the value is 99, which is new: 7")
    assert told.endswith("the nearest so far")


def test_what_is_new_for_its_time_is_told_in_the_series_own_terms() -> None:
    _, novelty = detector(1)
    values = days(1)[:, 0]
    row = 10 * DAY + DAY // 4
    values[row] = 15.5  # usual at night, not at this time
    told = novelty.update(np.zeros(row + 1, int), np.arange(row + 1) * STEP_NS, values[: row + 1])
    assert told.score[row] >= THRESHOLD
    assert NAMES[int(told.aspect[row])] == "value for the time of day"
    assert told.seen[row] == pytest.approx(15.5)
    assert 17 < told.expected[row] < 25


class _Place:
    """A profile: what was usual at each place of a cycle."""

    def __init__(self) -> None:
        self.held, self.known = dict[int, float](), dict[int, int]()

    def left(self, place: int, x: float, instead: float) -> float:
        known, held = self.known.get(place, 0), self.held.get(place, 0.0)
        self.held[place] = held + (x - held) / min(known + 1, 30)
        self.known[place] = known + 1
        return x - held if known else instead


def _plainly(ts: Ints, values: Floats) -> list[float]:
    """The deviations of one series, in plain Python; nothing is shared with the detector."""
    day, week, centre, usual, variance, found = _Place(), _Place(), 0.0, 0.0, 0.0, list[float]()
    means = [[0.0, 0.0] for _ in range(3)]
    ranges = [[np.inf, -np.inf] for _ in range(9)]
    leaders: list[list[float]] = [[] for _ in range(9)]
    for n, (at, value) in enumerate(zip(ts.tolist(), values.tolist(), strict=True), start=1):
        x, second = value - values[0], at // 1_000_000_000
        by_day = day.left(second % 86_400 // 1_800, x, x - centre)
        by_week = week.left(second // 3_600 % 168, x, by_day)
        centre += (x - centre) / min(n, 5000)
        views = list[float]()
        for now, both in zip((x, by_day, by_week), means, strict=True):
            for i, span in enumerate((5, 40)):
                both[i] += (now - both[i]) * max(1 / span, 1 / n)
            views += [now, *both]
        total = 0.0
        for view, ends, led in zip(views, ranges, leaders, strict=True):
            ends[:] = min(ends[0], view), max(ends[1], view)
            width = ends[1] - ends[0]
            away = min((abs(view - leader) for leader in led), default=0.0) / (0.08 * (width or 1))
            if not led or away > 1:
                if len(led) == 15:
                    led.sort()
                    gaps = [b - a for a, b in pairwise(led)]
                    del led[gaps.index(min(gaps)) + 1]
                led.append(view)
            total += away
        off, rate = total / 9 - usual, 1 / min(n, 5000)
        found.append(off / (variance + 0.22**2) ** 0.5)
        usual += rate * off
        variance += rate * (off * off * (1 - rate) - variance)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_plain_python_makes_of_the_same_series(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.integers(300, 3600, 1500)) * 1_000_000_000
    values = rng.standard_t(3, 1500).cumsum() * 10.0 ** rng.integers(-3, 6)
    _, novelty = detector(1)
    got = novelty.update(np.zeros(1500, int), ts, values).deviations
    assert np.abs(got - _plainly(ts, values)).max() < 2e-3


def test_options_in_words_change_what_is_strange_and_are_held_to_their_limits() -> None:
    values = days(1)
    values[FAULT] += 8
    alarms = list[int]()
    for strange in (0.65, 20.0):
        state = State()
        novelty = make("novelty", Scope(state), {"strange": strange})
        state.grow(1)
        scores = novelty.update(np.zeros(len(values), int), np.arange(len(values)) * STEP_NS, values[:, 0]).score
        alarms.append(int((scores >= THRESHOLD).sum()))
    assert alarms[0] >= 1
    assert alarms[1] == 0
    with pytest.raises(OptionsInvalid, match=r"strange must be from 0\.05"):
        make("novelty", Scope(State()), {"strange": 0.0})
