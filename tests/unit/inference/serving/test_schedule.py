from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.inference.serving.world import PLACES, Sums, World, active, rows, shadow

from holdfast.inference.serving.happenings import (
    DeploymentCameBack,
    DeploymentFellBack,
    ModelBroken,
    ModelRecovered,
    ModelStuck,
)
from holdfast.inference.serving.ports import Assignment, ByRule, Deployment, Last, Smaller, Step
from holdfast.inference.serving.settings import ServingSettings
from holdfast.inference.serving.status import status_of
from holdfast.model.features import UNUSABLE, FeatureRows
from holdfast.model.predictions import How, Predictions

PUMP = Deployment("pump", [("active", "m")], budget_s=0.05)
NEVER = float("inf")


def by_rule(given_rows: FeatureRows) -> Predictions:
    n = len(given_rows)
    return Predictions(np.full(n, -7.0), np.zeros(n, np.int32), np.full(n, np.nan))


def kinds(world: World) -> list[type]:
    return [type(one) for one in world.happened]


def slow(fixed: float, per_row: float = 0.0) -> Any:
    return lambda n: fixed + per_row * n


def test_a_row_is_scored_at_once_when_nothing_runs() -> None:
    world = World()
    world.serve(PUMP, m=Sums())
    world.offer(rows([3], [42.0], at=world.now), active())
    world.pass_time(0.0011)
    (one,) = world.told
    assert (one.deployment, one.model, one.version, one.role) == ("pump", "sums", "1.0.0", "active")
    assert one.predictions.score.tolist() == [42.0]
    assert one.latency[0] == pytest.approx(0.001)
    assert one.how.tolist() == [How.MODEL]


def test_what_comes_while_a_batch_runs_makes_the_next_one() -> None:
    world = World()
    world.takes["sums"] = slow(0.010)
    world.serve(PUMP, m=Sums())
    world.runs.clear()
    for turn in range(9):
        world.offer(rows([0, 1], at=world.now, turn=turn), active())
        world.pass_time(0.001)
    world.pass_time(0.1)
    assert world.runs == [("sums", 2), ("sums", 16)]
    assert [turn for _, turn, _, _ in world.answers()] == [turn for turn in range(9) for _ in range(2)]


def test_one_model_runs_rows_of_several_deployments_together() -> None:
    world = World()
    world.takes["sums"] = slow(0.010)
    world.serve(PUMP, replace(PUMP, name="fan"), m=Sums())
    world.runs.clear()
    world.offer(rows([0], at=world.now), active())
    world.pass_time(0.001)
    for turn in range(3):
        world.offer(rows([1], at=world.now, turn=turn), active("fan"), active("pump"))
    world.pass_time(0.1)
    assert world.runs == [("sums", 1), ("sums", 6)]
    assert [(one.deployment, len(one)) for one in world.told] == [("pump", 1), ("fan", 3), ("pump", 3)]


def test_a_mask_says_which_rows_go_where() -> None:
    world = World()
    world.serve(Deployment("pump", [("active", "m"), ("canary", "n")]), m=Sums(), n=Sums("two", add=0.5))
    odd = np.array([False, True, False, True])
    canary = Assignment("pump", "canary", "n", odd)
    world.offer(rows([0, 1, 2, 3], [0.0, 1.0, 2.0, 3.0], at=world.now), active(only=~odd), canary)
    world.pass_time(0.1)
    assert [score for *_, score in world.answers()] == [0.0, 2.0]
    assert [score for *_, score in world.answers("canary")] == [1.5, 3.5]


def test_a_batch_is_as_large_as_the_budget_has_room_for() -> None:
    world = World()
    world.takes["sums"] = slow(0.001, 0.0005)  # 50 ms hold 88 rows, of which the wait takes its part
    world.serve(PUMP, m=Sums())
    world.runs.clear()
    for turn in range(10):
        world.offer(rows(range(40), at=world.now, turn=turn), active())
    world.pass_time(1.0)
    assert max(n for _, n in world.runs) <= 88
    assert len(world.answers()) + world.status().skipped == 400


def test_under_pressure_only_each_devices_newest_row_is_scored_and_the_others_are_counted() -> None:
    world = World()
    world.takes["sums"] = slow(0.001, 0.001)
    world.serve(PUMP, m=Sums())
    for turn in range(200):  # 1,000 rows a second where 1,000 take a second: too many
        world.offer(rows(range(10), at=world.now, turn=turn), active())
        world.pass_time(0.008)
    world.pass_time(1.0)
    status = world.status()
    assert status.skipped > 100
    assert status.scored + status.skipped == status.offered == 2000
    assert status.p99_ms is not None
    assert status.p99_ms < 80
    for device in range(10):
        turns = [turn for key, turn, _, _ in world.answers() if key == device]
        assert turns == sorted(turns)
        assert turns[-1] == 199


