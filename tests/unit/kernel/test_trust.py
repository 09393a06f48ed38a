from hypothesis import given
from hypothesis import strategies as st

from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.kernel.trust import PROGRAM_MADE_NS, Anchor, ClockWatch, Step, Trust

S = NS_PER_S
HOUR = 3600
YEAR_S = 365 * 86400
NOW = PROGRAM_MADE_NS + 2 * YEAR_S * S


def watch(newest_ns: int = 0, resumed: Anchor | None = None) -> ClockWatch:
    return ClockWatch(S, HOUR * S, PROGRAM_MADE_NS, newest_ns, resumed)


class Machine:
    """A clock and the watch over it, looked at once a second."""

    def __init__(self, wall_ns: int, uptime_s: float = 5.0, newest_ns: int = 0) -> None:
        self.clock = ManualClock(wall_ns, uptime_s)
        self.watch = watch(newest_ns)
        self.kernel: bool | None = False
        self.look()

    def look(self) -> Step | None:
        return self.watch.observe(self.clock.wall_ns(), self.clock.boottime_ns(), self.kernel)

    def trust(self) -> Trust:
        return self.watch.trust

    def run(self, seconds: int) -> list[Step]:
        steps = []
        for _ in range(seconds):
            self.clock.advance(1)
            step = self.look()
            steps += [] if step is None else [step]
        return steps

    def now(self) -> int:
        return self.watch.wall_ns(self.clock.wall_ns(), self.clock.boottime_ns())


def test_a_machine_that_boots_in_1970_is_unset_until_a_step_lands_in_this_century() -> None:
    machine = Machine(5 * S)
    assert machine.trust() is Trust.UNSET
    assert machine.run(60) == []
    machine.clock.set_wall(NOW)
    step = machine.look()
    assert step is not None
    assert (step.was, step.trust, step.before_ns, step.after_ns) == (Trust.UNSET, Trust.FREE, 65 * S, NOW)
    machine.kernel = True
    assert machine.run(1) == []
    assert machine.trust() is Trust.TRUSTED


def test_while_unset_the_time_goes_on_evenly_whatever_is_done_to_the_clock() -> None:
    machine = Machine(5 * S)
    for wall in (10**15, 3, 10**17):
        machine.clock.set_wall(wall)
        assert machine.run(10) == []
    assert machine.now() == 35 * S
    machine.clock.set_wall(NOW)
    step = machine.look()
    assert step is not None
    assert step.offset_ns == NOW - 35 * S


def test_a_boot_before_a_time_this_node_was_synchronised_at_is_unset() -> None:
    machine = Machine(NOW - HOUR * S, newest_ns=NOW)
    assert machine.trust() is Trust.UNSET
    machine.kernel = True  # NTP says the journal's time was the wrong one
    machine.run(1)
    assert machine.trust() is Trust.TRUSTED


def test_a_plausible_clock_that_nobody_keeps_is_used_and_marked_only_soon_after_the_boot() -> None:
    early, late = Machine(NOW), Machine(NOW, uptime_s=2 * HOUR)
    assert early.watch.trust is late.watch.trust is Trust.FREE
    assert early.watch.doubt.unverified_before > NOW
    assert not late.watch.doubt
    early.clock.advance(HOUR)
    early.look()
    assert not early.watch.doubt


def test_a_clock_at_its_last_shutdown_is_set_and_older_stamps_on_their_way_are_still_marked() -> None:
    machine = Machine(NOW)
    machine.run(30)
    machine.clock.set_wall(NOW + 7 * 86400 * S)
    machine.kernel = True
    step = machine.look()
    assert step is not None
    assert step.was is Trust.FREE
    assert machine.watch.doubt.unverified_before == NOW + 30 * S + 1
    machine.watch.settled()
    assert not machine.watch.doubt


def test_losing_the_time_server_changes_nothing() -> None:
    machine = Machine(NOW)
    machine.kernel = True
    machine.run(1)
    machine.kernel = False
    machine.run(10)
    assert machine.trust() is Trust.TRUSTED


def test_a_battery_that_dies_while_running_makes_the_clock_unset() -> None:
    machine = Machine(NOW)
    machine.clock.set_wall(0)
    step = machine.look()
    assert step is not None
    assert machine.trust() is Trust.UNSET
    assert machine.now() == 0


def test_slewing_and_looking_late_are_no_steps() -> None:
    machine = Machine(NOW)
    for _ in range(100):
        machine.clock.advance(3600)
        machine.clock.set_wall(machine.clock.wall_ns() + 1_800_000_000)  # 500 ppm
        assert machine.look() is None


def test_a_process_started_again_in_the_same_boot_goes_on_where_the_last_one_was() -> None:
    again = watch(resumed=Anchor(Trust.UNSET, 0))
    assert again.observe(100 * S, 100 * S) is None
    step = again.observe(NOW, 110 * S)
    assert step is not None
    assert step.offset_ns == NOW - 110 * S
    set_meanwhile = watch(resumed=Anchor(Trust.UNSET, 0))
    step = set_meanwhile.observe(NOW, 110 * S, synchronised=True)
    assert step is not None
    assert (step.was, step.offset_ns) == (Trust.UNSET, NOW - 110 * S)


@given(
    st.lists(st.tuples(st.integers(-10 * YEAR_S, 10 * YEAR_S), st.integers(0, 120), st.booleans()), max_size=40),
    st.sampled_from([0, NOW - YEAR_S * S, NOW, NOW + 10 * YEAR_S * S]),
)
def test_whatever_is_done_to_the_clock_the_watch_measures_it_exactly(
    jumps: list[tuple[int, int, bool]], start_ns: int
) -> None:
    machine = Machine(start_ns)
    for jump_s, pause_s, kernel in jumps:
        machine.kernel = kernel
        before = machine.now()
        machine.clock.set_wall(max(0, machine.clock.wall_ns() + jump_s * S))
        step = machine.look()
        if step is not None:
            assert (step.before_ns, step.after_ns) == (before, machine.clock.wall_ns())
            assert abs(step.offset_ns) > S
        if machine.trust() is Trust.UNSET:
            assert step is not None or machine.now() == before
        else:
            assert machine.now() == machine.clock.wall_ns()
        machine.run(pause_s % 3)
