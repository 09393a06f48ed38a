"""Which candidates nobody beats, and which is taken."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.inference.optimising.pareto import Limits, Point, Prefer, front, pick

number = st.floats(0, 10, allow_nan=False).map(lambda x: round(x, 1))
points = st.lists(st.tuples(number, number, number), min_size=1, max_size=12)
ORIGINAL = Point("original", 1000, 10.0, 0.0, 12.0)


def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


@given(points)
def test_the_front_is_exactly_those_that_nobody_beats(found: list[tuple[float, ...]]) -> None:
    for point, on_front in zip(found, front(found), strict=True):
        assert on_front is not any(beats(other, point) for other in found)


@given(points)
def test_whatever_is_off_the_front_is_beaten_by_something_on_it(found: list[tuple[float, ...]]) -> None:
    on_front = front(found)
    best = [point for point, is_on in zip(found, on_front, strict=True) if is_on]
    assert best
    assert all(is_on or any(beats(b, p) for b in best) for p, is_on in zip(found, on_front, strict=True))


@given(points, st.randoms())
def test_the_order_of_candidates_does_not_matter(found: list[tuple[float, ...]], random: Random) -> None:
    marks = dict(zip(found, front(found), strict=True))
    random.shuffle(found)
    assert dict(zip(found, front(found), strict=True)) == marks


candidates = st.lists(
    st.builds(
        Point, st.uuids().map(str), st.floats(1, 2000), st.floats(0.1, 20), st.floats(-0.01, 0.1), st.floats(0.1, 30)
    ),
    max_size=8,
)


@given(candidates, st.sampled_from(["size", "latency", "balanced"]), st.one_of(st.none(), st.floats(0.1, 30)))
def test_a_pick_always_keeps_to_the_limits_and_is_better_than_the_original(
    found: list[Point], prefer: Prefer, most_ms: float | None
) -> None:
    limits = Limits(0.01, most_ms, None)
    choice = pick(ORIGINAL, found, limits, prefer)
    if choice.name is None:
        assert choice.why
        return
    taken = next(point for point in found if point.name == choice.name)
    assert taken.loss <= 0.01
    assert most_ms is None or taken.p99_ms <= most_ms
    if most_ms is None or most_ms >= ORIGINAL.p99_ms:
        assert taken.size < ORIGINAL.size or taken.time < ORIGINAL.time


def test_what_loses_more_than_allowed_is_refused_however_small_it_is() -> None:
    choice = pick(ORIGINAL, [Point("tiny", 10, 0.1, 0.02)], Limits(0.01), "size")
    assert (choice.name, choice.refused) == (None, True)
    assert "2.00 % at least" in choice.why


def test_a_limit_that_nothing_keeps_is_refused_with_how_near_the_best_comes() -> None:
    choice = pick(
        ORIGINAL, [Point("a", 500, 5, 0.0, 8.0), Point("b", 300, 6, 0.0, 9.0)], Limits(0.01, 4.0, 200), "size"
    )
    assert choice.refused
    assert "p99 is 8 ms at least" in choice.why
    assert "300 bytes" in choice.why


def test_what_gains_nothing_is_not_taken() -> None:
    choice = pick(ORIGINAL, [Point("same", 990, 10.0, 0.0, 12.0)], Limits(0.01), "balanced")
    assert (choice.name, choice.refused) == (None, False)


@pytest.mark.parametrize(("prefer", "wanted"), [("size", "small"), ("latency", "quick"), ("balanced", "both")])
def test_the_pick_is_the_best_in_what_is_preferred(prefer: Prefer, wanted: str) -> None:
    found = [Point("small", 100, 9.0, 0.0), Point("quick", 900, 1.0, 0.0), Point("both", 200, 2.0, 0.0)]
    assert pick(ORIGINAL, found, Limits(0.01), prefer).name == wanted