def test_skipped_rows_get_the_fallback_where_that_is_wanted() -> None:
    world = World()
    world.takes["sums"] = slow(0.001, 0.001)
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)], skipped="fallback"), m=Sums())
    for turn in range(100):
        world.offer(rows(range(10), at=world.now, turn=turn), active())
        world.pass_time(0.008)
    world.pass_time(1.0)
    status = world.status()
    assert status.skipped == 0
    assert status.rule > 0
    assert len(world.answers()) == 1000


def test_a_model_that_cannot_keep_its_budget_falls_back_and_comes_back_when_it_can() -> None:
    world = World()
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)]), m=Sums())
    world.takes["sums"] = slow(0.2)

    def feed(seconds: float, turn: int = 0) -> None:
        for step in range(int(seconds / 0.01)):
            world.offer(rows([step % 5], at=world.now, turn=turn + step), active())
            world.pass_time(0.01)

    feed(2.0)
    assert world.status().state == "fallback"
    feed(1.0)
    world.told.clear()
    feed(1.0)
    assert sum(how == How.RULE for _, _, how, _ in world.answers()) >= 95
    world.takes["sums"] = slow(0.001)
    feed(15.0)
    assert world.status().state == "ok"
    assert kinds(world) == [DeploymentFellBack, DeploymentCameBack]
    status = world.status()
    assert status.offered == status.scored + status.rule + status.skipped + status.waiting + status.unanswered
    assert (status.answered_lately, status.fallen_lately) == (status.scored + status.rule, status.rule)
    world.pass_time(650.0, tick=10.0)
    status = world.status()
    assert (status.answered_lately, status.fallen_lately) == (0, 0)
    assert status.rule > 0


def test_the_chain_goes_from_the_smaller_model_by_the_rule_to_the_last_value() -> None:
    def of_low_ones(given_rows: FeatureRows) -> Predictions:
        said = by_rule(given_rows)
        return replace(said, score=np.where(given_rows.values[:, 0] < 50, said.score, np.nan))

    world = World()
    chain: list[Step] = [Smaller("s"), ByRule(of_low_ones), Last()]
    big, small = Sums(), Sums("small", add=0.25)
    world.serve(replace(PUMP, fallback=chain), m=big, s=small)
    world.offer(rows([1, 2], [10.0, 90.0], at=world.now), active())
    world.pass_time(0.1)
    big.is_raising = True
    world.offer(rows([1, 2], [11.0, 91.0], at=world.now, turn=1), active())
    world.pass_time(0.1)
    small.is_raising = True
    world.offer(rows([1, 2, 3], [12.0, 92.0, 93.0], at=world.now, turn=2), active())
    world.pass_time(0.1)
    assert [(turn, how, score) for _, turn, how, score in world.answers()] == [
        (0, How.MODEL, 10.0),
        (0, How.MODEL, 90.0),
        (1, How.SMALLER, 11.25),
        (1, How.SMALLER, 91.25),
        (2, How.RULE, -7.0),
        (2, How.LAST, 91.25),
    ]
    assert world.status().unanswered == 1
    assert [one.model for one in world.told] == ["sums", "small", "sums", "sums"]


def test_unusable_rows_are_never_scored() -> None:
    world = World()
    given_rows = replace(rows([0, 1, 2]), flags=np.array([0, UNUSABLE, 0], np.uint8), arrived=1.0)
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)]), m=Sums())
    world.offer(given_rows, active())
    world.pass_time(0.1)
    assert [key for key, *_ in world.answers()] == [0, 2]
    assert world.status().unusable == 1


def test_unusable_rows_get_the_last_value_where_that_is_wanted() -> None:
    world = World()
    world.serve(replace(PUMP, unusable="last"), m=Sums())
    world.offer(rows([0], [5.0], at=world.now), active())
    world.pass_time(0.1)
    world.offer(rows([0, 1], at=world.now, turn=1, flags=UNUSABLE), active())
    world.pass_time(0.1)
    assert world.answers()[1:] == [(0, 1, How.LAST, 5.0)]
    assert world.status().unusable == 1


