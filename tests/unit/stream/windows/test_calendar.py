"""Days, shifts, months … of a time zone, beside Polars and on the days when clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from tests.unit.stream.windows.results import BASE, Row, S, Site, plan_of

from holdfast.stream.plans import Call, WindowSpec
from holdfast.stream.windows.calendar import Calendar

HOUR = 3_600 * S
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Adelaide", "America/St_Johns"]
EVERY = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo", "year": "1y"}


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(local.timestamp()) * S


def bounds(calendar: Calendar, ts: int) -> tuple[int, int]:
    number = calendar.number(np.array([ts]))
    return int(calendar.start(number)[0]), int(calendar.start(number + 1)[0])


def shown(calendar: Calendar, text: str) -> list[str]:
    """The interval that holds a UTC time, in UTC."""
    return [datetime.fromtimestamp(b // S, UTC).strftime("%m-%d %H:%M") for b in bounds(calendar, at(text))]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["hour", "day", "week", "month", "year"])
def test_an_interval_begins_where_polars_says(unit: str, zone: str) -> None:
    rng = np.random.default_rng(1)
    ts = rng.integers(at("2012-01-01"), at("2040-01-01"), 4_000)
    ts = np.sort(np.append(ts, np.arange(at("2026-03-28"), at("2026-03-31"), 7 * 60 * S)))
    calendar = Calendar(unit, zone)  # type: ignore[arg-type]
    column = pl.Series("t", ts).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(zone)
    want = column.dt.truncate(EVERY[unit]).dt.timestamp("ns").to_numpy()
    number = calendar.number(ts)
    assert (calendar.start(number) == want).all()
    assert (calendar.start(number + 1) > ts).all()
    assert (np.diff(number) >= 0).all()


def test_days_are_23_and_25_hours_long_where_clocks_change() -> None:
    days = Calendar("day", "Europe/Berlin")
    assert shown(days, "2026-03-29 12:00") == ["03-28 23:00", "03-29 22:00"]
    assert shown(days, "2026-10-25 12:00") == ["10-24 22:00", "10-25 23:00"]
    assert shown(days, "2026-07-01 00:00") == ["06-30 22:00", "07-01 22:00"]


def test_an_hour_that_comes_twice_is_two_windows() -> None:
    hours = Calendar("hour", "Europe/Berlin")
    assert shown(hours, "2026-10-25 00:30") == ["10-25 00:00", "10-25 01:00"]
    assert shown(hours, "2026-10-25 01:30") == ["10-25 01:00", "10-25 02:00"]
    half = Calendar("hour", "Australia/Lord_Howe")  # its clocks change by half an hour
    assert shown(half, "2026-04-04 14:30") == ["04-04 14:00", "04-04 15:30"]
    assert shown(half, "2026-10-03 15:40") == ["10-03 15:30", "10-03 16:00"]


def test_shifts_begin_by_the_clock_on_the_wall() -> None:
    shifts = Calendar("day", "Europe/Berlin", (6 * 3_600, 14 * 3_600, 22 * 3_600))
    assert shown(shifts, "2026-01-10 05:30") == ["01-10 05:00", "01-10 13:00"]
    assert shown(shifts, "2026-01-10 04:59") == ["01-09 21:00", "01-10 05:00"]
    assert shown(shifts, "2026-03-29 00:00") == ["03-28 21:00", "03-29 04:00"]  # 7 h
    assert shown(shifts, "2026-10-25 00:00") == ["10-24 20:00", "10-25 05:00"]  # 9 h


def test_a_start_that_clocks_skip_is_where_they_do_and_of_two_the_first_counts() -> None:
    early = Calendar("day", "Europe/Berlin", (9_000,))  # 02:30
    assert shown(early, "2026-03-29 01:00") == ["03-29 01:00", "03-30 00:30"]
    assert shown(early, "2026-10-25 00:30") == ["10-25 00:30", "10-26 01:30"]
    cairo = Calendar("day", "Africa/Cairo")  # 2026-04-24 has no midnight
    assert shown(cairo, "2026-04-24 10:00") == ["04-23 22:00", "04-24 21:00"]


def test_numbers_do_not_depend_on_which_times_came_before() -> None:
    moments = np.array([at("2026-06-01"), at("1969-06-01"), at("1971-01-05"), at("2101-01-01"), at("2019-12-31")])
    for unit in ("hour", "day", "week", "month", "year"):
        whole = Calendar(unit, "UTC").number(moments)
        one_by_one = Calendar(unit, "UTC")
        assert [int(one_by_one.number(moments[i : i + 1])[0]) for i in range(5)] == whole.tolist()
        fresh = Calendar(unit, "UTC")
        assert (fresh.start(whole) == one_by_one.start(whole)).all()


def test_what_no_calendar_reaches_is_one_interval() -> None:
    days = Calendar("day", "UTC")
    assert bounds(days, at("1950-01-01")) == (-(1 << 62), 0)
    assert bounds(days, at("2150-01-01")) == (at("2099-12-31"), 1 << 62)


@pytest.mark.parametrize(
    ("zone", "inside", "hours"),
    [("Europe/Berlin", "2026-03-29 10:00", 23), ("America/New_York", "2026-11-01 12:00", 25),
     ("UTC", "2026-11-01 12:00", 24)],
)  # fmt: skip
def test_a_day_window_is_its_zones_day(zone: str, inside: str, hours: int) -> None:  # streampipes#1292, flux#5368
    spec = WindowSpec("calendar", "calendar day", unit="day", zone=zone)
    site = Site(plan_of(spec, [Call("count", 0), Call("window_seconds"), Call("completeness", 0, (3_600.0,))]))
    begin, end = bounds(Calendar("day", zone), at(inside))
    rows: list[Row] = [("d", "m0", ts, 1.0, 0) for ts in range(begin, end + HOUR, HOUR)]
    (day,) = site.feed(rows)
    assert (day.start, day.end, day.values) == (begin, end, (hours, hours * 3_600.0, 1.0))


def test_calendar_windows_are_evaluated_in_order_whatever_the_batches_and_revised_while_late() -> None:
    spec = WindowSpec("calendar", "c", unit="hour", zone="Asia/Kolkata", late=2 * HOUR)
    calls = [Call("sum", 0), Call("revision"), Call("final")]
    rng = np.random.default_rng(3)
    ts = BASE + np.sort(rng.integers(0, 40, 300)) * (HOUR // 4) - rng.integers(0, 2, 300) * HOUR
    rows: list[Row] = [("d", "m0", int(t), float(i), 0) for i, t in enumerate(ts)]
    whole, split = Site(plan_of(spec, calls)), Site(plan_of(spec, calls))
    got = whole.feed(rows)
    assert [r for row in rows for r in split.feed([row])] == got
    assert {r.start % HOUR for r in got} == {HOUR // 2}
    assert max(r.revision for r in got) > 2
    last = {r.key: r for r in got + whole.tick(BASE + 99 * HOUR)}
    assert all(r.final for r in last.values())
    for (_, start, end), result in last.items():
        wanted = sum(v for _, _, t, v, _ in rows if start <= t < end)
        assert result.values[0] == wanted


def test_a_wholly_unknown_zone_is_refused() -> None:
    with pytest.raises(KeyError):
        Calendar("day", "Mars/Olympus")
