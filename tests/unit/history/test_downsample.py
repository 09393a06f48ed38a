import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.history.downsample import Cells, Grid

ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(-50, 149),
        st.floats(-1e6, 1e6) | st.just(math.nan),
        st.sampled_from([0, 1, 2, 4, 6]),
    ),
    max_size=60,
)


@given(ROWS, st.integers(1, 70), st.integers(1, 7))
def test_any_rows_in_any_chunks_give_what_plain_python_gives(
    rows: list[tuple[int, int, float, int]], step: int, chunk: int
) -> None:
    grid = Grid.over(-50, 150, step)
    cells = Cells(3, grid)
    expected: dict[int, list[tuple[int, float]]] = {}
    bad: dict[int, int] = {}
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        columns = list(zip(*part, strict=True))
        cells.add(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.float64),
            np.array(columns[3], np.uint8),
        )
    for place, ts, value, quality in rows:
        cell = place * grid.buckets + (ts - grid.start_ns) // step
        if quality & 3 == 2 or math.isnan(value):
            bad[cell] = bad.get(cell, 0) + 1
        else:
            expected.setdefault(cell, []).append((ts, value))
    mean = cells.mean()
    for cell in range(3 * grid.buckets):
        points = expected.get(cell, [])
        values = [v for _, v in points]
        assert cells.count[cell] == len(points)
        assert cells.bad[cell] == bad.get(cell, 0)
        if points:
            assert (cells.low[cell], cells.high[cell]) == (min(values), max(values))
            assert mean[cell] == pytest.approx(math.fsum(values) / len(values), abs=1e-6)
            newest = max(ts for ts, _ in points)
            assert cells.last[cell] == [v for ts, v in points if ts == newest][-1]
        else:
            assert math.isnan(mean[cell])
            assert math.isnan(cells.last[cell])


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**12), st.integers(1, 10**10))
def test_a_grid_is_aligned_and_just_covers_its_time(from_ns: int, span: int, step: int) -> None:
    grid = Grid.over(from_ns, from_ns + span, step)
    assert grid.start_ns % step == 0
    assert grid.start_ns <= from_ns < grid.start_ns + step
    end = grid.start_ns + grid.buckets * step
    assert end - step < from_ns + span <= end
