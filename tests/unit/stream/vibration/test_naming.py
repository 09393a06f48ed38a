"""Faults named in machines that never ran: how often found, how often wrong, and how often in machines that are well.

The rates are stated in docs/how-to/vibration.md; the probabilities come of the theory, so `log_tail` is held against
noise itself.
"""

import math

import numpy as np
import pytest
from tests.unit.stream.vibration.machines import impacts, noise, shaft

from holdfast.stream.vibration.bearings import FAULTS, Fault, bearing
from holdfast.stream.vibration.envelopes import bands, envelope_spectrum
from holdfast.stream.vibration.naming import FALSE_CLAIMS, Found, diagnose, log_tail

RATE, N = 12_000.0, 12_000
BEARINGS = [
    bearing(text) for text in ("6205", "balls=13 ball=9 pitch=61.3 angle=15", "balls=9 ball=10.2 pitch=51.5", "ZA-2115")
]


def machine(seed: int, fault: Fault, snr_db: float) -> tuple[Found | None, float]:
    """What is found of a fault so far above the noise, and where it is."""
    rng = np.random.default_rng(seed)
    turning, orders = rng.uniform(18, 60), BEARINGS[seed % 4]
    struck = impacts(rng, N, RATE, turning, orders, fault, rng.uniform(1500, 4500))
    found = diagnose(10 ** (snr_db / 20) * struck + noise(rng, N), RATE, turning, orders)
    return found, orders.of(fault) * turning


@pytest.mark.parametrize("fault", FAULTS)
def test_nine_of_ten_faults_are_named_where_the_noise_is_twice_as_strong(fault: Fault) -> None:
    named = wrong = 0
    for seed in range(60):
        found, expected = machine(seed, fault, -5.0)
        if found is not None and found.stands_out:
            right = found.fault == fault and abs(found.hz / expected - 1) <= 0.02
            named, wrong = named + right, wrong + (not right)
            assert not right or (abs(found.expected_hz / expected - 1) < 1e-9 and found.times > 3)
    assert named >= 50  # 0.88 to 0.96 of 500; a fault near a multiple of the shaft's speed is left alone
    assert wrong <= 2


def test_a_fault_that_is_buried_is_not_claimed() -> None:
    for seed in range(40):
        found, _ = machine(seed, "outer race", -20.0)
        assert found is None or not found.stands_out


@pytest.mark.parametrize("colour", ["white", "pink", "resonant", "bursts", "impulsive"])
def test_noise_of_any_colour_is_no_fault(colour: str) -> None:
    chances = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        found = diagnose(noise(rng, N, colour), RATE, rng.uniform(18, 60), BEARINGS[seed % 4])
        chances.append(0.0 if found is None else found.log10_chance)
    assert min(chances) > math.log10(FALSE_CLAIMS)
    assert np.mean(np.array(chances) < -2) <= 0.01  # claims as sure as 1 in 100 come at most so often


@pytest.mark.parametrize("rpm_error", [1.0, 1.004])
def test_a_shaft_with_all_its_harmonics_is_no_fault_even_if_its_speed_is_somewhat_wrong(rpm_error: float) -> None:
    claimed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        turning = rng.uniform(18, 60)
        x = shaft(rng, N, RATE, turning * rpm_error) + 0.2 * noise(rng, N)
        found = diagnose(x, RATE, turning, BEARINGS[seed % 4])
        claimed += found is not None and found.stands_out
    assert claimed <= 1


def test_lines_that_belong_to_nothing_are_not_taken_for_a_fault_that_they_pass_by() -> None:
    """A gear's mesh and its sidebands, thirty of them, one of which lies at the bearing's frequency."""
    rng = np.random.default_rng(3)
    orders, turning = BEARINGS[0], 30.0
    t = np.arange(36_000) / RATE
    beats = sum(np.cos(2 * math.pi * (orders.outer * turning + 13.7 * k) * t + k) for k in range(-5, 25))
    x = (1 + 0.05 * beats) * noise(rng, 36_000) + 0.1 * noise(rng, 36_000)
    found = diagnose(x, RATE, turning, orders)
    assert found is not None
    assert not found.stands_out


def test_what_noise_makes_of_lines_is_what_the_tail_says() -> None:
    """Every line of envelope spectra over the local mean: as often so high as said, or less often."""
    ratios, sums, sureness = [], [], 0.0
    for seed in range(60):
        x = np.random.default_rng(seed).normal(size=N)
        for band in ((1500.0, 3000.0), (3000.0, 5880.0)):
            found = envelope_spectrum(np.fft.rfft(x), N, RATE, band, 900.0)
            assert found is not None
            ratios.append(found.ratio[100:800])
            sums.append(found.ratio[100:300] + found.ratio[200:600:2] + found.ratio[300:900:3])
            sureness = float(found.sureness[150])
    for samples, count in ((np.concatenate(ratios), 1), (np.concatenate(sums), 3)):
        for total in (4.0, 7.0, 10.0):
            said, seen = math.exp(log_tail(total, count, sureness)), float(np.mean(samples >= total))
            assert seen <= 1.25 * said + 2e-4
            assert seen >= 0.2 * said - 2e-4


def test_units_and_offsets_change_nothing() -> None:
    rng = np.random.default_rng(5)
    x = impacts(rng, N, RATE, 29.95, BEARINGS[0], "inner race") + 0.5 * noise(rng, N)
    plain = diagnose(x, RATE, 29.95, BEARINGS[0])
    assert plain is not None
    assert plain.fault == "inner race"
    for other in (x * 1e-9, x * 1e9, x + 1e6, -x):
        found = diagnose(other, RATE, 29.95, BEARINGS[0])
        assert found is not None
        assert (found.fault, found.hz) == (plain.fault, plain.hz)


def test_where_nothing_can_be_said_nothing_is() -> None:
    orders, x = BEARINGS[0], np.random.default_rng(1).normal(size=N)
    assert diagnose(x[:6000], RATE, 30.0, orders) is None  # 15 turns
    assert diagnose(np.zeros(N), RATE, 30.0, orders) is None
    assert diagnose(np.full(N, 1e12), RATE, 30.0, orders) is None
    for turning in (0.0, -30.0, math.nan, math.inf):
        assert diagnose(x, RATE, turning, orders) is None
    for wrong in (math.nan, math.inf):
        assert diagnose(np.append(x, wrong), RATE, 30.0, orders) is None
    assert diagnose(x, RATE, 3000.0, orders) is None  # strikes faster than any band is wide
    assert diagnose(np.empty(0), RATE, 30.0, orders) is None


def test_one_knock_is_no_fault() -> None:
    x = np.random.default_rng(1).normal(size=N) * 0.01
    x[5000] = 1000.0
    found = diagnose(x, RATE, 30.0, BEARINGS[0])
    assert found is None or not found.stands_out


@pytest.mark.parametrize("rate", [1000.0, 2000.0, 12_000.0, 25_600.0, 102_400.0])
def test_bands_lie_below_half_the_rate(rate: float) -> None:
    found = bands(rate)
    assert found
    assert all(0 < low < high < rate / 2 for low, high in found)
