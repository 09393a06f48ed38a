"""The poll planner in simulated time: dead devices cost the living next to nothing."""

from collections import defaultdict
from collections.abc import Mapping
from heapq import heappop, heappush
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.polling.planner import Planner, Poll, Turn
from holdfast.adapters.polling.settings import PollSettings

SETTINGS = PollSettings(timeout=1.0)


def play(
    planner: Planner, seconds: float, answer_s: Mapping[str, float | None], *, begin: float = 0.0
) -> dict[str, list[float]]:
    """Serve each bus by one task for a while; when each device was asked and answered. None = it never answers."""
    asked: dict[str, list[float]] = defaultdict(list)
    queue: list[tuple[float, str]] = [(begin, bus) for bus in sorted({poll.bus for poll in planner.polls})]
    while queue:
        now, bus = heappop(queue)
        if now >= begin + seconds:
            continue
        turn = planner.next(bus, now)
        if turn is None:
            heappush(queue, (now + planner.wait_s(bus, now), bus))
        else:
            heappush(queue, (_made(planner, turn, now, answer_s[turn.poll.device], asked), bus))
    return asked


def _made(planner: Planner, turn: Turn, now: float, took: float | None, asked: dict[str, list[float]]) -> float:
    if took is None or took > turn.timeout_s:
        planner.failed(turn, now + turn.timeout_s, turn.timeout_s, timed_out=True)
        return now + turn.timeout_s
    planner.answered(turn, now + took, took)
    asked[turn.poll.device].append(now)
    return now + took


def planner(polls: list[Poll], setting: PollSettings = SETTINGS) -> Planner:
    return Planner(polls, setting, 0.0, Random(1))


def p99(times: list[float], every_s: float) -> float:
    return float(np.quantile(np.abs(np.diff(times) - every_s), 0.99)) / every_s


def test_phases_are_spread_over_the_period_and_periods_do_not_drift() -> None:
    polls = [Poll(f"m{i}", f"bus{i}", 1.0) for i in range(200)]
    asked = play(planner(polls), 30, {poll.device: 0.013 for poll in polls})
    phases = np.array([times[0] for times in asked.values()])
    busiest = max(int(((phases % 1 >= at) & (phases % 1 < at + 0.1)).sum()) for at in np.arange(0, 1, 0.1))
    assert busiest <= 24  # 20 would be even
    assert all(len(times) == 30 for times in asked.values())
    assert max(p99(times, 1.0) for times in asked.values()) < 0.001


def test_30_dead_meters_of_100_on_one_line_delay_the_others_only_while_they_are_found_out() -> None:
    polls = [Poll(f"m{i}", "line", 5.0) for i in range(100)]
    one, answers = planner(polls), {poll.device: 0.02 for poll in polls}
    play(one, 30, answers)
    dead = {f"m{i}": None for i in range(0, 90, 3)}
    while_found = play(one, 400, {**answers, **dead}, begin=30)
    asked = play(one, 300, {**answers, **dead}, begin=430)
    assert min(len(times) for times in while_found.values()) >= 78
    assert set(asked) == {poll.device for poll in polls} - dead.keys()
    drift = np.concatenate([np.abs(np.diff(times) - 5.0) / 5.0 for times in asked.values()])
    assert np.quantile(drift, 0.99) < 0.05
    back = play(one, 120, answers, begin=730)
    assert len(back) == 100
    assert all(times[0] < 730 + 61 for times in back.values())


def test_a_dead_device_on_a_line_of_its_own_costs_the_others_nothing() -> None:
    polls = [Poll(f"m{i}", f"bus{i}", 1.0) for i in range(10)]
    answers: dict[str, float | None] = {poll.device: 0.01 for poll in polls} | {"m3": None}
    asked = play(planner(polls), 100, answers)
    assert "m3" not in asked
    assert max(p99(times, 1.0) for times in asked.values()) < 0.001


def test_tries_become_rarer_and_the_first_answer_ends_it() -> None:
    one = planner([Poll("m", "bus", 1.0)], PollSettings(timeout=0.2, retry_max=20.0))
    tries: list[float] = []
    now = 0.0
    while now < 200:
        turn = one.next("bus", now)
        if turn is None:
            now += one.wait_s("bus", now)
        else:
            tries.append(now)
            now += 0.2
            one.failed(turn, now, 0.2, timed_out=True)
    pauses = np.diff(tries)
    assert len(tries) < 20
    assert 14 < pauses[-1] <= 20.2
    asked = play(one, 60, {"m": 0.01}, begin=200)
    assert asked["m"][0] < 221
    assert np.allclose(np.diff(asked["m"][1:]), 1.0)