def test_rows_of_which_a_model_says_nothing_finite_get_the_fallback_and_their_neighbours_do_not() -> None:
    world = World()
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)]), m=Sums())
    world.offer(rows([0, 1, 2], [1.0, np.nan, 3.0], at=world.now), active())
    world.pass_time(0.1)
    assert sorted(world.answers()) == [(0, 0, How.MODEL, 1.0), (1, 0, How.RULE, -7.0), (2, 0, How.MODEL, 3.0)]
    assert world.status().nan == 1


def test_a_model_that_raises_three_times_is_left_alone_and_tried_again_by_a_warm_up() -> None:
    world, model = World(), Sums()
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)]), m=model)
    model.is_raising = True
    for turn in range(6):
        world.offer(rows([0], at=world.now, turn=turn), active())
        world.pass_time(0.01)
    status = world.status()
    assert (status.state, status.errors, status.last_error, status.rule) == ("broken", 3, "out of sums", 6)
    world.pass_time(61.0)
    assert world.status().state == "broken"
    assert world.status().errors == 4
    model.is_raising = False
    world.pass_time(601.0)
    world.offer(rows([0], [5.0], at=world.now, turn=9), active())
    world.pass_time(0.01)
    assert world.answers()[-1] == (0, 9, How.MODEL, 5.0)
    assert kinds(world) == [ModelBroken, ModelBroken, ModelRecovered]


def test_a_model_that_does_not_return_is_given_up_and_others_run_on_another_thread() -> None:
    world = World()
    world.serve(
        replace(PUMP, fallback=[Last(), ByRule(by_rule)]),
        replace(PUMP, name="fan", serves=[("active", "n")]),
        m=Sums(),
        n=Sums("two"),
    )
    world.takes["sums"] = slow(NEVER)
    world.offer(rows([0], at=world.now), active())
    world.pass_time(0.01)
    world.offer(rows([1], [8.0], at=world.now), active("fan", "n"))
    world.offer(rows([2], at=world.now), active())
    world.pass_time(2.1)
    assert world.status().state == "stuck"
    assert sorted(world.answers()) == [(0, 0, How.RULE, -7.0), (1, 0, How.MODEL, 8.0), (2, 0, How.RULE, -7.0)]
    assert kinds(world)[-1] is ModelStuck
    world.let_go()
    world.pass_time(0.1)
    assert len(world.answers()) == 3
    assert status_of(world.schedule, world.now, 0).threads_lost == 0


def test_a_model_that_is_stuck_again_and_again_is_not_tried_beyond_the_spare_threads() -> None:
    world = World(ServingSettings(spare=2, pauses_s=(10.0,)))
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)]), m=Sums())
    world.takes["sums"] = slow(NEVER)
    for turn in range(20):
        world.offer(rows([0], at=world.now, turn=turn), active())
        world.pass_time(6.0)
    status = status_of(world.schedule, world.now, 0)
    assert (status.threads, status.threads_lost) == (1, 2)
    assert world.status().state == "stuck"
    assert world.status().rule == 20
    world.let_go()
    world.takes["sums"] = slow(0.001)
    world.pass_time(30.0)
    assert world.status().state == "ok"


def test_when_no_thread_is_left_every_deployment_has_its_fallback() -> None:
    world = World(ServingSettings(spare=0))
    fan = replace(PUMP, name="fan", serves=[("active", "n")], fallback=[ByRule(by_rule)])
    world.serve(PUMP, fan, m=Sums(), n=Sums("two"))
    world.takes["sums"] = slow(NEVER)
    world.offer(rows([0], at=world.now), active())
    world.pass_time(2.5)
    world.offer(rows([1], at=world.now), active("fan", "n"))
    world.pass_time(0.1)
    assert world.answers() == [(1, 0, How.RULE, -7.0)]
    assert world.status().unanswered == 1
    assert world.status("fan").state == "stuck"


def test_a_shadow_runs_when_nothing_else_waits_and_is_dropped_first() -> None:
    world = World()
    world.takes["sums"] = slow(0.010)
    world.serve(replace(PUMP, serves=[("active", "m"), ("shadow", "n")]), m=Sums(), n=Sums("two"))
    for turn in range(1000):
        world.offer(rows([0], at=world.now, turn=turn), active(), shadow("pump", "n"))
        world.pass_time(0.004)
    assert world.answers("shadow") == []
    world.pass_time(0.1)
    late = len(world.answers("shadow"))
    assert late <= 2.0 / 0.004 + 5
    assert world.status(role="shadow").skipped == 1000 - late
    for turn in range(50):
        world.offer(rows([0], at=world.now, turn=turn), active(), shadow("pump", "n"))
        world.pass_time(0.1)
    assert len(world.answers("shadow")) == late + 50
    assert len(world.answers()) + world.status().skipped == 1050


