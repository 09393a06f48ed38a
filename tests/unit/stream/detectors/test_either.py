"""`either`: alarms of both its parts, one per incident, in the words of the part that raised it."""

from functools import cache

import numpy as np
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


@cache
def alarms_of(kind: str) -> NDArray[np.bool_]:
    values = faulty(4)
    state = State()
    scope = Scope(state)
    if kind == "auto":
        return scored(Auto(scope), state, values) >= THRESHOLD
    detector = Novelty(scope, STRANGE) if kind == "novelty" else Either(scope.part("either."))
    return scored(detector, state, values) >= THRESHOLD


def test_every_alarm_of_a_part_is_in_an_incident_that_is_told() -> None:
    either = alarms_of("either")
    assert either[10 * DAY + 50].all()
    assert either[11 * DAY + 50].all()
    for part in ("auto", "novelty"):
        for row, series in np.argwhere(alarms_of(part)):
            assert either[max(row - DAY, 0) : row + 1, series].any(), f"{part} at {row}"


def test_what_both_see_is_told_once() -> None:
    near = slice(11 * DAY + 50, 11 * DAY + 122)
    assert alarms_of("auto")[near].any(axis=0).all()
    assert alarms_of("novelty")[near].any(axis=0).all()
    assert (alarms_of("either")[near].sum(axis=0) == 1).all()


def test_the_explanation_is_that_of_the_part_that_raised_it() -> None:
    state = State()
    either = Either(Scope(state))
    state.grow(1)
    values = faulty(1)[: 10 * DAY + 51, 0]
    scores = either.update(np.zeros(len(values), int), np.arange(len(values)) * STEP_NS, values)
    assert scores.score[-1] >= THRESHOLD
    name = either.aspects[int(scores.aspect[-1])]
    assert either.explain(scores, len(values) - 1).startswith(f"the {name} is ")
