"""Steps and windows beside plain models of them."""

import itertools
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, encode_quality
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.uplink.filtering.steps import both, empty, readings_in, summaries, table_of
from holdfast.uplink.filtering.windows import MOST, Windows

STEP = 60
ALL = ("count", "min", "max", "mean", "first", "last")
Row = tuple[int, int, float, int]
"""series, ts, value, quality"""


def a_batch(rows: Sequence[Row]) -> Batch:
    return Batch(
        np.array([r[0] for r in rows], np.int32),
        np.array([r[1] for r in rows], np.int64),
        np.array([r[2] for r in rows], np.float64),
        np.array([encode_quality(Quality(r[3])) for r in rows], np.uint8),
    )


def a_catalogue(n: int = 3) -> Catalogue:
    catalogue = Catalogue()
    for i in range(n):
        catalogue.intern(Series("gw", f"d{i}", "n", "Cel", Kind.FLOAT))
    return catalogue


def told(catalogue: Catalogue, parts: Sequence[Sequence[Row]]) -> dict[tuple[str, str, int], float]:
    """(device, statistic, step) -> value, of rows that came in these parts."""
    table = empty()
    for rows in parts:
        if rows:
            batch = a_batch(rows)
            table = both(table, table_of(batch, np.full(len(rows), STEP, np.int64), catalogue.is_text, 0.0))
    assert readings_in(table) == sum(map(len, parts))
    batch = summaries(table, [ALL] * len(table), catalogue)
    return {
        (catalogue[i].device, catalogue[i].metric.rpartition(".")[2], t): v
        for i, t, v in zip(batch.series.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True)
    }


def model(rows: Sequence[Row]) -> dict[tuple[str, str, int], float]:
    found: dict[tuple[str, str, int], float] = {}
    for series, start in {(r[0], r[1] // STEP * STEP) for r in rows}:
        mine = [r for r in rows if r[0] == series and r[1] // STEP * STEP == start]
        good = [r for r in mine if r[3] != 2]
        device = f"d{series}"
        found[device, "count", start] = len(good)
        for name, n in (("uncertain", sum(r[3] == 1 for r in mine)), ("bad", len(mine) - len(good))):
            if n:
                found[device, name, start] = n
        if good:
            values = [r[2] for r in good]
            found[device, "min", start], found[device, "max", start] = min(values), max(values)
            found[device, "mean", start] = sum(values) / len(values)
            first = min(r[1] for r in good)
            last = max(r[1] for r in good)
            found[device, "first", start] = next(r[2] for r in good if r[1] == first)
            found[device, "last", start] = [r[2] for r in good if r[1] == last][-1]
    return found


ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-200, 400), st.integers(-50, 50).map(float), st.integers(0, 2)),
    min_size=1,
    max_size=60,
)


@given(ROWS, st.lists(st.integers(0, 60), max_size=6))
def test_steps_are_what_a_plain_loop_says_however_the_readings_came(rows: list[Row], cuts: list[int]) -> None:
    catalogue = a_catalogue()
    at = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    parts = [rows[low:high] for low, high in itertools.pairwise(at)]
    found, wanted = told(catalogue, parts), model(rows)
    assert found.keys() == wanted.keys()
    for (device, statistic, start), value in wanted.items():
        span = wanted[device, "max", start] - wanted[device, "min", start] if statistic == "mean" else 0.0
        assert found[device, statistic, start] == pytest.approx(value, abs=span / 20_000)


@pytest.mark.parametrize("offset", [0.0, 20.0, 1e12, -1e-9])
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e7, 1e200])
def test_a_mean_has_no_digits_below_a_ten_thousandth_of_the_range_and_lies_within_it(
    offset: float, scale: float
) -> None:
    catalogue = a_catalogue(1)
    values = [offset + scale * part for part in (0.1, 0.7, 0.35, 0.2, 0.9, 0.77, 0.1)]
    found = told(catalogue, [[(0, i, value, 0) for i, value in enumerate(values)]])
    low, high, mean = (found["d0", name, 0] for name in ("min", "max", "mean"))
    assert low <= mean <= high
    assert mean == pytest.approx(sum(values) / len(values), rel=1e-15, abs=(high - low) / 20_000)
    if offset in (0.0, 20.0) and scale == 1.0:
        assert len(repr(mean)) <= len("20.12345")


def test_a_series_that_didnt_change_has_its_own_value_as_its_mean() -> None:
    found = told(a_catalogue(1), [[(0, i, 0.1, 0) for i in range(7)]])
    assert found["d0", "mean", 0] == 0.1


def test_a_number_that_is_none_counts_as_bad_and_a_text_is_only_counted() -> None:
    catalogue = a_catalogue(1)
    text = catalogue.intern(Series("gw", "d1", "state", "", Kind.TEXT))
    batch = Batch(
        np.array([0, 0, 0, text, text], np.int32),
        np.array([0, 1, 2, 3, 4], np.int64),
        np.array([1.0, np.nan, np.inf, 0.0, 0.0]),
        np.zeros(5, np.uint8),
        ("run",),
    )
    table = table_of(batch, np.full(5, STEP, np.int64), catalogue.is_text, 0.0)
    made = summaries(table, [ALL] * len(table), catalogue)
    found = {catalogue[i].name: v for i, v in zip(made.series.tolist(), made.value.tolist(), strict=True)}
    assert found == {
        "gw/d0/n.0ms.count": 1.0,
        "gw/d0/n.0ms.bad": 2.0,
        "gw/d1/state.0ms.count": 2.0,
        **{f"gw/d0/n.0ms.{name}": 1.0 for name in ("min", "max", "mean", "first", "last")},
    }


def test_a_series_of_summaries_is_made_and_so_is_never_summed_up_itself() -> None:
    catalogue = a_catalogue(1)
    catalogue.keep_by(lambda series: series.metric.startswith("n"))
    told(catalogue, [[(0, 0, 1.0, 0)]])
    assert catalogue.is_local.tolist() == [True, *[False] * (len(catalogue) - 1)]
    assert len(catalogue) > 1


@given(st.integers(0, 10**6))
def test_each_reading_of_a_window_is_sent_once_whatever_the_order_of_alerts_and_readings(seed: int) -> None:
    rng, windows = Random(seed), Windows()
    seen: list[int] = []
    sent: list[int] = []
    wanted: set[int] = set()
    for _ in range(60):
        if rng.random() < 0.2:
            low = rng.randrange(200)
            high = low + rng.randrange(20)
            wanted |= set(range(low, high + 1))
            parts = windows.add(0, low, high)
            sent += [ts for ts in seen if any(a <= ts <= b for a, b in parts)]
        else:
            ts = rng.randrange(220)
            seen.append(ts)
            sent += [ts] if windows.covers(a_batch([(0, ts, 0.0, 0)])).all() else []
    forgotten = windows.floors.get(0, -1)
    for ts in set(seen):
        assert sent.count(ts) <= seen.count(ts)
        if ts in wanted and ts >= forgotten:
            assert sent.count(ts) == seen.count(ts)
        if ts not in wanted:
            assert ts not in sent


def test_windows_remembered_are_bounded_and_what_was_forgotten_is_never_sent_again() -> None:
    windows = Windows()
    for n in range(100):
        assert windows.add(0, 1000 * n, 1000 * n + 10) == [(1000 * n, 1000 * n + 10)]
    assert len(windows.spans[0]) == MOST
    assert windows.add(0, 0, 99_000) == [(1000 * n + 11, 1000 * (n + 1) - 1) for n in range(99 - MOST, 99)]
    assert windows.add(0, 5, 6) == []
