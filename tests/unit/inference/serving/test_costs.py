import numpy as np
import pytest

from holdfast.inference.serving.costs import Costs


def learnt(fixed: float, per_row: float, sizes: list[int]) -> Costs:
    costs = Costs()
    for n in sizes:
        costs.add(n, fixed + per_row * n)
    return costs


def test_what_runs_cost_is_learnt_from_runs() -> None:
    costs = learnt(200e-6, 3e-6, [1, 1, 8, 64, 200] * 3)
    assert costs.of(500) == pytest.approx(200e-6 + 500 * 3e-6, rel=0.02)
    assert costs.rows_in(1e-3, 4096) == pytest.approx(266, abs=8)


def test_a_run_that_the_machine_interrupted_changes_nothing() -> None:
    costs = learnt(200e-6, 3e-6, [1, 8, 64, 200] * 6)
    costs.add(64, 0.5)
    costs.add(8, 0.5)
    assert costs.of(64) == pytest.approx(200e-6 + 64 * 3e-6, rel=0.1)


def test_noise_of_a_third_moves_the_estimate_by_less() -> None:
    random = np.random.default_rng(4)
    costs = Costs()
    for n in random.integers(1, 500, 400):
        costs.add(int(n), (100e-6 + 2e-6 * n) * random.uniform(0.8, 1.3))
    for n in (1, 30, 500):
        assert costs.of(n) == pytest.approx(100e-6 + 2e-6 * n, rel=0.3)


def test_when_all_runs_slow_down_the_estimate_follows_within_a_few() -> None:
    costs = learnt(100e-6, 2e-6, [1, 8, 64, 256] * 8)
    for _ in range(10):
        costs.add(256, 5 * (100e-6 + 2e-6 * 256))
    assert costs.of(256) == pytest.approx(5 * (100e-6 + 2e-6 * 256), rel=0.3)


def test_small_batches_of_a_quiet_night_leave_what_is_known_of_large_ones() -> None:
    costs = learnt(100e-6, 2e-6, [1, 8, 64, 512] * 8)
    for _ in range(2000):
        costs.add(1, 102e-6)
    assert costs.of(512) == pytest.approx(100e-6 + 2e-6 * 512, rel=0.1)


def test_a_batch_may_be_at_most_four_times_what_was_ever_run() -> None:
    costs = learnt(100e-6, 1e-6, [1, 1, 64, 64])
    assert costs.rows_in(1.0, 10_000) == 256


def test_there_is_always_room_for_a_row() -> None:
    assert learnt(0.5, 0.1, [1, 8]).rows_in(0.001, 100) == 1
    assert Costs().rows_in(0.001, 100) == 32