def test_when_a_whole_bus_is_back_all_its_devices_are_asked_again_soon() -> None:
    one = planner([Poll(f"m{i}", "line", 1.0) for i in range(40)], PollSettings(timeout=0.5))
    gone: dict[str, float | None] = {f"m{i}": None for i in range(40)}
    play(one, 600, gone)
    assert all(health.pause_s > 30 for health in one.health.values())
    asked = play(one, 60, dict.fromkeys(gone, 0.005), begin=600)
    assert len(asked) == 40
    times = sorted(found[0] for found in asked.values())
    assert times[-1] - times[0] < 2  # after the first all the others


def test_meters_that_were_never_there_hold_a_line_up_only_shortly_at_the_start() -> None:
    polls = [Poll(f"m{i}", "line", 5.0) for i in range(100)]
    answers = {poll.device: None if i % 3 == 0 else 0.02 for i, poll in enumerate(polls)}
    asked = play(planner(polls, PollSettings(timeout=3.0)), 60, answers)
    assert len(asked) == 66
    assert min(len(times) for times in asked.values()) >= 8
    assert max(times[0] for times in asked.values()) < 20


@pytest.mark.parametrize("silent_s", [0.5, 2.0, 4.0, 9.0])
def test_a_bus_that_was_silent_for_a_while_is_whole_again_soon(silent_s: float) -> None:
    one = planner([Poll(f"m{i}", "line", 1.0) for i in range(36)], PollSettings(timeout=3.0))
    play(one, silent_s, {f"m{i}": None for i in range(36)})
    asked = play(one, 8, {f"m{i}": 0.005 for i in range(36)}, begin=silent_s + 3)
    assert len(asked) == 36
    assert min(len(times) for times in asked.values()) >= 6


def test_a_device_that_became_slow_is_waited_for_as_long_as_the_operator_says() -> None:
    one = planner([Poll("m", "bus", 2.0)])
    play(one, 30, {"m": 0.01})
    assert one.health["m"].answers.timeout_s(one.health["m"].answers) < 0.2
    assert len(play(one, 60, {"m": 0.9}, begin=30)["m"]) > 20
    assert not one.health["m"].is_dead


def test_the_important_go_first_and_nobody_starves() -> None:
    polls = [Poll(f"m{i}", "line", 1.0, priority=0 if i < 5 else 3) for i in range(20)]
    asked = play(planner(polls), 120, {poll.device: 0.1 for poll in polls})  # twice what the line carries
    first = [len(asked[f"m{i}"]) for i in range(5)]
    others = [len(asked[f"m{i}"]) for i in range(5, 20)]
    assert min(first) > max(others)
    assert min(others) > 20


def test_missed_polls_are_counted_and_never_made_up_for() -> None:
    one = planner([Poll("m", "bus", 1.0)])
    turn = one.next("bus", 0.0)
    assert turn is not None
    one.answered(turn, 5.5, 5.5)
    turn = one.next("bus", 5.5)
    assert turn is not None
    assert (turn.due_s, one.health["m"].skipped) == (5.0, 4)
    one.answered(turn, 5.6, 0.1)
    assert one.next("bus", 5.7) is None


@pytest.mark.parametrize("kill", range(3))
def test_all_polls_of_a_dead_device_stop_but_one_and_all_come_back(kill: int) -> None:
    polls = [Poll("m", "bus", 1.0, group=f"g{i}") for i in range(3)] + [Poll("n", "bus", 1.0)]
    one = planner(polls)
    play(one, 10 + kill / 3, {"m": 0.01, "n": 0.01})
    asked = play(one, 100, {"m": None, "n": 0.01}, begin=11)
    assert (len(asked["m"]), len(asked["n"])) in ((0, 100), (0, 101))
    asked = play(one, 100, {"m": 0.01, "n": 0.01}, begin=111)
    assert len(asked["m"]) > 3 * 35


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=12),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_every_living_device_is_asked_whatever_the_others_do(
    made: list[tuple[int, int, int]], moods: list[int]
) -> None:
    polls = [Poll(f"m{i}", f"bus{bus}", float(every), priority) for i, (bus, every, priority) in enumerate(made)]
    one = planner(polls, PollSettings(timeout=0.5, retry_max=10.0))
    answers = {poll.device: (0.001, 0.02, None)[moods[i]] for i, poll in enumerate(polls)}
    asked = play(one, 120, answers)
    for poll in polls:
        if answers[poll.device] is not None:
            assert len(asked[poll.device]) >= 0.85 * 120 / poll.every_s - 2
    asked = play(one, 60, {poll.device: 0.001 for poll in polls}, begin=120)
    assert len(asked) == len(polls)
