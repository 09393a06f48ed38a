"""Detectors of several columns: what they find, what they leave alone, and that batches and restarts change no bit."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.moments import normal
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

Floats = NDArray[np.float64]
NAMES = ("joint", "turn", "mahalanobis", "pca")
FAULT = 900
ROWS = 2500
MACHINES = 8


def detector(name: str, slots: int, columns: int, **options: float) -> tuple[State, Detector]:
    state = State()
    made = make(name, Scope(state, "d."), options, columns)
    state.grow(slots)
    return state, made


def through(found: Detector, values: Floats) -> list[Scores]:
    """Scores of rows x machines x columns, a row of machines at a time."""
    slots = np.arange(values.shape[1])
    return [found.update(slots, np.full(len(slots), t * 10**9), row) for t, row in enumerate(values)]


def flags(said: list[Scores]) -> NDArray[np.bool_]:
    return np.array([s.score for s in said]) >= THRESHOLD


def machines(rows: int = ROWS, seed: int = 3) -> Floats:
    """Four columns: a load, two that follow it, and one of its own."""
    rng = np.random.default_rng(seed)
    load, noise = rng.normal(size=(rows, MACHINES)), rng.normal(size=(rows, MACHINES, 4))
    values: Floats = np.stack([load, 3 * load, -2 * load, 0 * load], axis=2) + 0.3 * noise
    return values * [1.0, 2.0, 0.1, 5.0] + [20.0, 100.0, 3.0, -40.0]


@pytest.mark.parametrize("name", NAMES)
def test_clean_noise_raises_less_than_one_alarm_in_ten_thousand_readings(name: str) -> None:
    _, found = detector(name, MACHINES, 4)
    said = flags(through(found, machines()))
    begun = said & ~np.vstack([np.zeros((1, MACHINES), bool), said[:-1]])
    assert begun.sum() <= 2, f"{begun.sum()} in {said.size} readings"


@pytest.mark.parametrize("name", ["mahalanobis", "pca"])
def test_columns_that_part_are_found_at_once_though_each_alone_is_usual(name: str) -> None:
    _, found = detector(name, MACHINES, 4, **({"rank": 2} if name == "pca" else {}))
    values = machines()
    values[FAULT, :, 0], values[FAULT, :, 1] = 21.5, 100 - 2 * 4.5
    assert np.all(
        np.abs(values[FAULT, :, :2] - values[:FAULT, :, :2].mean((0, 1))) < 2 * values[:FAULT, :, :2].std((0, 1))
    )
    said = through(found, values)
    assert flags(said)[FAULT].sum() >= 7


def test_mahalanobis_names_the_column_and_what_the_others_would_have_it_be() -> None:
    _, found = detector("mahalanobis", MACHINES, 4)
    values = machines()
    values[FAULT, :, 1] += 40
    said = through(found, values)[FAULT]
    load = values[FAULT, :, 0] - 20
    assert np.all(said.aspect == 1)
    assert np.array_equal(said.seen, values[FAULT, :, 1])
    assert np.all(np.abs(said.expected - (100 + 6 * load)) < 6)
    assert found.explain(said, 0).startswith(f"column 2 is {values[FAULT, 0, 1]:.6g}; with the other columns")


def test_mahalanobis_is_the_textbook_distance_while_nothing_is_clipped() -> None:
    state, found = detector("mahalanobis", 1, 3, memory=1e7)
    rng = np.random.default_rng(5)
    past = rng.uniform(-1, 1, size=(5000, 3)) @ rng.normal(size=(3, 3))
    for t, row in enumerate(past):
        found.update(np.zeros(1, int), np.array([t]), row[None])
    assert np.allclose(state["d.covariance"][0].reshape(3, 3), np.cov(past.T, bias=True), rtol=0.01)
    one = np.array([2.0, -1.5, 1.0])
    off = one - past.mean(0)
    squares = float(off @ np.linalg.solve(np.cov(past.T, bias=True), off))
    far = max(float(normal(np.array([squares]), np.array([3]))[0]), 0.0)
    got = found.update(np.zeros(1, int), np.zeros(1, int), one[None]).score[0]
    assert got == pytest.approx(far / (far + 6), rel=0.03)


def test_a_missing_column_leaves_the_distance_of_the_others() -> None:
    values = machines()
    _, whole = detector("mahalanobis", MACHINES, 4)
    _, part = detector("mahalanobis", MACHINES, 3)
    through(whole, values[:FAULT])
    through(part, values[:FAULT, :, :3])
    row = values[FAULT].copy()
    row[:, 0] += 3
    row[:, 3] = np.nan
    slots, ts = np.arange(MACHINES), np.zeros(MACHINES, int)
    assert np.allclose(whole.update(slots, ts, row).score, part.update(slots, ts, row[:, :3]).score, atol=0.01)


def test_one_that_follows_and_begins_to_lag_is_found_within_ten_readings() -> None:
    rng = np.random.default_rng(11)
    lead = rng.normal(size=(1000, MACHINES))
    noise = 0.2 * rng.normal(size=lead.shape)
    follower = np.roll(lead, 2, axis=0)
    follower[FAULT:] = np.roll(lead, 7, axis=0)[FAULT:]
    values = np.stack([lead, follower + noise], axis=2)
    _, found = detector("mahalanobis", MACHINES, 2, lag=2)
    said = flags(through(found, values))
    assert said[FAULT : FAULT + 10].any(axis=0).sum() >= 7
    assert said[:FAULT].sum() <= 1
    _, without = detector("mahalanobis", MACHINES, 2)
    assert flags(through(without, values))[FAULT : FAULT + 10].sum() == 0


def test_joint_holds_its_alarm_while_the_fault_lasts_and_ends_it_after() -> None:
    values = machines()
    values[FAULT : FAULT + 400, :, 3] += 4
    _, found = detector("joint", MACHINES, 4)
    said = through(found, values)
    on = flags(said)
    assert np.all(on[FAULT + 40 : FAULT + 400].mean(axis=0) > 0.95)
    assert not on[FAULT + 460 :].any()
    assert np.all(said[FAULT + 100].aspect == 3)
    assert np.all(np.abs(said[FAULT + 100].expected + 40) < 1)
    assert found.explain(said[FAULT + 100], 0).startswith("column 4 is about -3")


def test_joint_learns_a_state_that_stays_as_the_new_usual() -> None:
    values = machines()
    values[FAULT:, :, 3] += 4
    _, found = detector("joint", MACHINES, 4, relearn=300)
    on = flags(through(found, values))
    assert on[FAULT + 60 : FAULT + 290].all()
    assert not on[FAULT + 900 :].any()


def test_turn_says_when_it_begins_and_when_it_goes_back() -> None:
    values = machines()
    values[FAULT : FAULT + 400, :, 3] += 20
    _, found = detector("turn", MACHINES, 4)
    on = flags(through(found, values))
    for at in (FAULT, FAULT + 400):
        assert on[at : at + 20].any(axis=0).sum() >= 7
    assert on[:FAULT].sum() + on[FAULT + 200 : FAULT + 400].sum() <= 1


def test_a_column_that_wanders_counts_less_than_a_noisy_one() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(ROWS, MACHINES, 2))
    values[:, :, 1] = np.cumsum(values[:, :, 1], axis=0)
    _, found = detector("joint", MACHINES, 2)
    assert flags(through(found, values))[400:].mean() < 0.1


@pytest.mark.parametrize("name", NAMES)
def test_columns_that_are_constant_beside_some_that_are_not_raise_nothing_and_are_never_nan(name: str) -> None:
    levels = np.array([0.0, 1e12, -1e7, 1e300])
    _, found = detector(name, len(levels), 3)
    values = levels[:, None] + np.random.default_rng(1).normal(size=(900, len(levels), 3))
    values[:, :, 0] = levels
    said = through(found, values)
    assert not flags(said).any()
    assert all(np.isfinite(s.score).all() for s in said)


def _same(a: State, b: State) -> bool:
    mine, other = a.export(a.capacity), b.export(b.capacity)
    return all(np.array_equal(mine[name], other[name], equal_nan=True) for name in mine)


def _columns(said: list[Scores], column: str) -> NDArray[Any]:
    return np.concatenate([getattr(s, column) for s in said])


@given(seed=st.integers(0, 2**32), series=st.integers(1, 6), cuts=st.lists(st.integers(1, 599), max_size=10))
@settings(max_examples=4, deadline=None)
def test_with_lag_scores_and_memory_are_the_same_bits_whatever_the_batches(
    seed: int, series: int, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    slots, values = rng.integers(0, series, 600), rng.standard_t(2, (600, 4)) * 10.0 ** rng.integers(-3, 6)
    values[rng.random(values.shape) < 0.05] = np.nan
    (one, whole), (other, parts) = (detector("mahalanobis", series, 4, learn=60, lag=3) for _ in range(2))
    ends = [0, *sorted(set(cuts)), 600]
    expected = whole.update(slots, np.arange(600), values)
    got = [parts.update(slots[a:b], np.arange(a, b), values[a:b]) for a, b in pairwise(ends)]
    assert np.isfinite(expected.score).all()
    assert ((expected.score >= 0) & (expected.score <= 1)).all()
    for column in ("score", "aspect", "seen", "expected", "deviations"):
        assert np.array_equal(_columns(got, column), getattr(expected, column), equal_nan=True)
    assert _same(one, other)


def test_with_lag_a_restored_state_goes_on_bit_equal() -> None:
    (state, found), (restored, second) = (detector("mahalanobis", MACHINES, 4, lag=3) for _ in range(2))
    values, slots = machines(500), np.arange(MACHINES)
    through(found, values[:300])
    exported = {key: array.copy() for key, array in state.export(MACHINES).items()}
    assert restored.fits(exported, {}, {})
    restored.put(slots, exported, {}, {})
    for row in values[300:]:
        ts = np.zeros(MACHINES, int)
        assert np.array_equal(found.update(slots, ts, row).score, second.update(slots, ts, row).score)
    assert _same(state, restored)


@pytest.mark.parametrize(("name", "bytes_"), [("joint", 776), ("turn", 840), ("mahalanobis", 712), ("pca", 1288)])
def test_eight_columns_take_what_is_said_however_long_they_last(name: str, bytes_: int) -> None:
    state, found = detector(name, 16, 8)
    before = state.nbytes
    through(found, np.random.default_rng(4).normal(size=(600, 16, 8)))
    assert state.nbytes == before == bytes_ * state.capacity
    assert f"{bytes_:,} " in KINDS[name].cost
