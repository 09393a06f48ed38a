import math

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.history.stored import Row, batch

from holdfast.history.last_values import Last, LastValues
from holdfast.model.series import Catalogue, Kind, Series


def catalogue(count: int = 4, kind: Kind = Kind.FLOAT) -> Catalogue:
    known = Catalogue()
    for i in range(count):
        known.intern(Series("gw", f"d{i}", "m", "", kind))
    return known


ROWS = st.lists(st.builds(Row, st.integers(0, 3), st.integers(0, 20), st.floats(-10, 10), st.integers(0, 2)))


@given(st.lists(ROWS, max_size=6))
def test_the_newest_row_of_each_series_is_known(batches: list[list[Row]]) -> None:
    last = LastValues(catalogue())
    newest: dict[int, Row] = {}
    counts = dict.fromkeys(range(4), 0)
    for rows in batches:
        last.update(batch(rows))
        for row in rows:
            counts[row.series] += 1
            if row.series not in newest or row.ts >= newest[row.series].ts:
                newest[row.series] = row
    for series in range(4):
        known = newest.get(series)
        expected = None if known is None else Last(known.ts, known.value, known.quality, counts[series])
        assert last.get(series) == expected


def test_texts_ints_and_missing_numbers_are_spoken() -> None:
    texts = LastValues(catalogue(2, Kind.TEXT))
    texts.update(batch([Row(0, 1, 0.0), Row(1, 2, 1.0), Row(0, 3, 1.0)], ("on", "off")))
    assert [value.value for value in (texts.get(0), texts.get(1)) if value] == ["off", "off"]
    texts.update(batch([Row(0, 4, math.nan, 2), Row(1, 4, 0.0)], ("again",)))
    assert [value.value for value in (texts.get(0), texts.get(1)) if value] == [None, "again"]
    numbers = LastValues(catalogue(2, Kind.INT))
    numbers.update(batch([Row(0, 1, 5.0), Row(1, 1, math.nan, 2)]))
    assert [value.value for value in (numbers.get(0), numbers.get(1)) if value] == [5, None]


def test_room_is_made_for_many_series() -> None:
    last = LastValues(catalogue(3000))
    last.update(batch([Row(i, 1, float(i)) for i in range(3000)]))
    assert last.get(2999) == Last(1, 2999.0, 0, 1)
    assert last.get(5000) is None


def test_series_past_the_limit_are_counted_not_kept() -> None:
    last = LastValues(catalogue(), limit=2)
    last.update(batch([Row(1, 1, 1.0), Row(2, 1, 1.0), Row(3, 1, 1.0)]))
    assert last.missed == 2
    assert last.get(1) is not None
    assert last.get(2) is None
