"""The last N samples, for aggregates that want them by time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stream.formulas import COUNTS, PLAIN, Window

from holdfast.stream.plans import Call, Input, StagePlan, WindowSpec
from holdfast.stream.rows import Rows, grouped
from holdfast.stream.stages import Stage

S = 1_000_000_000
KINDS = (*(k for k in PLAIN if k not in {"first", "last"}), "count", "distinct")
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 20), st.one_of(st.integers(0, 9).map(float), st.just(math.nan))),
    min_size=1,
    max_size=25,
)


def by_time(arrived: list[tuple[float, float]], width: int) -> Window:
    known = [pair for pair in arrived[-width:] if not math.isnan(pair[1])]
    return sorted(known, key=lambda pair: pair[0])


@given(st.lists(ROWS, min_size=1, max_size=4), st.sampled_from([1, 2, 5, 30]))
def test_every_aggregate_of_the_last_samples_is_what_its_formula_says(
    batches: list[list[tuple[int, int, float]]], width: int
) -> None:
    calls = tuple(Call(kind, 0, PLAIN.get(kind, ((),))[0]) for kind in KINDS)
    stage = Stage(StagePlan("s", (Input("x"),), calls, WindowSpec("last", "", samples=width)), [lambda *_: True])
    for device in range(3):
        stage.route.slot(("n", f"d{device}", ""))
    stage.state.grow(3)
    arrived: dict[int, list[tuple[float, float]]] = {}
    for batch in batches:
        some = sorted(batch, key=lambda row: row[0])
        key, firsts, slots = grouped(np.array([k for k, _, _ in some]))
        ts, value = np.array([t * S for _, t, _ in some]), np.array([v for _, _, v in some])
        with np.errstate(all="ignore"):
            found, _ = stage.take(Rows(np.arange(len(some)), ts, key, firsts, slots, (value,), (None,)), 0)
        assert found is not None
        for i, (slot, t, v) in enumerate(some):
            held = arrived.setdefault(slot, [])
            held.append((float(t), v))
            window = by_time(held, width)
            for call, column in zip(calls, found.inputs, strict=True):
                plain = (PLAIN | COUNTS)[call.kind][1]
                end = window[-1][0] if window else 0.0
                wanted = plain(window, end) if window or call.kind in COUNTS else math.nan
                got = np.broadcast_to(column, (len(some),))[i]
                assert got == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), (call, window)


def test_the_last_values_are_counted_by_quality_usable_or_not() -> None:
    calls = tuple(Call(kind, 0) for kind in ("good", "uncertain", "bad", "count"))
    plan = StagePlan("s", (Input("x"),), calls, WindowSpec("last", "", samples=3), wants_quality=True)
    stage = Stage(plan, [lambda *_: True])
    stage.route.slot(("n", "d", ""))
    stage.state.grow(1)
    got = list[list[float]]()
    for codes in ([0], [2, 1], [6], [0, 0], [2, 2, 2, 0]):
        n, zero = len(codes), np.zeros(1, np.int64)
        usable = np.array([code & 3 != 2 for code in codes])
        rows = Rows(
            np.arange(n), np.arange(n), np.zeros(n, np.int64), zero, zero, (np.ones(n),), (usable,), usable,
            (np.array(codes, np.int16),), (np.ones(n, np.bool_),),
        )  # fmt: skip
        found, _ = stage.take(rows, 0)
        if found is not None:
            columns = [np.broadcast_to(one, (len(found.row),)) for one in found.inputs]
            got += np.column_stack(columns).tolist()
    assert got == [[1, 0, 0, 1], [1, 1, 1, 2], [1, 1, 1, 3], [2, 0, 1, 3], [1, 0, 2, 3]]
