"""RFC 7641 §3.3.1, §3.4."""

from holdfast.adapters.coap.fresh import Fresh, holds_s


def test_numbers_that_grow_are_news_and_smaller_ones_came_late() -> None:
    fresh = Fresh()
    assert [fresh.is_news(number, 0.0) for number in (5, 6, 9, 8, 9, 10)] == [True, True, True, False, False, True]
    assert fresh.late == 2


def test_numbers_start_again_after_2_to_the_24() -> None:
    fresh = Fresh()
    assert [fresh.is_news(number, 0.0) for number in (2**24 - 2, 1, 2**24 - 1, 2)] == [True, True, False, True]


def test_after_128_seconds_any_number_is_news() -> None:
    fresh = Fresh()
    fresh.is_news(100, 0.0)
    assert not fresh.is_news(50, 128.0)
    assert fresh.is_news(50, 128.1)


def test_a_stream_holds_for_max_age_and_a_grace_but_never_for_more_than_an_hour() -> None:
    assert (holds_s(None), holds_s(10.0), holds_s(2**32 - 1)) == (65.0, 15.0, 3_605.0)
