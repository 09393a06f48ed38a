from random import Random

from holdfast.uplink.breaker import Breaker, Phase


def breaker() -> Breaker:
    return Breaker(trip_after=3, pause_min_s=1.0, pause_max_s=10.0, rng=Random(1))


def phase_of(b: Breaker) -> Phase:
    return b.phase  # a type checker would otherwise think that calls don't change it


def test_a_closed_breaker_lets_calls_through_and_pauses_after_a_failure() -> None:
    b = breaker()
    assert b.may_call(0.0)
    b.failed(0.0)
    assert phase_of(b) is Phase.CLOSED
    assert not b.may_call(0.5)
    assert 1.0 <= b.quiet_until <= 3.0
    assert b.may_call(b.quiet_until)


def test_enough_failures_in_a_row_open_it_and_then_one_probe_decides() -> None:
    b = breaker()
    for _ in range(3):
        b.failed(0.0)
    assert phase_of(b) is Phase.OPEN
    assert b.may_call(b.quiet_until)
    assert phase_of(b) is Phase.HALF_OPEN
    b.failed(b.quiet_until)
    assert phase_of(b) is Phase.OPEN
    assert b.may_call(b.quiet_until)
    b.succeeded()
    assert phase_of(b) is Phase.CLOSED
    assert b.may_call(0.0)


def test_pauses_are_jittered_and_bounded() -> None:
    b = breaker()
    pauses = set()
    for _ in range(50):
        b.failed(0.0)
        pauses.add(b.quiet_until)
    assert all(1.0 <= p <= 10.0 for p in pauses)
    assert len(pauses) > 5


def test_a_pause_that_the_parent_asks_for_is_honoured() -> None:
    b = breaker()
    b.failed(100.0, asked_s=60.0)
    assert b.quiet_until == 160.0
