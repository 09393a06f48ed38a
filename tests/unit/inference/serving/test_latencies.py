import math

import numpy as np
import pytest

from holdfast.inference.serving.latencies import Latencies


def test_quantiles_are_right_within_four_percent() -> None:
    random = np.random.default_rng(3)
    took = random.lognormal(-4.0, 1.0, 5000)
    latencies = Latencies(60.0)
    for seconds in took:
        latencies.add(float(seconds), 1, 0.0)
    for share, said in zip((0.5, 0.99), latencies.quantiles((0.5, 0.99), 1.0), strict=True):
        assert said == pytest.approx(float(np.quantile(took, share)), rel=0.05)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    latencies = Latencies(60.0)
    latencies.add(1.0, 100, 0.0)
    latencies.add(0.01, 100, 50.0)
    assert latencies.quantiles((0.99,), 55.0)[0] == pytest.approx(1.0, rel=0.05)
    assert latencies.quantiles((0.99,), 65.0)[0] == pytest.approx(0.01, rel=0.05)
    assert math.isnan(latencies.quantiles((0.99,), 500.0)[0])


def test_rows_count_not_batches() -> None:
    latencies = Latencies(60.0)
    latencies.add(0.001, 1000, 0.0)
    latencies.add(0.1, 1, 0.0)
    assert latencies.quantiles((0.99,), 0.0)[0] == pytest.approx(0.001, rel=0.05)


def test_the_rate_is_of_the_time_that_passed() -> None:
    latencies = Latencies(60.0)
    for second in range(600):
        latencies.add(0.01, 100, float(second))
        if second == 5:
            assert latencies.rows_per_s(float(second)) == pytest.approx(120.0)
    assert latencies.rows_per_s(599.0) == pytest.approx(100.0, rel=0.05)


def test_anything_may_come() -> None:
    latencies = Latencies(60.0)
    for seconds in (0.0, -1.0, 1e9, math.inf, math.nan):
        latencies.add(seconds, 1, 0.0)
    assert latencies.rows_per_s(0.0) == 5.0
