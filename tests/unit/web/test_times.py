from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.web.errors import Refused
from holdfast.web.times import parse_step, parse_time

S = 10**9
NOW = 1_700_000_000 * S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-1h", NOW - 3600 * S),
        ("now-90s", NOW - 90 * S),
        ("now+5m", NOW + 300 * S),
        ("+5m", NOW + 300 * S),
        ("0", 0),
        ("1700000000", NOW),
        ("1700000000.5", NOW + S // 2),
        ("1700000000000", NOW),
        ("-1700000000", -NOW),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14T23:13:20 01:00", NOW),
        ("2023-11-14", NOW - 80_000 * S),
        ("2023-11-14T22:13:20.123456Z", NOW + 123_456_000),
    ],
)
def test_a_time_reads_in_each_way(text: str, expected: int) -> None:
    assert parse_time("from", text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1 parsec", "now-", "- 1h", "2023-13-01", "12:00", "1e9", "٣"])
def test_what_is_no_time_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(Refused, match="is no time") as caught:
        parse_time("from", text, NOW)
    assert "ISO 8601" in caught.value.hint


@pytest.mark.parametrize("text", ["9999-01-01", "0001-01-01", "-99999999999999", "-99999999999d"])
def test_a_time_that_64_bits_cant_hold_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="out of range"):
        parse_time("from", text, NOW)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001  # the strategy wants naive bounds
def test_an_iso_time_is_exact_to_the_microsecond(when: datetime) -> None:
    since = when.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    exact = (since.days * 86_400 + since.seconds) * S + since.microseconds * 1000
    assert parse_time("to", when.isoformat(), NOW) == exact


@pytest.mark.parametrize(("text", "expected"), [("10s", 10 * S), ("250ms", S // 4), ("60", 60 * S), ("0.5", S // 2)])
def test_a_step_reads_with_or_without_unit(text: str, expected: int) -> None:
    assert parse_step(text) == expected


@pytest.mark.parametrize(
    ("text", "said"), [("x", "no duration"), ("", "no duration"), ("0", "range"), ("99999999d", "range")]
)
def test_a_step_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        parse_step(text)
