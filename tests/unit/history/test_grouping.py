"""Groups of steps by site, device, metric and time, against sums done by hand and by DuckDB."""

import numpy as np
import pytest
from tests.unit.history.stored import Row, StoredGroups

from holdfast.history.grouping import DAY_NS, HOUR_NS, Table, Wish, grouped
from holdfast.history.query import History
from holdfast.model.series import Catalogue, Kind, Series

MIDNIGHT_NS = 1_700_006_400 * 10**9  # 2023-11-15T00:00:00Z
SITES = (("leeds", "press-1", 20.0), ("leeds", "press-2", 30.0), ("york", "press-1", 50.0))


def catalogue() -> Catalogue:
    found = Catalogue()
    for site, device, _ in SITES:
        found.intern(Series(site, device, "temp", "Cel", Kind.FLOAT))
    found.intern(Series("york", "press-1", "power", "W", Kind.FLOAT))
    found.intern(Series("york", "press-1", "mode", "", Kind.TEXT))
    return found


def ask(wish: Wish, rows: list[Row] | None = None, hours: int = 2) -> Table:
    known, stored = catalogue(), StoredGroups()
    made = [
        Row(i, MIDNIGHT_NS + hour * HOUR_NS + 1, value + hour)
        for hour in range(hours)
        for i, (_, _, value) in enumerate(SITES)
    ]
    stored.add(rows if rows is not None else [*made, Row(3, MIDNIGHT_NS + 5, 900.0)])
    history, until = History(stored, known), MIDNIGHT_NS + hours * HOUR_NS
    series, cells, _, _ = history.steps(
        ["*"], MIDNIGHT_NS, until, wish.step_ns(until - MIDNIGHT_NS), ("mean",), lambda: None, ask=False
    )
    return grouped(series, cells, wish)


def test_a_mean_by_site_keeps_units_apart_and_counts_readings_and_series() -> None:
    table = ask(Wish("mean", ("site",)))
    assert [column.name for column in table.columns] == ["site", "mean", "unit", "readings", "series"]
    assert table.rows == [["york", 900.0, "W", 1, 1], ["york", 50.5, "Cel", 2, 1], ["leeds", 25.5, "Cel", 4, 2]]


def test_the_largest_n_things_are_kept_with_all_their_times() -> None:
    table = ask(Wish("max", ("device", "hour"), top=1))
    assert {row[0] for row in table.rows} == {"press-1"}
    assert table.total == 5
    assert [row[1] for row in table.rows] == [MIDNIGHT_NS]


def test_by_the_hour_each_hour_is_a_row_in_order_of_time() -> None:
    rows = [Row(0, MIDNIGHT_NS + 1, 1.0), Row(0, MIDNIGHT_NS + HOUR_NS, 3.0), Row(0, MIDNIGHT_NS + HOUR_NS + 1, 5.0)]
    table = ask(Wish("mean", ("hour",)), rows)
    assert table.rows == [[MIDNIGHT_NS, 1.0, 1, 1], [MIDNIGHT_NS + HOUR_NS, 4.0, 2, 1]]
    assert [(column.kind, column.unit) for column in table.columns[:2]] == [("time", ""), ("number", "Cel")]


def test_days_are_those_of_the_zone_that_is_asked_for() -> None:
    rows = [Row(0, MIDNIGHT_NS + 1, 1.0), Row(0, MIDNIGHT_NS + 20 * HOUR_NS, 3.0)]
    utc = ask(Wish("count", ("day",), zone="UTC"), rows, hours=24)
    assert [row[1] for row in utc.rows] == [2.0]
    kolkata = ask(Wish("count", ("day",), zone="Asia/Kolkata"), rows, hours=24)
    assert [row[1] for row in kolkata.rows] == [1.0, 1.0]
    assert kolkata.rows[0][0] == MIDNIGHT_NS - 5.5 * HOUR_NS


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("min", 1.0), ("max", 5.0), ("sum", 9.0), ("spread", 4.0), ("last", 3.0), ("count", 3.0), ("bad_percent", 25.0)],
)
def test_every_aggregate_is_what_its_name_says(aggregate: str, expected: float) -> None:
    rows = [
        Row(0, MIDNIGHT_NS + 1, 1.0),
        Row(0, MIDNIGHT_NS + 2, 5.0),
        Row(0, MIDNIGHT_NS + 3, 3.0),
        Row(0, MIDNIGHT_NS + 4, 9.0, 2),
    ]
    table = ask(Wish(aggregate, ("metric",)), rows)  # type: ignore[arg-type]  # from the list above
    assert table.rows[0][1] == expected


def test_texts_are_counted_and_never_averaged() -> None:
    rows = [Row(4, MIDNIGHT_NS + 1, 0.0)]
    assert ask(Wish("mean", ("metric",)), rows).rows == []


def test_nothing_in_that_time_is_an_empty_table() -> None:
    assert ask(Wish("mean", ("site", "day")), [Row(0, MIDNIGHT_NS - 1, 1.0)]).rows == []


def test_the_groups_agree_with_sums_over_random_rows() -> None:
    rng = np.random.default_rng(7)
    rows = [
        Row(int(i), MIDNIGHT_NS + int(at), float(v))
        for i, at, v in zip(
            rng.integers(0, 3, 500), np.sort(rng.integers(0, 2 * HOUR_NS, 500)), rng.normal(size=500), strict=True
        )
    ]
    table = ask(Wish("mean", ("site", "device", "hour")), rows)
    for site, device, hour, mean, count, _ in table.rows:
        number = next(i for i, one in enumerate(SITES) if one[:2] == (site, device))
        mine = [row for row in rows if row.series == number and hour <= row.ts < hour + HOUR_NS]  # type: ignore[operator]  # a time
        assert count == len(mine)
        assert mean == pytest.approx(sum(row.value for row in mine) / len(mine))
    assert sum(int(row[4] or 0) for row in table.rows) == 500


def test_long_spans_take_days_and_times_of_the_day_take_hours() -> None:
    assert Wish(by=("site",)).step_ns(30 * DAY_NS) == DAY_NS
    assert Wish(by=("site", "hour")).step_ns(30 * DAY_NS) == HOUR_NS
    assert Wish(by=("day",)).step_ns(30 * DAY_NS) == DAY_NS
    assert Wish(by=("day",), zone="Europe/London").step_ns(30 * DAY_NS) == HOUR_NS
    assert Wish(by=("day",), zone="Asia/Kolkata").step_ns(30 * DAY_NS) == HOUR_NS // 4
