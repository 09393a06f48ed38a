"""What every detector in the catalogue promises: the same bits whatever the batches, and nothing said of nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

STEP_NS = 300 * 1_000_000_000
COLUMNS = ("score", "aspect", "seen", "expected", "deviations")
Floats = NDArray[np.float64]
every_detector = pytest.mark.parametrize("name", sorted(KINDS))


def detector(name: str, slots: int) -> tuple[State, Detector]:
    state = State()
    made = make(name, Scope(state, f"{name}."), columns=KINDS[name].columns[0])
    state.grow(slots)
    return state, made


def wide(name: str, values: Floats) -> Floats:
    """Values for each of a detector's columns; columns differ a little, as they would."""
    columns = KINDS[name].columns[0]
    if columns == 1:
        return values
    return np.stack([values * (1 + 0.001 * c) for c in range(columns)], axis=-1)


def through(name: str, values: Floats) -> Floats:
    """Scores of rows x series, a row at a time."""
    _, made = detector(name, values.shape[1])
    slots = np.arange(values.shape[1])
    rows = wide(name, values)
    return np.array([made.update(slots, np.full(len(slots), t * STEP_NS), row).score for t, row in enumerate(rows)])


def feed(made: Detector, slots: NDArray[np.int64], values: Floats, cuts: list[int]) -> list[Scores]:
    ts = np.arange(len(slots)) * STEP_NS
    ends = [0, *sorted({c % len(slots) for c in cuts} - {0}), len(slots)]
    return [made.update(slots[a:b], ts[a:b], values[a:b]) for a, b in pairwise(ends)]


def same(a: State, b: State) -> bool:
    mine, other = a.export(a.capacity), b.export(b.capacity)
    return all(np.array_equal(mine[name], other[name], equal_nan=True) for name in mine)


@every_detector
@given(st.integers(0, 2**32), st.integers(1, 3), st.lists(st.integers(0, 1000), max_size=12))
@settings(max_examples=6, deadline=None)
def test_scores_and_memory_are_the_same_bits_whatever_the_batches(
    name: str, seed: int, series: int, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    slots = rng.integers(0, series, 1000)
    values = wide(name, rng.standard_t(2, 1000) * 10.0 ** rng.integers(-3, 6))
    (one, whole), (other, parts) = detector(name, series), detector(name, series)
    expected = feed(whole, slots, values, [])[0]
    got = feed(parts, slots, values, cuts)
    for column in COLUMNS:
        pieces = np.concatenate([getattr(s, column) for s in got])
        assert np.array_equal(pieces, getattr(expected, column), equal_nan=True), column
    assert same(one, other)


@every_detector
def test_a_restored_state_goes_on_bit_equal_in_the_same_number_of_bytes(name: str) -> None:
    values = np.random.default_rng(3).normal(size=(1200, 3)).cumsum(axis=0)
    slots, rows = np.arange(3), wide(name, values)
    state, made = detector(name, 3)
    before = state.nbytes
    for t in range(800):
        made.update(slots, np.full(3, t * STEP_NS), rows[t])
    assert state.nbytes == before
    restored, second = detector(name, 3)
    exported = {key: array.copy() for key, array in state.export(3).items()}
    assert restored.fits(exported, {}, {})
    restored.put(slots, exported, {}, {})
    for t in range(800, 1200):
        ts = np.full(3, t * STEP_NS)
        assert np.array_equal(made.update(slots, ts, rows[t]).score, second.update(slots, ts, rows[t]).score)
    assert same(state, restored)


@every_detector
def test_what_is_no_number_scores_0_and_teaches_nothing(name: str) -> None:
    values = wide(name, np.random.default_rng(4).normal(size=700))
    holes = wide(name, np.array([np.nan, np.inf, -np.inf]))
    (one, plain), (other, holed) = detector(name, 1), detector(name, 1)
    slot = np.zeros(1, int)
    for t in range(len(values)):
        ts = np.array([t * STEP_NS])
        assert not holed.update(np.zeros(3, int), np.repeat(ts, 3), holes).score.any()
        assert np.array_equal(
            plain.update(slot, ts, values[t : t + 1]).score, holed.update(slot, ts, values[t : t + 1]).score
        )
    assert same(one, other)


@every_detector
def test_constants_resolution_and_great_numbers_raise_no_alarm(name: str) -> None:
    rng = np.random.default_rng(5)
    n = 1200
    noise = rng.normal(size=n)
    columns = [np.zeros(n), np.full(n, 5.0), np.full(n, -1e12), 1e12 + np.sign(noise), 1e7 + noise, noise - 1e6]
    columns += [1e-9 * noise, 1e20 * noise]
    alarms = (through(name, np.stack(columns, axis=1)) >= THRESHOLD).sum(axis=0)
    assert not alarms[:3].any()
    assert alarms.max() <= 1


@every_detector
def test_scores_are_within_0_and_1_and_explained_in_words_and_finite_numbers(name: str) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(800, 4)) * 10.0 ** rng.integers(-200, 25, size=(800, 4))
    jumps = np.zeros((800, 1))
    jumps[400:] = 1.0
    jumps[600:] = 1e20
    scores = through(name, np.hstack([values, jumps]))
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    assert scores.max() <= 1
    _, made = detector(name, 1)
    n = 4 * 288
    wave = wide(name, 10 * np.sin(2 * np.pi * np.arange(n) / 288) + rng.normal(size=n))
    told = feed(made, np.zeros(n, int), wave, [])[0]
    said = np.flatnonzero(told.score > 0)
    assert all(np.isfinite(getattr(told, column)[said]).all() for column in COLUMNS)
    assert ((told.aspect >= 0) & (told.aspect < len(made.aspects))).all()
    assert not any("nan" in made.explain(told, int(row)) for row in said)
