"""Failed logins: who waits, how long, and what is forgotten."""

from holdfast.identity.people.throttle import FREE, MOST, Throttle


def failing(throttle: Throttle, times: int, name: str = "ann", address: str = "192.0.2.1", at: float = 0.0) -> None:
    for _ in range(times):
        throttle.failed(name, address, at)


def test_the_first_failures_are_free_and_every_further_one_doubles_the_wait() -> None:
    throttle = Throttle()
    failing(throttle, FREE - 1)
    assert throttle.wait_s("ann", "192.0.2.1", 0) == 0
    waits = []
    for _ in range(4):
        failing(throttle, 1)
        waits.append(throttle.wait_s("ann", "192.0.2.1", 0))
    assert waits == [1, 2, 4, 8]
    assert throttle.wait_s("ann", "192.0.2.1", 8) == 0


def test_somebody_elses_guesses_shut_nobody_out_for_more_than_a_minute() -> None:
    throttle = Throttle()
    failing(throttle, 40)
    assert throttle.wait_s("ann", "198.51.100.7", 0) == 60
    assert throttle.wait_s("bob", "192.0.2.1", 0) == 900
    assert throttle.wait_s("bob", "198.51.100.7", 0) == 0


def test_a_login_forgives_the_name_but_not_the_address() -> None:
    throttle = Throttle()
    failing(throttle, 10)
    throttle.passed("ann")
    assert throttle.wait_s("ann", "198.51.100.7", 0) == 0
    assert throttle.wait_s("ann", "192.0.2.1", 0) > 0


def test_failures_are_forgotten_after_an_hour() -> None:
    throttle = Throttle()
    failing(throttle, 40)
    assert throttle.wait_s("ann", "192.0.2.1", 3600) == 0
    failing(throttle, 1, at=3600)
    assert throttle.wait_s("ann", "192.0.2.1", 3600) == 0


def test_a_whole_ipv6_network_is_one_caller() -> None:
    throttle = Throttle()
    for n in range(FREE):
        throttle.failed(f"name-{n}", f"2001:db8::{n + 1}", 0)
    assert throttle.wait_s("other", "2001:db8::ffff", 0) == 1
    assert throttle.wait_s("other", "2001:db8:0:1::1", 0) == 0


def test_the_table_is_bounded_and_a_guesser_can_not_flush_its_own_address() -> None:
    throttle = Throttle(most=10)
    for n in range(1000):
        throttle.failed(f"name-{n}", "192.0.2.1", 0)
    assert len(throttle) == 10
    assert throttle.wait_s("fresh", "192.0.2.1", 0) == 900
    assert MOST == 4096
