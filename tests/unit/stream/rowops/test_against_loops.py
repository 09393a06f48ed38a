"""Every operator against a plain loop over each key's samples, in batches of any size."""

import math
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.stream.plans import RowOperator
from holdfast.stream.rowops.plain import Fresh
from holdfast.stream.rowops.previous import Changed, Delta, Elapsed, Lag
from holdfast.stream.rowops.thinning import Deadband, SwingingDoor
from holdfast.stream.rows import Rows, grouped
from holdfast.stream.state import State

NAN = math.nan
S = 1_000_000_000
Message = tuple[int, int, float | None]  # key, seconds, value: None where the message doesn't bring it
Loop = Callable[[list[tuple[int, float | None]]], list[float]]

MESSAGES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30), st.none() | st.sampled_from([0.0, 0.4, 1.0, 1.5, 3.0, -2.0])),
    max_size=40,
)


def rows_of(messages: list[Message], last: dict[int, float]) -> Rows:
    """The messages, grouped by key; `last` is what each key's column held before."""
    order = sorted(range(len(messages)), key=lambda i: messages[i][0])
    key, firsts, slots = grouped(np.array([messages[i][0] for i in order]))
    column, fresh = [], []
    for i in order:
        slot, _, value = messages[i]
        if value is not None:
            last[slot] = value
        column.append(last.get(slot, NAN))
        fresh.append(value is not None)
    ts = np.array([messages[i][1] * S for i in order])
    anew = None if all(fresh) else np.array(fresh)
    return Rows(np.array(order), ts, key, firsts, slots, (np.array(column),), (anew,))


def run(make: Callable[[State, str], RowOperator], messages: list[Message], size: int) -> list[tuple[float, bool]]:
    """What comes out for each message, in order, fed `size` at a time: (value, whether it's anew)."""
    state = State()
    operator = make(state, "x")
    last: dict[int, float] = {}
    out: list[tuple[float, bool]] = []
    for start in range(0, len(messages), size):
        state.grow(3)
        rows = rows_of(messages[start : start + size], last)
        column, fresh = operator.apply(rows)
        made = [(NAN, False)] * len(rows)
        for place, value, anew in zip(
            rows.row.tolist(), column.tolist(), [True] * len(rows) if fresh is None else fresh.tolist(), strict=True
        ):
            made[place] = (value, anew)
        out += made
    return out


def looped(loop: Loop, messages: list[Message]) -> list[float]:
    by_key: dict[int, list[int]] = defaultdict(list)
    for i, (key, _, _) in enumerate(messages):
        by_key[key].append(i)
    out = [NAN] * len(messages)
    for places in by_key.values():
        for place, value in zip(places, loop([messages[i][1:] for i in places]), strict=True):
            out[place] = value
    return out


def lag(n: int) -> Loop:
    def loop(samples: list[tuple[int, float | None]]) -> list[float]:
        seen: list[float] = []
        out = []
        for _, value in samples:
            seen += [] if value is None else [value]
            out.append(seen[-1 - n] if len(seen) > n else NAN)
        return out

    return loop


def delta(samples: list[tuple[int, float | None]]) -> list[float]:
    seen: list[float] = []
    out = []
    for _, value in samples:
        seen += [] if value is None else [value]
        out.append(seen[-1] - seen[-2] if len(seen) > 1 else NAN)
    return out


def changed(samples: list[tuple[int, float | None]]) -> list[float]:
    seen: list[float] = []
    out = []
    for _, value in samples:
        seen += [] if value is None else [value]
        out.append(NAN if len(seen) < 2 else float(value is not None and seen[-1] != seen[-2]))
    return out


def elapsed(samples: list[tuple[int, float | None]]) -> list[float]:
    before, out = None, []
    for ts, value in samples:
        out.append(NAN if before is None else float(ts - before))
        before = before if value is None else ts
    return out


def deadband(samples: list[tuple[int, float | None]]) -> list[float]:
    kept, out = NAN, []
    for _, value in samples:
        if value is not None and (math.isnan(kept) or abs(value - kept) > 0.5):
            kept = value
        out.append(kept)
    return out


