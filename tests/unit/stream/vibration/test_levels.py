"""Levels and spectra against closed forms, and against Polars where it knows them."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.stream.vibration import levels, spectra

RATE = 12_000.0


def sine(hz: float, amplitude: float = 3.0, n: int = 12_000) -> np.ndarray:
    return np.asarray(amplitude * np.sin(2 * math.pi * hz * np.arange(n) / RATE))


def test_a_sine_has_the_levels_that_a_sine_has() -> None:
    x = sine(100.0)
    assert levels.rms(x) == pytest.approx(3 / math.sqrt(2))
    assert levels.peak(x) == pytest.approx(3.0)
    assert levels.crest_factor(x) == pytest.approx(math.sqrt(2))
    assert levels.kurtosis(x) == pytest.approx(1.5)
    assert levels.skewness(x) == pytest.approx(0.0, abs=1e-9)


@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=3, max_size=60).filter(lambda v: len(set(v)) > 1)
)
def test_shapes_are_what_polars_says(values: list[float]) -> None:
    x, series = np.array(values), pl.Series(values)
    if float(np.std(x)) > 1e-6 * float(np.abs(x).max()):  # nearer, and Polars rounds away what is left
        assert levels.kurtosis(x) == pytest.approx(series.kurtosis(fisher=False, bias=True), rel=1e-5)
        assert levels.skewness(x) == pytest.approx(series.skew(bias=True), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("x", [np.zeros(100), np.full(100, 0.1), np.full(1000, 1e12), np.array([5.0]), np.empty(0)])
def test_equal_samples_have_no_shape(x: np.ndarray) -> None:
    assert math.isnan(levels.kurtosis(x))
    assert math.isnan(levels.skewness(x))
    assert math.isnan(levels.crest_factor(x)) == (not x.any())


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1e100])
def test_shapes_have_no_unit(scale: float) -> None:
    x = np.random.default_rng(1).normal(size=500)
    assert levels.kurtosis(x * scale) == pytest.approx(levels.kurtosis(x))


def test_the_lines_of_a_spectrum_add_up_to_the_variance() -> None:
    x = sine(700.0) + 5.0
    assert spectra.band_power(x, RATE, 0.0, RATE / 2) == pytest.approx(4.5)
    assert spectra.band_power(x, RATE, 690.0, 710.0) == pytest.approx(4.5)
    assert spectra.band_power(x, RATE, 800.0, 6000.0) == pytest.approx(0.0, abs=1e-9)


def test_the_velocity_of_a_sine_is_its_acceleration_over_two_pi_f_in_its_band_only() -> None:
    x = sine(159.0, amplitude=9.81) + sine(2000.0, amplitude=50.0)
    assert spectra.velocity_rms(x, RATE, 10, 1000) == pytest.approx(
        9.81 / math.sqrt(2) / (2 * math.pi * 159) * 1e3, rel=1e-3
    )
    assert math.isnan(spectra.velocity_rms(x[:6000], RATE, 10, 1000))  # five periods of 10 Hz are too few
