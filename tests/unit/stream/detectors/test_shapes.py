"""Faults that the detectors of rhythm, change and form are for: each found within a stated number of readings."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import THRESHOLD, Scope
from holdfast.stream.state import State

STEP_NS = 300 * 1_000_000_000
DAY = 288
WEEK = 7 * DAY
DAYS = 9
FAULT = 7 * DAY + DAY // 2  # where the wave is at its mean
SERIES = 8
Floats = NDArray[np.float64]


def through(name: str, values: Floats, minutes_late: int = 0, step_ns: int = STEP_NS, **options: float) -> Floats:
    """Scores of rows x series, a row at a time."""
    state = State()
    made = make(name, Scope(state), options)
    slots = np.arange(values.shape[1])
    state.grow(len(slots))
    late = minutes_late * 60 * 1_000_000_000
    return np.array(
        [made.update(slots, np.full(len(slots), t * step_ns - late), r).score for t, r in enumerate(values)]
    )


def clean(kind: str, days: int = DAYS) -> Floats:
    """Rows x series, every series with a noise of its own."""
    t = np.arange(days * DAY)[:, None]
    noise = np.random.default_rng(7).normal(size=(len(t), SERIES))
    day: Floats = np.sin(2 * np.pi * t / DAY)
    short: Floats = np.sin(2 * np.pi * t / 23.7)
    if kind == "day":
        return 20 + 5 * day + 0.5 * noise
    if kind == "short":
        return 20 + 5 * short + 0.3 * noise
    if kind == "duty":
        return 20 + 5 * ((t // 20) % 2) + 0.1 * noise
    if kind == "walk":
        return 20 + 0.1 * np.cumsum(noise, axis=0)
    return 20 + noise


def faulty(kind: str, fault: str) -> Floats:
    values = clean(kind)
    after = values[FAULT:]
    deviation = values[:FAULT].std()
    ages = np.arange(len(after))[:, None]
    if fault == "spike":
        after[0] += 3 * deviation if kind in ("day", "duty") else 8 * deviation
    elif fault == "level shift":
        after += 2.5 * deviation
    elif fault == "drift":
        after += 3 * deviation * ages / DAY
    elif fault == "stuck":
        after[:] = after[0]
    elif fault == "variance change":
        after += 1.2 * deviation * np.random.default_rng(8).normal(size=after.shape)
    else:
        after[:] = 20 + 0.5 * np.random.default_rng(9).normal(size=after.shape)
    return values


PLANTED = [
    ("seasonal", "day", "spike", 1),
    ("seasonal", "day", "level shift", 1),
    ("seasonal", "day", "drift", 60),
    ("seasonal", "day", "stuck", 30),
    ("seasonal", "day", "variance change", 6),
    ("seasonal", "day", "missing season", 30),
    ("bocpd", "noise", "level shift", 12),
    ("bocpd", "walk", "level shift", 12),
    ("bocpd", "noise", "stuck", 24),
    ("bocpd", "day", "variance change", 12),
    ("adwin", "noise", "level shift", 24),
    ("adwin", "noise", "drift", DAY),
    ("discord", "short", "spike", 1),
    ("discord", "short", "level shift", 6),
    ("discord", "short", "stuck", 24),
    ("discord", "short", "missing season", 24),
    ("spectral_residual", "day", "spike", 1),
    ("spectral_residual", "noise", "spike", 1),
    ("spectral_residual", "short", "spike", 1),
    ("spectral_residual", "short", "level shift", 1),
    ("forest", "day", "spike", 1),
    ("forest", "noise", "spike", 1),
    ("forest", "day", "level shift", 1),
    ("forest", "day", "variance change", 6),
]
KINDS = ("day", "noise", "short", "duty", "walk")
DETECTORS = sorted({name for name, *_ in PLANTED})


@cache
def scored(name: str) -> dict[tuple[str, str], Floats]:
    """Scores of all clean series and of the faults that this detector is for, all side by side."""
    parts = {(kind, ""): clean(kind) for kind in KINDS}
    parts |= {(kind, fault): faulty(kind, fault) for who, kind, fault, _ in PLANTED if who == name}
    scores = through(name, np.hstack(list(parts.values())))
    return dict(zip(parts, np.split(scores, len(parts), axis=1), strict=True))


@pytest.mark.parametrize(("name", "kind", "fault", "within"), PLANTED)
def test_a_planted_fault_is_found_within_its_delay_in_seven_of_eight_series(
    name: str, kind: str, fault: str, within: int
) -> None:
    found = (scored(name)[kind, fault][FAULT : FAULT + within] >= THRESHOLD).any(axis=0)
    assert found.sum() >= 7, f"{found.sum()} of 8"


@pytest.mark.parametrize("name", DETECTORS)
def test_clean_series_raise_less_than_one_alarm_a_week_and_a_walk_less_than_two_of_bocpd(name: str) -> None:
    for kind in KINDS:
        alarms = scored(name)[kind, ""] >= THRESHOLD
        most = 2 if (name, kind) == ("bocpd", "walk") else 1  # a walk does change its level for good
        assert alarms.sum() / (alarms.size / WEEK) < most, kind


def test_seasonal_says_nothing_in_its_first_day_nor_of_a_series_without_a_rhythm() -> None:
    scores = scored("seasonal")
    assert not scores["day", ""][:DAY].any()
    assert scores["day", ""][3 * DAY :].any()
    assert not scores["walk", ""].any()
    assert not scores["noise", ""].any()


def test_seasonal_finds_a_workday_that_is_like_a_sunday_once_it_knows_the_week() -> None:
    hour = np.arange(26 * 24 * 4) // 4  # four readings an hour
    workday = (hour // 24 + 3) % 7 < 5  # 1970 began on a Thursday
    load = 10 + 30.0 * (workday & (hour % 24 >= 7) & (hour % 24 < 17))
    holiday = hour // 24 == 25
    assert workday[holiday].all()
    values = np.where(holiday, 10.0, load)[:, None] + np.random.default_rng(3).normal(size=(len(hour), SERIES))
    alarms = through("seasonal", values, step_ns=3 * STEP_NS) >= THRESHOLD
    found = alarms[holiday & (hour % 24 >= 7) & (hour % 24 < 8)].any(axis=0)
    assert found.sum() >= 7
    usual = ~holiday & (hour >= 17 * 24)  # the first Sunday that it knows is over
    assert alarms[usual].sum() / (SERIES * usual.sum() / (7 * 24 * 4)) < 1


def test_seasonal_goes_by_the_readings_times_so_a_gap_of_some_hours_does_no_harm() -> None:
    state = State()
    made = make("seasonal", Scope(state))
    slots = np.arange(SERIES)
    state.grow(SERIES)
    alarms = 0
    for t, row in enumerate(clean("day")):
        if t // 100 % 5 != 2:  # a hundred readings of five hundred never come
            alarms += int((made.update(slots, np.full(SERIES, t * STEP_NS), row).score >= THRESHOLD).sum())
    assert alarms <= 2


def test_the_zone_moves_the_day_with_the_sites_clock() -> None:
    values = clean("day", days=6)
    assert np.array_equal(through("seasonal", values), through("seasonal", values, minutes_late=90, zone=90))


def test_bocpd_tells_a_change_once_and_a_single_spike_not_at_all() -> None:
    scores = scored("bocpd")["noise", "level shift"]
    assert (scores[FAULT : FAULT + DAY] >= THRESHOLD).sum(axis=0).max() <= 4
    spiked = clean("noise")
    spiked[FAULT] += 12
    assert not (through("bocpd", spiked)[FAULT : FAULT + 60] >= THRESHOLD).any()


def test_adwin_drops_what_was_before_the_drift() -> None:
    state = State()
    made = make("adwin", Scope(state))
    slots = np.arange(SERIES)
    state.grow(SERIES)
    for t, row in enumerate(faulty("noise", "level shift")):
        made.update(slots, np.full(SERIES, t * STEP_NS), row)
    left = (state["count"][:SERIES] * 2.0 ** np.arange(11)).sum(axis=1)
    assert np.abs(left - (DAYS * DAY - FAULT)).max() < 0.1 * (DAYS * DAY - FAULT)


def test_discord_names_the_place_where_the_course_differs() -> None:
    values = faulty("short", "spike")[: FAULT + 5]
    state = State()
    made = make("discord", Scope(state), {"m": 24})
    state.grow(SERIES)
    for t, row in enumerate(values):
        scores = made.update(np.arange(SERIES), np.full(SERIES, t * STEP_NS), row)
    assert np.allclose(scores.seen, values[FAULT])
    assert (np.abs(scores.expected - clean("short")[FAULT]) < 6).all()
    assert made.explain(scores, 0).startswith("the course of the last 24 readings is unlike any before: ")