def fresh(samples: list[tuple[int, float | None]]) -> list[float]:
    return [float(value is not None) for _, value in samples]


CASES: dict[str, tuple[Callable[[State, str], RowOperator], Loop]] = {
    "lag 1": (lambda state, name: Lag(state, name, 0, 1), lag(1)),
    "lag 3": (lambda state, name: Lag(state, name, 0, 3), lag(3)),
    "delta": (lambda state, name: Delta(state, name, 0), delta),
    "changed": (lambda state, name: Changed(state, name, (0,)), changed),
    "elapsed": (lambda state, name: Elapsed(state, name, 0), elapsed),
    "deadband": (lambda state, name: Deadband(state, name, 0, 0.5), deadband),
    "fresh": (lambda _state, _name: Fresh(0), fresh),
}


@pytest.mark.parametrize("case", list(CASES))
@settings(max_examples=60)
@given(messages=MESSAGES, size=st.integers(1, 45))
def test_an_operator_equals_a_loop_however_messages_were_batched(case: str, messages: list[Message], size: int) -> None:
    make, loop = CASES[case]
    np.testing.assert_array_equal([value for value, _ in run(make, messages, size)], looped(loop, messages))


@settings(max_examples=60)
@given(messages=MESSAGES, size=st.integers(1, 45))
def test_a_swinging_door_lets_the_same_points_through_however_they_were_batched(
    messages: list[Message], size: int
) -> None:
    for time in (False, True):

        def make(state: State, name: str, *, time: bool = time) -> SwingingDoor:
            return SwingingDoor(state, name, 0, 0.5, time=time)

        np.testing.assert_array_equal(run(make, messages, size), run(make, messages, 1))


@settings(max_examples=100)
@given(st.lists(st.sampled_from([0.0, 0.3, 1.0, 1.5, 3.0, -2.0]), min_size=2, max_size=60))
def test_lines_between_the_points_of_a_swinging_door_pass_every_sample_within_the_band(values: list[float]) -> None:
    messages: list[Message] = [(0, i, v) for i, v in enumerate(values)]
    points, times = (
        run(lambda state, name, time=time: SwingingDoor(state, name, 0, 0.5, time=time), messages, 7)  # type: ignore[misc]
        for time in (False, True)
    )
    kept = [(t, v) for (v, anew), (t, _) in zip(points, times, strict=True) if anew]
    assert kept[0] == (0.0, values[0])
    for (t0, v0), (t1, v1) in pairwise(kept):
        for t in range(int(t0), int(t1) + 1):
            assert abs(v0 + (v1 - v0) * (t - t0) / (t1 - t0) - values[t]) <= 2 * 0.5 + 1e-9


def test_a_swinging_door_keeps_a_straight_line_as_its_first_point_and_the_bend() -> None:
    values = [0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0]
    messages: list[Message] = [(0, i, v) for i, v in enumerate(values)]
    made: list[Any] = run(lambda state, name: SwingingDoor(state, name, 0, 0.1, time=False), messages, 3)
    assert [(i, v) for i, (v, anew) in enumerate(made) if anew] == [(0, 0.0), (4, 3.0)]


def test_an_operator_goes_on_after_a_restart_as_if_nothing_had_happened() -> None:
    rng = np.random.default_rng(7)
    keys, shares = rng.integers(0, 3, 80).tolist(), rng.random(80).tolist()
    messages: list[Message] = [
        (k, i, None if v < 0.2 else round(v * 4) / 2) for i, (k, v) in enumerate(zip(keys, shares, strict=True))
    ]
    for make, _ in CASES.values():
        whole = run(make, messages, 20)
        before, after = State(), State()
        first, last = make(before, "x"), dict[int, float]()
        before.grow(3)
        for start in (0, 20):
            first.apply(rows_of(messages[start : start + 20], last))
        second = make(after, "x")
        after.grow(3)
        after.put(np.arange(3), before.export(3), before.export_shared(), before.export_tables())
        made = []
        for start in (40, 60):
            rows = rows_of(messages[start : start + 20], last)
            column, _fresh = second.apply(rows)
            made += column[np.argsort(rows.row)].tolist()
        np.testing.assert_array_equal(made, [value for value, _ in whole[40:]])
