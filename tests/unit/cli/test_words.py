import pytest

from holdfast.cli.words import lasting, many, payload, plain, size, table, when


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1234, "1.23 kB"), (999_600, "1 MB"), (2e15, "2000 TB")],
)
def test_sizes_are_said_in_decimal_units(count: float, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "0.25 s"), (59, "59 s"), (60, "1 min"), (3725, "1 h 2 min"), (86_400, "1 d"), (90_061, "1 d 1 h")],
)
def test_durations_are_said_in_their_two_largest_units(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_times_and_counts() -> None:
    assert when(1_700_000_000 * 10**9) == "2023-11-14T22:13:20Z"
    assert (many(1, "row"), many(2000, "row")) == ("1 row", "2,000 rows")


def test_foreign_text_can_not_move_the_cursor_or_change_colours() -> None:
    assert plain("a\x1b[31mb\u202e\n") == "a\\x1b[31mb\\u202e\\n"
    assert plain("abcdef", 4) == "abc…"


def test_payloads_are_text_where_they_are_text_and_hex_otherwise() -> None:
    assert payload(b'{"a":\n\x1b1}') == '{"a":\n\\x1b1}'
    assert payload(bytes(range(0xF0, 0x100)) + b"ok") == (
        "000000  f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 fa fb fc fd fe ff  ................\n" + f"000010  {'6f 6b':<47}  ok"
    )


def test_tables_are_aligned() -> None:
    assert table([["a", "count"], ["long", "7"]], (1,)) == ["a     count", "long      7"]
    assert table([]) == []
