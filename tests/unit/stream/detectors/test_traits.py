"""What a series is like, and what that speaks for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.traits import advise, traits

KNOWN = dict.fromkeys(("auto", "seasonal", "bocpd", "stuck", "mad", "cusum", "missing"))
N = 5_000
FIVE_MINUTES = np.arange(N, dtype=np.int64) * 300 * 10**9
NOISE = np.random.default_rng(5).normal(size=N)
Floats = NDArray[np.float64]


def advised(values: Floats, ts: NDArray[np.int64] = FIVE_MINUTES) -> list[str]:
    return [one.detector for one in advise(traits(ts, values), KNOWN)]


def test_a_daily_wave_speaks_for_a_seasonal_baseline() -> None:
    wave = 20 + 5 * np.sin(2 * np.pi * np.arange(N) / 288) + NOISE
    assert traits(FIVE_MINUTES, wave).rhythm == pytest.approx(12.5 / 13.5, abs=0.05)
    assert advised(wave)[:2] == ["auto", "seasonal"]


def test_noise_around_one_level_has_no_rhythm_and_speaks_for_deviations() -> None:
    found = traits(FIVE_MINUTES, NOISE)
    assert found.rhythm == pytest.approx(0, abs=0.02)
    assert found.walks == pytest.approx(0, abs=0.02)
    assert {"mad", "cusum", "missing"} <= set(advised(NOISE))
    assert "seasonal" not in advised(NOISE)


def test_what_moves_between_levels_speaks_for_change_points() -> None:
    levels = np.repeat([3.0, 9.0, 5.0, 20.0, 1.0], N // 5) + 0.1 * NOISE
    assert "bocpd" in advised(levels)
    assert "mad" not in advised(levels)


def test_a_valve_that_stays_as_it_is_says_so() -> None:
    valve = np.repeat([0.0, 1.0], N // 2)
    found = traits(FIVE_MINUTES, valve)
    assert found.distinct == 2
    assert found.same == pytest.approx(1, abs=0.001)
    reasons = {one.detector: one.reason for one in advise(found, KNOWN)}
    assert reasons["stuck"].startswith("it has 2 values only")
    assert "mad" not in reasons


def test_what_comes_when_it_likes_is_not_missed() -> None:
    now_and_then = np.cumsum(np.random.default_rng(6).exponential(300e9, N)).astype(np.int64)
    assert "missing" not in advised(NOISE, now_and_then)


def test_only_known_detectors_are_advised_and_nothing_breaks_on_nothing() -> None:
    assert [one.detector for one in advise(traits(FIVE_MINUTES, NOISE), {"auto": None})] == ["auto"]
    for values in (np.zeros(0), np.ones(1), np.full(3, np.nan), np.full(500, 7.0)):
        assert advised(values, FIVE_MINUTES[: len(values)])[0] == "auto"
