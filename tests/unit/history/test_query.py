import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.history.stored import Row, StoredGroups

from holdfast.history import query as module
from holdfast.history import tiers
from holdfast.history.answers import AGGREGATES, Answer, Column
from holdfast.history.errors import QueryInvalid
from holdfast.history.query import History
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue, Kind, Series

KINDS = [Kind.FLOAT, Kind.INT, Kind.BOOL, Kind.TEXT]


def catalogue() -> Catalogue:
    known = Catalogue()
    for i, kind in enumerate(KINDS):
        known.intern(Series("gw", f"d{i}", "m", "", kind))
    return known


def ask(groups: StoredGroups, *patterns: str, span: tuple[int, int] = (0, 1000), **more: Any) -> Answer:
    return History(groups, catalogue()).query(patterns or ("*",), *span, **more)


def points(answer: Answer, place: int = 0) -> list[tuple[int, Any]]:
    column = answer.series[place]
    return list(zip(column.ts, column.value or [], strict=True))


ROW = st.builds(
    Row,
    st.integers(0, 2),
    st.integers(-10, 110),
    st.integers(0, 1).map(float),
    st.sampled_from([0, 1, 2]),
)


@given(st.lists(st.lists(ROW, min_size=1, max_size=8), max_size=8), st.integers(0, 60), st.integers(1, 60))
def test_raw_points_are_the_oldest_rows_in_time_order(groups: list[list[Row]], from_ns: int, limit: int) -> None:
    stored = StoredGroups()
    for rows in groups:
        stored.add(rows)
    answer = ask(stored, span=(from_ns, 100), limit=limit)
    inside = [r for rows in groups for r in rows if from_ns <= r.ts < 100]
    kept = sorted(inside, key=lambda r: r.ts)[:limit]
    assert answer.truncated == (len(inside) > limit)
    for place in range(3):
        mine = [r for r in kept if r.series == place]
        assert points(answer, place) == [(r.ts, r.value) for r in mine]
        assert answer.series[place].quality == [r.quality for r in mine]


@given(st.lists(st.lists(ROW, min_size=1, max_size=8), max_size=8), st.integers(1, 50))
def test_steps_hold_what_plain_python_finds(groups: list[list[Row]], step: int) -> None:
    stored = StoredGroups()
    for rows in groups:
        stored.add(rows)
    answer = ask(stored, "d0/m", span=(0, 100), step_ns=step)
    column = answer.series[0]
    everything = [r for rows in groups for r in rows if r.series == 0 and 0 <= r.ts < 100]
    steps = sorted({r.ts // step * step for r in everything})
    assert column.ts == steps
    for i, start in enumerate(steps):
        inside = [r for r in everything if r.ts // step * step == start]
        good = [r.value for r in inside if r.quality != 2]
        assert (column.count or [])[i] == len(good)
        assert (column.bad or [])[i] == len(inside) - len(good)
        assert (column.max or [])[i] == (max(good) if good else None)
        assert (column.mean or [])[i] == (pytest.approx(sum(good) / len(good)) if good else None)


def test_each_kind_of_value_is_spoken_as_itself() -> None:
    stored = StoredGroups()
    stored.add([Row(0, 1, 1.5), Row(1, 1, 7.0), Row(2, 1, 1.0), Row(3, 1, 0.0)], ("on",))
    stored.add([Row(0, 2, math.nan, 2), Row(1, 2, math.nan, 2), Row(2, 2, 0.0), Row(3, 2, 1.0)], ("on", "off"))
    answer = ask(stored)
    assert [points(answer, i) for i in range(4)] == [
        [(1, 1.5), (2, None)],
        [(1, 7), (2, None)],
        [(1, True), (2, False)],
        [(1, "on"), (2, "off")],
    ]
    assert [c.kind for c in answer.series] == ["float", "int", "bool", "text"]


def test_a_text_series_has_count_and_last_but_no_mean() -> None:
    stored = StoredGroups()
    stored.add([Row(3, 1, 0.0), Row(3, 2, 1.0)], ("on", "off"))
    stored.add([Row(3, 3, math.nan, 2)], ("x",))
    column = ask(stored, "d3/m", step_ns=1000).series[0]
    assert column == Column("gw/d3/m", "", "text", [0], count=[2], bad=[1], last=["off"])


def test_a_text_step_of_bad_rows_only_has_no_last() -> None:
    stored = StoredGroups()
    stored.add([Row(3, 1, math.nan, 2)])
    assert ask(stored, "d3/m", step_ns=1000).series[0].last == [None]


def test_only_the_wanted_aggregates_are_given() -> None:
    stored = StoredGroups()
    stored.add([Row(0, 1, 1.0)])
    column = ask(stored, "d0/m", step_ns=10, aggregates=("max",)).series[0]
    assert column == Column("gw/d0/m", "", "float", [0], max=[1.0])
    assert len(AGGREGATES) == 6


def test_a_series_without_rows_is_answered_empty_and_an_unknown_name_with_nothing() -> None:
    assert ask(StoredGroups(), "d0/m").series == [Column("gw/d0/m", "", "float", [], [], [])]
    assert ask(StoredGroups(), "nobody/m").series == []


def test_rows_of_every_lane_are_found_and_events_are_passed_over() -> None:
    stored = StoredGroups()
    for lane in Lane:
        stored.add([Row(0, 10 + lane, 1.0)], lane=lane)
    assert [ts for ts, _ in points(ask(stored, "d0/m"))] == [10, 11, 12, 13, 14, 15]


def test_a_series_newer_than_the_question_is_not_part_of_the_answer() -> None:
    stored = StoredGroups()
    stored.add([Row(9, 1, 1.0), Row(0, 1, 2.0)])
    assert points(ask(stored, "*")) == [(1, 2.0)]


def test_reading_stops_at_the_scan_bound_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "SCAN_ROWS", 2)
    stored = StoredGroups()
    for ts in range(5):
        stored.add([Row(0, ts, 1.0)])
    answer = ask(stored, "d0/m", step_ns=1000)
    assert answer.truncated
    assert answer.series[0].count == [2]


def test_rows_are_aggregated_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiers, "_CHUNK", 2)
    stored = StoredGroups()
    for ts in range(5):
        stored.add([Row(0, ts, float(ts))])
    assert ask(stored, "d0/m", step_ns=1000).series[0].max == [4.0]


def test_a_limit_of_nothing_gives_nothing() -> None:
    stored = StoredGroups()
    stored.add([Row(0, 1, 1.0)])
    answer = ask(stored, "d0/m", limit=0)
    assert (points(answer), answer.truncated) == ([], True)


@pytest.mark.parametrize(
    ("span", "step", "said"),
    [((5, 5), None, "not before"), ((0, 10), 0, "not above zero"), ((0, 10**9), 1, "more than")],
)
def test_a_question_that_cant_be_answered_is_refused(span: tuple[int, int], step: int | None, said: str) -> None:
    with pytest.raises(QueryInvalid, match=said) as caught:
        ask(StoredGroups(), span=span, step_ns=step)
    assert caught.value.hint


def test_too_many_series_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SERIES", 3)
    with pytest.raises(QueryInvalid, match="at most 3"):
        ask(StoredGroups(), "*")
