"""Every aggregate over sorted samples against a plain reading of its formula, and against DuckDB where SQL has it."""

import math
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stream.formulas import COUNTS, PLAIN, Window

from holdfast.stream.aggregates import segments
from holdfast.stream.aggregates.segments import Segments
from holdfast.stream.plans import Call

S = 1_000_000_000
SAMPLES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=40)
BOUNDS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8)


def laid_out(samples: list[tuple[int, int]], bounds: list[tuple[int, int]]) -> tuple[list[Window], tuple[Any, ...]]:
    samples = sorted(samples, key=lambda pair: pair[0])
    pairs = [tuple(min(b, len(samples)) for b in sorted(pair)) for pair in bounds]
    ends = [(samples[hi - 1][0] if hi > lo else 0) + 3 for lo, hi in pairs]
    arrays = (
        np.array([t * S // 2 for t, _ in samples]),
        np.array([float(v) for _, v in samples]),
        np.array([lo for lo, _ in pairs]),
        np.array([hi for _, hi in pairs]),
        np.zeros(len(pairs), np.int64),
        np.array([end * S // 2 for end in ends]),
    )
    return [[(t / 2, float(v)) for t, v in samples[lo:hi]] for lo, hi in pairs], arrays


def test_every_aggregate_of_the_language_has_a_formula_here() -> None:
    assert PLAIN.keys() | COUNTS.keys() == segments.KINDS


@given(SAMPLES, BOUNDS, st.sampled_from([1 << 20, 7]))
def test_every_aggregate_of_overlapping_and_empty_windows_is_what_its_formula_says(
    samples: list[tuple[int, int]], bounds: list[tuple[int, int]], at_once: int
) -> None:
    windows, arrays = laid_out(samples, bounds)
    patch = pytest.MonkeyPatch()
    patch.setattr(segments, "_AT_ONCE", at_once)
    try:
        with np.errstate(all="ignore"):
            for kind, (args, plain) in (PLAIN | COUNTS).items():
                got = Segments(*arrays).get(Call(kind, 0, args)).tolist()
                for window, end, number in zip(windows, (arrays[5] / S).tolist(), got, strict=True):
                    wanted = plain(window, end) if window or kind in COUNTS else math.nan
                    assert number == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), (kind, window)
    finally:
        patch.undo()


SQL = {
    "sum": "sum(v)",
    "avg": "avg(v)",
    "min": "min(v)",
    "max": "max(v)",
    "stddev": "stddev_samp(v)",
    "var": "var_samp(v)",
    "median": "median(v)",
    "percentile": "quantile_cont(v, 0.9)",
    "first": "arg_min(v, i)",
    "last": "arg_max(v, i)",
    "distinct": "count(distinct v)",
    "count": "count(v)",
}


@pytest.mark.parametrize("seed", range(5))
def test_what_sql_knows_too_is_what_duckdb_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 3000
    table = {"w": np.sort(rng.integers(0, 200, n)), "v": rng.normal(1e6, 3, n).round(1), "i": np.arange(n)}
    frame = duckdb.connect()
    frame.register("table_", pa.table(table))
    columns = ", ".join(f"{sql} AS {kind}" for kind, sql in SQL.items())
    wanted = frame.sql(f"SELECT w, {columns} FROM table_ GROUP BY w ORDER BY w").fetchnumpy()  # noqa: S608
    lo = np.searchsorted(table["w"], wanted["w"])
    hi = np.searchsorted(table["w"], wanted["w"], side="right")
    windows = Segments(table["i"], table["v"], lo, hi)
    for kind in SQL:
        np.testing.assert_allclose(windows.get(Call(kind, 0, (0.9,))), np.ma.filled(wanted[kind], np.nan), rtol=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(0, 50), st.sampled_from(sorted(PLAIN)))
def test_a_windows_numbers_have_the_same_bits_wherever_its_samples_lie(
    samples: list[float], shift: int, kind: str
) -> None:
    value, ts = np.array(samples), np.arange(len(samples)) ** 2 * 1_000_003
    call = Call(kind, 0, PLAIN[kind][0])
    alone = Segments(ts, value, np.array([0]), np.array([len(value)])).get(call)
    others = np.random.default_rng(1).normal(1e9, 1e9, 2 * shift)
    both = np.concatenate((others[:shift], value, others[shift:]))
    times = np.concatenate((np.zeros(shift, np.int64), ts, np.full(shift, 1 << 60)))
    lo, hi = np.array([0, shift, max(shift - 3, 0)]), np.array([shift, shift + len(value), len(both)])
    with np.errstate(all="ignore"):
        among = Segments(times, both, lo, hi).get(call)
    assert among[1:2].tobytes() == alone.tobytes()


def test_a_steady_value_has_its_own_time_average_to_the_last_bit() -> None:
    ts = np.array([0, 1, 7, 19]) * 100_000_007
    windows = Segments(ts, np.full(4, 0.1), np.array([0]), np.array([4]), np.array([0]), np.array([20 * S]))
    assert windows.get(Call("time_avg", 0))[0] == 0.1


def test_a_window_that_is_not_cut_by_time_expects_samples_from_its_first_to_its_last() -> None:
    ts = np.array([0, 1, 2, 4]) * S
    windows = Segments(ts, np.ones(4), np.array([0, 0]), np.array([4, 0]))
    assert windows.get(Call("completeness", 0, (1.0,))).tolist() == [0.8, 0.0]
