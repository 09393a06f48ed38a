"""Fault frequencies of geometries."""

import pytest

from holdfast.stream.vibration.bearings import Orders, bearing, orders


def test_a_6205_strikes_as_often_as_its_maker_and_case_western_say() -> None:
    found = bearing("6205")
    assert (found.outer, found.inner, found.ball, found.cage) == pytest.approx(
        (3.5848, 5.4152, 2.357, 0.39828), rel=1e-3
    )


def test_all_balls_strike_once_per_turn_of_the_cage_and_both_races_add_up() -> None:
    found = orders(13, 9.0, 61.3, 15.0)
    assert found.outer + found.inner == pytest.approx(13)
    assert found.outer == pytest.approx(13 * found.cage)


def test_a_bearing_is_named_described_or_given_by_its_multiples() -> None:
    assert bearing(" za-2115 ") == orders(16, 0.331, 2.815, 15.17)
    assert bearing("balls=9 ball=7.94 pitch=39.04") == orders(9, 7.94, 39.04)
    assert bearing("pitch=39.04 balls=9 angle=10 ball=7.94") == orders(9, 7.94, 39.04, 10)
    assert bearing("bpfo=3.585 bpfi=5.415 bsf=2.357 ftf=0.398") == Orders(3.585, 5.415, 2.357, 0.398)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a bearing is a name"),
        ("6999", "6205"),
        ("balls=9 ball=7.94", "pitch=39.04"),
        ("balls=9 ball=seven pitch=39", "a bearing is a name"),
        ("balls=9.5 ball=7.94 pitch=39", "3 to 100 balls"),
        ("balls=9 ball=40 pitch=39", "smaller than the pitch diameter"),
        ("balls=9 ball=nan pitch=39", "smaller than the pitch diameter"),
        ("bpfo=0 bpfi=5 bsf=2 ftf=0.4", "above 0"),
        ("bpfo=3 bpfi=inf bsf=2 ftf=0.4", "at most 200"),
    ],
)
def test_what_is_no_bearing_is_refused_with_how_one_is_written(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        bearing(text)
