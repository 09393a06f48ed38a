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
LARGE = {"either", "discord", "forest"}
"""Those of more than 2 kB a series; what they take stands in their cost."""
COLUMNS = ("score", "aspect", "seen", "expected", "deviations")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
every_kind = pytest.mark.parametrize("name", KINDS)
of_several_columns = pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.columns[1] > 1])


def detector(name: str, slots: int, columns: int = 0) -> tuple[State, Detector]:
    state = State()
    made = make(name, Scope(state, "d."), None, columns or KINDS[name].columns[0])
    state.grow(slots)
    return state, made


def wide(name: str, values: Floats) -> Floats:
    """The values as the detector takes them: further columns follow the first."""
    columns = KINDS[name].columns[0]
    return values if columns == 1 else values[..., None] * (1 + 0.001 * np.arange(columns))


def series_of(seed: int, series: int, count: int) -> tuple[Ints, Ints, Floats]:
    """Readings of many series, some at one moment, some late, with long tails."""
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.choice([0, STEP_NS // 3, STEP_NS, 40 * STEP_NS], count)) - rng.choice([0, STEP_NS], count)
    values = rng.standard_t(2, count) * 10.0 ** rng.integers(-3, 6)
    values[rng.random(count) < 0.1] = 0.0
    return rng.integers(0, series, count), ts, values


def fed(name: str, values: Floats) -> tuple[Detector, Scores]:
    """All of rows x series at once, a minute apart; numpy's every doubt is an error."""
    rows, series = values.shape
    _, made = detector(name, series)
    ts = np.repeat(np.arange(rows) * STEP_NS, series)
    with np.errstate(all="raise", under="ignore"):
        return made, made.update(np.tile(np.arange(series), rows), ts, wide(name, values.ravel()))


def same(a: State, b: State) -> bool:
    mine, other = a.export(a.capacity), b.export(b.capacity)
    return all(np.array_equal(mine[name], other[name], equal_nan=mine[name].dtype.kind == "f") for name in mine)


def equal(parts: list[Scores], whole: Scores) -> bool:
    """To the bit, evidence included."""
    return all(
        np.array_equal(np.concatenate([getattr(part, c) for part in parts]), getattr(whole, c), equal_nan=True)
        for c in COLUMNS
    )


def check_batches(name: str, seed: int, series: int, cuts: list[int]) -> None:
    slots, ts, values = series_of(seed, series, 700)
    values = wide(name, values)
    (one, whole), (other, parted) = detector(name, series), detector(name, series)
    expected = whole.update(slots, ts, values)
    # the same cut twice makes an empty batch, which is one, too
    ends = [0, *sorted(c % len(slots) for c in cuts), len(slots)]
    assert equal([parted.update(slots[a:b], ts[a:b], values[a:b]) for a, b in pairwise(ends)], expected)
    assert same(one, other)


@every_kind
@given(st.integers(0, 2**32), st.integers(1, 2), st.lists(st.integers(1, 1000), min_size=3, max_size=8))
@settings(max_examples=2, deadline=None)
def test_scores_and_memory_are_the_same_bits_whatever_the_batches(
    name: str, seed: int, series: int, cuts: list[int]
) -> None:
    check_batches(name, seed, series, cuts)


@pytest.mark.slow
@every_kind
@given(st.integers(0, 2**32), st.integers(1, 12), st.lists(st.integers(1, 1000), max_size=12))
@settings(max_examples=40, deadline=None)
def test_scores_and_memory_are_the_same_bits_whatever_many_batches(
    name: str, seed: int, series: int, cuts: list[int]
) -> None:
    check_batches(name, seed, series, cuts)


@every_kind
def test_no_readings_say_and_teach_nothing(name: str) -> None:
    state, made = detector(name, 2)
    before = {key: array.copy() for key, array in state.export(2).items()}
    none = made.update(np.zeros(0, int), np.zeros(0, np.int64), wide(name, np.zeros(0)))
    assert all(len(getattr(none, column)) == 0 for column in COLUMNS)
    assert all(np.array_equal(array, before[key], equal_nan=True) for key, array in state.export(2).items())


@every_kind
def test_a_restored_state_goes_on_bit_equal(name: str) -> None:
    slots, ts, values = series_of(3, 3, 1800)
    values = wide(name, values)
    state, first = detector(name, 3)
    first.update(slots[:1200], ts[:1200], values[:1200])
    restored, second = detector(name, 3)
    arrays = {key: array.copy() for key, array in state.export(3).items()}
    shared = {key: array.copy() for key, array in state.export_shared().items()}
    tables = {key: {c: a.copy() for c, a in columns.items()} for key, columns in state.export_tables().items()}
    assert restored.fits(arrays, shared, tables)
    restored.put(np.arange(3), arrays, shared, tables)
    mine = first.update(slots[1200:], ts[1200:], values[1200:])
    assert equal([second.update(slots[1200:], ts[1200:], values[1200:])], mine)
    assert same(state, restored)


@every_kind
def test_what_is_no_number_scores_0_and_teaches_nothing(name: str) -> None:
    slots, ts, values = series_of(5, 1, 600)
    (one, plain), (other, holed) = detector(name, 1), detector(name, 1)
    expected = plain.update(slots, ts, wide(name, values))
    holes = np.array([np.nan, np.inf, -np.inf])
    mixed = wide(name, np.concatenate([values[:, None], np.tile(holes, (len(values), 1))], axis=1).ravel())
    said = holed.update(np.repeat(slots, 4), np.repeat(ts, 4), mixed).score.reshape(-1, 4)
    assert np.array_equal(said[:, 0], expected.score)
    assert not said[:, 1:].any()
    assert same(one, other)


@of_several_columns
def test_a_column_without_readings_is_never_said_to_be_wrong_and_spoils_no_score(name: str) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(1500, 4))
    values[:, 1] = np.nan
    values[rng.random(1500) < 0.2, 3] = np.inf
    values[1200:, 0] += 50.0
    _, made = detector(name, 1, 4)
    with np.errstate(all="raise", under="ignore"):
        said = made.update(np.zeros(1500, int), np.arange(1500) * STEP_NS, values)
    assert np.isfinite(said.score).all()
    told = said.score > 0
    assert all(np.isfinite(getattr(said, column)[told]).all() for column in COLUMNS)
    if name != "forest":  # it takes whole readings only, and says so
        assert (said.score[1200:1220] >= THRESHOLD).any()
        assert not (said.score[:1200] >= THRESHOLD).any()
        assert set(said.aspect[1200:1203]) == {0}


NOISE = np.random.default_rng(1).normal(size=1500)
CALM = {
    "constant": np.full(1500, 21.5),
    "always 0": np.zeros(1500),
    "always -1e12": np.full(1500, -1e12),
    "1e12 ± 1": 1e12 + np.tile([0.0, 1.0, -1.0, 1.0], 375),
    "1e12 and a step of rounding": 1e12 + np.sign(NOISE),
    "noise on 1e12": 1e12 + NOISE,
    "noise on -1e7": -1e7 + NOISE,
    "tiny noise": 1e-9 * NOISE,
    "great noise": 1e20 * NOISE,
}


@every_kind
def test_calm_series_of_any_size_raise_no_alarm(name: str) -> None:
    _, said = fed(name, np.stack(list(CALM.values()), axis=1))
    alarms = dict(zip(CALM, (said.score.reshape(-1, len(CALM)) >= THRESHOLD).sum(axis=0).tolist(), strict=True))
    # 1,500 readings of noise may look odd now and then
    assert {what: n for what, n in alarms.items() if n > (3 if "noise" in what or "rounding" in what else 0)} == {}


@every_kind
def test_no_value_and_no_time_makes_a_score_that_is_none_or_words_without_numbers(name: str) -> None:
    rng = np.random.default_rng(4)
    n = 4 * 288
    wave = 10 * np.sin(2 * np.pi * np.arange(n) / 288) + NOISE[:n]
    jumps = np.where(np.arange(n) < 500, 0.0, np.where(np.arange(n) < 800, 1.0, 1e20))
    beyond = np.where(np.arange(n) < 700, NOISE[:n], 1e300 * NOISE[:n])
    wild = NOISE[:n] * 10.0 ** rng.integers(-200, 300, n)
    odd = rng.choice([0.0, 1.0, -1e7, 1e12, 1e30, -1e30, 1e308, -1e308, 5e-324], n)
    made, told = fed(name, np.stack([wave, jumps, beyond, wild, odd], axis=1))
    _, other = detector(name, 2)
    with np.errstate(all="raise", under="ignore"):
        ts = rng.choice([0, 1, -STEP_NS, STEP_NS, 10**18], n)
        late = other.update(rng.integers(0, 2, n), ts, wide(name, odd))
    for said in (told, late):
        assert ((said.score >= 0) & (said.score <= 1)).all()
        assert np.isfinite(said.deviations).all()
        assert ((said.aspect >= 0) & (said.aspect < len(made.aspects))).all()
        known = np.flatnonzero(said.score > 0)
        assert all(np.isfinite(getattr(said, column)[known]).all() for column in COLUMNS)
        assert not any("nan" in made.explain(said, int(row)) for row in known[::20])


@every_kind
def test_readings_in_any_order_of_time_raise_hardly_an_alarm(name: str) -> None:
    n = 1200
    shuffled = np.random.default_rng(3).permutation(n)
    ts = np.stack([shuffled, np.zeros(n, np.int64), -np.arange(n)], axis=1) * STEP_NS
    _, made = detector(name, 3)
    values = wide(name, np.repeat(NOISE[:n], 3))
    alarms = made.update(np.tile(np.arange(3), n), ts.ravel(), values).score.reshape(n, 3) >= THRESHOLD
    assert alarms.sum(axis=0).max() <= 3


@every_kind
def test_memory_is_as_declared_however_long_the_history(name: str) -> None:
    state, made = detector(name, 16)
    before = state.nbytes
    for round_ in range(3):
        slots, ts, values = series_of(round_, 16, 1000)
        made.update(slots, ts + round_ * 10**15, wide(name, values))
    assert state.nbytes == before
    assert (state.nbytes / state.capacity > 2048) == (name in LARGE)
    if KINDS[name].columns == (1, 1):
        told = re.search(r"([\d,]+) bytes", KINDS[name].cost)
        assert told
        assert 0.9 * int(told[1].replace(",", "")) <= state.nbytes / state.capacity <= int(told[1].replace(",", ""))


@every_kind
def test_it_says_what_it_finds_what_it_cant_see_and_what_its_options_are(name: str) -> None:
    kind = KINDS[name]
    assert kind.finds
    assert kind.blind
    assert re.search(r"\d{4}", kind.reference)
    for option in kind.options:
        assert option.least <= option.default <= option.most
        assert option.unit
        assert option.meaning
