"""Who answered lately: windows beside a list of everything."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.inference.serving.shares import SLOTS, WINDOW_S, Shares

STEPS = st.lists(st.tuples(st.floats(0, 700), st.integers(1, 1_000), st.booleans()), max_size=60)


@given(st.floats(0, 1e6), STEPS)
def test_it_counts_what_came_in_the_last_ten_minutes_and_nothing_older(
    began: float, steps: list[tuple[float, int, bool]]
) -> None:
    shares, now = Shares(), began
    came: list[tuple[float, int, bool]] = []
    for pause, rows, fallen in steps:
        now += pause
        shares.add(rows, now, fallen=fallen)
        came.append((now, rows, fallen))
        found = shares.of(now)
        slot = WINDOW_S / SLOTS
        sure = [one for one in came if one[0] > now - WINDOW_S + slot]
        perhaps = [one for one in came if one[0] >= now - WINDOW_S]
        for count, choose in ((found.answered, (False, True)), (found.fallen, (True,))):
            least, most = (sum(n for _, n, by in some if by in choose) for some in (sure, perhaps))
            assert least <= count <= most


def test_after_ten_quiet_minutes_nothing_is_left() -> None:
    shares = Shares()
    shares.add(3, 100.0, fallen=True)
    shares.add(5, 100.0, fallen=False)
    assert shares.of(500.0) == (8, 3)
    assert shares.of(100.0 + WINDOW_S + 1) == (0, 0)