def test_a_slow_model_leaves_the_others_their_share() -> None:
    world = World()
    world.takes["slow"] = slow(0.005, 0.0002)
    world.serve(
        Deployment("pump", [("active", "m")], budget_s=0.1),
        Deployment("fan", [("active", "n")], budget_s=0.1),
        m=Sums("slow"),
        n=Sums("quick"),
    )
    for turn in range(300):
        world.offer(rows(range(50), at=world.now, turn=turn), active())
        world.offer(rows(range(5), at=world.now, turn=turn), active("fan", "n"))
        world.pass_time(0.01)
    fan = world.status("fan")
    assert fan.scored >= 1400
    assert fan.p99_ms is not None
    assert fan.p99_ms < 60


def test_a_flood_is_bounded_and_sheds_shadows_then_old_rows() -> None:
    world = World(ServingSettings(waiting_rows=500))
    world.serve(replace(PUMP, serves=[("active", "m"), ("shadow", "m")]), m=Sums())
    world.takes["sums"] = slow(1.0)
    for turn in range(100):
        world.offer(rows(range(50), at=world.now, turn=turn), active(), shadow())
        world.turn()
        assert world.schedule.roster.rows <= 500
    assert world.schedule.roster.nbytes == sum(
        piece.nbytes for lane in world.schedule.roster.every() for piece in (*lane.acting, *lane.shadowing)
    )
    running = sum(job.n for slot in world.schedule.slots for job in slot.jobs)
    status = world.status()
    assert status.skipped + status.waiting + running == status.offered == 5000
    assert world.status(role="shadow").skipped >= 4500


def test_a_change_leaves_what_is_not_changed_undisturbed_and_releases_a_model_after_its_last_batch() -> None:
    world, old, kept = World(), Sums(), Sums("two")
    fan = Deployment("fan", [("active", "n")])
    world.takes["sums"] = slow(0.02)
    world.serve(PUMP, fan, m=old, n=kept)
    world.offer(rows([0], at=world.now), active(), active("fan", "n"))
    world.pass_time(0.001)
    world.offer(rows([1], at=world.now), active())
    lane, scored = world.schedule.roster.lanes["n"], world.status("fan").scored
    world.serve(replace(PUMP, budget_s=0.1), fan, m=Sums(version="2.0.0", add=0.5), n=kept)
    assert world.schedule.roster.lanes["n"] is lane
    assert world.status("fan").scored >= scored
    assert world.schedule.released == [old]
    assert [key for key, *_ in world.answers() if key == 1] == [1]
    world.offer(rows([2], [0.0], at=world.now), active())
    world.pass_time(0.1)
    assert world.told[-1].version == "2.0.0"
    assert world.status().budget_ms == 100.0


def test_rows_for_what_is_not_served_are_counted() -> None:
    world = World()
    world.serve(PUMP, m=Sums())
    world.offer(rows([0, 1]), active("fan"))
    assert status_of(world.schedule, 0.0, 0).unassigned == 2


def test_a_deployment_without_a_model_is_served_by_its_fallbacks() -> None:
    world = World()
    world.serve(Deployment("pump", [("active", "")], fallback=[ByRule(by_rule)]))
    world.offer(rows([0], at=world.now), active(model=""))
    world.turn()
    assert world.answers() == [(0, 0, How.RULE, -7.0)]
    assert world.status().state == "fallback"


def test_rows_of_another_width_get_the_fallback_and_a_sentence() -> None:
    world = World()
    world.serve(replace(PUMP, fallback=[ByRule(by_rule)]), m=Sums())
    world.offer(replace(rows([0], at=world.now), values=np.zeros((1, 5))), active())
    world.turn()
    assert world.answers() == [(0, 0, How.RULE, -7.0)]
    assert world.status().last_error == "rows have 5 numbers, the model takes 2"


def test_a_rule_that_raises_is_counted_and_the_next_fallback_answers() -> None:
    def broken(_: FeatureRows) -> Predictions:
        raise ZeroDivisionError("by zero")

    world = World()
    world.serve(Deployment("pump", [("active", "")], fallback=[ByRule(broken), ByRule(by_rule)]))
    world.offer(rows([0], at=world.now), active(model=""))
    world.turn()
    assert world.answers() == [(0, 0, How.RULE, -7.0)]
    assert status_of(world.schedule, 0.0, 0).last_rule_error == "ZeroDivisionError: by zero"


