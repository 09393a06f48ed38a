"""How much may go up: floods, a day's end, restarts, clocks that are set."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.kernel.clock import NS_PER_S
from holdfast.reporting.allowance import Allowance

DAY = 86_400 * NS_PER_S


def test_a_flood_gets_an_eighth_of_a_day_at_once_and_then_goes_on_at_an_even_pace() -> None:
    allowance = Allowance(80_000, 0)
    assert sum(allowance.take(100, 0, is_urgent=True) for _ in range(1_000)) == 100
    assert sum(allowance.take(100, DAY // 80, is_urgent=True) for _ in range(1_000)) == 10


def test_half_of_it_is_kept_for_warnings_and_errors() -> None:
    allowance = Allowance(80_000, 0)
    assert sum(allowance.take(100, 0, is_urgent=False) for _ in range(1_000)) == 50
    assert sum(allowance.take(100, 0, is_urgent=True) for _ in range(1_000)) == 50


def test_a_restart_gives_nothing_back_and_the_time_it_took_counts() -> None:
    allowance = Allowance(80_000, 0)
    while allowance.take(100, 0, is_urgent=True):
        pass
    assert not Allowance(80_000, 0, allowance.stored).take(100, 0, is_urgent=True)
    assert Allowance(80_000, DAY // 800, allowance.stored).take(100, DAY // 800, is_urgent=True)


def test_what_was_stored_by_nobody_or_is_no_number_is_a_full_bucket() -> None:
    for stored in ("", "nonsense", "12", "-1 5"):
        assert Allowance(80_000, 0, stored).left == 10_000


@given(st.lists(st.tuples(st.integers(-DAY, DAY), st.integers(1, 5_000), st.booleans()), max_size=60))
def test_whatever_the_clock_does_no_more_goes_than_the_bucket_and_the_time_that_it_showed(
    steps: list[tuple[int, int, bool]],
) -> None:
    allowance, now, forward, gone = Allowance(80_000, 10 * DAY), 10 * DAY, 0, 0
    for step, size, is_urgent in steps:
        now, forward = now + step, forward + max(0, step)
        gone += size if allowance.take(size, now, is_urgent=is_urgent) else 0
    assert gone <= 10_000 + 80_000 * forward / DAY + 1
    assert allowance.left >= 0
