"""What is expected of a device, learned from when it sent."""

import numpy as np
import pytest

from holdfast.devices.beats import Beats
from holdfast.devices.tally import Seen


def taken(beats: Beats, times_s: list[float], device: int = 0) -> list[tuple[float, float, int]]:
    told = np.array([round(t * 1e9) for t in times_s], np.int64)
    n = len(told)
    seen = Seen(np.full(n, device, np.int32), np.zeros(n, np.uint8), np.ones(n, np.int32), told, told)
    gaps, _ = beats.take(seen)
    return [(gap.from_ns / 1e9, gap.to_ns / 1e9, gap.missing) for gap in gaps]


@pytest.fixture
def beats() -> Beats:
    one = Beats(3.0, 5.0)
    one.make_room(2)
    return one


def test_nothing_is_expected_before_four_distances_are_known(beats: Beats) -> None:
    taken(beats, [0, 10, 20, 30])
    assert np.isnan(beats.interval[0])
    taken(beats, [40])
    assert beats.interval[0] == 10


def test_a_burst_of_single_values_every_minute_is_one_beat_a_minute(beats: Beats) -> None:
    for minute in range(12):
        taken(beats, [60 * minute + 0.3 * i for i in range(6)])
    assert beats.interval[0] == pytest.approx(60, abs=1.5)


def test_a_gap_is_found_once_with_what_was_to_be_expected_and_teaches_nothing(beats: Beats) -> None:
    assert taken(beats, [float(t) for t in range(30)]) == []
    assert taken(beats, [129.0]) == [(29.0, 129.0, 99)]
    assert taken(beats, [float(t) for t in range(130, 140)]) == []
    assert taken(beats, [300.0, 301.0]) == [(139.0, 300.0, 160)]
    assert beats.interval[0] == 1


def test_a_device_that_sends_less_often_from_now_on_is_believed_soon(beats: Beats) -> None:
    taken(beats, [float(t) for t in range(30)])
    gaps = [gap for i in range(12) for gap in taken(beats, [60.0 * (i + 1)])]
    assert beats.interval[0] == 60
    assert len(gaps) <= 4


def test_one_that_sends_much_misses_much(beats: Beats) -> None:
    taken(beats, [t / 20 for t in range(2000)])
    ((_, _, missing),) = taken(beats, [200.0])
    assert missing == pytest.approx(2000, rel=0.1)


def test_what_was_learned_goes_on_after_a_restart(beats: Beats) -> None:
    taken(beats, [float(t) for t in range(30)], 1)
    again = Beats(3.0, 5.0)
    again.recall(1, beats.state(1))
    assert again.interval[1] == 1
    assert taken(again, [60.0], 1) == [(29.0, 60.0, 30)]
