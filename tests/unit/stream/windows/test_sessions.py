"""Sessions by key: many at once, ended by time alone, and what peers got wrong (PEERS.md §4.4)."""

import math

import numpy as np

from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import Call, Input, StagePlan, WindowSpec
from holdfast.stream.rows import Rows, Skipped
from holdfast.stream.stages import IDLE_NS, Stage

S = 1_000_000_000
CALLS = (Call("count", 0), Call("avg", 0), Call("max", 0), Call("messages"))


def stage_of(keys: int, spec: WindowSpec, calls: tuple[Call, ...] = CALLS) -> Stage:
    stage = Stage(StagePlan("s", (Input("power"),), calls, spec), [lambda *_: True])
    for key in range(keys):
        stage.route.slot(("n", f"d{key}", ""))
    stage.state.grow(keys)
    return stage


def feed(stage: Stage, keys: int, ts: int, value: float, now: int) -> tuple[Evaluations | None, Skipped | None]:
    """One message of every key."""
    index = np.arange(keys)
    rows = Rows(index, np.full(keys, ts), index, index, index, (np.full(keys, value),), (None,))
    with np.errstate(all="ignore"):
        return stage.take(rows, now)


def test_ten_thousand_sessions_at_once_take_bounded_memory_however_long_they_last() -> None:
    """ekuiper#1928: it has no sessions by key."""
    keys = 10_000
    stage = stage_of(keys, WindowSpec("session", "", gap=10 * S))
    sizes = []
    for second in range(60):
        assert feed(stage, keys, second * S, float(second), second * S) == (None, None)
        sizes.append(stage.state.nbytes)
    assert len(set(sizes)) == 1
    assert sizes[0] / keys < 1000
    closed = stage.close(70 * S + IDLE_NS)
    assert closed is not None
    assert [np.unique(column).tolist() for column in closed.inputs] == [[60.0], [29.5], [59.0], [60.0]]
    assert len(closed.row) == keys
    assert stage.state.nbytes == sizes[0]


def test_samples_of_ten_thousand_sessions_are_given_back_when_the_sessions_end() -> None:
    keys = 10_000
    stage = stage_of(keys, WindowSpec("session", "", gap=10 * S), (Call("median", 0),))
    for hour in range(4):
        for second in range(12):
            feed(stage, keys, (3600 * hour + second) * S, float(second), (3600 * hour + second) * S)
        closed = stage.close((3600 * hour + 60) * S)
        assert closed is not None
        assert np.unique(closed.inputs[0]).tolist() == [5.5]
        if hour == 0:
            first = stage.state.nbytes
    assert stage.state.nbytes <= first


def test_a_session_ends_by_time_alone_and_says_so() -> None:
    stage = stage_of(1, WindowSpec("session", "", gap=5 * S))
    feed(stage, 1, 100 * S, 1.0, 500 * S)  # a device whose clock is 400 s slow
    feed(stage, 1, 104 * S, 3.0, 504 * S)
    assert stage.close(509 * S + IDLE_NS) is None
    closed = stage.close(509 * S + IDLE_NS + 1)
    assert closed is not None
    assert (closed.row.tolist(), closed.ts.tolist()) == ([-1], [104 * S])
    assert closed.start is not None
    assert closed.start.tolist() == [100 * S]
    assert [float(column[0]) for column in closed.inputs] == [2.0, 2.0, 3.0, 2.0]
    assert stage.close(600 * S) is None


def test_a_message_that_comes_after_silence_ended_its_session_is_late() -> None:
    stage = stage_of(1, WindowSpec("session", "", gap=5 * S))
    feed(stage, 1, 100 * S, 1.0, 100 * S)
    assert stage.close(107 * S) is not None
    evaluations, late = feed(stage, 1, 104 * S, 3.0, 107 * S)
    assert evaluations is None
    assert late is not None
    assert late.row.tolist() == [0]


def test_ten_seconds_above_200_ampere_can_be_written_as_a_state() -> None:
    """ekuiper#3346, #3347: its documented example of this couldn't be had to work."""
    inputs = (Input("current"), Input("is_above", "fact"))
    calls = (Call("window_seconds"), Call("max", 0))
    plan = StagePlan("s", inputs, calls, WindowSpec("state", "", begin=1))
    stage = Stage(plan, [lambda *_: True])
    stage.route.slot(("n", "motor", ""))
    stage.state.grow(1)
    current = np.array([150.0] * 3 + [230.0] * 12 + [180.0] + [210.0] * 4 + [100.0])
    ts, n = np.arange(len(current)) * S, len(current)
    index, zero = np.arange(n), np.zeros(1, np.int64)
    rows = Rows(
        index, ts, np.zeros(n, np.int64), zero, zero, (current, (current > 200).astype(np.float64)), (None, None)
    )
    with np.errstate(all="ignore"):
        found, _ = stage.take(rows, 0)
    assert found is not None
    assert found.inputs[0].tolist() == [12.0, 4.0]
    assert found.row.tolist() == [15, 20]
    assert found.inputs[1].tolist() == [230.0, 210.0]


def test_late_and_out_of_order_messages_within_the_tolerance_are_taken_in_and_others_counted() -> None:
    """ekuiper#1658: a panic in an event-time window with late tolerance."""
    stage = stage_of(1, WindowSpec("sliding", "", behind=10 * S, grace=5 * S), (Call("sum", 0),))
    got, late = list[float](), list[int]()
    for second in (10, 8, 12, 7, 30, 26, 11, 20, 31, 40):
        evaluations, skipped = feed(stage, 1, second * S, float(second), second * S)
        got += [] if evaluations is None else evaluations.inputs[0].tolist()
        late += [second] if skipped is not None else []
    assert got == [7.0, 15.0, 25.0, 37.0, 26.0, 56.0, 87.0]
    assert late == [11, 20]


def test_a_message_without_a_known_value_still_keeps_its_session_open() -> None:
    stage = stage_of(1, WindowSpec("session", "", gap=5 * S))
    for second, value in ((0, 1.0), (4, math.nan), (8, 3.0)):
        feed(stage, 1, second * S, value, second * S)
    closed = stage.close(20 * S)
    assert closed is not None
    assert [float(column[0]) for column in closed.inputs] == [2.0, 2.0, 3.0, 3.0]


def test_time_that_only_lets_a_message_into_its_session_says_that_something_changed() -> None:
    stage = stage_of(1, WindowSpec("session", "", gap=5 * S, grace=10 * S))
    feed(stage, 1, 100 * S, 1.0, 100 * S)
    assert stage.close(105 * S + IDLE_NS) is None
    assert not stage.stirred
    assert stage.close(111 * S + IDLE_NS) is None
    assert stage.stirred, "a tick that is forgotten would let a replay take messages that came too late"
    assert stage.close(112 * S + IDLE_NS) is None
    assert not stage.stirred
