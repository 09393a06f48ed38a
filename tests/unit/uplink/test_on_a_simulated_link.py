import itertools
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.uplink.simulated import NS, Outcome, World

from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.uplink.levels import Level
from holdfast.uplink.plan import Clocked
from holdfast.uplink.settings import BudgetSettings, ParentSettings

SETTINGS = ParentSettings("https://hub", "ca.pem", "token")
SLOW, FAST = 8_000.0, 1_250_000.0  # 64 kbit/s, 10 Mbit/s
DAY = 86_400


def p99(values: Sequence[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


def with_budget(budget: BudgetSettings) -> ParentSettings:
    return msgspec.structs.replace(SETTINGS, budget=budget)


def level_of(world: World) -> Level:
    return world.plan.report(world.now).level


@pytest.mark.parametrize("rtt_s", [0.05, 0.6])
def test_on_64_kbit_with_a_million_rows_waiting_an_alarm_is_there_within_3_seconds(rtt_s: float) -> None:
    world = World(SETTINGS, speeds=((0.0, SLOW),), rtt_s=rtt_s)
    world.append(Lane.BULK, 1_000_000)
    world.append(Lane.NORMAL, 100_000)
    for i in range(700):
        world.append(Lane.CRITICAL, 1, at=5.0 + 5.13 * i)
    world.run(3600.0)
    assert level_of(world) is Level.NARROW
    assert len(world.waits) == 700
    assert p99(world.waits) <= 3.0
    assert max(world.waits) <= 5.0
    assert world.wms[1:] == [100_000, 1_000_000]  # and bulk uses the rest of the link


def test_a_burst_of_critical_rows_larger_than_a_body_arrives_in_order_on_a_slow_link() -> None:
    world = World(SETTINGS)
    world.append(Lane.BULK, 1_000_000)
    world.append(Lane.CRITICAL, 1_000, at=100.0)  # 180 kB: 23 s of the link
    world.run(140.0)
    assert world.wms[0] == 1_000


@pytest.mark.parametrize("rtt_s", [0.02, 0.6])
def test_a_link_that_gets_fast_is_wide_again_within_35_seconds(rtt_s: float) -> None:
    world = World(SETTINGS, speeds=((0.0, SLOW), (600.0, FAST)), rtt_s=rtt_s)
    world.append(Lane.BULK, 20_000_000)
    world.run(600.0)
    assert level_of(world) is Level.NARROW
    world.run(635.0)
    assert level_of(world) is Level.WIDE
    before = world.sent[Lane.BULK]
    world.run(655.0)
    assert world.sent[Lane.BULK] - before > 0.2 * 20 * FAST / (1 + rtt_s)


def test_even_a_link_of_2_kbit_that_gets_fast_is_found_again() -> None:
    world = World(SETTINGS, speeds=((0.0, 250.0), (2000.0, FAST)))
    world.append(Lane.BULK, 1_000_000)
    world.run(2000.0)
    assert level_of(world) is Level.TRICKLE
    world.run(2150.0)
    assert level_of(world) is Level.WIDE


def test_a_parent_that_was_busy_for_a_moment_is_not_taken_for_a_trickling_link_for_long() -> None:
    world = World(SETTINGS, speeds=((0.0, FAST), (60.0, 1_000.0), (63.0, FAST)))
    for second in range(120):
        world.append(Lane.BULK, 500, at=float(second))
    seen = set()
    for tenth in range(600, 660):
        world.run(tenth / 10)
        seen.add(level_of(world))
    assert Level.TRICKLE in seen
    world.run(70.0)
    assert level_of(world) is not Level.TRICKLE
    assert world.wms[Lane.BULK] >= 500 * 69


def test_probes_of_a_link_that_goes_on_trickling_become_seldom() -> None:
    world = World(SETTINGS, speeds=((0.0, 300.0),))
    world.append(Lane.BULK, 1_000_000)
    world.run(3_600.0)
    assert level_of(world) is Level.TRICKLE
    times = [at for at, _, _ in world.bodies if at > 600.0]
    assert all(later - sooner > 29.0 for sooner, later in itertools.pairwise(times))


def test_a_link_that_gets_slow_is_noticed_with_the_bodies_under_way() -> None:
    world = World(SETTINGS, speeds=((0.0, FAST), (60.0, 50_000.0)))
    world.append(Lane.BULK, 20_000_000)
    world.run(60.0)
    assert level_of(world) is Level.WIDE
    world.run(75.0)
    assert level_of(world) is Level.NARROW
    world.run(100.0)
    assert all(body <= 110_000 for at, _, body in world.bodies if at > 75.0)


def test_a_narrow_link_carries_bodies_of_about_100_kb_and_uses_most_of_itself() -> None:
    world = World(SETTINGS, speeds=((0.0, 100_000.0),), rtt_s=0.05)
    world.append(Lane.BULK, 5_000_000)
    world.run(120.0)
    assert level_of(world) is Level.NARROW
    assert all(body <= 110_000 for _, _, body in world.bodies)
    assert sum(world.sent) > 0.8 * 120 * 100_000


def test_a_fast_link_is_reached_by_doubling_from_a_small_body() -> None:
    world = World(SETTINGS, speeds=((0.0, 12_500_000.0),), rtt_s=0.01)
    world.append(Lane.BULK, 1_000_000)
    world.run(5.0)
    bodies = [body for _, _, body in world.bodies]
    assert bodies[0] < 17_000
    assert all(after <= 4.2 * before for before, after in itertools.pairwise(bodies))
    assert world.wms[2] == 1_000_000


def test_lane_2_waits_for_lane_1_on_a_narrow_link_but_never_the_other_way() -> None:
    world = World(SETTINGS, speeds=((0.0, 60_000.0),), rtt_s=0.05)
    world.append(Lane.NORMAL, 200_000)
    world.append(Lane.BULK, 200_000)
    world.run(120.0)
    lanes = [lane for _, lane, _ in world.bodies]
    first_bulk = lanes.index(Lane.BULK)
    assert lanes[first_bulk:].count(Lane.NORMAL) <= 1  # lane 1's last rows, which linger
    assert world.wms[1:] == [200_000, 200_000]


def test_an_exhausted_day_stops_bulk_until_utc_midnight_but_not_critical_rows() -> None:
    budget = BudgetSettings(per_day=200_000, cost_per_mb=0.8)
    world = World(with_budget(budget), speeds=((0.0, FAST),), started=19_700 * DAY + 12 * 3600)
    world.append(Lane.BULK, 1_000_000)
    for i in range(20):
        world.append(Lane.CRITICAL, 1, at=3600.0 * i)
    world.run(12 * 3600.0 - 1)
    assert 190_000 <= world.sent[2] <= 220_000  # and what the calls cost beside their bodies
    assert len(world.waits) == 12
    report = world.plan.report(world.now)
    assert report.budget.day_left == 0
    assert report.window_in_s == 1.0
    assert report.budget.day_cost == pytest.approx(report.budget.day_bytes / 1e6 * 0.8)
    world.run(12 * 3600.0 + 60)
    assert world.sent[2] > 380_000  # woken at midnight, by itself


def test_critical_rows_beyond_their_own_budget_wait_for_tomorrow() -> None:
    budget = BudgetSettings(per_day=1, critical_per_day=20_000)
    world = World(with_budget(budget), speeds=((0.0, FAST),), started=19_700 * DAY)
    for i in range(100):
        world.append(Lane.CRITICAL, 10, at=60.0 * i)
    world.run(2.0 * 3600)
    assert 5_000 < world.sent[0] < 25_000
    world.run(DAY + 60.0)
    assert world.sent[0] > 25_000


def test_outside_the_allowed_hours_only_critical_rows_go() -> None:
    budget = BudgetSettings(hours=(22 * 60, 6 * 60), timezone="+02:00")
    world = World(with_budget(budget), speeds=((0.0, FAST),), started=19_700 * DAY + 12 * 3600)
    for i in range(24):
        world.append(Lane.NORMAL, 5_000, at=3600.0 * i + 1)
        world.append(Lane.CRITICAL, 1, at=3600.0 * i + 1)
    world.run(24 * 3600.0)
    hours = {int((12 + at / 3600) % 24) for at, lane, _ in world.bodies if lane is Lane.NORMAL}
    assert hours == {20, 21, 22, 23, 0, 1, 2, 3}  # UTC
    assert len(world.waits) == 24


def test_a_wall_clock_that_is_set_moves_the_hours() -> None:
    world = World(with_budget(BudgetSettings(hours=(60, 120))), speeds=((0.0, FAST),), started=0)
    world.append(Lane.BULK, 1000)
    world.run(10.0)
    assert world.sent[2] == 0
    world.at(10.0, lambda: world._tell(Clocked((19_700 * DAY + 3600) * NS)))
    world.run(20.0)
    assert world.wms[2] == 1000


def test_a_body_that_a_proxy_refuses_is_halved_and_nobody_else_waits() -> None:
    world = World(SETTINGS, speeds=((0.0, FAST),), rtt_s=0.05, max_body=100_000)
    world.append(Lane.BULK, 500_000)
    for i in range(100):
        world.append(Lane.CRITICAL, 1, at=0.1 * i)
    world.run(60.0)
    assert world.wms == [100, 0, 500_000]
    assert max(world.waits) < 2.0
    assert sum(body > 100_000 for _, _, body in world.bodies) <= 2


def test_where_even_the_smallest_body_is_refused_the_operator_is_told_and_the_parent_is_spared() -> None:
    world = World(SETTINGS, speeds=((0.0, FAST),), max_body=1_000)
    world.append(Lane.BULK, 5_000)
    world.run(600.0)
    assert "lane 2" in world.plan.trouble
    assert len(world.bodies) < 30
    world.max_body = 1_000_000
    world.run(700.0)
    assert world.wms[2] == 5_000
    assert not world.plan.trouble


def test_credits_bound_what_is_under_way_and_lane_0_has_one_on_top() -> None:
    world = World(SETTINGS, speeds=((0.0, FAST),), credits=0, rtt_s=1.0)
    world.append(Lane.BULK, 100_000)
    world.append(Lane.NORMAL, 100_000)
    world.append(Lane.CRITICAL, 100_000)
    world.run(100.0)  # the world checks at every step
    assert world.plan.report(world.now).credits == 1
    assert min(world.wms) > 10_000


def test_the_report_says_what_was_measured() -> None:
    world = World(SETTINGS, speeds=((0.0, 500_000.0),), rtt_s=0.1)
    assert world.plan.report(0.0).goodput_bps is None
    world.append(Lane.BULK, 1_000_000)
    world.append(Lane.CRITICAL, 1, at=30.0)
    world.run(60.0)
    report = world.plan.report(world.now)
    assert report.goodput_bps == pytest.approx(4_000_000, rel=0.25)
    assert report.rtt_s == pytest.approx(0.1, rel=0.2)
    assert report.batch_rows[Lane.BULK] == SETTINGS.max_rows
    assert (report.phase, report.in_flight, report.window_in_s, report.quiet_for_s) == ("closed", (), 0.0, 0.0)


OUTCOMES: tuple[Outcome, ...] = ("", "lost request", "lost answer", "busy")


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=30),
    speeds=st.lists(st.floats(500.0, 5e6), min_size=1, max_size=4),
    rtt_s=st.floats(0.001, 2.0),
    writes=st.lists(
        st.tuples(st.sampled_from(OPEN_LANES), st.integers(1, 3000), st.floats(0.0, 200.0)), min_size=1, max_size=20
    ),
    credit=st.integers(0, 4),
)
def test_whatever_the_link_does_the_rules_hold_and_in_the_end_everything_is_there(
    outcomes: list[Outcome], speeds: list[float], rtt_s: float, writes: list[tuple[Lane, int, float]], credit: int
) -> None:
    steps = [(100.0 * i, speed) for i, speed in enumerate(speeds)]
    world = World(SETTINGS, [*steps, (100.0 * len(speeds), FAST)], rtt_s=rtt_s, credits=credit, outcomes=outcomes)
    for lane, rows, at in writes:
        world.append(lane, rows, at)
    world.run(6000.0)  # every step of it is checked by the world
    assert world.wms == world.heads
    assert world.plan.is_idle
