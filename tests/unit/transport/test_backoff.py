"""Pauses grow up to their limit, differ between peers, and begin anew after a success."""

from random import Random

from holdfast.transport.backoff import Backoff


def test_pauses_grow_up_to_their_limit() -> None:
    backoff = Backoff(1.0, 60.0, Random(1))
    pauses = [backoff.failed() for _ in range(50)]
    assert min(pauses) >= 1.0
    assert max(pauses) == 60.0


def test_two_that_fail_together_do_not_come_back_together() -> None:
    one, other = Backoff(1.0, 60.0, Random(2)), Backoff(1.0, 60.0, Random(3))
    assert [one.failed() for _ in range(3)] != [other.failed() for _ in range(3)]


def test_after_a_success_the_next_pause_is_a_short_one() -> None:
    backoff = Backoff(1.0, 60.0, Random(4))
    while backoff.failed() < 50.0:
        pass
    backoff.succeeded()
    assert backoff.failed() <= 3.0
