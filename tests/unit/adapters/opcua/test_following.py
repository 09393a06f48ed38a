"""Numbers of messages: what was missed is asked for, or said."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.opcua.following import Following, Turn

LAST = 2**32 - 1


def test_messages_in_order_owe_nothing() -> None:
    one = Following()
    assert [one.take(i, [i], is_quiet=False) for i in (1, 2, 3)] == [Turn()] * 3
    assert one.take(4, [], is_quiet=True) == Turn(is_new=False)
    assert one.take(4, [4], is_quiet=False) == Turn()


def test_what_is_missing_is_asked_for_as_far_as_the_server_keeps_it() -> None:
    one = Following()
    one.take(1, [], is_quiet=False)
    assert one.take(5, [3, 4, 5], is_quiet=False) == Turn((3, 4), 1)
    assert one.take(8, [6, 7], is_quiet=True) == Turn((6, 7), 0, is_new=False)  # a keep-alive tells it, too


def test_a_repeat_is_not_taken_twice() -> None:
    one = Following()
    one.take(1, [], is_quiet=False)
    one.take(2, [], is_quiet=False)
    assert one.take(1, [], is_quiet=False) == Turn(is_new=False)
    assert one.expected == 3


def test_numbers_begin_again_at_one_not_at_nought() -> None:
    one = Following()
    one.expected = LAST
    assert one.take(LAST, [], is_quiet=False) == Turn()
    assert one.take(2, [1], is_quiet=False) == Turn((1,), 0)
    assert one.expected == 3


def test_a_leap_beyond_all_reason_is_a_gap_and_not_a_thousand_questions() -> None:
    one = Following()
    assert one.take(5_000, range(1, 5_000), is_quiet=False) == Turn((), 4_999)


@given(st.lists(st.tuples(st.integers(0, 2**32), st.booleans()), max_size=30))
def test_whatever_numbers_come_the_next_one_expected_is_a_number(messages: list[tuple[int, bool]]) -> None:
    one = Following()
    for number, is_quiet in messages:
        turn = one.take(number, [], is_quiet=is_quiet)
        assert len(turn.republish) + turn.lost <= LAST
        assert 1 <= one.expected <= LAST
