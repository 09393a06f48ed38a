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
    stage = Stage(StagePlan("s", (Input("x"),), calls, WindowSpec("last", "", samples=width)), [lambda _n, _d: True])
    for device in range(3):
        stage.route.slot(("n", f"d{device}"))
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