def test_a_model_that_is_not_there_is_named_and_nothing_is_changed() -> None:
    world = World()
    world.serve(PUMP, m=Sums())
    with pytest.raises(ValueError, match="fan names models that aren't there: n"):
        world.schedule.adopt([PUMP, replace(PUMP, name="fan", fallback=[Smaller("n")])], {"m": Sums()}, 0.0)
    assert list(world.schedule.roster.lanes) == ["", "m"]


steps = st.one_of(
    st.tuples(
        st.just("offer"),
        st.lists(st.integers(0, len(PLACES) - 1), min_size=1, max_size=30),
        st.sampled_from(["pump", "fan"]),
        st.sampled_from([0, 0, 0, UNUSABLE]),
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 0.02, 0.3, 2.5, 70.0])),
    st.tuples(st.just("takes"), st.sampled_from(["sums", "two"]), st.sampled_from([0.0005, 0.03, 0.2, 0.2, NEVER])),
    st.tuples(st.just("spoil"), st.booleans(), st.booleans()),
    st.tuples(st.just("let_go")),
    st.tuples(st.just("change"), st.booleans()),
)


class Life:
    """Two deployments, one with a shadow and a smaller model, and what may happen to them."""

    def __init__(self, workers: int, skipped: Any) -> None:
        self.world = World(ServingSettings(workers=workers, waiting_rows=120, batch_rows=16), warm=False)
        self.models = [Sums(), Sums("two")]
        roles: Any = [("active", "m"), ("shadow", "n")]
        self.pump = Deployment("pump", roles, fallback=[Smaller("n"), Last()], skipped=skipped)
        self.fan = Deployment("fan", [("active", "n")], fallback=[ByRule(by_rule)], unusable="last")
        self.offered, self._nan, self._number = {"pump": 0, "fan": 0}, False, 0
        self.change(anew=False)

    def offer(self, keys: list[int], name: str, flags: int) -> None:
        self._number += 1
        values = [np.nan if self._nan and key % 3 == 0 else 1.0 for key in keys]
        given_rows = rows(keys, values, at=self.world.now, turn=self._number, flags=flags)
        # each row has a time of its own, by which it's told apart
        given_rows = replace(given_rows, ts=given_rows.ts + np.arange(len(keys)))
        to = [active(), shadow("pump", "n")] if name == "pump" else [active("fan", "n")]
        self.world.offer(given_rows, *to)
        self.offered[name] += len(keys)

    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds, tick=max(0.02, seconds / 20))

    def takes(self, name: str, seconds: float) -> None:
        self.world.takes[name] = slow(seconds)

    def spoil(self, raises: bool, nan: bool) -> None:  # noqa: FBT001  # Hypothesis gives them by place
        self.models[0].is_raising, self._nan = raises, nan

    def let_go(self) -> None:
        self.world.let_go()

    def change(self, anew: bool) -> None:  # noqa: FBT001  # Hypothesis gives it by place
        self.models[0] = Sums("sums", "2.0.0") if anew else self.models[0]
        pump = replace(self.pump, budget_s=0.02 if anew else 0.05)
        self.world.serve(pump, self.fan, m=self.models[0], n=self.models[1])

    def end(self) -> list[tuple[str, str, int, int]]:
        """Everything returns; what was told, row by row."""
        self.world.takes = {"sums": slow(0.001), "two": slow(0.001)}
        self.world.let_go()
        self.world.pass_time(5.0)
        return [
            (one.deployment, one.role, int(key), int(ts))
            for one in self.world.told
            for key, ts in zip(one.key, one.ts, strict=True)
        ]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(steps, max_size=40), st.sampled_from([1, 2]), st.sampled_from(["drop", "fallback"]))
def test_no_row_is_lost_or_told_twice_whatever_happens(what: list[tuple[Any, ...]], workers: int, skipped: Any) -> None:
    life = Life(workers, skipped)
    for step in what:
        getattr(life, step[0])(*step[1:])
    told = life.end()
    assert len(told) == len(set(told))
    for post in life.world.schedule.roster.posts.values():
        mine = sum(one[:2] == (post.deployment.name, post.role) for one in told)
        counts = post.counts
        assert counts.offered == life.offered[post.deployment.name]
        assert counts.settled == counts.offered
        assert mine == counts.scored + counts.smaller + counts.rule + counts.last
    assert life.world.schedule.roster.nbytes == life.world.schedule.roster.rows == 0
    assert not life.world.schedule.zombies
