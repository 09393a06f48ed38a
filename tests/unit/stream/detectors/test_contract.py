"""What every detector of the catalogue owes its users, whatever it looks for."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

STEP_NS = 60 * 1_000_000_000
COLUMNS = ("score", "aspect", "seen", "expected", "deviations")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
every_kind = pytest.mark.parametrize("name", KINDS)


def detector(name: str, slots: int) -> tuple[State, Detector]:
    state = State()
    made = make(name, Scope(state, "d."), None, KINDS[name].columns[0])
    state.grow(slots)
    return state, made


def wide(name: str, values: Floats) -> Floats:
    """The values as the detector takes them: further columns follow the first."""
    columns = KINDS[name].columns[0]
    return values if columns == 1 else values[:, None] * np.arange(1.0, columns + 1)


def series_of(seed: int, series: int, count: int) -> tuple[Ints, Ints, Floats]:
    """Readings of many series, some at one moment, some late, with long tails."""
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.choice([0, STEP_NS // 3, STEP_NS, 40 * STEP_NS], count)) - rng.choice([0, STEP_NS], count)
    values = rng.standard_t(2, count) * 10.0 ** rng.integers(-3, 6)
    values[rng.random(count) < 0.1] = 0.0
    return rng.integers(0, series, count), ts, values


def same(a: State, b: State) -> bool:
    mine, other = a.export(a.capacity), b.export(b.capacity)
    return all(np.array_equal(mine[name], other[name], equal_nan=mine[name].dtype.kind == "f") for name in mine)


def joined(parts: list[Scores], column: str) -> Floats:
    return np.concatenate([getattr(part, column) for part in parts])


@every_kind
@given(st.integers(0, 2**32), st.integers(1, 12), st.lists(st.integers(1, 1200), max_size=10))
@settings(max_examples=4, deadline=None)
def test_scores_and_memory_are_the_same_bits_whatever_the_batches(
    name: str, seed: int, series: int, cuts: list[int]
) -> None:
    slots, ts, values = series_of(seed, series, 1200)
    values = wide(name, values)
    (one, whole), (other, parted) = detector(name, series), detector(name, series)
    expected = whole.update(slots, ts, values)
    ends = [0, *sorted({c % len(slots) for c in cuts} - {0}), len(slots)]
    got = [parted.update(slots[a:b], ts[a:b], values[a:b]) for a, b in pairwise(ends)]
    for column in COLUMNS:
        assert np.array_equal(joined(got, column), getattr(expected, column), equal_nan=True), column
    assert same(one, other)


@every_kind
def test_a_restored_state_goes_on_bit_equal(name: str) -> None:
    slots, ts, values = series_of(3, 4, 2000)
    values = wide(name, values)
    state, first = detector(name, 4)
    first.update(slots[:1100], ts[:1100], values[:1100])
    restored, second = detector(name, 4)
    arrays = {key: array.copy() for key, array in state.export(4).items()}
    shared = {key: array.copy() for key, array in state.export_shared().items()}
    tables = {key: {c: a.copy() for c, a in columns.items()} for key, columns in state.export_tables().items()}
    assert restored.fits(arrays, shared, tables)
    restored.put(np.arange(4), arrays, shared, tables)
    mine = first.update(slots[1100:], ts[1100:], values[1100:])
    other = second.update(slots[1100:], ts[1100:], values[1100:])
    for column in COLUMNS:
        assert np.array_equal(getattr(mine, column), getattr(other, column), equal_nan=True), column
    assert same(state, restored)


@every_kind
def test_what_is_no_number_scores_0_and_teaches_nothing(name: str) -> None:
    slots, ts, values = series_of(5, 1, 600)
    values = wide(name, values)
    holes = np.where(
        np.ones_like(values[:3]) > 0, np.array([np.nan, np.inf, -np.inf]).reshape(-1, *[1] * (values.ndim - 1)), 0
    )
    (one, plain), (other, holed) = detector(name, 1), detector(name, 1)
    for row in range(len(values)):
        now = slice(row, row + 1)
        assert not holed.update(np.zeros(3, int), np.repeat(ts[now], 3), holes).score.any()
        assert (
            plain.update(slots[now], ts[now], values[now]).score == holed.update(slots[now], ts[now], values[now]).score
        )
    assert same(one, other)


CALM = {
    "constant": np.full(1500, 21.5),
    "always 0": np.zeros(1500),
    "1e12 ± 1": 1e12 + np.tile([0.0, 1.0, -1.0, 1.0], 375),
    "noise on 1e12": 1e12 + np.random.default_rng(1).normal(size=1500),
    "noise on -1e7": -1e7 + np.random.default_rng(2).normal(size=1500),
    "tiny noise": 1e-9 * np.random.default_rng(3).normal(size=1500),
}


@every_kind
@pytest.mark.parametrize("kind", CALM)
def test_calm_series_of_any_size_raise_no_alarm(name: str, kind: str) -> None:
    _, made = detector(name, 1)
    ts = np.arange(1500) * STEP_NS
    with np.errstate(all="raise", under="ignore"):
        scores = made.update(np.zeros(1500, int), ts, wide(name, CALM[kind]))
    most = 3 if "noise" in kind else 0  # 1,500 readings of noise may look odd now and then
    assert (scores.score >= THRESHOLD).sum() <= most


@every_kind
def test_no_value_and_no_time_makes_a_score_that_is_none(name: str) -> None:
    rng = np.random.default_rng(4)
    values = rng.choice([0.0, 1.0, -1e7, 1e12, 1e30, -1e30, 5e-324], 3000)
    ts = rng.choice([0, 1, STEP_NS, 10**18], 3000)
    _, made = detector(name, 2)
    with np.errstate(all="raise", under="ignore"):
        scores = made.update(rng.integers(0, 2, 3000), ts, wide(name, values))
    assert ((scores.score >= 0) & (scores.score <= 1)).all()
    assert np.isfinite(scores.deviations).all()
    for row in range(0, 3000, 100):
        assert made.explain(scores, row)


@every_kind
def test_memory_is_as_declared_however_long_the_history(name: str) -> None:
    state, made = detector(name, 16)
    before = state.nbytes
    for round_ in range(3):
        slots, ts, values = series_of(round_, 16, 2000)
        made.update(slots, ts + round_ * 10**15, wide(name, values))
    assert state.nbytes == before
    if KINDS[name].columns == (1, 1):
        told = re.search(r"([\d,]+) bytes", KINDS[name].cost)
        assert told
        assert 0.9 * int(told[1].replace(",", "")) <= state.nbytes / state.capacity <= int(told[1].replace(",", ""))


@every_kind
def test_it_says_what_it_finds_and_what_it_cant_see_and_refuses_options_beyond_its_limits(name: str) -> None:
    kind = KINDS[name]
    assert kind.finds
    assert kind.blind
    assert re.search(r"\d{4}", kind.reference)
    for option in kind.options:
        assert option.least <= option.default <= option.most
        assert option.unit
        assert option.meaning
