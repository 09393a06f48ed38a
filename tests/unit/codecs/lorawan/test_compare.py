"""What counts as the same result, and how a difference is told."""

import math

import pytest

from holdfast.codecs.lorawan.compare import CLOSE, differences, result_differences


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2.0], "a": 1}),
        ({"a": 0.0}, {"a": -0.0}),
        ({"a": math.nan}, {"a": None}),
        ([{"x": None}], [{"x": None}]),
        (0.1 + 0.2, 0.3),
    ],
)
def test_these_are_the_same(wanted: object, got: object) -> None:
    assert differences(wanted, got) == []


@pytest.mark.parametrize(
    ("wanted", "got", "said"),
    [
        ({"a": 1}, {"a": True}, "a: wanted 1, got True"),
        ({"a": {"b": 1}}, {"a": {}}, "a.b: wanted 1, is missing"),
        ({}, {"a": 1}, "a: not wanted, got 1"),
        ([1, 2], [1], ": wanted 2 elements, got 1"),
        ([1, 2], [1, 3], "[1]: wanted 2, got 3"),
        ({"a": "1"}, {"a": 1}, "a: wanted '1', got 1"),
        ({"a": 1.0}, {"a": 1.000001}, "a: wanted 1.0, got 1.000001"),
    ],
)
def test_these_differ_and_it_says_where(wanted: object, got: object, said: str) -> None:
    assert differences(wanted, got) == [said]


def test_close_is_enough_where_an_example_says_so() -> None:
    assert differences({"a": 1000.0}, {"a": 1000.0005}, CLOSE) == []


def test_no_warnings_are_an_empty_list_of_them_and_beside_errors_data_do_not_count() -> None:
    assert result_differences({"data": {"a": 1}}, {"data": {"a": 1}, "warnings": [], "errors": None}) == []
    assert result_differences({"errors": ["no"]}, {"errors": ["no"], "data": {"half": 1}}) == []
    assert result_differences({"data": {}}, {"data": {}, "errors": ["no"]}) == ["errors: not wanted, got ['no']"]
    assert result_differences({"data": {}}, {"data": {}, "more": 1}) == []
