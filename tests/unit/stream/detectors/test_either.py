"""`either`: alarms of both its parts, one per incident, in the words of the part that raised it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from holdfast.stream.detectors.auto import Auto
from holdfast.stream.detectors.either import STRANGE, Either
from holdfast.stream.detectors.novelty import Novelty
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope
from holdfast.stream.state import State

STEP_NS = 300 * 1_000_000_000
DAY = 288
Floats = NDArray[np.float64]


def faulty(series: int) -> Floats:
    """Ten days of two levels with a little noise; then something in between, and on the eleventh day far outside."""
    rng = np.random.default_rng(3)
    t = np.arange(12 * DAY)[:, None]
    values: Floats = np.where(t % DAY < DAY // 2, 20.0, 80.0) + rng.normal(size=(len(t), series))
    values[10 * DAY + 50] = 50
    values[11 * DAY + 50] = 400
    return values


def scored(detector: Detector, state: State, values: Floats) -> Floats:
    state.grow(values.shape[1])
    slots = np.arange(values.shape[1])
    rows = [detector.update(slots, np.full(len(slots), t * STEP_NS), row).score for t, row in enumerate(values)]
    return np.array(rows)


def alarms_of(kind: str, values: Floats) -> NDArray[np.bool_]:
    state = State()
    scope = Scope(state)
    if kind == "auto":
        return scored(Auto(scope), state, values) >= THRESHOLD
    detector = Novelty(scope, STRANGE) if kind == "novelty" else Either(scope.part("either."))
    return scored(detector, state, values) >= THRESHOLD


def test_every_alarm_of_a_part_is_in_an_incident_that_is_told() -> None:
    values = faulty(4)
    either = alarms_of("either", values)
    assert either[10 * DAY + 50].all()
    assert either[11 * DAY + 50].all()
    for part in ("auto", "novelty"):
        for row, series in np.argwhere(alarms_of(part, values)):
            assert either[max(row - DAY, 0) : row + 1, series].any(), f"{part} at {row}"


def test_what_both_see_is_told_once() -> None:
    values = faulty(4)
    near = slice(11 * DAY + 50, 11 * DAY + 122)
    assert alarms_of("auto", values)[near].any(axis=0).all()
    assert alarms_of("novelty", values)[near].any(axis=0).all()
    assert (alarms_of("either", values)[near].sum(axis=0) == 1).all()


def test_the_explanation_is_that_of_the_part_that_raised_it() -> None:
    state = State()
    either = Either(Scope(state))
    state.grow(1)
    values = faulty(1)[: 10 * DAY + 51, 0]
    scores = either.update(np.zeros(len(values), int), np.arange(len(values)) * STEP_NS, values)
    assert scores.score[-1] >= THRESHOLD
    name = either.aspects[int(scores.aspect[-1])]
    assert either.explain(scores, len(values) - 1).startswith(f"the {name} is ")


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 299))
@settings(max_examples=10, deadline=None)
def test_scores_are_the_same_bits_whatever_the_batches_and_over_a_restart(seed: int, series: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    slots, values = rng.integers(0, series, 300), rng.standard_t(2, 300)
    ts = np.arange(300) * STEP_NS * 10
    first, second, plain = State(), State(), State()
    begun, resumed, whole = (Either(Scope(state)) for state in (first, second, plain))
    for state in (first, second, plain):
        state.grow(series)
    wanted = whole.update(slots, ts, values)
    before = begun.update(slots[:cut], ts[:cut], values[:cut])
    second.put(np.arange(series), {name: a.copy() for name, a in first.export(series).items()}, {}, {})
    after = resumed.update(slots[cut:], ts[cut:], values[cut:])
    for column in ("score", "aspect", "seen", "expected", "deviations"):
        got = np.concatenate([getattr(before, column), getattr(after, column)])
        assert np.array_equal(got, getattr(wanted, column), equal_nan=True)
