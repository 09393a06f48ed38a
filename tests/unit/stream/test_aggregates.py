import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.stream.aggregates.tape_windows import TapeWindows, fold
from holdfast.stream.plans import Call

WHOLE = st.integers(-1000, 1000).map(float)
PLAIN: dict[str, object] = {
    "avg": lambda w: sum(w) / len(w),
    "sum": sum,
    "min": min,
    "max": max,
    "first": lambda w: w[0],
    "last": lambda w: w[-1],
    "var": lambda w: statistics.variance(w) if len(w) > 1 else math.nan,
    "stddev": lambda w: statistics.stdev(w) if len(w) > 1 else math.nan,
}


@given(st.lists(WHOLE, min_size=1, max_size=40), st.integers(1, 17), st.integers(0, 17))
def test_every_window_of_every_aggregate_is_what_plain_python_says(
    values: list[float], width: int, missing: int
) -> None:
    column = np.array([math.nan] * min(missing, width) + [0.0] * (width - min(missing, width)) + values)
    starts = np.arange(1, len(values) + 1)
    windows = TapeWindows(column, np.zeros(len(column), np.int64), width, starts)
    for i in starts.tolist():
        window = [v for v in column[i : i + width].tolist() if not math.isnan(v)]
        assert np.broadcast_to(windows.count(), len(starts))[i - 1] == len(window)
    with np.errstate(all="ignore"):
        for aggregate, plain in PLAIN.items():
            got = windows.get(Call(aggregate, 0))
            for i in starts.tolist():
                window = [v for v in column[i : i + width].tolist() if not math.isnan(v)]
                assert callable(plain)
                assert got[i - 1] == pytest.approx(plain(window), rel=1e-9, abs=1e-6, nan_ok=True)


def test_a_window_without_samples_has_a_count_and_nothing_else() -> None:
    windows = TapeWindows(np.array([math.nan, math.nan, 1.0]), np.zeros(3, np.int64), 2, np.array([0]))
    with np.errstate(all="ignore"):
        assert windows.count()[0] == 0
        assert all(math.isnan(windows.get(Call(aggregate, 0))[0]) for aggregate in PLAIN)


@given(st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=60), st.integers(1, 20), st.integers(0, 9))
def test_a_windows_sum_has_the_same_bits_wherever_it_lies(values: list[float], width: int, shift: int) -> None:
    column = np.array(values)
    assert fold(column, width, np.add)[shift] == fold(column[shift : shift + width], width, np.add)[0]


def test_a_huge_value_that_has_left_the_window_leaves_nothing_behind() -> None:
    column = np.array([1e300, 0.1, 0.2, 0.3])
    assert fold(column, 3, np.add)[1] == fold(column[1:], 3, np.add)[0] == pytest.approx(0.6)


def test_deviation_of_close_values_far_from_zero_does_not_cancel() -> None:
    column = 1e9 + np.array([1.0, 2.0, 3.0, 4.0])
    assert TapeWindows(column, np.zeros(4, np.int64), 4, np.array([0])).get(Call("stddev", 0))[0] == pytest.approx(
        statistics.stdev([1, 2, 3, 4])
    )
