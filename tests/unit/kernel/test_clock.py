from holdfast.kernel.clock import NS_PER_S, ManualClock, SystemClock


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(wall_ns=0)
    clock.advance(1.5)
    assert (clock.wall_ns(), clock.monotonic()) == (1_500_000_000, 1.5)
    clock.set_wall(7)
    assert (clock.wall_ns(), clock.monotonic()) == (7, 1.5)


def test_the_system_clock_knows_this_century_and_never_runs_backwards() -> None:
    clock = SystemClock()
    assert clock.wall_ns() > 1_600_000_000 * NS_PER_S
    assert clock.monotonic() <= clock.monotonic()
